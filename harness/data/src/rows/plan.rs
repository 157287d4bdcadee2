//! What has to be known of a table to make rows for it, worked out once. Never touches a database.

use super::look::{Look, look};
use super::reference::{self, Reference, references};
use super::term;
use super::value::Cell;
use super::wish::{self, Wish, Wishes};
use crate::catalog::{Affinity, Name, Schema, Table};
use rusqlite::types::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// How rows of a table are made.
#[derive(Debug)]
pub(super) struct Plan {
    /// The table.
    pub(super) name: Name,
    /// Its columns that are given values, then those that only the later schema has.
    pub(super) cells: Vec<Cell>,
    /// How many of them the table has now.
    pub(super) own: usize,
    /// The statement that inserts a row, with a parameter for each column that it has now.
    pub(super) insert: String,
    /// References that a row has to keep, the widest first.
    pub(super) references: Vec<Reference>,
    /// Columns of each `CHECK`, with its name if it has one.
    pub(super) checks: Vec<(Option<Name>, Vec<usize>)>,
    /// Columns of each unique index over expressions, by its name.
    pub(super) indexes: BTreeMap<String, Vec<usize>>,
    /// Columns that triggers look at.
    pub(super) guarded: Vec<usize>,
    /// References whose parents have to be there as soon as a row is inserted: those of the table as it is, if none may be kept later only and
    /// no trigger could make a parent.
    pub(super) immediate: Vec<usize>,
    /// The table as it will be, if that differs.
    pub(super) later: Option<Later>,
    /// The columns that refusals by a `CHECK` without a name were about, by what they say.
    pub(super) refused: Mutex<BTreeMap<String, Vec<usize>>>,
}

/// A table as it will be.
#[derive(Debug)]
pub(super) struct Later {
    /// Statements that make it and its unique indexes.
    pub(super) make: Vec<String>,
    /// The statement that inserts a row.
    pub(super) insert: String,
    /// Which cells are its parameters.
    pub(super) cells: Vec<usize>,
}

impl Plan {
    /// Works out how rows of a table are made.
    pub(super) fn of(table: &Table, schema: &Schema, later: &Schema) -> Self {
        let successor = later.tables.get(&table.name).filter(|successor| {
            successor.is_ordinary()
                && (successor.sql != table.sql || successor.indexes != table.indexes)
        });
        let tables = std::iter::once(table).chain(successor);
        let checks: Vec<Checked<'_>> = tables
            .map(|table| (table, term::checks(&table.sql)))
            .collect();
        let wishes = wishes(table, &checks, schema);
        let mut cells: Vec<Cell> = Vec::new();
        for column in given(table) {
            cells.push(cell(table, successor, column, &wishes));
        }
        let own = cells.len();
        for column in successor.into_iter().flat_map(given) {
            if table.column(&column.name).is_none() {
                cells.push(cell(successor.unwrap_or(table), None, column, &wishes));
            }
        }
        let place: BTreeMap<Name, usize> = (0..)
            .zip(&cells)
            .map(|(at, cell)| (cell.name.clone(), at))
            .collect();
        let references = references(table, successor, schema, &cells, &wishes);
        let (checks, indexes) = conditions(&checks, &place);
        Self {
            insert: insert(&table.name, cells[..own].iter().map(|cell| &cell.name)),
            checks,
            indexes,
            guarded: guarded(table, schema, &place),
            immediate: reference::immediate(table, schema, &references, &place),
            references,
            later: successor.map(|successor| later_of(successor, &place)),
            name: table.name.clone(),
            own,
            cells,
            refused: Mutex::default(),
        }
    }

    /// Lets plain texts of these columns, each behind its table, be JSON.
    pub(super) fn hold_json(&mut self, columns: &BTreeSet<(Name, Name)>) {
        if columns.is_empty() {
            return;
        }
        for cell in self.cells.iter_mut().filter(|cell| cell.look == Look::Text) {
            if columns.contains(&(self.name.clone(), cell.name.clone())) {
                cell.look = Look::JsonObject;
            }
        }
    }

    /// The places of columns by name.
    pub(super) fn places(&self, names: &[Name]) -> Vec<usize> {
        let find = |name: &Name| self.cells.iter().position(|cell| cell.name == *name);
        names.iter().filter_map(find).collect()
    }
}

/// The columns that can be given a value.
fn given(table: &Table) -> impl Iterator<Item = &crate::catalog::Column> {
    table
        .columns
        .iter()
        .filter(|column| column.generated.is_none())
}

fn insert<'n>(table: &Name, columns: impl Iterator<Item = &'n Name>) -> String {
    let columns: Vec<String> = columns.map(Name::quoted).collect();
    if columns.is_empty() {
        return format!(
            "INSERT OR ABORT INTO main.{} DEFAULT VALUES",
            table.quoted()
        );
    }
    format!(
        "INSERT OR ABORT INTO main.{} ({}) VALUES ({})",
        table.quoted(),
        columns.join(", "),
        vec!["?"; columns.len()].join(", ")
    )
}

fn later_of(table: &Table, place: &BTreeMap<Name, usize>) -> Later {
    let unique = table.indexes.iter().filter(|index| index.unique);
    let indexes = unique.filter_map(|index| index.sql.as_deref().map(str::to_owned));
    let columns: Vec<&Name> = given(table).map(|column| &column.name).collect();
    Later {
        make: std::iter::once(table.sql.to_string())
            .chain(indexes)
            .collect(),
        cells: columns
            .iter()
            .filter_map(|name| place.get(name).copied())
            .collect(),
        insert: insert(&table.name, columns.into_iter()),
    }
}

fn cell(
    table: &Table,
    successor: Option<&Table>,
    column: &crate::catalog::Column,
    wishes: &Wishes,
) -> Cell {
    let after =
        successor.and_then(|later| later.column(&column.name).map(|column| (later, column)));
    let default = column.default.clone().unwrap_or_default();
    // A text that becomes the rowid later on has to look like a number.
    let is_rowid = std::iter::once(table).chain(successor).any(|table| {
        let alias = table.rowid_alias();
        alias.is_some_and(|alias| alias.name == column.name)
    });
    let is_key = table.primary_key.contains(&column.name);
    // A key is given a value even where SQLite lets it be NULL; a column that a later file drops or renames may be wanted there.
    let is_nullable = table.is_nullable(column)
        && !is_key
        && match (successor, after) {
            (Some(_), None) => false,
            (_, Some((later, column))) => {
                later.is_nullable(column) && !later.primary_key.contains(&column.name)
            }
            (None, None) => true,
        };
    let affinity = after.map_or(column.affinity(), |(later, column_after)| {
        if later.strict {
            column_after.affinity()
        } else {
            column.affinity()
        }
    });
    Cell {
        name: column.name.clone(),
        look: if is_rowid {
            Look::Count
        } else {
            look(
                column.name.as_str(),
                &column.declared_type,
                affinity,
                &default,
            )
        },
        wishes: wishes.get(&column.name).cloned().unwrap_or_default(),
        is_nullable,
        default: literal(&default),
        is_blob: affinity == Affinity::Blob && !column.declared_type.is_empty(),
    }
}

/// A default that is a literal.
fn literal(sql: &str) -> Option<Value> {
    if sql.is_empty() {
        return None;
    }
    if let Some(value) = plain(sql) {
        return Some(value);
    }
    let term::Term::Of(_, parts) = term::expression(sql)? else {
        return None;
    };
    match parts.as_slice() {
        [term::Term::Literal(value)] => Some(value.clone()),
        _ => None,
    }
}

/// The value of a string without a quote in it, or of a few digits: most literals are one of them, and need no parser.
fn plain(text: &str) -> Option<Value> {
    let inner = text.strip_prefix('\'');
    let inner = inner.and_then(|rest| rest.strip_suffix('\''));
    if let Some(inner) = inner.filter(|inner| !inner.contains('\'')) {
        return Some(Value::Text(inner.to_owned()));
    }
    let is_number = (1..=18).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| text.parse().ok().map(Value::Integer))?
}

/// A table, or what it will be, and its `CHECK`s.
type Checked<'s> = (&'s Table, Vec<term::Check>);

/// All that conditions of the table, of its indexes and triggers, and of what it will be, tell of its columns.
fn wishes(table: &Table, checks: &[Checked<'_>], schema: &Schema) -> Wishes {
    let mut wishes = Wishes::new();
    for (table, checks) in checks {
        let known = |name: &Name| table.column(name).is_some();
        for check in checks {
            wish::collect(&check.term, &known, &mut wishes);
        }
    }
    let known = |name: &Name| table.column(name).is_some();
    let triggers = schema.triggers.values();
    for trigger in triggers.filter(|trigger| trigger.table == table.name) {
        for term in term::guard(&trigger.sql).terms {
            wish::collect(&term, &known, &mut wishes);
            looked_at(&term, &known, &mut wishes);
        }
    }
    for index in table.indexes.iter().filter(|index| index.unique) {
        if let Some(term) = index.sql.as_deref().and_then(term::index) {
            wish::collect(&term, &known, &mut wishes);
            looked_at(&term, &known, &mut wishes);
        }
    }
    through_generated(table, &mut wishes);
    wishes
}

/// Columns that something looks at, whatever it asks of them.
fn looked_at(term: &term::Term, known: &impl Fn(&Name) -> bool, wishes: &mut Wishes) {
    term.visit(&mut |term| {
        if let term::Term::Column(_, name) = term
            && known(name)
        {
            wishes.entry(name.clone()).or_default().push(Wish::Any);
        }
    });
}

/// What is asked of a generated column is asked of those that it is made of.
fn through_generated(table: &Table, wishes: &mut Wishes) {
    let generated = table
        .columns
        .iter()
        .filter(|column| column.generated.is_some());
    for column in generated {
        let Some(asked) = wishes.remove(&column.name) else {
            continue;
        };
        for other in given(table) {
            if crate::text::find_word(&table.sql, other.name.as_str(), 0).is_some() {
                let wishes = wishes.entry(other.name.clone()).or_default();
                wishes.extend(asked.iter().cloned());
            }
        }
    }
}

type Checks = Vec<(Option<Name>, Vec<usize>)>;
type Indexes = BTreeMap<String, Vec<usize>>;

/// The columns of each `CHECK`, and of each unique index that has a statement of its own.
fn conditions(of: &[Checked<'_>], place: &BTreeMap<Name, usize>) -> (Checks, Indexes) {
    let mut checks = Checks::new();
    let mut indexes = Indexes::new();
    for (table, of) in of {
        for check in of {
            let columns = columns_of(&check.term, place);
            checks.push((check.name.clone(), columns));
        }
        for index in table.indexes.iter().filter(|index| index.unique) {
            if let Some(term) = index.sql.as_deref().and_then(term::index) {
                indexes.insert(
                    index.name.as_str().to_ascii_lowercase(),
                    columns_of(&term, place),
                );
            }
        }
    }
    (checks, indexes)
}

/// The places of the columns that a term names.
pub(super) fn columns_of(term: &term::Term, place: &BTreeMap<Name, usize>) -> Vec<usize> {
    let mut places = BTreeSet::new();
    term.visit(&mut |term| {
        if let term::Term::Column(_, name) = term {
            places.extend(place.get(name).copied());
        }
    });
    places.into_iter().collect()
}

fn guarded(table: &Table, schema: &Schema, place: &BTreeMap<Name, usize>) -> Vec<usize> {
    let triggers = schema
        .triggers
        .values()
        .filter(|trigger| trigger.table == table.name);
    let places: BTreeSet<usize> = triggers
        .flat_map(|trigger| term::guard(&trigger.sql).terms)
        .flat_map(|term| columns_of(&term, place))
        .collect();
    places.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_literals_are_what_the_parser_takes_them_for() {
        let texts = [
            "0",
            "1",
            "007",
            "42",
            "999999999999999999",
            "1234567890123456789",
            "1.5",
            "-1",
            "0x10",
            "1e3",
            "",
            "''",
            "'a'",
            "'it''s'",
            "'a' || 'b'",
            "'Ä; -- x'",
            "'",
            "'''",
            "\"a\"",
            "NULL",
            "TRUE",
            "CURRENT_TIMESTAMP",
            "(1)",
            "abc",
            "1 ",
            " 'a'",
            "x'00'",
        ];
        let mut plain_ones = Vec::new();
        for text in texts {
            let Some(value) = plain(text) else { continue };
            let wanted = term::Term::Of("select".to_owned(), vec![term::Term::Literal(value)]);
            assert_eq!(term::expression(text), Some(wanted), "{text}");
            plain_ones.push(text);
        }
        assert_eq!(
            plain_ones,
            [
                "0",
                "1",
                "007",
                "42",
                "999999999999999999",
                "''",
                "'a'",
                "'Ä; -- x'"
            ]
        );
    }
}
