//! Columns of a target's own: a copy of its database says ours while the judges look, and theirs while its own statements run. Never touches the target's file.

use super::routes::is_field;
use moltproof_data::catalog::Name;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// What stands before the name of a column of theirs while ours has that name.
const ASIDE: &str = "moltproof_theirs_";
/// What stands before a name that is not free yet.
const ON_THE_WAY: &str = "moltproof_becomes_";

/// Names of columns, theirs by ours, by table or view; `queries` stands for what the monitoring queries call their results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns(pub BTreeMap<String, BTreeMap<String, String>>);

/// The tables of the contract.
pub(crate) const TABLES: [&str; 14] = [
    "usage_logs",
    "rate_limits",
    "api_keys",
    "conversations",
    "messages",
    "user_preferences",
    "model_pricing",
    "webhooks",
    "audit_logs",
    "user_sessions",
    "feature_flags",
    "daily_usage_stats",
    "system_metrics",
    "schema_metadata",
];

/// The views of the contract.
const VIEWS: [&str; 3] = [
    "user_usage_summary",
    "model_usage_stats",
    "daily_usage_trends",
];

/// The names of results of queries.
const QUERIES: &str = "queries";

fn quoted(name: &str) -> String {
    Name::new(name).quoted()
}

/// The columns of a table or view; none if there is none.
fn columns_of(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([table], |row| row.get(0))?;
    names.collect()
}

fn is_view(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM main.sqlite_schema WHERE type = 'view' AND name = ?1";
    connection.query_row(sql, params![name], |row| Ok(row.get::<_, i64>(0)? > 0))
}

fn rename(connection: &Connection, table: &str, from: &str, to: &str) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "ALTER TABLE main.{} RENAME COLUMN {} TO {}",
        quoted(table),
        quoted(from),
        quoted(to)
    ))
}

/// Renames several columns at once, each from one name to another: a name that is free only when its own column has gone is taken last.
fn rename_all(
    connection: &Connection,
    table: &str,
    pairs: &[(&String, &String)],
) -> rusqlite::Result<()> {
    let is_taken = |name: &String| pairs.iter().any(|(from, _)| *from == name);
    let waiting = |to: &String| format!("{ON_THE_WAY}{to}");
    let (late, early): (Vec<_>, Vec<_>) = pairs.iter().partition(|(_, to)| is_taken(to));
    for (from, to) in &late {
        rename(connection, table, from, &waiting(to))?;
    }
    for (from, to) in early {
        rename(connection, table, from, to)?;
    }
    for (_, to) in late {
        rename(connection, table, &waiting(to), to)?;
    }
    Ok(())
}

/// Those of which ours and theirs are not the same.
fn others(columns: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    columns.iter().filter(|(ours, theirs)| ours != theirs)
}

impl Columns {
    /// A name among them that is no table or view of the contract.
    #[must_use]
    pub fn unknown(&self) -> Option<&str> {
        let mut names = self.0.keys().map(String::as_str);
        names.find(|name| !TABLES.contains(name) && !VIEWS.contains(name) && *name != QUERIES)
    }

    /// Whether theirs are ours.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.values().all(BTreeMap::is_empty)
    }

    /// Our name for a column of a query's result, in lower case. What is a name of ours stays, unless it is told of queries.
    pub(crate) fn of_result(&self, theirs: &str) -> String {
        let ours_in = |columns: &BTreeMap<String, String>| {
            let mut all = columns.iter();
            let found = all.find(|(_, name)| name.eq_ignore_ascii_case(theirs));
            found.map(|(ours, _)| ours.clone())
        };
        let same = theirs.to_lowercase();
        if let Some(ours) = self.0.get(QUERIES).and_then(ours_in) {
            return ours;
        }
        if is_field(&same) {
            return same;
        }
        self.0.values().find_map(ours_in).unwrap_or(same)
    }

    fn tables(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> {
        let all = self.0.iter().filter(|(table, _)| *table != QUERIES);
        all.map(|(table, columns)| (table.as_str(), columns))
    }

    /// Makes a copy that says theirs say ours. What is not there is left alone.
    pub(crate) fn to_ours(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (table, columns) in self.tables() {
            if is_view(connection, table)? {
                continue;
            }
            let there = columns_of(connection, table)?;
            let moved: Vec<_> = others(columns)
                .filter(|(_, theirs)| there.contains(theirs))
                .collect();
            // A name of ours may be theirs for something that the contract does not know.
            let is_in_the_way = |ours: &String| {
                there.contains(ours) && !moved.iter().any(|(_, theirs)| *theirs == ours)
            };
            for (ours, _) in moved.iter().filter(|(ours, _)| is_in_the_way(ours)) {
                rename(connection, table, ours, &format!("{ASIDE}{ours}"))?;
            }
            let pairs: Vec<_> = moved
                .iter()
                .map(|(ours, theirs)| (*theirs, *ours))
                .collect();
            rename_all(connection, table, &pairs)?;
        }
        self.show_views(connection)
    }

    /// Puts a view before each table and view of theirs that has other names, for whoever only reads rows.
    pub(crate) fn show(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (name, columns) in self.tables() {
            if !columns_of(connection, name)?.is_empty() {
                shadow(connection, name, columns)?;
            }
        }
        Ok(())
    }

    /// Puts a view of our names before each view of theirs.
    pub(crate) fn show_views(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (view, columns) in self.tables() {
            if is_view(connection, view)? {
                shadow(connection, view, columns)?;
            }
        }
        Ok(())
    }

    /// Takes that back, so that statements of the target find what they name.
    pub(crate) fn to_theirs(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (view, _) in self.tables() {
            if is_view(connection, view)? {
                connection.execute_batch(&format!("DROP VIEW IF EXISTS temp.{}", quoted(view)))?;
            }
        }
        for (table, columns) in self.tables() {
            if is_view(connection, table)? {
                continue;
            }
            let there = columns_of(connection, table)?;
            let moved = others(columns).filter(|(ours, _)| there.contains(ours));
            rename_all(connection, table, &moved.collect::<Vec<_>>())?;
            for column in columns_of(connection, table)? {
                if let Some(name) = column.strip_prefix(ASIDE) {
                    rename(connection, table, &column, name)?;
                }
            }
        }
        Ok(())
    }
}

/// Puts a view of our names before a table or view of theirs.
fn shadow(
    connection: &Connection,
    name: &str,
    columns: &BTreeMap<String, String>,
) -> rusqlite::Result<()> {
    let there = columns_of(connection, name)?;
    let is_there = |name: &String| there.contains(name);
    let told = there.iter().filter_map(|column| {
        let mut all = columns.iter();
        match all.find(|(_, theirs)| *theirs == column) {
            Some((ours, _)) => Some(format!("{} AS {}", quoted(column), quoted(ours))),
            // Its name is ours for another column.
            None if columns.get(column).is_some_and(is_there) => None,
            None => Some(quoted(column)),
        }
    });
    let told: Vec<String> = told.collect();
    connection.execute_batch(&format!(
        "CREATE TEMP VIEW {name} AS SELECT {told} FROM main.{name}",
        name = quoted(name),
        told = told.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEIRS: &str = "
        CREATE TABLE usage_logs (log_no INTEGER PRIMARY KEY, owner TEXT NOT NULL, id TEXT, model TEXT);
        CREATE INDEX by_owner ON usage_logs (owner);
        CREATE VIEW model_usage_stats AS SELECT model, count(*) AS calls, max(owner) AS last FROM usage_logs GROUP BY model;
        CREATE TRIGGER kept BEFORE DELETE ON usage_logs WHEN OLD.owner = 'ada' BEGIN SELECT RAISE(ABORT, 'kept'); END;
        INSERT INTO usage_logs VALUES (7, 'ada', 'x', 'small');";

    fn columns() -> Columns {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(ours, theirs)| ((*ours).to_owned(), (*theirs).to_owned()))
                .collect()
        };
        Columns(
            [
                (
                    "usage_logs".to_owned(),
                    of(&[
                        ("id", "log_no"),
                        ("user_id", "owner"),
                        ("request_id", "id"),
                        ("cost_micros", "nowhere"),
                    ]),
                ),
                ("model_usage_stats".to_owned(), of(&[("requests", "calls")])),
                ("audit_logs".to_owned(), of(&[("actor", "who")])),
                (QUERIES.to_owned(), of(&[("total_cost_micros", "sum")])),
            ]
            .into(),
        )
    }

    fn told(connection: &Connection, sql: &str) -> Vec<String> {
        let row = connection.query_row(sql, [], |row| {
            (0..3)
                .map(|at| row.get::<_, rusqlite::types::Value>(at))
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        let row = row.unwrap_or_else(|error| panic!("{sql}: {error}"));
        row.iter().map(crate::scripts::trial::told).collect()
    }

    #[test]
    fn a_copy_says_ours_and_theirs_again() -> rusqlite::Result<()> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(THEIRS)?;
        let schema = |connection: &Connection| {
            let sql = "SELECT group_concat(sql, ';') FROM sqlite_schema";
            connection.query_row(sql, [], |row| row.get::<_, String>(0))
        };
        let before = schema(&connection)?;
        for _ in 0..2 {
            columns().to_ours(&connection)?;
            assert_eq!(
                told(
                    &connection,
                    "SELECT id, user_id, request_id FROM usage_logs"
                ),
                ["7", "'ada'", "'x'"]
            );
            assert_eq!(
                told(
                    &connection,
                    "SELECT model, requests, last FROM model_usage_stats"
                ),
                ["'small'", "1", "'ada'"]
            );
            assert!(
                connection.execute("DELETE FROM usage_logs", []).is_err(),
                "the trigger still knows its column"
            );
            columns().to_theirs(&connection)?;
            assert_eq!(
                told(&connection, "SELECT log_no, owner, id FROM usage_logs"),
                ["7", "'ada'", "'x'"]
            );
            assert_eq!(
                told(
                    &connection,
                    "SELECT model, calls, last FROM model_usage_stats"
                ),
                ["'small'", "1", "'ada'"]
            );
        }
        // Names come back in quotes, and nothing else has changed.
        assert_eq!(schema(&connection)?.replace('"', ""), before);
        Ok(())
    }

    #[test]
    fn rows_are_read_by_ours_while_theirs_stay() -> rusqlite::Result<()> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(THEIRS)?;
        columns().show(&connection)?;
        let ours = "SELECT id, user_id, request_id FROM usage_logs";
        assert_eq!(told(&connection, ours), ["7", "'ada'", "'x'"]);
        let ours = "SELECT model, requests, last FROM model_usage_stats";
        assert_eq!(told(&connection, ours), ["'small'", "1", "'ada'"]);
        let theirs = "SELECT log_no, owner, id FROM main.usage_logs";
        assert_eq!(told(&connection, theirs), ["7", "'ada'", "'x'"]);
        Ok(())
    }

    #[test]
    fn a_result_has_the_name_that_is_told_for_it() {
        assert_eq!(columns().of_result("SUM"), "total_cost_micros");
        assert_eq!(columns().of_result("owner"), "user_id");
        assert_eq!(columns().of_result("Model"), "model");
        assert_eq!(columns().of_result("id"), "id", "a name of ours stays");
    }
}
