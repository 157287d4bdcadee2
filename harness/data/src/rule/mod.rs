//! The rules of `moltproof db lint`: one module a family, one function a rule. Never runs a statement on the user's database.
//!
//! What a rule is (title, failure, repair, an example that breaks it and one that does not) stands in `harness/data/rules/*.toml`.

mod mig;
pub mod proof;

use crate::finding::Finding;
use crate::subject::Subject;

/// A rule's judge: adds what it finds.
pub type Judge = fn(&Subject, &mut Vec<Finding>);

/// Every family of rules: the id and the judge of each rule.
pub const FAMILIES: &[&[(&str, Judge)]] = &[mig::JUDGES];

/// What all rules find, in the order of the families.
#[must_use]
pub fn judge(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, judge) in FAMILIES.iter().copied().flatten() {
        judge(subject, &mut findings);
    }
    findings
}
