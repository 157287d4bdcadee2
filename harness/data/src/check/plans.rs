//! PAT-007, PAT-015: what serves declared queries and references. Never runs a query on rows of the user's.

use super::{Aspect, Broken, Outcome, counted};
use crate::catalog::{ForeignKey, Index, IndexOrigin, Table};
use crate::subject::Subject;
use rusqlite::Connection;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-007",
        sentence: "every declared hot query searches by index, without a scan of a table and without a temporary b-tree",
        judge: hot_queries,
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

fn hot_queries(subject: &Subject) -> Outcome {
    let hot: Vec<_> = subject
        .claims
        .query
        .iter()
        .filter(|query| query.hot)
        .collect();
    if hot.is_empty() {
        return Outcome::undeclared("no hot query is declared", "[[data.query]] hot = true");
    }
    let mut broken = Vec::new();
    let mut unprepared = None;
    for query in &hot {
        match plan(subject, &query.sql) {
            Ok(lines) => {
                let bad: Vec<String> = lines.into_iter().filter(|line| is_costly(line)).collect();
                if !bad.is_empty() {
                    broken.push(Broken {
                        object: format!("query {}", query.name),
                        expected: "searches by index, no sorting".to_owned(),
                        saw: bad.join("; "),
                        repeat: vec![format!(
                            "EXPLAIN QUERY PLAN {};",
                            query.sql.trim_end_matches(';')
                        )],
                    });
                }
            }
            Err(error) => {
                unprepared.get_or_insert((&query.name, error));
            }
        }
    }
    // One query that cannot be prepared leaves the others as they are: what is seen of them is told.
    if let (true, Some((name, error))) = (broken.is_empty(), unprepared) {
        return Outcome::NotVerified {
            reason: format!("the query \"{name}\" cannot be prepared: {error}"),
            key: Some("[[data.query]] sql".to_owned()),
        };
    }
    let saw = format!("{}, each a search", counted(hot.len(), "hot query"));
    Outcome::of(broken, saw)
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

fn plan(subject: &Subject, sql: &str) -> rusqlite::Result<Vec<String>> {
    subject
        .replay
        .empty
        .ours(|connection| lines(connection, sql))
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
    let mut broken = Vec::new();
    let mut seen = 0;
    for table in subject.schema().tables.values() {
        for index in table
            .indexes
            .iter()
            .filter(|index| index.origin == IndexOrigin::Created)
        {
            seen += 1;
            if let Some(other) = table.indexes.iter().find(|other| covers(other, index)) {
                broken.push(Broken {
                    object: format!("index {}", index.name),
                    expected: "a use that no other index has".to_owned(),
                    saw: format!("`{}` begins with the same columns", other.name),
                    repeat: index.sql.iter().map(|sql| format!("{sql};")).collect(),
                });
            }
        }
    }
    Outcome::of(
        broken,
        format!("{}, none covered by another one", counted(seen, "index")),
    )
}

/// Whether an index serves whatever another one serves. A partial one finds its few rows at once, which a whole one does not.
fn covers(other: &Index, index: &Index) -> bool {
    let is_same = other.columns.len() == index.columns.len();
    let begins = other.columns.len() >= index.columns.len()
        && index
            .columns
            .iter()
            .zip(&other.columns)
            .all(|(own, others)| own.name.is_some() && own == others);
    // Of two that are the same the later one is the one too many; a unique one also keeps duplicates out.
    let comes_first = !is_same
        || other.unique && !index.unique
        || other.origin != IndexOrigin::Created
        || other.name < index.name;
    other.name != index.name
        && begins
        && comes_first
        && (!index.unique || is_same && other.unique)
        && other.condition == index.condition
}

fn parent_deletes(subject: &Subject) -> Outcome {
    let schema = subject.schema();
    let mut broken = Vec::new();
    let mut seen = 0;
    for table in schema.tables.values() {
        for key in &table.foreign_keys {
            if schema.tables.contains_key(&key.parent) {
                seen += 1;
                broken.extend(scanned(subject, table, key));
            }
        }
    }
    Outcome::of(
        broken,
        format!("{}, each found by a search", counted(seen, "reference")),
    )
}

fn scanned(subject: &Subject, table: &Table, key: &ForeignKey) -> Option<Broken> {
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
    let lines = plan(subject, &sql).ok()?;
    let scan = lines.into_iter().find(|line| is_costly(line))?;
    let columns: Vec<&str> = key
        .columns
        .iter()
        .map(crate::catalog::Name::as_str)
        .collect();
    Some(Broken {
        object: format!("table {}", table.name),
        expected: format!("an index that begins with {}", columns.join(", ")),
        saw: format!(
            "deleting a row of `{}` reads every row of `{}` ({scan})",
            key.parent, table.name
        ),
        repeat: vec![format!("EXPLAIN QUERY PLAN {sql};")],
    })
}
