//! The repair of a rebuild that takes rows of other tables along, run with rows in the tables. Never judges how it reads.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod program;

use moltproof_data::engine::Engine;
use moltproof_data::text::{File, FileId, statements};
use program::run;
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A schema with rows, and a rebuild of one of its tables that does not keep what refers to it.
struct Case {
    schema: &'static str,
    rows: &'static str,
    rebuild: &'static str,
}

const REBUILDS: [Case; 5] = [
    // Rows go through two tables, a column is set to NULL, a trigger would note the deletion, and a rowid is nobody's column.
    Case {
        schema: "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
            CREATE TABLE posts (id TEXT PRIMARY KEY NOT NULL, user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE, body TEXT NOT NULL, size INTEGER AS (length(body)));
            CREATE INDEX posts_by_user ON posts (user_id);
            CREATE TABLE likes (post_id TEXT NOT NULL REFERENCES posts(id) ON DELETE CASCADE, who TEXT NOT NULL);
            CREATE INDEX likes_by_post ON likes (post_id);
            CREATE TABLE pages (slug TEXT PRIMARY KEY NOT NULL, editor INTEGER REFERENCES users(id) ON DELETE SET NULL) WITHOUT ROWID;
            CREATE INDEX pages_by_editor ON pages (editor);
            CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT NOT NULL);
            CREATE TRIGGER posts_gone AFTER DELETE ON posts BEGIN INSERT INTO log (what) VALUES ('gone ' || OLD.id); END;",
        rows: "INSERT INTO users VALUES (1, 'a'), (2, 'b');
            INSERT INTO posts (id, user_id, body) VALUES ('p', 1, 'x'), ('q', 2, 'yy');
            INSERT INTO likes (rowid, post_id, who) VALUES (7, 'p', 'b'), (9, 'q', 'a');
            INSERT INTO pages VALUES ('home', 2), ('none', NULL);",
        rebuild: "PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE `__new_users` (`id` integer PRIMARY KEY, `name` text NOT NULL, `email` text);--> statement-breakpoint
INSERT INTO `__new_users`(`id`, `name`) SELECT `id`, `name` FROM `users`;--> statement-breakpoint
DROP TABLE `users`;--> statement-breakpoint
ALTER TABLE `__new_users` RENAME TO `users`;--> statement-breakpoint
PRAGMA foreign_keys=ON;",
    },
    // The children stand in the way, and one another's too.
    Case {
        schema: "CREATE TABLE accounts (team TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (team, id)) WITHOUT ROWID;
            CREATE TABLE bookings (id INTEGER PRIMARY KEY, team TEXT NOT NULL, account INTEGER NOT NULL, reverses INTEGER REFERENCES bookings (id),
                FOREIGN KEY (team, account) REFERENCES accounts (team, id));
            CREATE INDEX bookings_account ON bookings (team, account);
            CREATE TABLE receipts (booking INTEGER PRIMARY KEY REFERENCES bookings (id) ON DELETE RESTRICT, text TEXT NOT NULL);",
        rows: "INSERT INTO accounts VALUES ('t', 1), ('t', 2);
            INSERT INTO bookings VALUES (1, 't', 1, NULL), (2, 't', 2, 1);
            INSERT INTO receipts VALUES (2, 'paid');",
        rebuild: "CREATE TABLE accounts_new (team TEXT NOT NULL, id INTEGER NOT NULL, name TEXT, PRIMARY KEY (team, id)) WITHOUT ROWID;
INSERT INTO accounts_new (team, id) SELECT team, id FROM accounts;
DROP TABLE accounts;
ALTER TABLE accounts_new RENAME TO accounts;",
    },
    // The old rows wait in a table of their own, and the new table has the old name from the start.
    Case {
        schema: "CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
            CREATE TABLE tagged (tag INTEGER NOT NULL REFERENCES tags (id) ON DELETE CASCADE, note TEXT NOT NULL, PRIMARY KEY (tag, note));",
        rows: "INSERT INTO tags VALUES (1, 'a'), (2, 'b'); INSERT INTO tagged VALUES (1, 'x'), (2, 'x');",
        rebuild: "CREATE TABLE tags_old AS SELECT * FROM tags;
DROP TABLE tags;
CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO tags SELECT id, name FROM tags_old;
DROP TABLE tags_old;",
    },
    // The copy refers to the table that it replaces.
    Case {
        schema: "CREATE TABLE folders (id INTEGER PRIMARY KEY, up INTEGER REFERENCES folders (id) ON DELETE CASCADE);
            CREATE INDEX folders_up ON folders (up);",
        rows: "INSERT INTO folders VALUES (1, NULL), (2, 1), (3, 2);",
        rebuild: "CREATE TABLE folders_new (id INTEGER PRIMARY KEY, up INTEGER REFERENCES \"folders\" (id) ON DELETE CASCADE, name TEXT);
INSERT INTO folders_new (id, up) SELECT id, up FROM folders;
DROP TABLE folders;
ALTER TABLE folders_new RENAME TO folders;
CREATE INDEX folders_up ON folders (up);",
    },
    // A default takes the place of the parent.
    Case {
        schema: "CREATE TABLE queues (name TEXT PRIMARY KEY NOT NULL); INSERT INTO queues VALUES ('none');
            CREATE TABLE jobs (id INTEGER PRIMARY KEY, queue TEXT NOT NULL DEFAULT 'none' REFERENCES queues (name) ON DELETE SET DEFAULT);
            CREATE INDEX jobs_queue ON jobs (queue);",
        rows: "INSERT INTO queues VALUES ('mail'); INSERT INTO jobs VALUES (1, 'mail'), (2, 'none');",
        rebuild: "CREATE TABLE queues_new (name TEXT PRIMARY KEY NOT NULL, size INTEGER);
INSERT INTO queues_new (name) SELECT name FROM queues;
DROP TABLE queues;
ALTER TABLE queues_new RENAME TO queues;",
    },
];

/// The byte at which a line and column of a SARIF region stand.
fn byte(text: &str, region: &serde_json::Value, line: &str, column: &str) -> usize {
    let number = |key: &str| usize::try_from(region[key].as_u64().unwrap()).unwrap() - 1;
    let lines = text.split_inclusive('\n').take(number(line));
    lines.map(str::len).sum::<usize>() + number(column)
}

/// The text with the first repair of MIG-02 that `db lint` offers for it.
fn repaired(place: &Path, text: &str) -> String {
    let log = run(place, &["lint", "--format", "sarif"]);
    assert_eq!(log.code, Some(1), "{}", log.err);
    let log: serde_json::Value = serde_json::from_str(&log.out).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let mut found = results.iter().filter(|one| one["ruleId"] == "MIG-02");
    let fixed = found
        .find(|one| one["fixes"].is_array())
        .unwrap_or_else(|| panic!("no repair is offered: {log:#}"));
    let replacement = &fixed["fixes"][0]["artifactChanges"][0]["replacements"][0];
    let region = &replacement["deletedRegion"];
    let mut text = text.to_owned();
    text.replace_range(
        byte(&text, region, "startLine", "startColumn")
            ..byte(&text, region, "endLine", "endColumn"),
        replacement["insertedContent"]["text"].as_str().unwrap(),
    );
    text
}

/// Runs the statements of a text in one transaction, as D1 does.
fn apply(engine: &Engine, text: &str) {
    let file = File {
        name: "x.sql".to_owned(),
        path: "x.sql".into(),
        text: text.into(),
    };
    engine
        .ours(|connection| connection.execute_batch("BEGIN"))
        .unwrap();
    for statement in statements(FileId(0), &file) {
        engine
            .run(&statement.sql)
            .unwrap_or_else(|why| panic!("{}: {}", statement.sql, why.message));
    }
    engine
        .ours(|connection| connection.execute_batch("COMMIT"))
        .unwrap();
}

type Rows = BTreeMap<String, Vec<Vec<Value>>>;

/// Each table with its rows in the columns that it had at first, and the indexes and triggers as one more.
fn rows(engine: &Engine, columns: &BTreeMap<String, String>) -> Rows {
    let list = "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') ORDER BY name";
    let mut all = Rows::new();
    for (table, columns) in columns {
        let sql = format!("SELECT {columns} FROM {table} ORDER BY 1, 2");
        all.insert(table.clone(), engine.query(&sql, &[]).unwrap().rows);
    }
    let objects = engine.query(list, &[]).unwrap().rows.into_iter();
    let named = objects.filter(|object| object[2] != Value::Null);
    all.insert("(objects)".to_owned(), named.collect());
    all
}

fn columns(engine: &Engine) -> BTreeMap<String, String> {
    let sql = "SELECT m.name, 'rowid' FROM sqlite_schema AS m WHERE m.type = 'table'";
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_) => String::new(),
    };
    let tables = engine.query(sql, &[]).unwrap().rows;
    let of = |table: String| {
        let info = engine
            .query(&format!("PRAGMA table_xinfo({table})"), &[])
            .unwrap();
        let mut names: Vec<String> = info.rows.iter().map(|row| text(&row[1])).collect();
        if engine
            .query(&format!("SELECT rowid FROM {table}"), &[])
            .is_ok()
        {
            names.push("rowid".to_owned());
        }
        (table, names.join(", "))
    };
    tables.iter().map(|row| of(text(&row[0]))).collect()
}

#[test]
fn a_repaired_rebuild_keeps_every_row_every_reference_and_every_index() {
    for Case {
        schema,
        rows: made,
        rebuild,
    } in REBUILDS
    {
        let place = tempfile::tempdir().unwrap();
        let migrations = place.path().join("migrations");
        fs::create_dir(&migrations).unwrap();
        fs::write(migrations.join("0001_first.sql"), schema).unwrap();
        fs::write(migrations.join("0002_rebuild.sql"), rebuild).unwrap();
        let text = repaired(place.path(), rebuild);
        fs::write(migrations.join("0002_rebuild.sql"), &text).unwrap();
        let again = run(place.path(), &["lint", "--format", "json"]);
        assert!(!again.out.contains("\"MIG-02\""), "{text}\n{}", again.out);

        let engine = Engine::in_memory().unwrap();
        apply(&engine, schema);
        apply(&engine, made);
        let columns = columns(&engine);
        let before = rows(&engine, &columns);
        apply(&engine, &text);
        assert_eq!(rows(&engine, &columns), before, "{text}");
        let dangling = engine.query("PRAGMA foreign_key_check", &[]).unwrap().rows;
        assert!(dangling.is_empty(), "{text}\n{dangling:?}");
    }
}
