//! Values that a condition lets one think of, column by column. Never decides which of them are right.

use super::plan::Plan;
use super::value::values;
use super::{depends, term, wish};
use crate::catalog::{Name, Schema, Table};
use crate::text::find_word;
use rusqlite::types::Value;

/// Columns, and values for each of them.
pub type Choices = Vec<(Name, Vec<Value>)>;

/// The columns that a condition names, and for each the values that it and the schema let one think of, at, beside and beyond every bound.
#[must_use]
pub fn candidates(schema: &Schema, table: &Table, condition: &str) -> Choices {
    term::expression(condition).map_or_else(Vec::new, |term| of(schema, table, &term))
}

/// The same of the conditions of a trigger on the table, whether they speak of the row as it was or as it will be.
#[must_use]
pub fn candidates_of_trigger(schema: &Schema, table: &Table, trigger: &str) -> Choices {
    let all = term::Term::Of("and".to_owned(), depends::conditions(trigger));
    of(schema, table, &all)
}

/// The same of a query, for every column of the table whose name stands in it.
#[must_use]
pub fn candidates_of_query(schema: &Schema, table: &Table, query: &str) -> Choices {
    let columns = table.columns.iter().map(|column| &column.name);
    let named = columns.filter(|name| find_word(query, name.as_str(), 0).is_some());
    let mut all: Vec<term::Term> = named
        .map(|name| term::Term::Column(None, name.clone()))
        .collect();
    all.extend(term::query(query));
    of(schema, table, &term::Term::Of("and".to_owned(), all))
}

/// The same of the condition of a `DELETE`, and texts that no pattern has in mind; and the table. None for another statement.
#[must_use]
pub fn candidates_of_deletion<'s>(schema: &'s Schema, sql: &str) -> Option<(&'s Table, Choices)> {
    let (name, condition) = depends::deletion(sql)?;
    let table = schema
        .tables
        .get(&name)
        .filter(|table| table.is_ordinary())?;
    let mut all = of(schema, table, &condition);
    for (_, values) in &mut all {
        values.extend(["", "moltproof"].map(|text| Value::Text(text.to_owned())));
    }
    Some((table, all))
}

fn of(schema: &Schema, table: &Table, term: &term::Term) -> Choices {
    let known = |name: &Name| table.column(name).is_some();
    let mut wishes = wish::Wishes::new();
    wish::collect(term, &known, &mut wishes);
    let plan = Plan::of(table, schema, schema);
    let mut named = Vec::new();
    term.visit(&mut |part| {
        if let term::Term::Column(_, name) = part
            && !named.contains(name)
        {
            named.push(name.clone());
        }
    });
    let cells = plan.cells.iter().filter(|cell| named.contains(&cell.name));
    cells
        .map(|cell| {
            let mut cell = cell.clone();
            cell.wishes
                .extend(wishes.remove(&cell.name).unwrap_or_default());
            let mut all = values(&table.name, &cell, 1);
            if !all.contains(&Value::Null) {
                all.push(Value::Null);
            }
            (cell.name, all)
        })
        .collect()
}

/// How many conditions of a table say something of a column.
#[must_use]
pub fn conditions_of(table: &Table, column: &Name) -> usize {
    let known = |name: &Name| table.column(name).is_some();
    let checks = term::checks(&table.sql);
    let named = checks.iter().filter(|check| {
        let mut wishes = wish::Wishes::new();
        wish::collect(&check.term, &known, &mut wishes);
        wishes.contains_key(column)
    });
    named.count()
}
