//! What a baseline makes of a run and a report of a baseline. Never runs a scenario.

use super::*;
use crate::contract::Planned;
use crate::run::repeat::Repeats;
use crate::run::{StepAt, unrun};
use crate::verdict::{Finding, Flaky, Severity};
use std::sync::{Arc, LazyLock};

const TODAY: &str = "2026-11-22";
const STEP: &str = "And a cache may keep the answer for 10 seconds";

/// Read once: it takes a second without optimisation.
static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::embedded().unwrap());

fn entry() -> Entry {
    Entry {
        criterion: "RL-013".to_owned(),
        feature: "features/rate_limits/caching.feature".to_owned(),
        scenario: "The health may be kept for ten seconds".to_owned(),
        row: None,
        step: STEP.to_owned(),
        expected: "Cache-Control public, max-age=10".to_owned(),
        seen: "Cache-Control no-store".to_owned(),
        reason: "the edge rewrites it until the new zone is live".to_owned(),
        owner: "platform team".to_owned(),
        link: "https://tracker.example/MW-118".to_owned(),
        expires: "2027-03-31".to_owned(),
    }
}

fn entry_with(change: impl FnOnce(&mut Entry)) -> Entry {
    let mut entry = entry();
    change(&mut entry);
    entry
}

fn finding(seen: &str) -> Finding {
    Finding {
        severity: Severity::Breach,
        expected: "Cache-Control public, max-age=10".to_owned(),
        seen: seen.to_owned(),
        only: std::collections::BTreeSet::new(),
    }
}

fn ended(outcome: Outcome) -> Ended {
    let planned: Option<Arc<Planned>> = entry().scenario(&CONTRACT).cloned();
    Ended {
        step: Some(StepAt {
            line: 12,
            text: STEP.to_owned(),
        }),
        ..unrun(planned.unwrap(), outcome)
    }
}

fn known() -> Outcome {
    Outcome::Failed(finding("Cache-Control no-store"))
}

/// The outcome that a run has with these entries, and which of them are stale.
fn applied(entries: Vec<Entry>, mut ended: Ended) -> (Outcome, BaselineReport) {
    let baseline = Baseline {
        path: PathBuf::from("known.toml"),
        entries,
    };
    let report = baseline.apply(&CONTRACT, std::slice::from_mut(&mut ended), TODAY);
    (ended.outcome, report)
}

#[test]
fn exactly_what_an_entry_names_is_known_and_stays_broken() {
    let (outcome, report) = applied(vec![entry()], ended(known()));
    let Outcome::Known(Known { reasons, finding }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(finding.seen, "Cache-Control no-store");
    let told = &reasons["RL-013"];
    for part in ["the edge", "platform team", "MW-118", "2027-03-31"] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!((report.met, report.stale.len()), (1, 0));
}

#[test]
fn anything_else_in_the_same_scenario_stays_red() {
    let other_seen = Outcome::Failed(finding("Cache-Control private"));
    assert_eq!(
        applied(vec![entry()], ended(other_seen.clone())).0,
        other_seen
    );
    for other in [
        entry_with(|entry| entry.expected = "Cache-Control public".to_owned()),
        entry_with(|entry| entry.step = "Then the answer has status 200".to_owned()),
        entry_with(|entry| entry.scenario = "No answer to a tenant may be kept".to_owned()),
        entry_with(|entry| entry.criterion = "RL-011".to_owned()),
    ] {
        assert_eq!(applied(vec![other], ended(known())).0, known());
    }
}

#[test]
fn what_is_known_for_one_criterion_is_a_finding_for_another() {
    let (outcome, _) = applied(vec![entry()], ended(known()));
    assert!(matches!(outcome.for_criterion("RL-013"), Outcome::Known(_)));
    assert_eq!(outcome.for_criterion("RL-011"), known());
}

#[test]
fn an_entry_is_unused_only_if_its_scenario_ran_and_did_not_show_it() {
    let stale = |outcome: Outcome| applied(vec![entry()], ended(outcome)).1.stale;
    for ran in [Outcome::Passed, Outcome::Failed(finding("another"))] {
        assert!(stale(ran.clone())[0].contains("unused"), "{ran:?}");
    }
    let flaky = |seen: &str| {
        Outcome::Flaky(Flaky {
            runs: 5,
            failed: 2,
            finding: finding(seen),
        })
    };
    assert_eq!(stale(flaky("another")).len(), 1);
    for untold in [
        flaky("Cache-Control no-store"),
        Outcome::NotSelected,
        Outcome::NotVerified("needs d1".to_owned()),
        Outcome::NotApplicable("declared".to_owned()),
        Outcome::Error("gone".to_owned()),
    ] {
        assert!(stale(untold.clone()).is_empty(), "{untold:?}");
    }
}

#[test]
fn all_attempts_must_show_what_is_known() {
    let repeated = |found: Vec<&str>, in_error: bool| {
        let found = found
            .into_iter()
            .map(|seen| (STEP.to_owned(), finding(seen)));
        let mut ended = ended(known());
        ended.repeats = Some(Repeats {
            found: found.collect(),
            in_error,
            ..Repeats::default()
        });
        applied(vec![entry()], ended).0
    };
    let (same, other) = ("Cache-Control no-store", "Cache-Control private");
    assert!(matches!(
        repeated(vec![same, same], false),
        Outcome::Known(_)
    ));
    assert_eq!(repeated(vec![same, other], false), known());
    assert_eq!(repeated(vec![same], true), known());
}

#[test]
fn an_entry_for_which_nobody_answers_or_that_is_over_fails_the_run_and_stays_no_violation() {
    type Change = fn(&mut Entry);
    let cases: [(&str, Change); 11] = [
        ("`reason`", |entry| entry.reason = String::new()),
        ("`reason`", |entry| {
            entry.reason = "TODO: find out".to_owned();
        }),
        ("`reason`", |entry| entry.reason = " ? ".to_owned()),
        ("`owner`", |entry| entry.owner = "tbd".to_owned()),
        ("`owner`", |entry| entry.owner = "N/A".to_owned()),
        ("`link`", |entry| entry.link = "MW-118".to_owned()),
        ("`link`", |entry| entry.link = String::new()),
        ("expired", |entry| entry.expires = "2026-11-21".to_owned()),
        ("more than a year", |entry| {
            entry.expires = "2027-11-24".to_owned();
        }),
        ("no day", |entry| entry.expires = "soon".to_owned()),
        ("`step`", |entry| entry.step = "*".to_owned()),
    ];
    for (word, change) in cases {
        let (outcome, report) = applied(vec![entry_with(change)], ended(known()));
        assert_eq!(report.stale.len(), 1, "{word}: {:?}", report.stale);
        assert!(report.stale[0].contains(word), "{word}: {:?}", report.stale);
        assert_eq!(
            matches!(outcome, Outcome::Known(_)),
            word != "`step`",
            "{word}"
        );
    }
    let last_day = entry_with(|entry| entry.expires = TODAY.to_owned());
    assert!(applied(vec![last_day], ended(known())).1.stale.is_empty());
}

#[test]
fn an_entry_about_nothing_or_of_which_there_are_two_fails_the_run() {
    let stale = |entries: Vec<Entry>| applied(entries, ended(known())).1.stale;
    let nowhere = entry_with(|entry| entry.scenario = "No such scenario".to_owned());
    assert!(stale(vec![nowhere])[0].contains("unknown"));
    let generated = entry_with(|entry| entry.criterion = "GEN-ISO".to_owned());
    assert!(stale(vec![generated])[0].contains("generated checks cannot be known"));
    assert!(stale(vec![entry(), entry()])[0].contains("double"));
}

#[test]
fn of_several_scenarios_of_a_name_an_entry_says_which_one() {
    let of = |row| Entry {
        criterion: "ERR-003".to_owned(),
        feature: "features/errors/codes.feature".to_owned(),
        scenario: "CONFLICT is 409".to_owned(),
        row,
        ..entry()
    };
    let line = |row| of(row).scenario(&CONTRACT).map(|planned| planned.line);
    assert!(line(Some(1)) < line(Some(2)) && line(Some(1)).is_some());
    assert_eq!(
        (line(None), line(Some(0)), line(Some(99))),
        (None, None, None)
    );
    assert!(of(None).flaw(&CONTRACT, TODAY).unwrap().contains("`row`"));
    assert_eq!(of(Some(2)).flaw(&CONTRACT, TODAY), None);
}

#[test]
fn a_file_with_a_field_too_many_or_too_few_is_no_baseline() {
    let path = Path::new("known.toml");
    let text = "[[known]]\ncriterion = \"RL-013\"\nfeature = \"f\"\nscenario = \"s\"\nstep = \"t\"\nexpected = \"e\"\nseen = \"s\"\nreason = \"r\"\nowner = \"o\"\nlink = \"l\"\nexpires = 2027-03-31\n";
    assert_eq!(parse(path, text).unwrap()[0].expires, "2027-03-31");
    assert!(parse(path, &format!("{text}line = 3\n")).is_err());
    assert!(parse(path, &text.replace("owner = \"o\"\n", "")).is_err());
    assert!(parse(path, "[[knwon]]\n").is_err());
    assert!(parse(path, "").unwrap().is_empty());
}
