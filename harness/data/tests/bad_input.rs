//! What cannot be judged is refused with a sentence that says what to do, exit code 2, and nothing written. Never judges a database.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod program;

use program::run;
use rusqlite::Connection;
use std::fs;
use std::path::Path;

/// Runs `lint` on a path in a folder: the sentence on standard error. Nothing else may have come of it.
fn refusal(folder: &Path, path: &str) -> String {
    let before = listing(folder);
    let ran = run(folder, &["lint", path, "--output", "report.txt"]);
    assert_eq!(ran.code, Some(2), "{path}: {ran:?}");
    assert_eq!(ran.out, "", "{path}");
    assert_eq!(listing(folder), before, "{path} left something behind");
    ran.err
}

fn listing(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The sentence about a file with this content.
fn refused(name: &str, content: &[u8]) -> String {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join(name), content).unwrap();
    refusal(place.path(), name)
}

#[track_caller]
fn assert_says(sentence: &str, words: &[&str]) {
    assert!(sentence.starts_with("error: "), "{sentence}");
    for word in words {
        assert!(sentence.contains(word), "no `{word}` in: {sentence}");
    }
}

#[test]
fn a_path_where_nothing_lies_is_named() {
    let place = tempfile::tempdir().unwrap();
    let sentence = refusal(place.path(), "migrations");
    assert_says(&sentence, &["there is no `migrations`", "name a folder"]);
    assert!(!sentence.contains("migrations are in"), "{sentence}");
    for below in ["drizzle", "prisma/migrations/20250911_a"] {
        fs::create_dir_all(place.path().join(below)).unwrap();
    }
    fs::write(place.path().join("drizzle/0000_a.sql"), "SELECT 1;").unwrap();
    let single = place
        .path()
        .join("prisma/migrations/20250911_a/migration.sql");
    fs::write(single, "SELECT 1;").unwrap();
    let sentence = refusal(place.path(), "migrations");
    assert_says(
        &sentence,
        &["migrations are in drizzle, prisma/migrations\n"],
    );
    let sentence = refusal(place.path(), "prisma");
    assert_says(&sentence, &["there are some in prisma/migrations\n"]);
}

#[test]
fn a_folder_without_migrations_names_the_folders_below_that_hold_some() {
    let place = tempfile::tempdir().unwrap();
    assert_says(
        &refusal(place.path(), "."),
        &["no .sql file", "migrations_dir"],
    );
    fs::create_dir_all(place.path().join("api/migrations")).unwrap();
    fs::write(place.path().join("api/migrations/0001_a.sql"), "SELECT 1;").unwrap();
    assert_says(
        &refusal(place.path(), "."),
        &["there are some in ./api/migrations"],
    );
}

#[test]
fn a_file_that_is_no_sql_is_called_what_it_is() {
    let cases: [(&str, &[u8], &[&str]); 7] = [
        ("a.sql", b"\x89PNG\r\n\x1a\n\0\0", &["a PNG image"]),
        ("a.sql.gz", b"\x1f\x8b\x08\0\0\0", &["gzip", "gunzip"]),
        ("a.zip", b"PK\x03\x04\0\0", &["ZIP", "unzip"]),
        ("a.dump", b"PGDMP\x01\x0e", &["PostgreSQL"]),
        ("a.sql", b"\xff\xfeS\0E\0L\0", &["UTF-16", "iconv"]),
        (
            "a.sql",
            b"SELECT 1;\nSELECT '\xfc';\n",
            &["UTF-8", "line 2"],
        ),
        ("a.sql", b"SELECT 1;\0", &["no SQL"]),
    ];
    for (name, content, words) in cases {
        assert_says(&refused(name, content), words);
    }
    assert_says(&refused("a.sql", b" \n"), &["is empty"]);
    assert_says(&refused("a.sql", b"-- later\n"), &["holds no statement"]);
    for (text, word) in [
        ("Dear reader, select a seat.", "`dear`"),
        ("{ \"a\": 1 }", "`{`"),
    ] {
        let sentence = refused("a.sql", text.as_bytes());
        assert_says(
            &sentence,
            &["no SQL of SQLite", word, "name a folder of migrations"],
        );
    }
}

#[test]
fn the_rest_of_a_file_is_not_repeated_where_a_quotation_mark_is_not_closed() {
    let place = tempfile::tempdir().unwrap();
    let text = format!(
        "CREATE TABLE a (b DEFAULT 'c);\n{}",
        "SELECT 1;\n".repeat(500)
    );
    fs::write(place.path().join("a.sql"), text).unwrap();
    let ran = run(place.path(), &["lint", "a.sql"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let title: Vec<&str> = ran
        .out
        .lines()
        .take_while(|line| !line.contains("-->"))
        .collect();
    assert!(title.len() < 4, "{title:#?}");
}

#[test]
fn a_file_of_two_gigabytes_is_refused_without_being_read() {
    let place = tempfile::tempdir().unwrap();
    let file = fs::File::create(place.path().join("big.sql")).unwrap();
    file.set_len(2 << 30).unwrap();
    assert_says(&refusal(place.path(), "big.sql"), &["2048 MiB", ".schema"]);
}

#[test]
fn a_dump_of_another_database_is_called_one() {
    let cases: [(&str, &[&str]); 5] = [
        ("\\connect app\nCREATE TABLE a (b);", &["line 1", "psql"]),
        (
            "CREATE TABLE a (b int);\nCOPY a (b) FROM stdin;\n1\n\\.\n",
            &["line 2", "COPY", "PostgreSQL"],
        ),
        ("SET search_path = public;", &["PostgreSQL"]),
        (
            "CREATE TABLE `a` (`b` int) ENGINE=InnoDB DEFAULT CHARSET=utf8;",
            &["MySQL"],
        ),
        (".mode box\nSELECT 1;", &["sqlite3 shell"]),
    ];
    for (text, words) in cases {
        assert_says(&refused("dump.sql", text.as_bytes()), words);
    }
}

#[test]
fn an_encrypted_or_damaged_database_is_refused() {
    let noise: Vec<u8> = (0..4096_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0] | 0x80)
        .collect();
    assert_says(
        &refused("app.sqlite", &noise),
        &["encrypted or damaged", "SQLCipher"],
    );
    let mut damaged = b"SQLite format 3\0".to_vec();
    damaged.extend(&noise);
    assert_says(
        &refused("app.db", &damaged),
        &["cannot be read as a SQLite database", "integrity_check"],
    );
}

#[test]
fn a_locked_database_is_called_locked() {
    let place = tempfile::tempdir().unwrap();
    let holder = Connection::open(place.path().join("app.sqlite")).unwrap();
    holder
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE a (b); PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; INSERT INTO a VALUES (1);")
        .unwrap();
    assert_says(
        &refusal(place.path(), "app.sqlite"),
        &["locked by another process"],
    );
}

#[test]
fn a_pipe_is_not_waited_for() {
    let place = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(place.path().join("pipe.sql"))
        .status()
        .unwrap();
    assert!(made.success());
    assert_says(&refusal(place.path(), "pipe.sql"), &["a pipe or a device"]);
}

#[test]
fn a_folder_named_like_a_file_is_a_folder() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("x.sql")).unwrap();
    assert_says(&refusal(place.path(), "x.sql"), &["holds no migration"]);
}
