//! PAT-003, PAT-014: full-text search: in step with its rows whatever is done to them, and of one tenant only. Never asks the search itself what it should find.

use super::populated::Row;
use super::settled::{Given, Settled};
use super::{Aspect, Broken, Outcome, Tally};
use crate::catalog::{Name, Table};
use crate::claims::{Search, Typed};
use crate::subject::Subject;
use crate::text::written;
use rusqlite::types::Value;
use std::collections::BTreeSet;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-003",
        sentence: "the index stays in step with its rows under every way of writing them",
        judge: stays_in_step,
    },
    Aspect {
        criterion: "PAT-014",
        sentence: "a search finds rows of its own tenant only",
        judge: own_tenant_only,
    },
    Aspect {
        criterion: "PAT-014",
        sentence: "no text that a user types is a syntax error",
        judge: any_text,
    },
];

const KEY: &str = "[[data.search]]";

struct Case<'s> {
    settled: Settled<'s>,
    claim: &'s Search,
    table: &'s Table,
    column: Name,
}

/// A word that stands nowhere else, by a number: letters only, so that every tokenizer takes it whole.
fn word(number: usize) -> String {
    let letters = number.to_string();
    let letters = letters
        .bytes()
        .map(|digit| char::from(b'a' + (digit - b'0')));
    format!("quixword{}", letters.collect::<String>())
}

impl<'s> Case<'s> {
    fn new(subject: &'s Subject, claim: &'s Search, column: usize) -> Result<Self, Outcome> {
        let settled = Settled::new(subject)?;
        let table = settled.table(&claim.table, "[[data.search]] table")?;
        settled.first(table, 0)?;
        let Some(column) = claim.columns.get(column) else {
            return Err(Settled::unmet(
                "no column is declared that is searched",
                "[[data.search]] columns",
            ));
        };
        Ok(Self {
            settled,
            claim,
            table,
            column: Name::new(column),
        })
    }

    /// The keys that a search for what was typed returns, and the statement.
    fn find(&self, typed: &str, tenant: usize) -> Result<(Vec<Value>, String), (String, Outcome)> {
        let text = match self.claim.typed {
            Typed::Raw => typed.to_owned(),
            Typed::Quoted => quoted(typed),
        };
        let given = Given::from([("text", Value::Text(text))]);
        let values = self
            .settled
            .parameters(
                &self.claim.parameters,
                tenant,
                &given,
                "[[data.search]] parameters",
            )
            .map_err(|outcome| (String::new(), outcome))?;
        let asked = written(&self.claim.sql, &values);
        match self.settled.world().run(&self.claim.sql, &values) {
            Ok(seen) => Ok((
                seen.rows
                    .into_iter()
                    .filter_map(|row| row.into_iter().next())
                    .collect(),
                asked,
            )),
            Err(refused) => {
                let outcome = Settled::unmet(
                    format!("the search fails: {}", refused.message),
                    "[[data.search]] sql",
                );
                Err((format!("{asked} -- {}", refused.message), outcome))
            }
        }
    }

    fn found(&self, word: &str, tenant: usize) -> Result<(Vec<Value>, String), Outcome> {
        self.find(word, tenant).map_err(|(_, outcome)| outcome)
    }

    fn is_found(&self, row: &Row, word: &str) -> Result<(bool, String), Outcome> {
        let (keys, asked) = self.found(word, 0)?;
        Ok((row.key.iter().any(|(_, value)| keys.contains(value)), asked))
    }

    /// FTS5's own check of the index against its content; none where this kind of index has no such check.
    fn integrity(&self) -> Option<String> {
        let index = Name::new(&self.claim.index).quoted();
        let check = format!("INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1)");
        self.settled
            .world()
            .run(&check, &[])
            .err()
            .map(|refused| refused.message)
    }

    fn broken(
        &self,
        expected: impl Into<String>,
        saw: impl Into<String>,
        repeat: Vec<String>,
    ) -> Broken {
        Broken {
            object: format!("table {}", self.claim.table),
            expected: expected.into(),
            saw: saw.into(),
            repeat,
        }
    }
}

/// Each word in double quotes, double quotes doubled: what FTS5 takes for words, whatever they are.
fn quoted(typed: &str) -> String {
    let words = typed
        .split_whitespace()
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"")));
    words.collect::<Vec<_>>().join(" ")
}

fn each<'s>(
    subject: &'s Subject,
    saw: &str,
    columns: impl Fn(&Search) -> usize,
    judge: impl Fn(Case<'s>) -> Result<Vec<Broken>, Outcome>,
) -> Outcome {
    let claims = &subject.claims.search;
    if claims.is_empty() {
        return Outcome::undeclared("no search is declared", KEY);
    }
    let mut tally = Tally::default();
    for claim in claims {
        for column in 0..columns(claim) {
            tally.add(Case::new(subject, claim, column).and_then(&judge));
        }
    }
    tally.outcome("searched column", saw)
}

/// A way of writing: what it is called, and its statements for a row that holds the text `?1` afterwards.
struct Way {
    name: &'static str,
    sql: Vec<String>,
    /// The row holds the text afterwards; otherwise nothing may be found of it.
    holds: bool,
    /// The batch is meant to be refused and undone.
    is_undone: bool,
}

/// The ways of writing that the table can take.
fn ways(case: &Case<'_>, row: &Row) -> Vec<Way> {
    let table = case.table.name.quoted();
    let column = case.column.quoted();
    let columns: Vec<&Name> = case
        .table
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
        .map(|column| &column.name)
        .collect();
    let listed: Vec<String> = columns.iter().map(|name| name.quoted()).collect();
    let copied: Vec<String> = columns
        .iter()
        .map(|name| {
            if **name == case.column {
                "?1".to_owned()
            } else {
                name.quoted()
            }
        })
        .collect();
    let (listed, copied) = (listed.join(", "), copied.join(", "));
    let key: Vec<String> = case.table.primary_key.iter().map(Name::quoted).collect();
    let key = key.join(", ");
    let this = row.found();
    let way = |name, sql: Vec<String>, holds| Way {
        name,
        sql,
        holds,
        is_undone: false,
    };
    let replace =
        format!("REPLACE INTO {table} ({listed}) SELECT {copied} FROM {table} WHERE {this}");
    let upsert = format!(
        "INSERT INTO {table} ({listed}) SELECT {copied} FROM {table} WHERE {this} ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column}"
    );
    let ignore = format!(
        "INSERT OR IGNORE INTO {table} ({listed}) SELECT {copied} FROM {table} WHERE {this}"
    );
    let mut ways = vec![
        way(
            "UPDATE",
            vec![format!("UPDATE {table} SET {column} = ?1 WHERE {this}")],
            true,
        ),
        way(
            "UPDATE OR REPLACE",
            vec![format!(
                "UPDATE OR REPLACE {table} SET {column} = ?1 WHERE {this}"
            )],
            true,
        ),
    ];
    if !key.is_empty() {
        ways.push(way("REPLACE", vec![replace], true));
        ways.push(way("UPSERT", vec![upsert], true));
        ways.push(way("INSERT OR IGNORE", vec![ignore], false));
    }
    let update = format!("UPDATE {table} SET {column} = ?1 WHERE {this}");
    ways.push(Way {
        name: "a batch that is rolled back",
        sql: vec![update, "INSERT INTO no_such_table VALUES (1)".to_owned()],
        holds: false,
        is_undone: true,
    });
    ways
}

fn stays_in_step(subject: &Subject) -> Outcome {
    let judge = |case: Case<'_>| {
        let row = case.settled.first(case.table, 0)?;
        let (first, mut repeat) = (word(0), Vec::new());
        let set = case
            .settled
            .set(&row, &[(&case.column, Value::Text(first.clone()))]);
        set.map_err(|refused| {
            Settled::unmet(
                format!(
                    "`{}` does not take a text: {}",
                    case.column, refused.message
                ),
                "[[data.search]] columns",
            )
        })?;
        if !case.is_found(&row, &first)?.0 {
            let (_, asked) = case.is_found(&row, &first)?;
            return Ok(vec![case.broken(
                "a row is found by a word that it holds",
                "it is not",
                vec![asked],
            )]);
        }
        let mut held = first;
        for (number, way) in ways(&case, &row).into_iter().enumerate() {
            let new = word(number + 1);
            let statements: Vec<(&str, Vec<Value>)> = way
                .sql
                .iter()
                .map(|sql| {
                    (
                        sql.as_str(),
                        if sql.contains("?1") {
                            vec![Value::Text(new.clone())]
                        } else {
                            Vec::new()
                        },
                    )
                })
                .collect();
            repeat.extend(statements.iter().map(|(sql, values)| written(sql, values)));
            let outcome = case.settled.world().batch(&statements);
            if outcome.is_err() && !way.is_undone {
                // The schema does not take this way of writing: then nobody can bring the index out of step by it.
                continue;
            }
            let (now, gone) = if way.holds {
                (new.clone(), held.clone())
            } else {
                (held.clone(), new.clone())
            };
            if let Some(broken) = out_of_step(&case, &row, way.name, (&now, &gone), &repeat)? {
                return Ok(vec![broken]);
            }
            held = now;
        }
        if let Some(broken) = not_entered(&case, &row, repeat.clone())? {
            return Ok(vec![broken]);
        }
        let removed = case.settled.world().run(
            &format!(
                "DELETE FROM {} WHERE {}",
                case.table.name.quoted(),
                row.found()
            ),
            &[],
        );
        if removed.is_ok() {
            repeat.push(format!(
                "DELETE FROM {} WHERE {};",
                case.table.name,
                row.found()
            ));
            let (is_found, asked) = case.is_found(&row, &held)?;
            if is_found || case.integrity().is_some() {
                repeat.push(asked);
                return Ok(vec![
                    case.broken(
                        "nothing is found of a deleted row",
                        case.integrity()
                            .unwrap_or_else(|| "it is still found".to_owned()),
                        repeat,
                    ),
                ]);
            }
        }
        Ok(Vec::new())
    };
    each(
        subject,
        "after each way of writing the right row was found, and the index passed FTS5's own check",
        |claim| claim.columns.len().max(1),
        judge,
    )
}

/// A new row beside this one, with another key: it must be found by its word. What the schema does not take is left out.
fn not_entered(
    case: &Case<'_>,
    row: &Row,
    mut repeat: Vec<String>,
) -> Result<Option<Broken>, Outcome> {
    let [key] = case.table.primary_key.as_slice() else {
        return Ok(None);
    };
    let given = case
        .table
        .columns
        .iter()
        .filter(|column| column.generated.is_none());
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in given {
        let held = row.value(&column.name);
        let value = match held {
            _ if column.name == case.column => Value::Text(word(900)),
            Value::Integer(number) if column.name == *key => Value::Integer(number + 1_000_000),
            Value::Text(text) if column.name == *key => Value::Text(format!("{text}-2")),
            Value::Null | Value::Integer(_) | Value::Real(_) | Value::Text(_) | Value::Blob(_) => {
                row.value(&column.name)
            }
        };
        names.push(column.name.quoted());
        values.push(value);
    }
    let marks: Vec<String> = (1..=names.len()).map(|place| format!("?{place}")).collect();
    let table = case.table.name.quoted();
    let insert = format!(
        "INSERT INTO {table} ({}) VALUES ({})",
        names.join(", "),
        marks.join(", ")
    );
    if case.settled.world().run(&insert, &values).is_err() {
        return Ok(None);
    }
    repeat.push(written(&insert, &values));
    let (found, asked) = case.found(&word(900), 0)?;
    repeat.push(asked);
    let saw = match case.integrity() {
        Some(message) => message,
        None if found.is_empty() => "it is not found".to_owned(),
        None => return Ok(None),
    };
    Ok(Some(case.broken(
        "a new row is found by a word that it holds",
        saw,
        repeat,
    )))
}

fn out_of_step(
    case: &Case<'_>,
    row: &Row,
    way: &str,
    (now, gone): (&str, &str),
    repeat: &[String],
) -> Result<Option<Broken>, Outcome> {
    let mut lines = repeat.to_vec();
    if let Some(message) = case.integrity() {
        lines.push(format!(
            "INSERT INTO {0}({0}, rank) VALUES ('integrity-check', 1);",
            case.claim.index
        ));
        return Ok(Some(case.broken(
            format!("an index in step with its rows after {way}"),
            message,
            lines,
        )));
    }
    for (word, is_meant) in [(now, true), (gone, false)] {
        let (is_found, asked) = case.is_found(row, word)?;
        if is_found != is_meant {
            lines.push(asked);
            let (expected, saw) = if is_meant {
                ("is found by the word that it holds", "it is not found")
            } else {
                (
                    "is not found by a word that it no longer holds",
                    "it is found",
                )
            };
            return Ok(Some(case.broken(
                format!("after {way} the row {expected}"),
                saw,
                lines,
            )));
        }
    }
    Ok(None)
}

fn own_tenant_only(subject: &Subject) -> Outcome {
    if subject.claims.tenants.is_none() {
        return Outcome::undeclared("no table of tenants is declared", "[data] tenants");
    }
    let judge = |case: Case<'_>| {
        let shared = word(7);
        let mut own: Vec<BTreeSet<String>> = Vec::new();
        for tenant in 0..case.settled.tenants() {
            let rows = case.settled.rows(case.table, tenant);
            for (place, row) in rows.iter().enumerate() {
                // Ids that look like the numbers of rows are what a careless join takes for them.
                let text = Value::Text(format!("{shared} {}", word(1_000 + 10 * tenant + place)));
                case.settled
                    .set(row, &[(&case.column, text)])
                    .map_err(|refused| {
                        Settled::unmet(
                            format!(
                                "`{}` does not take a text: {}",
                                case.column, refused.message
                            ),
                            "[[data.search]] columns",
                        )
                    })?;
                renumber(&case, row, tenant, place);
            }
            let rows = case.settled.rows(case.table, tenant);
            own.push(
                rows.iter()
                    .flat_map(|row| row.key.iter().map(|(_, value)| format!("{value:?}")))
                    .collect(),
            );
        }
        for (tenant, keys) in own.iter().enumerate() {
            let (found, asked) = case.found(&shared, tenant)?;
            if found.is_empty() {
                return Ok(vec![case.broken(
                    "the tenant's own rows",
                    "none of them is found",
                    vec![asked],
                )]);
            }
            if let Some(foreign) = found
                .iter()
                .find(|value| !keys.contains(&format!("{value:?}")))
            {
                let saw = format!(
                    "the row {} of another tenant",
                    crate::text::literal(foreign.into())
                );
                return Ok(vec![case.broken(
                    "rows of the tenant that searches",
                    saw,
                    vec![asked],
                )]);
            }
        }
        Ok(Vec::new())
    };
    each(
        subject,
        "each tenant found its own rows and no other's",
        |_claim| 1,
        judge,
    )
}

/// Gives a row with a text key an id that looks like a number, in an order against that of the rows; what refuses it keeps its own.
fn renumber(case: &Case<'_>, row: &Row, tenant: usize, place: usize) {
    let [key] = case.table.primary_key.as_slice() else {
        return;
    };
    if matches!(row.value(key), Value::Text(_)) {
        let number = 90 - 10 * tenant - place;
        let _kept_where_refused = case
            .settled
            .set(row, &[(key, Value::Text(number.to_string()))]);
    }
}

fn any_text(subject: &Subject) -> Outcome {
    let judge = |case: Case<'_>| {
        let row = case.settled.first(case.table, 0)?;
        let held = word(3);
        let set = case
            .settled
            .set(&row, &[(&case.column, Value::Text(held.clone()))]);
        set.map_err(|refused| {
            Settled::unmet(
                format!(
                    "`{}` does not take a text: {}",
                    case.column, refused.message
                ),
                "[[data.search]] columns",
            )
        })?;
        case.found(&held, 0)?;
        for typed in [
            "\"", "'", "it's", "AND", "a OR", "NOT", "NEAR(", "(", ")", "*", "a*b", "content:",
            "-a", "^", "{a}", "a\"b", "+", ";--", "äöü", "%",
        ] {
            if let Err((asked, _)) = case.find(typed, 0) {
                return Ok(vec![case.broken(
                    "rows or none for whatever a user types",
                    format!("`{typed}` is an error"),
                    vec![asked],
                )]);
            }
        }
        Ok(Vec::new())
    };
    each(subject, "twenty odd texts gave no error", |_claim| 1, judge)
}
