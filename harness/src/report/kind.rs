//! The kinds of files that a report is rendered as, one entry for each. Never writes one.

use super::{Report, badge, ctrf, har, html, intoto, json, junit, markdown, messages, statement};
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
    /// The Common Test Report Format.
    Ctrf,
    /// Cucumber Messages.
    Messages,
    /// The exchanges as an HTTP Archive.
    Har,
    /// The conformance statement, with the digests of the other files.
    Statement,
    /// The same as an in-toto statement.
    InToto,
}

/// A report file that is already written: its name and its bytes.
pub type WrittenFile = (String, Vec<u8>);

/// What there is to say of a kind.
struct Form {
    /// As `--report` names it.
    word: &'static str,
    /// The name of its file where none is given.
    file_name: &'static str,
    /// What it is for, as `--help` has it.
    purpose: &'static str,
    render: Render,
}

enum Render {
    /// From the report alone.
    Alone(fn(&Report) -> io::Result<Vec<u8>>),
    /// With the digests of the files that are written beside it: it comes last.
    Last(fn(&Report, &[WrittenFile]) -> io::Result<Vec<u8>>),
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Json,
        Self::Junit,
        Self::Markdown,
        Self::Html,
        Self::Badge,
        Self::Ctrf,
        Self::Messages,
        Self::Har,
        Self::Statement,
        Self::InToto,
    ];

    /// The one place that knows a kind: everything else asks here.
    fn form(self) -> Form {
        let (word, file_name, purpose, render) = match self {
            Self::Json => (
                "json",
                "moltproof.json",
                "everything, for programs",
                Render::Alone(json::render),
            ),
            Self::Junit => (
                "junit",
                "moltproof.junit.xml",
                "the test views of CI systems",
                Render::Alone(junit::render),
            ),
            Self::Markdown => (
                "markdown",
                "moltproof.md",
                "a job summary or a comment",
                Render::Alone(|report| Ok(markdown::render(report).into_bytes())),
            ),
            Self::Html => (
                "html",
                "moltproof.html",
                "one page with all evidence, to hand on",
                Render::Alone(|report| Ok(html::render(report).into_bytes())),
            ),
            Self::Badge => (
                "badge",
                "moltproof.svg",
                "a small SVG for a page of the project",
                Render::Alone(|report| Ok(badge::render(report).into_bytes())),
            ),
            Self::Ctrf => (
                "ctrf",
                "moltproof.ctrf.json",
                "tools that read the Common Test Report Format",
                Render::Alone(ctrf::render),
            ),
            Self::Messages => (
                "messages",
                "moltproof.messages.ndjson",
                "Cucumber's HTML formatter and living documentation (Cucumber Messages)",
                Render::Alone(messages::render),
            ),
            Self::Har => (
                "har",
                "moltproof.har",
                "the exchanges, for the network view of a browser and for HTTP clients (HAR 1.2)",
                Render::Alone(har::render),
            ),
            Self::Statement => (
                "statement",
                "moltproof.statement.toml",
                "the conformance statement, with the digests of the other files",
                Render::Last(statement::render),
            ),
            Self::InToto => (
                "in-toto",
                "moltproof.intoto.json",
                "supply-chain policies: the same as an in-toto statement, which --sign-key signs",
                Render::Last(intoto::render),
            ),
        };
        Form {
            word,
            file_name,
            purpose,
            render,
        }
    }

    /// As `--report` names it.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.form().word
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

    /// What it is for, as `--help` has it.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        self.form().purpose
    }

    /// The name of its file where none is given.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        self.form().file_name
    }

    /// Whether it tells the digests of the other files, and so is rendered when they are.
    #[must_use]
    pub fn comes_last(self) -> bool {
        matches!(self.form().render, Render::Last(_))
    }

    /// The report in this form, without any secret; `written` are the files beside it.
    ///
    /// # Errors
    /// When it cannot be rendered.
    pub fn render(self, report: &Report, written: &[WrittenFile]) -> io::Result<Vec<u8>> {
        let bytes = match self.form().render {
            Render::Alone(render) => render(report)?,
            Render::Last(render) => render(report, written)?,
        };
        Ok(scrub::clean_report(&String::from_utf8_lossy(&bytes)).into_bytes())
    }
}
