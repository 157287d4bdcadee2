//! The text of SQL files: files, spans, statements, and the comments that suppress a finding. Never parses what a statement means.

mod literal;
mod split;
mod suppression;
mod token;
mod ways;

pub use literal::{literal, written};
pub use split::statements;
pub use suppression::{Suppression, suppressions};
pub use token::{Token, joined, normal, tokens};
pub use ways::{Otherwise, SplitOtherwise, Way, spelled_for_all, split_otherwise};

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A file of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What `d1_migrations` records: the file's name, below its folder (`0001_users.sql`).
    pub name: String,
    /// Where it lies, as the user named its folder.
    pub path: PathBuf,
    /// Its text, without a byte order mark.
    pub text: Arc<str>,
}

/// The place of a file in [`crate::source::Source::files`], from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub usize);

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: usize,
    /// The byte behind the last one.
    pub end: usize,
}

impl Span {
    /// The bytes of it.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// One statement of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// From its first token to the one before its semicolon.
    pub span: Span,
    /// The text of the span: no comments before it, no semicolon behind it.
    pub sql: Arc<str>,
}

impl Statement {
    /// The span of a piece of this statement, by bytes of [`Statement::sql`].
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Span {
        Span {
            file: self.span.file,
            start: self.span.start + range.start,
            end: self.span.start + range.end,
        }
    }

    /// The span of the first occurrence of a word, ASCII case ignored, as a whole word; the whole statement if there is none.
    #[must_use]
    pub fn word(&self, word: &str) -> Span {
        find_word(&self.sql, word, 0).map_or_else(|| self.span.clone(), |range| self.part(range))
    }
}

/// The last byte at or before this one at which a character begins, or the end of the text.
#[must_use]
pub fn char_start(text: &str, byte: usize) -> usize {
    let byte = byte.min(text.len());
    (0..=byte)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

/// A text as a terminal can show it and a reader take it in: of a line that is longer than this its beginning, and control characters as their pictures (`␀`).
#[must_use]
pub fn shortened(text: &str) -> String {
    const LINE_LEN_MAX: usize = 400;
    let lines = text.lines().map(|line| {
        let end = char_start(line, LINE_LEN_MAX);
        let mark = if end < line.len() { "…" } else { "" };
        let shown: String = line[..end].chars().map(picture).collect();
        format!("{shown}{mark}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A sentence whose quotes (between backticks) and words a reader can take in and a terminal can show: of one that is longer than this its
/// beginning, and control characters as their pictures. What is said of them stands behind them, and must not be what is cut.
#[must_use]
pub fn quotes_shortened(sentence: &str) -> String {
    let parts = sentence.split('`').enumerate().map(|(place, part)| {
        if place % 2 == 1 {
            return beginning(part);
        }
        let words: Vec<String> = part.split(' ').map(beginning).collect();
        words.join(" ")
    });
    let said = without_middle(parts.collect::<Vec<_>>().join("`"));
    let lines = said.lines().map(|line| line.chars().map(picture).collect());
    lines.collect::<Vec<String>>().join("\n")
}

/// A sentence that is still longer than a page holds words of somebody else; its beginning and its end are ours.
fn without_middle(sentence: String) -> String {
    const PAGE: usize = 4_096;
    const END: usize = 1_024;
    if sentence.len() <= PAGE {
        return sentence;
    }
    let (begun, ended) = (
        char_start(&sentence, PAGE - END),
        char_start(&sentence, sentence.len() - END),
    );
    format!("{} … {}", &sentence[..begun], &sentence[ended..])
}

/// A quote or a word; of a long one its beginning.
fn beginning(text: &str) -> String {
    const LEN_MAX: usize = 200;
    let end = char_start(text, LEN_MAX);
    let mark = if end < text.len() { "…" } else { "" };
    format!("{}{mark}", &text[..end])
}

/// Line and column of a byte, each from 1; the column in characters.
#[must_use]
pub fn line_of(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..char_start(text, byte)];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[start..].chars().count() + 1,
    )
}

/// A file's path with forward slashes, as the user named its folder.
#[must_use]
pub fn shown_path(file: &File) -> String {
    let path = file.path.display().to_string().replace('\\', "/");
    path.strip_prefix("./").unwrap_or(&path).to_owned()
}

/// A count with the right plural: `1 error`, `2 errors`.
#[must_use]
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A character in one that takes as much room and does nothing: a caret below it goes on pointing at it.
fn picture(letter: char) -> char {
    match u32::from(letter) {
        9 => letter,
        code @ 0..=31 => char::from_u32(0x2400 + code).unwrap_or(char::REPLACEMENT_CHARACTER),
        127 => '␡',
        _ if letter.is_control() => char::REPLACEMENT_CHARACTER,
        _ => letter,
    }
}

/// Where a word stands in a text from a byte on: ASCII case ignored, not within a longer word.
#[must_use]
pub fn find_word(text: &str, word: &str, from: usize) -> Option<Range<usize>> {
    let (bytes, wanted) = (text.as_bytes(), word.as_bytes());
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let last = bytes.len().checked_sub(wanted.len())?;
    (from..=last).find_map(|start| {
        let end = start + wanted.len();
        let is_there = bytes[start..end].eq_ignore_ascii_case(wanted)
            && !wanted.is_empty()
            && (start == 0 || !inside(bytes[start - 1]))
            && (end == bytes.len() || !inside(bytes[end]));
        is_there.then_some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_quote_is_cut_and_what_is_said_of_it_is_not() {
        let said = format!("[[accept]] for `{}`: no such criterion", "{a=".repeat(1000));
        let short = quotes_shortened(&said);
        assert!(short.starts_with("[[accept]] for `{a={a="), "{short}");
        assert!(short.ends_with("…`: no such criterion"), "{short}");
        assert!(short.len() < 300);
        let usual = format!("`a` is none; write `b` or `c`{}", " and more".repeat(100));
        assert_eq!(quotes_shortened(&usual), usual);
        let bare = format!("unknown placeholder {{{}}} of a tenant", "(".repeat(1000));
        let short = quotes_shortened(&bare);
        assert!(
            short.ends_with("… of a tenant") && short.len() < 300,
            "{short}"
        );
        assert_eq!(quotes_shortened(""), "");
    }

    #[test]
    fn a_shortened_text_has_no_control_characters_and_no_endless_line() {
        assert_eq!(shortened("a\0b\x1b[31m\tc\x7f\r\n  ^"), "a␀b␛[31m\tc␡\n  ^");
        assert_eq!(shortened("\u{85}"), "\u{fffd}");
        let long = shortened(&"ü".repeat(400));
        assert_eq!(long.chars().count(), 201, "400 bytes and the mark");
        assert!(long.ends_with('…'), "{long}");
    }
}
