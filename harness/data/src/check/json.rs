//! PAT-004: JSON in text columns: checked by the database, found by whole tags, extended without nesting. Never parses with the target's SQL what it judges.

use super::populated::{Populated, Row};
use super::references::given;
use super::settled::{Given, Settled};
use super::{Aspect, Broken, Outcome, Tally};
use crate::catalog::Name;
use crate::claims::{Json as Claim, Shape};
use crate::rows::Statements;
use crate::subject::Subject;
use crate::text::written;
use rusqlite::types::Value;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-004",
        sentence: "the database refuses text that is no JSON",
        judge: checked,
    },
    Aspect {
        criterion: "PAT-004",
        sentence: "a tag query matches whole tags only, case-exact",
        judge: whole_tags,
    },
    Aspect {
        criterion: "PAT-004",
        sentence: "adding a tag keeps the array flat and what was there",
        judge: stays_flat,
    },
];

const KEY: &str = "[[data.json]]";

struct Case<'s> {
    settled: Settled<'s>,
    claim: &'s Claim,
    rows: Vec<Row>,
    column: Name,
}

impl<'s> Case<'s> {
    fn new(subject: &'s Subject, claim: &'s Claim) -> Result<Self, Outcome> {
        let settled = Settled::new(subject)?;
        let table = settled.table(&claim.table, "[[data.json]] table")?;
        settled.first(table, 0)?;
        let rows = settled.rows(table, 0);
        Ok(Self {
            settled,
            claim,
            rows,
            column: Name::new(&claim.column),
        })
    }

    fn set(&self, row: &Row, text: &str) -> Result<(), String> {
        let value = Value::Text(text.to_owned());
        self.settled
            .set(row, &[(&self.column, value)])
            .map(|_seen| ())
            .map_err(|refused| refused.message)
    }

    fn set_or_unmet(&self, row: &Row, text: &str) -> Result<(), Outcome> {
        self.set(row, text).map_err(|message| {
            Settled::unmet(
                format!("`{}` does not take {text}: {message}", self.column),
                "[[data.json]] shape",
            )
        })
    }

    /// The statement's rows as their first column, and the statement as it was asked.
    fn run(
        &self,
        sql: &str,
        roles: &[String],
        tag: &str,
        row: &Row,
        key: &str,
    ) -> Result<(Vec<Value>, String), Outcome> {
        let id = row
            .key
            .last()
            .map_or(Value::Null, |(_, value)| value.clone());
        let given = Given::from([("tag", Value::Text(tag.to_owned())), ("id", id)]);
        let values = self.settled.parameters(roles, 0, &given, key)?;
        let seen = self.settled.world().run(sql, &values).map_err(|refused| {
            Settled::unmet(format!("the statement fails: {}", refused.message), key)
        })?;
        let first = seen
            .rows
            .into_iter()
            .filter_map(|row| row.into_iter().next());
        Ok((first.collect(), written(sql, &values)))
    }

    fn broken(
        &self,
        expected: impl Into<String>,
        saw: impl Into<String>,
        repeat: Vec<String>,
    ) -> Broken {
        Broken {
            object: format!("column {}.{}", self.claim.table, self.claim.column),
            expected: expected.into(),
            saw: saw.into(),
            repeat,
        }
    }
}

fn each<'s>(
    subject: &'s Subject,
    saw: &str,
    judge: impl Fn(Case<'s>) -> Result<Vec<Broken>, Outcome>,
    applies: impl Fn(&Claim) -> bool,
    key: &str,
) -> Outcome {
    let claims: Vec<&Claim> = subject
        .claims
        .json
        .iter()
        .filter(|claim| applies(claim))
        .collect();
    if claims.is_empty() {
        let none = if subject.claims.json.is_empty() {
            "no JSON column is declared"
        } else {
            "no JSON column with this statement is declared"
        };
        return Outcome::undeclared(none, key);
    }
    let mut tally = Tally::default();
    for claim in &claims {
        tally.add(Case::new(subject, claim).and_then(&judge));
    }
    tally.outcome("column", saw)
}

/// How texts are tried on a column.
enum Way<'s> {
    /// In a row that is there.
    Update(Row),
    /// In a new row, where a log refuses every change.
    Insert(Populated<'s>, Statements),
}

impl Way<'_> {
    /// The way that takes a good text; why there is none.
    fn of<'s>(subject: &'s Subject, case: &Case<'_>, good: &str) -> Result<Way<'s>, Outcome> {
        let row = &case.rows[0];
        let refused = match case.set_or_unmet(row, good) {
            Ok(()) => return Ok(Way::Update(row.clone())),
            Err(refused) => refused,
        };
        let populated = Populated::of_anybody(subject)?;
        let spare = populated.spare(&row.table, 0);
        let Some(spare) = spare else {
            return Err(refused);
        };
        let way = Way::Insert(populated, spare);
        way.stores(case, good).then_some(way).ok_or(refused)
    }

    fn stores(&self, case: &Case<'_>, text: &str) -> bool {
        match self {
            Self::Update(row) => case.set(row, text).is_ok(),
            Self::Insert(populated, _) => {
                let with = self.with(case, text);
                with.is_some_and(|with| populated.try_out(&with).is_ok())
            }
        }
    }

    /// The statements that make a new row with this text.
    fn with(&self, case: &Case<'_>, text: &str) -> Option<Statements> {
        let Self::Insert(populated, spare) = self else {
            return None;
        };
        let table = populated.schema.table(&case.claim.table)?;
        let place = given(table).position(|name| *name == case.column)?;
        let mut with = spare.clone();
        *with.last_mut()?.1.get_mut(place)? = Value::Text(text.to_owned());
        Some(with)
    }

    /// Lines that repeat it.
    fn repeat(&self, case: &Case<'_>, text: &str) -> Vec<String> {
        let (table, column) = (&case.claim.table, &case.claim.column);
        match self {
            Self::Update(row) => vec![format!(
                "UPDATE {table} SET {column} = '{}' WHERE {};",
                text.replace('\'', "''"),
                row.found()
            )],
            Self::Insert(populated, _) => {
                let mut lines = populated.script(&[&Name::new(table)]);
                let with = self.with(case, text).unwrap_or_default();
                lines.extend(with.iter().map(|(sql, values)| written(sql, values)));
                lines
            }
        }
    }
}

fn checked(subject: &Subject) -> Outcome {
    let judge = |case: Case<'_>| {
        let good = match case.claim.shape {
            Shape::Array => r#"["a"]"#,
            Shape::Object | Shape::Any => r#"{"a": 1}"#,
        };
        let way = Way::of(subject, &case, good)?;
        let mut bad = vec!["", "no JSON", "{", "{'a': 1}", "[1,]"];
        bad.extend(match case.claim.shape {
            Shape::Array => [r#"{"a": 1}"#, "1"].as_slice(),
            Shape::Object => &[r#"["a"]"#, "1"],
            Shape::Any => &[],
        });
        let taken = bad.into_iter().find(|text| way.stores(&case, text));
        let broken = taken.map(|text| {
            case.broken(
                "refused, by a CHECK with json_valid for example",
                if text.is_empty() {
                    "it stores the empty text".to_owned()
                } else {
                    format!("it stores `{text}`")
                },
                way.repeat(&case, text),
            )
        });
        Ok(broken.into_iter().collect())
    };
    each(
        subject,
        "JSON is stored, everything else refused",
        judge,
        |_| true,
        KEY,
    )
}

fn whole_tags(subject: &Subject) -> Outcome {
    let judge = |case: Case<'_>| {
        let sql = case.claim.find.as_deref().unwrap_or_default();
        let key = "[[data.json]] find";
        let (row, roles) = (&case.rows[0], &case.claim.find_parameters);
        let mine = |found: &[Value]| row.key.iter().any(|(_, value)| found.contains(value));
        case.set_or_unmet(row, r#"["important"]"#)?;
        let (found, asked) = case.run(sql, roles, "important", row, key)?;
        if !mine(&found) {
            return Ok(vec![case.broken(
                "the row with the tag `important`",
                "it is not found",
                vec![asked],
            )]);
        }
        let others = [
            r#"["IMPORTANT"]"#,
            r#"["unimportant"]"#,
            r#"["important-ish"]"#,
            r#"["very important"]"#,
            "[]",
            r#"["imp\"ortant"]"#,
        ];
        for text in others {
            case.set_or_unmet(row, text)?;
            let (found, asked) = case.run(sql, roles, "important", row, key)?;
            if mine(&found) {
                return Ok(vec![case.broken(
                    format!("`important` is not found in {text}"),
                    "it is",
                    vec![asked],
                )]);
            }
        }
        // What stands for any text in LIKE or GLOB stands for itself in a tag; a long tag is one as well.
        let long = "a-tag-of-more-than-fifty-bytes-which-is-where-like-patterns-end";
        for tag in ["100%", "a_b", "a*b", "it's", long] {
            case.set_or_unmet(row, &serde_json::json!([tag]).to_string())?;
            let (found, asked) = case.run(sql, roles, tag, row, key)?;
            if !mine(&found) {
                return Ok(vec![case.broken(
                    format!("the row with the tag `{tag}`"),
                    "it is not found",
                    vec![asked],
                )]);
            }
        }
        for (tag, text) in [
            ("100%", r#"["1000"]"#),
            ("a_b", r#"["axb"]"#),
            ("a*b", r#"["axxb"]"#),
        ] {
            case.set_or_unmet(row, text)?;
            let (found, asked) = case.run(sql, roles, tag, row, key)?;
            if mine(&found) {
                return Ok(vec![case.broken(
                    format!("`{tag}` is not found in {text}"),
                    "it is",
                    vec![asked],
                )]);
            }
        }
        Ok(Vec::new())
    };
    each(
        subject,
        "whole tags were found, parts and other cases not",
        judge,
        |claim| claim.find.is_some(),
        "[[data.json]] find",
    )
}

fn stays_flat(subject: &Subject) -> Outcome {
    let judge = |case: Case<'_>| {
        let sql = case.claim.add.as_deref().unwrap_or_default();
        let key = "[[data.json]] add";
        let row = &case.rows[0];
        case.set_or_unmet(row, "[]")?;
        let mut repeat = Vec::new();
        for tag in ["one", "two", "thr\"ee"] {
            let added = case.run(sql, &case.claim.add_parameters, tag, row, key);
            let (_, asked) = match added {
                // A tag is a text, not JSON.
                Err(Outcome::NotVerified { reason, .. }) if reason.ends_with("malformed JSON") => {
                    let expected = format!("the tag `{tag}` is added");
                    return Ok(vec![case.broken(expected, reason, vec![sql.to_owned()])]);
                }
                other => other?,
            };
            repeat.push(asked);
        }
        let look = format!(
            "SELECT {} FROM {} WHERE {}",
            case.column.quoted(),
            row.table.quoted(),
            row.found()
        );
        let seen = case
            .settled
            .world()
            .run(&look, &[])
            .map_err(|refused| Settled::unmet(refused.message, KEY))?;
        let text = match seen.rows.first().and_then(|row| row.first()) {
            Some(Value::Text(text)) => text.clone(),
            Some(other) => format!("{other:?}"),
            None => String::new(),
        };
        let tags: Option<Vec<String>> = serde_json::from_str(&text).ok();
        let wanted = ["one", "two", "thr\"ee"].map(str::to_owned);
        if tags.as_deref() == Some(wanted.as_slice()) {
            return Ok(Vec::new());
        }
        Ok(vec![case.broken(
            serde_json::json!(wanted).to_string(),
            text,
            repeat,
        )])
    };
    each(
        subject,
        "three tags were added one by one, and the array is flat",
        judge,
        |claim| claim.add.is_some(),
        "[[data.json]] add",
    )
}
