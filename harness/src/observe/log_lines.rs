//! A log kept in memory line by line. Never loses a line, never writes one anywhere.
//!
//! What one call of the console has shown over several lines, an object with its members, is one line: its text has line breaks.

use super::log_line::without_colours;
use super::{LogLine, Logs};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An object that is shown over more lines than this is left as lines.
const BLOCK_LINES_MAX: usize = 400;

/// The lines of one instance.
#[derive(Debug, Default)]
pub struct LogLines {
    kept: Mutex<Kept>,
}

/// Who writes: what one of them shows over several lines is not torn by the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

#[derive(Debug, Default)]
struct Kept {
    /// `None` is what has become part of an earlier line.
    lines: Vec<Option<String>>,
    open: [Option<Block>; 2],
}

/// An object that is being shown.
#[derive(Debug)]
struct Block {
    /// The lines so far, by their numbers.
    numbers: Vec<usize>,
    /// How far its members are indented, once one is seen.
    members: Option<usize>,
}

impl LogLines {
    /// Appends a line.
    pub fn push(&self, line: impl Into<String>) {
        self.push_from(Voice::Output, line);
    }

    /// Appends a line of this voice.
    pub fn push_from(&self, voice: Voice, line: impl Into<String>) {
        self.kept().push(voice, line.into());
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn push(&mut self, voice: Voice, line: String) {
        let number = self.lines.len();
        let plain = without_colours(&line);
        self.lines.push(Some(line));
        let open = &mut self.open[voice as usize];
        let goes_on = open
            .as_mut()
            .map_or(Next::Ends, |block| block.next(number, &plain));
        match goes_on {
            Next::Member => {}
            Next::Closes => {
                let block = open.take();
                self.join(block.as_ref().map_or(&[], |block| &block.numbers));
            }
            Next::Ends => {
                *open = plain.trim_end().ends_with('{').then(|| Block {
                    numbers: vec![number],
                    members: None,
                });
            }
        }
    }

    /// Makes one line of these.
    fn join(&mut self, numbers: &[usize]) {
        let mut texts = Vec::new();
        for number in numbers {
            texts.extend(self.lines[*number].take());
        }
        if let Some(first) = numbers.first() {
            self.lines[*first] = Some(texts.join("\n"));
        }
    }
}

/// What a line is to the object that is being shown.
enum Next {
    Member,
    Closes,
    /// None of it: the lines before were no object.
    Ends,
}

impl Block {
    fn next(&mut self, number: usize, plain: &str) -> Next {
        let text = plain.trim();
        let indent = plain.len() - plain.trim_start().len();
        if text.is_empty() {
            self.numbers.push(number);
            return Next::Member;
        }
        let members = *self.members.get_or_insert(indent);
        let is_inside = indent >= members && members > 0;
        let is_end = indent < members && text.starts_with('}');
        if self.numbers.len() == BLOCK_LINES_MAX || !(is_inside || is_end) {
            return Next::Ends;
        }
        self.numbers.push(number);
        // Behind the one object another may be shown.
        if is_end && !text.ends_with('{') {
            Next::Closes
        } else {
            Next::Member
        }
    }
}

impl Logs for LogLines {
    fn mark(&self) -> usize {
        self.kept().lines.len()
    }

    fn since(&self, mark: usize) -> Vec<LogLine> {
        let kept = self.kept();
        let lines = kept.lines.iter().enumerate().skip(mark);
        lines
            .filter_map(|(number, text)| Some(LogLine::new(number, text.as_deref()?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(log: &str) -> Vec<LogLine> {
        let lines = LogLines::default();
        for line in log.lines() {
            match line.strip_prefix("2>") {
                Some(line) => lines.push_from(Voice::Errors, line),
                None => lines.push(line),
            }
        }
        lines.since(0)
    }

    #[test]
    fn an_object_over_several_lines_is_one_line_with_its_fields() {
        let seen = lines(
            "before\n2>{\n2>  event: 'resolution_failure',\nbetween { \n2>  host: 'a.example',\n2>  client: { ip: '198.18.0.1' }\n2>}\nafter",
        );
        let numbers: Vec<usize> = seen.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [0, 1, 3, 7]);
        assert_eq!(seen[1].field("event").unwrap(), "resolution_failure");
        assert_eq!(seen[1].field("host").unwrap(), "a.example");
        assert!(seen[1].text.contains("198.18.0.1"));
        assert_eq!(seen[3].text, "after");
    }

    #[test]
    fn what_wrangler_indents_and_decorates_is_one_line_as_well() {
        let seen = lines(
            "\u{1b}[33m▲ \u{1b}[43;33m[\u{1b}[43;30mWARNING\u{1b}[43;33m]\u{1b}[0m \u{1b}[1m{\u{1b}[0m\n\n    ev: 'override_ignored',\n    at: {\n      host: 'a.example'\n    }\n  }\n\n",
        );
        assert_eq!(seen[0].field("ev").unwrap(), "override_ignored");
        assert_eq!(seen[0].field("level").unwrap(), "warn");
        let json = lines("{\n  \"a\": {\n    \"b\": \"c\"\n  }\n}");
        assert_eq!(json.len(), 1);
        assert_eq!(json[0].json().unwrap()["a"]["b"], "c");
    }

    #[test]
    fn what_only_looks_like_an_object_stays_line_by_line() {
        for text in [
            "begin {\nend\n}",
            "a {\n  b\nc\n}",
            "a {\n}",
            "{\n\n  a: 1",
            "}\n{",
        ] {
            assert_eq!(lines(text).len(), text.lines().count(), "{text}");
        }
        // A line that ends what was no object may begin one.
        assert_eq!(lines("begin {\n{\n  a: 1\n}").len(), 2);
    }

    #[test]
    fn a_mark_within_an_object_shows_nothing_of_it() {
        let log = LogLines::default();
        log.push("{");
        log.push("  a: 'b',");
        let mark = log.mark();
        log.push("}");
        log.push("x");
        assert_eq!((mark, log.mark()), (2, 4));
        assert_eq!(log.since(mark).len(), 1);
        assert_eq!(log.since(mark)[0].number, 3);
    }
}
