//! Every table of every healthy schema made anew: nothing of it is lost. Never changes what a table says.

use super::rebuild::rebuild;
use crate::catalog;
use crate::claims::Data;
use crate::finding::Edit;
use crate::rows;
use crate::source::folder;
use crate::subject::Subject;
use rusqlite::Connection;
use std::path::Path;

/// Everything that is in a database: the schema by name, and each row with its rowid.
fn contents(connection: &Connection) -> Vec<String> {
    let read = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let values = (0..columns).map(|at| crate::text::literal(row.get_ref(at).unwrap()));
            Ok(values.collect::<Vec<String>>().join("|"))
        });
        rows.unwrap().map(Result::unwrap).collect()
    };
    let mut all = read(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name",
    );
    for table in read(
        "SELECT name FROM pragma_table_list WHERE type = 'table' AND name <> 'sqlite_schema' AND schema = 'main' ORDER BY name",
    ) {
        let table = table.trim_matches('\'');
        let quoted = table.replace('"', "\"\"");
        all.extend(read(&format!("SELECT '{table}', * FROM \"{quoted}\"")));
    }
    all
}

#[test]
fn a_table_made_anew_keeps_every_row_index_and_trigger_and_its_children() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/data/correct");
    let mut folders: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("migrations"))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let mut tables = 0;
    for migrations in folders {
        let source = folder(&migrations).unwrap();
        let subject = Subject::of(source, Data::parse("").unwrap(), 1).unwrap();
        let schema = subject.schema();
        let ordinary: Vec<_> = schema
            .tables
            .values()
            .filter(|table| table.is_ordinary())
            .collect();
        let names: Vec<_> = ordinary.iter().map(|table| table.name.clone()).collect();
        let filled = subject.replay.at_the_end().unwrap();
        filled.ours(|connection| rows::fill(connection, schema, schema, &names, 5, 1).unwrap());
        for table in &ordinary {
            let edit = Edit {
                table: table.name.clone(),
                range: 0..0,
                with: String::new(),
                value: None,
            };
            let sql = rebuild(&subject, &[edit], &[]).unwrap();
            let copy = filled.copy().unwrap();
            let before = copy.ours(contents);
            let run = || copy.connection().execute_batch(&format!("BEGIN;\n{sql}\n"));
            copy.ours(|connection| {
                connection
                    .execute_batch("PRAGMA foreign_keys = ON")
                    .unwrap();
            });
            let outcome =
                copy.ours(|_| run().and_then(|()| copy.connection().execute_batch("COMMIT")));
            outcome.unwrap_or_else(|why| {
                panic!("{}: `{}`: {why}\n{sql}", migrations.display(), table.name)
            });
            let after = copy.ours(contents);
            let lost: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
            let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
            assert!(
                lost.is_empty() && new.is_empty(),
                "{}: `{}`\nlost {lost:#?}\nnew {new:#?}\n{sql}",
                migrations.display(),
                table.name
            );
            assert!(copy.ours(catalog::read).unwrap() == *schema);
            tables += 1;
        }
    }
    assert!(tables > 60, "only {tables} tables");
}
