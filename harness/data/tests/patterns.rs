//! `migrations/patterns` is what the data contract looks like when it is kept: nothing is found in it, and everything of it can be judged. Never judges by itself.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use moltproof_data::check::{self, Outcome};
use moltproof_data::claims::Data;
use moltproof_data::subject::Subject;
use moltproof_data::{rule, source};
use std::path::PathBuf;

fn patterns() -> Subject {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../migrations/patterns");
    let claims = std::fs::read_to_string(folder.join("data.toml")).unwrap();
    let claims = Data::parse(&claims).unwrap();
    Subject::of(source::open(&folder).unwrap(), claims, 1).unwrap()
}

#[test]
fn no_rule_finds_anything_but_that_full_text_is_not_exported() {
    let mut findings = rule::judge(&patterns());
    // It holds of every database with a full-text index.
    findings.retain(|finding| finding.rule != "FTS-05");
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn every_aspect_is_judged_and_holds() {
    let subject = patterns();
    for aspect in check::aspects() {
        let outcome = (aspect.judge)(&subject);
        assert!(
            matches!(outcome, Outcome::Held { .. }),
            "{} {}: {outcome:#?}",
            aspect.criterion,
            aspect.sentence
        );
    }
}

#[test]
fn every_table_takes_rows_of_several_tenants() {
    let subject = patterns();
    let tenants = subject.tenants().unwrap();
    assert!(tenants.unfilled.is_empty(), "{:#?}", tenants.unfilled);
}
