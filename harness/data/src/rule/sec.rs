//! The rules of secrets: columns that keep them readable, and migrations that install known ones. Never shows the value of a secret that it does not know by heart.

use super::words::{has_any, words};
use super::{Judge, object_of_column, trial};
use crate::catalog::{Affinity, Column, Table};
use crate::finding::{Finding, Level};
use crate::replay::{ObjectKind, Step};
use crate::subject::Subject;
use crate::text::{FileId, find_word};
use crate::tree::{self, Kind, Node, Tree, Verb};

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] =
    &[("SEC-01", readable_secret), ("SEC-02", known_credential)];

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
        ] | [
            ..,
            "api" | "private" | "secret" | "signing" | "access" | "auth" | "encryption" | "master",
            "key"
        ] | [
            ..,
            "db" | "database" | "smtp" | "imap" | "mail" | "ftp" | "user",
            "pass"
        ]
    ) || is_key_of_keys(table, &words);
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

/// Texts that stand where a secret is to be put in, and secrets that everybody knows.
const KNOWN: [&str; 22] = [
    "changeme",
    "replace_with",
    "replace-with",
    "change-me",
    "change_me",
    "placeholder",
    "replace-me",
    "replace_me",
    "replaceme",
    "your-",
    "your_",
    "xxxx",
    "todo",
    "password",
    "secret",
    "admin123",
    "hunter2",
    "letmein",
    "123456",
    "sk_test_",
    "pk_test_",
    "test-key",
];

fn known_credential(subject: &Subject, findings: &mut Vec<Finding>) {
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        let name = subject
            .source
            .file(file)
            .map_or("", |file| file.name.as_str());
        if is_for_development(name) {
            continue;
        }
        for (_, step) in subject.replay.steps_of(file) {
            let Some((column, value)) = installed(subject, step) else {
                findings.extend(fixed_password(subject, step, name));
                continue;
            };
            // It is an error where it was seen to come into the database, and still does so at the end.
            let level = if step.failure.is_none() {
                Level::Error
            } else {
                Level::Warning
            };
            let message = format!(
                "`{name}` installs '{value}' as `{column}` on every database, the production's too, and anyone who reads this file can use it"
            );
            let place = step
                .statement
                .sql
                .find(&value)
                .map(|start| step.statement.part(start..start + value.len()));
            findings.push(
                Finding::new("SEC-02", level, format!("file {name}"), message)
                    .at(place.or_else(|| Some(step.statement.span.clone())), "everybody knows it")
                    .help("create the credential outside of migrations, with a value from a secret store; keep what is for development in a file that is not applied elsewhere")
                    .proof(proof(subject, step, &column, &value)),
            );
            break;
        }
    }
}

/// An account whose password is written down as a hash: the same one on every database.
fn fixed_password(subject: &Subject, step: &Step, name: &str) -> Option<Finding> {
    let sql = &step.statement.sql;
    let is_insert = ["insert", "replace"].iter().any(|word| {
        let word = find_word(sql, word, 0);
        word.is_some_and(|word| word.start == 0)
    });
    if !is_insert || !sql.to_ascii_lowercase().contains("pass") {
        return None;
    }
    let tree = tree::parse(sql).filter(|tree| tree.verb == Verb::Insert)?;
    let columns = columns(subject, &tree);
    let select = tree.parts.iter().find(|part| part.kind == Kind::Select)?;
    let row = select
        .parts
        .iter()
        .find(|part| part.kind == Kind::Columns)?;
    let (column, _) = columns
        .iter()
        .zip(&row.parts)
        .find(|(column, value)| is_password(column) && is_hash(value))?;
    let message = format!(
        "`{name}` makes an account whose `{column}` stands in the file: every database has the same password, and whoever reads the file can try to guess it at leisure"
    );
    let finding = Finding::new("SEC-02", Level::Warning, format!("file {name}"), message);
    let finding = finding.at(Some(step.statement.span.clone()), "the same everywhere");
    Some(finding.help("create the first account outside of migrations, with a password of its own; keep what is for development in a file that is not applied elsewhere"))
}

fn is_password(column: &str) -> bool {
    has_any(
        column,
        &["password", "passwd", "passhash", "passwordhash", "pwd"],
    )
}

/// Whether a value looks like a hash rather than like a mark that there is no password.
fn is_hash(value: &Node) -> bool {
    let text = &value.text;
    value.kind == Kind::Text
        && text.len() >= 20
        && !text.contains(' ')
        && text.chars().any(|letter| letter.is_ascii_digit())
}

fn is_for_development(name: &str) -> bool {
    let words = words(name);
    words.iter().any(|word| {
        matches!(
            word.as_str(),
            "dev"
                | "development"
                | "test"
                | "tests"
                | "testing"
                | "seed"
                | "seeds"
                | "local"
                | "sample"
                | "samples"
                | "demo"
                | "example"
                | "examples"
                | "fixture"
                | "fixtures"
                | "mock"
        )
    })
}

/// The column and the value of a credential that an INSERT writes out and that everybody knows.
fn installed(subject: &Subject, step: &Step) -> Option<(String, String)> {
    let sql = &step.statement.sql;
    if find_word(sql, "insert", 0).is_none_or(|word| word.start > 0)
        && find_word(sql, "replace", 0).is_none_or(|word| word.start > 0)
    {
        return None;
    }
    let lower = sql.to_ascii_lowercase();
    if !KNOWN.iter().any(|known| lower.contains(known)) {
        return None;
    }
    let tree = tree::parse(sql).filter(|tree| tree.verb == Verb::Insert)?;
    let columns = columns(subject, &tree);
    let select = tree.parts.iter().find(|part| part.kind == Kind::Select)?;
    let rows = select
        .parts
        .iter()
        .filter(|part| part.kind == Kind::Columns);
    for row in rows {
        for (column, value) in columns.iter().zip(&row.parts) {
            if let Some(value) = known(tree.table.as_deref().unwrap_or_default(), column, value) {
                return Some((column.clone(), value));
            }
        }
    }
    None
}

fn columns(subject: &Subject, tree: &Tree) -> Vec<String> {
    if !tree.columns.is_empty() {
        return tree.columns.clone();
    }
    let table = tree
        .table
        .as_deref()
        .and_then(|name| subject.schema().table(name));
    let columns = table.into_iter().flat_map(|table| &table.columns);
    columns
        .map(|column| column.name.as_str().to_owned())
        .collect()
}

fn known(table: &str, column: &str, value: &Node) -> Option<String> {
    let words = words(column);
    let is_credential = words.iter().any(|word| {
        matches!(
            word.as_str(),
            "password" | "passwd" | "secret" | "token" | "apikey" | "credential" | "credentials"
        )
    }) || words.ends_with(&["api".to_owned(), "key".to_owned()])
        || words.iter().any(|word| word == "key")
            && words
                .iter()
                .any(|word| matches!(word.as_str(), "hash" | "api" | "secret" | "admin"));
    let of_keys = words.iter().any(|word| word == "key")
        && has_any(table, &["api", "keys", "tokens", "secrets", "credentials"]);
    let is_credential = is_credential || of_keys;
    let value = value
        .all()
        .into_iter()
        .find(|node| node.kind == Kind::Text)?;
    let lower = value.text.to_ascii_lowercase();
    let is_known = KNOWN.iter().any(|known| lower.contains(known));
    (is_credential && is_known && !lower.contains(' ')).then(|| value.text.clone())
}

fn proof(subject: &Subject, step: &Step, column: &str, value: &str) -> Vec<String> {
    let table = tree::parse(&step.statement.sql).and_then(|tree| tree.table);
    let table = table.and_then(|name| subject.schema().table(&name));
    let Some(table) = table else {
        return Vec::new();
    };
    let wanted: Vec<_> = table
        .columns
        .iter()
        .filter(|own| own.name == column)
        .map(|own| &own.name)
        .collect();
    let quoted = value.replace('\'', "''");
    let Some(name) = wanted.first() else {
        return Vec::new();
    };
    trial::answering(vec![
        trial::sketch(table, &wanted, &[], &[]),
        format!(
            "INSERT INTO {} ({}) VALUES ('{quoted}');",
            table.name.quoted(),
            name.quoted()
        ),
        format!(
            "SELECT count(*) FROM {} WHERE {} = '{quoted}';",
            table.name.quoted(),
            name.quoted()
        ),
    ])
}
