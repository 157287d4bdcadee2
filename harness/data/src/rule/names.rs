//! Which column a name in a statement means. Never guesses among several: all that it may mean are told.

use crate::catalog::{Column, Table};
use crate::subject::Subject;
use crate::tree::{Kind, Node, Tree};

/// The tables that a statement reads and writes, with the names by which its expressions call them.
pub(super) struct Names<'s> {
    tables: Vec<(&'s Table, String)>,
}

impl<'s> Names<'s> {
    /// Those of a statement, sub-queries included.
    pub(super) fn of(subject: &'s Subject, tree: &Tree) -> Self {
        let schema = subject.schema();
        let mut tables = Vec::new();
        let own = tree.table.as_deref().and_then(|name| schema.table(name));
        tables.extend(own.map(|table| (table, table.name.as_str().to_owned())));
        let nodes = tree.all();
        let from = nodes.iter().filter(|node| node.kind == Kind::From);
        for node in from.flat_map(|from| &from.parts) {
            if let Some(table) = schema
                .table(&node.text)
                .filter(|_| node.kind == Kind::Table)
            {
                let alias = node.parts.first().map_or(&node.text, |alias| &alias.text);
                tables.push((table, alias.clone()));
            }
        }
        Self { tables }
    }

    /// The columns that a name may mean.
    pub(super) fn columns(&self, node: &Node) -> Vec<(&'s Table, &'s Column)> {
        let node = node.bare();
        let Some(name) = node.column() else {
            return Vec::new();
        };
        self.called(node)
            .filter_map(|table| {
                let column = table.columns.iter().find(|column| column.name == name)?;
                Some((table, column))
            })
            .collect()
    }

    /// The tables that the name before the dot means; all of them where there is none.
    pub(super) fn called(&self, node: &Node) -> impl Iterator<Item = &'s Table> {
        let wanted = node.parts.first().map(|table| table.text.clone());
        self.tables
            .iter()
            .filter(move |(_, name)| {
                wanted
                    .as_ref()
                    .is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
            })
            .map(|(table, _)| *table)
    }
}
