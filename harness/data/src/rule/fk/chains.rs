//! FK-09, FK-10: references one behind the other, longer than D1 deletes through, or in a circle that no row can enter. Never reports a tree within one table.

use super::actions::delete;
use super::{all, object};
use crate::catalog::{Action, ForeignKey, Name, Table, Trigger};
use crate::finding::{Finding, Level};
use crate::references::circles;
use crate::replay::ObjectKind;
use crate::rule::trial::{self, Row, Trial};
use crate::subject::Subject;
use crate::text::find_word;
use crate::tree::{self, Kind, Node, Verb};
use std::collections::{BTreeMap, BTreeSet};

/// D1 nests ten triggers: a chain of eleven tables deletes, one of twelve fails.
const TABLES_MAX: usize = 11;

/// One step down a chain: the child, and what takes the deletion there.
type Link<'s> = (&'s Table, Hop<'s>);

/// What takes a deletion from one table to the next one.
#[derive(Clone)]
enum Hop<'s> {
    /// A reference of the child.
    Key(&'s ForeignKey),
    /// A trigger of the table above, and the columns in which the rows of the child that it deletes agree with the deleted row.
    Trigger(&'s Trigger, Vec<(Name, Name)>),
}

impl<'s> Hop<'s> {
    /// The columns of the child that agree with those of the table above.
    fn pairs(&self) -> Vec<(Name, Name)> {
        match self {
            Self::Key(key) => {
                let columns = key.columns.iter().cloned();
                columns.zip(key.parent_columns.iter().cloned()).collect()
            }
            Self::Trigger(_, pairs) => pairs.clone(),
        }
    }

    /// The columns of the table above that others agree with.
    fn above(&self) -> Vec<Name> {
        self.pairs().into_iter().map(|(_, above)| above).collect()
    }

    fn key(&self) -> Option<&'s ForeignKey> {
        match self {
            Self::Key(key) => Some(key),
            Self::Trigger(..) => None,
        }
    }
}

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
        let has_trigger = chain.iter().any(|(_, hop)| hop.key().is_none());
        let level = match fails(subject, table, &chain) {
            Some(true) => Level::Error,
            // How many levels a trigger takes is seen, not reckoned.
            Some(false) if has_trigger => continue,
            Some(false) | None => Level::Warning,
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
        if let Some((child, hop)) = chain.last() {
            let site = match hop {
                Hop::Key(key) => {
                    subject.site_of(ObjectKind::Table, &child.name, key.columns[0].as_str())
                }
                Hop::Trigger(trigger, _) => subject.site(ObjectKind::Trigger, &trigger.name),
            };
            finding = finding.related(site, "it fails here");
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
    let triggers = subject.schema().triggers.values();
    let triggers: Vec<_> = triggers
        .flat_map(|trigger| {
            let found = goes_on(subject, trigger).into_iter();
            found.map(move |(child, pairs)| (trigger, child, pairs))
        })
        .collect();
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
                    round.insert(&key.parent, (child, Hop::Key(key)));
                }
            }
        }
        for (trigger, child, pairs) in &triggers {
            let is_an_end = pairs.is_empty();
            if is_an_end && !rounds.is_empty() {
                continue;
            }
            let leads_on = rounds
                .last()
                .is_none_or(|shorter| shorter.contains_key(&child.name));
            if leads_on && !round.contains_key(&trigger.table) {
                round.insert(
                    &trigger.table,
                    (child, Hop::Trigger(trigger, pairs.clone())),
                );
            }
        }
        if round.is_empty() {
            return Vec::new();
        }
        rounds.push(round);
    }
    rounds
}

/// The tables on which a trigger of deletions deletes rows, and the columns in which these agree with the deleted row; and those that it
/// writes otherwise, without any.
fn goes_on<'s>(subject: &'s Subject, trigger: &Trigger) -> Vec<(&'s Table, Vec<(Name, Name)>)> {
    if find_word(&trigger.sql, "delete", 0).is_none() {
        return Vec::new();
    }
    let Some(tree) = tree::parse(&trigger.sql) else {
        return Vec::new();
    };
    let is_of_deletions = tree.fires.as_ref().is_some_and(|(_, on)| on == "DELETE");
    if !tree.parts.is_empty() || !is_of_deletions {
        return Vec::new();
    }
    let tables = &subject.schema().tables;
    let found = tree.body.iter().filter_map(|statement| {
        let child = tables.get(&Name::new(statement.table.as_deref()?))?;
        if child.name == trigger.table || !child.is_ordinary() {
            return None;
        }
        if statement.verb != Verb::Delete {
            return Some((child, Vec::new()));
        }
        let condition = statement.parts.first()?.parts.first()?;
        let terms = condition.chain("AND").into_iter();
        let pairs: Option<Vec<(Name, Name)>> = terms.map(same_as_deleted).collect();
        Some((child, pairs?))
    });
    found.collect()
}

/// `column = OLD.other`, either way round.
fn same_as_deleted(term: &Node) -> Option<(Name, Name)> {
    let [left, right] = term.parts.as_slice() else {
        return None;
    };
    let is_equal = term.kind == Kind::Binary && matches!(term.text.as_str(), "=" | "IS");
    let is_old = |node: &Node| {
        let mut tables = node.parts.iter();
        tables.any(|table| table.text.eq_ignore_ascii_case("old"))
    };
    let (own, old) = if is_old(right) {
        (left, right)
    } else {
        (right, left)
    };
    let names = Some((Name::new(own.column()?), Name::new(old.column()?)));
    names.filter(|_| is_equal && is_old(old) && !is_old(own))
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
        let link = round.get(at)?.clone();
        if !seen.insert(&link.0.name) {
            return None;
        }
        let child: &'s Table = link.0;
        at = &child.name;
        chain.push(link);
    }
    Some((table, chain))
}

/// Whether the deletion fails for its depth; none if no rows could be made for it.
fn fails(subject: &Subject, table: &Table, chain: &[Link<'_>]) -> Option<bool> {
    let trial = Trial::begin(subject)?;
    let next = |place: usize| {
        chain
            .get(place)
            .map_or_else(Vec::new, |(_, hop)| hop.above())
    };
    let top = trial.row(table, &values(table, &next(0)))?;
    let mut above = top.clone();
    for (place, (child, hop)) in chain.iter().enumerate() {
        let pairs = hop.pairs();
        if pairs.is_empty() {
            // What a trigger writes needs no row that is there.
            break;
        }
        let mut row = values(child, &next(place + 1));
        let agreeing = pairs.into_iter();
        row.extend(agreeing.filter_map(|(own, other)| Some((own, above.get(&other)?.clone()))));
        above = trial.row(child, &row)?;
    }
    match trial.run(&delete(table, &top)) {
        Ok(()) => Some(false),
        Err(message) => is_too_deep(&message).then_some(true),
    }
}

fn is_too_deep(message: &str) -> bool {
    message.contains("trigger recursion") || message.contains("nested too deep")
}

fn values(table: &Table, columns: &[Name]) -> Row {
    let value = |name: &Name| Some((name.clone(), trial::value(table.column(name)?)));
    columns.iter().filter_map(value).collect()
}

fn proof(table: &Table, chain: &[Link<'_>]) -> Vec<String> {
    let keys: Option<Vec<(&Table, &ForeignKey)>> = chain
        .iter()
        .map(|(child, hop)| Some((*child, hop.key()?)))
        .collect();
    // A chain with a trigger in it needs that trigger's whole world.
    let Some(chain) = keys else {
        return Vec::new();
    };
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
