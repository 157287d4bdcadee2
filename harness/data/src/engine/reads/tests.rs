//! The bounds of what a query reads, beside what D1 billed for it. Never asks D1: its figures stand here.

use super::*;
use crate::engine::Engine;

/// 40 notes of 4 owners, each with two tags.
fn engine() -> Engine {
    let engine = Engine::in_memory().unwrap();
    for sql in [
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, body TEXT NOT NULL)",
        "CREATE INDEX notes_by_owner ON notes (owner, id)",
        "CREATE TABLE tags (note INTEGER NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (note, tag)) WITHOUT ROWID",
        "INSERT INTO notes WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT i, i % 4, 'text ' || i FROM n",
        "INSERT INTO tags SELECT id, 'a' FROM notes UNION ALL SELECT id, 'b' FROM notes",
    ] {
        engine.run(sql).unwrap();
    }
    engine
}

/// What a query read.
fn read(sql: &str, parameters: &[Value]) -> Option<(u64, u64)> {
    let engine = engine();
    let seen = engine.query(sql, parameters).unwrap();
    let reads = engine.reads(sql, parameters, &seen)?;
    Some((reads.least, reads.most))
}

/// Queries with one parameter, what D1 billed for them (`meta.rows_read` of the workerd that `fixtures/worker` pins), and how far the
/// bounds may be from it.
const BILLED: &[(&str, i64, u64, (u64, u64))] = &[
    ("SELECT body FROM notes WHERE id = ?1", 7, 1, (0, 0)),
    ("SELECT body FROM notes WHERE id = ?1", 700, 1, (1, 0)),
    (
        "SELECT id, body FROM notes WHERE owner = ?1 ORDER BY id",
        2,
        11,
        (0, 0),
    ),
    (
        "SELECT id, body FROM notes WHERE owner = ?1 ORDER BY id",
        3,
        10,
        (0, 0),
    ),
    (
        "SELECT id, body FROM notes WHERE owner = ?1 ORDER BY id LIMIT 4",
        2,
        4,
        (0, 1),
    ),
    (
        "SELECT id FROM notes WHERE body = 'text ' || ?1",
        3,
        40,
        (0, 0),
    ),
    ("SELECT count(*) FROM notes WHERE ?1 = ?1", 1, 40, (0, 0)),
    ("SELECT count(*) FROM notes", 0, 40, (0, 0)),
    (
        "SELECT n.id, t.tag FROM notes AS n JOIN tags AS t ON t.note = n.id WHERE n.owner = ?1",
        1,
        41,
        (10, 0),
    ),
    (
        "SELECT id FROM notes WHERE owner = ?1 AND body LIKE '%3%'",
        3,
        10,
        (0, 0),
    ),
    (
        "SELECT id FROM notes ORDER BY body LIMIT 5",
        0,
        80,
        (36, 10),
    ),
    (
        "SELECT owner, count(*) FROM notes GROUP BY owner",
        0,
        40,
        (1, 25),
    ),
    ("SELECT id FROM notes WHERE owner IN (1, 2)", 0, 24, (1, 4)),
    (
        "SELECT id FROM notes WHERE owner = 1 OR id = 8",
        0,
        12,
        (1, 2),
    ),
    (
        "SELECT id FROM notes WHERE id IN (SELECT note FROM tags WHERE tag = 'a')",
        0,
        160,
        (20, 103),
    ),
    ("SELECT max(id) FROM notes", 0, 1, (0, 0)),
    (
        "SELECT id FROM notes WHERE owner = ?1 ORDER BY id DESC LIMIT 3 OFFSET 2",
        2,
        5,
        (0, 1),
    ),
    (
        "WITH x AS (SELECT id FROM notes WHERE owner = 1) SELECT count(*) FROM x JOIN tags ON tags.note = x.id",
        0,
        41,
        (15, 3),
    ),
    (
        "SELECT EXISTS (SELECT 1 FROM notes WHERE owner = ?1)",
        2,
        1,
        (0, 1),
    ),
    ("SELECT DISTINCT owner FROM notes", 0, 40, (0, 0)),
    (
        "SELECT id FROM notes WHERE id > ?1 ORDER BY id LIMIT 10",
        5,
        10,
        (0, 0),
    ),
];

#[test]
fn what_d1_bills_is_within_the_bounds() {
    let mut told = Vec::new();
    for (sql, parameter, billed, off) in BILLED {
        let parameters = [Value::Integer(*parameter)];
        let parameters = &parameters[..usize::from(sql.contains('?'))];
        let (least, most) = read(sql, parameters).unwrap_or_default();
        let is_within = least <= *billed && *billed <= most;
        if !is_within || (billed - least, most - billed) != *off {
            told.push(format!("{sql}: {least} to {most}, billed {billed}"));
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn what_it_is_not_known_of_has_no_bounds() {
    let sql = "INSERT INTO tags SELECT id, 'c' FROM notes";
    assert!(read(sql, &[]).is_some());
    let engine = engine();
    let seen = engine.query("SELECT 1", &[]).unwrap();
    let another = "SELECT body FROM notes";
    assert_eq!(
        engine.reads(another, &[], &seen),
        None,
        "not the program that was run"
    );
}
