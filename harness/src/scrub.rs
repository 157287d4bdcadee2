//! Takes secrets out of everything that is printed or written: the last door before the terminal and the file system.
//! Never lets a secret of a manifest or a signed token pass, in whatever form a report spells it.

use crate::evidence::REDACTED;
use std::borrow::Cow;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// Shortest text that is taken for a secret. A shorter one is guessed in no time, and taking it out would garble every report.
const SECRET_LEN_MIN: usize = 6;

/// How often a text may be quoted within a quoted text: by a target that repeats it, in its JSON, in a finding, in a report.
const QUOTED_TIMES: usize = 4;

/// Every form of every secret, the longest first.
static FORMS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A signed token, whole or cut: a JSON object in base64url, two more parts. Tokens are minted by the hundred: their form is enough.
static TOKEN: LazyLock<regex::Regex> = LazyLock::new(|| {
    regex::Regex::new(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}")
        .unwrap_or_else(|_invalid| unreachable!("a constant pattern"))
});

fn forms() -> MutexGuard<'static, Vec<String>> {
    FORMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on this text appears in no output.
pub fn remember(secret: &str) {
    if secret.len() < SECRET_LEN_MIN {
        return;
    }
    let mut forms = forms();
    for form in spellings(secret) {
        if form.len() >= SECRET_LEN_MIN && !forms.contains(&form) {
            forms.push(form);
        }
    }
    // A secret that holds another one goes first, or its rest would stay.
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
}

/// The forms in which outputs may spell a secret: plain, in JSON, in XML, in a shell line, in a query, in base64.
fn spellings(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let query: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut all = vec![
        secret.replace('\'', "'\\''"),
        query.replace('+', "%20"),
        query,
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ];
    let mut quoted = secret.to_owned();
    for _ in 0..=QUOTED_TIMES {
        all.push(in_xml(&quoted));
        all.push(quoted.clone());
        let json = serde_json::Value::String(quoted.clone()).to_string();
        json[1..json.len() - 1].clone_into(&mut quoted);
    }
    all
}

fn in_xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The text without any known secret.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    let mut cleaned = Cow::Borrowed(text);
    for form in forms().iter() {
        if cleaned.contains(form.as_str()) {
            cleaned = Cow::Owned(cleaned.replace(form.as_str(), REDACTED));
        }
    }
    cleaned
}

/// As [`clean`], and without anything that has the form of a signed token: for what tells of a run.
#[must_use]
pub fn clean_report(text: &str) -> String {
    let cleaned = clean(text);
    // Nearly no text holds one, and this is asked for every exchange.
    if cleaned.contains("eyJ") {
        TOKEN.replace_all(&cleaned, REDACTED).into_owned()
    } else {
        cleaned.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_in_every_spelling() {
        let secret = "p\"q&r<s>'t é/%";
        remember(secret);
        for form in spellings(secret) {
            let cleaned = clean(&format!("before {form} after")).into_owned();
            assert_eq!(cleaned, format!("before {REDACTED} after"), "{form}");
        }
        let report = serde_json::json!({ "seen": format!("{secret:?}") }).to_string();
        assert!(!clean(&report).contains("p\\"), "{}", clean(&report));
    }

    #[test]
    fn tokens_go_by_their_form() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2lnbmF0dXJl";
        assert_eq!(
            clean_report(&format!("x {token} y")),
            format!("x {REDACTED} y")
        );
        assert_eq!(
            clean_report("eyJhbGciOiJSUzI1NiJ9.eyJhd…"),
            format!("{REDACTED}…")
        );
        assert_eq!(clean_report("a.b.c eyJ.x.y"), "a.b.c eyJ.x.y");
    }

    #[test]
    fn what_is_too_short_to_be_a_secret_garbles_nothing() {
        remember("on");
        assert_eq!(clean("one on on"), "one on on");
    }
}
