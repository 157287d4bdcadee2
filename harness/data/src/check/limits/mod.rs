//! PAT-010: declared writes within D1's limits, batches as one transaction, reads paged by key. Never counts what D1 would not.

mod depth;
mod patterns;

use super::items::{self, Key};
use super::settled::{Given, Settled};
use super::world::RefusedBy;
use super::{Aspect, Broken, Outcome, Tally};
use crate::claims::{Items, Write};
use crate::subject::Subject;
use crate::text::counted;
use crate::text::find_word;
use crate::tree::{self, Kind};
use rusqlite::types::Value;
use std::borrow::Cow;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-010",
        sentence: "declared writes of many items stay within D1's limits at 1, 99, 100 and 101 items",
        judge: within_limits,
    },
    Aspect {
        criterion: "PAT-010",
        sentence: "declared writes of one item stay within D1's limits, the length of their patterns among them",
        judge: one_within_limits,
    },
    Aspect {
        criterion: "PAT-010",
        sentence: "no deletion goes deeper than D1 nests triggers",
        judge: depth::deletions,
    },
    Aspect {
        criterion: "PAT-010",
        sentence: "a declared batch is undone whole when one of its statements fails",
        judge: undone_whole,
    },
    Aspect {
        criterion: "PAT-010",
        sentence: "declared pages are read by key, not by offset",
        judge: paged_by_key,
    },
];

const KEY: &str = "[[data.write]]";
/// Numbers of items around D1's limit of bound parameters.
const COUNTS: [usize; 4] = [1, 99, 100, 101];

fn many(subject: &Subject) -> Vec<&Write> {
    let writes = subject.claims.write.iter();
    writes
        .filter(|write| write.items != Items::One && !write.sql.is_empty())
        .collect()
}

/// A statement with its values; it is written anew where the items of a list stand in it.
pub(super) type Call<'w> = (Cow<'w, str>, Vec<Value>);

/// The statements of a write of so many items; each round has keys of its own.
pub(super) fn statements<'w>(
    settled: &Settled<'_>,
    write: &'w Write,
    (count, round, key): (usize, usize, Key),
) -> Result<Vec<Call<'w>>, Outcome> {
    let mut all = Vec::new();
    for (place, sql) in write.sql.iter().enumerate() {
        let none = Vec::new();
        let roles = write.parameters.get(place).unwrap_or(&none);
        if let (Items::Json, Some((head, tail))) = (write.items, sql.split_once("/*items*/")) {
            all.push(repeated(settled, (head, tail), roles, (count, round, key))?);
            continue;
        }
        let repeats = if write.items == Items::Batch {
            count
        } else {
            1
        };
        for item in 0..repeats {
            let one = if write.items == Items::Json {
                items::list(settled, write, (count, round, key))?
            } else {
                key.fresh(round, item)
            };
            let given = Given::from([("new", key.fresh(round, item)), ("item", one)]);
            all.push((
                Cow::Borrowed(sql.as_str()),
                settled.parameters(roles, 0, &given, "[[data.write]] parameters")?,
            ));
        }
    }
    Ok(all)
}

/// A statement in which the parameters of an item stand once for each: `(?, ?), (?, ?)` behind VALUES, `?, ?` in a list.
/// The parameters that the rest of the statement numbers come first.
fn repeated<'w>(
    settled: &Settled<'_>,
    (head, tail): (&str, &str),
    roles: &[String],
    (count, round, key): (usize, usize, Key),
) -> Result<Call<'w>, Outcome> {
    let is_numbered = |place: &usize| {
        let number = format!("?{place}");
        [head, tail].iter().any(|part| {
            part.match_indices(&number).any(|(at, _)| {
                !part[at + number.len()..].starts_with(|next: char| next.is_ascii_digit())
            })
        })
    };
    let fixed = (1..=roles.len()).take_while(is_numbered).count();
    let (of_all, of_item) = roles.split_at(fixed);
    let what = "[[data.write]] parameters";
    let mut values = settled.parameters(of_all, 0, &Given::new(), what)?;
    let mut marks = Vec::new();
    for item in 0..count {
        let fresh = key.fresh(round, item);
        let given = Given::from([("new", fresh.clone()), ("item", fresh)]);
        let start = values.len();
        values.extend(settled.parameters(of_item, 0, &given, what)?);
        let numbers: Vec<String> = (start + 1..=values.len())
            .map(|at| format!("?{at}"))
            .collect();
        let numbers = numbers.join(", ");
        let is_row = head.trim_end().to_ascii_lowercase().ends_with("values");
        marks.push(if is_row {
            format!("({numbers})")
        } else {
            numbers
        });
    }
    Ok((
        Cow::Owned(format!("{head}{}{tail}", marks.join(", "))),
        values,
    ))
}

/// Statements as a world takes them.
fn borrowed<'b>(all: &'b [Call<'_>]) -> Vec<(&'b str, Vec<Value>)> {
    all.iter()
        .map(|(sql, values)| (&**sql, values.clone()))
        .collect()
}

/// The kind of key with which a write of one item works.
fn key_of(subject: &Subject, write: &Write) -> Result<Key, Outcome> {
    let mut last = None;
    for key in Key::ALL {
        let settled = Settled::new(subject)?;
        match settled
            .world()
            .batch(&borrowed(&statements(&settled, write, (1, 0, key))?))
        {
            Ok(_) => return Ok(key),
            Err(refused) => last = Some(refused),
        }
    }
    let Some(last) = last else {
        return Err(Settled::unmet("no key was tried", KEY));
    };
    if last.kind == RefusedBy::Limit {
        return Err(Outcome::Broken(vec![beyond(write, last.message)]));
    }
    Err(Settled::unmet(
        format!(
            "the write \"{}\" fails for one item: {}",
            write.name, last.message
        ),
        "[[data.write]] parameters",
    ))
}

fn beyond(write: &Write, saw: String) -> Broken {
    Broken {
        object: format!("write {}", write.name),
        expected: "within D1's limits".to_owned(),
        saw,
        repeat: write.sql.clone(),
    }
}

fn one_within_limits(subject: &Subject) -> Outcome {
    let writes = subject.claims.write.iter();
    let writes: Vec<&Write> = writes.filter(|write| !write.sql.is_empty()).collect();
    if writes.is_empty() {
        return Outcome::undeclared("no write is declared", KEY);
    }
    let mut tally = Tally::default();
    for write in writes {
        let judged = key_of(subject, write).and_then(|key| patterns::refused(subject, write, key));
        tally.add(judged.map(|found| found.into_iter().collect()));
    }
    tally.outcome(
        "write",
        "none is refused by a limit, nor could be by a pattern",
    )
}

fn within_limits(subject: &Subject) -> Outcome {
    let writes = many(subject);
    if writes.is_empty() {
        return Outcome::undeclared("no write of many items is declared", "[[data.write]] items");
    }
    let mut tally = Tally::default();
    for write in writes {
        tally.add(refused(subject, write).map(|found| found.into_iter().collect()));
    }
    tally.outcome("write", "1, 99, 100 and 101 items were taken")
}

fn refused(subject: &Subject, write: &Write) -> Result<Option<Broken>, Outcome> {
    let key = key_of(subject, write)?;
    let settled = Settled::new(subject)?;
    for (round, count) in COUNTS.into_iter().enumerate() {
        let statements = statements(&settled, write, (count, round + 1, key))?;
        if let Err(why) = settled.world().batch(&borrowed(&statements)) {
            return Ok(Some(Broken {
                object: format!("write {}", write.name),
                expected: format!("{count} items are written as one is"),
                saw: why.message,
                repeat: write.sql.clone(),
            }));
        }
    }
    Ok(None)
}

fn undone_whole(subject: &Subject) -> Outcome {
    let writes: Vec<&Write> = subject
        .claims
        .write
        .iter()
        .filter(|write| !write.sql.is_empty())
        .collect();
    if writes.is_empty() {
        return Outcome::undeclared("no write is declared", KEY);
    }
    let mut tally = Tally::default();
    for write in writes {
        tally.add(left_over(subject, write).map(|found| found.into_iter().collect()));
    }
    tally.outcome(
        "batch",
        "nothing was left behind when a statement failed at its end",
    )
}

/// A statement by which a batch would begin or end a transaction of its own.
fn of_a_transaction(write: &Write) -> Option<&str> {
    const WORDS: [&str; 6] = ["begin", "commit", "end", "rollback", "savepoint", "release"];
    let is_one = |sql: &&String| {
        let mut words = WORDS.iter();
        words.any(|word| {
            find_word(sql, word, 0).is_some_and(|found| sql[..found.start].trim().is_empty())
        })
    };
    write.sql.iter().find(is_one).map(String::as_str)
}

fn left_over(subject: &Subject, write: &Write) -> Result<Option<Broken>, Outcome> {
    if let Some(sql) = of_a_transaction(write) {
        return Ok(Some(Broken {
            object: format!("write {}", write.name),
            expected: "a batch is one transaction: no statement of it begins or ends one"
                .to_owned(),
            saw: format!("D1 refuses `{}` and undoes the batch", sql.trim()),
            repeat: write.sql.clone(),
        }));
    }
    let key = key_of(subject, write)?;
    let settled = Settled::new(subject)?;
    let everything = || -> Vec<_> {
        let tables = settled
            .schema()
            .tables
            .values()
            .filter(|table| table.is_ordinary());
        tables
            .map(|table| super::populated::rows_of(settled.world(), table, "1"))
            .collect()
    };
    let before = everything();
    let all = statements(&settled, write, (3, COUNTS.len() + 1, key))?;
    let mut batch = borrowed(&all);
    batch.push(("INSERT INTO no_such_table VALUES (1)", Vec::new()));
    if settled.world().batch(&batch).is_ok() {
        return Err(Settled::unmet("a statement that cannot run did run", KEY));
    }
    Ok((everything() != before).then(|| Broken {
        object: format!("write {}", write.name),
        expected: "no row of a batch that failed".to_owned(),
        saw: "some of its rows stay".to_owned(),
        repeat: write.sql.clone(),
    }))
}

/// Whether a query counts rows that it passes over, `LIMIT 100, 20` included.
fn is_by_offset(sql: &str) -> bool {
    let has_offset = |tree: tree::Tree| tree.all().iter().any(|node| node.kind == Kind::Offset);
    tree::parse(sql).map_or_else(|| find_word(sql, "offset", 0).is_some(), has_offset)
}

fn paged_by_key(subject: &Subject) -> Outcome {
    let pages: Vec<_> = subject
        .claims
        .query
        .iter()
        .filter(|query| query.rows == crate::claims::Rows::Page)
        .collect();
    if pages.is_empty() {
        return Outcome::undeclared(
            "no query of pages is declared",
            "[[data.query]] rows = \"page\"",
        );
    }
    let by_offset = pages.iter().filter(|query| is_by_offset(&query.sql));
    let broken = by_offset.map(|query| Broken {
        object: format!("query {}", query.name),
        expected: "the next page begins behind the key of the last row".to_owned(),
        saw: "OFFSET reads every row before the page, and bills it".to_owned(),
        repeat: vec![format!("{};", query.sql.trim_end_matches(';'))],
    });
    Outcome::of(
        broken.collect(),
        format!("{}, none by OFFSET", counted(pages.len(), "page")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_by_offset_are_known_however_it_is_written() {
        assert!(is_by_offset("SELECT a FROM t LIMIT 20 OFFSET ?1"));
        assert!(is_by_offset("SELECT a FROM t LIMIT ?1, 20"));
        assert!(!is_by_offset(
            "SELECT \"offset\" FROM t WHERE a > ?1 LIMIT 20"
        ));
    }
}
