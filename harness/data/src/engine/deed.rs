//! What a statement does to the schema and to rows. Never looks at the statement's text: SQLite's authorizer tells it.

use rusqlite::hooks::{AuthAction, AuthContext};
use std::collections::HashSet;
use std::sync::Arc;

/// What a statement does to the schema and to rows, as SQLite's authorizer tells it while the statement is prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Makes a table (virtual ones too).
    CreateTable(Arc<str>),
    /// Removes a table (virtual ones too).
    DropTable(Arc<str>),
    /// Changes a table's definition.
    AlterTable(Arc<str>),
    /// Makes an index: its name and table.
    CreateIndex(Arc<str>, Arc<str>),
    /// Removes an index: its name and table.
    DropIndex(Arc<str>, Arc<str>),
    /// Makes a trigger: its name and table.
    CreateTrigger(Arc<str>, Arc<str>),
    /// Removes a trigger: its name and table.
    DropTrigger(Arc<str>, Arc<str>),
    /// Makes a view.
    CreateView(Arc<str>),
    /// Removes a view.
    DropView(Arc<str>),
    /// Adds rows; through a trigger, if one is named.
    Insert(Arc<str>, Option<Arc<str>>),
    /// Changes a column of rows; through a trigger, if one is named.
    Update(Arc<str>, Arc<str>, Option<Arc<str>>),
    /// Removes rows; through a trigger, if one is named.
    Delete(Arc<str>, Option<Arc<str>>),
    /// Reads a column of a table.
    Read(Arc<str>, Arc<str>),
    /// Asks or sets a pragma: its name and value.
    Pragma(Arc<str>, Option<Arc<str>>),
    /// Calls a function.
    Function(Arc<str>),
}

/// Names that deeds have in common: a large schema speaks of a few many thousand times.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<Arc<str>>);

impl Names {
    fn own(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let own: Arc<str> = Arc::from(name);
        self.0.insert(Arc::clone(&own));
        own
    }
}

/// What is done to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is made.
    Make,
    /// It is removed.
    Drop,
    /// Its definition is changed.
    Alter,
    /// It gets an index.
    Index,
    /// Rows are added to it.
    Insert,
    /// A column of its rows is changed.
    Update,
    /// Rows of it are removed.
    Delete,
    /// A column of its rows is read.
    Read,
}

impl Deed {
    /// The table to which something is done, and what; none where no table is concerned, or only what belongs to one.
    #[must_use]
    pub fn act(&self) -> Option<(Act, &str)> {
        match self {
            Self::CreateTable(table) => Some((Act::Make, table)),
            Self::DropTable(table) => Some((Act::Drop, table)),
            Self::AlterTable(table) => Some((Act::Alter, table)),
            Self::CreateIndex(_, table) => Some((Act::Index, table)),
            Self::Insert(table, _) => Some((Act::Insert, table)),
            Self::Update(table, ..) => Some((Act::Update, table)),
            Self::Delete(table, _) => Some((Act::Delete, table)),
            Self::Read(table, _) => Some((Act::Read, table)),
            Self::DropIndex(..)
            | Self::CreateTrigger(..)
            | Self::DropTrigger(..)
            | Self::CreateView(_)
            | Self::DropView(_)
            | Self::Pragma(..)
            | Self::Function(_) => None,
        }
    }

    /// The table, if this is what is done to it.
    #[must_use]
    pub fn table(&self, act: Act) -> Option<&str> {
        self.act()
            .filter(|(own, _)| *own == act)
            .map(|(_, table)| table)
    }

    /// The column of the table that is changed or read.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        if let Self::Update(_, column, _) | Self::Read(_, column) = self {
            Some(column)
        } else {
            None
        }
    }

    /// The trigger that writes the rows, if one does.
    #[must_use]
    pub fn trigger(&self) -> Option<&str> {
        if let Self::Insert(_, by) | Self::Update(_, _, by) | Self::Delete(_, by) = self {
            by.as_deref()
        } else {
            None
        }
    }

    /// The object that is made: its type as `sqlite_schema` has it, its name, and the table that it belongs to.
    #[must_use]
    pub fn made(&self) -> Option<(&'static str, &str, &str)> {
        if let Self::CreateTable(name) = self {
            Some(("table", name, name))
        } else if let Self::CreateIndex(name, table) = self {
            Some(("index", name, table))
        } else if let Self::CreateTrigger(name, table) = self {
            Some(("trigger", name, table))
        } else if let Self::CreateView(name) = self {
            Some(("view", name, name))
        } else {
            None
        }
    }

    /// Whether it changes `sqlite_schema` otherwise than by adding to it.
    #[must_use]
    pub fn changes_objects(&self) -> bool {
        matches!(
            self,
            Self::DropTable(_)
                | Self::AlterTable(_)
                | Self::DropIndex(..)
                | Self::DropTrigger(..)
                | Self::DropView(_)
        )
    }

    /// What the authorizer was asked for; none for what concerns neither schema nor rows.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is left over changes neither schema nor rows"
    )]
    pub(super) fn of(context: &AuthContext<'_>, names: &mut Names) -> Option<Self> {
        // Every change of the schema reads and writes this table, a dozen columns of it each time, which tells nobody anything.
        if let AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::Read { table_name, .. } = context.action
            && table_name == "sqlite_master"
        {
            return None;
        }
        let by = context.accessor.map(|name| names.own(name));
        let mut own = |name: &str| names.own(name);
        Some(match context.action {
            AuthAction::CreateTable { table_name }
            | AuthAction::CreateVtable { table_name, .. } => Self::CreateTable(own(table_name)),
            AuthAction::DropTable { table_name } | AuthAction::DropVtable { table_name, .. } => {
                Self::DropTable(own(table_name))
            }
            AuthAction::AlterTable { table_name, .. } => Self::AlterTable(own(table_name)),
            AuthAction::CreateIndex {
                index_name,
                table_name,
            } => Self::CreateIndex(own(index_name), own(table_name)),
            AuthAction::DropIndex {
                index_name,
                table_name,
            } => Self::DropIndex(own(index_name), own(table_name)),
            AuthAction::CreateTrigger {
                trigger_name,
                table_name,
            } => Self::CreateTrigger(own(trigger_name), own(table_name)),
            AuthAction::DropTrigger {
                trigger_name,
                table_name,
            } => Self::DropTrigger(own(trigger_name), own(table_name)),
            AuthAction::CreateView { view_name } => Self::CreateView(own(view_name)),
            AuthAction::DropView { view_name } => Self::DropView(own(view_name)),
            AuthAction::Insert { table_name } => Self::Insert(own(table_name), by),
            AuthAction::Update {
                table_name,
                column_name,
            } => Self::Update(own(table_name), own(column_name), by),
            AuthAction::Delete { table_name } => Self::Delete(own(table_name), by),
            AuthAction::Read {
                table_name,
                column_name,
            } => Self::Read(own(table_name), own(column_name)),
            AuthAction::Pragma {
                pragma_name,
                pragma_value,
            } => Self::Pragma(own(pragma_name), pragma_value.map(own)),
            AuthAction::Function { function_name } => Self::Function(own(function_name)),
            _ => return None,
        })
    }
}
