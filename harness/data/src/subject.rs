//! What rules and checks judge: a source, its replay, its schema, and what it claims. Never judges.

use crate::catalog::{Name, Schema};
use crate::claims::Data;
use crate::replay::{ObjectKind, Replay};
use crate::source::Source;
use crate::text::{Span, find_word};

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

    /// Applies a source and keeps what it claims.
    ///
    /// # Errors
    /// What SQLite says where the copy in memory itself cannot be used.
    pub fn of(source: Source, claims: Data, seed: u64) -> rusqlite::Result<Self> {
        let replay = Replay::of(&source, seed)?;
        Ok(Self {
            source,
            replay,
            claims,
        })
    }

    /// The statement that made an object.
    #[must_use]
    pub fn site(&self, kind: ObjectKind, name: &Name) -> Option<Span> {
        let spans = self.replay.sites.get(&(kind, name.clone()))?;
        spans.first().cloned()
    }

    /// The place of a word within the statements that made an object or changed it, the last one first: a column's name within its table, for example.
    /// The statement that made it where the word is in none.
    #[must_use]
    pub fn site_of(&self, kind: ObjectKind, name: &Name, word: &str) -> Option<Span> {
        let spans = self.replay.sites.get(&(kind, name.clone()))?;
        let found = spans.iter().rev().find_map(|span| {
            let text = self.source.file(span.file)?.text.get(span.range())?;
            let word = find_word(text, word, 0)?;
            Some(Span {
                file: span.file,
                start: span.start + word.start,
                end: span.start + word.end,
            })
        });
        found.or_else(|| spans.first().cloned())
    }
}
