//! What a report says first, in the same words on every page: the verdict, and what makes it weaker. Never a rosier summary than the counts.

use super::text::shards;
use super::{CriterionReport, ProfileReport, Report};
use crate::counted::counted as numbered;
use crate::verdict::{Level, OutcomeKind, RunVerdict, Tally, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Something that makes the verdict weaker, or that it does not cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weakness {
    /// What it is, with its count.
    pub title: String,
    /// Each reason, with the remedy where there is one, and the criteria it concerns.
    pub reasons: Vec<(String, Vec<String>)>,
}

/// The verdict in one sentence for somebody who answers for the target; one for each profile, where it was not `core` alone.
#[must_use]
pub fn sentence(report: &Report) -> String {
    let summary = &report.summary;
    let whole = ProfileReport {
        profile: String::new(),
        verdict: summary.verdict,
        must: summary.must,
        should: summary.should,
        may: summary.may,
    };
    let each = match &report.profiles[..] {
        [] => vec![told(report, &whole)],
        some => some
            .iter()
            .map(|one| format!("Profile {}: {}", one.profile, told(report, one)))
            .collect(),
    };
    let mut text = each.join(" ");
    if report.no_verdict.is_some() {
        text.insert_str(0, "The run came to no verdict. ");
    }
    if let Some(by) = report.interrupted {
        let _infallible = write!(
            text,
            " The run was ended by {} before it was through: this report is incomplete.",
            by.words()
        );
    } else if !report.is_whole() {
        text.push_str(" Only a part of the contract was run.");
    }
    text
}

/// The verdict on one profile, or on the whole where that has no name.
fn told(report: &Report, one: &ProfileReport) -> String {
    let must = &one.must;
    let mut text = match one.verdict {
        _ if must.total == 0 => about_no_must(one),
        RunVerdict::Violates => violated(must),
        RunVerdict::Inconclusive => inconclusive(must),
        RunVerdict::Known => format!(
            "{} broken, each in a way that the baseline knows; {} verified and hold{}.",
            counted(must.known, must.total),
            must.passed,
            besides(must)
        ),
        RunVerdict::Conforms if must.passed == must.total => format!(
            "{} {} was verified and holds.",
            match must.total {
                1 => "The one MUST criterion".to_owned(),
                total => format!("Every one of the {total} MUST criteria"),
            },
            match (report.is_whole(), one.profile.is_empty()) {
                (true, true) => "of the contract",
                (true, false) => "of this profile",
                (false, _) if must.total == 1 => "that was selected",
                (false, _) => "that were selected",
            }
        ),
        RunVerdict::Conforms => format!(
            "{} of {} MUST criteria were verified and hold{}.",
            must.passed,
            must.total,
            besides(must)
        ),
    };
    let in_part = report.in_part(Level::Must, &one.profile);
    if in_part > 0 {
        let _infallible = write!(
            text,
            " {in_part} of those that hold did so in part only: not all of their scenarios ran."
        );
    }
    text
}

fn counted(count: usize, total: usize) -> String {
    if total == 1 {
        return "The one MUST criterion is".to_owned();
    }
    let verb = if count == 1 { "is" } else { "are" };
    format!("{count} of {total} MUST criteria {verb}")
}

fn about_no_must(one: &ProfileReport) -> String {
    let (should, may) = (&one.should, &one.may);
    format!(
        "This run was about no MUST criterion: {} of {} SHOULD and MAY criteria were verified and hold.",
        should.passed + may.passed,
        should.total + may.total
    )
}

fn violated(must: &Tally) -> String {
    let mut text = if must.failed > 0 {
        format!("{} broken", counted(must.failed, must.total))
    } else {
        format!("{} broken at times", counted(must.flaky, must.total))
    };
    if must.failed > 0 && must.flaky > 0 {
        let _infallible = write!(text, ", {} more at times", must.flaky);
    }
    if must.known > 0 {
        let _infallible = write!(text, ", {} more as the baseline knows", must.known);
    }
    let _infallible = write!(
        text,
        "; {} verified and hold{}.",
        must.passed,
        besides(must)
    );
    text
}

fn inconclusive(must: &Tally) -> String {
    if must.passed == 0 {
        return format!(
            "Nothing was proven: none of {} MUST criteria was verified{}.",
            must.total,
            besides(must)
        );
    }
    format!(
        "No MUST criterion is known to be broken, and not all are known to hold: {} of {} were verified{}.",
        must.passed,
        must.total,
        besides(must)
    )
}

/// The MUST criteria that neither hold nor are broken, none that is nought.
fn besides(must: &Tally) -> String {
    let mut text = String::new();
    for (count, words) in [
        (must.not_verified, "could not be verified"),
        (must.error, "ended in error"),
        (
            must.accepted,
            "kept in another form by an accepted deviation",
        ),
        (must.not_applicable, "declared not to concern this target"),
    ] {
        if count > 0 {
            let _infallible = write!(text, ", {count} {words}");
        }
    }
    text
}

impl Report {
    /// Whether every scenario of the contract was selected, and no shard is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.summary.scenarios_not_selected == 0
            && shards(self).is_none()
            && self.interrupted.is_none()
    }

    /// Criteria of this level and profile that passed, though not all of their scenarios ran; of all profiles where none is named.
    fn in_part(&self, level: Level, profile: &str) -> usize {
        let partly = |one: &&CriterionReport| {
            one.level == level
                && (profile.is_empty() || one.profile == profile)
                && one.verdict == Verdict::Passed
                && !one.reason.is_empty()
        };
        self.criteria.iter().filter(partly).count()
    }
}

/// What makes the verdict weaker, the gravest first.
#[must_use]
pub fn weaknesses(report: &Report) -> Vec<Weakness> {
    if let Some(why) = &report.no_verdict {
        return vec![plain("The run came to no verdict", why)];
    }
    let mut all = Vec::new();
    all.extend(
        report
            .incomplete()
            .map(|how| plain("Incomplete: the run was ended before it was through", how)),
    );
    let too_few = report.below_floor();
    all.extend(too_few.map(|few| plain("Too little was judged", few)));
    let mut add = |one: &str, many: &str, wanted: &dyn Fn(&CriterionReport) -> bool| {
        let reasons = by_reason(report, wanted);
        let count: usize = reasons.iter().map(|(_, ids)| ids.len()).sum();
        if count > 0 {
            let words = if count == 1 { one } else { many };
            all.push(Weakness {
                title: format!("{count} {words}"),
                reasons,
            });
        }
    };
    let mut same =
        |words: &str, wanted: &dyn Fn(&CriterionReport) -> bool| add(words, words, wanted);
    same("MUST not verified", &|one| {
        one.verdict == Verdict::NotVerified && one.level == Level::Must
    });
    same("in error: no verdict", &|one| one.verdict == Verdict::Error);
    same("flaky: broken at times", &|one| {
        one.verdict == Verdict::Flaky
    });
    same("broken, as the baseline knows", &|one| {
        one.verdict == Verdict::Known
    });
    add("accepted deviation", "accepted deviations", &|one| {
        one.verdict == Verdict::Accepted
    });
    let mut same =
        |words: &str, wanted: &dyn Fn(&CriterionReport) -> bool| add(words, words, wanted);
    same("declared not to concern this target", &|one| {
        one.verdict == Verdict::NotApplicable
    });
    same("passed in part", &|one| {
        one.verdict == Verdict::Passed && !one.reason.is_empty()
    });
    same("SHOULD or MAY not verified", &|one| {
        one.verdict == Verdict::NotVerified && one.level != Level::Must
    });
    all.extend(shards(report).map(|line| plain("Not the whole run", line)));
    all.extend(selection(report));
    all.extend(report.read_only.then(|| {
        plain(
            "Nothing was changed on the target",
            "with --read-only, what needs a tenant of its own or writes anything was not run",
        )
    }));
    all.extend(report.no_launch.then(|| {
        plain(
            "Nothing of the manifest was executed",
            "with --no-launch, what a command of the manifest starts, prepares, observes or migrates is not verified",
        )
    }));
    all.extend(generated(report));
    all.extend(build(report));
    all.extend(warnings(report));
    all
}

/// The criteria that are wanted, by their reason: a reader provides one thing and gains many.
fn by_reason(
    report: &Report,
    wanted: &dyn Fn(&CriterionReport) -> bool,
) -> Vec<(String, Vec<String>)> {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for criterion in report.criteria.iter().filter(|one| wanted(one)) {
        let ids = reasons.entry(&criterion.reason).or_default();
        ids.push(criterion.id.clone());
    }
    let mut reasons: Vec<_> = reasons
        .into_iter()
        .map(|(reason, ids)| (reason.to_owned(), ids))
        .collect();
    reasons.sort_by_key(|(_, ids)| std::cmp::Reverse(ids.len()));
    reasons
}

fn plain(title: impl Into<String>, reason: impl Into<String>) -> Weakness {
    Weakness {
        title: title.into(),
        reasons: vec![(reason.into(), Vec::new())],
    }
}

fn selection(report: &Report) -> Option<Weakness> {
    let left = report.summary.scenarios_not_selected;
    let title = if report.smoke {
        "A smoke run only: the smoke test, and one scenario of every other area"
    } else {
        "A part of the contract only"
    };
    (left > 0).then(|| {
        plain(
            title,
            format!("{} of it not selected; the whole contract runs without --smoke, --id, --tags, --profile and --shard", numbered(left, "scenario")),
        )
    })
}

/// Generated checks that were left out or told nothing; what they found breaks criteria and stands there.
fn generated(report: &Report) -> Option<Weakness> {
    if !report.is_about_a_worker() {
        return None;
    }
    if report.generated.is_empty() {
        return Some(plain(
            "No generated checks",
            "this run made the written scenarios only; `moltproof run --generate 100` looks beyond them",
        ));
    }
    let open = report.generated.iter().flat_map(|one| {
        let untold = !matches!(one.outcome, OutcomeKind::Passed | OutcomeKind::Failed);
        let why = one.reason.as_deref().filter(|_| untold);
        let why = why.map(|why| format!("{} {}: {why}", one.id, one.outcome.word()));
        let left_out = one
            .left_out
            .iter()
            .map(|what| format!("{} left out: {what}", one.id));
        why.into_iter().chain(left_out)
    });
    let reasons: Vec<_> = open.map(|reason| (reason, Vec::new())).collect();
    (!reasons.is_empty()).then(|| Weakness {
        title: "Generated checks left open".to_owned(),
        reasons,
    })
}

fn build(report: &Report) -> Option<Weakness> {
    // The embedded reference is of the same build as the harness, which every report names.
    let unknown =
        report.build.is_none() && report.named != "reference" && report.is_about_a_worker();
    unknown.then(|| {
        plain(
            "The build is not known",
            "nothing ties this report to a build of the target; `[probe]` in the manifest proves it",
        )
    })
}

fn warnings(report: &Report) -> Option<Weakness> {
    let reasons: Vec<_> = report
        .warnings
        .iter()
        .map(|warning| (warning.clone(), Vec::new()))
        .collect();
    let words = if reasons.len() == 1 {
        "warning"
    } else {
        "warnings"
    };
    (!reasons.is_empty()).then(|| Weakness {
        title: format!("{} {words}", reasons.len()),
        reasons,
    })
}
