//! Triggers that tell of every row of a table, and what SQLite says an update of each column writes. Never runs a statement of the user's.

use super::{TELL, Uncounted};
use crate::catalog::{Generated, Index, IndexOrigin, Name, Table};
use crate::text::tokens;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A table that is counted, and its place among those that are.
pub(super) struct Counter<'t> {
    pub(super) table: &'t Table,
    pub(super) place: usize,
}

/// The indexes that an update of each column writes anew, by the index.
pub(super) type Anew = BTreeMap<Name, BTreeSet<Name>>;

impl Counter<'_> {
    /// The triggers, as a script.
    pub(super) fn triggers(&self, anew: &Anew) -> Result<String, Uncounted> {
        let (table, place) = (self.table, self.place);
        let of_rows = |index: &&Index| {
            // The primary key of a table WITHOUT ROWID is the table itself.
            !(table.without_rowid && index.origin == IndexOrigin::PrimaryKey)
        };
        let indexes: Vec<&Index> = table.indexes.iter().filter(of_rows).collect();
        let whole = indexes.iter().filter(|index| index.condition.is_none());
        let mut inserted = format!("SELECT {TELL}({place}, 1, {}); ", whole.count());
        for index in &indexes {
            if let Some(condition) = &index.condition {
                inserted.push_str(&self.where_met(condition)?);
            }
        }
        let mut script = String::new();
        if indexes.iter().any(|one| self.computed_key(one).is_some()) {
            let columns = table.columns.iter();
            let columns =
                columns.map(|column| format!("{} {}", column.name.quoted(), column.declared_type));
            let columns = columns.collect::<Vec<_>>().join(", ");
            let _infallible = writeln!(script, "CREATE TEMP TABLE {} ({columns});", self.kept());
        }
        self.trigger(&mut script, "inserted", "INSERT", &inserted);
        let row = format!("SELECT {TELL}({place}, 1, 0); ");
        self.trigger(&mut script, "updated", "UPDATE", &row);
        self.trigger(&mut script, "deleted", "DELETE", &row);
        for (number, index) in indexes.iter().enumerate() {
            let Some(columns) = anew.get(&index.name) else {
                continue;
            };
            let columns: Vec<String> = columns.iter().map(Name::quoted).collect();
            let event = format!("UPDATE OF {}", columns.join(", "));
            let entry = match (&index.condition, self.computed_key(index)) {
                (_, Some(key)) => self.where_changed(index, &key)?,
                (Some(condition), None) => self.where_met(condition)?,
                (None, None) => format!("SELECT {TELL}({place}, 0, 1); "),
            };
            self.trigger(&mut script, &format!("entry {number}"), &event, &entry);
        }
        Ok(script)
    }

    fn trigger(&self, script: &mut String, what: &str, event: &str, body: &str) {
        let name = Name::new(&format!("moltproof {} {what}", self.place));
        let _infallible = writeln!(
            script,
            "CREATE TEMP TRIGGER {} AFTER {event} ON main.{} BEGIN {body}END;",
            name.quoted(),
            self.table.name.quoted()
        );
    }

    /// Tells of an entry in a partial index, if the new row is one of its rows.
    fn where_met(&self, condition: &str) -> Result<String, Uncounted> {
        Ok(format!(
            "SELECT {TELL}({}, 0, 1) FROM main.{} WHERE {} AND ({condition}\n); ",
            self.place,
            self.table.name.quoted(),
            self.is_new_row()?
        ))
    }

    /// Tells of an entry whose key is computed: it is written anew only where the key changes, or the row was none of the index's.
    fn where_changed(&self, index: &Index, key: &str) -> Result<String, Uncounted> {
        let (table, kept) = (self.table.name.quoted(), self.kept());
        let columns = self.table.columns.iter();
        let old: Vec<String> = columns
            .map(|column| format!("OLD.{}", column.name.quoted()))
            .collect();
        let is_new = self.is_new_row()?;
        let condition = index.condition.as_deref().unwrap_or("1");
        let is_old = is_new.replace("NEW.", "OLD.");
        Ok(format!(
            "DELETE FROM {kept}; INSERT INTO {kept} VALUES ({}); \
             SELECT {TELL}({}, 0, 1) FROM main.{table} WHERE {is_new} AND ({condition}\n) \
             AND (NOT ({is_old}) OR (SELECT {key} FROM {kept} AS {table} WHERE ({condition}\n)) IS NOT {key}); ",
            old.join(", "),
            self.place,
        ))
    }

    /// The table that holds the row before it was changed.
    fn kept(&self) -> String {
        Name::new(&format!("moltproof {} kept", self.place)).quoted()
    }

    /// A condition that the row that was written meets alone.
    fn is_new_row(&self) -> Result<String, Uncounted> {
        let table = self.table;
        if table.without_rowid {
            let key = table.primary_key.iter().map(Name::quoted);
            let same = key.map(|column| format!("{column} = NEW.{column}"));
            return Ok(same.collect::<Vec<_>>().join(" AND "));
        }
        let name = table.rowid_alias().map(|column| column.name.quoted());
        let name = name.or_else(|| table.rowid_names().next().map(str::to_owned));
        let name = name.ok_or_else(|| {
            Uncounted::Beyond(format!("no name is left for the rowid of `{}`", table.name))
        })?;
        Ok(format!("{name} = NEW.{name}"))
    }

    /// The key of an index as one text in which the same keys are the same, if some of it is computed when a row is written.
    fn computed_key(&self, index: &Index) -> Option<String> {
        let is_computed = |name: &Name| {
            let column = self.table.column(name);
            column.is_some_and(|column| column.generated == Some(Generated::Virtual))
        };
        let mut parts = index.columns.iter();
        if !parts.any(|part| part.name.as_ref().is_none_or(is_computed)) {
            return None;
        }
        let written = index.sql.as_deref().map(key_parts).unwrap_or_default();
        let parts = index.columns.iter().enumerate();
        let parts = parts.map(|(at, part)| match &part.name {
            Some(name) => Some(format!("quote({})", name.quoted())),
            None => Some(format!("quote({}\n)", written.get(at)?)),
        });
        Some(parts.collect::<Option<Vec<_>>>()?.join(" || ',' || "))
    }
}

/// The parts of the key in the text of a `CREATE INDEX`, without their directions.
fn key_parts(sql: &str) -> Vec<&str> {
    let all = tokens(sql);
    let mut parts = Vec::new();
    let (mut depth, mut first) = (0, 0);
    for (at, token) in all.iter().enumerate() {
        match token.form.as_str() {
            "(" => {
                depth += 1;
                if depth == 1 {
                    first = at + 1;
                }
            }
            ")" | "," if depth == 1 => {
                let mut own = &all[first..at];
                while let [rest @ .., last] = own
                    && matches!(last.form.as_str(), "asc" | "desc")
                {
                    own = rest;
                }
                if let [start, .., end] | [start @ end] = own {
                    parts.push(&sql[start.range.start..end.range.end]);
                }
                first = at + 1;
                if token.form == ")" {
                    break;
                }
            }
            ")" => depth -= 1,
            _ => {}
        }
    }
    parts
}

/// What an update writes anew, by the programs that SQLite makes of one update for each column.
pub(super) fn written_anew(connection: &Connection, table: &Table) -> Result<Anew, Uncounted> {
    let mut anew = Anew::new();
    let roots = roots(connection, &table.name)?;
    for column in table.columns.iter().filter(|one| one.generated.is_none()) {
        let (table, name) = (table.name.quoted(), column.name.quoted());
        let sql = format!("EXPLAIN UPDATE main.{table} SET {name} = {name}");
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let mut opened: BTreeMap<i64, i64> = BTreeMap::new();
        let mut is_first = true;
        while let Some(row) = rows.next()? {
            let address: i64 = row.get(0)?;
            if address == 0 && !is_first {
                // Here the programs of triggers and of references begin.
                break;
            }
            is_first = false;
            let (name, p1, p2): (String, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
            match name.as_str() {
                "OpenWrite" => {
                    opened.insert(p1, p2);
                }
                "IdxInsert" => {
                    let index = opened.get(&p1).and_then(|root| roots.get(root));
                    if let Some(index) = index {
                        let columns = anew.entry(index.clone()).or_default();
                        columns.insert(column.name.clone());
                    }
                }
                _ => {}
            }
        }
    }
    Ok(anew)
}

/// The first pages of a table's indexes.
fn roots(connection: &Connection, table: &Name) -> rusqlite::Result<BTreeMap<i64, Name>> {
    let mut statement = connection.prepare_cached(
        "SELECT rootpage, name FROM main.sqlite_schema WHERE type = 'index' AND tbl_name = ?1 COLLATE NOCASE",
    )?;
    let rows = statement.query_map([table.as_str()], |row| {
        let name: String = row.get(1)?;
        Ok((row.get(0)?, Name::new(&name)))
    })?;
    rows.collect()
}

/// The numbers that AUTOINCREMENT has given out, by table.
pub(super) fn numbers(connection: &Connection) -> rusqlite::Result<BTreeMap<String, i64>> {
    let mut statement = connection.prepare_cached("SELECT name, seq FROM main.sqlite_sequence")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// The triggers of a table and their statements, in the order in which they were made.
pub(super) fn triggers_of(
    connection: &Connection,
    table: &Name,
) -> rusqlite::Result<Vec<(Name, String)>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, sql FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY rowid",
    )?;
    let rows = statement.query_map([table.as_str()], |row| {
        let name: String = row.get(0)?;
        Ok((Name::new(&name), row.get(1)?))
    })?;
    rows.collect()
}

/// A trigger with a statement behind each of those that write to a table that `place` knows, which tells how many rows they wrote.
pub(super) fn telling(sql: &str, mut place: impl FnMut(&str) -> Option<usize>) -> String {
    let all = tokens(sql);
    let is_word = |at: usize, word: &str| {
        all.get(at).is_some_and(|token| {
            token.form == word && sql[token.range.clone()].eq_ignore_ascii_case(word)
        })
    };
    let Some(begin) = (0..all.len()).find(|at| is_word(*at, "begin")) else {
        return sql.to_owned();
    };
    let mut told = String::new();
    let (mut copied, mut first) = (0, begin + 1);
    for at in begin + 1..all.len() {
        if all[at].form != ";" {
            continue;
        }
        let head = first..at;
        first = at + 1;
        let behind = |word: &str| {
            let found = head.clone().find(|at| is_word(*at, word))?;
            all.get(found + 1).map(|token| token.form.as_str())
        };
        let start = head.start;
        let target = if is_word(start, "insert") || is_word(start, "replace") {
            behind("into")
        } else if is_word(start, "delete") {
            behind("from")
        } else if is_word(start, "update") {
            let skipped = if is_word(start + 1, "or") { 3 } else { 1 };
            all.get(start + skipped).map(|token| token.form.as_str())
        } else {
            None
        };
        if let Some(place) = target.and_then(&mut place) {
            let end = all[at].range.end;
            told.push_str(&sql[copied..end]);
            let _infallible = write!(told, " SELECT {TELL}({place}, changes(), 0);");
            copied = end;
        }
    }
    told.push_str(&sql[copied..]);
    told
}
