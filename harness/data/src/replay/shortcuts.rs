//! Tests that what the two passes leave out changes nothing that they see. Never measures time.

use super::added::Added;
use super::filled::{self, Database};
use super::needs::Needs;
use super::*;
use crate::source;
use crate::text::File;
use std::path::Path;

fn source(files: &[&str]) -> Source {
    let files = files.iter().enumerate().map(|(number, text)| File {
        name: format!("{:04}.sql", number + 1),
        path: format!("{:04}.sql", number + 1).into(),
        text: (*text).into(),
    });
    Source {
        files: files.collect(),
        ..Source::default()
    }
}

/// Columns are added, and then something looks at their tables: a reference, a trigger, a view, a copy, a file that is undone.
const FILES: &[&str] = &[
    "CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n\
     CREATE TABLE items (id INTEGER PRIMARY KEY, owner_id INTEGER NOT NULL REFERENCES owners (id) ON DELETE CASCADE, tag TEXT);\n\
     CREATE UNIQUE INDEX items_by_tag ON items (owner_id, tag) WHERE tag IS NOT NULL;\n\
     CREATE TABLE seen (id INTEGER PRIMARY KEY, what TEXT);\n\
     CREATE TABLE unrelated (id INTEGER PRIMARY KEY, note TEXT);",
    "ALTER TABLE items ADD COLUMN size INTEGER NOT NULL DEFAULT 0;\n\
     ALTER TABLE items ADD kind TEXT CHECK (kind IN ('a', 'b'));\n\
     ALTER TABLE items ADD COLUMN size INTEGER;\n\
     ALTER TABLE items ADD COLUMN nothing TEXT NOT NULL;\n\
     ALTER TABLE seen ADD COLUMN owner_id INTEGER REFERENCES owners (id) ON DELETE SET NULL;",
    "CREATE TABLE later (id INTEGER PRIMARY KEY, owner_id INTEGER REFERENCES owners (id));\n\
     CREATE TABLE far (id INTEGER PRIMARY KEY, later_id INTEGER REFERENCES later (id));\n\
     CREATE TRIGGER noted AFTER INSERT ON later BEGIN INSERT INTO seen (what, owner_id) VALUES ('later', NEW.owner_id); END;\n\
     CREATE VIEW sizes AS SELECT id, size FROM items;\n\
     INSERT INTO owners (id, name) VALUES (1, 'one');\n\
     INSERT INTO later (id, owner_id) VALUES (1, 1);",
    "ALTER TABLE seen ADD COLUMN must TEXT NOT NULL;\n\
     ALTER TABLE \"items\" ADD COLUMN colour TEXT;\n\
     CREATE TABLE copied AS SELECT * FROM sizes;",
    "ALTER TABLE items ADD COLUMN undone TEXT;\n\
     PRAGMA defer_foreign_keys = ON;\n\
     INSERT INTO items (id, owner_id) VALUES (1, 99);",
    "ALTER TABLE items ADD COLUMN undone TEXT;\n\
     UPDATE items SET size = 1;\n\
     DELETE FROM owners WHERE name = 'two';",
    "CREATE TABLE new_items (id INTEGER PRIMARY KEY, owner_id INTEGER NOT NULL REFERENCES owners (id) ON DELETE CASCADE, size INTEGER NOT NULL);\n\
     INSERT INTO new_items SELECT id, owner_id, size FROM items;\n\
     DROP VIEW sizes;\n\
     DROP TABLE items;\n\
     ALTER TABLE new_items RENAME TO items;",
    "DROP TABLE owners;",
];

/// The files here, and every folder of healthy migrations and of the documents'.
fn sources() -> Vec<Source> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/data");
    let folders = ["correct", "documents"].into_iter().flat_map(|kind| {
        let entries = std::fs::read_dir(data.join(kind)).unwrap();
        entries.map(|entry| entry.unwrap().path())
    });
    let mut all: Vec<Source> = folders
        .flat_map(|path| [path.join("migrations"), path])
        .filter_map(|path| source::open(&path).ok())
        .filter(|source| source.kind != source::Kind::Database)
        .collect();
    assert!(all.len() > 20, "the fixtures are not found: {}", all.len());
    all.push(source(FILES));
    all
}

#[test]
fn columns_that_are_added_to_their_tables_alone_are_those_that_sqlite_adds() {
    for source in sources() {
        let [plain, alone] = [None, Some(Added::new().unwrap())]
            .map(|added| empty::one_by_one(&source, &Nobody, added).unwrap());
        for (plain, alone) in plain.steps.iter().zip(&alone.steps) {
            assert_eq!(
                format!("{plain:?}"),
                format!("{alone:?}"),
                "{}",
                source.shown
            );
        }
        assert_eq!(plain.failed, alone.failed);
        assert_eq!(plain.schema, alone.schema, "{}", source.shown);
        assert_eq!(plain.sites, alone.sites);
        let told = |replay: &Replay| {
            let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid";
            replay.empty.query(sql, &[]).unwrap().rows
        };
        assert_eq!(told(&plain), told(&alone));
    }
}

#[test]
fn a_database_that_forgets_what_nothing_needs_sees_what_one_sees_that_keeps_all() {
    for source in sources() {
        let replay = Replay::without_rows(&source).unwrap();
        let forgets = filled::replay(&replay, 7, &Nobody).unwrap();
        let keeps = filled::replay_on(&replay, 7, &Nobody, &Database::new).unwrap();
        assert_eq!(forgets, keeps, "{}", source.shown);
    }
}

#[test]
fn sqlite_reads_the_schema_anew_once_for_many_columns() {
    let column = |table: &str, number: usize| {
        format!("ALTER TABLE {table} ADD COLUMN c{number} INTEGER NOT NULL DEFAULT 0;")
    };
    let mut files = vec!["CREATE TABLE a (x); CREATE TABLE b (y);".to_owned()];
    files.extend((0..10).map(|number| column("a", number) + &column("b", number)));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let replay = Replay::without_rows(&source(&files)).unwrap();
    assert_eq!(replay.schema.table("a").unwrap().columns.len(), 11);
    let version = replay.empty.ours(|connection| {
        connection.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0))
    });
    // Each table that is made is one, and the columns together are the third; by ALTER TABLE they are twenty.
    assert_eq!(version.unwrap(), 3);
}

#[test]
fn a_table_is_needed_until_the_last_file_that_can_touch_its_rows() {
    let replay = Replay::without_rows(&source(FILES)).unwrap();
    let needs = Needs::of(&replay);
    let end = |name: &str| {
        (0..FILES.len()).find(|file| needs.ended_by(*file).any(|(_, ended)| *ended == name))
    };
    assert_eq!(end("unrelated"), Some(0), "no other file names it");
    assert_eq!(end("copied"), Some(3));
    assert_eq!(end("sizes"), Some(6), "a view is dropped there");
    // The last file drops what they refer to, the farthest one by another that cannot lose its rows with it but is filled all the same.
    for name in ["owners", "items", "seen", "later", "far"] {
        assert_eq!(end(name), Some(7), "{name}");
    }
}
