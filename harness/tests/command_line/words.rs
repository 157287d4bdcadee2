//! Progress has one word for each outcome, and counts what the report counts. Never calls anything ok that did not pass.

use super::repeating::{limitless, moltproof_in};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Scenarios of a report by outcome, each counted once.
fn outcomes(report: &Value) -> BTreeMap<String, usize> {
    let criteria = report["criteria"].as_array().unwrap().iter();
    let scenarios = criteria.flat_map(|one| one["scenarios"].as_array().unwrap());
    let each: BTreeSet<(String, String, String)> = scenarios
        .map(|one| {
            (
                one["feature"].to_string(),
                one["line"].to_string(),
                one["outcome"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let mut counts = BTreeMap::new();
    for (_, _, outcome) in each.into_iter().filter(|one| one.2 != "not_selected") {
        *counts.entry(outcome).or_default() += 1;
    }
    counts
}

#[test]
fn what_is_not_verified_is_not_called_ok_and_the_last_line_counts_as_the_report_does() {
    let folder = tempfile::tempdir().unwrap();
    limitless(folder.path());
    let done = moltproof_in(folder.path())
        .args(["run", "--repeat", "1", "--id", "RL-001,SCH-001"])
        .args(["--target", "limitless target.toml", "--report", "json"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        said.contains("[target] starting variant `production`"),
        "{said}"
    );
    assert!(said.contains("] FAILED RL-001 "), "{said}");
    let bytes = std::fs::read(folder.path().join("moltproof.json")).unwrap();
    let counts = outcomes(&serde_json::from_slice(&bytes).unwrap());
    assert!(
        counts["failed"] > 0 && counts["not_verified"] > 0,
        "{counts:?}"
    );
    let words = [
        ("failed", "FAILED"),
        ("error", "error"),
        ("passed", "ok"),
        ("not_verified", "not verified"),
        ("not_applicable", "not applicable"),
    ];
    let told: Vec<String> = words
        .into_iter()
        .filter_map(|(outcome, word)| Some(format!("{} {word}", counts.get(outcome)?)))
        .collect();
    let all: usize = counts.values().sum();
    let line = format!("{all} scenarios: {}\n", told.join(", "));
    assert!(said.contains(&line), "no line `{line}` in\n{said}");
}
