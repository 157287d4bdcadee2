//! Splits a file into its statements, as SQLite itself does. Never needs a database.
//!
//! The rule is SQLite's own (`sqlite3_complete`): a semicolon ends a statement, except within `CREATE TRIGGER`, which ends at `; END ;`.
//! Strings, quoted names and comments hide what is in them.

use super::{File, FileId, Span, Statement};
use std::sync::Arc;

/// What a piece of text is to the splitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// White space or a comment.
    Nothing,
    Semicolon,
    Explain,
    Create,
    Temp,
    Trigger,
    End,
    Other,
}

/// How far a statement has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing of it was seen.
    Start,
    /// An ordinary statement.
    Normal,
    Explained,
    Create,
    /// Within a trigger's body.
    Trigger,
    /// A semicolon of the body was seen.
    TriggerSemicolon,
    /// And an END behind it.
    TriggerEnd,
}

/// The statements of a file, in order. What stands behind the last semicolon is a statement too, unless it is nothing but comments.
#[must_use]
pub fn statements(id: FileId, file: &File) -> Vec<Statement> {
    let text: &str = &file.text;
    let mut found = Vec::new();
    let mut state = State::Start;
    let mut begin = None;
    let mut last = 0;
    let mut at = 0;
    while at < text.len() {
        let (token, end) = token(text, at);
        if token != Token::Nothing {
            state = next(state, token);
            if token == Token::Semicolon && state == State::Start {
                if let Some(start) = begin.take() {
                    found.push(statement(id, text, start, last));
                }
            } else {
                begin.get_or_insert(at);
                last = end;
            }
        }
        at = end;
    }
    if let Some(start) = begin {
        found.push(statement(id, text, start, last));
    }
    found
}

fn statement(file: FileId, text: &str, start: usize, end: usize) -> Statement {
    Statement {
        span: Span { file, start, end },
        sql: Arc::from(&text[start..end]),
    }
}

/// The machine of `sqlite3_complete`.
fn next(state: State, token: Token) -> State {
    match (state, token) {
        (state, Token::Nothing) => state,
        (State::Trigger | State::TriggerSemicolon, Token::Semicolon) => State::TriggerSemicolon,
        (State::TriggerSemicolon, Token::End) => State::TriggerEnd,
        (
            State::Trigger | State::TriggerSemicolon | State::TriggerEnd,
            Token::Explain
            | Token::Create
            | Token::Temp
            | Token::Trigger
            | Token::End
            | Token::Other,
        )
        | (State::Create, Token::Trigger) => State::Trigger,
        (_, Token::Semicolon) => State::Start,
        (State::Start | State::Explained, Token::Create) | (State::Create, Token::Temp) => {
            State::Create
        }
        (State::Start, Token::Explain) | (State::Explained, Token::Other) => State::Explained,
        (
            State::Start | State::Normal | State::Explained | State::Create,
            Token::Explain
            | Token::Create
            | Token::Temp
            | Token::Trigger
            | Token::End
            | Token::Other,
        ) => State::Normal,
    }
}

/// The token that begins at a byte, and the byte behind it.
fn token(text: &str, at: usize) -> (Token, usize) {
    let bytes = text.as_bytes();
    let rest = &bytes[at..];
    match rest[0] {
        b';' => (Token::Semicolon, at + 1),
        b' ' | b'\t' | b'\n' | b'\r' | 0x0c => (Token::Nothing, at + 1),
        b'-' if rest.get(1) == Some(&b'-') => (Token::Nothing, line_end(bytes, at)),
        b'/' if rest.get(1) == Some(&b'*') => {
            let close = text[at + 2..].find("*/");
            (
                Token::Nothing,
                close.map_or(text.len(), |close| at + close + 4),
            )
        }
        quote @ (b'\'' | b'"' | b'`') => (Token::Other, quoted(bytes, at + 1, quote)),
        b'[' => (Token::Other, quoted(bytes, at + 1, b']')),
        byte if is_word(byte) => {
            let end = rest.iter().position(|byte| !is_word(*byte));
            let end = end.map_or(text.len(), |length| at + length);
            (word(&text[at..end]), end)
        }
        _ => (Token::Other, at + 1),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn word(word: &str) -> Token {
    let is = |name: &str| word.eq_ignore_ascii_case(name);
    if is("create") {
        Token::Create
    } else if is("trigger") {
        Token::Trigger
    } else if is("temp") || is("temporary") {
        Token::Temp
    } else if is("end") {
        Token::End
    } else if is("explain") {
        Token::Explain
    } else {
        Token::Other
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    let newline = bytes[at..].iter().position(|byte| *byte == b'\n');
    newline.map_or(bytes.len(), |length| at + length)
}

/// The byte behind the closing quote; a doubled quote is looked at as two quoted texts side by side, which ends at the same place.
fn quoted(bytes: &[u8], from: usize, quote: u8) -> usize {
    let close = bytes[from..].iter().position(|byte| *byte == quote);
    close.map_or(bytes.len(), |length| from + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        let file = File {
            name: "a.sql".to_owned(),
            path: "a.sql".into(),
            text: text.into(),
        };
        let statements = statements(FileId(0), &file);
        statements.iter().map(|one| one.sql.to_string()).collect()
    }

    #[test]
    fn a_semicolon_in_a_string_a_name_or_a_comment_ends_nothing() {
        let text =
            "INSERT INTO a VALUES ('x;y''z;'); -- and; so\n/* on; */ SELECT \"a;b\", [c;d], `e;f`;";
        assert_eq!(
            split(text),
            [
                "INSERT INTO a VALUES ('x;y''z;')",
                "SELECT \"a;b\", [c;d], `e;f`"
            ]
        );
    }

    #[test]
    fn a_trigger_ends_at_its_own_end_whatever_is_in_it() {
        let trigger = "create temp trigger t after insert on a begin\n  update a set b = case when c then 1 end;\n  select 'end;';\nend";
        assert_eq!(
            split(&format!("{trigger};\r\nSELECT 1;")),
            [trigger, "SELECT 1"]
        );
    }

    #[test]
    fn comments_alone_are_no_statement_and_the_last_semicolon_may_be_missing() {
        assert_eq!(split("-- nothing\n;;\nSELECT 1 -- one\n"), ["SELECT 1"]);
    }

    #[test]
    fn an_open_string_reaches_to_the_end() {
        assert_eq!(split("SELECT 'a; b"), ["SELECT 'a; b"]);
    }
}
