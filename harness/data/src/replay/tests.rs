//! Replays of small folders. Never needs a file.

use super::*;
use crate::text::File;

fn replay(files: &[&str]) -> Replay {
    let files = files.iter().enumerate().map(|(number, text)| File {
        name: format!("{:04}.sql", number + 1),
        path: format!("{:04}.sql", number + 1).into(),
        text: (*text).into(),
    });
    let source = Source {
        files: files.collect(),
        ..Source::default()
    };
    Replay::of(&source, 7).unwrap()
}

const FAMILY: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n\
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL REFERENCES parent(id) ON DELETE CASCADE);";

#[test]
fn a_failure_is_kept_and_hides_nothing_behind_it() {
    let replay = replay(&["CREATE TABLE a (x);\nCREATE TABLE a (y);\nCREATE TABLE b (z);"]);
    assert_eq!(replay.failed, Some((FileId(0), 1)));
    assert_eq!(
        replay.steps[1].failure.as_ref().unwrap().message,
        "table a already exists"
    );
    assert!(replay.schema.table("b").is_some());
}

#[test]
fn a_renamed_table_keeps_the_statements_that_made_it() {
    let replay = replay(&[
        "CREATE TABLE a (x);",
        "ALTER TABLE a RENAME TO b;\nALTER TABLE b ADD COLUMN y;",
    ]);
    let sites = &replay.sites[&(ObjectKind::Table, Name::new("b"))];
    assert_eq!(
        sites.iter().map(|span| span.file).collect::<Vec<_>>(),
        [FileId(0), FileId(1), FileId(1)]
    );
}

#[test]
fn wrangler_takes_one_transaction_out_of_a_file() {
    let replay = replay(&["BEGIN TRANSACTION;\nCREATE TABLE a (x);\nCOMMIT;"]);
    assert!(replay.failed.is_none());
    assert!(
        replay.steps[0].is_trimmed && replay.steps[2].is_trimmed && !replay.steps[1].is_trimmed
    );
}

#[test]
fn a_dropped_parent_takes_the_rows_of_its_children_along() {
    let replay = replay(&[
        FAMILY,
        "PRAGMA foreign_keys=OFF;\nCREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER);\n\
         INSERT INTO parent_new (id, name) SELECT id, name FROM parent;\nDROP TABLE parent;\nALTER TABLE parent_new RENAME TO parent;",
    ]);
    assert!(replay.failed.is_none());
    let with_rows = replay.with_rows[1].as_ref().unwrap();
    assert_eq!(with_rows.failure, None);
    assert_eq!(
        with_rows.effects,
        [Effect {
            table: Name::new("child"),
            step: 5,
            kind: EffectKind::RowsGone {
                before: 3,
                after: 0
            },
            is_of_copy: false,
        }]
    );
}

#[test]
fn a_column_that_needs_an_empty_table_fails_with_rows_only() {
    let replay = replay(&[
        "CREATE TABLE a (x);",
        "ALTER TABLE a ADD COLUMN y TEXT NOT NULL;",
        "CREATE INDEX i ON a (y);",
    ]);
    assert!(replay.failed.is_none());
    let (step, failure) = replay.with_rows[1]
        .as_ref()
        .unwrap()
        .failure
        .as_ref()
        .unwrap();
    assert_eq!(
        (*step, failure.message.as_str()),
        (1, "Cannot add a NOT NULL column with default value NULL")
    );
    assert_eq!(replay.with_rows[2].as_ref().unwrap().failure, None);
}

#[test]
fn files_that_only_add_are_not_looked_at_with_rows() {
    let replay = replay(&[
        FAMILY,
        "CREATE TABLE other (id INTEGER PRIMARY KEY);\nCREATE INDEX o ON other (id);",
    ]);
    assert_eq!(replay.with_rows, [None, None]);
}

#[test]
fn a_trigger_that_is_called_like_its_table_has_a_place_of_its_own() {
    let text = "CREATE TABLE notes (id INTEGER PRIMARY KEY, at INTEGER); CREATE TRIGGER notes AFTER INSERT ON notes BEGIN SELECT 1; END;";
    let replay = replay(&[text]);
    let sites = &replay.sites[&(ObjectKind::Trigger, Name::new("notes"))];
    assert!(text[sites[0].range()].starts_with("CREATE TRIGGER"));
}

/// A schema of every kind of object that a database can tell, and statements that D1 refuses or that cannot be prepared.
const TOLD: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, b_key TEXT, FOREIGN KEY (b_key, id) REFERENCES b);\n\
    CREATE TABLE \"b\" (key TEXT NOT NULL, part INTEGER, PRIMARY KEY (key, part), UNIQUE (part, key)) WITHOUT ROWID;\n\
    CREATE TABLE c (x INT, y TEXT COLLATE NOCASE, PRIMARY KEY (x DESC), UNIQUE (y)) STRICT;\n\
    CREATE TABLE wrong (x CHECK (no_such_function(x)));\n\
    CREATE TABLE refused (x DEFAULT (sqlite_version()));\n\
    CREATE VIRTUAL TABLE words USING fts5 (name, content='a', content_rowid='id');\n\
    CREATE INDEX by_name ON a (lower(name) DESC) WHERE b_key IS NOT NULL;\n\
    CREATE UNIQUE INDEX \"by x\" ON c (x, y);\n\
    CREATE INDEX astray ON a (no_such_column);\n\
    CREATE VIEW seen AS SELECT name FROM a JOIN nowhere USING (name);\n\
    CREATE TRIGGER kept AFTER INSERT ON a BEGIN INSERT INTO words (rowid, name) VALUES (NEW.id, NEW.name); END;\n\
    CREATE TRIGGER \"instead\" INSTEAD OF DELETE ON seen BEGIN SELECT 1; END;";

#[test]
fn a_schema_that_is_made_at_once_is_the_one_that_its_statements_make() {
    let source = Source {
        files: vec![File {
            name: "told".to_owned(),
            path: "told".into(),
            text: TOLD.into(),
        }],
        kind: crate::source::Kind::Database,
        ..Source::default()
    };
    let at_once = bulk::of(crate::text::statements(FileId(0), &source.files[0]))
        .unwrap()
        .unwrap();
    let one_by_one = empty::one_by_one(&source, &Nobody, None).unwrap();
    let shown = |replay: &Replay| format!("{:#?}\n{:#?}", replay.steps, replay.sites);
    assert_eq!(shown(&at_once), shown(&one_by_one));
    assert_eq!(at_once.failed, one_by_one.failed);
    assert_eq!(at_once.schema, one_by_one.schema);
    // It is a database like any other: rows go in, and keys, indexes and the full-text index hold them.
    let rows = "INSERT INTO b VALUES ('k', 1), ('k', 2); INSERT INTO c VALUES (1, 'y'); DROP TRIGGER \"instead\"; DROP VIEW seen;\
        INSERT INTO a (name) VALUES ('some words'); CREATE TABLE d (z UNIQUE); ALTER TABLE c RENAME TO e; DROP TABLE b;";
    for replay in [at_once, one_by_one] {
        let copy = replay.at_the_end().unwrap();
        copy.ours(|connection| connection.execute_batch(rows))
            .unwrap();
        assert!(copy.run("INSERT INTO e VALUES (2, 'Y')").is_err());
        let checked = copy.ours(|connection| {
            connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))
        });
        assert_eq!(checked.unwrap(), "ok");
        let found = copy.query("SELECT rowid FROM words WHERE words MATCH 'some'", &[]);
        assert_eq!(found.unwrap().rows.len(), 1);
    }
}

#[test]
fn a_column_that_a_file_reads_as_json_holds_json() {
    let table = "CREATE TABLE feeds (url TEXT PRIMARY KEY NOT NULL, answers TEXT, title TEXT, size INTEGER);";
    for update in [
        "UPDATE feeds SET title = json_extract(answers, '$[0].title') WHERE answers IS NOT NULL;",
        "UPDATE feeds SET size = (SELECT count(*) FROM json_each(feeds.answers));",
        "DELETE FROM feeds WHERE answers ->> '$.text' = 'x';",
    ] {
        let replay = replay(&[table, update]);
        let rows = replay.with_rows[1].as_ref().unwrap();
        assert_eq!(rows.failure, None, "{update}");
    }
}
