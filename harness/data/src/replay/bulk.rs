//! The first pass for the schema of a large database: each statement is prepared, as it is for any source, and what they make is made at once.
//! Never used for files: what one of their statements does hangs on those before it.

use super::image::{Line, Tree, image};
use super::objects::Objects;
use super::{ObjectKind, Replay, Step};
use crate::catalog::{self, Name};
use crate::engine::{Deed, Engine, Failure};
use crate::source::{Kind, Source};
use crate::text::{FileId, Statement, find_word, statements};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Statements from which on it is worth it.
const MANY: usize = 300;

/// Objects up to which the database of all of them is kept in memory: of these, it has 15 MiB.
const IN_MEMORY_MAX: usize = 20_000;

/// One statement of the schema, prepared.
struct Made {
    statement: Statement,
    kind: Option<ObjectKind>,
    deeds: Vec<Deed>,
    failure: Option<Failure>,
    line: Option<Line>,
}

/// The replay of a large schema; none where it is to be applied statement by statement.
pub(super) fn replay(source: &Source) -> rusqlite::Result<Option<Replay>> {
    let [file] = source.files.as_slice() else {
        return Ok(None);
    };
    if source.kind != Kind::Database {
        return Ok(None);
    }
    let statements = statements(FileId(0), file);
    if statements.len() < MANY {
        return Ok(None);
    }
    of(statements)
}

/// The same for these statements, however many they are.
pub(super) fn of(statements: Vec<Statement>) -> rusqlite::Result<Option<Replay>> {
    let mut all: Vec<Made> = statements.into_iter().map(made).collect();
    let mut scratch = Engine::in_memory()?;
    prepare(&scratch, &mut all, &[ObjectKind::Table, ObjectKind::View]);
    let Some(has_sequence) = is_plain(&all) else {
        return Ok(None);
    };
    scratch.take_over(&image(&lines(&all), has_sequence)?)?;
    let Ok(trees) = scratch.ours(trees) else {
        // The statements do not make a schema together; one by one they tell why.
        return Ok(None);
    };
    prepare(
        &scratch,
        &mut all,
        &[ObjectKind::Index, ObjectKind::Trigger],
    );
    if is_plain(&all).is_none() {
        return Ok(None);
    }
    // It knows the whole schema, as the next one will.
    drop(scratch);
    let engine = database(&with_trees(lines(&all), &trees), has_sequence)?;
    let is_whole =
        engine.ours(|connection| connection.prepare("SELECT 1 FROM sqlite_schema").is_ok());
    is_whole.then(|| ended(all, engine)).transpose()
}

/// A database of these objects. A large one lies in a temporary file where there is room for one: tens of thousands of pages without a row are not
/// worth their memory.
fn database(lines: &[Line], has_sequence: bool) -> rusqlite::Result<Engine> {
    let image = image(lines, has_sequence)?;
    if lines.len() > IN_MEMORY_MAX {
        let mut engine = Engine::in_a_file()?;
        if engine.take_over(&image).is_ok() && engine.ours(is_written_out) {
            return Ok(engine);
        }
    }
    let mut engine = Engine::in_memory()?;
    engine.take_bytes(&image)?;
    Ok(engine)
}

/// Brings all pages into the file, of which SQLite would keep the last ones until something else needs their memory: there may be no room for them.
fn is_written_out(connection: &Connection) -> bool {
    let begun = connection.execute_batch("BEGIN IMMEDIATE").is_ok();
    begun && connection.cache_flush().is_ok() && connection.execute_batch("COMMIT").is_ok()
}

fn made(statement: Statement) -> Made {
    let mut words = statement.sql.split_ascii_whitespace();
    let is_create = words
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case("create"));
    let kind = words.next().map(str::to_ascii_lowercase);
    let kind = match kind.as_deref() {
        _ if !is_create => None,
        Some("table") => Some(ObjectKind::Table),
        Some("index" | "unique") => Some(ObjectKind::Index),
        Some("view") => Some(ObjectKind::View),
        Some("trigger") => Some(ObjectKind::Trigger),
        _ => None,
    };
    Made {
        statement,
        kind,
        deeds: Vec::new(),
        failure: None,
        line: None,
    }
}

/// Prepares the statements that make objects of some kinds.
fn prepare(engine: &Engine, all: &mut [Made], kinds: &[ObjectKind]) {
    for made in all {
        if !made.kind.is_some_and(|kind| kinds.contains(&kind)) {
            continue;
        }
        made.failure = engine.only_prepare(&made.statement.sql).err();
        made.deeds = engine.take_deeds().0;
        if made.failure.is_none() {
            made.line = line(made);
        }
    }
}

/// What `sqlite_schema` will hold of an object.
fn line(made: &Made) -> Option<Line> {
    let (kind, name, table) = made.deeds.iter().find_map(Deed::made)?;
    Some(Line {
        kind,
        name: name.to_owned(),
        table: table.to_owned(),
        tree: match kind {
            "table" => Tree::Table,
            "index" => Tree::Index,
            _ => Tree::None,
        },
        sql: Some(Arc::clone(&made.statement.sql)),
    })
}

/// Whether the statements can be taken together, and if so whether one of them counts its keys: none makes what another one makes, each that
/// can be prepared says what it makes, and what is neither table, index, view nor trigger is a virtual table.
fn is_plain(all: &[Made]) -> Option<bool> {
    let mut names = BTreeSet::new();
    let mut has_sequence = false;
    for made in all {
        let sql = &made.statement.sql;
        match (made.kind, &made.line) {
            (None, _) => {
                find_word(sql, "virtual", 0).filter(|word| word.start < 12)?;
            }
            (Some(kind), Some(line)) => {
                has_sequence |= find_word(sql, "autoincrement", 0).is_some();
                let is_trigger = kind == ObjectKind::Trigger;
                if !names.insert((is_trigger, Name::new(&line.name))) {
                    return None;
                }
            }
            (Some(_), None) => {}
        }
    }
    Some(has_sequence)
}

fn lines(all: &[Made]) -> Vec<Line> {
    all.iter().filter_map(|made| made.line.clone()).collect()
}

/// What SQLite itself makes with each table: whether it keeps rows by number, and the indexes of its constraints.
type Trees = BTreeMap<Name, (Tree, Vec<String>)>;

fn trees(connection: &Connection) -> rusqlite::Result<Trees> {
    let mut statement = connection.prepare(
        "SELECT l.name, l.wr, i.name FROM pragma_table_list AS l LEFT JOIN pragma_index_list(l.name) AS i \
         ON i.origin = 'u' OR (i.origin = 'pk' AND NOT l.wr) WHERE l.schema = 'main' AND l.type = 'table' ORDER BY i.seq DESC",
    )?;
    let mut rows = statement.query([])?;
    let mut trees = Trees::new();
    while let Some(row) = rows.next()? {
        let tree = if row.get(1)? {
            Tree::Index
        } else {
            Tree::Table
        };
        let name = Name::new(&row.get::<_, String>(0)?);
        let (_, indexes) = trees.entry(name).or_insert((tree, Vec::new()));
        indexes.extend(row.get::<_, Option<String>>(2)?);
    }
    Ok(trees)
}

fn with_trees(lines: Vec<Line>, trees: &Trees) -> Vec<Line> {
    let mut all = Vec::new();
    for mut line in lines {
        let told = trees
            .get(&Name::new(&line.name))
            .filter(|_| line.kind == "table");
        let Some((tree, indexes)) = told else {
            all.push(line);
            continue;
        };
        line.tree = *tree;
        let own: Vec<Line> = indexes
            .iter()
            .map(|name| Line {
                kind: "index",
                name: name.clone(),
                table: line.name.clone(),
                tree: Tree::Index,
                sql: None,
            })
            .collect();
        all.push(line);
        all.extend(own);
    }
    all
}

fn ended(all: Vec<Made>, engine: Engine) -> rusqlite::Result<Replay> {
    let mut objects = Objects::default();
    let mut steps: Vec<Step> = all
        .into_iter()
        .map(|made| {
            let change = made.line.zip(made.kind).and_then(|(line, kind)| {
                let sql = Arc::clone(&made.statement.sql);
                objects.made(kind, &line.name, &line.table, sql, &made.statement.span)
            });
            Step {
                statement: made.statement,
                deeds: made.deeds,
                changes: change.into_iter().collect(),
                failure: made.failure,
                is_trimmed: false,
                is_unreferenced: false,
            }
        })
        .collect();
    // Virtual tables are made by their modules.
    for step in &mut steps {
        if find_word(&step.statement.sql, "virtual", 0).is_some_and(|word| word.start < 12) {
            step.failure = engine.run(&step.statement.sql).err();
            step.deeds = engine.take_deeds().0;
            step.changes = objects.follow(&engine, &step.deeds, &step.statement.span)?;
        }
    }
    let failed = steps.iter().position(|step| step.failure.is_some());
    let known = steps.iter().map(|step| Arc::clone(&step.statement.sql));
    let known = known.collect();
    let sites = objects.sites();
    drop(objects);
    Ok(Replay {
        with_rows: vec![None],
        sites,
        files: std::iter::once(0..steps.len()).collect(),
        steps,
        failed: failed.map(|place| (FileId(0), place)),
        schema: engine.ours(|connection| catalog::read_knowing(connection, &known))?,
        empty: engine,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_database_lies_in_a_file_and_is_the_one_that_memory_would_hold() {
        let line = |kind, name: &str, tree, sql: &str| Line {
            kind,
            name: name.to_owned(),
            table: "notes".to_owned(),
            tree,
            sql: Some(Arc::from(sql)),
        };
        let mut lines = vec![
            line(
                "table",
                "notes",
                Tree::Table,
                "CREATE TABLE notes (id INTEGER PRIMARY KEY, text)",
            ),
            line(
                "index",
                "by_text",
                Tree::Index,
                "CREATE INDEX by_text ON notes (text)",
            ),
        ];
        let in_memory = database(&lines, false).unwrap();
        lines.extend((0..IN_MEMORY_MAX).map(|number| Line {
            table: format!("v{number}"),
            ..line(
                "view",
                &format!("v{number}"),
                Tree::None,
                &format!("CREATE VIEW v{number} AS SELECT text FROM notes"),
            )
        }));
        let in_a_file = database(&lines, false).unwrap();
        // By the way in which SQLite undoes what was done.
        let is_in_memory = |engine: &Engine| {
            let journal: String = engine
                .ours(|it| it.pragma_query_value(None, "journal_mode", |row| row.get(0)))
                .unwrap();
            journal == "memory"
        };
        assert!(is_in_memory(&in_memory) && !is_in_memory(&in_a_file));
        let tables = |engine: &Engine| engine.ours(catalog::read).unwrap().tables;
        assert_eq!(tables(&in_memory), tables(&in_a_file));
        in_a_file
            .run("INSERT INTO notes (text) VALUES ('a'), ('b')")
            .unwrap();
        let copy = in_a_file.copy().unwrap();
        assert_eq!(
            copy.query("SELECT text FROM v7", &[]).unwrap().rows.len(),
            2
        );
    }
}
