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
