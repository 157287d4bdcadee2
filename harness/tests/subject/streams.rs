//! Random scenarios, whose steps end them in every way there is, through the whole of the harness: cucumber, outcomes, verdicts, report, exit code.
//! Never uses the rules of `verdict` to tell what is expected of them.

use crate::stage::{Plain, judge};
use moltproof::contract::Contract;
use moltproof::contract::select::{Selection, Unselectable, select};
use moltproof::run::Options;
use moltproof::run::book::Book;
use moltproof::run::scene::{breach, misshapen};
use moltproof::verdict::{Exit, RunVerdict, Stop, Verdict};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What a step of a random scenario does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Asserts,
    DoesNothing,
    CannotBeSure,
    FindsBreach,
    FindsShape,
    CannotTell,
    DoesNotConcern,
    Fails,
    Panics,
    IsUndefined,
}

const DEEDS: [Deed; 10] = [
    Deed::Asserts,
    Deed::DoesNothing,
    Deed::CannotBeSure,
    Deed::FindsBreach,
    Deed::FindsShape,
    Deed::CannotTell,
    Deed::DoesNotConcern,
    Deed::Fails,
    Deed::Panics,
    Deed::IsUndefined,
];

fn book() -> Book {
    let mut book = Book::default();
    book.step("Asserts", |scene, _args| {
        Box::pin(async { scene.expect(true, "this", String::new) })
    });
    book.step("DoesNothing", |_scene, _args| Box::pin(async { Ok(()) }));
    book.step("CannotBeSure", |scene, _args| {
        scene.unproven = Some("something may be there unseen".to_owned());
        Box::pin(async { Ok(()) })
    });
    book.step("FindsBreach", |_scene, _args| {
        Box::pin(async { Err(breach("this", "that")) })
    });
    book.step("FindsShape", |_scene, _args| {
        Box::pin(async { Err(misshapen("this", "that")) })
    });
    book.step("CannotTell", |_scene, _args| {
        Box::pin(async { Err(Stop::NotVerified("needs more".to_owned())) })
    });
    book.step("DoesNotConcern", |_scene, _args| {
        Box::pin(async { Err(Stop::NotApplicable("declared".to_owned())) })
    });
    book.step("Fails", |_scene, _args| {
        Box::pin(async { Err(Stop::Fault("no socket".to_owned())) })
    });
    book.step("Panics", |_scene, _args| {
        Box::pin(async { std::panic::resume_unwind(Box::new("a mistake of ours".to_owned())) })
    });
    book
}

/// One criterion and its scenarios: level, and for each scenario what its steps do and whether it proves the first criterion too.
type Criterion = (&'static str, Vec<(Vec<Deed>, bool)>);

fn criteria() -> impl Strategy<Value = Vec<Criterion>> {
    let deeds = prop::collection::vec(
        // Half of all steps assert: else hardly any scenario would pass.
        prop_oneof![Just(Deed::Asserts), prop::sample::select(DEEDS.to_vec())],
        0..4,
    );
    let level = prop::sample::select(vec!["must", "should", "may"]);
    let scenarios = prop::collection::vec((deeds, any::<bool>()), 0..4);
    prop::collection::vec((level, scenarios), 1..5)
}

fn id(number: usize) -> String {
    format!("AAA-{:03}", number + 1)
}

fn feature(criteria: &[Criterion]) -> Contract {
    let mut text = "@core\nFeature: Random\n".to_owned();
    for (number, (level, scenarios)) in criteria.iter().enumerate() {
        let id = id(number);
        writeln!(
            text,
            "\n  @{id} @{level}\n  Rule: {id} random\n    It holds."
        )
        .unwrap();
        for (at, (deeds, first_too)) in scenarios.iter().enumerate() {
            let more = if *first_too { "    @AAA-001\n" } else { "" };
            writeln!(text, "\n{more}    Scenario: {id} {at}").unwrap();
            for deed in deeds {
                writeln!(text, "      Then {deed:?}").unwrap();
            }
        }
    }
    Contract::parse(&[("random.feature", &text)]).unwrap()
}

/// How a scenario must end, worked out step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    Pass,
    Fail,
    StayOpen,
    BeInError,
}

fn must(deeds: &[Deed]) -> Must {
    let (mut asserted, mut sure) = (false, true);
    for deed in deeds {
        match deed {
            Deed::Asserts => asserted = true,
            Deed::DoesNothing => {}
            Deed::CannotBeSure => sure = false,
            Deed::FindsBreach | Deed::FindsShape => return Must::Fail,
            Deed::CannotTell | Deed::DoesNotConcern => return Must::StayOpen,
            Deed::Fails | Deed::Panics | Deed::IsUndefined => return Must::BeInError,
        }
    }
    match (asserted, sure) {
        (true, true) => Must::Pass,
        (true, false) => Must::StayOpen,
        (false, _) => Must::BeInError,
    }
}

proptest! {
    // A run takes some 10 ms; the rules need few scenarios to show.
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_passes_but_what_was_asserted_and_no_run_is_green_for_another_reason(
        criteria in criteria(),
        concurrency in 1_usize..=64,
        seed in any::<u64>(),
    ) {
        let contract = feature(&criteria);
        // Nobody is asked: no step sends anything.
        let target = Plain::target("http://127.0.0.1:9", None, None);
        let options = Options { concurrency, seed };
        let report = judge(&contract, contract.scenarios.clone(), &target, book(), options);

        let mut expected: BTreeMap<String, Vec<Must>> = BTreeMap::new();
        for (number, (_, scenarios)) in criteria.iter().enumerate() {
            for (deeds, first_too) in scenarios {
                let proves: BTreeSet<String> = [Some(id(number)), first_too.then(|| id(0))].into_iter().flatten().collect();
                for id in proves {
                    expected.entry(id).or_default().push(must(deeds));
                }
            }
        }
        let told: Vec<_> = report.criteria.iter().map(|one| one.id.clone()).collect();
        prop_assert_eq!(told, expected.keys().cloned().collect::<Vec<_>>());
        for criterion in &report.criteria {
            let ends = &expected[&criterion.id];
            let verdict = criterion.verdict;
            prop_assert_eq!(verdict == Verdict::Failed, ends.contains(&Must::Fail), "{} {:?}", criterion.id, ends);
            let faulty = ends.contains(&Must::BeInError) && !ends.contains(&Must::Fail);
            prop_assert_eq!(verdict == Verdict::Error, faulty, "{} {:?}", criterion.id, ends);
            let proven = ends.contains(&Must::Pass) && ends.iter().all(|end| matches!(end, Must::Pass | Must::StayOpen));
            prop_assert_eq!(verdict == Verdict::Passed, proven, "{} {:?}", criterion.id, ends);
            let whole = ends.iter().all(|end| *end == Must::Pass);
            prop_assert!(verdict != Verdict::Passed || criterion.reason.is_empty() == whole, "{}", criterion.reason);
        }
        let nothing_wrong = expected.values().flatten().all(|end| matches!(end, Must::Pass | Must::StayOpen));
        let something_passed = report.criteria.iter().any(|one| one.verdict == Verdict::Passed);
        if report.exit(true) == Exit::Conforms || report.summary.verdict == RunVerdict::Conforms {
            prop_assert!(something_passed);
        }
        if report.exit(false) == Exit::Conforms {
            // What a SHOULD or a MAY breaks is told, and decides nothing.
            let in_error = report.criteria.iter().any(|one| one.verdict == Verdict::Error);
            prop_assert!(something_passed && !in_error);
        }
        if nothing_wrong {
            prop_assert!(report.exit(false) != Exit::Violation && report.exit(false) != Exit::Fault);
        }
    }

    #[test]
    fn shards_run_every_scenario_once_and_an_empty_one_is_refused(parts in 1_usize..800, area in prop::sample::select(vec!["RES-001", "ACC-013", "USG-001"])) {
        let contract = Contract::embedded().unwrap();
        let whole = Selection { ids: vec![area.to_owned()], ..Selection::default() };
        let all: Vec<_> = select(&contract, &whole).unwrap().iter().map(|planned| planned.number).collect();
        let mut met = Vec::new();
        for part in 1..=parts {
            match select(&contract, &Selection { shard: Some((part, parts)), ..whole.clone() }) {
                Ok(plan) => {
                    prop_assert!(!plan.is_empty());
                    met.extend(plan.iter().map(|planned| planned.number));
                }
                Err(why) => prop_assert_eq!(why, Unselectable::Nothing),
            }
        }
        met.sort_unstable();
        prop_assert_eq!(met, all);
    }
}
