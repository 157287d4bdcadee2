//! What migrations write and what defaults call, beyond the examples of the book. Never needs claims.

use crate::finding::Patch;
use crate::rule::judge;
use crate::rule::tests::{check, subject};
use crate::source::Kind;

const CARTS: &str = "CREATE TABLE carts (id INTEGER PRIMARY KEY, label TEXT NOT NULL);";

#[test]
fn a_copied_column_that_is_not_there_is_a_text() {
    let copy = |columns: &str| {
        format!(
            "{CARTS} CREATE TABLE carts_next (id INTEGER PRIMARY KEY, label TEXT, owner TEXT);
            INSERT INTO carts_next (\"id\", \"label\", \"owner\") SELECT {columns} FROM carts;"
        )
    };
    check(&copy("\"id\", \"label\", \"owner\""), &["QRY-04"]);
    let sorted = copy("\"id\", \"label\", NULL AS \"owner\"")
        .replace("FROM carts;", "FROM carts ORDER BY \"owner\";");
    check(&sorted, &[]);
    check(
        &format!("{CARTS} DELETE FROM carts WHERE label = \"old\";"),
        &["QRY-04"],
    );
    check(
        &format!("{CARTS} UPDATE carts SET \"label\" = \"Label\" || 'x' WHERE \"id\" = 1;"),
        &[],
    );
}

#[test]
fn a_default_may_call_what_d1_has_only() {
    let table = |default: &str| {
        format!(
            "CREATE TABLE keys (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT ({default}));"
        )
    };
    check(&table("gen_random_uuid()"), &["QRY-03"]);
    check(&table("lower(hex(randomblob(16)))"), &[]);
    check(&table("strftime('%Y', 'now')"), &[]);
}

#[test]
fn a_pattern_in_a_migration_may_be_50_bytes_long() {
    let delete = |length: usize| {
        let pattern = "x".repeat(length);
        format!("{CARTS} DELETE FROM carts WHERE label LIKE '{pattern}';")
    };
    check(&delete(50), &[]);
    check(&delete(51), &["LIM-05"]);
}

const FILES: &str = "CREATE TABLE kinds (name TEXT PRIMARY KEY, short TEXT);
CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT NOT NULL, kind TEXT);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, picture_id INTEGER REFERENCES files (id), boss_id INTEGER CHECK (boss_id IS NOT NULL), UNIQUE (picture_id));
CREATE INDEX users_by_picture ON users (picture_id);";

/// What QRY-05 says of a second file.
#[track_caller]
fn check_not_in(file: &str, expected: usize) {
    let files =
        [("0001.sql", FILES), ("0002.sql", file)].map(|(name, sql)| (name.into(), sql.into()));
    let found = judge(&subject(&files, "", Kind::Migrations));
    let told: Vec<_> = found.iter().filter(|one| one.rule == "QRY-05").collect();
    assert_eq!(told.len(), expected, "{file}\n{found:#?}");
}

#[test]
fn a_clean_up_by_a_column_that_may_hold_null_deletes_nothing() {
    for among in [
        "SELECT picture_id FROM users",
        "SELECT DISTINCT u.picture_id FROM users AS u WHERE u.name <> ''",
        "SELECT picture_id FROM users WHERE picture_id IS NULL OR name = 'x'",
        "SELECT CAST(picture_id AS INTEGER) FROM users",
        "SELECT id FROM users UNION ALL SELECT picture_id FROM users",
        "SELECT max(picture_id) FROM users GROUP BY name",
        "SELECT users.id FROM files AS f LEFT JOIN users ON users.picture_id = f.id",
        "SELECT picture_id FROM (SELECT picture_id, name FROM users)",
    ] {
        check_not_in(&format!("DELETE FROM files WHERE id NOT IN ({among});"), 1);
        check_not_in(
            &format!("UPDATE files SET kind = 'x' WHERE path <> '' AND NOT (id IN ({among}));"),
            1,
        );
    }
    check_not_in(
        "WITH used AS (SELECT picture_id FROM users) DELETE FROM files WHERE id NOT IN (SELECT picture_id FROM used);",
        0,
    );
    check_not_in(
        "INSERT INTO files (path) SELECT name FROM kinds WHERE name NOT IN (SELECT kind FROM files);",
        1,
    );
    check_not_in("DELETE FROM files WHERE kind NOT IN ('a', 'b', NULL);", 1);
    check_not_in("DELETE FROM files WHERE NOT kind IN ('a', (NULL));", 1);
}

#[test]
fn a_clean_up_that_leaves_null_out_is_none_to_tell_of() {
    for among in [
        "SELECT picture_id FROM users WHERE picture_id IS NOT NULL",
        "SELECT picture_id FROM users WHERE name <> '' AND NOT picture_id IS NULL",
        "SELECT picture_id FROM users WHERE picture_id > 0 OR (picture_id = -1 AND name = '')",
        "SELECT coalesce(picture_id, 0) FROM users",
        "SELECT id FROM users",
        "SELECT boss_id FROM users",
        "SELECT u.picture_id FROM users AS u JOIN files AS f ON f.id = u.picture_id",
        "SELECT max(picture_id) FROM users GROUP BY name HAVING max(picture_id) > 0",
        "SELECT min(id) FROM files GROUP BY path",
        "SELECT value FROM json_each('[1, 2]')",
        "1, 2, 3",
    ] {
        check_not_in(&format!("DELETE FROM files WHERE id NOT IN ({among});"), 0);
    }
    let by_name = "SELECT name FROM kinds";
    check_not_in(
        &format!("DELETE FROM files WHERE kind NOT IN ({by_name});"),
        0,
    );
    check_not_in(
        "DELETE FROM files WHERE id IN (SELECT picture_id FROM users);",
        0,
    );
    check_not_in(
        "DELETE FROM files WHERE coalesce(id NOT IN (SELECT picture_id FROM users), 1);",
        0,
    );
    check_not_in("DELETE FROM files WHERE kind IN ('a', NULL);", 0);
}

#[test]
fn null_that_the_file_sees_to_before_is_none_to_tell_of() {
    let clean_up = "DELETE FROM files WHERE kind NOT IN (SELECT short FROM kinds);";
    check_not_in(clean_up, 1);
    for first in [
        "DELETE FROM kinds WHERE short IS NULL;",
        "UPDATE kinds SET short = name WHERE short IS NULL;",
    ] {
        check_not_in(&format!("{first} {clean_up}"), 0);
    }
    check_not_in(
        "CREATE TABLE kept AS SELECT id FROM files; DELETE FROM files WHERE id NOT IN (SELECT id FROM kept);",
        0,
    );
    check_not_in(
        "ALTER TABLE users ADD COLUMN cover_id INTEGER; DELETE FROM files WHERE id NOT IN (SELECT cover_id FROM users);",
        1,
    );
}

#[test]
fn views_and_triggers_are_void_by_null_as_well() {
    check_not_in(
        "CREATE VIEW unused AS SELECT * FROM files WHERE id NOT IN (SELECT picture_id FROM users);",
        1,
    );
    check_not_in(
        "CREATE TRIGGER known BEFORE INSERT ON files WHEN NEW.kind NOT IN (SELECT short FROM kinds) BEGIN SELECT RAISE(ABORT, 'unknown kind'); END;",
        1,
    );
    check_not_in(
        "CREATE TRIGGER known BEFORE INSERT ON files BEGIN SELECT RAISE(ABORT, 'unknown kind') WHERE NEW.kind NOT IN (SELECT short FROM kinds); END;",
        1,
    );
    check_not_in(
        "CREATE TRIGGER known BEFORE INSERT ON files WHEN NEW.kind NOT IN (SELECT name FROM kinds) BEGIN SELECT RAISE(ABORT, 'unknown kind'); END;",
        0,
    );
}

#[test]
fn what_leaves_null_out_is_offered_in_the_place_of_the_query() {
    let file = "DELETE FROM files WHERE id NOT IN (SELECT picture_id FROM users WHERE name = 'x' OR name = 'y');";
    let files =
        [("0001.sql", FILES), ("0002.sql", file)].map(|(name, sql)| (name.into(), sql.into()));
    let found = judge(&subject(&files, "", Kind::Migrations));
    let told = found.iter().find(|one| one.rule == "QRY-05").unwrap();
    let Some(Patch::Replace { span, with }) = &told.patch else {
        panic!("{told:#?}");
    };
    let mut mended = file.to_owned();
    mended.replace_range(span.range(), with);
    assert_eq!(
        mended,
        "DELETE FROM files WHERE id NOT IN (SELECT picture_id FROM users WHERE picture_id IS NOT NULL AND (name = 'x' OR name = 'y'));"
    );
    check_not_in(&mended, 0);
}
