//! What names of columns and tables say by common habit, with underscores or in camel case. Never decides anything by itself: rules ask it.

/// The words of a name in lower case: `userId`, `user_id` and `UserID` give `user`, `id`.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last_was_lower = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() {
            words.push(String::new());
            last_was_lower = false;
            continue;
        }
        if letter.is_uppercase() && last_was_lower || words.is_empty() {
            words.push(String::new());
        }
        last_was_lower = letter.is_lowercase() || letter.is_numeric();
        if let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether one of the words is in a name.
pub(crate) fn has_any(name: &str, wanted: &[&str]) -> bool {
    words(name)
        .iter()
        .any(|word| wanted.contains(&word.as_str()))
}

/// Whether a name speaks of a point in time: `created_at`, `expiresAt`, `deleted_on`, `timestamp`.
pub(crate) fn is_time(name: &str) -> bool {
    let words = words(name);
    let last = words.last().map(String::as_str).unwrap_or_default();
    let only = words.len() == 1;
    (!only && matches!(last, "at" | "time" | "timestamp" | "ts"))
        || (only
            && matches!(
                last,
                "timestamp"
                    | "created"
                    | "updated"
                    | "expires"
                    | "createdat"
                    | "updatedat"
                    | "expiresat"
            ))
}

/// Whether a name marks a row as deleted.
pub(crate) fn is_deletion(name: &str) -> bool {
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(
        words.as_slice(),
        [
            "deleted" | "removed" | "trashed" | "discarded",
            "at" | "on" | "date" | "time"
        ] | [
            "date" | "is",
            "deleted" | "removed" | "trashed" | "discarded"
        ] | ["deleted" | "deletedat" | "trashed" | "discarded"]
            | ["soft", "deleted"]
            | ["soft", "deleted", "at"]
    )
}

/// Words of tables and columns where a person chooses what a `key` is.
const SETTINGS: [&str; 13] = [
    "setting",
    "settings",
    "config",
    "configs",
    "option",
    "options",
    "preference",
    "preferences",
    "property",
    "properties",
    "flag",
    "flags",
    "feature",
];

/// Whether a column holds a value that is made by a machine, its table considered: the `key` of a setting is a name that people choose.
pub(crate) fn is_machine_made(table: &str, column: &str) -> bool {
    let last = words(column).pop();
    let is_setting = has_any(table, &SETTINGS) || has_any(column, &SETTINGS);
    !(last.is_some_and(|word| word == "key") && is_setting) && is_made_by_a_machine(column)
}

/// Whether values under such a name are made by a machine, so that two owners never want the same one: ids, tokens, hashes.
pub(crate) fn is_made_by_a_machine(name: &str) -> bool {
    has_any(
        name,
        &[
            "id",
            "uuid",
            "uid",
            "guid",
            "ulid",
            "token",
            "hash",
            "hashed",
            "digest",
            "nonce",
            "secret",
            "fingerprint",
            "checksum",
            "sha256",
            "key",
            "sid",
            "cid",
            "etag",
        ],
    )
}
