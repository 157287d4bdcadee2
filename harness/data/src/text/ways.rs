//! The other ways in which a file is split into statements before D1 sees it. Never used to run anything.
//!
//! SQLite's own rule is [`super::statements`]; wrangler follows it by now. Its lines up to 4.86 look for the words `BEGIN`, `CASE` and `END` with white
//! space around them, `END` in capitals only, older ones `BEGIN` too; D1's `/query` endpoint, through which `migrations apply --remote` goes, behaves
//! so too, and is reported to trip over CRLF within a trigger (workers-sdk #2463, #14991, #15162, #15178). All lines of wrangler take the first
//! `BEGIN TRANSACTION;` and the first `COMMIT;` out of a file by a search for this text, whatever it stands in.

use super::token::{Token, tokens};
use super::{File, FileId, Statement, statements};

/// A way of splitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// wrangler's own splitter.
    Wrangler,
    /// The endpoint that `wrangler d1 migrations apply --remote` posts to.
    Query,
}

/// What a way makes of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// A trigger is cut, or joined with what follows it; why, in a few words.
    Cut(&'static str),
    /// The statement opens a transaction of its own: wrangler leaves it out, and D1 refuses it where it comes another way.
    Transaction,
    /// This text within the statement is left out.
    LeftOut(&'static str),
    /// The text `BEGIN TRANSACTION` stands in it or before it and is not what wrangler can leave out, so wrangler refuses the whole file.
    Refused,
}

/// A statement that a way does not take as SQLite reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitOtherwise {
    /// Its place among the statements of the file, from 0.
    pub place: usize,
    /// The way that splits it otherwise.
    pub way: Way,
    /// What it makes of it.
    pub otherwise: Otherwise,
}

/// What wrangler leaves out, in this order.
const LEFT_OUT: [&str; 2] = ["BEGIN TRANSACTION;", "COMMIT;"];

/// Statements that one of the ways does not take as a whole. Of the others, only the body of a trigger holds semicolons, so only triggers are cut.
#[must_use]
pub fn split_otherwise(id: FileId, file: &File) -> Vec<SplitOtherwise> {
    let statements = statements(id, file);
    let mut found = transactions(&file.text, &statements);
    for (place, statement) in statements.iter().enumerate() {
        let cut = cut(&statement.sql);
        found.extend(cut.map(|(way, why)| SplitOtherwise {
            place,
            way,
            otherwise: Otherwise::Cut(why),
        }));
    }
    found.sort_by_key(|one| one.place);
    found
}

/// The same trigger in a spelling that every way takes as a whole: `BEGIN`, `CASE` and `END` in capitals with white space around them, and plain ends
/// of lines. None if there is no such spelling, or nothing to change.
#[must_use]
pub fn spelled_for_all(sql: &str) -> Option<String> {
    let tokens = tokens(sql);
    let body = body(sql, &tokens)?;
    let mut text = String::with_capacity(sql.len() + 16);
    let mut at = 0;
    for (place, token) in tokens.iter().enumerate() {
        text.push_str(&sql[at..token.range.start].replace("\r\n", "\n"));
        let piece = &sql[token.range.clone()];
        if place >= body && is_mark(sql, token) {
            let behind = sql.as_bytes().get(token.range.end);
            if !text.ends_with(|letter: char| letter.is_ascii_whitespace()) {
                text.push(' ');
            }
            text.push_str(&piece.to_ascii_uppercase());
            // Behind a comment, wrangler looks at the word before it once more.
            if sql[token.range.end..].trim_start().starts_with("/*") {
                text.push('\n');
            }
            if behind.is_some_and(|byte| *byte != b';' && !byte.is_ascii_whitespace()) {
                text.push(' ');
            }
        } else {
            text.push_str(piece);
        }
        at = token.range.end;
    }
    (cut(sql).is_some() && cut(&text).is_none()).then_some(text)
}

/// The transactions that wrangler sees in a file.
fn transactions(text: &str, statements: &[Statement]) -> Vec<SplitOtherwise> {
    let mut found = Vec::new();
    let mut tell = |at: usize, otherwise: Otherwise| {
        // A comment belongs to the statement behind it.
        let place = statements.iter().position(|one| at < one.span.end);
        let Some(place) = place.or_else(|| statements.len().checked_sub(1)) else {
            return;
        };
        found.push(SplitOtherwise {
            place,
            way: Way::Wrangler,
            otherwise,
        });
    };
    let marks: Vec<usize> = text
        .match_indices("BEGIN TRANSACTION")
        .map(|(at, _)| at)
        .collect();
    let taken = text.find(LEFT_OUT[0]);
    if let Some(stays) = marks.iter().find(|at| Some(**at) != taken) {
        tell(*stays, Otherwise::Refused);
    } else if taken.is_some() {
        for gone in LEFT_OUT {
            let Some(at) = text.find(gone) else { continue };
            let is_own = |one: &&Statement| one.span.start == at && one.span.end < at + gone.len();
            match statements.iter().find(is_own) {
                Some(_) if gone == LEFT_OUT[0] => tell(at, Otherwise::Transaction),
                None if is_within(statements, at) => tell(at, Otherwise::LeftOut(gone)),
                Some(_) | None => {}
            }
        }
    }
    found
}

fn is_within(statements: &[Statement], at: usize) -> bool {
    let mut statements = statements.iter();
    statements.any(|one| one.span.start <= at && at < one.span.end)
}

/// The place of the token with which the body of a trigger begins; none for other statements.
fn body(sql: &str, tokens: &[Token]) -> Option<usize> {
    let mut forms = tokens.iter().map(|token| token.form.as_str());
    let creates = forms.next() == Some("create");
    let kind = forms.find(|form| !matches!(*form, "temp" | "temporary"))?;
    if !creates || kind != "trigger" {
        return None;
    }
    let begins = |token: &Token| token.form == "begin" && is_mark(sql, token);
    tokens.iter().position(begins)
}

/// Whether a token is one of the words by which a body is found, not a quoted name.
fn is_mark(sql: &str, token: &Token) -> bool {
    let is_bare = sql.as_bytes()[token.range.start].is_ascii_alphabetic();
    is_bare && matches!(token.form.as_str(), "begin" | "case" | "end")
}

/// The way that does not take a trigger as a whole, and why.
fn cut(sql: &str) -> Option<(Way, &'static str)> {
    let tokens = tokens(sql);
    let body = body(sql, &tokens)?;
    let begin = &sql[tokens[body].range.clone()];
    if begin != "BEGIN" {
        return Some((Way::Wrangler, "its BEGIN is not in capitals"));
    }
    if let Some(end) = wrangler(sql) {
        return Some((Way::Wrangler, why(sql, &tokens[body..], end)));
    }
    let mut from = tokens[body].range.start;
    let has_return = tokens[body..].iter().any(|token| {
        let gap = &sql[from..token.range.start];
        from = token.range.end;
        gap.contains('\r')
    });
    has_return.then_some((Way::Query, "its lines end with CRLF"))
}

/// Where wrangler up to 4.86 loses its way in a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// It sees an end that is none.
    TooEarly,
    /// It sees no end.
    Never,
}

/// Reads a statement, and the semicolon behind it, as wrangler up to 4.86 does.
fn wrangler(sql: &str) -> Option<Lost> {
    let text = format!("\n{sql};");
    let bytes = text.as_bytes();
    let mut seen: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut open = 0_u32;
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        // Within a character there is nothing that any of the marks begins with.
        let rest = text.get(at + 1..).unwrap_or_default();
        let behind = |marker: &str, from: usize| {
            let found = rest.get(from..).and_then(|rest| rest.find(marker));
            found.map_or(bytes.len(), |found| at + 1 + from + found + marker.len())
        };
        if open > 0 && is_end(&seen, byte) {
            open -= 1;
        }
        let mut next = at + 1;
        match byte {
            b'\'' | b'"' | b'`' => {
                let quote = [byte];
                next = behind(std::str::from_utf8(&quote).unwrap_or("'"), 0);
                seen.push(byte);
            }
            b'-' if rest.starts_with('-') => {
                next = behind("\n", 1);
                seen.push(b'\n');
            }
            b'/' if rest.starts_with('*') => next = behind("*/", 1),
            b';' if open == 0 => return (next < bytes.len()).then_some(Lost::TooEarly),
            _ => seen.push(byte),
        }
        open += u32::from(is_start(&seen));
        at = next;
    }
    Some(Lost::Never)
}

/// Whether the text that was seen ends with `BEGIN` or `CASE`, white space around it.
fn is_start(seen: &[u8]) -> bool {
    let Some((last, before)) = seen.split_last() else {
        return false;
    };
    let is = |word: &[u8]| {
        let start = before.len().checked_sub(word.len() + 1);
        start.is_some_and(|start| {
            before[start].is_ascii_whitespace() && before[start + 1..].eq_ignore_ascii_case(word)
        })
    };
    last.is_ascii_whitespace() && (is(b"BEGIN") || is(b"CASE"))
}

/// Whether this byte, behind what was seen, ends an `END`.
fn is_end(seen: &[u8], byte: u8) -> bool {
    (byte == b';' || byte.is_ascii_whitespace())
        && seen
            .strip_suffix(b"END")
            .is_some_and(|before| before.last().is_some_and(u8::is_ascii_whitespace))
}

/// What in a body makes wrangler lose its way.
fn why(sql: &str, body: &[Token], lost: Lost) -> &'static str {
    let ends = || {
        let ends = body.iter().filter(|token| token.form == "end");
        ends.filter(|token| is_mark(sql, token))
    };
    let behind = |token: &Token| sql.as_bytes().get(token.range.end).copied();
    match lost {
        Lost::Never if ends().any(|token| &sql[token.range.clone()] != "END") => {
            "an END within it is not in capitals"
        }
        Lost::Never if ends().any(|token| matches!(behind(token), Some(b',' | b')'))) => {
            "an END within it is followed by a comma or a bracket"
        }
        Lost::Never => "wrangler does not see where its body ends",
        Lost::TooEarly => "an END within it ends the body too early",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_several_bytes_outside_of_quotes_are_read_like_any_other() {
        let sql = "CREATE TRIGGER t BEFORE UPDATE OF id\u{202e} ON users\nBEGIN\n  SELECT 1;\nEND";
        assert_eq!(wrangler(sql), wrangler(&sql.replace('\u{202e}', "x")));
    }

    fn of(text: String) -> Vec<SplitOtherwise> {
        let file = File {
            name: "a.sql".to_owned(),
            path: "a.sql".into(),
            text: text.into(),
        };
        split_otherwise(FileId(0), &file)
    }

    fn trigger(body: &str) -> String {
        format!("CREATE TRIGGER t AFTER INSERT ON a {body}")
    }

    #[track_caller]
    fn cut_for(body: &str, expected: &str) {
        let sql = trigger(body);
        let found = of(format!("CREATE TABLE a (x);\n{sql};"));
        let whys: Vec<(usize, Otherwise)> =
            found.iter().map(|one| (one.place, one.otherwise)).collect();
        let told = match expected {
            "an END ends too early" => "an END within it ends the body too early",
            "not in capitals" => "an END within it is not in capitals",
            "comma" => "an END within it is followed by a comma or a bracket",
            "comment" => "wrangler does not see where its body ends",
            "BEGIN" => "its BEGIN is not in capitals",
            "CRLF" => "its lines end with CRLF",
            other => panic!("{other}"),
        };
        assert_eq!(whys, [(1, Otherwise::Cut(told))], "{sql}");
        let mended = spelled_for_all(&sql).expect("another spelling helps");
        assert_eq!(cut(&mended), None, "{mended}");
        assert_eq!(super::super::normal(&mended), super::super::normal(&sql));
    }

    #[test]
    fn a_body_in_capitals_is_taken_as_a_whole() {
        for body in [
            "BEGIN\n  UPDATE a SET x = CASE WHEN x THEN 1 ELSE 'end;' END WHERE x; -- end\n  DELETE FROM a;\nEND",
            // Neither word of the bracket is seen, so none is missed.
            "BEGIN UPDATE a SET x = coalesce((CASE WHEN x THEN 1 END), 2); END",
            "BEGIN\n  /* case */ UPDATE a SET x = case when x then 1 END; END",
            "BEGIN INSERT INTO a VALUES ('\r\n'), (\"end\"), ([begin]); END",
        ] {
            let sql = trigger(body);
            assert_eq!(of(format!("{sql};\nSELECT 1;")), [], "{sql}");
            assert_eq!(spelled_for_all(&sql), None);
        }
    }

    #[test]
    fn small_letters_commas_and_carriage_returns_are_told_and_can_be_spelled_otherwise() {
        cut_for("begin DELETE FROM a; END", "BEGIN");
        cut_for("BEGIN DELETE FROM a; end", "not in capitals");
        cut_for(
            "BEGIN UPDATE a SET x = case when x then 1 end; END",
            "not in capitals",
        );
        cut_for(
            "BEGIN UPDATE a SET x = CASE WHEN x THEN 1 END, y = 2; END",
            "comma",
        );
        cut_for(
            "BEGIN UPDATE a SET x = (1 + CASE WHEN x THEN 1 END); END",
            "comma",
        );
        cut_for(
            "BEGIN UPDATE a SET x = (CASE WHEN x THEN 1 END ); DELETE FROM a; END",
            "an END ends too early",
        );
        cut_for("BEGIN /* all */ DELETE FROM a; END", "comment");
        cut_for("BEGIN\r\n DELETE FROM a;\r\nEND", "CRLF");
    }

    #[test]
    fn what_wrangler_leaves_out_is_told_where_d1_would_see_it() {
        let told = |text: &str| -> Vec<(usize, Otherwise)> {
            let found = of(text.to_owned()).into_iter();
            found.map(|one| (one.place, one.otherwise)).collect()
        };
        let one = "SELECT 1;\nBEGIN TRANSACTION;\nSELECT 2;\nCOMMIT;";
        assert_eq!(told(one), [(1, Otherwise::Transaction)]);
        let texts =
            "INSERT INTO a VALUES ('BEGIN TRANSACTION;');\nINSERT INTO a VALUES ('COMMIT;');";
        assert_eq!(
            told(texts),
            [
                (0, Otherwise::LeftOut(LEFT_OUT[0])),
                (1, Otherwise::LeftOut(LEFT_OUT[1]))
            ]
        );
        let comment = "-- no BEGIN TRANSACTION: D1 has its own\nSELECT 1;";
        assert_eq!(told(comment), [(0, Otherwise::Refused)]);
        assert_eq!(told("INSERT INTO a VALUES ('COMMIT;');"), []);
        assert_eq!(told("-- begin transaction\nSELECT 1;"), []);
    }
}
