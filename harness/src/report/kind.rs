//! The kinds of files that a report is rendered as. Never writes one.

use super::{Report, badge, html, json, junit, markdown};
use crate::scrub;
use std::io;

/// A kind of report file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything, for programs.
    Json,
    /// For the test views of CI systems.
    Junit,
    /// For a job summary or a comment.
    Markdown,
    /// One page with all evidence, to hand on.
    Html,
    /// A badge for a page of the project.
    Badge,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Json,
        Self::Junit,
        Self::Markdown,
        Self::Html,
        Self::Badge,
    ];

    /// As `--report` names it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Badge => "badge",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// All names, for a message.
    #[must_use]
    pub fn words() -> String {
        Self::ALL.map(Self::word).join(", ")
    }

    /// The name of its file where none is given.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Json => "moltproof.json",
            Self::Junit => "moltproof.junit.xml",
            Self::Markdown => "moltproof.md",
            Self::Html => "moltproof.html",
            Self::Badge => "moltproof.svg",
        }
    }

    /// The report in this form, without any secret.
    ///
    /// # Errors
    /// When it cannot be rendered.
    pub fn render(self, report: &Report) -> io::Result<Vec<u8>> {
        let bytes = match self {
            Self::Json => json::render(report)?,
            Self::Junit => junit::render(report)?,
            Self::Markdown => markdown::render(report).into_bytes(),
            Self::Html => html::render(report).into_bytes(),
            Self::Badge => badge::render(report).into_bytes(),
        };
        Ok(scrub::clean_report(&String::from_utf8_lossy(&bytes)).into_bytes())
    }
}
