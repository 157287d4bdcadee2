//! Lines of text for people, wrapped between words where there is a width to keep to. Never breaks a word, and never a command so that it
//! could not be pasted any more.

use crate::scrub;
use textwrap::core::Word;
use textwrap::{Options, WordSeparator, WordSplitter};

/// Words longer than this may be parted after a comma or the like. Evidence: the longest host that the harness makes has 40 characters.
const WORD_LEN_MAX: usize = 40;

/// What may end a part of a long word, such as JSON without spaces or a query.
const PARTS: [char; 5] = [',', ';', '&', '?', '}'];

/// A text that grows by lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    out: String,
    width: Option<usize>,
}

impl Lines {
    /// Nothing yet; whole lines where there is no width.
    pub(crate) fn within(width: Option<usize>) -> Self {
        Self {
            out: String::new(),
            width,
        }
    }

    /// What was put.
    pub(crate) fn finished(self) -> String {
        self.out
    }

    /// An empty line.
    pub(crate) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// A text, so many columns in; what does not fit stands below it, two columns further in. Its own line breaks stay.
    pub(crate) fn put(&mut self, indent: usize, text: &str) {
        // A secret that is parted by a line break would not be known any more.
        let text = &scrub::clean_report(text);
        let (first, below) = (" ".repeat(indent), " ".repeat(indent + 2));
        for (at, line) in text.split('\n').enumerate() {
            let begin = if at == 0 { &first } else { &below };
            match self.width {
                None => {
                    self.out.push_str(begin);
                    self.out.push_str(line);
                }
                Some(width) => {
                    let options = Options::new(width)
                        .initial_indent(begin)
                        .subsequent_indent(&below)
                        .word_separator(WordSeparator::Custom(parts))
                        .word_splitter(WordSplitter::NoHyphenation)
                        .break_words(false);
                    self.out.push_str(&textwrap::fill(line, options));
                }
            }
            self.out.push('\n');
        }
    }

    /// A line that stays whole, however long it is.
    pub(crate) fn whole(&mut self, indent: usize, text: &str) {
        self.out.push_str(&" ".repeat(indent));
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// A command; where it is too long it goes on in the next line, as a POSIX shell takes it.
    pub(crate) fn command(&mut self, indent: usize, command: &str) {
        // A secret that is parted by a line break would not be known any more.
        let command = &scrub::clean_report(command);
        let margin = " ".repeat(indent);
        let Some(width) = self.width else {
            self.whole(indent, command);
            return;
        };
        let mut column = 0;
        for (at, word) in shell_words(command).into_iter().enumerate() {
            let len = textwrap::core::display_width(word);
            // Room for ` \` at the end.
            if at > 0 && column + 1 + len + 2 > width {
                self.out.push_str(" \\\n  ");
                column = 0;
            } else if at > 0 {
                self.out.push(' ');
                column += 1;
            }
            if column == 0 {
                self.out.push_str(&margin);
                column = indent + if at > 0 { 2 } else { 0 };
            }
            self.out.push_str(word);
            column += len;
        }
        self.out.push('\n');
    }

    /// A table, each column as wide as its widest cell.
    pub(crate) fn table(&mut self, indent: usize, rows: &[Vec<String>]) {
        for line in table(rows) {
            self.put(indent, &line);
        }
    }
}

/// The rows of a table as lines, with bars between the cells.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells
            .map(|cell| textwrap::core::display_width(cell))
            .max()
            .unwrap_or(0)
    };
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let left = width.saturating_sub(textwrap::core::display_width(cell));
            format!("{cell}{}", " ".repeat(left))
        });
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    rows.iter().map(line).collect()
}

/// Words between spaces, long ones in parts.
fn parts(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let words = WordSeparator::AsciiSpace.find_words(line);
    Box::new(words.flat_map(|word| {
        if word.word.len() <= WORD_LEN_MAX {
            return vec![word];
        }
        let mut parts: Vec<Word<'_>> = word.word.split_inclusive(PARTS).map(Word::from).collect();
        if let Some(last) = parts.last_mut() {
            last.whitespace = word.whitespace;
        }
        parts
    }))
}

/// Options of curl that keep the word after them in their line.
const WITH_A_VALUE: [&str; 6] = [
    "-H",
    "-X",
    "--data-raw",
    "--data-binary",
    "--request-target",
    "--max-time",
];

/// The words of a command, parted at spaces that stand in no quotes; an option with its value is one.
fn shell_words(command: &str) -> Vec<&str> {
    let (mut words, mut begin, mut quote) = (Vec::new(), 0, None);
    let mut escaped = false;
    for (at, letter) in command.char_indices() {
        match (letter, quote) {
            _ if escaped => escaped = false,
            ('\\', None | Some('"')) => escaped = true,
            ('\'' | '"', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            (' ', None) => {
                let word = &command[begin..at];
                if WITH_A_VALUE.contains(&word) {
                    continue;
                }
                if !word.is_empty() {
                    words.push(word);
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
    words.push(&command[begin..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(width: usize, write: impl FnOnce(&mut Lines)) -> String {
        let mut lines = Lines::within(Some(width));
        write(&mut lines);
        lines.finished()
    }

    #[test]
    fn a_line_is_wrapped_between_words_and_hung() {
        let told = within(20, |lines| {
            lines.put(2, "saw status 404 and nothing-else-at-all\nthen more");
        });
        assert_eq!(
            told,
            "  saw status 404 and\n    nothing-else-at-all\n    then more\n"
        );
    }

    #[test]
    fn json_without_spaces_is_parted_after_commas() {
        let text = r#"{"code":"ACCESS_DENIED","details":{},"message":"No valid token."}"#;
        let told = within(40, |lines| lines.put(0, text));
        assert!(told.lines().all(|line| line.len() <= 40), "{told}");
        assert_eq!(
            told.replace("\n  ", "").trim_end().replace(' ', ""),
            text.replace(' ', "")
        );
    }

    #[test]
    fn a_command_goes_on_in_the_next_line_and_is_the_same_to_a_shell() {
        let command = "curl -sS -H 'Host: a b.example' --data-raw '{\"it'\\''s\": 1}' \"${TOKEN:?set it}\" http://127.0.0.1:1/";
        let told = within(30, |lines| lines.command(2, command));
        assert!(told.lines().count() > 3, "{told}");
        let wanted = shell_words::split(command).unwrap();
        let as_a_shell = told.replace("\\\n", "");
        assert_eq!(shell_words::split(&as_a_shell).unwrap(), wanted, "{told}");
    }

    #[test]
    fn a_table_has_columns() {
        let rows = [["name", "text"], ["id", "TEXT"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), ["| name | text |", "| id   | TEXT |"]);
    }
}
