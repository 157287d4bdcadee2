//! What rules and checks judge: a source, its replay, its schema, and what it claims. Never judges.

mod statements;

pub use statements::BrokenStatement;

use crate::catalog::{self, ForeignKey, Name, Schema, Table, Trigger};
use crate::claims::Data;
use crate::engine::Engine;
use crate::progress::{Nobody, Progress};
use crate::replay::{ObjectKind, Replay};
use crate::rows::{Many, Tenancy, Tenants, fill_tenants};
use crate::source::Source;
use crate::text::{FileId, Span, find_word};
use crate::trace::Trace;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Tenants that are made: one who is deleted or attacked, one who attacks, and one whom nobody names.
pub const TENANTS: usize = 3;

/// Rows that each tenant has in each table.
const ROWS_OF_TENANT: usize = 3;

/// All that is known of a database.
#[derive(Debug)]
pub struct Subject {
    /// Where it comes from.
    pub source: Source,
    /// Its files, applied.
    pub replay: Replay,
    /// What it claims; empty where nothing is declared.
    pub claims: Data,
    /// The statements of its checks, where they are kept.
    pub trace: Trace,
    /// The rows that the tables of hot queries hold while these are judged; few of them where it is none.
    pub deep: Option<u64>,
    /// The copy with so many rows, once it is asked for.
    pub(crate) many: OnceLock<Result<ManyRows, NoRows>>,
    /// What the schema will be, if it is not the last one: rows of now have to bear what is to come.
    later: Option<Schema>,
    /// Rows of several tenants, once they are asked for.
    tenants: OnceLock<Result<Tenants, NoTenants>>,
    /// Rows of a database whose tenants are not asked for.
    rows: OnceLock<Result<Tenants, NoTenants>>,
    /// What hangs on each table, once it is asked for.
    related: OnceLock<Related>,
    /// The tables that statements make, once they are asked for.
    alone: Mutex<HashMap<String, Option<Arc<Table>>>>,
}

/// A copy with many rows, and what its tables hold.
pub(crate) type ManyRows = (Engine, Many);

/// Why there is no such copy, and the key of the manifest that would mend it, if one would.
pub(crate) type NoRows = (String, Option<String>);

/// What hangs on each table, by names in the schema.
#[derive(Debug, Default)]
struct Related {
    /// The child, and the place of its reference.
    children: BTreeMap<Name, Vec<(Name, usize)>>,
    triggers: BTreeMap<Name, Vec<Name>>,
    virtual_tables: Vec<Name>,
}

impl Related {
    fn of(schema: &Schema) -> Self {
        let mut related = Self::default();
        for table in schema.tables.values() {
            if !table.is_ordinary() {
                related.virtual_tables.push(table.name.clone());
            }
            for (place, key) in table.foreign_keys.iter().enumerate() {
                let children = related.children.entry(key.parent.clone()).or_default();
                children.push((table.name.clone(), place));
            }
        }
        for trigger in schema.triggers.values() {
            let triggers = related.triggers.entry(trigger.table.clone()).or_default();
            triggers.push(trigger.name.clone());
        }
        related
    }
}

/// Why there are no rows of several tenants: the key of the manifest that would mend it, if one would, and the reason.
pub type NoTenants = (Option<&'static str>, String);

impl Subject {
    /// The schema at the end.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.replay.schema
    }

    fn related(&self) -> &Related {
        self.related.get_or_init(|| Related::of(self.schema()))
    }

    /// The references to a table, with the children that hold them.
    pub fn children(&self, parent: &Name) -> impl Iterator<Item = (&Table, &ForeignKey)> {
        let children = self.related().children.get(parent).into_iter().flatten();
        children.filter_map(|(child, place)| {
            let child = self.schema().tables.get(child)?;
            Some((child, child.foreign_keys.get(*place)?))
        })
    }

    /// The triggers of a table.
    pub fn triggers(&self, table: &Name) -> impl Iterator<Item = &Trigger> {
        let triggers = self.related().triggers.get(table).into_iter().flatten();
        triggers.filter_map(|name| self.schema().triggers.get(name))
    }

    /// The virtual tables.
    pub fn virtual_tables(&self) -> impl Iterator<Item = &Table> {
        let names = self.related().virtual_tables.iter();
        names.filter_map(|name| self.schema().tables.get(name))
    }

    /// Applies a source and keeps what it claims.
    ///
    /// # Errors
    /// What SQLite says where the copy in memory itself cannot be used.
    pub fn of(source: Source, claims: Data, seed: u64) -> rusqlite::Result<Self> {
        Self::telling(source, claims, seed, &Nobody)
    }

    /// The same, and tells how far it is.
    ///
    /// # Errors
    /// What SQLite says where the copy in memory itself cannot be used.
    pub fn telling(
        source: Source,
        claims: Data,
        seed: u64,
        progress: &dyn Progress,
    ) -> rusqlite::Result<Self> {
        let replay = Replay::telling(&source, seed, progress)?;
        Ok(Self {
            source,
            replay,
            claims,
            trace: Trace::default(),
            deep: None,
            many: OnceLock::new(),
            later: None,
            tenants: OnceLock::new(),
            rows: OnceLock::new(),
            related: OnceLock::new(),
            alone: Mutex::default(),
        })
    }

    /// The database as it is before one of its files is applied, with the same claims.
    ///
    /// # Errors
    /// What SQLite says where the copy in memory itself cannot be used.
    pub fn before(&self, file: FileId) -> rusqlite::Result<Self> {
        let mut source = self.source.clone();
        source.files.truncate(file.0);
        Ok(Self {
            replay: Replay::without_rows(&source)?,
            source,
            claims: self.claims.clone(),
            trace: Trace::default(),
            deep: None,
            many: OnceLock::new(),
            later: Some(self.schema().clone()),
            tenants: OnceLock::new(),
            rows: OnceLock::new(),
            related: OnceLock::new(),
            alone: Mutex::default(),
        })
    }

    /// What the schema will be.
    #[must_use]
    pub fn later(&self) -> &Schema {
        self.later.as_ref().unwrap_or_else(|| self.schema())
    }

    /// Rows of several tenants, made in a copy at the first call.
    ///
    /// # Errors
    /// [`NoTenants`].
    pub fn tenants(&self) -> Result<&Tenants, &NoTenants> {
        let made = self.tenants.get_or_init(|| self.make_tenants());
        made.as_ref()
    }

    /// Rows of several tenants if tenants are declared, else rows of nobody, made in a copy at the first call.
    ///
    /// # Errors
    /// [`NoTenants`].
    pub fn rows(&self) -> Result<&Tenants, &NoTenants> {
        if self.claims.tenants.is_some() {
            return self.tenants();
        }
        let made = self.rows.get_or_init(|| self.fill(Tenancy::nobody()));
        made.as_ref()
    }

    fn make_tenants(&self) -> Result<Tenants, NoTenants> {
        let tenancy = Tenancy::of(self.schema(), &self.claims)
            .map_err(|(key, reason)| (Some(key), reason))?;
        let tenants = self.fill(tenancy)?;
        if tenants.keys.len() < TENANTS {
            let table = &tenants.tenancy.tenants;
            let mut unfilled = tenants.unfilled.iter();
            let why = unfilled.find(|unfilled| unfilled.table == *table);
            let why = why.map_or("", |unfilled| &unfilled.reason);
            return Err((
                None,
                format!("`{table}` does not take {TENANTS} tenants: {why}"),
            ));
        }
        Ok(tenants)
    }

    fn fill(&self, tenancy: Tenancy) -> Result<Tenants, NoTenants> {
        let fault =
            |error: rusqlite::Error| (None, format!("the copy in memory cannot be used: {error}"));
        let engine = self.replay.at_the_end().map_err(fault)?;
        let made = engine.ours(|connection| {
            let claims = &self.claims;
            fill_tenants(
                connection,
                (self.schema(), self.later()),
                claims,
                tenancy,
                TENANTS,
                ROWS_OF_TENANT,
            )
        });
        made.map_err(fault)
    }

    /// The table that a statement makes in a database of its own; none if it makes none there. Several rules ask for the same ones.
    pub(crate) fn alone(&self, sql: &str) -> Option<Arc<Table>> {
        let mut known = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = known.get(sql) {
            return table.clone();
        }
        let table = made_alone(sql).map(Arc::new);
        known.insert(sql.to_owned(), table.clone());
        table
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

fn made_alone(sql: &str) -> Option<Table> {
    let engine = Engine::in_memory().ok()?;
    engine.run(sql).ok()?;
    let schema = engine.ours(catalog::read).ok()?;
    schema.tables.into_values().next()
}
