//! The other ways in which a file is split into statements before D1 sees it. Never used to run anything.
//!
//! SQLite's own rule is [`super::statements`]. wrangler's splitter (its lines up to 4.86, read in its source and seen to cut) looks for the words
//! `BEGIN`, `CASE` and `END` in capitals; D1's `/query` endpoint, through which `migrations apply --remote` goes, behaves so too, and is reported to
//! trip over CRLF within a trigger (workers-sdk #2463, #14991, #15162, #15178).

use super::{File, FileId, statements};
use std::sync::Arc;

/// A way of splitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// wrangler's own splitter.
    Wrangler,
    /// The endpoint that `wrangler d1 migrations apply --remote` posts to.
    Query,
}

/// A statement that a way cuts or joins: the statement as SQLite reads it, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitOtherwise {
    /// Its place among the statements of the file, from 0.
    pub place: usize,
    /// The way that splits it otherwise.
    pub way: Way,
    /// Why, in a few words.
    pub why: &'static str,
}

/// Statements that one of the ways does not take as a whole. Only the body of a trigger holds semicolons, so only triggers are looked at.
#[must_use]
pub fn split_otherwise(id: FileId, file: &File) -> Vec<SplitOtherwise> {
    let mut found = Vec::new();
    for (place, statement) in statements(id, file).iter().enumerate() {
        let Some(body) = body(&statement.sql) else {
            continue;
        };
        let words = words(body);
        if let Some(why) = cut(&words) {
            found.push(SplitOtherwise {
                place,
                way: Way::Wrangler,
                why,
            });
        } else if body.contains('\r') {
            found.push(SplitOtherwise {
                place,
                way: Way::Query,
                why: "its lines end with CRLF",
            });
        }
    }
    found
}

/// A trigger's text from `BEGIN` on.
fn body(sql: &str) -> Option<&str> {
    let create = super::find_word(sql, "create", 0).filter(|word| word.start == 0)?;
    let trigger = super::find_word(sql, "trigger", create.end).filter(|word| word.start < 20)?;
    let begin = super::find_word(sql, "begin", trigger.end)?;
    Some(&sql[begin.start..])
}

/// The words and semicolons of a body outside of strings and comments, each with the byte behind it.
fn words(body: &str) -> Vec<(String, Option<u8>)> {
    let file = File {
        name: String::new(),
        path: std::path::PathBuf::new(),
        text: Arc::from(body),
    };
    let mut words = Vec::new();
    for (word, range) in super::split::words(&file.text) {
        words.push((word.to_owned(), body.as_bytes().get(range.end).copied()));
    }
    words
}

/// What makes wrangler's splitter lose its way within a body.
fn cut(words: &[(String, Option<u8>)]) -> Option<&'static str> {
    let mut open = 0_i32;
    for (place, (word, behind)) in words.iter().enumerate() {
        let is_last = place + 1 == words.len();
        let is_seen = behind.is_none_or(|byte| byte == b';' || byte.is_ascii_whitespace());
        match word.to_ascii_lowercase().as_str() {
            "begin" if word != "BEGIN" => return Some("its BEGIN is not in capitals"),
            "begin" | "case" if word == "BEGIN" || word == "CASE" => open += 1,
            "case" => return Some("a CASE within it is not in capitals"),
            "end" if word != "END" => return Some("an END within it is not in capitals"),
            "end" if !is_seen => {
                return Some("an END within it is followed by a comma or a bracket");
            }
            "end" => open -= 1,
            _ => {}
        }
        if open == 0 && !is_last {
            return Some("an END within it ends the body too early");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(body: &str) -> Vec<&'static str> {
        let file = File {
            name: "a.sql".to_owned(),
            path: "a.sql".into(),
            text: format!("CREATE TABLE a (x);\nCREATE TRIGGER t AFTER INSERT ON a {body};").into(),
        };
        let found = split_otherwise(FileId(0), &file);
        assert!(found.iter().all(|one| one.place == 1));
        found.into_iter().map(|one| one.why).collect()
    }

    #[test]
    fn a_body_in_capitals_is_taken_as_a_whole() {
        assert!(why("BEGIN\n  UPDATE a SET x = CASE WHEN x THEN 1 ELSE 'end;' END WHERE x; -- end\n  DELETE FROM a;\nEND").is_empty());
    }

    #[test]
    fn small_letters_commas_and_carriage_returns_are_told() {
        assert_eq!(
            why("begin DELETE FROM a; END"),
            ["its BEGIN is not in capitals"]
        );
        assert_eq!(
            why("BEGIN DELETE FROM a; end"),
            ["an END within it is not in capitals"]
        );
        assert_eq!(
            why("BEGIN UPDATE a SET x = CASE WHEN x THEN 1 END, y = 2; END"),
            ["an END within it is followed by a comma or a bracket"]
        );
        assert_eq!(
            why("BEGIN\r\n DELETE FROM a;\r\nEND"),
            ["its lines end with CRLF"]
        );
    }
}
