//! FK-09, FK-10: references one behind the other, longer than D1 deletes through, or in a circle that no row can enter. Never reports a tree within one table.

use super::actions::delete;
use super::{all, object};
use crate::catalog::{Action, ForeignKey, Name, Table};
use crate::finding::{Finding, Level};
use crate::references::circles;
use crate::replay::ObjectKind;
use crate::rule::trial::{self, Row, Trial};
use crate::subject::Subject;
use std::collections::{BTreeMap, BTreeSet};

/// D1 nests ten triggers: a chain of eleven tables deletes, one of twelve fails.
const TABLES_MAX: usize = 11;

/// One step down a chain: the child and its reference.
type Link<'s> = (&'s Table, &'s ForeignKey);

pub(in crate::rule) fn too_long(subject: &Subject, findings: &mut Vec<Finding>) {
    let rounds = rounds(subject);
    let Some(last) = rounds.last() else { return };
    for top in last.keys() {
        let continues = subject
            .schema()
            .tables
            .get(top)
            .into_iter()
            .flat_map(|table| &table.foreign_keys)
            .any(|key| {
                key.on_delete == Action::Cascade
                    && key.parent != **top
                    && last.contains_key(&key.parent)
            });
        let Some((table, chain)) = chain(subject, &rounds, top) else {
            continue;
        };
        if continues {
            continue;
        }
        let level = if fails(subject, table, &chain) {
            Level::Error
        } else {
            Level::Warning
        };
        let names: Vec<&str> = chain.iter().map(|(child, _)| child.name.as_str()).collect();
        let message = format!(
            "deleting a row of `{}` fails on D1 once each table below it has one: the deletion goes through {} more tables ({}), and D1 nests ten",
            table.name,
            chain.len(),
            names.join(", ")
        );
        let mut finding = Finding::new("FK-09", level, format!("table {}", table.name), message)
            .at(
                subject.site(ObjectKind::Table, &table.name),
                "its deletion goes too deep",
            );
        if let Some((child, key)) = chain.last() {
            finding = finding.related(
                subject.site_of(ObjectKind::Table, &child.name, key.columns[0].as_str()),
                "it fails here",
            );
        }
        findings.push(
            finding
                .help("let a table in the middle refer to the top directly, and delete from the bottom in one batch")
                .proof(proof(table, &chain)),
        );
    }
}

/// For 1, 2, … links: the tables from which so many lead down, and the first of them.
fn rounds(subject: &Subject) -> Vec<BTreeMap<&Name, Link<'_>>> {
    let tables = &subject.schema().tables;
    let mut rounds: Vec<BTreeMap<&Name, Link<'_>>> = Vec::new();
    for _ in 0..TABLES_MAX {
        let mut round = BTreeMap::new();
        for child in tables.values() {
            let leads_on = rounds
                .last()
                .is_none_or(|shorter| shorter.contains_key(&child.name));
            if !leads_on {
                continue;
            }
            for key in &child.foreign_keys {
                let passes = match key.on_delete {
                    Action::Cascade => true,
                    Action::SetNull | Action::SetDefault => rounds.is_empty(),
                    Action::NoAction | Action::Restrict => false,
                };
                if passes && key.parent != child.name && tables.contains_key(&key.parent) {
                    round.insert(&key.parent, (child, key));
                }
            }
        }
        if round.is_empty() {
            return Vec::new();
        }
        rounds.push(round);
    }
    rounds
}

/// The chain from a table down; none if it runs in a circle.
fn chain<'s>(
    subject: &'s Subject,
    rounds: &[BTreeMap<&'s Name, Link<'s>>],
    top: &Name,
) -> Option<(&'s Table, Vec<Link<'s>>)> {
    let table = subject.schema().tables.get(top)?;
    let mut seen: BTreeSet<&Name> = BTreeSet::from([&table.name]);
    let mut chain: Vec<Link<'s>> = Vec::new();
    let mut at = &table.name;
    for round in rounds.iter().rev() {
        let link = *round.get(at)?;
        if !seen.insert(&link.0.name) {
            return None;
        }
        at = &link.0.name;
        chain.push(link);
    }
    Some((table, chain))
}

fn fails(subject: &Subject, table: &Table, chain: &[Link<'_>]) -> bool {
    let attempt = || {
        let trial = Trial::begin(subject)?;
        let mut keys: Row = Row::new();
        if let Some((_, key)) = chain.first() {
            keys = values(table, &key.parent_columns);
        }
        let top = trial.row(table, &keys)?;
        let mut above = top.clone();
        for (place, (child, key)) in chain.iter().enumerate() {
            let pairs = key.columns.iter().zip(&key.parent_columns);
            let mut row: Row = chain
                .get(place + 1)
                .map(|(_, next)| values(child, &next.parent_columns))
                .unwrap_or_default();
            row.extend(
                pairs.filter_map(|(own, other)| Some((own.clone(), above.get(other)?.clone()))),
            );
            above = trial.row(child, &row)?;
        }
        trial.run(&delete(table, &top)).err()
    };
    attempt().is_some_and(|message| is_too_deep(&message))
}

fn is_too_deep(message: &str) -> bool {
    message.contains("trigger recursion") || message.contains("nested too deep")
}

fn values(table: &Table, columns: &[Name]) -> Row {
    let value = |name: &Name| Some((name.clone(), trial::value(table.column(name)?)));
    columns.iter().filter_map(value).collect()
}

fn proof(table: &Table, chain: &[Link<'_>]) -> Vec<String> {
    let mut makes = Vec::new();
    let mut fills = Vec::new();
    let mut parent = table;
    let mut own: Option<&ForeignKey> = None;
    let mut above = Row::new();
    for place in 0..=chain.len() {
        let next = chain.get(place).map(|(_, key)| *key);
        let below: &[Name] = next.map_or(&[], |key| &key.parent_columns);
        let columns = all(&[own.map_or(&[], |key| &key.columns), below]);
        let keys: Vec<&ForeignKey> = own.into_iter().collect();
        makes.push(trial::sketch(parent, &columns, &keys, below));
        let mut row = values(parent, below);
        if let Some(key) = own {
            let pairs = key.columns.iter().zip(&key.parent_columns);
            row.extend(
                pairs.filter_map(|(own, other)| Some((own.clone(), above.get(other)?.clone()))),
            );
        }
        fills.push(trial::insert(&parent.name, &row));
        above = row;
        if let Some(&(child, key)) = chain.get(place) {
            (parent, own) = (child, Some(key));
        }
    }
    trial::failing(vec![
        ".limit trigger_depth 10".to_owned(),
        makes.join(" "),
        fills.join(" "),
        format!("DELETE FROM {};", table.name.quoted()),
    ])
}

pub(in crate::rule) fn cycle_of_not_null(subject: &Subject, findings: &mut Vec<Finding>) {
    for circle in circles(subject) {
        report_circle(subject, &circle, findings);
    }
}

fn report_circle(subject: &Subject, circle: &[&Name], findings: &mut Vec<Finding>) {
    let tables = &subject.schema().tables;
    let Some(table) = circle.iter().min().and_then(|name| tables.get(*name)) else {
        return;
    };
    let Some(key) = table
        .foreign_keys
        .iter()
        .find(|key| circle.contains(&&key.parent))
    else {
        return;
    };
    let names: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
    let message = format!(
        "no first row can be inserted into {}: each needs a row of the next one, and no column of the circle may be NULL",
        names.join(", ")
    );
    findings.push(
        Finding::new("FK-10", Level::Warning, object(table, key), message)
            .at(
                subject.site_of(ObjectKind::Table, &table.name, key.columns[0].as_str()),
                "one of the references of the circle",
            )
            .help("allow NULL in one of them, or declare it DEFERRABLE INITIALLY DEFERRED"),
    );
}
