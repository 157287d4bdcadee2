//! PAT-003, PAT-014: full-text search, and how a declared one is asked. Never asks the search itself what it should find.

mod in_step;
mod new_rows;
mod older_rows;
mod sequences;
mod tenants;
mod ways;

use super::populated::Row;
use super::settled::{Given, Settled};
use super::{Aspect, Broken, Outcome, Tally};
use crate::catalog::{Name, Table};
use crate::claims::{Search, Typed};
use crate::subject::Subject;
use crate::text::written;
use rusqlite::types::Value;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-003",
        sentence: "the index stays in step with its rows under every way of writing them",
        judge: in_step::stays_in_step,
    },
    Aspect {
        criterion: "PAT-014",
        sentence: "a search finds rows of its own tenant only",
        judge: tenants::own_tenant_only,
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
    /// The searched column, and its place among those that are declared.
    column: Name,
    place: usize,
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
        Self::around(Settled::new(subject)?, claim, column)
    }

    /// The search of one of its columns among rows that are there already.
    fn around(settled: Settled<'s>, claim: &'s Search, column: usize) -> Result<Self, Outcome> {
        let table = settled.table(&claim.table, "[[data.search]] table")?;
        settled.first(table, 0)?;
        let Some(name) = claim.columns.get(column) else {
            return Err(Settled::unmet(
                "no column is declared that is searched",
                "[[data.search]] columns",
            ));
        };
        Ok(Self {
            settled,
            claim,
            table,
            column: Name::new(name),
            place: column,
        })
    }

    /// The same search among other rows.
    fn again(&self, settled: Settled<'s>) -> Self {
        Self {
            settled,
            claim: self.claim,
            table: self.table,
            column: self.column.clone(),
            place: self.place,
        }
    }

    /// The keys that a search for what was typed returns, and the statement.
    fn find(&self, typed: &str, tenant: usize) -> Result<(Vec<Value>, String), (String, Outcome)> {
        self.find_given(typed, tenant, Given::new())
    }

    /// The same where some parameters stand for something else.
    fn find_given(
        &self,
        typed: &str,
        tenant: usize,
        mut given: Given<'_>,
    ) -> Result<(Vec<Value>, String), (String, Outcome)> {
        let text = match self.claim.typed {
            Typed::Raw => typed.to_owned(),
            Typed::Quoted => quoted(typed),
        };
        given.insert("text", Value::Text(text));
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
        self.is_found_by(row, word, 0)
    }

    fn is_found_by(&self, row: &Row, word: &str, tenant: usize) -> Result<(bool, String), Outcome> {
        let (keys, asked) = self.found(word, tenant)?;
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
