//! Migrations as D1 applies them, and what is left when one fails. Never uses the repository's own files but in one test.

use super::*;
use std::error::Error;

struct File {
    dir: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("d1.sqlite")
    }

    fn apply(&self, migrations: &[(&str, &str)]) -> Result<Vec<String>, MigrationError> {
        let migrations: Vec<_> = migrations
            .iter()
            .map(|(name, sql)| Migration {
                name: (*name).to_owned(),
                sql: (*sql).to_owned(),
            })
            .collect();
        apply(&self.path(), &migrations).map(|applied| applied.names)
    }

    fn names(&self, sql: &str) -> Vec<String> {
        let connection = Connection::open(self.path()).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }

    fn tables(&self) -> Vec<String> {
        self.names("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'd1_migrations' ORDER BY name")
    }

    fn ledger(&self) -> Vec<String> {
        self.names("SELECT name FROM d1_migrations ORDER BY id")
    }
}

#[test]
fn the_repositorys_files_are_all_compiled_in() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    assert_eq!(embedded(), from_dir(&dir).unwrap());
}

#[test]
fn files_apply_in_the_order_of_their_leading_integer_then_of_their_name() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("0000_folder.sql")).unwrap();
    for name in [
        "100_d.sql",
        "0010_c.sql",
        "0001b_b.sql",
        "0001_a.sql",
        "9_x.sql",
        "readme.md",
        "late.sql",
    ] {
        std::fs::write(dir.path().join(name), "SELECT 1;").unwrap();
    }
    let names: Vec<_> = from_dir(dir.path())
        .unwrap()
        .into_iter()
        .map(|file| file.name)
        .collect();
    assert_eq!(
        names,
        [
            "0001_a.sql",
            "0001b_b.sql",
            "9_x.sql",
            "0010_c.sql",
            "100_d.sql",
            "late.sql"
        ]
    );
}

#[test]
fn applying_again_changes_nothing_and_a_late_lower_number_still_applies() {
    let file = File::new();
    let (first, third) = (
        ("0001_a.sql", "CREATE TABLE a (x)"),
        ("0003_c.sql", "CREATE TABLE c (x)"),
    );
    assert_eq!(
        file.apply(&[third, first]).unwrap(),
        ["0001_a.sql", "0003_c.sql"]
    );
    assert_eq!(file.apply(&[first, third]).unwrap(), [""; 0]);
    let second = ("0002_b.sql", "CREATE TABLE b (x)");
    assert_eq!(file.apply(&[first, second, third]).unwrap(), ["0002_b.sql"]);
    assert_eq!(file.tables(), ["a", "b", "c"]);
    assert_eq!(file.ledger(), ["0001_a.sql", "0003_c.sql", "0002_b.sql"]);
}

#[test]
fn the_ledger_is_wranglers() {
    let file = File::new();
    file.apply(&[("1_a.sql", "")]).unwrap();
    let definition = file
        .names("SELECT sql FROM sqlite_schema WHERE name = 'd1_migrations'")
        .remove(0);
    let words: Vec<_> = definition.split_whitespace().collect();
    assert_eq!(
        words.join(" "),
        "CREATE TABLE d1_migrations( id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL )"
    );
    assert_eq!(
        file.names("SELECT applied_at FROM d1_migrations WHERE name = '1_a.sql'")[0].len(),
        19
    );
}

#[test]
fn a_failing_file_leaves_nothing_stops_the_run_and_is_named_with_its_line() {
    let file = File::new();
    let good = ("1_good.sql", "CREATE TABLE good (x);");
    let bad = (
        "2_bad.sql",
        "-- a; comment\nCREATE TABLE half (x NOT NULL);\n\nINSERT INTO half VALUES (1); INSERT INTO half\nVALUES (NULL);\nSELECT 1;",
    );
    let after = ("3_after.sql", "CREATE TABLE after (x);");
    let error = file.apply(&[good, bad, after]).unwrap_err();
    assert_eq!(error.to_string(), "migration 2_bad.sql failed at line 4");
    assert_eq!(
        error.source().unwrap().to_string(),
        "NOT NULL constraint failed: half.x"
    );
    assert_eq!(
        (file.tables(), file.ledger()),
        (vec!["good".to_owned()], vec!["1_good.sql".to_owned()])
    );
    let mended = (bad.0, "CREATE TABLE whole (x);");
    assert_eq!(
        file.apply(&[good, mended, after]).unwrap(),
        ["2_bad.sql", "3_after.sql"]
    );
}

#[test]
fn a_syntax_error_is_named_with_its_line() {
    let error = File::new().apply(&[("1_a.sql", "CREATE TABLE a (x);\n\nCREATE TABEL b (x);")]);
    assert_eq!(
        error.unwrap_err().to_string(),
        "migration 1_a.sql failed at line 3"
    );
}

#[test]
fn a_deferred_constraint_that_stays_violated_undoes_the_file() {
    let file = File::new();
    let sql = "CREATE TABLE a (id TEXT PRIMARY KEY);\nCREATE TABLE b (a TEXT REFERENCES a (id));\nPRAGMA defer_foreign_keys = ON;\nINSERT INTO b VALUES ('none');";
    let error = file.apply(&[("1_a.sql", sql)]).unwrap_err();
    assert!(
        matches!(&error, MigrationError::Commit { file, .. } if file == "1_a.sql"),
        "{error:?}"
    );
    assert_eq!((file.tables(), file.ledger()), (vec![], vec![]));
    let mended = format!("{sql}\nINSERT INTO a VALUES ('none');");
    assert_eq!(file.apply(&[("1_a.sql", &mended)]).unwrap(), ["1_a.sql"]);
}

#[test]
fn what_d1_refuses_is_refused() {
    for refused in [
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT s",
        "ATTACH 'other.sqlite' AS other",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA user_version = 3",
        "PRAGMA writable_schema = ON",
        "CREATE TEMP TABLE t (x)",
        "SELECT json_pretty(json_array(1))",
        "SELECT sqlite_version()",
        "CREATE TABLE _cf_x (a)",
        "CREATE VIRTUAL TABLE t USING fts4(a)",
    ] {
        let file = File::new();
        let error = file
            .apply(&[("1_a.sql", &format!("CREATE TABLE a (x);\n{refused};"))])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "migration 1_a.sql failed at line 2",
            "{refused}"
        );
        assert_eq!(file.tables(), [""; 0], "{refused}");
    }
}

#[test]
fn what_d1_allows_is_allowed() {
    let sql = "PRAGMA foreign_keys = OFF;
CREATE TABLE a (id INTEGER PRIMARY KEY, text TEXT, length INTEGER AS (length(text)) STORED) STRICT;
CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET text = 'a;b' WHERE id = new.id; END;
INSERT INTO a (id, text) VALUES (1, 'x') RETURNING id;
CREATE VIRTUAL TABLE words USING fts5(text);
INSERT INTO words VALUES ('some words');
SELECT * FROM words WHERE words MATCH 'words';
CREATE VIRTUAL TABLE places USING rtree(id, low, high);
PRAGMA foreign_key_check;
PRAGMA legacy_alter_table = OFF;
PRAGMA index_list(a);
ALTER TABLE a RENAME COLUMN text TO body;";
    let file = File::new();
    file.apply(&[("1_a.sql", sql)]).unwrap();
    assert_eq!(file.names("SELECT body FROM a"), ["a;b"]);
}
