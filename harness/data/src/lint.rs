//! From rules to the findings that count: suppressions, levels, baselines and what a change brought. Never renders.

mod baseline;
mod suppressed;

pub use baseline::{Baseline, Entry, Unreadable};

use crate::finding::{Finding, Label, Level};
use crate::progress::Progress;
use crate::rule;
use crate::subject::Subject;
use crate::text::FileId;
use std::collections::BTreeSet;

/// What a look at a database gave.
#[derive(Debug)]
pub struct Lint {
    /// What counts, the worst first, then by place.
    pub findings: Vec<Finding>,
    /// How many findings were allowed by comments or claims.
    pub allowed: usize,
    /// How many are known by the baseline.
    pub known: usize,
    /// Entries of the baseline that know nothing that is there.
    pub stale: Vec<Entry>,
    /// Tables of which nothing is known with rows in them, and why.
    pub unfilled: Vec<String>,
    /// Files that could not be judged whole, because a statement of theirs or one before them fails.
    pub unreached: Vec<String>,
}

/// What narrows a look.
#[derive(Debug, Default)]
pub struct Narrowing {
    /// Only these rules; all of them if there is none.
    pub rules: BTreeSet<String>,
    /// Only findings in these files; all of them if it is not told.
    pub files: Option<BTreeSet<FileId>>,
    /// Findings that are known.
    pub baseline: Option<Baseline>,
}

/// Judges a database by every rule, and tells how far it is.
#[must_use]
pub fn lint(subject: &Subject, narrowing: &Narrowing, progress: &dyn Progress) -> Lint {
    let mut findings = rule::judge_telling(subject, progress);
    let allowed = suppressed::apply(subject, &mut findings);
    findings.retain(|finding| {
        let is_named = narrowing.rules.is_empty() || narrowing.rules.contains(finding.rule);
        let is_there = narrowing.files.as_ref().is_none_or(|files| {
            let mut labels = finding.at.iter().chain(&finding.related);
            labels.any(|label: &Label| files.contains(&label.span.file))
        });
        is_named && is_there
    });
    let before = findings.len();
    let stale = narrowing
        .baseline
        .as_ref()
        .map_or_else(Vec::new, |baseline| baseline.apply(&mut findings));
    let known = before - findings.len();
    findings.sort_by(|a, b| {
        b.level
            .cmp(&a.level)
            .then_with(|| place(a).cmp(&place(b)))
            .then_with(|| a.rule.cmp(b.rule))
    });
    Lint {
        findings,
        allowed,
        known,
        stale,
        unfilled: unfilled(subject),
        unreached: rule::unreached(subject),
    }
}

impl Lint {
    /// How many findings of a level count.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    }
}

fn place(finding: &Finding) -> (bool, Option<(FileId, usize)>) {
    let place = finding
        .at
        .as_ref()
        .map(|label| (label.span.file, label.span.start));
    (place.is_none(), place)
}

/// Each table that could not be filled, once, with the first reason.
fn unfilled(subject: &Subject) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let files = subject.replay.with_rows.iter().flatten();
    let unfilled = files.flat_map(|file| &file.unfilled);
    unfilled
        .filter(|unfilled| seen.insert(unfilled.table.clone()))
        .map(|unfilled| {
            format!(
                "no row could be made for `{}`: {}",
                unfilled.table, unfilled.reason
            )
        })
        .collect()
}
