//! The rules of secrets, and SEC-01: columns that keep them readable. Never judges a value.

use super::words::{has_any, words};
use super::{Judge, credentials, object_of_column};
use crate::catalog::{Affinity, Column, Table};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::subject::Subject;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("SEC-01", readable_secret),
    ("SEC-02", credentials::known_credential),
];

fn readable_secret(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject
        .schema()
        .tables
        .values()
        .filter(|table| table.is_ordinary())
    {
        for column in &table.columns {
            if !is_secret(table, column) {
                continue;
            }
            let message = format!(
                "whoever sees `{}` once, in a backup or an export, can use what `{}` holds: by its name, it is stored in readable form",
                table.name, column.name
            );
            findings.push(
                Finding::new("SEC-01", Level::Warning, object_of_column(table, column), message)
                    .at(subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()), "a secret by its name")
                    .help("keep a hash of what is only compared, an encrypted value of what must be read again, and call the column so"),
            );
        }
    }
}

fn is_secret(table: &Table, column: &Column) -> bool {
    let words = words(column.name.as_str());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let is_named = matches!(
        words.as_slice(),
        [
            ..,
            "token"
                | "secret"
                | "password"
                | "passwd"
                | "pwd"
                | "passphrase"
                | "mnemonic"
                | "apikey"
                | "accesstoken"
                | "refreshtoken"
                | "bearer"
                | "otp"
        ] | [.., "recovery" | "backup", "code" | "codes"]
            | [
                ..,
                "private" | "secret",
                "key",
                "pem" | "jwk" | "wif" | "base64" | "b64" | "hex"
            ]
            | [
                ..,
                "api"
                    | "private"
                    | "secret"
                    | "signing"
                    | "access"
                    | "auth"
                    | "encryption"
                    | "master",
                "key"
            ]
            | [
                ..,
                "db" | "database" | "smtp" | "imap" | "mail" | "ftp" | "user",
                "pass"
            ]
    ) || is_key_of_keys(table, &words)
        || is_token_of_tokens(table, &words);
    let is_other = words.iter().any(|word| {
        matches!(
            *word,
            "hash"
                | "hashed"
                | "encrypted"
                | "enc"
                | "cipher"
                | "ciphertext"
                | "sealed"
                | "public"
                | "page"
                | "cursor"
                | "continuation"
                | "sync"
                | "next"
                | "first"
                | "last"
                | "has"
                | "is"
        )
    });
    let declared = column.declared_type.to_ascii_lowercase();
    let is_text = column.affinity() == Affinity::Text || declared.is_empty();
    is_named
        && !is_other
        && is_text
        && column.generated.is_none()
        && !has_length_of_a_hash(table, column)
}

/// `oauth_tokens.access`, `authorization_codes.code`: the word that is missing is the table's.
fn is_token_of_tokens(table: &Table, column: &[&str]) -> bool {
    let words = words(table.name.as_str());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(
        (words.as_slice(), column),
        ([.., "token" | "tokens"], ["access" | "refresh" | "bearer"])
            | (
                [
                    ..,
                    "authorization" | "auth" | "recovery" | "backup",
                    "code" | "codes"
                ],
                ["code"]
            )
    )
}

/// Whether a column is what a table of keys is about: `api_keys.key`, or `channel_keys.channel_key`. A key that only names something
/// (`storage_keys.key`) is told apart by what else the table knows: such keys do not expire, and nobody revokes them.
fn is_key_of_keys(table: &Table, column: &[&str]) -> bool {
    let words = words(table.name.as_str());
    let Some((last, before)) = words.split_last() else {
        return false;
    };
    let is_about = match column {
        ["key" | "value"] => true,
        [start @ .., "key"] => start.iter().eq(before.iter()),
        _ => false,
    };
    let opens = ["api", "access", "secret", "signing", "private", "auth"];
    let has_a_life = table.columns.iter().any(|column| {
        has_any(
            column.name.as_str(),
            &[
                "revoked",
                "expires",
                "expiry",
                "expired",
                "enabled",
                "disabled",
                "active",
                "scopes",
                "scope",
                "permissions",
                "last",
                "rotated",
                "quota",
            ],
        )
    });
    let opens = before.iter().any(|word| opens.contains(&word.as_str()));
    let is_known = before.iter().any(|word| {
        matches!(
            word.as_str(),
            "public"
                | "idempotency"
                | "cache"
                | "translation"
                | "i18n"
                | "foreign"
                | "sort"
                | "storage"
                | "object"
                | "host"
        )
    });
    last == "keys" && !before.is_empty() && is_about && !is_known && (opens || has_a_life)
}

/// `CHECK (length(token) = 64)`: a hash, whatever the column is called.
fn has_length_of_a_hash(table: &Table, column: &Column) -> bool {
    let plain: String = table
        .sql
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    let plain = plain.to_ascii_lowercase().replace(['"', '`'], "");
    plain.contains(&format!(
        "length({})=",
        column.name.as_str().to_ascii_lowercase()
    ))
}
