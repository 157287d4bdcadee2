//! An index that is in step is not blamed, and one that is not is told by the shortest sequence, whatever the seed. Never judges a whole database.

use super::*;
use crate::claims::Data;
use crate::source::Source;
use crate::subject::Subject;
use crate::text::File;

/// Notes that are searched through a side table; a changed text goes there where the condition of the trigger lets it.
fn subject(on_update: &str) -> Subject {
    let text = format!(
        "CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL);
         CREATE TABLE note_search (number INTEGER PRIMARY KEY, note TEXT NOT NULL UNIQUE REFERENCES notes (id) ON DELETE CASCADE ON UPDATE CASCADE, body TEXT NOT NULL);
         CREATE VIRTUAL TABLE note_fts USING fts5 (body, content = 'note_search', content_rowid = 'number');
         CREATE TRIGGER side_new AFTER INSERT ON note_search BEGIN INSERT INTO note_fts (rowid, body) VALUES (new.number, new.body); END;
         CREATE TRIGGER side_old AFTER DELETE ON note_search BEGIN INSERT INTO note_fts (note_fts, rowid, body) VALUES ('delete', old.number, old.body); END;
         CREATE TRIGGER side_other AFTER UPDATE OF body ON note_search BEGIN
           INSERT INTO note_fts (note_fts, rowid, body) VALUES ('delete', old.number, old.body);
           INSERT INTO note_fts (rowid, body) VALUES (new.number, new.body);
         END;
         CREATE TRIGGER note_new AFTER INSERT ON notes BEGIN INSERT INTO note_search (note, body) VALUES (new.id, new.body); END;
         CREATE TRIGGER note_other AFTER UPDATE OF body ON notes {on_update} BEGIN UPDATE note_search SET body = new.body WHERE note = new.id; END;"
    );
    let file = File {
        name: "0001.sql".to_owned(),
        path: "0001.sql".into(),
        text: text.into(),
    };
    let source = Source {
        files: vec![file],
        ..Source::default()
    };
    let claims = "[[data.search]]\ntable = 'notes'\ncolumns = ['body']\nindex = 'note_fts'\n\
        sql = 'SELECT s.note FROM note_fts JOIN note_search AS s ON s.number = note_fts.rowid WHERE note_fts MATCH ?1'\n\
        parameters = ['text']\n";
    Subject::of(source, Data::parse(claims).unwrap(), 1).unwrap()
}

fn found_by(seed: u64, subject: &Subject) -> Option<Broken> {
    let claim = &subject.claims.search[0];
    let case = Case::new(subject, claim, 0).unwrap_or_else(|why| panic!("{why:?}"));
    drawn_by(seed, &case).unwrap_or_else(|why| panic!("{why:?}"))
}

#[test]
fn an_index_that_is_in_step_is_not_blamed_by_any_sequence() {
    let subject = subject("");
    for seed in 0..10 {
        let broken = found_by(seed, &subject);
        assert!(broken.is_none(), "seed {seed}: {broken:?}");
    }
}

/// The text of a row whose key changed once is never entered again.
#[test]
fn what_takes_two_writes_in_order_is_found_by_every_seed_and_told_by_the_shortest_sequence() {
    let subject = subject("WHEN length(new.id) = (SELECT min(length(id)) FROM notes)");
    for seed in 0..20 {
        let broken = found_by(seed, &subject);
        let broken = broken.unwrap_or_else(|| panic!("seed {seed} finds nothing"));
        // Three rows are given their words, two writes follow, and the search.
        assert!(broken.repeat.len() <= ROWS + 3, "{:#?}", broken.repeat);
    }
}
