//! What the rules of full-text search say of a few schemas. Never reads a file of a disk.

use crate::rule::tests::check;

const NOTES: &str =
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL, body TEXT NOT NULL);";

/// The three triggers that keep `notes_fts(title, <body>)` in step.
fn triggers(body: &str) -> String {
    let add = format!(
        "INSERT INTO notes_fts (rowid, title, {body}) VALUES (NEW.id, NEW.title, NEW.body);"
    );
    let remove = format!(
        "INSERT INTO notes_fts (notes_fts, rowid, title, {body}) VALUES ('delete', OLD.id, OLD.title, OLD.body);"
    );
    format!(
        "CREATE TRIGGER added AFTER INSERT ON notes BEGIN {add} END;
CREATE TRIGGER removed AFTER DELETE ON notes BEGIN {remove} END;
CREATE TRIGGER changed AFTER UPDATE ON notes BEGIN {remove} {add} END;"
    )
}

#[test]
fn an_index_that_names_what_is_not_there_is_found_whatever_its_triggers_do() {
    for (index, body, expected) in [
        (
            "fts5(title, body, content='notes', content_rowid='id')",
            "body",
            &[][..],
        ),
        (
            "fts5(title, body, content=notes, content_rowid=rowid)",
            "body",
            &[],
        ),
        (
            "fts5(title, body, content='note', content_rowid='id')",
            "body",
            &["FTS-02"],
        ),
        (
            "fts5(title, body, content='notes', content_rowid='note_id')",
            "body",
            &["FTS-02"],
        ),
        (
            "fts5(title, text, content='notes', content_rowid='id')",
            "text",
            &["FTS-02"],
        ),
    ] {
        let triggers = triggers(body);
        check(
            &format!("{NOTES} CREATE VIRTUAL TABLE notes_fts USING {index}; {triggers}"),
            expected,
        );
    }
}

#[test]
fn an_index_over_a_view_is_not_said_to_name_nothing() {
    check(
        &format!(
            "{NOTES} CREATE VIEW texts AS SELECT id, title || ' ' || body AS text FROM notes;
CREATE VIRTUAL TABLE texts_fts USING fts5(text, content='texts', content_rowid='id');"
        ),
        &[],
    );
}
