//! PAT-007, PAT-015: what serves declared queries and references. Never runs a query on rows of the user's.

use super::deep::{self, Deep};
use super::settled::{Given, Settled};
use super::{Aspect, Broken, Outcome, Tally};
use crate::catalog::{ForeignKey, IndexOrigin, Schema, Table};
use crate::claims::Query;
use crate::engine::{Engine, Seen};
use crate::indexes::covered;
use crate::references::is_served;
use crate::subject::Subject;
use crate::text::counted;
use rusqlite::Connection;
use rusqlite::types::Value;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-007",
        sentence: "every declared hot query searches by index, without a scan of a table and without a temporary b-tree",
        judge: hot_queries,
    },
    Aspect {
        criterion: "PAT-007",
        sentence: "with the statistics of a million rows every declared hot query still searches by index",
        judge: hot_queries_with_statistics,
    },
    Aspect {
        criterion: "PAT-007",
        sentence: "what a declared hot query reads follows what it returns, not what the tables hold",
        judge: reads_what_it_returns,
    },
    Aspect {
        criterion: "PAT-015",
        sentence: "no index is covered by another one",
        judge: covered_indexes,
    },
    Aspect {
        criterion: "PAT-015",
        sentence: "the children of a deleted parent are found by a search",
        judge: parent_deletes,
    },
];

/// Rows that the statistics speak of, and how many of them one tenant has.
const ROWS_TOLD: u64 = 1_000_000;
/// Rows that the first column of an index's key leaves, and the part that each further one leaves of them: what a tenant has, what a parent has.
const LEFT_BY_FIRST: u64 = 100;
const LEFT_BY_NEXT: u64 = 10;

fn hot_queries(subject: &Subject) -> Outcome {
    searches(subject, &subject.replay.empty)
}

fn hot_queries_with_statistics(subject: &Subject) -> Outcome {
    match hot(subject).and_then(|hot| Ok((hot, Deep::of(subject)?))) {
        Ok((hot, Some(deep))) => return searches_deep(hot, &deep),
        Ok((_, None)) => {}
        Err(outcome) => return outcome,
    }
    let told = subject.replay.at_the_end().and_then(|engine| {
        engine.ours(|connection| tell_statistics(connection, subject.schema()))?;
        Ok(engine)
    });
    match told {
        Ok(engine) => searches(subject, &engine),
        Err(error) => Outcome::not_judged(&error),
    }
}

/// Writes what ANALYZE would find in a large database: of each index, how many rows are left by each column of its key.
fn tell_statistics(connection: &Connection, schema: &Schema) -> rusqlite::Result<()> {
    connection.execute_batch("ANALYZE; DELETE FROM sqlite_stat1;")?;
    let mut insert =
        connection.prepare("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?1, ?2, ?3)")?;
    for table in schema.tables.values().filter(|table| table.is_ordinary()) {
        for index in &table.indexes {
            let rows = if index.condition.is_some() {
                ROWS_TOLD / 2
            } else {
                ROWS_TOLD
            };
            let mut left = LEFT_BY_FIRST;
            let mut stat = vec![rows.to_string()];
            for place in 1..=index.columns.len() {
                let is_whole = index.unique && place == index.columns.len();
                left = match place {
                    _ if is_whole => 1,
                    1 => LEFT_BY_FIRST,
                    _ => (left / LEFT_BY_NEXT).max(1),
                };
                stat.push(left.to_string());
            }
            insert.execute([table.name.as_str(), index.name.as_str(), &stat.join(" ")])?;
        }
        if table.indexes.is_empty() {
            insert.execute(rusqlite::params![
                table.name.as_str(),
                None::<&str>,
                ROWS_TOLD.to_string()
            ])?;
        }
    }
    connection.execute_batch("ANALYZE sqlite_schema")
}

/// The declared hot queries.
fn hot(subject: &Subject) -> Result<Vec<&Query>, Outcome> {
    let hot: Vec<&Query> = subject
        .claims
        .query
        .iter()
        .filter(|query| query.hot)
        .collect();
    if hot.is_empty() {
        return Err(Outcome::undeclared(
            "no hot query is declared",
            "[[data.query]] hot = true",
        ));
    }
    Ok(hot)
}

/// Whether every declared hot query is a search on this database.
fn searches(subject: &Subject, engine: &Engine) -> Outcome {
    let hot = match hot(subject) {
        Ok(hot) => hot,
        Err(outcome) => return outcome,
    };
    let mut tally = Tally::default();
    for query in hot {
        tally.add(search(engine, query));
    }
    tally.outcome("hot query", "each a search")
}

/// The same on the copy with many rows. A query of which a table is missing there is not judged, and neither is the whole then.
fn searches_deep(hot: Vec<&Query>, deep: &Deep<'_>) -> Outcome {
    let judged = hot.into_iter().map(|query| {
        let held = deep.held(query)?;
        let mut all = search(deep.engine, query)?;
        for broken in &mut all {
            broken.repeat.splice(..0, deep.statistics(&held));
        }
        Ok(all)
    });
    let saw = format!("each a search with {} rows", deep::told(deep.rows));
    whole(judged, &saw)
}

/// One outcome of several hot queries, that holds only if all of them were judged.
fn whole(all: impl Iterator<Item = Result<Vec<Broken>, Outcome>>, saw: &str) -> Outcome {
    let mut tally = Tally::default();
    for judged in all {
        tally.add(judged);
    }
    let open = tally.open.first().cloned();
    match open {
        Some((reason, key)) if tally.broken.is_empty() => Outcome::NotVerified { reason, key },
        Some(_) | None => tally.outcome("hot query", saw),
    }
}

fn search(engine: &Engine, query: &Query) -> Result<Vec<Broken>, Outcome> {
    let lines = engine.ours(|connection| lines(connection, &query.sql));
    let lines = lines.map_err(|error| unprepared(query, &error.to_string()))?;
    let bad: Vec<String> = lines.into_iter().filter(|line| is_costly(line)).collect();
    Ok(costly(query, bad.join("; ")))
}

fn costly(query: &Query, bad: String) -> Vec<Broken> {
    if bad.is_empty() {
        return Vec::new();
    }
    vec![Broken {
        object: format!("query {}", query.name),
        expected: "searches by index, no sorting".to_owned(),
        saw: bad,
        repeat: vec![format!(
            "EXPLAIN QUERY PLAN {};",
            query.sql.trim_end_matches(';')
        )],
    }]
}

fn unprepared(query: &Query, why: &str) -> Outcome {
    Outcome::NotVerified {
        reason: format!("the query \"{}\" cannot be prepared: {why}", query.name),
        key: Some("[[data.query]] sql".to_owned()),
    }
}

/// Instructions of SQLite's machine that a query may take beyond three times as many as with a twentieth of the rows: a search in a deeper tree takes some more.
const INSTRUCTIONS_MORE: u32 = 300;

/// The same query with few rows in the tables and with twenty times as many: per row that it returns, it must take about as much.
fn reads_what_it_returns(subject: &Subject) -> Outcome {
    let hot = match hot(subject) {
        Ok(hot) => hot,
        Err(outcome) => return outcome,
    };
    let settled = match Settled::new(subject) {
        Ok(settled) => settled,
        Err(outcome) => return outcome,
    };
    match Deep::of(subject) {
        Ok(Some(deep)) => return reads_what_it_returns_deep(hot, &settled, &deep),
        Ok(None) => {}
        Err(outcome) => return outcome,
    }
    let few: Vec<_> = hot.iter().map(|query| cost(&settled, query)).collect();
    if let Err(error) = settled.multiply() {
        return Outcome::not_judged(&error);
    }
    let mut tally = Tally::default();
    for (query, few) in hot.into_iter().zip(few) {
        let many = few.and_then(|few| Ok((few, cost(&settled, query)?)));
        tally.add(many.map(|(few, many)| compared(query, few, many, "twenty times as many")));
    }
    tally.outcome(
        "hot query",
        "each took as much for a row with twenty times as many rows in the tables",
    )
}

/// The same, with many rows instead of twenty times as many.
fn reads_what_it_returns_deep(hot: Vec<&Query>, settled: &Settled<'_>, deep: &Deep<'_>) -> Outcome {
    let rows = deep::told(deep.rows);
    let judged = hot.into_iter().map(|query| {
        deep.held(query)?;
        let few = cost(settled, query)?;
        let values = values(settled, query)?;
        let seen = deep.engine.query(&query.sql, &values);
        let seen = seen.map_err(|failure| unprepared(query, &failure.message))?;
        Ok(compared(query, few, a_row(&seen), &rows))
    });
    let saw = format!("each took as much for a row with {rows} rows in the tables");
    whole(judged, &saw)
}

fn compared(query: &Query, few: u32, many: u32, times: &str) -> Vec<Broken> {
    if many <= few.saturating_mul(3).saturating_add(INSTRUCTIONS_MORE) {
        return Vec::new();
    }
    let saw = format!("{few} instructions a row with few rows in the tables, {many} with {times}");
    costly(query, saw)
}

fn values(settled: &Settled<'_>, query: &Query) -> Result<Vec<Value>, Outcome> {
    let key = "[[data.query]] parameters";
    settled.parameters(&query.parameters, 0, &Given::new(), key)
}

fn a_row(seen: &Seen) -> u32 {
    let rows = u32::try_from(seen.rows.len().max(1)).unwrap_or(u32::MAX);
    seen.instructions / rows
}

/// Instructions that a query takes per row that it returns.
fn cost(settled: &Settled<'_>, query: &Query) -> Result<u32, Outcome> {
    let values = values(settled, query)?;
    // Not traced: neither are the rows that are made meanwhile.
    let seen = settled.world().engine().query(&query.sql, &values);
    let seen = seen.map_err(|failure| unprepared(query, &failure.message))?;
    Ok(a_row(&seen))
}

/// A step of a plan that reads what it does not return, or sorts. The scan of a virtual table is a search of its own kind, that of a constant or of a
/// subquery's result reads no table.
fn is_costly(line: &str) -> bool {
    let is_scan = line.starts_with("SCAN ")
        && !line.contains("VIRTUAL TABLE")
        && !line.starts_with("SCAN CONSTANT ROW")
        && !line.starts_with("SCAN (");
    is_scan || line.starts_with("USE TEMP B-TREE")
}

/// The steps of a plan that read a table from end to end.
pub(super) fn scans(subject: &Subject, sql: &str) -> rusqlite::Result<Vec<String>> {
    let lines = plan(subject, sql)?.into_iter();
    Ok(lines
        .filter(|line| is_costly(line) && line.starts_with("SCAN "))
        .collect())
}

pub(super) fn plan(subject: &Subject, sql: &str) -> rusqlite::Result<Vec<String>> {
    plan_on(&subject.replay.empty, sql)
}

pub(super) fn plan_on(engine: &Engine, sql: &str) -> rusqlite::Result<Vec<String>> {
    engine.ours(|connection| lines(connection, sql))
}

fn lines(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let mut rows = statement.raw_query();
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        lines.push(row.get(3)?);
    }
    Ok(lines)
}

fn covered_indexes(subject: &Subject) -> Outcome {
    let tables = subject.schema().tables.values();
    let indexes = tables.flat_map(|table| &table.indexes);
    let made = indexes.filter(|index| index.origin == IndexOrigin::Created);
    let broken = covered(subject).into_iter().map(|(table, index, other)| {
        let saw = match other.map(|other| (other, other.origin)) {
            Some((other, IndexOrigin::Created)) => format!("`{}` begins with the same", other.name),
            Some((_, IndexOrigin::Unique)) => {
                format!(
                    "a UNIQUE constraint of `{}` begins with the same columns",
                    table.name
                )
            }
            Some((_, IndexOrigin::PrimaryKey)) | None => {
                format!(
                    "the primary key of `{}` begins with the same columns",
                    table.name
                )
            }
        };
        Broken {
            object: format!("index {}", index.name),
            expected: "a use that no other index has".to_owned(),
            saw,
            repeat: index.sql.iter().map(|sql| format!("{sql};")).collect(),
        }
    });
    Outcome::of(
        broken.collect(),
        format!(
            "{}, none covered by another one",
            counted(made.count(), "index")
        ),
    )
}

fn parent_deletes(subject: &Subject) -> Outcome {
    let schema = subject.schema();
    let mut broken = Vec::new();
    let mut seen = 0;
    for table in schema.tables.values() {
        for key in &table.foreign_keys {
            if let Some(parent) = schema.tables.get(&key.parent) {
                seen += 1;
                broken.extend(scanned(subject, table, key, parent));
            }
        }
    }
    Outcome::of(
        broken,
        format!("{}, each found by a search", counted(seen, "reference")),
    )
}

fn scanned(subject: &Subject, table: &Table, key: &ForeignKey, parent: &Table) -> Option<Broken> {
    if is_served(subject, table, key, parent) {
        return None;
    }
    let conditions: Vec<String> = key
        .columns
        .iter()
        .map(|column| format!("{} = ?", column.quoted()))
        .collect();
    let sql = format!(
        "SELECT 1 FROM {} WHERE {}",
        table.name.quoted(),
        conditions.join(" AND ")
    );
    let step = plan(subject, &sql).ok()?.into_iter().next()?;
    let read = if is_costly(&step) {
        "every row"
    } else {
        "more than the children"
    };
    let columns: Vec<&str> = key
        .columns
        .iter()
        .map(crate::catalog::Name::as_str)
        .collect();
    Some(Broken {
        object: format!("table {}", table.name),
        expected: format!("an index that begins with {}", columns.join(", ")),
        saw: format!(
            "deleting a row of `{}` reads {read} of `{}` ({step})",
            key.parent, table.name
        ),
        repeat: vec![format!("EXPLAIN QUERY PLAN {sql};")],
    })
}
