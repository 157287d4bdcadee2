//! TEN-04 and TEN-05 where no tenants are claimed, but a table of tenants cannot be mistaken. Never more than warns, and says nothing of a table that may be of something else.

use super::keys::{all_keys, place};
use crate::catalog::{Column, ForeignKey, Name, Table};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::{object_of_columns, trial};
use crate::subject::Subject;
use crate::words::{has_any, is_machine_made, words};
use std::collections::BTreeMap;

/// What tenants are called beside that.
const LIKELY: &[&str] = &["organization", "organisation", "org", "workspace"];

/// Groups of people to which the rows may belong.
const GROUPS: &[&str] = &[
    "household",
    "team",
    "company",
    "companie",
    "family",
    "familie",
    "agency",
    "agencie",
    "clinic",
    "club",
    "business",
    "businesse",
];

/// A table of tenants by its name and by the tables that refer to it.
struct Recognised {
    tenants: Name,
    key: Name,
    /// Whether the name says nothing else: `tenants`. An organization may be one that the rows are about.
    is_certain: bool,
    /// Whether the key is called as the tenants' own key is, so that every table may have a column of that name.
    is_plain: bool,
}

impl Recognised {
    /// None where tenants are claimed, or where no table is called like them and named by others.
    fn of(subject: &Subject) -> Option<Self> {
        if subject.claims.tenants.is_some() {
            return None;
        }
        let called = |wanted: &'static [&'static str]| {
            let tables = subject.schema().tables.values();
            let mut found =
                tables.filter(move |table| wanted.contains(&singular(&table.name).as_str()));
            found.find_map(|table| Some((table, key(subject, table)?)))
        };
        // Some give all tables of a part of the program the same first letters.
        let prefixed = || {
            let tables = subject.schema().tables.values();
            let mut found = tables.filter(|table| {
                let words = words(table.name.as_str());
                let is_it = |word: &String| matches!(word.as_str(), "tenant" | "tenants");
                words.len() == 2 && words[0].len() <= 4 && words.last().is_some_and(is_it)
            });
            found.find_map(|table| Some((table, key(subject, table)?)))
        };
        let certain = called(&["tenant"])
            .or_else(prefixed)
            .map(|found| (found, true));
        let likely = || called(LIKELY).or_else(|| called(GROUPS));
        let ((table, key), is_certain) =
            certain.or_else(|| likely().map(|found| (found, false)))?;
        Some(Self {
            tenants: table.name.clone(),
            is_plain: table.primary_key.contains(&key),
            key,
            is_certain,
        })
    }

    /// The tables whose rows name their tenant, with the column in which they do.
    fn scoped<'s>(&self, subject: &'s Subject) -> impl Iterator<Item = (&'s Table, &'s Column)> {
        let tables = subject.schema().tables.values();
        tables.filter_map(|table| {
            let refers = |key: &&ForeignKey| key.parent == self.tenants && key.columns.len() == 1;
            let mut own = table.foreign_keys.iter().filter(refers);
            let by_name = own.clone().find(|key| key.columns == [self.key.clone()]);
            // A column that came later is seldom given a reference. A name like `id` says nothing by itself.
            let is_another = |key: &ForeignKey| key.columns == [self.key.clone()];
            let is_named = || !self.is_plain && !table.foreign_keys.iter().any(is_another);
            let name = match (by_name, own.next(), own.next()) {
                (Some(_), ..) => &self.key,
                (None, Some(only), None) => &only.columns[0],
                _ if is_named() => &self.key,
                _ => return None,
            };
            let column = table.column(name)?;
            (table.name != self.tenants && table.is_ordinary()).then_some((table, column))
        })
    }

    fn level(&self, is_address: bool) -> Level {
        if self.is_certain && !is_address {
            Level::Warning
        } else {
            Level::Info
        }
    }

    fn claim(&self) -> String {
        format!(
            "tenants = \"{}\", tenant_key = \"{}\"",
            self.tenants, self.key
        )
    }
}

/// The column by which most references to a table name its rows, if it has a key of one column.
fn key(subject: &Subject, table: &Table) -> Option<Name> {
    if table.primary_key.len() != 1 || !table.is_ordinary() {
        return None;
    }
    let mut counts: BTreeMap<&Name, usize> = BTreeMap::new();
    for (child, key) in subject.children(&table.name) {
        if let [column] = key.columns.as_slice()
            && child.name != table.name
            && key.parent_columns == table.primary_key
        {
            *counts.entry(column).or_default() += 1;
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count)?;
    Some(most.0.clone())
}

/// A name in lower case and in the singular.
fn singular(name: &Name) -> String {
    let name = name.as_str().to_ascii_lowercase();
    name.strip_suffix('s').map_or(name.clone(), str::to_owned)
}

/// What one place in the world has, whoever owns it: there a key for all tenants is right.
const OF_ONE_PLACE: &[&str] = &[
    "domain",
    "domains",
    "subdomain",
    "host",
    "hostname",
    "url",
    "uri",
];

/// Where an id was given that a person has with whichever tenant: of an account there.
const ELSEWHERE: &[&str] = &[
    "google", "github", "facebook", "apple", "discord", "telegram", "twitter", "clerk", "auth0",
];

/// What an address may be made of: then it is one for all, or one within its tenant.
const OF_AN_ADDRESS: &[&str] = &["slug", "handle"];

pub(in crate::rule) fn unique_for_all(subject: &Subject, findings: &mut Vec<Finding>) {
    let Some(known) = Recognised::of(subject) else {
        return;
    };
    for (table, column) in known.scoped(subject) {
        for (index, columns) in all_keys(table) {
            let is_primary = index.is_none();
            let is_free = is_primary
                || columns.contains(&column.name)
                || columns.iter().any(|name| {
                    // The key of something within something else is a name that somebody gave it.
                    let is_given = columns.len() > 1 && has_any(name.as_str(), &["key"]);
                    let is_foreign = has_any(name.as_str(), ELSEWHERE);
                    is_machine_made(table.name.as_str(), name.as_str()) && !is_given && !is_foreign
                        || has_any(name.as_str(), OF_ONE_PLACE)
                        || table
                            .foreign_keys
                            .iter()
                            .any(|key| key.columns.contains(name))
                });
            if is_free {
                continue;
            }
            let names = trial::plain(&columns);
            let message = format!(
                "if `{}` are the tenants, as the name says, none of them can use a `{names}` that another one already has in `{}`, and each finds out that it exists",
                known.tenants, table.name
            );
            findings.push(
                Finding::new(
                    "TEN-04",
                    known.level(columns.iter().any(|name| has_any(name.as_str(), OF_AN_ADDRESS))),
                    format!("table {}: unique {names}", table.name),
                    message,
                )
                .at(
                    place(subject, table, index, &columns[0]),
                    format!("unique without `{}`", known.key),
                )
                .help(format!(
                    "make ({}, {names}) unique instead; with {} in [data] the tenants are judged whole, and unique_for_all says what is meant for all of them",
                    known.key,
                    known.claim()
                )),
            );
        }
    }
}

pub(in crate::rule) fn nullable(subject: &Subject, findings: &mut Vec<Finding>) {
    let Some(known) = Recognised::of(subject) else {
        return;
    };
    for (table, column) in known.scoped(subject) {
        if !table.is_nullable(column) {
            continue;
        }
        let message = format!(
            "`{}` accepts rows whose `{}` is NULL: if `{}` are the tenants, as the name says, such rows belong to nobody, and no deletion of a tenant removes them",
            table.name, column.name, known.tenants
        );
        findings.push(
            Finding::new(
                "TEN-05",
                known.level(false),
                format!("table {}", table.name),
                message,
            )
            .at(
                subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()),
                "may be NULL",
            )
            .help(format!(
                "add NOT NULL when the table is next rebuilt; with {} in [data] the tenants are judged whole, and global says which tables are nobody's",
                known.claim()
            )),
        );
    }
}

/// References between rows of tenants that do not hold the tenant, where tenants are certain.
pub(in crate::rule) fn not_composite(subject: &Subject, findings: &mut Vec<Finding>) {
    let Some(known) = Recognised::of(subject) else {
        return;
    };
    let scoped: BTreeMap<&Name, &Column> = known
        .scoped(subject)
        .map(|(table, column)| (&table.name, column))
        .collect();
    for (table, column) in known.scoped(subject) {
        for key in &table.foreign_keys {
            // One column may stand in two references, of which one holds the tenant as well.
            let is_held = |other: &ForeignKey| {
                other.parent == key.parent
                    && other.columns.contains(&column.name)
                    && key.columns.iter().all(|name| other.columns.contains(name))
            };
            let holds_tenant = key.columns.contains(&column.name)
                || key.parent == table.name
                || table.foreign_keys.iter().any(is_held);
            let (Some(whose), [own]) = (scoped.get(&key.parent), key.columns.as_slice()) else {
                continue;
            };
            if holds_tenant || key.parent_columns.contains(&whose.name) {
                continue;
            }
            let message = format!(
                "if `{}` are the tenants, as the name says, a row of one of them may refer to another one's row of `{}` by `{}.{own}`",
                known.tenants, key.parent, table.name
            );
            findings.push(
                Finding::new(
                    "TEN-03",
                    known.level(false),
                    object_of_columns(&table.name, &key.columns),
                    message,
                )
                .at(
                    subject.site_of(ObjectKind::Table, &table.name, own.as_str()),
                    format!("does not hold `{}`", column.name),
                )
                .related(
                    subject.site(ObjectKind::Table, &key.parent),
                    "the parent has a tenant as well",
                )
                .help(format!(
                    "refer to both columns, FOREIGN KEY ({0}, {own}) REFERENCES {1} ({0}, …), which needs UNIQUE ({0}, …) there; with {2} in [data] the tenants are judged whole",
                    column.name,
                    key.parent,
                    known.claim()
                )),
            );
        }
    }
}
