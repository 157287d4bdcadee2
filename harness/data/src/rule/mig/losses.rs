//! What the rules of migrations say of rows, indexes and parents that a file takes away. Never reads a file of a disk.

use super::tests::{errors, findings, found};

#[test]
fn a_table_that_loses_its_reference_and_its_rows_with_it_has_lost_its_rows() {
    let old = "CREATE TABLE posts (id INTEGER PRIMARY KEY);
CREATE TABLE likes (id INTEGER PRIMARY KEY, post_id INTEGER NOT NULL REFERENCES posts (id) ON DELETE CASCADE);";
    let new = "CREATE TABLE likes (id INTEGER PRIMARY KEY, subject TEXT NOT NULL);";
    let child_alone = format!("DROP TABLE likes; {new}");
    let parent_first = format!("DROP TABLE posts; DROP TABLE likes; {new}");
    for (case, lost) in [
        (&child_alone, ["file 2.sql: table likes"]),
        (&parent_first, ["file 2.sql: table likes"]),
    ] {
        let files = [("1.sql", old), ("2.sql", case.as_str())];
        let told = findings(super::rows_lost::of_the_table_itself, &files);
        let objects: Vec<&str> = told.iter().map(|told| told.object.as_str()).collect();
        assert_eq!(objects, lost, "{case}");
        let others = found(super::rows_lost::of_other_tables, &files);
        assert_eq!(
            others,
            [] as [&str; 0],
            "the file drops them by name: {case}"
        );
    }
    let copied = "DROP TABLE posts; CREATE TABLE kept AS SELECT * FROM likes; DROP TABLE likes;
CREATE TABLE likes (id INTEGER PRIMARY KEY, subject TEXT NOT NULL); INSERT INTO likes SELECT id, post_id FROM kept;";
    let files = [("1.sql", old), ("2.sql", copied)];
    let told = errors(super::rows_lost::of_other_tables, &files);
    assert_eq!(told, ["file 2.sql: table likes"], "the copy comes too late");
}

#[test]
fn rows_whose_text_key_becomes_a_number_are_lost_like_others() {
    let old = "CREATE TABLE usage (id TEXT PRIMARY KEY NOT NULL, day TEXT NOT NULL);";
    let new =
        "DROP TABLE usage; CREATE TABLE usage (id INTEGER PRIMARY KEY AUTOINCREMENT, day TEXT);";
    assert_eq!(
        found(
            super::rows_lost::of_the_table_itself,
            &[("1.sql", old), ("2.sql", new)]
        ),
        ["MIG-06"]
    );
}

#[test]
fn a_copy_by_a_join_is_not_said_to_copy_nothing() {
    let old = "CREATE TABLE people (id INTEGER PRIMARY KEY, handle TEXT NOT NULL UNIQUE);
CREATE TABLE quotas (handle TEXT PRIMARY KEY NOT NULL, left_over INTEGER NOT NULL);";
    let new = "CREATE TABLE next (person_id INTEGER PRIMARY KEY REFERENCES people (id), left_over INTEGER NOT NULL);
INSERT INTO next SELECT people.id, quotas.left_over FROM quotas JOIN people ON people.handle = quotas.handle;
DROP TABLE quotas; ALTER TABLE next RENAME TO quotas;";
    let told = findings(
        super::rows_lost::of_the_table_itself,
        &[("1.sql", old), ("2.sql", new)],
    );
    assert!(
        told.iter()
            .all(|told| told.message.contains("join selects")),
        "{told:#?}"
    );
}

#[test]
fn a_parent_that_cannot_be_dropped_is_told_behind_a_copy_that_fails_for_its_rows() {
    let old = "CREATE TABLE memos (id TEXT PRIMARY KEY NOT NULL, follows_id TEXT);
CREATE TABLE shares (id INTEGER PRIMARY KEY, memo_id TEXT NOT NULL REFERENCES memos (id));";
    let new = "CREATE TABLE memos_next (id TEXT PRIMARY KEY NOT NULL, follows TEXT REFERENCES memos_next (id));
INSERT INTO memos_next SELECT id, follows_id FROM memos; DROP TABLE memos; ALTER TABLE memos_next RENAME TO memos;";
    let files = [("1.sql", old), ("2.sql", new)];
    let told = errors(super::rows_lost::of_other_tables, &files);
    assert_eq!(told, ["file 2.sql: table memos"]);
    let kept = old.replace("(id));", "(id) ON DELETE RESTRICT);");
    let files = [("1.sql", kept.as_str()), ("2.sql", new)];
    let told = errors(super::rows_lost::of_other_tables, &files);
    assert_eq!(told, ["file 2.sql: table memos"], "RESTRICT");
    let mended = new.replace("DROP TABLE memos;", "DELETE FROM shares; DROP TABLE memos;");
    let files = [("1.sql", old), ("2.sql", mended.as_str())];
    let told = errors(super::rows_lost::of_other_tables, &files);
    assert_eq!(told, [] as [&str; 0]);
}

#[test]
fn an_index_that_follows_a_table_out_of_the_way_is_lost_with_it() {
    let old = "CREATE TABLE letters (id INTEGER PRIMARY KEY, address TEXT); CREATE INDEX letters_by_address ON letters (address);";
    let new = "ALTER TABLE letters RENAME TO letters_old; CREATE TABLE letters (id INTEGER PRIMARY KEY, address TEXT, at INTEGER);
INSERT INTO letters (id, address) SELECT id, address FROM letters_old; DROP TABLE letters_old;";
    let told = findings(
        super::rebuilding::loses_objects,
        &[("1.sql", old), ("2.sql", new)],
    );
    assert_eq!(told.len(), 1);
    assert!(told[0].message.contains("the rebuild of `letters`"));
    for again in [
        "CREATE INDEX letters_by_address ON letters (address);",
        "CREATE INDEX other_name ON letters (address);",
    ] {
        let whole = format!("{new} {again}");
        let files = [("1.sql", old), ("2.sql", whole.as_str())];
        assert_eq!(
            found(super::rebuilding::loses_objects, &files),
            [] as [&str; 0]
        );
    }
    let meant = new.replace("DROP TABLE", "DROP INDEX letters_by_address; DROP TABLE");
    let files = [("1.sql", old), ("2.sql", meant.as_str())];
    assert_eq!(
        found(super::rebuilding::loses_objects, &files),
        [] as [&str; 0]
    );
}

#[test]
fn a_constraint_that_is_added_is_refused_in_words_of_sql() {
    let files = [(
        "1.sql",
        "CREATE TABLE people (age INTEGER); ALTER TABLE people ADD CONSTRAINT grown_up CHECK (age >= 18);",
    )];
    let told = findings(super::refusing::refused, &files);
    assert_eq!(told.len(), 1);
    assert!(!told[0].message.contains("sqlite_"), "{}", told[0].message);
}

/// A child that is rebuilt first, and then its parent.
const REBUILT: [&str; 2] = [
    "CREATE TABLE members (id TEXT PRIMARY KEY NOT NULL);
CREATE TABLE parcels (id TEXT PRIMARY KEY NOT NULL, member_id TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE);",
    "CREATE TABLE new_parcels (id TEXT PRIMARY KEY NOT NULL, member_id TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE);
INSERT INTO new_parcels SELECT id, member_id FROM parcels; DROP TABLE parcels; ALTER TABLE new_parcels RENAME TO parcels;
CREATE TABLE new_members (id TEXT PRIMARY KEY NOT NULL, street TEXT);
INSERT INTO new_members (id) SELECT id FROM members; DROP TABLE members; ALTER TABLE new_members RENAME TO members;",
];

#[test]
fn a_child_that_was_rebuilt_before_its_parent_is_emptied_by_the_parents_drop() {
    let files = [("1.sql", REBUILT[0]), ("2.sql", REBUILT[1])];
    let told = findings(super::rows_lost::of_other_tables, &files);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(
        told[0]
            .message
            .starts_with("dropping `members` empties `parcels`"),
        "{told:#?}"
    );
    let own = found(super::rows_lost::of_the_table_itself, &files);
    assert_eq!(own, [] as [&str; 0], "the copy had all of them");
}

#[test]
fn what_a_rebuild_tightens_is_tried_though_a_parent_cannot_be_dropped() {
    let old = "CREATE TABLE members (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE tokens (id INTEGER PRIMARY KEY, member_id INTEGER REFERENCES members (id));";
    let new = "CREATE TABLE new_members (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO new_members SELECT id, name FROM members; DROP TABLE members; ALTER TABLE new_members RENAME TO members;
CREATE UNIQUE INDEX members_name ON members (name);";
    let files = [("1.sql", old), ("2.sql", new)];
    let lost = errors(super::rows_lost::of_other_tables, &files);
    assert_eq!(lost, ["file 2.sql: table members"]);
    let closed = found(super::applying::fails_with_rows, &files);
    assert_eq!(closed, ["MIG-17"], "a name may be missing");
    let unique = found(super::unique::unique_index_on_old_rows, &files);
    assert_eq!(unique, ["MIG-16"], "two names may be the same");
}

#[test]
fn a_unique_index_that_was_there_is_not_new_in_a_rebuilt_table() {
    let old = "CREATE TABLE cities (id INTEGER PRIMARY KEY, name TEXT NOT NULL); CREATE UNIQUE INDEX cities_name ON cities (name);";
    let new = "CREATE TABLE new_cities (id INTEGER PRIMARY KEY, name TEXT NOT NULL, area INTEGER);
INSERT INTO new_cities (id, name) SELECT id, name FROM cities; DROP TABLE cities; ALTER TABLE new_cities RENAME TO cities;
CREATE UNIQUE INDEX cities_name ON cities (name);";
    let files = [("1.sql", old), ("2.sql", new)];
    let judge = super::unique::unique_index_on_old_rows;
    assert_eq!(found(judge, &files), [] as [&str; 0]);
    let fresh = old.replace(" CREATE UNIQUE INDEX cities_name ON cities (name);", "");
    let files = [("1.sql", fresh.as_str()), ("2.sql", new)];
    assert_eq!(found(judge, &files), ["MIG-16"]);
}

#[test]
fn a_column_that_refers_from_this_file_on_is_nulled_by_the_drop_of_the_old_table() {
    let old = "CREATE TABLE task (id TEXT PRIMARY KEY NOT NULL, parent_id TEXT);";
    let new = "PRAGMA defer_foreign_keys = ON;
CREATE TABLE new_task (id TEXT PRIMARY KEY NOT NULL, parent_id TEXT REFERENCES task (id) ON DELETE SET NULL);
INSERT INTO new_task SELECT id, parent_id FROM task; DROP TABLE task; ALTER TABLE new_task RENAME TO task;
PRAGMA defer_foreign_keys = OFF;";
    let files = [("1.sql", old), ("2.sql", new)];
    let told = findings(super::rows_lost::of_other_tables, &files);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(
        told[0]
            .message
            .contains("sets `parent_id` to NULL in the copy of `task`")
    );
    let mended = new.replace("REFERENCES task", "REFERENCES new_task");
    let files = [("1.sql", old), ("2.sql", mended.as_str())];
    let told = errors(super::rows_lost::of_other_tables, &files);
    assert_eq!(told, [] as [&str; 0], "the copy refers to itself");
}

/// What MIG-06 says of a second file, behind one that makes a table of people and one that cannot be filled.
fn rows_and_columns_lost(second: &str) -> Vec<String> {
    let first = "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, nick TEXT);
CREATE TABLE orphans (id INTEGER PRIMARY KEY, of INTEGER NOT NULL REFERENCES nowhere (id));";
    let files = [("1.sql", first), ("2.sql", second)];
    let told = findings(super::rows_lost::of_the_table_itself, &files);
    told.into_iter().map(|told| told.object).collect()
}

#[test]
fn a_column_that_a_rebuild_does_not_copy_is_left_behind() {
    let left = "file 2.sql: table people, columns left behind";
    let anew = "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT);";
    let away = "DROP TABLE people; ALTER TABLE new RENAME TO people;";
    let copy = "INSERT INTO new (id, name) SELECT id, name FROM people;";
    assert_eq!(
        rows_and_columns_lost(&format!("{anew} {copy} {away}")),
        [left]
    );
    let renamed =
        "ALTER TABLE people RENAME TO old; CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO people SELECT id, name FROM old; DROP TABLE old;";
    assert_eq!(rows_and_columns_lost(renamed), [left], "out of the way");
    for (case, kept) in [
        (
            "into another column",
            "INSERT INTO new SELECT id, coalesce(name, nick) FROM people;",
        ),
        (
            "into another table",
            "CREATE TABLE nicks AS SELECT id, nick FROM people; INSERT INTO new SELECT id, name FROM people;",
        ),
        (
            "dropped by its name",
            "ALTER TABLE people DROP COLUMN nick; INSERT INTO new SELECT id, name FROM people;",
        ),
    ] {
        let told = rows_and_columns_lost(&format!("{anew} {kept} {away}"));
        assert_eq!(told, [] as [&str; 0], "{case}");
    }
    let whole = "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT, nick TEXT); INSERT INTO new SELECT * FROM people;";
    assert_eq!(
        rows_and_columns_lost(&format!("{whole} {away}")),
        [] as [&str; 0]
    );
}

#[test]
fn a_table_that_cannot_be_filled_loses_its_rows_all_the_same() {
    let anew = "CREATE TABLE orphans (id INTEGER PRIMARY KEY, of INTEGER, at INTEGER);";
    let lost = rows_and_columns_lost(&format!("DROP TABLE orphans; {anew}"));
    assert_eq!(lost, ["file 2.sql: table orphans"]);
    let copied = format!(
        "CREATE TABLE aside AS SELECT * FROM orphans; DROP TABLE orphans; {anew} INSERT INTO orphans SELECT id, of, 0 FROM aside;"
    );
    assert_eq!(rows_and_columns_lost(&copied), [] as [&str; 0]);
    let singular =
        "DROP TABLE people; CREATE TABLE person_list (id INTEGER PRIMARY KEY, name TEXT);";
    assert_eq!(
        rows_and_columns_lost(singular),
        [] as [&str; 0],
        "another table"
    );
    let plural = "DROP TABLE orphans; CREATE TABLE orphan (id INTEGER PRIMARY KEY, of INTEGER);";
    assert_eq!(rows_and_columns_lost(plural), ["file 2.sql: table orphans"]);
}

#[test]
fn a_check_that_a_rebuild_brings_is_tried_with_values_that_it_refuses() {
    let old = "CREATE TABLE cards (id INTEGER PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('new', 'open', 'done')));";
    let rebuild = |states: &str, before: &str| {
        format!(
            "CREATE TABLE fresh (id INTEGER PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ({states}))); {before}
INSERT INTO fresh SELECT id, state FROM cards; DROP TABLE cards; ALTER TABLE fresh RENAME TO cards;"
        )
    };
    let narrowed = rebuild("'new', 'open'", "");
    let told = found(
        super::applying::fails_with_rows,
        &[("1.sql", old), ("2.sql", &narrowed)],
    );
    assert_eq!(told, ["MIG-17"]);
    let widened = rebuild("'new', 'open', 'done', 'gone'", "");
    let sorted_out = rebuild(
        "'new', 'open'",
        "UPDATE cards SET state = 'open' WHERE state = 'done';",
    );
    for healthy in [widened, sorted_out] {
        let told = found(
            super::applying::fails_with_rows,
            &[("1.sql", old), ("2.sql", &healthy)],
        );
        assert_eq!(told, [] as [&str; 0], "{healthy}");
    }
}

#[test]
fn the_reference_that_is_shown_is_one_of_the_time_of_the_drop() {
    let old = "CREATE TABLE tutors (id INTEGER PRIMARY KEY);
CREATE TABLE keys (tutor_id INTEGER NOT NULL REFERENCES tutors (id) ON DELETE CASCADE, provider TEXT NOT NULL, PRIMARY KEY (tutor_id, provider));";
    let new = "CREATE TABLE tutors_new (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO tutors_new (id) SELECT id FROM tutors;
DROP TABLE tutors; ALTER TABLE tutors_new RENAME TO tutors;";
    let later = "CREATE TABLE shared_keys (provider TEXT PRIMARY KEY NOT NULL); INSERT OR IGNORE INTO shared_keys SELECT provider FROM keys;
DROP TABLE keys; ALTER TABLE shared_keys RENAME TO keys;";
    let files = [("1.sql", old), ("2.sql", new), ("3.sql", later)];
    let told = findings(super::rows_lost::of_other_tables, &files);
    assert_eq!(told.len(), 1, "{told:#?}");
    let shown = &told[0].related[0].span;
    assert_eq!(shown.file.0, 0, "{told:#?}");
    assert!(old[shown.range()].eq_ignore_ascii_case("references"));
}
