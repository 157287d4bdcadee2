//! What a rule found: where, why it matters, how to mend it, and SQL that proves it. Never decides a verdict.

use crate::catalog::Name;
use crate::text::Span;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Informs.
    Info,
    /// Warns: fails with `--strict` only.
    Warning,
    /// Fails. Whatever is an error was proved on the copy, or is so by SQLite's own rules.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Id of the rule (`MIG-02`).
    pub rule: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What it is about, by kind and name (`table users`, `index idx_a`, `file 0003_x.sql`): together with the rule it is known again by this.
    pub object: String,
    /// One sentence: what happens.
    pub message: String,
    /// Where, if there is a file.
    pub at: Option<Label>,
    /// What is hit, or where it was made.
    pub related: Vec<Label>,
    /// What to do, if there is something to say beyond the message.
    pub help: Option<String>,
    /// The repair, if it is mechanical.
    pub patch: Option<Patch>,
    /// Lines of SQL that show the failure in a fresh `sqlite3` shell with `PRAGMA foreign_keys=ON`.
    pub proof: Vec<String>,
}

/// A piece of a file and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The piece.
    pub span: Span,
    /// A few words beside it; may be empty.
    pub text: String,
}

/// A mechanical repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// Other text in the place of a span: for files that were not released.
    Replace {
        /// What goes.
        span: Span,
        /// What comes.
        with: String,
    },
    /// Statements of a new migration.
    Migration {
        /// They end with a semicolon each.
        sql: String,
    },
    /// Tables that a new migration makes anew with another text, because SQLite cannot change them in place.
    Rebuild {
        /// What changes in the text of the tables: repairs of the same tables become one.
        edits: Vec<Edit>,
        /// Statements that the new tables need before their rows come back, such as indexes.
        with: Vec<String>,
        /// The definitions as they become.
        shown: String,
        /// The whole migration for this repair alone.
        sql: String,
    },
    /// A declared statement as it ought to be: the code has to be changed, and the `[data]` section with it.
    Statement {
        /// The statement.
        sql: String,
    },
}

/// Other text in the place of a piece of a table's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The table.
    pub table: Name,
    /// The bytes of its statement, as `sqlite_schema` has it.
    pub range: Range<usize>,
    /// What comes there.
    pub with: String,
    /// What the copied rows get in a column instead of what they had.
    pub value: Option<(Name, String)>,
}

impl Patch {
    /// The repair as SQL.
    #[must_use]
    pub fn sql(&self) -> &str {
        match self {
            Self::Replace { with, .. } => with,
            Self::Migration { sql } | Self::Rebuild { sql, .. } | Self::Statement { sql } => sql,
        }
    }
}

impl Finding {
    /// A finding that says nothing but what happens.
    #[must_use]
    pub fn new(
        rule: &'static str,
        level: Level,
        object: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            rule,
            level,
            object: object.into(),
            message: message.into(),
            at: None,
            related: Vec::new(),
            help: None,
            patch: None,
            proof: Vec::new(),
        }
    }

    /// With its place.
    #[must_use]
    pub fn at(mut self, span: Option<Span>, text: impl Into<String>) -> Self {
        self.at = span.map(|span| Label {
            span,
            text: text.into(),
        });
        self
    }

    /// With another place that belongs to it.
    #[must_use]
    pub fn related(mut self, span: Option<Span>, text: impl Into<String>) -> Self {
        self.related.extend(span.map(|span| Label {
            span,
            text: text.into(),
        }));
        self
    }

    /// With advice.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// With a repair.
    #[must_use]
    pub fn patch(mut self, patch: Patch) -> Self {
        self.patch = Some(patch);
        self
    }

    /// With a repair, if there is one.
    #[must_use]
    pub fn patched(mut self, patch: Option<Patch>) -> Self {
        self.patch = patch.or(self.patch);
        self
    }

    /// With lines that prove it.
    #[must_use]
    pub fn proof(mut self, lines: Vec<String>) -> Self {
        self.proof = lines;
        self
    }

    /// What a finding is known again by, whatever line it stands on: 16 hexadecimal digits of a 64-bit FNV-1a hash of rule and object.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in self.rule.bytes().chain([0]).chain(self.object.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        format!("{hash:016x}")
    }
}
