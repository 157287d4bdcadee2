//! What a database is made of: tables, columns, keys, references, indexes, triggers and views, as SQLite itself tells them. Never reads rows.

mod name;
mod read;
mod refresh;
mod texts;

pub use name::Name;
pub(crate) use read::read_knowing;
pub use read::{object, read};
pub use refresh::{Changed, refresh};

use std::collections::BTreeMap;
use std::sync::Arc;

/// A schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// Tables without SQLite's own (`sqlite_…`), D1's own (`_cf_…`, `d1_migrations`) and the shadow tables of virtual ones.
    pub tables: BTreeMap<Name, Table>,
    /// Triggers by name.
    pub triggers: BTreeMap<Name, Trigger>,
    /// Views by name.
    pub views: BTreeMap<Name, View>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: Name,
    /// The statement that made it, as `sqlite_schema` has it.
    pub sql: Arc<str>,
    /// Of which kind it is.
    pub kind: TableKind,
    /// Its columns in order, hidden ones of virtual tables left out.
    pub columns: Vec<Column>,
    /// The columns of the primary key, in its order; empty if there is none.
    pub primary_key: Vec<Name>,
    /// Its references to other tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// Its indexes, those of `UNIQUE` and `PRIMARY KEY` among them.
    pub indexes: Vec<Index>,
    /// Declared `STRICT`.
    pub strict: bool,
    /// Declared `WITHOUT ROWID`.
    pub without_rowid: bool,
    /// Has an `AUTOINCREMENT` key.
    pub autoincrement: bool,
}

/// Kinds of tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableKind {
    /// One that holds its own rows.
    Ordinary,
    /// A virtual table.
    Virtual {
        /// Its module, in lower case (`fts5`).
        module: String,
    },
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Name,
    /// The type as declared; empty if none is.
    pub declared_type: Arc<str>,
    /// Declared `NOT NULL` (a rowid alias cannot be NULL without it).
    pub not_null: bool,
    /// The default's expression as SQL, if there is one.
    pub default: Option<Arc<str>>,
    /// Generated, and how.
    pub generated: Option<Generated>,
}

/// How a generated column is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generated {
    /// Computed when it is read.
    Virtual,
    /// Kept in the row.
    Stored,
}

/// SQLite's type affinities (<https://sqlite.org/datatype3.html#determination_of_column_affinity>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Affinity {
    /// Text.
    Text,
    /// Numbers as they come.
    Numeric,
    /// Whole numbers where that loses nothing.
    Integer,
    /// Floating point.
    Real,
    /// As stored.
    Blob,
}

/// What happens to a child when its parent is deleted or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `NO ACTION`, which is also what stands when nothing is written.
    NoAction,
    /// `RESTRICT`.
    Restrict,
    /// `CASCADE`.
    Cascade,
    /// `SET NULL`.
    SetNull,
    /// `SET DEFAULT`.
    SetDefault,
}

/// A reference from a child table to a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The child's columns.
    pub columns: Vec<Name>,
    /// The parent table, which may be missing.
    pub parent: Name,
    /// The parent's columns; its primary key where none are written and the parent exists.
    pub parent_columns: Vec<Name>,
    /// On deletion of the parent.
    pub on_delete: Action,
    /// On a change of the parent's columns.
    pub on_update: Action,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name; `sqlite_autoindex_…` for those of constraints.
    pub name: Name,
    /// Refuses duplicates.
    pub unique: bool,
    /// Where it comes from.
    pub origin: IndexOrigin,
    /// Its key, in order.
    pub columns: Vec<IndexColumn>,
    /// The condition of a partial index, as written.
    pub condition: Option<String>,
    /// The statement that made it; none for those of constraints.
    pub sql: Option<Arc<str>>,
}

/// Where an index comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexOrigin {
    /// `CREATE INDEX`.
    Created,
    /// `UNIQUE`.
    Unique,
    /// `PRIMARY KEY`.
    PrimaryKey,
}

/// One part of an index's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexColumn {
    /// The column; none for an expression or the rowid.
    pub name: Option<Name>,
    /// Descending.
    pub descending: bool,
    /// Its collation in upper case (`BINARY`, `NOCASE`, `RTRIM`).
    pub collation: Arc<str>,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its name.
    pub name: Name,
    /// The table or view that it watches.
    pub table: Name,
    /// The statement that made it.
    pub sql: Arc<str>,
}

/// A view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: Name,
    /// The statement that made it.
    pub sql: Arc<str>,
}

impl Table {
    /// A column by name.
    #[must_use]
    pub fn column(&self, name: &Name) -> Option<&Column> {
        self.columns.iter().find(|column| &column.name == name)
    }

    /// Whether it holds its own rows.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        self.kind == TableKind::Ordinary
    }

    /// The column that is another name of the rowid: `INTEGER PRIMARY KEY`, in that spelling, and without DESC, which gives the key an index of its own.
    #[must_use]
    pub fn rowid_alias(&self) -> Option<&Column> {
        let [only] = self.primary_key.as_slice() else {
            return None;
        };
        let mut indexes = self.indexes.iter();
        let has_index = indexes.any(|index| index.origin == IndexOrigin::PrimaryKey);
        self.column(only).filter(|column| {
            !self.without_rowid
                && !has_index
                && column.declared_type.eq_ignore_ascii_case("integer")
        })
    }

    /// The names by which a statement can speak of a row's number beside that of a column: those that no column has taken.
    pub fn rowid_names(&self) -> impl Iterator<Item = &'static str> {
        let names = ["rowid", "oid", "_rowid_"].into_iter();
        names.filter(|name| !self.without_rowid && self.column(&Name::new(name)).is_none())
    }

    /// Whether a column can hold NULL. A column of the primary key can, unless the table is `STRICT`-less `WITHOUT ROWID`, or it is the rowid's alias.
    #[must_use]
    pub fn is_nullable(&self, column: &Column) -> bool {
        let in_key = self.primary_key.contains(&column.name);
        let is_alias = self
            .rowid_alias()
            .is_some_and(|alias| alias.name == column.name);
        !(column.not_null || is_alias || in_key && self.without_rowid)
    }

    /// The columns that a piece of SQL names.
    fn columns_in(&self, sql: &str) -> Vec<Name> {
        let names = self.columns.iter().map(|column| &column.name);
        names
            .filter(|name| crate::text::find_word(sql, name.as_str(), 0).is_some())
            .cloned()
            .collect()
    }

    /// The first index whose key begins with these columns, in any order of theirs, whole and by the columns' own collation.
    #[must_use]
    pub fn index_on(&self, columns: &[Name]) -> Option<&Index> {
        self.indexes.iter().find(|index| {
            index.condition.is_none()
                && index.columns.len() >= columns.len()
                && columns.iter().all(|wanted| {
                    index.columns[..columns.len()]
                        .iter()
                        .any(|part| part.name.as_ref() == Some(wanted))
                })
        })
    }

    /// The unique keys beside the primary one, those of some rows only among them; an index on an expression is none.
    pub fn unique_keys(&self) -> impl Iterator<Item = (&Index, Vec<Name>)> {
        let keys = self.indexes.iter().filter(|index| index.unique);
        keys.filter(|index| index.origin != IndexOrigin::PrimaryKey)
            .filter_map(|index| {
                let names = index.columns.iter().map(|part| part.name.clone());
                Some((index, names.collect::<Option<Vec<Name>>>()?))
            })
    }

    /// Whether rows are told apart by these columns: they are the primary key or have a whole unique index of just these.
    #[must_use]
    pub fn is_unique(&self, columns: &[Name]) -> bool {
        let same = |key: &[Name]| {
            key.len() == columns.len() && key.iter().all(|name| columns.contains(name))
        };
        same(&self.primary_key)
            || self.indexes.iter().any(|index| {
                let key: Option<Vec<Name>> =
                    index.columns.iter().map(|part| part.name.clone()).collect();
                index.unique && index.condition.is_none() && key.is_some_and(|key| same(&key))
            })
    }
}

impl Index {
    /// The columns of its key, those within its expressions too.
    #[must_use]
    pub fn key_columns(&self, table: &Table) -> Vec<Name> {
        let plain = self.columns.iter().filter_map(|part| part.name.clone());
        let plain: Vec<Name> = plain.collect();
        if plain.len() == self.columns.len() {
            return plain;
        }
        let sql = self.sql.as_deref().unwrap_or_default();
        let key = sql.split_once('(').map_or("", |(_, rest)| rest);
        let end = self.condition.as_ref();
        let end = end.and_then(|condition| key.rfind(condition.as_str()));
        table.columns_in(&key[..end.unwrap_or(key.len())])
    }

    /// The columns that the condition of a partial index names.
    #[must_use]
    pub fn condition_columns(&self, table: &Table) -> Vec<Name> {
        table.columns_in(self.condition.as_deref().unwrap_or_default())
    }
}

impl Column {
    /// Its affinity.
    #[must_use]
    pub fn affinity(&self) -> Affinity {
        let declared = self.declared_type.to_ascii_uppercase();
        let has = |part: &str| declared.contains(part);
        if has("INT") {
            Affinity::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Affinity::Text
        } else if has("BLOB") || declared.is_empty() {
            Affinity::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Affinity::Real
        } else {
            Affinity::Numeric
        }
    }
}

impl Schema {
    /// A table by name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(&Name::new(name))
    }

    /// Every reference to a table, with the child that holds it.
    pub fn references_to<'s>(
        &'s self,
        parent: &'s Name,
    ) -> impl Iterator<Item = (&'s Table, &'s ForeignKey)> {
        self.tables.values().flat_map(move |table| {
            let keys = table.foreign_keys.iter();
            keys.filter(move |key| &key.parent == parent)
                .map(move |key| (table, key))
        })
    }
}
