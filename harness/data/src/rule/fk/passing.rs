//! FK-02 between two files: a reference that fits no key until a later file mends it. Never reports what the end of the files has as well.

use super::{object, parents};
use crate::catalog::Name;
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use crate::text::{FileId, Span};
use std::collections::{BTreeMap, BTreeSet};

pub(in crate::rule) fn for_a_while(subject: &Subject, findings: &mut Vec<Finding>) {
    let at_the_end: BTreeSet<String> = parents::faults(subject)
        .iter()
        .map(|(table, key, _)| object(table, key))
        .collect();
    // The last file that finds it so is the one that mends it.
    let mut found: BTreeMap<Name, (Name, FileId, &str)> = BTreeMap::new();
    for (number, rows) in subject.replay.with_rows.iter().enumerate() {
        for one in rows.iter().flat_map(|rows| &rows.mismatched) {
            if let Some((child, parent)) = mismatch(&one.reason) {
                found.insert(child, (parent, FileId(number), &one.reason));
            }
        }
    }
    for (child, (parent, mended, reason)) in found {
        let of_child = format!("table {child}: ");
        let is_told = at_the_end
            .iter()
            .any(|object| object.starts_with(&of_child));
        let Some((maker, span)) = maker(subject, &child, mended).filter(|_| !is_told) else {
            continue;
        };
        let name = |file: FileId| subject.source.file(file).map_or("", |file| &*file.name);
        let message = format!(
            "from `{}` until `{}` a reference of `{child}` fits no key of `{parent}`: every INSERT into `{child}` with a value there and every DELETE from `{parent}` fails ({})",
            name(maker),
            name(mended),
            reason
        );
        findings.push(
                Finding::new("FK-02", Level::Error, format!("table {child}: {parent}"), message)
                    .at(Some(span), "refers to what is not unique")
                    .related(subject.site(ObjectKind::Table, &parent), "its key is another one")
                    .help("let both files be applied in one deployment, or mend the file that makes the reference if it is not applied anywhere yet"),
            );
    }
}

/// The tables of `foreign key mismatch - "child" referencing "parent"`.
fn mismatch(reason: &str) -> Option<(Name, Name)> {
    let (_, rest) = reason.split_once("foreign key mismatch - \"")?;
    let (child, rest) = rest.split_once("\" referencing \"")?;
    let (parent, _) = rest.split_once('"')?;
    Some((Name::new(child), Name::new(parent)))
}

/// The last file before this one that made a table of this name, and the statement that did.
fn maker(subject: &Subject, child: &Name, before: FileId) -> Option<(FileId, Span)> {
    let first = subject.replay.files.get(before.0)?.start;
    let steps = subject.replay.steps[..first].iter().rev();
    let mut makers = steps.filter(|step| {
        step.changes.iter().any(|change| {
            change.kind == ObjectKind::Table && change.name == *child && change.before.is_none()
        })
    });
    let span = makers.next()?.statement.span.clone();
    Some((span.file, span))
}
