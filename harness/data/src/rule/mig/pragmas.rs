//! MIG-08, MIG-09: pragmas in migrations that do nothing on D1, or more than they should. Never judges a pragma that D1 refuses.

use super::{name_of, object_of};
use crate::engine::Deed;
use crate::finding::{Finding, Level, Patch};
use crate::replay::Step;
use crate::rule::trial;
use crate::subject::Subject;
use crate::text::FileId;

pub(super) fn foreign_keys_off(subject: &Subject, findings: &mut Vec<Finding>) {
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        let off = subject.replay.steps_of(file).find(|(_, step)| {
            pragma(step).is_some_and(|(name, value)| name == "foreign_keys" && value == Some(false))
        });
        let Some((_, step)) = off else { continue };
        let message = format!(
            "`{}` switches foreign keys off, but D1 ignores this pragma: references are still checked, and ON DELETE actions still run",
            name_of(subject, file)
        );
        findings.push(
            Finding::new("MIG-08", Level::Warning, object_of(subject, file), message)
                .at(Some(step.statement.span.clone()), "does nothing")
                .help("write the file so that it is right with foreign keys on; PRAGMA defer_foreign_keys = ON postpones their check to the end of the file, but stops no ON DELETE action")
                .patch(Patch::Replace { span: step.statement.span.clone(), with: "PRAGMA defer_foreign_keys = ON".to_owned() }),
        );
    }
}

pub(super) fn outlive_the_file(subject: &Subject, findings: &mut Vec<Finding>) {
    // A later file may switch off what an earlier one left on.
    let mut left_on: Vec<(FileId, &str, &Step)> = Vec::new();
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        for (_, step) in subject.replay.steps_of(file) {
            let Some((name, Some(value))) = pragma(step) else {
                continue;
            };
            if let Some(known) = d1_platform::pragma(&name).filter(|known| known.outlives_call) {
                left_on.retain(|(other, name, _)| *name != known.name || value && *other != file);
                if value {
                    left_on.push((file, known.name, step));
                }
            }
        }
    }
    for (file, name, step) in left_on {
        let message = format!(
            "`PRAGMA {name}` stays on after this file, for every later call on the connection{}",
            if name == "ignore_check_constraints" {
                ": the database then stores what its CHECKs forbid"
            } else {
                ""
            }
        );
        let object = format!("{}: pragma {name}", object_of(subject, file));
        findings.push(
            Finding::new("MIG-09", Level::Error, object, message)
                .at(Some(step.statement.span.clone()), "outlives the file")
                .help(format!(
                    "end the file with PRAGMA {name} = OFF, or do without it"
                ))
                .patch(Patch::Migration {
                    sql: format!("PRAGMA {name} = OFF;"),
                })
                .proof(proof(name)),
        );
    }
}

/// What a CHECK lets through meanwhile; the other pragmas show nothing in a few lines.
fn proof(name: &str) -> Vec<String> {
    if name != "ignore_check_constraints" {
        return Vec::new();
    }
    trial::answering(vec![
        "CREATE TABLE t (n INTEGER CHECK (n > 0));".to_owned(),
        format!("PRAGMA {name} = ON;"),
        "INSERT INTO t VALUES (-1);".to_owned(),
        "SELECT n FROM t;".to_owned(),
    ])
}

/// The pragma of a statement, and whether it sets it on or off; none for the value where it only asks.
fn pragma(step: &Step) -> Option<(String, Option<bool>)> {
    step.deeds.iter().find_map(|deed| {
        if let Deed::Pragma(name, value) = deed {
            let value = value.as_deref().map(|value| {
                let value = value.trim_matches(['\'', '"']).to_ascii_lowercase();
                !matches!(value.as_str(), "0" | "off" | "no" | "false")
            });
            Some((name.to_ascii_lowercase(), value))
        } else {
            None
        }
    })
}
