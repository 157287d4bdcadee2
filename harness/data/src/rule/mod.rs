//! The rules of `moltproof db lint`: one module a family, one function a rule. Never runs a statement on the user's database.
//!
//! What a rule is (title, failure, repair, an example that breaks it and one that does not) stands in `harness/data/rules/*.toml`.

use crate::finding::Finding;
use crate::subject::Subject;

/// A rule's judge: adds what it finds.
pub type Judge = fn(&Subject, &mut Vec<Finding>);

/// Every rule that has a judge, by id.
pub const JUDGES: &[(&str, Judge)] = &[];

/// What all rules find, in the order of the files.
#[must_use]
pub fn judge(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, judge) in JUDGES {
        judge(subject, &mut findings);
    }
    findings
}
