//! What is counted, beside what D1 billed. Never asks D1: its figures stand in `fixtures/d1/written.tsv`, and `ci/d1-probe` holds them against it.

use super::*;

const BILLED: &str = include_str!("../../../../fixtures/d1/written.tsv");

/// An engine on which these statements ran.
fn engine(statements: &[&str]) -> Engine {
    let engine = Engine::in_memory().unwrap();
    for sql in statements {
        engine.run(sql).unwrap();
    }
    engine
}

fn written(engine: &Engine, sql: &str) -> Result<Written, Uncounted> {
    let schema = engine.ours(crate::catalog::read).unwrap();
    Meter::on(engine, &schema)?.run(sql, &[])
}

#[test]
fn as_much_is_counted_as_d1_billed() {
    let engine = engine(&[]);
    let (mut told, mut asked) = (Vec::new(), 0);
    for line in BILLED.lines().filter(|line| !line.starts_with('#')) {
        let [billed, _older, sql] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("three cells are needed: {line}");
        };
        if let Ok(billed) = billed.parse::<u64>() {
            asked += 1;
            match written(&engine, sql) {
                Ok(written) if written.billed() == billed => {}
                Ok(written) => told.push(format!("{sql}: {written:?}, billed {billed}")),
                Err(error) => told.push(format!("{sql}: {error}")),
            }
        } else {
            assert_eq!(billed, "-", "{line}");
        }
        engine.run(sql).unwrap();
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
    assert!(asked > 80, "{asked} statements were asked");
}

#[test]
fn a_table_tells_its_rows_and_the_entries_of_its_indexes_apart() {
    let engine = engine(&[
        "CREATE TABLE owners (id INTEGER PRIMARY KEY)",
        "CREATE TABLE notes (id TEXT PRIMARY KEY, owner INTEGER REFERENCES owners (id) ON DELETE SET NULL)",
        "CREATE INDEX notes_by_owner ON notes (owner)",
        "INSERT INTO owners VALUES (1)",
    ]);
    let of = |sql: &str| {
        let written = written(&engine, sql).unwrap().tables;
        let told = written.into_iter();
        told.map(|(table, part)| (table.to_string(), part.rows, part.entries))
            .collect::<Vec<_>>()
    };
    let two = "INSERT INTO notes VALUES ('a', 1), ('b', 1)";
    assert_eq!(of(two), [("notes".to_owned(), 2, 4)]);
    engine.run(two).unwrap();
    assert_eq!(
        of("DELETE FROM owners WHERE id = 1"),
        [("notes".to_owned(), 2, 2), ("owners".to_owned(), 1, 0)]
    );
}

#[test]
fn a_statement_sees_what_those_before_it_wrote_and_the_database_itself_keeps_its_rows() {
    let engine = engine(&[
        "CREATE TABLE notes (id INTEGER PRIMARY KEY)",
        "CREATE TABLE log (n INTEGER REFERENCES notes (id) DEFERRABLE INITIALLY IMMEDIATE)",
    ]);
    let schema = engine.ours(crate::catalog::read).unwrap();
    let mut meter = Meter::on(&engine, &schema).unwrap();
    let mut billed = |sql: &str| meter.run(sql, &[]).map(|written| written.billed());
    assert_eq!(billed("PRAGMA defer_foreign_keys = on"), Ok(0));
    assert_eq!(billed("INSERT INTO log VALUES (7)"), Ok(1));
    assert_eq!(billed("INSERT INTO notes VALUES (7), (8)"), Ok(2));
    assert_eq!(billed("DELETE FROM notes WHERE id = 8"), Ok(1));
    assert_eq!(billed("DELETE FROM notes WHERE id = 8"), Ok(0));
    let count = engine.query("SELECT count(*) FROM notes", &[]).unwrap();
    assert_eq!(count.rows, [[Value::Integer(0)]]);
}

#[test]
fn what_is_not_counted_is_said_and_never_counted_as_nothing() {
    let engine = engine(&["CREATE TABLE notes (body TEXT)", "ANALYZE"]);
    for (sql, why) in [
        ("CREATE TABLE more (id)", "only INSERT"),
        ("REINDEX", "only INSERT"),
        ("ANALYZE", "only INSERT"),
        ("DELETE FROM sqlite_stat1", "it writes to `sqlite_stat1`"),
        ("UPDATE notes SET rowid = 7", "it sets the rowid of `notes`"),
        ("UPDATE notes SET nowhere = 7", "no such column: nowhere"),
        (
            "INSERT INTO notes VALUES (sqlite_version())",
            "not authorized",
        ),
    ] {
        let error = written(&engine, sql).unwrap_err().to_string();
        assert!(error.contains(why), "{sql}: {error}");
    }
}
