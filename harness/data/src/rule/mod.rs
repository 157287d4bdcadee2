//! The rules of `moltproof db lint`: one module a family, one function a rule. Never runs a statement on the user's database.
//!
//! What a rule is (title, failure, repair, an example that breaks it and one that does not) stands in `harness/data/rules/*.toml`.

mod aud;
pub mod book;
mod chk;
mod credentials;
mod declared;
mod fk;
mod fts;
mod idx;
mod jsn;
mod key;
mod lim;
mod mig;
mod names;
pub mod proof;
mod qry;
pub(crate) mod repair;
mod sec;
#[cfg(test)]
mod shapes;
mod ten;
#[cfg(test)]
mod tests;
mod trg;
mod trial;
mod typ;
mod unq;

pub(crate) use mig::unreached;

use crate::catalog::{Column, Name, Table};
use crate::finding::Finding;
use crate::progress::{Nobody, Progress, Work};
use crate::subject::Subject;
use crate::words;

/// A rule's judge: adds what it finds.
pub type Judge = fn(&Subject, &mut Vec<Finding>);

/// Every family of rules: the id and the judge of each rule.
pub const FAMILIES: &[&[(&str, Judge)]] = &[
    fk::JUDGES,
    ten::JUDGES,
    key::JUDGES,
    unq::JUDGES,
    idx::JUDGES,
    typ::JUDGES,
    chk::JUDGES,
    jsn::JUDGES,
    fts::JUDGES,
    trg::JUDGES,
    aud::JUDGES,
    sec::JUDGES,
    qry::JUDGES,
    lim::JUDGES,
    mig::JUDGES,
];

/// What all rules find, in the order of the families.
#[must_use]
pub fn judge(subject: &Subject) -> Vec<Finding> {
    judge_telling(subject, &Nobody)
}

/// The same, and tells how far it is.
pub(crate) fn judge_telling(subject: &Subject, progress: &dyn Progress) -> Vec<Finding> {
    let mut findings = Vec::new();
    let judges = || FAMILIES.iter().copied().flatten();
    let all = judges().count();
    for (done, (_, judge)) in judges().enumerate() {
        progress.hear(Work::Rules, done, all);
        judge(subject, &mut findings);
    }
    progress.hear(Work::Rules, all, all);
    findings
}

/// `posts.author_id`, or `posts(tenant_id, author_id)`.
fn columns_of(table: &Name, columns: &[Name]) -> String {
    if let [only] = columns {
        format!("{table}.{only}")
    } else {
        let names: Vec<&str> = columns.iter().map(Name::as_str).collect();
        format!("{table}({})", names.join(", "))
    }
}

/// What a finding about some columns of a table is known again by: `table posts: tenant_id, author_id`.
fn object_of_columns(table: &Name, columns: &[Name]) -> String {
    let names: Vec<&str> = columns.iter().map(Name::as_str).collect();
    format!("table {table}: {}", names.join(", "))
}

/// What a finding about one column is known again by: `column posts.author_id`.
fn object_of_column(table: &Table, column: &Column) -> String {
    format!("column {}.{}", table.name, column.name)
}

/// `CREATE INDEX` for columns, by a name that is free.
fn new_index(subject: &Subject, table: &Table, columns: &[Name], is_unique: bool) -> String {
    let parts: Vec<&str> = columns.iter().map(Name::as_str).collect();
    let plain = |text: String| -> String {
        let letters = text.chars().map(|letter| {
            if letter.is_alphanumeric() {
                letter
            } else {
                '_'
            }
        });
        letters.collect()
    };
    let wanted = plain(format!("idx_{}_{}", table.name, parts.join("_")));
    let taken = |name: &str| {
        let name = Name::new(name);
        let schema = subject.schema();
        schema.tables.contains_key(&name)
            || schema.views.contains_key(&name)
            || table.indexes.iter().any(|index| index.name == name)
    };
    let numbered = (2..).map(|number| format!("{wanted}_{number}"));
    let mut names = std::iter::once(wanted.clone()).chain(numbered);
    let name = names.find(|name| !taken(name)).unwrap_or(wanted);
    format!(
        "CREATE {}INDEX {} ON {} ({});",
        if is_unique { "UNIQUE " } else { "" },
        Name::new(&name).quoted(),
        table.name.quoted(),
        trial::list(columns)
    )
}
