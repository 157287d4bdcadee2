//! What the rules of migrations say of a few files. Never reads a file of a disk.

use crate::claims::Data;
use crate::finding::{Finding, Level};
use crate::rule::Judge;
use crate::source::{Kind, Source};
use crate::subject::Subject;
use crate::text::File;
use std::path::PathBuf;
use std::sync::Arc;

/// These files, each a name and a text.
pub(super) fn subject(files: &[(&str, &str)]) -> Subject {
    let file = |(name, text): &(&str, &str)| File {
        name: (*name).to_owned(),
        path: PathBuf::from(name),
        text: Arc::from(*text),
    };
    let source = Source {
        files: files.iter().map(file).collect(),
        kind: Kind::Migrations,
        ..Source::default()
    };
    Subject::of(source, Data::default(), 1).expect("the copy can be used")
}

/// What a judge finds in these files.
pub(super) fn findings(judge: Judge, files: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    judge(&subject(files), &mut findings);
    findings
}

/// The ids of what a judge finds in these files.
pub(super) fn found(judge: Judge, files: &[(&str, &str)]) -> Vec<&'static str> {
    let findings = findings(judge, files);
    findings.into_iter().map(|finding| finding.rule).collect()
}

/// The objects of the errors among what a judge finds.
pub(super) fn errors(judge: Judge, files: &[(&str, &str)]) -> Vec<String> {
    let findings = findings(judge, files).into_iter();
    let errors = findings.filter(|finding| finding.level == Level::Error);
    errors.map(|finding| finding.object).collect()
}

#[test]
fn what_no_mended_file_before_would_mend_is_told_in_every_file() {
    let files = [
        (
            "1.sql",
            "CREATE TABLE calls (id INTEGER PRIMARY KEY, kind TEXT, model TEXT);",
        ),
        (
            "2.sql",
            "ALTER TABLE calls ADD COLUMN kind TEXT; ALTER TABLE calls ADD COLUMN model TEXT;",
        ),
        ("3.sql", "ALTER TABLE calls ADD COLUMN kind TEXT;"),
        ("4.sql", "CREATE TABLE calls (id INTEGER);"),
        ("5.sql", "UPDATE lines SET size = 1;"),
        (
            "6.sql",
            "CREATE TABLE keys (id BLOB PRIMARY KEY CHECK (is_uuid(id)), note TEXT);",
        ),
        ("7.sql", "INSERT INTO keys (note) VALUES ('x');"),
        ("8.sql", "ALTER TABLE lines DROP COLUMN note;"),
        (
            "9.sql",
            "UPDATE calls SET price = 1; CREATE VIEW old AS SELECT gone FROM calls;",
        ),
        ("a.sql", "ALTER TABLE calls RENAME COLUMN model TO engine;"),
    ];
    let told = errors(super::applying::does_not_apply, &files);
    assert_eq!(
        told,
        [
            "file 2.sql",
            "file 3.sql",
            "file 4.sql",
            "file 5.sql",
            "file 6.sql",
            "file 9.sql",
            "file a.sql"
        ]
    );
}

const TEAMS: &str = "CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE members (id INTEGER PRIMARY KEY, team_id INTEGER NOT NULL REFERENCES teams(id) ON DELETE CASCADE);";

/// How a table is made anew under another name, with a copy of its rows.
fn rebuilt(table: &str, definition: &str) -> String {
    format!(
        "CREATE TABLE {table}_next ({definition}); INSERT INTO {table}_next SELECT * FROM {table}; DROP TABLE {table}; ALTER TABLE {table}_next RENAME TO {table};"
    )
}

#[test]
fn rows_that_go_are_told_in_a_file_from_which_d1_refuses_something_else() {
    let rebuild = rebuilt("teams", "id INTEGER PRIMARY KEY, name TEXT");
    let files = [
        ("1.sql", TEAMS),
        ("2.sql", &format!("PRAGMA journal_mode = WAL; {rebuild}")),
    ];
    let told = errors(super::rows_lost::of_other_tables, &files);
    assert_eq!(told, ["file 2.sql: table members"]);
}

#[test]
fn rows_that_go_are_told_though_a_later_statement_of_the_file_fails() {
    let rebuild = rebuilt("teams", "id INTEGER PRIMARY KEY, name TEXT");
    let fails = format!("{rebuild} ALTER TABLE teams ADD COLUMN slug TEXT NOT NULL;");
    let told = errors(
        super::rows_lost::of_other_tables,
        &[("1.sql", TEAMS), ("2.sql", &fails)],
    );
    assert_eq!(told, ["file 2.sql: table members"]);
    let mends = "CREATE TABLE kept AS SELECT * FROM members;";
    let fails = format!("{mends} {fails} INSERT INTO members SELECT * FROM kept; DROP TABLE kept;");
    let told = errors(
        super::rows_lost::of_other_tables,
        &[("1.sql", TEAMS), ("2.sql", &fails)],
    );
    assert_eq!(
        told,
        [] as [&str; 0],
        "the rows are put back behind the failure"
    );
}

#[test]
fn a_copy_that_refers_to_the_table_it_replaces_loses_its_rows_with_it() {
    let columns = "id INTEGER PRIMARY KEY, up INTEGER REFERENCES folders(id) ON DELETE CASCADE";
    let made = format!("CREATE TABLE folders ({columns});");
    let rebuild = rebuilt("folders", columns);
    let files = [("1.sql", made.as_str()), ("2.sql", rebuild.as_str())];
    let told = errors(super::rows_lost::of_other_tables, &files);
    assert_eq!(told, ["file 2.sql: table folders"]);
    let finding = findings(super::rows_lost::of_other_tables, &files).remove(0);
    assert!(finding.help.is_some_and(|help| help.contains("to itself")));
    let twice = found(super::rows_lost::of_the_table_itself, &files);
    assert_eq!(twice, [] as [&str; 0], "the copy was whole");
}

#[test]
fn the_reference_that_takes_the_rows_is_the_one_that_is_shown() {
    let members = "CREATE TABLE members (id INTEGER PRIMARY KEY, up INTEGER REFERENCES members(id), team_id INTEGER NOT NULL REFERENCES `teams`(id) ON DELETE CASCADE);";
    let teams = "CREATE TABLE teams (id INTEGER PRIMARY KEY);";
    let made = format!("{teams} {members}");
    let rebuild = rebuilt("teams", "id INTEGER PRIMARY KEY");
    let files = [("1.sql", made.as_str()), ("2.sql", rebuild.as_str())];
    let finding = findings(super::rows_lost::of_other_tables, &files).remove(0);
    let shown = &made[finding.related[0].span.range().start..];
    assert!(shown.starts_with("REFERENCES `teams`"), "{shown}");
}

#[test]
fn each_column_that_needs_an_empty_table_is_told() {
    let files = [
        ("1.sql", TEAMS),
        (
            "2.sql",
            "ALTER TABLE teams ADD COLUMN slug TEXT NOT NULL; ALTER TABLE teams ADD COLUMN motto TEXT;
             ALTER TABLE members ADD COLUMN since TEXT DEFAULT CURRENT_TIMESTAMP;",
        ),
    ];
    let told = errors(super::applying::added_column_needs_an_empty_table, &files);
    assert_eq!(
        told,
        [
            "file 2.sql: table teams, ADD COLUMN slug",
            "file 2.sql: table members, ADD COLUMN since"
        ]
    );
}

#[test]
fn what_a_file_took_is_there_again_for_the_next_file() {
    let notes = "CREATE TABLE notes (id INTEGER PRIMARY KEY, member_id INTEGER REFERENCES members(id) ON DELETE SET NULL);";
    let files = [
        ("1.sql", format!("{TEAMS} {notes}")),
        (
            "2.sql",
            rebuilt("teams", "id INTEGER PRIMARY KEY, name TEXT"),
        ),
        (
            "3.sql",
            rebuilt(
                "members",
                "id INTEGER PRIMARY KEY, team_id INTEGER NOT NULL",
            ),
        ),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let told = errors(super::rows_lost::of_other_tables, &files);
    assert!(
        told.contains(&"file 3.sql: table notes".to_owned()),
        "{told:?}"
    );
}

#[test]
fn a_row_without_a_parent_is_an_error_only_if_the_file_leaves_no_parent() {
    let empties = "CREATE TABLE kept AS SELECT * FROM members; DROP TABLE members; DROP TABLE teams;
CREATE TABLE teams (id INTEGER PRIMARY KEY); CREATE TABLE members (id INTEGER PRIMARY KEY, team_id INTEGER NOT NULL REFERENCES teams(id));
INSERT INTO members SELECT * FROM kept;";
    let files = [("1.sql", TEAMS), ("2.sql", empties)];
    let told = errors(super::applying::fails_with_rows, &files);
    assert_eq!(told, ["file 2.sql"]);
    let orphans = "CREATE TABLE guests (id INTEGER PRIMARY KEY, team INTEGER NOT NULL);";
    let strict = "CREATE TABLE visits (team_id INTEGER NOT NULL REFERENCES teams(id)); INSERT INTO visits SELECT team + 1000000000 FROM guests; UPDATE teams SET name = name;";
    let files = [("1.sql", &*format!("{TEAMS} {orphans}")), ("2.sql", strict)];
    let told = findings(super::applying::fails_with_rows, &files);
    assert_eq!(
        told.len(),
        1,
        "the rows that were made up have no such team"
    );
    assert_eq!(told[0].level, Level::Warning);
}

#[test]
fn a_column_that_must_hold_a_value_is_an_error_only_where_the_statement_gives_none() {
    let old = "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);";
    let new = "CREATE TABLE next (id INTEGER PRIMARY KEY, name TEXT NOT NULL);";
    let leaves_out = format!("{new} INSERT INTO next (id) SELECT id FROM people;");
    let told = errors(
        super::applying::fails_with_rows,
        &[("1.sql", old), ("2.sql", &leaves_out)],
    );
    assert_eq!(told, ["file 2.sql"]);
    let copies = format!(
        "UPDATE people SET name = NULL; {new} INSERT INTO next (id, name) SELECT id, name FROM people;"
    );
    let told = findings(
        super::applying::fails_with_rows,
        &[("1.sql", old), ("2.sql", &copies)],
    );
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].level, Level::Warning);
}

#[test]
fn rows_are_no_duplicates_of_each_other_for_a_column_that_none_of_them_has_a_value_in() {
    let cleans = "ALTER TABLE teams ADD COLUMN handle TEXT;
DELETE FROM teams WHERE id NOT IN (SELECT min(id) FROM teams GROUP BY handle);
CREATE UNIQUE INDEX teams_handle ON teams (handle);";
    let files = [("1.sql", TEAMS), ("2.sql", cleans)];
    assert_eq!(
        found(super::rows_lost::of_the_table_itself, &files),
        ["MIG-06"]
    );
    let by_name = cleans.replace("GROUP BY handle", "GROUP BY name, id");
    let files = [("1.sql", TEAMS), ("2.sql", &*by_name)];
    assert_eq!(
        found(super::rows_lost::of_the_table_itself, &files),
        [] as [&str; 0]
    );
}

#[test]
fn a_unique_index_is_no_danger_where_the_file_sorts_out_the_duplicates_itself() {
    let index = "CREATE UNIQUE INDEX teams_name ON teams (name);";
    let merges = format!(
        "DELETE FROM teams WHERE id NOT IN (SELECT min(id) FROM teams GROUP BY name); {index}"
    );
    let level = |text: &str| {
        let files = [("1.sql", TEAMS), ("2.sql", text)];
        let told = findings(super::unique::unique_index_on_old_rows, &files);
        told.iter().map(|finding| finding.level).collect::<Vec<_>>()
    };
    assert_eq!(level(index), [Level::Warning]);
    assert_eq!(level(&merges), [Level::Info]);
}

#[test]
fn a_rebuild_that_demands_more_of_old_rows_is_told_of_unless_it_sees_to_them() {
    let made = "CREATE TABLE people (id INTEGER PRIMARY KEY, nick TEXT NOT NULL, city TEXT);";
    let told = |definition: &str, copy: &str| {
        let rebuild = rebuilt("people", definition).replace("SELECT *", copy);
        let files = [("1.sql", made), ("2.sql", rebuild.as_str())];
        let told = findings(super::applying::fails_with_rows, &files);
        assert!(told.iter().all(|finding| finding.level == Level::Warning));
        told.len()
    };
    let unique = "id INTEGER PRIMARY KEY, nick TEXT NOT NULL UNIQUE, city TEXT";
    assert_eq!(told(unique, "SELECT *"), 1);
    let closed = "id INTEGER PRIMARY KEY, nick TEXT NOT NULL, city TEXT NOT NULL";
    assert_eq!(told(closed, "SELECT *"), 1);
    assert_eq!(told(closed, "SELECT id, nick, coalesce(city, '')"), 0);
    let same = "id INTEGER PRIMARY KEY, nick TEXT NOT NULL, city TEXT DEFAULT ''";
    assert_eq!(told(same, "SELECT *"), 0);
}

#[test]
fn a_reference_that_came_later_than_the_rows_is_made_use_of() {
    let later = "CREATE TABLE cities (id INTEGER PRIMARY KEY);
ALTER TABLE members ADD COLUMN city INTEGER REFERENCES cities (id) ON DELETE SET NULL;
UPDATE members SET city = NULL;";
    let rebuild = rebuilt("cities", "id INTEGER PRIMARY KEY CHECK (id > 0)");
    let files = [
        ("1.sql", TEAMS),
        ("2.sql", "UPDATE members SET id = id;"),
        ("3.sql", later),
        ("4.sql", &*rebuild),
    ];
    let told = errors(super::rows_lost::of_other_tables, &files);
    assert_eq!(told, ["file 4.sql: table members"]);
}

#[test]
fn one_value_for_all_meets_a_key_of_several_columns() {
    let made = "CREATE TABLE people (id INTEGER PRIMARY KEY, team_id INTEGER NOT NULL REFERENCES teams (id), nick TEXT NOT NULL, UNIQUE (team_id, nick));";
    let files = [
        ("1.sql", &*format!("{TEAMS} {made}")),
        ("2.sql", "UPDATE people SET nick = 'somebody';"),
    ];
    assert_eq!(found(super::applying::fails_with_rows, &files), ["MIG-17"]);
}

#[test]
fn a_table_that_becomes_strict_warns_of_what_it_took_until_then() {
    let told = |old: &str, value: &str| {
        let files = [
            (
                "1.sql",
                format!("CREATE TABLE jars (id INTEGER PRIMARY KEY, weight {old});"),
            ),
            (
                "2.sql",
                format!(
                    "CREATE TABLE next (id INTEGER PRIMARY KEY, weight INTEGER) STRICT; INSERT INTO next SELECT id, {value} FROM jars; DROP TABLE jars; ALTER TABLE next RENAME TO jars;"
                ),
            ),
        ];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        let told = findings(super::applying::fails_with_rows, &files);
        told.iter().map(|one| one.level).collect::<Vec<_>>()
    };
    assert_eq!(told("INTEGER", "weight"), [Level::Warning]);
    assert_eq!(told("NUMERIC", "weight"), [Level::Warning]);
    assert_eq!(told("INTEGER", "CAST(weight AS INTEGER)"), []);
    let checked = "INTEGER CHECK (typeof(weight) IN ('integer', 'null'))";
    assert_eq!(told(checked, "weight"), []);
}
