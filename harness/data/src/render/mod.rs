//! Findings in the forms that people and programs read: text, JSON, SARIF, annotations, `JUnit`. Never decides what is found.

pub mod github;
pub mod json;
pub mod junit;
pub mod sarif;
pub mod sql;
pub mod text;

use crate::text::{File, char_start};

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
