//! What in a text looks like a secret. Never knows where the text came from.

/// An unbroken run of this many token characters is taken for a secret; a UUID has 36, a DNS label at most 63 but of a host.
const OPAQUE_LEN_MIN: usize = 40;
/// Stands where a secret stood.
pub(super) const REDACTED: &str = "[redacted]";
/// Names whose values are secrets, wherever they stand in a longer name.
const SECRET_NAMES: [&str; 9] = [
    "token",
    "key",
    "secret",
    "password",
    "authorization",
    "cookie",
    "jwt",
    "assertion",
    "signature",
];

/// Replaces what looks like a secret; `None` if nothing does.
pub(super) fn scrub_words(text: &str) -> Option<String> {
    let suspicious = text.len() >= OPAQUE_LEN_MIN
        || text.contains("eyJ")
        || text
            .bytes()
            .any(|byte| matches!(byte, b'=' | b':' | b' ' | b'%'));
    if !suspicious {
        return None;
    }
    let mut scrubbed = String::with_capacity(text.len());
    let mut changed = false;
    let mut next_is_secret = false;
    for word in text.split_inclusive(|character: char| {
        character.is_whitespace() || "\"',;&?/()<>{}".contains(character)
    }) {
        let end = word.char_indices().next_back().map_or(0, |(at, _)| at);
        let ends_with_delimiter = word.ends_with(|character: char| {
            character.is_whitespace() || "\"',;&?/()<>{}".contains(character)
        });
        let (name, delimiter) = if ends_with_delimiter {
            word.split_at(end)
        } else {
            (word, "")
        };
        let redacted = if next_is_secret && !name.is_empty() {
            Some(REDACTED.to_owned())
        } else {
            scrub_word(name)
        };
        if !name.is_empty() {
            let lower = name.to_ascii_lowercase();
            let announces = lower.ends_with("bearer") || lower.ends_with("basic");
            let named = lower.ends_with([':', '=']) && is_secret_name(&lower);
            next_is_secret = announces || (named && delimiter != "&");
        }
        changed |= redacted.is_some();
        scrubbed.push_str(redacted.as_deref().unwrap_or(name));
        scrubbed.push_str(delimiter);
    }
    changed.then_some(scrubbed)
}

fn scrub_word(word: &str) -> Option<String> {
    if let Some(at) = word.find(['=', ':'])
        && is_secret_name(&word[..at].to_ascii_lowercase())
        && at + 1 < word.len()
    {
        return Some(format!("{}{REDACTED}", &word[..=at]));
    }
    let looks_like_jwt = word.contains("eyJ") && word.contains('.');
    // Host names are long and no secrets: in a dotted word a hyphen separates.
    let dotted = word.contains('.');
    let opaque = |byte: u8| match byte {
        b'-' => !dotted,
        b'_' | b'+' | b'=' => true,
        _ => byte.is_ascii_alphanumeric(),
    };
    let longest = word
        .as_bytes()
        .split(|byte| !opaque(*byte))
        .map(<[u8]>::len)
        .max()
        .unwrap_or_default();
    (looks_like_jwt || longest >= OPAQUE_LEN_MIN).then(|| REDACTED.to_owned())
}

fn is_secret_name(lower: &str) -> bool {
    SECRET_NAMES.iter().any(|name| lower.contains(name))
}
