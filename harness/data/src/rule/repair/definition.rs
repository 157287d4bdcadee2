//! A CREATE TABLE as pieces of its text: where each column and each constraint is defined. Never changes the text.

use crate::catalog::Name;
use crate::text::{Token, tokens};
use std::ops::Range;

/// The definitions of a table.
pub(super) struct Definitions<'t> {
    sql: &'t str,
    parts: Vec<Vec<Token>>,
}

/// Words that end the type of a column.
const BEHIND_TYPE: [&str; 11] = [
    "constraint",
    "primary",
    "not",
    "null",
    "unique",
    "check",
    "default",
    "collate",
    "references",
    "generated",
    "as",
];

impl<'t> Definitions<'t> {
    /// Those of a statement as `sqlite_schema` has it; none if it holds no list of columns.
    pub(super) fn of(sql: &'t str) -> Option<Self> {
        let mut parts: Vec<Vec<Token>> = vec![Vec::new()];
        let mut depth = 0_usize;
        for token in tokens(sql) {
            let text = &sql[token.range.clone()];
            if text == ")" {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(Self { sql, parts });
                }
            }
            if text == "," && depth == 1 {
                parts.push(Vec::new());
            } else if depth > 0 {
                parts.last_mut()?.push(token);
            }
            depth += usize::from(text == "(");
        }
        None
    }

    /// Whether a token is a word without quotes that is one of these.
    fn is(&self, token: &Token, words: &[&str]) -> bool {
        let text = &self.sql[token.range.clone()];
        words.iter().any(|word| text.eq_ignore_ascii_case(word))
    }

    fn column(&self, name: &Name) -> Option<&[Token]> {
        let heads = ["constraint", "primary", "unique", "check", "foreign"];
        let is_it = |part: &&Vec<Token>| {
            part.first()
                .is_some_and(|first| !self.is(first, &heads) && *name == first.form.as_str())
        };
        self.parts.iter().find(is_it).map(Vec::as_slice)
    }

    /// The definition of a column, without a comment behind it.
    pub(super) fn whole(&self, name: &Name) -> Option<Range<usize>> {
        let tokens = self.column(name)?;
        Some(tokens.first()?.range.start..tokens.last()?.range.end)
    }

    /// The type of a column; where it would stand if there is none.
    pub(super) fn type_of(&self, name: &Name) -> Option<Range<usize>> {
        let (first, rest) = self.column(name)?.split_first()?;
        let words = rest
            .iter()
            .take_while(|token| !self.is(token, &BEHIND_TYPE));
        let end = words.last().map_or(first.range.end, |last| last.range.end);
        let start = rest
            .first()
            .filter(|_| end > first.range.end)
            .map_or(first.range.end, |token| token.range.start);
        Some(start..end)
    }

    /// DEFAULT of a column with its value, and the value.
    pub(super) fn default_of(&self, name: &Name) -> Option<(Range<usize>, Range<usize>)> {
        let tokens = self.column(name)?;
        let at = tokens
            .iter()
            .position(|token| self.is(token, &["default"]))?;
        let first = tokens.get(at + 1)?;
        let last = if self.is(first, &["("]) {
            let mut depth = 0_usize;
            tokens[at + 1..].iter().find(|token| {
                depth += usize::from(self.is(token, &["("]));
                depth -= usize::from(self.is(token, &[")"]));
                depth == 0
            })?
        } else if self.is(first, &["+", "-"]) {
            tokens.get(at + 2)?
        } else {
            first
        };
        let end = last.range.end;
        Some((tokens[at].range.start..end, first.range.start..end))
    }

    /// Words of a column that stand side by side, such as NOT NULL.
    pub(super) fn words_of(&self, name: &Name, words: &[&str]) -> Option<Range<usize>> {
        let mut windows = self.column(name)?.windows(words.len());
        let found = windows.find(|window| {
            let mut pairs = window.iter().zip(words);
            pairs.all(|(token, word)| self.is(token, &[*word]))
        })?;
        Some(found.first()?.range.start..found.last()?.range.end)
    }

    /// The name of the first column.
    pub(super) fn first(&self) -> Option<Name> {
        let token = self.parts.first()?.first()?;
        let text = &self.sql[token.range.clone()];
        Some(Name::new(text.trim_matches(['"', '`', '[', ']'])))
    }

    /// The place behind the last definition.
    pub(super) fn end(&self) -> Option<usize> {
        Some(self.parts.last()?.last()?.range.end)
    }

    /// `REFERENCES …` of a column with the CONSTRAINT that names it, and within that what stands behind the parent's columns.
    pub(super) fn reference_of(&self, name: &Name) -> Option<(Range<usize>, Range<usize>)> {
        let tokens = self.column(name)?;
        let at = tokens
            .iter()
            .position(|token| self.is(token, &["references"]))?;
        let named = at
            .checked_sub(2)
            .filter(|before| self.is(&tokens[*before], &["constraint"]));
        let (list, end) = self.end_of_reference(tokens, at)?;
        Some((tokens[named.unwrap_or(at)].range.start..end, list..end))
    }

    /// A name in double quotes within a CHECK.
    pub(super) fn quoted_in_check(&self, name: &str) -> Option<Range<usize>> {
        let wanted = format!("\"{}\"", name.replace('"', "\"\""));
        self.parts.iter().find_map(|part| {
            let check = part.iter().position(|token| self.is(token, &["check"]))?;
            let mut behind = part[check..].iter();
            let token = behind.find(|token| self.sql[token.range.clone()] == wanted)?;
            Some(token.range.clone())
        })
    }

    /// The bytes behind the parent and its columns, and behind all of a reference whose REFERENCES is at a place.
    fn end_of_reference(&self, tokens: &[Token], at: usize) -> Option<(usize, usize)> {
        let mut last = at + 1;
        let mut next = at + 2;
        if tokens.get(next).is_some_and(|token| self.is(token, &["("])) {
            let close = tokens[next..]
                .iter()
                .position(|token| self.is(token, &[")"]))?;
            last = next + close;
            next = last + 1;
        }
        let list = tokens.get(last)?.range.end;
        while let Some(token) = tokens.get(next) {
            let is_next = |place: usize, words: &[&str]| {
                tokens.get(place).is_some_and(|token| self.is(token, words))
            };
            let length = if self.is(token, &["on"]) {
                if is_next(next + 2, &["set", "no"]) {
                    4
                } else {
                    3
                }
            } else if self.is(token, &["match", "initially"])
                || self.is(token, &["not"]) && is_next(next + 1, &["deferrable"])
            {
                2
            } else if self.is(token, &["deferrable"]) {
                1
            } else {
                break;
            };
            next += length;
            last = next - 1;
        }
        Some((list, tokens.get(last)?.range.end))
    }

    /// The lists of a reference of the table itself: that of its own columns, and that of the parent's or the place behind the parent's name.
    pub(super) fn reference_by(&self, columns: &[Name]) -> Option<(Range<usize>, Range<usize>)> {
        self.parts.iter().find_map(|part| {
            let at = part
                .iter()
                .position(|token| self.is(token, &["references"]))?;
            part.iter()
                .position(|token| self.is(token, &["foreign"]))
                .filter(|foreign| *foreign < at)?;
            let open = part.iter().position(|token| self.is(token, &["("]))?;
            let own = part.get(open + 1..at - 1)?;
            let own: Vec<&Token> = own.iter().filter(|token| !self.is(token, &[","])).collect();
            let same = own.len() == columns.len()
                && own
                    .iter()
                    .zip(columns)
                    .all(|(token, name)| *name == token.form.as_str());
            if !same {
                return None;
            }
            let list = part[open + 1].range.start..part[at - 2].range.end;
            let parent = part.get(at + 1)?;
            let of_parent = if part.get(at + 2).is_some_and(|token| self.is(token, &["("])) {
                let close = part[at + 2..]
                    .iter()
                    .position(|token| self.is(token, &[")"]))?;
                part[at + 3].range.start..part[at + 1 + close].range.end
            } else {
                parent.range.end..parent.range.end
            };
            Some((list, of_parent))
        })
    }

    /// The names of parents behind REFERENCES that are this one.
    pub(super) fn parents(&self, name: &Name) -> Vec<Range<usize>> {
        let all = self.parts.iter().flat_map(|part| part.windows(2));
        all.filter(|pair| self.is(&pair[0], &["references"]) && *name == pair[1].form.as_str())
            .map(|pair| pair[1].range.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Definitions;
    use crate::catalog::Name;

    const SQL: &str = "CREATE TABLE \"t\" (\n  id INT PRIMARY KEY, -- the key\n  [a] VARCHAR(20, 2) CONSTRAINT r REFERENCES p (x) ON DELETE SET NULL NOT NULL,\n  bare,\n  FOREIGN KEY (id, \"a\") REFERENCES q\n) STRICT";

    #[track_caller]
    fn check(range: Option<std::ops::Range<usize>>, expected: &str) {
        assert_eq!(&SQL[range.unwrap()], expected);
    }

    #[test]
    fn each_piece_of_a_definition_is_found_in_the_text() {
        let of = Definitions::of(SQL).unwrap();
        check(of.whole(&Name::new("ID")), "id INT PRIMARY KEY");
        check(of.type_of(&Name::new("id")), "INT");
        check(of.type_of(&Name::new("a")), "VARCHAR(20, 2)");
        check(of.type_of(&Name::new("bare")), "");
        let (whole, tail) = of.reference_of(&Name::new("a")).unwrap();
        check(
            Some(whole),
            "CONSTRAINT r REFERENCES p (x) ON DELETE SET NULL",
        );
        check(Some(tail), " ON DELETE SET NULL");
        let (own, parent) = of.reference_by(&["id".into(), "a".into()]).unwrap();
        check(Some(own), "id, \"a\"");
        check(Some(parent), "");
        check(of.parents(&Name::new("q")).pop(), "q");
        assert!(SQL[..of.end().unwrap()].ends_with("REFERENCES q"));
        assert!(Definitions::of("CREATE TABLE t AS SELECT 1").is_none());
    }
}
