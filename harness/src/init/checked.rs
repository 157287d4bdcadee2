//! Whether what somebody gave can be what was asked for. Never repeats it: a pasted secret would stand in a terminal's history, or in a log.

use url::Url;

/// Longest name of a variable that is taken. Evidence: the longest of the contract has 32 letters.
const NAME_MAX: usize = 64;

/// A word of a name this long, with a digit in it, is no word. Evidence: keys of 128 bits and more have at least 22 letters in base64, 32 in hex.
const RANDOM_MIN: usize = 16;

/// A word of a name this long is no word, with digits or without.
const WORD_MAX: usize = 24;

/// What was given cannot be what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No address of a server.
    #[error(
        "that is no address of a Worker: it is `http://` or `https://` and a host, such as http://127.0.0.1:8787"
    )]
    Address,
    /// A secret may stand in it.
    #[error(
        "the address holds a user name or a password, and would be written into the manifest with it: leave them out"
    )]
    Credentials,
    /// More than where the server is.
    #[error(
        "the address has a path, a query or a fragment: name the server alone; paths belong into [dialect]"
    )]
    Path,
    /// No host.
    #[error(
        "that is no app domain: it is a host name without `https://` and without a path, such as app.example.com"
    )]
    AppDomain,
    /// No name of a variable.
    #[error(
        "that is no name of a variable (letters, digits and `_`, such as CF_ACCESS_CLIENT_SECRET); if it was the secret itself: it is neither written nor repeated here, put it into a variable and name that"
    )]
    Variable,
    /// A value in place of a name.
    #[error(
        "that looks like a secret, not like the name of a variable: it is neither written nor repeated here; put it into a variable such as CF_ACCESS_CLIENT_SECRET, and name that"
    )]
    Secret,
}

/// An address is a server's, or the name of the variable that holds it.
pub(super) fn address(text: &str) -> Result<(), Refused> {
    let named = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    if let Some(name) = named {
        return variable(name);
    }
    let url = Url::parse(text).map_err(|_no_address| Refused::Address)?;
    let has_scheme = matches!(url.scheme(), "http" | "https");
    if !has_scheme || !url.has_host() || text.chars().any(char::is_whitespace) {
        return Err(Refused::Address);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::Credentials);
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(Refused::Path);
    }
    Ok(())
}

/// An app domain is a host, perhaps with a port; nothing is one that nobody knows.
pub(super) fn app_domain(text: &str) -> Result<(), Refused> {
    if text.is_empty() {
        return Ok(());
    }
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_label = |label: &str| {
        let of_host = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
        !label.is_empty() && label.chars().all(of_host)
    };
    let is_host = host.len() <= 253 && host.split('.').all(is_label);
    if is_host && port.parse::<u16>().is_ok() {
        Ok(())
    } else {
        Err(Refused::AppDomain)
    }
}

/// A variable's name is made of words, not of a secret.
pub(super) fn variable(name: &str) -> Result<(), Refused> {
    let of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let begins_well = !name.starts_with(|letter: char| letter.is_ascii_digit());
    if name.is_empty() || !begins_well || !name.chars().all(of_name) {
        return Err(Refused::Variable);
    }
    let is_random = |word: &str| {
        let has_digit = word.chars().any(|letter| letter.is_ascii_digit());
        word.len() > WORD_MAX || (word.len() >= RANDOM_MIN && has_digit)
    };
    if name.len() > NAME_MAX || name.split('_').any(is_random) {
        return Err(Refused::Secret);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_server_alone() {
        for good in [
            "http://127.0.0.1:8787",
            "https://staging.example/",
            "http://[::1]:8787",
            "${STAGING_URL}",
        ] {
            assert_eq!(address(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", Refused::Address),
            ("localhost:8787", Refused::Address),
            ("staging.example", Refused::Address),
            ("ftp://staging.example", Refused::Address),
            ("https://", Refused::Address),
            ("https://a b.example", Refused::Address),
            ("https://me:pass@staging.example", Refused::Credentials),
            ("https://me@staging.example", Refused::Credentials),
            ("https://staging.example/health", Refused::Path),
            ("https://staging.example?x=1", Refused::Path),
            ("${not a name}", Refused::Variable),
        ] {
            assert_eq!(address(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_name_of_a_variable_is_made_of_words() {
        for good in [
            "CF_ACCESS_CLIENT_ID",
            "CLOUDFLARE_AI_GATEWAY_API_KEY",
            "_x",
            "token2",
        ] {
            assert_eq!(variable(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", Refused::Variable),
            (".", Refused::Variable),
            ("two words", Refused::Variable),
            ("1st", Refused::Variable),
            (
                "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIifQ.c2ln",
                Refused::Variable,
            ),
            ("88bf3b6d86161464f6509f7219099e57.access", Refused::Variable),
            ("sk-proj-abcdef", Refused::Variable),
            ("b8bf3b6d86161464f6509f7219099e57", Refused::Secret),
            ("sk_live_51H8xyzABCdefGHIjkl", Refused::Secret),
            ("AbCdEfGhIjKlMnOpQrStUvWxYz", Refused::Secret),
        ] {
            assert_eq!(variable(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn an_app_domain_is_a_host() {
        for good in ["", "app.example.com", "localhost:8787", "münchen.example"] {
            assert_eq!(app_domain(good), Ok(()), "{good}");
        }
        for bad in [
            "https://app.example.com",
            "app.example.com/x",
            "a..b",
            "app example",
            "app:port",
        ] {
            assert_eq!(app_domain(bad), Err(Refused::AppDomain), "{bad}");
        }
    }
}
