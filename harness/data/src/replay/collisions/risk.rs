//! What a statement may make equal that is not: the keys that it fills, and the columns that decide what comes into them. Never looks at a row.

use crate::catalog::{Name, Schema, Table};
use crate::engine::Deed;
use crate::replay::typed::targets;
use crate::replay::{Step, called};
use crate::text::find_word;
use crate::tree::{self, Kind, Node, Tree, Verb};

/// A key of a table.
#[derive(Clone)]
pub(super) struct Key {
    /// The index that keeps it; nothing for an INTEGER PRIMARY KEY.
    pub(super) name: Option<Name>,
    pub(super) columns: Vec<Name>,
    /// Of which rows it holds, if not of all.
    pub(super) condition: Option<String>,
    /// Whether it takes texts for the same that differ.
    pub(super) is_lax: bool,
}

/// What a statement may make equal.
pub(super) struct Risk<'s> {
    /// The table whose rows it reads.
    pub(super) table: &'s Table,
    /// The key that they come into.
    pub(super) key: Key,
    /// The columns of the table that decide what comes into the key.
    pub(super) same: Vec<Name>,
    /// Those of them that hold texts which may become equal though they are not; where one of them changes by its own value, it is not among `same`.
    pub(super) likened: Vec<Name>,
    /// The column that the statement changes by other ones.
    pub(super) filled: Option<Name>,
    /// Whether rows that agree in all of `same` can meet.
    pub(super) meets: bool,
}

/// What a step may make equal.
pub(super) fn risks<'s>(
    steps: &[(usize, &Step)],
    (place, step): (usize, &Step),
    before: &'s Schema,
    after: &Schema,
) -> Vec<Risk<'s>> {
    let is_unique = || find_word(&step.statement.sql, "unique", 0).is_some();
    let writes = |deed: &Deed| {
        matches!(deed, Deed::Insert(_, None) | Deed::Update(_, _, None))
            || matches!(deed, Deed::CreateIndex(..)) && is_unique()
    };
    if !step.deeds.iter().any(writes) {
        return Vec::new();
    }
    let Some(tree) = tree::parse(&step.statement.sql).filter(|tree| !tree.replaces) else {
        return Vec::new();
    };
    match tree.verb {
        Verb::Insert => copied(&tree, before, (steps, place), after),
        Verb::Update => changed(&tree, before, after),
        Verb::Index => computed(&tree, before, after),
        Verb::Select | Verb::Delete | Verb::Trigger | Verb::View | Verb::Table => Vec::new(),
    }
}

/// `INSERT INTO other (…) SELECT … FROM table`, the other one having a name of its own or taking the place of the table.
fn copied<'s>(
    tree: &Tree,
    before: &'s Schema,
    (steps, place): (&[(usize, &Step)], usize),
    after: &Schema,
) -> Vec<Risk<'s>> {
    let parts = || -> Option<(&Node, &Table, &Table)> {
        let select = tree.parts.iter().find(|part| part.kind == Kind::Select)?;
        let [from] = select.part(Kind::From)?.parts.as_slice() else {
            return None;
        };
        let table = called::at_the_start(steps, place, &from.text);
        let into = called::at_the_end(steps, place, tree.table.as_deref()?)?;
        let is_other = !from.text.eq_ignore_ascii_case(tree.table.as_deref()?);
        let is_plain = from.kind == Kind::Table && is_other;
        let is_alone = select.part(Kind::Select).is_none() && select.part(Kind::With).is_none();
        let (table, into) = (before.tables.get(&table)?, after.tables.get(&into)?);
        (is_plain && is_alone).then_some((select.part(Kind::Columns)?, table, into))
    };
    let Some((row, table, into)) = parts() else {
        return Vec::new();
    };
    let targets = targets(&tree.columns, into);
    if targets.len() != row.parts.len() {
        return Vec::new();
    }
    let is_rebuilt = into.name == table.name;
    let value = |name: &Name| {
        let place = targets.iter().position(|target| target == name)?;
        Some(&row.parts[place])
    };
    let risks = keys(into).into_iter().filter_map(|key| {
        let mut same: Vec<Name> = Vec::new();
        let mut likened: Vec<Name> = Vec::new();
        for name in &key.columns {
            let value = value(name)?;
            let read = read_by(table, value)?;
            if value.column().is_none() || key.is_lax {
                likened.extend(read.iter().cloned());
            }
            same.extend(read);
        }
        same.sort();
        same.dedup();
        // What a rebuild brings to columns that it copies as they are is looked at as its key.
        let is_plain = is_rebuilt && likened.is_empty();
        (!(same.is_empty() || is_plain)).then(|| Risk {
            likened: texts(table, likened),
            table,
            key,
            same,
            filled: None,
            meets: true,
        })
    });
    risks.collect()
}

/// Columns of which other rows may hold a text that is alike. Keys are numbers and tokens that nobody writes by hand.
fn texts(table: &Table, columns: Vec<Name>) -> Vec<Name> {
    let mut columns: Vec<Name> = columns
        .into_iter()
        .filter(|name| {
            let mut references = table.foreign_keys.iter();
            let is_key = table.primary_key.contains(name)
                || references.any(|key| key.columns.contains(name));
            !is_key && !table.without_rowid
        })
        .collect();
    columns.sort();
    columns.dedup();
    columns
}

/// `CREATE UNIQUE INDEX` on a column that the file adds and that is computed from others.
fn computed<'s>(tree: &Tree, before: &'s Schema, after: &Schema) -> Vec<Risk<'s>> {
    let name = tree.table.as_deref().map(Name::new);
    let tables = name.and_then(|name| Some((before.tables.get(&name)?, after.tables.get(&name)?)));
    let Some((table, later)) = tables else {
        return Vec::new();
    };
    let risks = keys(later).into_iter().filter_map(|key| {
        let is_computed = |name: &&Name| {
            let column = later
                .column(name)
                .filter(|column| column.generated.is_some());
            column.is_some() && table.column(name).is_none()
        };
        let name = key.columns.iter().find(is_computed)?;
        let others = key.columns.iter().filter(|other| *other != name);
        let mut same: Vec<Name> = others.cloned().collect();
        let is_there = same.iter().all(|name| table.column(name).is_some());
        let read = read_by(table, &expression_of(later, name)?)?;
        if read.is_empty() || !is_there {
            return None;
        }
        same.extend(read.iter().cloned());
        same.sort();
        same.dedup();
        Some(Risk {
            likened: texts(table, read),
            table,
            key,
            same,
            filled: None,
            meets: true,
        })
    });
    risks.collect()
}

/// What a column is computed by.
fn expression_of(table: &Table, column: &Name) -> Option<Node> {
    let sql = &table.sql;
    let own = find_word(sql, column.as_str(), 0)?;
    let word = find_word(sql, "as", own.end)?;
    let start = word.end + sql[word.end..].find('(')?;
    let mut depth = 0_usize;
    let length = sql[start..].find(|letter| {
        depth += usize::from(letter == '(');
        depth -= usize::from(letter == ')');
        depth == 0
    })?;
    tree::expression(&sql[start..=start + length])
}

/// `UPDATE table SET column = …`, the column being part of a key.
fn changed<'s>(tree: &Tree, before: &'s Schema, after: &Schema) -> Vec<Risk<'s>> {
    let name = tree.table.as_deref().map(Name::new);
    let tables = name.and_then(|name| Some((before.tables.get(&name)?, after.tables.get(&name)?)));
    let Some((table, later)) = tables else {
        return Vec::new();
    };
    let mut risks = Vec::new();
    for (column, value) in &tree.sets {
        let column = Name::new(column);
        for key in keys(later) {
            if key.columns.contains(&column) {
                risks.extend(set(tree, table, key, &column, value));
            }
        }
    }
    risks
}

fn set<'s>(
    tree: &Tree,
    table: &'s Table,
    key: Key,
    column: &Name,
    value: &Node,
) -> Option<Risk<'s>> {
    let mut read = read_by(table, value)?;
    let from = tree.parts.iter().find(|part| part.kind == Kind::From);
    if let Some(from) = from {
        // What the value is made of stands there.
        read.extend(read_by(table, from)?);
    }
    let others = key.columns.iter().filter(|name| *name != column);
    let mut same: Vec<Name> = others.cloned().collect();
    let is_set = |name: &Name| tree.sets.iter().any(|(set, _)| *name == set.as_str());
    let is_own = read == [column.clone()];
    let is_there = same.iter().all(|name| table.column(name).is_some());
    if read.is_empty() || !is_there || same.iter().any(is_set) {
        return None;
    }
    if is_own {
        let is_bare = value.column().is_some();
        return (!is_bare && !table.without_rowid).then_some(Risk {
            table,
            key,
            same,
            likened: read,
            filled: None,
            meets: false,
        });
    }
    read.retain(|name| name != column);
    same.extend(read.iter().cloned());
    same.sort();
    same.dedup();
    let is_bare = value.column().is_some() && from.is_none() && !key.is_lax;
    Some(Risk {
        likened: if is_bare {
            Vec::new()
        } else {
            texts(table, read)
        },
        table,
        key,
        same,
        filled: Some(column.clone()),
        meets: true,
    })
}

/// The columns of a table that decide a value; none if it is another one at each call, or cannot be told.
fn read_by(table: &Table, value: &Node) -> Option<Vec<Name>> {
    let nodes = value.all();
    let is_new = |node: &&Node| {
        node.kind == Kind::Star
            || node.kind == Kind::Call && ["random", "randomblob"].contains(&node.text.as_str())
    };
    if nodes.iter().any(is_new) {
        return None;
    }
    let mut names: Vec<Name> = nodes
        .into_iter()
        .filter(|node| matches!(node.kind, Kind::Column | Kind::Quoted))
        .map(|node| Name::new(&node.text))
        .filter(|name| table.column(name).is_some() || *name == "rowid")
        .collect();
    names.sort();
    names.dedup();
    names
        .iter()
        .all(|name| table.column(name).is_some())
        .then_some(names)
}

/// The keys over columns alone.
pub(super) fn keys(table: &Table) -> Vec<Key> {
    let alias = table.rowid_alias().map(|alias| Key {
        name: None,
        columns: vec![alias.name.clone()],
        condition: None,
        is_lax: false,
    });
    let indexes = table.indexes.iter().filter(|index| index.unique);
    let indexes = indexes.filter_map(|index| {
        let parts = index.columns.iter().map(|part| part.name.clone());
        Some(Key {
            name: Some(index.name.clone()),
            columns: parts.collect::<Option<Vec<Name>>>()?,
            condition: index.condition.clone(),
            is_lax: index
                .columns
                .iter()
                .any(|part| &*part.collation != "BINARY"),
        })
    });
    alias.into_iter().chain(indexes).collect()
}
