//! The algebra of verdicts under random outcomes: no mixture and no order of them makes a green of what was not proven. Never runs a scenario.

use super::*;
use proptest::prelude::*;
use proptest::sample::select;

/// Longest list of outcomes or verdicts tried. Evidence: every rule below is decided by at most three of them; the rest is noise.
const LIST_MAX: usize = 12;

fn outcome() -> impl Strategy<Value = Outcome> {
    let finding = |severity| Finding {
        severity,
        expected: "403".to_owned(),
        seen: "200".to_owned(),
        only: BTreeSet::new(),
    };
    select(vec![
        Outcome::Passed,
        Outcome::Failed(finding(Severity::Shape)),
        Outcome::Failed(finding(Severity::Breach)),
        Outcome::Flaky(Flaky {
            runs: 5,
            failed: 1,
            finding: finding(Severity::Breach),
        }),
        Outcome::Known(Known {
            reasons: BTreeMap::from([("ACC-001".to_owned(), "agreed".to_owned())]),
            finding: finding(Severity::Breach),
        }),
        Outcome::Accepted(BTreeMap::from([("ACC-001".to_owned(), "why".to_owned())])),
        Outcome::Unmet(Unmet {
            because: "USG-001".to_owned(),
            expected: "one row".to_owned(),
            seen: "none".to_owned(),
        }),
        Outcome::NotVerified("needs d1".to_owned()),
        Outcome::NotApplicable("declared".to_owned()),
        Outcome::Error("the target died".to_owned()),
        Outcome::NotSelected,
    ])
}

fn outcomes() -> impl Strategy<Value = Vec<Outcome>> {
    prop::collection::vec(outcome(), 0..LIST_MAX)
}

fn judged() -> impl Strategy<Value = (Level, Verdict)> {
    let levels = vec![Level::Must, Level::Should, Level::May];
    let verdicts = vec![
        Verdict::Passed,
        Verdict::Failed,
        Verdict::Flaky,
        Verdict::Known,
        Verdict::Accepted,
        Verdict::NotVerified,
        Verdict::NotApplicable,
        Verdict::Error,
    ];
    (select(levels), select(verdicts))
}

fn criteria() -> impl Strategy<Value = Vec<(Level, Verdict)>> {
    prop::collection::vec(judged(), 0..LIST_MAX)
}

fn of(list: &[Outcome]) -> Option<Verdict> {
    of_criterion(&list.iter().collect::<Vec<_>>())
}

/// How far a verdict can be relied on, as its reader takes it; not as `report diff` ranks it.
fn worth(verdict: Option<Verdict>) -> u8 {
    match verdict {
        Some(Verdict::Passed) => 4,
        Some(Verdict::Accepted | Verdict::NotApplicable) => 3,
        Some(Verdict::NotVerified) | None => 2,
        Some(Verdict::Error | Verdict::Known) => 1,
        Some(Verdict::Failed | Verdict::Flaky) => 0,
    }
}

/// Verdict of a run and its exit codes, without and with `--strict`.
fn judge(list: &[(Level, Verdict)]) -> (RunVerdict, Exit, Exit) {
    let [must, should, may] = tallies(list.iter().copied());
    (
        of_run(&must, &should, &may),
        exit_of(&must, &should, &may, false),
        exit_of(&must, &should, &may, true),
    )
}

fn has(list: &[(Level, Verdict)], wanted: (Level, Verdict)) -> bool {
    list.contains(&wanted)
}

proptest! {
    #[test]
    fn a_criterion_passes_only_by_an_assertion_that_ran(list in outcomes()) {
        let open = |outcome: &Outcome| {
            outcome.kind().is_red() || matches!(outcome, Outcome::Known(_) | Outcome::Accepted(_) | Outcome::Unmet(_))
        };
        let proven = list.contains(&Outcome::Passed) && !list.iter().any(open);
        prop_assert_eq!(of(&list) == Some(Verdict::Passed), proven);
    }

    #[test]
    fn what_could_not_be_judged_is_no_pass_and_hides_no_finding(list in outcomes()) {
        let mut with = list.clone();
        with.push(Outcome::Unmet(Unmet { because: "AIG-017".to_owned(), expected: "an answer".to_owned(), seen: "none".to_owned() }));
        let red = of(&list).filter(|verdict| verdict.is_red());
        prop_assert_eq!(of(&with), Some(red.unwrap_or(Verdict::NotVerified)));
    }

    #[test]
    fn the_order_of_outcomes_does_not_matter(list in outcomes(), seed in any::<u64>()) {
        let mut other = list.clone();
        fastrand::Rng::with_seed(seed).shuffle(&mut other);
        prop_assert_eq!(of(&list), of(&other));
    }

    #[test]
    fn one_more_finding_or_fault_never_makes_a_criterion_better(list in outcomes(), more in outcome()) {
        let (before, mut longer) = (of(&list), list);
        let bad = more.kind().is_red();
        longer.push(more.clone());
        let after = of(&longer);
        if bad {
            prop_assert!(worth(after) <= worth(before), "{before:?} -> {after:?}");
            prop_assert!(after.is_some_and(Verdict::is_red));
        }
        if more == Outcome::NotSelected {
            prop_assert_eq!(after, before);
        }
    }

    #[test]
    fn another_criterions_accepted_deviation_never_passes_this_one(list in outcomes()) {
        let seen: Vec<Outcome> = list.iter().map(|outcome| outcome.for_criterion("RL-012")).collect();
        let accepted = |outcome: &Outcome| matches!(outcome, Outcome::Accepted(_));
        prop_assert!(!seen.iter().any(accepted));
        prop_assert_eq!(seen.contains(&Outcome::Passed), list.contains(&Outcome::Passed));
    }

    #[test]
    fn a_run_is_green_only_if_something_that_it_was_about_passed(list in criteria()) {
        let (verdict, lax, strict) = judge(&list);
        let musts = list.iter().any(|(level, _)| *level == Level::Must);
        let proven = list.iter().any(|&(level, verdict)| {
            verdict == Verdict::Passed && (level == Level::Must || !musts)
        });
        if !proven {
            prop_assert_ne!(verdict, RunVerdict::Conforms);
            prop_assert_ne!(lax, Exit::Conforms);
            prop_assert_ne!(strict, Exit::Conforms);
        }
    }

    #[test]
    fn one_more_broken_or_faulty_criterion_never_makes_a_run_better(list in criteria(), level in 0..3_usize, broken in any::<bool>()) {
        let level = [Level::Must, Level::Should, Level::May][level];
        let more = if broken { Verdict::Failed } else { Verdict::Error };
        let (verdict, lax, strict) = judge(&list);
        let mut longer = list;
        longer.push((level, more));
        let (after, lax_after, strict_after) = judge(&longer);
        for (before, after) in [(lax, lax_after), (strict, strict_after)] {
            prop_assert!(before == Exit::Conforms || after != Exit::Conforms, "{before:?} -> {after:?}");
        }
        prop_assert!(verdict == RunVerdict::Conforms || after != RunVerdict::Conforms);
        if more == Verdict::Error {
            prop_assert!(matches!(lax_after, Exit::Violation | Exit::Fault), "{lax_after:?}");
        } else if level == Level::Must {
            prop_assert_eq!((after, lax_after), (RunVerdict::Violates, Exit::Violation));
        }
    }

    #[test]
    fn verdict_and_exit_code_of_a_run_agree(list in criteria()) {
        let (verdict, lax, strict) = judge(&list);
        let broken = |level| {
            has(&list, (level, Verdict::Failed)) || has(&list, (level, Verdict::Flaky))
        };
        prop_assert_eq!(verdict == RunVerdict::Violates, broken(Level::Must));
        prop_assert_eq!(verdict == RunVerdict::Violates, lax == Exit::Violation);
        // What the baseline knows lets the run go on, and is never called conformance.
        prop_assert!(verdict != RunVerdict::Conforms || !has(&list, (Level::Must, Verdict::Known)));
        if matches!(verdict, RunVerdict::Conforms | RunVerdict::Known) {
            prop_assert_eq!(lax, Exit::Conforms);
            let should_broken = broken(Level::Should);
            prop_assert_eq!(strict, if should_broken { Exit::Violation } else { Exit::Conforms });
        }
        // Only unverified MUSTs, told in the headline, may stand beside a zero, and never with `--strict`.
        if verdict == RunVerdict::Inconclusive {
            prop_assert_ne!(strict, Exit::Conforms);
            prop_assert!(lax != Exit::Conforms || has(&list, (Level::Must, Verdict::NotVerified)));
        }
        prop_assert!(lax == Exit::Conforms || strict != Exit::Conforms, "--strict forgives {lax:?}");
    }
}
