//! SQL that is to be read in a terminal and pasted from it: long lines are broken between words. Never changes what a statement means.

/// By what the rest of a broken line stands further to the right.
const FURTHER: &str = "  ";
/// Columns of a tabulator at most.
const TAB: usize = 8;

/// What a character is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Words,
    /// A text or a quoted name, up to this character.
    Quotes(char),
    /// A comment up to the end of the line.
    Line,
    /// A comment up to `*/`.
    Block,
}

/// The lines of some SQL, none longer than the width where a blank between two words allows it; what is quoted or commented stays whole.
#[must_use]
pub fn lines(sql: &str, width: usize) -> Vec<String> {
    let mut within = Within::Words;
    let mut all = Vec::new();
    for line in sql.lines() {
        let begins = within;
        let breaks = breaks(line, &mut within);
        if begins == Within::Words && within == Within::Words {
            all.extend(filled(line, &breaks, width));
        } else {
            all.push(line.to_owned());
        }
    }
    all
}

/// The blanks of a line at which it may be broken, and what its end is within.
fn breaks(line: &str, within: &mut Within) -> Vec<usize> {
    let mut found = Vec::new();
    let mut letters = line.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let next = letters.peek().map(|(_, next)| *next);
        *within = match (*within, letter, next) {
            (Within::Words, '-', Some('-')) => {
                // A comment stays behind what it is about.
                found.retain(|blank| !line[*blank..at].trim().is_empty());
                Within::Line
            }
            (Within::Words, '/', Some('*')) => Within::Block,
            (Within::Words, '\'' | '"' | '`', _) => Within::Quotes(letter),
            (Within::Words, '[', _) => Within::Quotes(']'),
            (Within::Words, ' ', _) => {
                found.push(at);
                Within::Words
            }
            (Within::Quotes(end), letter, _) if letter == end => Within::Words,
            (Within::Block, '*', Some('/')) => {
                letters.next();
                Within::Words
            }
            (within, _, _) => within,
        };
    }
    if *within == Within::Line {
        *within = Within::Words;
    }
    found
}

/// A line, broken at the last blank before the width each time.
fn filled(line: &str, breaks: &[usize], width: usize) -> Vec<String> {
    let indent = line.len() - line.trim_start().len();
    let further = format!("{}{FURTHER}", &line[..indent]);
    let (mut all, mut start, mut ahead) = (Vec::new(), 0, "");
    loop {
        let is_wide = |end: usize| columns(ahead) + columns(&line[start..end]) > width;
        let inside = breaks.iter().filter(|blank| **blank > start.max(indent));
        let fitting = inside.clone().take_while(|blank| !is_wide(**blank)).last();
        let blank = fitting.or_else(|| inside.clone().next());
        let Some(&blank) = blank.filter(|_blank| is_wide(line.len())) else {
            break;
        };
        all.push(format!("{ahead}{}", &line[start..blank]));
        (start, ahead) = (blank + 1, &further);
    }
    all.push(format!("{ahead}{}", &line[start..]));
    all
}

/// Columns of a text in a terminal, whose tabulators are taken for the widest.
fn columns(text: &str) -> usize {
    text.chars().count() + text.matches('\t').count() * (TAB - 1)
}

#[cfg(test)]
mod tests {
    use super::lines;
    use crate::text::normal;

    #[test]
    fn a_long_line_is_broken_between_words_only() {
        assert_eq!(
            lines("INSERT INTO a (b, c) VALUES ('one two three', 4);", 20),
            [
                "INSERT INTO a (b, c)",
                "  VALUES",
                "  ('one two three',",
                "  4);"
            ]
        );
        assert_eq!(lines("SELECT 1;", 20), ["SELECT 1;"]);
    }

    #[test]
    fn what_is_quoted_or_commented_stays_whole() {
        let comment = "SELECT count(*) FROM posts; -- it's 0, whatever comes";
        assert_eq!(
            lines(comment, 16),
            [
                "SELECT count(*)",
                "  FROM",
                "  posts; -- it's 0, whatever comes"
            ]
        );
        let text = "SELECT 'a b c d e f g\nh i j k l m n o p q';";
        assert_eq!(lines(text, 10), text.lines().collect::<Vec<_>>());
        assert_eq!(
            lines("SELECT \"a b\", `c d`, [e f] FROM g", 12),
            ["SELECT", "  \"a b\",", "  `c d`,", "  [e f] FROM", "  g"]
        );
    }

    #[test]
    fn broken_lines_stand_further_to_the_right_than_the_first() {
        assert_eq!(
            lines("  SELECT RAISE(ABORT, 'no');", 20),
            ["  SELECT", "    RAISE(ABORT,", "    'no');"]
        );
        assert_eq!(lines("\tone two three", 16), ["\tone two", "\t  three"]);
    }

    #[test]
    fn no_statement_of_the_book_means_something_else_when_it_is_broken() {
        for rule in crate::rule::book::rules() {
            for sql in [&rule.broken, &rule.mended] {
                let broken = lines(sql, 24).join("\n");
                assert_eq!(normal(&broken), normal(sql), "{}", rule.id);
            }
        }
    }
}
