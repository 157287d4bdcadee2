//! A log that stands every sequence is not blamed, and one that does not is told by the shortest, whatever the seed. Never judges a whole database.

use super::*;
use crate::check::audit_log::log_of;
use crate::claims::Data;
use crate::source::Source;
use crate::text::File;

/// Notes with a log; an entry is fixed, and a deletion logged, where these conditions hold.
fn subject(fixed: &str, deleted: &str) -> Subject {
    let text = format!(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'new');
         CREATE TABLE note_log (number INTEGER PRIMARY KEY, note TEXT NOT NULL, action TEXT NOT NULL, old TEXT, new TEXT);
         CREATE TRIGGER log_once BEFORE INSERT ON note_log WHEN EXISTS (SELECT 1 FROM note_log WHERE number = new.number)
           BEGIN SELECT RAISE(ABORT, 'entries are fixed'); END;
         CREATE TRIGGER log_fixed BEFORE UPDATE ON note_log {fixed} BEGIN SELECT RAISE(ABORT, 'entries are fixed'); END;
         CREATE TRIGGER log_kept BEFORE DELETE ON note_log BEGIN SELECT RAISE(ABORT, 'entries are fixed'); END;
         CREATE TRIGGER note_once BEFORE INSERT ON notes WHEN EXISTS (SELECT 1 FROM notes WHERE id = new.id)
           BEGIN SELECT RAISE(ABORT, 'this note exists'); END;
         CREATE TRIGGER note_number BEFORE UPDATE ON notes WHEN new.id <> old.id BEGIN SELECT RAISE(ABORT, 'a note keeps its number'); END;
         CREATE TRIGGER note_new AFTER INSERT ON notes
           BEGIN INSERT INTO note_log (note, action, new) VALUES (new.id, 'create', json_object('body', new.body, 'state', new.state)); END;
         CREATE TRIGGER note_other AFTER UPDATE ON notes
           BEGIN INSERT INTO note_log (note, action, old, new) VALUES (new.id, 'update', json_object('body', old.body, 'state', old.state), json_object('body', new.body, 'state', new.state)); END;
         CREATE TRIGGER note_gone AFTER DELETE ON notes {deleted}
           BEGIN INSERT INTO note_log (note, action, old) VALUES (old.id, 'delete', json_object('body', old.body, 'state', old.state)); END;"
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
    let claims = "[[data.audit]]\nlog = 'note_log'\ntracks = ['notes']\naction = 'action'\nresource = 'note'\nold = 'old'\nnew = 'new'\n";
    Subject::of(source, Data::parse(claims).unwrap(), 1).unwrap()
}

fn found_by(seed: u64, subject: &Subject, asked: Asked) -> Option<Broken> {
    let populated = Populated::of_anybody(subject).unwrap_or_else(|why| panic!("{why:?}"));
    let log = log_of(subject, &subject.claims.audit[0]).unwrap();
    drawn_by(seed, subject, &populated, (&log, log.tracks[0]), asked)
}

/// The lines behind those that make the rows.
fn steps(broken: &Broken) -> usize {
    let rows = broken.repeat.iter().filter(|line| {
        line.starts_with("INSERT INTO \"notes\"") || line.starts_with("INSERT INTO \"note_log\"")
    });
    broken.repeat.len() - rows.count()
}

#[test]
fn a_log_that_stands_everything_is_not_blamed_by_any_sequence() {
    let subject = subject("", "");
    for seed in 0..5 {
        for asked in [Asked::Entries, Asked::Kept] {
            let broken = found_by(seed, &subject, asked);
            assert!(broken.is_none(), "seed {seed}: {broken:?}");
        }
    }
}

#[test]
fn entries_that_are_fixed_only_as_long_as_their_row_is_there_are_told_by_two_steps() {
    let subject = subject("WHEN EXISTS (SELECT 1 FROM notes WHERE id = old.note)", "");
    for seed in 0..5 {
        let broken = found_by(seed, &subject, Asked::Kept);
        let broken = broken.unwrap_or_else(|| panic!("seed {seed} finds nothing"));
        assert!(steps(&broken) <= 3, "{:#?}", broken.repeat);
    }
}

#[test]
fn a_deletion_that_is_logged_of_the_first_only_is_told_by_two_steps() {
    let subject = subject(
        "",
        "WHEN NOT EXISTS (SELECT 1 FROM note_log WHERE action = 'delete')",
    );
    for seed in 0..5 {
        let broken = found_by(seed, &subject, Asked::Entries);
        let broken = broken.unwrap_or_else(|| panic!("seed {seed} finds nothing"));
        assert!(steps(&broken) <= 3, "{:#?}", broken.repeat);
    }
}
