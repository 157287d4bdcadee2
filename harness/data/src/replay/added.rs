//! Columns that files add to tables without rows. SQLite reads the whole schema anew behind each ALTER TABLE; here it carries them out on the table
//! alone, in a database of its own, and the whole schema hears of all of them together before anything looks at such a table.
//! Never decides what a column may be: SQLite does.

use super::objects::Objects;
use super::{Change, ObjectKind};
use crate::catalog::Name;
use crate::engine::{Deed, Engine, Failure};
use crate::text::{Span, find_word};
use rusqlite::config::DbConfig;
use std::collections::{BTreeMap, BTreeSet};

/// Tables that have got columns of which the whole schema has not heard yet.
pub(super) struct Added {
    /// Where one table at a time gets its column.
    alone: Engine,
    waiting: Waiting,
    /// Those that were waiting when the file began.
    before_file: Waiting,
}

#[derive(Debug, Clone, Default)]
struct Waiting {
    /// Their new statements.
    tables: BTreeMap<Name, String>,
    /// Every word of what added the columns.
    words: BTreeSet<String>,
}

/// What became of a statement that was carried out on its table alone.
pub(super) struct Alone {
    pub(super) outcome: Result<(), Failure>,
    pub(super) deeds: Vec<Deed>,
    pub(super) changes: Vec<Change>,
}

impl Added {
    pub(super) fn new() -> rusqlite::Result<Self> {
        Ok(Self {
            alone: Engine::in_memory()?,
            waiting: Waiting::default(),
            before_file: Waiting::default(),
        })
    }

    /// A file begins.
    pub(super) fn begin(&mut self) {
        self.before_file = self.waiting.clone();
    }

    /// The file was undone.
    pub(super) fn undo(&mut self, engine: &Engine) -> rusqlite::Result<()> {
        self.waiting = std::mem::take(&mut self.before_file);
        self.tell(engine)
    }

    /// Adds a column; none where that is nothing but `ALTER TABLE … ADD` of a table that is empty and plain.
    pub(super) fn add(
        &mut self,
        engine: &Engine,
        objects: &mut Objects,
        (sql, span): (&str, &Span),
    ) -> rusqlite::Result<Option<Alone>> {
        let Some(table) = added_to(sql) else {
            return Ok(None);
        };
        let Some((table, statements)) = objects.plain_table(&table) else {
            return Ok(None);
        };
        let is_empty = self.waiting.tables.contains_key(&table) || is_empty(engine, &table);
        self.alone
            .ours(|connection| connection.execute_batch("BEGIN"))?;
        let is_made = is_empty
            && statements.iter().all(|sql| {
                let made = self.alone.ours(|connection| connection.execute_batch(sql));
                made.is_ok()
            });
        let done = if is_made {
            let outcome = self.alone.run(sql);
            let (deeds, _) = self.alone.take_deeds();
            let mut changes = Vec::new();
            if outcome.is_ok() {
                let statement = self.statement(&table)?;
                changes.extend(objects.altered(&table, &statement, span));
                self.waiting.words.extend(words(sql));
                self.waiting.tables.insert(table.clone(), statement);
            }
            Some(Alone {
                outcome,
                deeds,
                changes,
            })
        } else {
            None
        };
        // The next table has the database for itself again.
        let _undone = self
            .alone
            .ours(|connection| connection.execute_batch("ROLLBACK"));
        Ok(done)
    }

    fn statement(&self, table: &Name) -> rusqlite::Result<String> {
        self.alone.ours(|connection| {
            let sql =
                "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([table.as_str()], |row| row.get(0))
        })
    }

    /// Tells the whole schema of the new columns, if this statement may look at one of their tables.
    pub(super) fn tell_before(
        &mut self,
        engine: &Engine,
        objects: &Objects,
        sql: &str,
    ) -> rusqlite::Result<()> {
        if !self.waiting.tables.is_empty() && self.may_look(objects, sql) {
            self.tell(engine)?;
        }
        Ok(())
    }

    fn may_look(&self, objects: &Objects, sql: &str) -> bool {
        let words: BTreeSet<String> = words(sql).collect();
        let says = |word: &str| words.contains(word);
        let is_named = || {
            let mut tables = self.waiting.tables.keys();
            let named =
                |name: &String| self.waiting.words.contains(name) && objects.has(&Name::new(name));
            tables.any(|table| find_word(sql, table.as_str(), 0).is_some())
                || words.iter().any(named)
        };
        let mut first = sql.split(|letter: char| !letter.is_ascii_alphanumeric());
        let first = first.next().unwrap_or_default().to_ascii_lowercase();
        match first.as_str() {
            // What a view or a trigger looks at, SQLite asks when it runs.
            "create" => says("virtual") || says("table") && says("select") || is_named(),
            // Triggers, and the references of rows that others take the place of, lead anywhere.
            "insert" => {
                says("replace") || says("select") || objects.has_trigger_of(&words) || is_named()
            }
            _ => true,
        }
    }

    /// Tells the whole schema of the new columns: SQLite reads it anew once.
    pub(super) fn tell(&mut self, engine: &Engine) -> rusqlite::Result<()> {
        if self.waiting.tables.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        engine.ours(|connection| {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
            let version: i64 =
                connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
            connection.execute_batch("PRAGMA writable_schema = ON")?;
            for (table, sql) in &waiting.tables {
                let mut update = connection.prepare_cached(
                    "UPDATE sqlite_schema SET sql = ?2 WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
                )?;
                update.execute([table.as_str(), sql])?;
            }
            // With another number an undone transaction undoes what SQLite knows of the schema as well.
            connection.pragma_update(None, "schema_version", version + 1)?;
            connection.execute_batch("PRAGMA writable_schema = RESET")?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
            Ok(())
        })
    }
}

/// The table of an `ALTER TABLE … ADD …`, if its name is a plain word or stands in plain double quotes.
fn added_to(sql: &str) -> Option<Name> {
    let rest = after(after(sql, "alter")?, "table")?;
    let (name, rest) = if let Some(quoted) = rest.strip_prefix(['"', '`']) {
        let end = quoted.find(['"', '`'])?;
        (&quoted[..end], &quoted[end + 1..])
    } else {
        let end = rest.find(|letter: char| !is_of_word(letter))?;
        (&rest[..end], &rest[end..])
    };
    let is_plain = !name.is_empty() && name.chars().all(is_of_word);
    let is_added = after(rest.trim_start(), "add").is_some();
    (is_plain && is_added).then(|| Name::new(name))
}

/// What stands behind a word and white space.
fn after<'s>(sql: &'s str, word: &str) -> Option<&'s str> {
    let (start, rest) = sql.split_at_checked(word.len())?;
    let is_word = start.eq_ignore_ascii_case(word)
        && rest.starts_with(|letter: char| letter.is_ascii_whitespace());
    is_word.then(|| rest.trim_ascii_start())
}

fn is_of_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn words(sql: &str) -> impl Iterator<Item = String> {
    let words = sql.split(|letter| !is_of_word(letter));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
}

fn is_empty(engine: &Engine, table: &Name) -> bool {
    let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM main.{})", table.quoted());
    let row = engine.ours(|connection| connection.query_row(&sql, [], |row| row.get(0)));
    row.unwrap_or(false)
}

impl Objects {
    /// A table of plain name that is not virtual nor a part of such a one, and the statements that make it and its indexes.
    fn plain_table(&self, name: &Name) -> Option<(Name, Vec<String>)> {
        let virtual_ones = self.virtual_tables();
        let is_part = virtual_ones.iter().any(|table| {
            let own = table.as_str();
            let start = name.as_str().get(..own.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(own))
        });
        let (stored, sql) = self.table(name).filter(|_table| !is_part)?;
        let mut statements = vec![sql.to_string()];
        statements.extend(self.indexes_of(name).map(ToString::to_string));
        Some((stored.clone(), statements))
    }

    /// Whether a trigger belongs to a table or view that is among these words.
    fn has_trigger_of(&self, words: &BTreeSet<String>) -> bool {
        let mut tables = self.triggered();
        tables.any(|table| {
            let name = table.as_str();
            !name.chars().all(is_of_word) || words.contains(&name.to_ascii_lowercase())
        })
    }

    /// Whether there is an object of this name.
    fn has(&self, name: &Name) -> bool {
        let kinds = [
            ObjectKind::Table,
            ObjectKind::Index,
            ObjectKind::Trigger,
            ObjectKind::View,
        ];
        kinds.into_iter().any(|kind| self.is_there(kind, name))
    }
}
