//! What a statement does to the schema and to rows. Never looks at the statement's text: SQLite's authorizer tells it.

use rusqlite::hooks::{AuthAction, AuthContext};

/// What a statement does to the schema and to rows, as SQLite's authorizer tells it while the statement is prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Makes a table (virtual ones too).
    CreateTable(String),
    /// Removes a table (virtual ones too).
    DropTable(String),
    /// Changes a table's definition.
    AlterTable(String),
    /// Makes an index: its name and table.
    CreateIndex(String, String),
    /// Removes an index: its name and table.
    DropIndex(String, String),
    /// Makes a trigger: its name and table.
    CreateTrigger(String, String),
    /// Removes a trigger: its name and table.
    DropTrigger(String, String),
    /// Makes a view.
    CreateView(String),
    /// Removes a view.
    DropView(String),
    /// Adds rows; through a trigger, if one is named.
    Insert(String, Option<String>),
    /// Changes a column of rows; through a trigger, if one is named.
    Update(String, String, Option<String>),
    /// Removes rows; through a trigger, if one is named.
    Delete(String, Option<String>),
    /// Reads a column of a table.
    Read(String, String),
    /// Asks or sets a pragma: its name and value.
    Pragma(String, Option<String>),
    /// Calls a function.
    Function(String),
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
    pub(super) fn of(context: &AuthContext<'_>) -> Option<Self> {
        // Every change of the schema reads and writes this table, a dozen columns of it each time, which tells nobody anything.
        if let AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::Read { table_name, .. } = context.action
            && table_name == "sqlite_master"
        {
            return None;
        }
        let by = || context.accessor.map(str::to_owned);
        let own = str::to_owned;
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
            AuthAction::Insert { table_name } => Self::Insert(own(table_name), by()),
            AuthAction::Update {
                table_name,
                column_name,
            } => Self::Update(own(table_name), own(column_name), by()),
            AuthAction::Delete { table_name } => Self::Delete(own(table_name), by()),
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
