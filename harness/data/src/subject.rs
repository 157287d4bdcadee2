//! What rules and checks judge: a source, its replay, its schema, and what it claims. Never judges.

use crate::catalog::{Name, Schema};
use crate::claims::Data;
use crate::replay::{ObjectKind, Replay};
use crate::source::Source;
use crate::text::{Span, Statement};

/// All that is known of a database.
#[derive(Debug)]
pub struct Subject {
    /// Where it comes from.
    pub source: Source,
    /// Its files, applied.
    pub replay: Replay,
    /// What it claims; empty where nothing is declared.
    pub claims: Data,
}

impl Subject {
    /// The schema at the end.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.replay.schema
    }

    /// The statement that made an object, or changed it last.
    #[must_use]
    pub fn site(&self, kind: ObjectKind, name: &Name) -> Option<Span> {
        self.replay.sites.get(&(kind, name.clone())).cloned()
    }

    /// The place of a word within the statement that made an object: a column's name within its table, for example.
    #[must_use]
    pub fn site_of(&self, kind: ObjectKind, name: &Name, word: &str) -> Option<Span> {
        let span = self.site(kind, name)?;
        let file = self.source.file(span.file)?;
        let statement = Statement {
            sql: file.text.get(span.range())?.into(),
            span,
        };
        Some(statement.word(word))
    }
}
