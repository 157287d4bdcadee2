//! Statements as tokens, so that two texts can be compared by what they say. Never tells what a statement means.

use std::ops::Range;

/// A token: its place, and a form in which the same things are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Where it stands.
    pub range: Range<usize>,
    /// Words and names in lower case and without quotes, strings as they are, else one character.
    pub form: String,
}

/// The tokens of a text; white space and comments are none.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        at = end_of(text, start);
        let piece = &text[start..at];
        let form = match bytes[start] {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => continue,
            b'-' if piece.starts_with("--") => continue,
            b'/' if piece.starts_with("/*") => continue,
            b'\'' => piece.to_owned(),
            b'"' | b'`' | b'[' => unquoted(piece),
            _ => piece.to_ascii_lowercase(),
        };
        found.push(Token {
            range: start..at,
            form,
        });
    }
    found
}

/// The tokens' forms, one space between them: the same for texts that differ in white space, comments, quotes and letter case alone.
#[must_use]
pub fn normal(text: &str) -> String {
    joined(&tokens(text))
}

/// Forms with one space between them.
#[must_use]
pub fn joined(tokens: &[Token]) -> String {
    let forms: Vec<&str> = tokens.iter().map(|token| token.form.as_str()).collect();
    forms.join(" ")
}

/// The byte behind what begins at a byte.
fn end_of(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let behind = |pattern: &str, from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.find(pattern)
            .map_or(text.len(), |at| from + at + pattern.len())
    };
    match bytes[start] {
        b'-' if bytes.get(start + 1) == Some(&b'-') => behind("\n", start),
        b'/' if bytes.get(start + 1) == Some(&b'*') => behind("*/", start + 2),
        b'[' => behind("]", start),
        quote @ (b'\'' | b'"' | b'`') => quoted_end(bytes, start, quote),
        first if is_word(first) => {
            let length = bytes[start..].iter().position(|byte| !is_word(*byte));
            length.map_or(text.len(), |length| start + length)
        }
        _ => start + 1,
    }
}

fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        if bytes[at] == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    bytes.len()
}

fn unquoted(piece: &str) -> String {
    let quote = &piece[..1];
    let inner = piece
        .get(1..piece.len().saturating_sub(1))
        .unwrap_or_default();
    inner.replace(&quote.repeat(2), quote).to_ascii_lowercase()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn white_space_comments_quotes_and_case_make_no_difference_and_strings_do() {
        let one = "CREATE TABLE \"Users\" (\n  -- the key\n  [id] INTEGER, /* a */ name TEXT DEFAULT 'It''s' )";
        let other = "create table users(id integer,name text default 'It''s')";
        assert_eq!(normal(one), normal(other));
        assert_ne!(normal("SELECT 'a'"), normal("SELECT 'A'"));
        assert_eq!(normal("a'b"), "a 'b");
    }
}
