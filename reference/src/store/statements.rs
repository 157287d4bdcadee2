//! Splits an SQL text into its statements. Never judges whether a statement is valid.
//!
//! The boundaries are those of SQLite's own `sqlite3_complete`: a semicolon ends a statement unless it stands in a string, a quoted name,
//! a comment or the body of a trigger.

/// One statement of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statement<'text> {
    /// From its first token to its semicolon.
    pub(super) sql: &'text str,
    /// Line of its first token, from 1.
    pub(super) line: usize,
}

/// The statements of a text, in order.
pub(super) fn split(text: &str) -> Vec<Statement<'_>> {
    let mut statements = Vec::new();
    let mut state = State::Start;
    let mut first_token = 0;
    let mut position = 0;
    while position < text.len() {
        let (token, length) = next_token(&text.as_bytes()[position..]);
        if state == State::Start && token != Token::Blank {
            first_token = position;
        }
        let before = state;
        state = before.after(token);
        position += length;
        if state == State::Start && before != State::Start {
            statements.push(statement(text, first_token, position));
        }
    }
    if state != State::Start {
        statements.push(statement(text, first_token, text.len()));
    }
    statements
}

fn statement(text: &str, start: usize, end: usize) -> Statement<'_> {
    let line = 1 + text[..start].matches('\n').count();
    Statement {
        sql: &text[start..end],
        line,
    }
}

/// What has been read of the current statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing yet.
    Start,
    /// A statement that ends at the next semicolon.
    Normal,
    /// `EXPLAIN`, after which `CREATE TRIGGER` may follow.
    Explain,
    /// `CREATE`, perhaps with `TEMP`.
    Create,
    /// Inside `CREATE TRIGGER`: semicolons belong to its body.
    Trigger,
    /// A semicolon inside a trigger.
    TriggerSemicolon,
    /// `END` after such a semicolon: the next semicolon ends the trigger.
    TriggerEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Semicolon,
    Blank,
    Explain,
    Create,
    Temp,
    Trigger,
    End,
    Other,
}

impl State {
    fn after(self, token: Token) -> Self {
        match self {
            state if token == Token::Blank => state,
            Self::Start | Self::Normal | Self::Explain | Self::Create | Self::TriggerEnd
                if token == Token::Semicolon =>
            {
                Self::Start
            }
            Self::Start if token == Token::Explain => Self::Explain,
            Self::Start | Self::Explain if token == Token::Create => Self::Create,
            // `EXPLAIN QUERY PLAN CREATE …`
            Self::Explain if token == Token::Other => Self::Explain,
            Self::Create if token == Token::Temp => Self::Create,
            Self::Create if token == Token::Trigger => Self::Trigger,
            Self::Trigger | Self::TriggerSemicolon if token == Token::Semicolon => {
                Self::TriggerSemicolon
            }
            Self::TriggerSemicolon if token == Token::End => Self::TriggerEnd,
            Self::Trigger | Self::TriggerSemicolon | Self::TriggerEnd => Self::Trigger,
            Self::Start | Self::Normal | Self::Explain | Self::Create => Self::Normal,
        }
    }
}

/// The first token of a text that is not empty, and its length in bytes.
fn next_token(text: &[u8]) -> (Token, usize) {
    match text[0] {
        b';' => (Token::Semicolon, 1),
        b' ' | b'\t' | b'\n' | b'\r' | 0x0c => (Token::Blank, 1),
        b'-' if text.starts_with(b"--") => (Token::Blank, through(text, 2, b"\n")),
        b'/' if text.starts_with(b"/*") => (Token::Blank, through(text, 2, b"*/")),
        // A doubled quote reads as two adjacent quoted texts, which ends at the same place.
        quote @ (b'\'' | b'"' | b'`') => (Token::Other, through(text, 1, &[quote])),
        b'[' => (Token::Other, through(text, 1, b"]")),
        byte if is_word(byte) => {
            let length = text
                .iter()
                .position(|byte| !is_word(*byte))
                .unwrap_or(text.len());
            (keyword(&text[..length]), length)
        }
        _other_character => (Token::Other, 1),
    }
}

/// Length up to and including `end`, which is looked for from `from` on; all of the text if it never comes.
fn through(text: &[u8], from: usize, end: &[u8]) -> usize {
    let found = text[from..]
        .windows(end.len())
        .position(|window| window == end);
    found.map_or(text.len(), |position| from + position + end.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || !byte.is_ascii()
}

fn keyword(word: &[u8]) -> Token {
    const KEYWORDS: [(&str, Token); 6] = [
        ("explain", Token::Explain),
        ("create", Token::Create),
        ("temp", Token::Temp),
        ("temporary", Token::Temp),
        ("trigger", Token::Trigger),
        ("end", Token::End),
    ];
    KEYWORDS
        .iter()
        .find(|(text, _)| word.eq_ignore_ascii_case(text.as_bytes()))
        .map_or(Token::Other, |(_, token)| *token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &[(usize, &str)]) {
        let found: Vec<_> = split(text)
            .into_iter()
            .map(|found| (found.line, found.sql))
            .collect();
        assert_eq!(found, expected, "of {text:?}");
    }

    #[test]
    fn a_semicolon_ends_a_statement() {
        check("SELECT 1; SELECT 2;", &[(1, "SELECT 1;"), (1, "SELECT 2;")]);
    }

    #[test]
    fn the_last_statement_needs_no_semicolon() {
        check("SELECT 1;\nSELECT 2", &[(1, "SELECT 1;"), (2, "SELECT 2")]);
    }

    #[test]
    fn comments_and_blank_lines_belong_to_no_statement() {
        check(
            "-- a; b\n\n/* c;\n */ SELECT 1; -- d;\n;;\n",
            &[(4, "SELECT 1;")],
        );
    }

    #[test]
    fn a_semicolon_in_a_string_or_name_ends_nothing() {
        check(
            "SELECT 'a;''b;', \"c;\", `d;`, [e;];\nSELECT 2;",
            &[
                (1, "SELECT 'a;''b;', \"c;\", `d;`, [e;];"),
                (2, "SELECT 2;"),
            ],
        );
    }

    #[test]
    fn a_trigger_is_one_statement() {
        let trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n INSERT INTO b VALUES (1);\n SELECT CASE 1 WHEN 1 THEN 2 END;\nEND;";
        check(
            &format!("{trigger}\nSELECT 1;"),
            &[(1, trigger), (5, "SELECT 1;")],
        );
    }

    #[test]
    fn an_unclosed_string_takes_the_rest() {
        check(
            "SELECT 1;\nSELECT 'a; b",
            &[(1, "SELECT 1;"), (2, "SELECT 'a; b")],
        );
    }

    proptest! {
        #[test]
        fn any_text_is_split_without_panic_into_parts_of_itself(text in "(?s).{0,200}") {
            for part in split(&text) {
                prop_assert!(text.contains(part.sql));
                prop_assert!(part.line <= 1 + text.matches('\n').count());
            }
        }
    }
}
