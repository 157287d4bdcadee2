//! Findings as a person reads them in a terminal: the statement, what it hits, the repair and the proof. Never decides what is shown.

use super::sql;
use crate::finding::{Finding, Label, Level, Patch};
use crate::source::Source;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level as Shown, Renderer, Snippet};
use std::fmt::Write as _;

/// Lines around an annotated one; the rest of the statement is folded.
const LINES_MAX: usize = 400;

/// Columns beside an excerpt: the numbers of lines, and the blanks around its label.
const MARGIN: usize = 9;
/// Columns of a marked piece that are shown at least.
const SPAN_MIN: usize = 12;

/// One finding, `width` columns wide, with colours that the caller may strip.
#[must_use]
pub fn finding(finding: &Finding, source: &Source, width: usize) -> String {
    let title = wrapped(&finding.message, width.saturating_sub(18).max(40));
    let title = match finding.level {
        Level::Error => Shown::ERROR.primary_title(title),
        Level::Warning => Shown::WARNING.primary_title(title),
        Level::Info => Shown::INFO.primary_title(title),
    };
    let mut group = Group::with_title(title.id(finding.rule));
    let excerpts = finding
        .at
        .iter()
        .map(|label| (label, AnnotationKind::Primary));
    let related = finding
        .related
        .iter()
        .map(|label| (label, AnnotationKind::Context));
    for (label, kind) in excerpts.chain(related) {
        if let Some(excerpt) = Excerpt::of(label, source) {
            let excerpt = excerpt.narrowed(kind, label.text.chars().count(), width);
            let mut annotation = kind.span(excerpt.span);
            if !label.text.is_empty() {
                annotation = annotation.label(label.text.as_str());
            }
            let snippet = Snippet::source(excerpt.text)
                .path(excerpt.path)
                .line_start(excerpt.line)
                .annotation(annotation);
            group = group.element(snippet);
        }
    }
    if let Some(help) = &finding.help {
        group = group.element(Shown::HELP.message(wrapped(help, width.saturating_sub(14).max(40))));
    }
    let report = [group];
    let renderer = Renderer::styled()
        .decor_style(DecorStyle::Ascii)
        .term_width(width);
    let mut text = renderer.render(&report);
    text.push('\n');
    if let Some(patch) = &finding.patch {
        let (heading, patch) = shown(patch);
        append(&mut text, heading, &[patch.to_owned()], width);
    }
    append(
        &mut text,
        "proof, for a fresh sqlite3 shell",
        &proof(finding),
        width,
    );
    text
}

/// Lines below a heading, as they can be pasted.
fn append(text: &mut String, heading: &str, lines: &[String], width: usize) {
    if lines.is_empty() {
        return;
    }
    let _infallible = writeln!(text, "   {heading}:");
    let width = width.saturating_sub(5).max(40);
    for line in lines.iter().flat_map(|line| sql::lines(line, width)) {
        let _infallible = writeln!(text, "     {line}");
    }
}

/// The proof as it can be pasted: D1 keeps foreign keys on, and the shell does not unless it is told.
fn proof(finding: &Finding) -> Vec<String> {
    let first = (!finding.proof.is_empty()).then(|| "PRAGMA foreign_keys = ON;".to_owned());
    first.into_iter().chain(finding.proof.clone()).collect()
}

/// A patch under its heading. The migration that makes a table anew is long, so only what becomes of the table is shown.
fn shown(patch: &Patch) -> (&'static str, &str) {
    match patch {
        Patch::Replace { with, .. } if with.is_empty() => ("patch", "-- nothing in its place"),
        Patch::Replace { with, .. } => ("patch", with),
        Patch::Migration { sql } => ("patch", sql),
        Patch::Rebuild { shown, .. } => (
            "patch, for which `moltproof db fix` writes the migration",
            shown,
        ),
        Patch::Statement { sql } => ("patch, for the code and the [data] section", sql),
    }
}

/// The lines of a file that a label concerns.
struct Excerpt<'s> {
    text: &'s str,
    path: String,
    /// The number of its first line, from 1.
    line: usize,
    /// The label's bytes within the text.
    span: std::ops::Range<usize>,
}

impl<'s> Excerpt<'s> {
    fn of(label: &Label, source: &'s Source) -> Option<Self> {
        let file = source.file(label.span.file)?;
        let text: &str = &file.text;
        let end = label.span.end.min(text.len());
        let start = label.span.start.min(end);
        let first = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let mut last = text[end..]
            .find('\n')
            .map_or(text.len(), |newline| end + newline);
        if let Some((cut, _)) = text[first..last].match_indices('\n').nth(LINES_MAX) {
            last = first + cut;
        }
        Some(Self {
            text: &text[first..last],
            path: file.path.display().to_string(),
            line: text[..first].matches('\n').count() + 1,
            span: start - first..end.min(last) - first,
        })
    }

    /// With a span that leaves room for its label: of what is hit the first line is enough, and of a long line its beginning.
    fn narrowed(mut self, kind: AnnotationKind, label: usize, width: usize) -> Self {
        let spanned = &self.text[self.span.clone()];
        if spanned.contains('\n') && kind == AnnotationKind::Primary {
            return self;
        }
        let line = spanned.lines().next().unwrap_or_default().trim_end();
        let before = self.text[..self.span.start]
            .lines()
            .last()
            .map_or(0, |before| before.replace('\t', "    ").chars().count());
        let room = width.saturating_sub(MARGIN + before + label).max(SPAN_MIN);
        let length = line
            .char_indices()
            .nth(room)
            .map_or(line.len(), |(cut, _)| cut);
        self.span.end = self.span.start + length;
        self
    }
}

/// A text behind a head, broken between words; further lines stand below its beginning.
#[must_use]
pub fn hanging(head: &str, text: &str, width: usize) -> String {
    let indent = head.chars().count();
    let lines = wrapped(text, width.saturating_sub(indent).max(40));
    let lines = lines.replace('\n', &format!("\n{}", " ".repeat(indent)));
    format!("{head}{lines}\n")
}

/// Breaks a text between words, so that no line is longer than the width where that is possible.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}
