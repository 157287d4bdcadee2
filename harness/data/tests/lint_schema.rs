//! `fixtures/schemas/lint.schema.json` describes what `db lint --format json` writes. Never judges single rules.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod program;

use moltproof_data::render::json::Report;
use program::run;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn checked_in() -> Value {
    let text = fs::read_to_string(root().join("fixtures/schemas/lint.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_schema_of_the_lint_report_is_up_to_date() {
    let schema = serde_json::to_value(schemars::schema_for!(Report)).unwrap();
    assert!(
        checked_in() == schema,
        "put this into fixtures/schemas/lint.schema.json, and raise `schema_version` where a field was taken out or means something else:\n{}",
        serde_json::to_string_pretty(&schema).unwrap()
    );
}

#[test]
fn a_report_with_findings_and_one_without_validate_against_the_schema() {
    let validator = jsonschema::validator_for(&checked_in()).unwrap();
    for (folder, least) in [
        ("fixtures/data/guide/migrations", 2),
        ("migrations/patterns", 0),
    ] {
        let ran = run(&root(), &["lint", folder, "--format", "json"]);
        assert_eq!(ran.code, Some(i32::from(least > 0)), "{}", ran.err);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let findings = report["findings"].as_array().unwrap();
        assert!(findings.len() >= least, "{folder}: {report:#}");
        let errors: Vec<String> = validator
            .iter_errors(&report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{folder}: {errors:#?}");
    }
}

#[test]
fn a_report_whose_finding_has_no_rule_does_not_validate() {
    let validator = jsonschema::validator_for(&checked_in()).unwrap();
    let folder = "fixtures/data/guide/migrations";
    let ran = run(&root(), &["lint", folder, "--format", "json"]);
    let mut report: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(validator.is_valid(&report));
    report["findings"][0]
        .as_object_mut()
        .unwrap()
        .remove("rule");
    assert!(!validator.is_valid(&report));
}
