//! Comments that allow a finding: `-- moltproof: allow MIG-02 because the table is empty`. Never decides whether one is used.

use super::{File, FileId, Span, Statement, statements};

/// What such a comment begins with.
const MARK: &str = "-- moltproof:";

/// A comment that allows one rule on one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Id of the rule, in upper case.
    pub rule: String,
    /// Why; empty where the author gave no reason, which is a mistake of its own.
    pub reason: String,
    /// The comment.
    pub at: Span,
    /// The statement that it stands in, on the line of, or above of.
    pub statement: Span,
}

/// The suppressions of a file. A comment belongs to the statement that it stands in, else to the one that ends on its line, else to the next one.
#[must_use]
pub fn suppressions(id: FileId, file: &File) -> Vec<Suppression> {
    let mut found = Vec::new();
    // Few files have one, and the statements of a large schema would keep all of its text once more.
    if !file.text.contains(MARK) {
        return found;
    }
    let statements = statements(id, file);
    let mut start = 0;
    for line in file.text.split_inclusive('\n') {
        if let Some((before, rule, reason)) = read(line) {
            let at = Span {
                file: id,
                start: start + before,
                end: start + line.trim_end().len(),
            };
            if let Some(statement) = owner(&file.text, &statements, &at) {
                found.push(Suppression {
                    rule,
                    reason,
                    at,
                    statement,
                });
            }
        }
        start += line.len();
    }
    found
}

/// Where the comment begins in the line, its rule and its reason.
fn read(line: &str) -> Option<(usize, String, String)> {
    let before = line.find(MARK)?;
    let words = line[before + MARK.len()..].trim();
    let words = words.strip_prefix("allow")?.trim_start();
    let (rule, reason) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
    let rule = rule.trim_end_matches([',', ':']).to_ascii_uppercase();
    Some((before, rule, reason.trim().to_owned()))
}

fn owner(text: &str, statements: &[Statement], at: &Span) -> Option<Span> {
    let same_line = |statement: &&Statement| {
        statement.span.end <= at.start && !text[statement.span.end..at.start].contains('\n')
    };
    let around =
        |statement: &&Statement| statement.span.start <= at.start && at.start < statement.span.end;
    let next = |statement: &&Statement| statement.span.start >= at.end;
    statements
        .iter()
        .find(around)
        .or_else(|| statements.iter().find(same_line))
        .or_else(|| statements.iter().find(next))
        .map(|statement| statement.span.clone())
}
