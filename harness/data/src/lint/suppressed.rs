//! Findings that somebody has allowed, in a comment beside the statement or in the claims, each with a reason. Never allows without one.

use crate::finding::{Finding, Level};
use crate::subject::Subject;
use crate::text::{FileId, Suppression, suppressions};

/// Takes out what is allowed; how many findings that were. Comments without a reason, and those that allow nothing, become findings themselves.
pub(super) fn apply(subject: &Subject, findings: &mut Vec<Finding>) -> usize {
    let before = findings.len();
    let mut said = Vec::new();
    for (number, file) in subject.source.files.iter().enumerate() {
        let id = FileId(number);
        for comment in suppressions(id, file) {
            let count = findings.len();
            if comment.reason.is_empty() {
                said.push(without_reason(&comment));
                continue;
            }
            findings.retain(|finding| !allows(&comment, finding));
            if findings.len() == count {
                said.push(unused(&comment));
            }
        }
    }
    for (key, reason) in &subject.claims.accept {
        let (rule, object) = key.split_once(' ').unwrap_or((key, ""));
        if !reason.trim().is_empty() {
            findings.retain(|finding| {
                !(finding.rule.eq_ignore_ascii_case(rule)
                    && (object.is_empty() || finding.object == object))
            });
        }
    }
    let allowed = before - findings.len();
    findings.extend(said);
    allowed
}

fn allows(comment: &Suppression, finding: &Finding) -> bool {
    finding.rule == comment.rule
        && finding.at.as_ref().is_some_and(|label| {
            label.span.file == comment.statement.file
                && label.span.start >= comment.statement.start
                && label.span.start <= comment.statement.end
        })
}

fn without_reason(comment: &Suppression) -> Finding {
    let message = format!(
        "a comment that gives no reason does not allow {}",
        comment.rule
    );
    Finding::new(
        "SUP-01",
        Level::Warning,
        format!("comment for {}", comment.rule),
        message,
    )
    .at(Some(comment.at.clone()), "the reason is missing")
    .help(format!(
        "write the reason behind the id of the rule, as in `-- moltproof: allow {} the table is empty`",
        comment.rule
    ))
}

fn unused(comment: &Suppression) -> Finding {
    let message = format!(
        "this comment allows {} where it finds nothing",
        comment.rule
    );
    Finding::new(
        "SUP-02",
        Level::Warning,
        format!("comment for {}", comment.rule),
        message,
    )
    .at(Some(comment.at.clone()), "allows nothing")
    .help("take it out, or put it above the statement that it is about")
}
