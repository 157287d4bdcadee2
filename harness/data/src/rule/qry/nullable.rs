//! Which column's NULL a query gives back among its values. Never takes a column for one where a condition of the query may leave NULL out.

use crate::catalog::{Column, Name, Schema, Table};
use crate::tree::{self, Kind, Node};

/// Views, WITHs and queries in FROM that lead from one to the next; whoever nests more of them is not understood.
const DEPTH_MAX: usize = 6;

/// Functions of one value that give NULL for NULL and for nothing else.
const STRICT: [&str; 6] = ["lower", "upper", "trim", "ltrim", "rtrim", "abs"];

/// A statement's own names for queries, and the schema.
pub(super) struct Scope<'s, 't> {
    pub(super) schema: &'s Schema,
    /// The queries of each WITH; the last part of each is its name.
    pub(super) named: Vec<&'t Node>,
}

/// The column that a query gives back, if it may hold NULL and nothing leaves NULL out.
pub(super) fn column<'s>(scope: &Scope<'s, '_>, query: &Node) -> Option<(&'s Table, &'s Column)> {
    if query.kind == Kind::Table {
        let table = scope.schema.table(&query.text)?;
        let [only] = table.columns.as_slice() else {
            return None;
        };
        return is_open(table, only).then_some((table, only));
    }
    arms(query).find_map(|arm| {
        let mut rows = arm.parts.iter().filter(|part| part.kind == Kind::Columns);
        let row = rows.next().filter(|_| rows.next().is_none())?;
        let [value] = row.parts.as_slice() else {
            return None;
        };
        of_value(scope, arm, value, DEPTH_MAX)
    })
}

/// A query and those that UNION joins to it.
fn arms(query: &Node) -> impl Iterator<Item = &Node> {
    let others = query.parts.iter().filter(|part| part.kind == Kind::Select);
    std::iter::once(query).chain(others)
}

fn of_value<'s>(
    scope: &Scope<'s, '_>,
    query: &Node,
    value: &Node,
    depth: usize,
) -> Option<(&'s Table, &'s Column)> {
    let from = query.part(Kind::From)?;
    let is_grouped = query.part(Kind::Group).is_some();
    if value.kind == Kind::Star {
        return sole_column(scope, from);
    }
    let name = within(value, is_grouped)?;
    let (at, source) = source(scope, from, name)?;
    if leaves_out(query, from, name) {
        return None;
    }
    match source {
        Source::Table(table) => {
            let column = table.column(&Name::new(&name.text))?;
            let is_added = at > 0 && follows_outer_join(from, at);
            (is_open(table, column) || is_added && !is_grouped).then_some((table, column))
        }
        Source::Query(inner) => arms(&inner).find_map(|arm| {
            let row = arm.part(Kind::Columns)?;
            let given = |node: &&Node| {
                node.kind == Kind::Star
                    || node
                        .column()
                        .is_some_and(|given| given.eq_ignore_ascii_case(&name.text))
            };
            let given = row.parts.iter().find(given)?;
            let next = if given.kind == Kind::Star {
                Node {
                    kind: Kind::Column,
                    text: name.text.clone(),
                    parts: Vec::new(),
                }
            } else {
                given.clone()
            };
            of_value(scope, arm, &next, depth.checked_sub(1)?)
        }),
    }
}

/// The name that decides whether a value is NULL; none if something else does.
fn within(value: &Node, is_grouped: bool) -> Option<&Node> {
    let value = value.bare();
    match (value.kind, value.parts.as_slice()) {
        (Kind::Column | Kind::Quoted, _) => Some(value),
        (Kind::Cast | Kind::Collate, [inner]) => within(inner, is_grouped),
        (Kind::Call, [inner])
            if STRICT.contains(&&*value.text)
                || is_grouped && ["min", "max"].contains(&&*value.text) =>
        {
            within(inner, is_grouped)
        }
        _ => None,
    }
}

/// Where a name comes from.
enum Source<'s> {
    Table(&'s Table),
    Query(Box<Node>),
}

/// What a name in a query means, and at which place of FROM it stands; none where that is not certain.
fn source<'s>(scope: &Scope<'s, '_>, from: &Node, name: &Node) -> Option<(usize, Source<'s>)> {
    let items = || from.parts.iter().filter(|part| part.kind != Kind::On);
    let qualifier = name.parts.first().map(|table| table.text.as_str());
    let is_called = |item: &Node| {
        let called = item.parts.first().filter(|_| item.kind == Kind::Table);
        let called = called.map_or(&*item.text, |alias| &*alias.text);
        qualifier.is_none_or(|qualifier| qualifier.eq_ignore_ascii_case(called))
    };
    if let [only] = items().collect::<Vec<_>>().as_slice() {
        if only.kind == Kind::Select {
            return Some((0, Source::Query(Box::new((*only).clone()))));
        }
        if only.kind == Kind::Table
            && is_called(only)
            && let Some(query) = query_called(scope, &only.text)
        {
            return Some((0, Source::Query(Box::new(query))));
        }
    }
    let tables = items().enumerate().filter(|(_, item)| is_called(item));
    let wanted = Name::new(&name.text);
    let mut having = tables.filter_map(|(at, item)| {
        let table = scope
            .schema
            .table(&item.text)
            .filter(|_| item.kind == Kind::Table && query_called(scope, &item.text).is_none())?;
        table.column(&wanted)?;
        Some((at, table))
    });
    let (at, table) = having.next().filter(|_| having.next().is_none())?;
    Some((at, Source::Table(table)))
}

/// The query that a WITH of the statement or a view of the schema calls so.
fn query_called(scope: &Scope<'_, '_>, name: &str) -> Option<Node> {
    let mut named = scope.named.iter().filter(|query| {
        let own = query.parts.last().filter(|own| own.kind == Kind::Table);
        own.is_some_and(|own| own.text.eq_ignore_ascii_case(name))
    });
    if let Some(query) = named.next() {
        return Some((**query).clone());
    }
    let view = scope.schema.views.get(&Name::new(name))?;
    tree::parse(&view.sql)?.parts.into_iter().next()
}

fn sole_column<'s>(scope: &Scope<'s, '_>, from: &Node) -> Option<(&'s Table, &'s Column)> {
    let [only] = from.parts.as_slice() else {
        return None;
    };
    let table = scope.schema.table(&only.text)?;
    let [column] = table.columns.as_slice() else {
        return None;
    };
    is_open(table, column).then_some((table, column))
}

/// Whether a column may be left NULL by somebody. Nobody leaves a key without a value, though SQLite would let him.
fn is_open(table: &Table, column: &Column) -> bool {
    table.is_ordinary()
        && column.generated.is_none()
        && table.is_nullable(column)
        && !table.primary_key.contains(&column.name)
}

/// Whether an outer join gives NULL in the place of this item's columns. Its condition stands behind it.
fn follows_outer_join(from: &Node, at: usize) -> bool {
    let mut items = 0;
    let behind = from.parts.iter().find(|part| {
        items += usize::from(part.kind != Kind::On);
        items > at && part.kind == Kind::On
    });
    behind.is_some_and(|on| on.text == "OUTER")
}

/// Whether a condition of the query may leave out the rows in which the column is NULL.
fn leaves_out(query: &Node, from: &Node, name: &Node) -> bool {
    let joins = from
        .parts
        .iter()
        .filter(|part| part.kind == Kind::On && part.text != "OUTER");
    let clauses = query
        .parts
        .iter()
        .filter(|part| matches!(part.kind, Kind::Where | Kind::Group));
    joins.chain(clauses).any(|clause| {
        let mut terms = clause.parts.iter();
        // A term of GROUP BY is a bare name, and keeps NULL.
        terms.any(|term| term.column().is_none() && refuses_null(term, name))
    })
}

/// Whether a condition is not true where the column is NULL, as far as one can tell; where one cannot, it is taken to be so.
fn refuses_null(term: &Node, name: &Node) -> bool {
    let term = term.bare();
    let is_null = |node: &Node| node.bare().text == "NULL" && node.bare().kind == Kind::Constant;
    match (term.kind, &*term.text, term.parts.as_slice()) {
        (Kind::Binary, "AND", parts) => parts.iter().any(|part| refuses_null(part, name)),
        (Kind::Binary, "OR", parts) => parts.iter().all(|part| refuses_null(part, name)),
        (Kind::IsNull, ..) => false,
        (Kind::Binary, "IS", [left, right]) => {
            !is_null(left) && !is_null(right) && mentions(term, name)
        }
        (Kind::Binary, "IS NOT", [left, right]) => {
            (is_null(left) || is_null(right)) && mentions(term, name)
        }
        (Kind::Unary, "NOT", [inner]) if inner.bare().kind == Kind::NotNull => false,
        _ => mentions(term, name),
    }
}

/// Whether an expression names the column, sub-queries left out.
fn mentions(node: &Node, name: &Node) -> bool {
    if node.kind == Kind::Select {
        return false;
    }
    let is_it = matches!(node.kind, Kind::Column | Kind::Quoted)
        && node.text.eq_ignore_ascii_case(&name.text)
        && match (node.parts.first(), name.parts.first()) {
            (Some(own), Some(wanted)) => own.text.eq_ignore_ascii_case(&wanted.text),
            _ => true,
        };
    is_it || node.parts.iter().any(|part| mentions(part, name))
}
