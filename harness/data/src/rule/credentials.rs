//! SEC-02: credentials that a migration installs. Never shows the value of a secret that it does not know by heart.

use super::trial;
use super::words::{has_any, words};
use crate::finding::{Finding, Level};
use crate::replay::Step;
use crate::subject::Subject;
use crate::text::{FileId, find_word};
use crate::tree::{self, Kind, Node, Tree, Verb};

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

pub(super) fn known_credential(subject: &Subject, findings: &mut Vec<Finding>) {
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
    let begins = |word: &str| find_word(sql, word, 0).is_some_and(|word| word.start == 0);
    if !["insert", "replace", "update"].into_iter().any(begins) {
        return None;
    }
    let lower = sql.to_ascii_lowercase();
    let is_guessed = || {
        GUESSED
            .iter()
            .any(|known| lower.contains(&format!("'{known}'")))
    };
    if !KNOWN.iter().any(|known| lower.contains(known)) && !is_guessed() {
        return None;
    }
    let tree = tree::parse(sql)?;
    if tree.verb == Verb::Update {
        let table = tree.table.as_deref().unwrap_or_default();
        let mut sets = tree
            .sets
            .iter()
            .filter(|(_, value)| value.bare().kind == Kind::Text);
        return sets
            .find_map(|(column, value)| Some((column.clone(), known(table, column, value)?)));
    }
    let tree = Some(tree).filter(|tree| tree.verb == Verb::Insert)?;
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
        // A row of settings: the name of the secret, and beside it the secret.
        let named = row.parts.iter().position(|part| {
            part.kind == Kind::Text && is_credential(&part.text) && !part.text.contains(' ')
        });
        let beside = named.and_then(|at| row.parts.get(at + 1));
        if let (Some(at), Some(value)) = (named, beside)
            && row.parts.len() <= 4
            && is_known(&value.text)
            && value.kind == Kind::Text
        {
            return Some((row.parts[at].text.clone(), value.text.clone()));
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

/// Passwords that are tried first, as a whole: for a password only.
const GUESSED: [&str; 10] = [
    "admin", "root", "test", "guest", "demo", "default", "12345", "1234", "qwerty", "pass",
];

/// Whether a text holds what stands where a secret is to be put in, or one that everybody knows.
fn is_known(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    KNOWN.iter().any(|known| lower.contains(known)) && !lower.contains(' ')
}

/// Whether a name is that of a credential.
fn is_credential(name: &str) -> bool {
    let words = words(name);
    words.iter().any(|word| {
        matches!(
            word.as_str(),
            "password" | "passwd" | "secret" | "token" | "apikey" | "credential" | "credentials"
        )
    }) || words.ends_with(&["api".to_owned(), "key".to_owned()])
        || words.iter().any(|word| word == "key")
            && words
                .iter()
                .any(|word| matches!(word.as_str(), "hash" | "api" | "secret" | "admin"))
}

fn known(table: &str, column: &str, value: &Node) -> Option<String> {
    let words = words(column);
    let of_keys = words.iter().any(|word| word == "key")
        && has_any(table, &["api", "keys", "tokens", "secrets", "credentials"]);
    let is_credential = is_credential(column) || of_keys;
    let value = value
        .all()
        .into_iter()
        .find(|node| node.kind == Kind::Text)?;
    let lower = value.text.to_ascii_lowercase();
    let is_guessed = is_password(column) && GUESSED.contains(&lower.as_str());
    (is_credential && (is_known(&value.text) || is_guessed)).then(|| value.text.clone())
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
