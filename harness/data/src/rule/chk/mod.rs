//! The rules of CHECKs that are missing, or let through what they seem to refuse. Never calls a CHECK void that was not evaluated.

mod conditional;
pub(super) mod decided;
mod void;

use super::{Judge, object_of_column, repair, trial};
use crate::catalog::{Affinity, Column, Table};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree::{self, Kind, Node, Tree};

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("CHK-01", no_check),
    ("CHK-02", passes_null),
    ("CHK-03", void::void),
];

/// The ordinary tables that have CHECKs, with their trees, of which a large schema has more than should be there at once.
fn checked(subject: &Subject) -> impl Iterator<Item = (&Table, Tree)> {
    let tables = subject.schema().tables.values();
    tables
        .filter(|table| table.is_ordinary() && table.sql.to_ascii_lowercase().contains("check"))
        .filter_map(|table| Some((table, tree::parse(&table.sql)?)))
        .filter(|(_, tree)| !tree.checks.is_empty())
}

/// Names under which a column holds one of a few words.
const FEW_WORDS: [&str; 10] = [
    "status",
    "state",
    "role",
    "plan",
    "tier",
    "visibility",
    "priority",
    "severity",
    "level",
    "kind",
];

fn no_check(subject: &Subject, findings: &mut Vec<Finding>) {
    let tables = subject.schema().tables.values();
    for table in tables.filter(|table| table.is_ordinary()) {
        let tree = tree::parse(&table.sql);
        let named: Vec<&str> = tree
            .iter()
            .flat_map(|tree| tree.parts.iter().flat_map(Node::all))
            .filter_map(leaf_column)
            .collect();
        for column in &table.columns {
            let words = words(subject, table, column);
            let is_called_so = FEW_WORDS.iter().any(|word| column.name == *word);
            let has_default = default_word(column).is_some();
            let is_word = column.affinity() == Affinity::Text
                && (is_called_so && has_default || !words.is_empty());
            let is_held = named.iter().any(|name| column.name == *name)
                || is_guarded(subject, table, column)
                || table
                    .foreign_keys
                    .iter()
                    .any(|key| key.columns.contains(&column.name));
            if is_word && !is_held {
                findings.push(any_word(subject, table, column, &words));
            }
        }
    }
}

fn any_word(subject: &Subject, table: &Table, column: &Column, words: &[String]) -> Finding {
    let message = format!(
        "`{}.{}` accepts any word, even a misspelt one, and no query for the right words then finds that row",
        table.name, column.name
    );
    let patch = if words.is_empty() {
        None
    } else {
        repair::one_of(subject, table, column, words)
    };
    Finding::new(
        "CHK-01",
        Level::Info,
        object_of_column(table, column),
        message,
    )
    .at(
        subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()),
        "no CHECK",
    )
    .help(format!(
        "add CHECK ({} IN (…)) with the words that the code knows",
        column.name
    ))
    .patched(patch)
}

/// Whether a trigger of the table refuses rows by a column.
fn is_guarded(subject: &Subject, table: &Table, column: &Column) -> bool {
    subject.triggers(&table.name).any(|trigger| {
        find_word(&trigger.sql, "raise", 0).is_some()
            && find_word(&trigger.sql, column.name.as_str(), 0).is_some()
    })
}

/// The text that a column has by default.
fn default_word(column: &Column) -> Option<&str> {
    column
        .default
        .as_deref()?
        .strip_prefix('\'')?
        .strip_suffix('\'')
}

/// The words that a column is to hold: as they are declared, or as a comment behind its definition lists them.
fn words(subject: &Subject, table: &Table, column: &Column) -> Vec<String> {
    let mut claims = subject.claims.constraint.iter();
    let claim = claims
        .find(|claim| table.name == claim.table.as_str() && column.name == claim.column.as_str());
    if let Some(claim) = claim.filter(|claim| !claim.one_of.is_empty()) {
        return claim.one_of.clone();
    }
    let Some(comment) = repair::comment_of(table, column) else {
        return Vec::new();
    };
    let list = comment.rsplit(':').next().unwrap_or_default().trim();
    let list = list.trim_end_matches('.').trim_matches(['(', ')']);
    let mark = ['|', '/', ',']
        .into_iter()
        .find(|mark| list.contains(*mark));
    let words: Vec<&str> =
        mark.map_or_else(Vec::new, |mark| list.split(mark).map(str::trim).collect());
    let is_quoted = words.iter().all(|word| word.starts_with(['\'', '"', '`']));
    let words: Vec<&str> = words
        .into_iter()
        .map(|word| word.trim_matches(['\'', '"', '`']))
        .collect();
    let is_word = |word: &&str| {
        !word.is_empty()
            && word
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-')
    };
    let is_certain = default_word(column).map_or(is_quoted, |default| words.contains(&default));
    if words.len() > 1 && words.iter().all(is_word) && is_certain {
        words.into_iter().map(str::to_owned).collect()
    } else {
        Vec::new()
    }
}

fn passes_null(subject: &Subject, findings: &mut Vec<Finding>) {
    if subject.claims.constraint.is_empty() {
        return;
    }
    for (table, tree) in checked(subject) {
        for (node, (_, text)) in tree.parts.iter().zip(&tree.checks) {
            let found = conditional::passes_null(subject, table, node, text);
            if found.is_some() {
                findings.extend(found);
                continue;
            }
            let Some(column) = limited(table, node) else {
                continue;
            };
            let mut claims = subject.claims.constraint.iter();
            let claim = claims.find(|claim| {
                table.name == claim.table.as_str() && column.name == claim.column.as_str()
            });
            let is_meant = claim.is_some_and(|claim| !claim.nullable);
            if !is_meant || !table.is_nullable(column) {
                continue;
            }
            let name = &column.name;
            let fraction =
                if column.affinity() == Affinity::Integer && has_range(node) && !table.strict {
                    ", and a fraction between whole numbers as well"
                } else {
                    ""
                };
            let message = format!(
                "CHECK ({}) lets NULL through{fraction}: it refuses only what is false, and NULL is neither true nor false",
                text.trim()
            );
            findings.push(
                Finding::new(
                    "CHK-02",
                    Level::Warning,
                    format!("table {}: {name}", table.name),
                    message,
                )
                .at(
                    subject.site_of(ObjectKind::Table, &table.name, name.as_str()),
                    "may be NULL",
                )
                .help(format!(
                    "declare `{name}` NOT NULL, or say nullable = true where it is declared"
                ))
                .proof(trial::answering(vec![
                    format!(
                        "CREATE TABLE {} ({} {} CHECK ({}));",
                        table.name.quoted(),
                        name.quoted(),
                        column.declared_type,
                        alone(node, text)
                    ),
                    format!("INSERT INTO {} VALUES (NULL);", table.name.quoted()),
                    format!("SELECT count(*) FROM {};", table.name.quoted()),
                ])),
            );
        }
    }
}

/// The text of a CHECK, if it reads one column only; else one that always holds and makes the proof fail.
fn alone<'t>(node: &Node, text: &'t str) -> &'t str {
    let nodes = node.all();
    let mut names: Vec<&str> = nodes.iter().filter_map(|node| leaf_column(node)).collect();
    names.dedup_by(|one, two| one.eq_ignore_ascii_case(two));
    if names.len() == 1 {
        text
    } else {
        "not a column"
    }
}

fn leaf_column(node: &Node) -> Option<&str> {
    matches!(node.kind, Kind::Column | Kind::Quoted).then_some(node.text.as_str())
}

/// The one column that a CHECK limits to a list or a range.
fn limited<'t>(table: &'t Table, node: &Node) -> Option<&'t Column> {
    let all = node.all();
    if all.iter().any(|node| asks_for_null(node)) {
        return None;
    }
    let limiting = all
        .iter()
        .find(|node| matches!(node.kind, Kind::In | Kind::Between) || has_range(node))?;
    let name = limiting.all().into_iter().find_map(leaf_column)?;
    table.columns.iter().find(|column| column.name == name)
}

/// Whether it is `x IS NULL` or the contrary, in one of the ways to write them.
fn asks_for_null(node: &Node) -> bool {
    let is_null = |part: &Node| part.kind == Kind::Constant && part.text == "NULL";
    let is_is = node.kind == Kind::Binary && matches!(node.text.as_str(), "IS" | "IS NOT");
    matches!(node.kind, Kind::IsNull | Kind::NotNull) || is_is && node.parts.iter().any(is_null)
}

fn has_range(node: &Node) -> bool {
    node.all().iter().any(|node| {
        node.kind == Kind::Between
            || node.kind == Kind::Binary && matches!(node.text.as_str(), "<" | ">" | "<=" | ">=")
    })
}
