//! The features are the whole contract and nothing but the contract. Never runs a scenario.

use moltproof::contract::Contract;
use moltproof::contract::profile::Profile;
use moltproof::steps;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// Id, level and profile of every criterion of the contract, kept apart from the features so that one can be held against the other.
const CRITERIA: &str = include_str!("../../fixtures/criteria.tsv");

/// Profiles that this version of the features covers whole.
const COVERED: [&str; 3] = ["core", "data", "api-worker"];

fn listed() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let rows = CRITERIA
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect::<Vec<_>>());
    rows.map(|row| (row[0], (row[1], row[2])))
        .filter(|(_, (_, profile))| COVERED.contains(profile))
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn contract() -> Contract {
    Contract::embedded().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_criterion_of_the_contract_has_a_rule_and_a_scenario() {
    let contract = contract();
    let proven: BTreeSet<&str> = contract
        .scenarios
        .iter()
        .flat_map(|planned| &planned.criteria)
        .map(String::as_str)
        .collect();
    let missing: Vec<_> = listed()
        .into_keys()
        .filter(|id| !contract.criteria.contains_key(*id) || !proven.contains(id))
        .collect();
    assert!(
        missing.is_empty(),
        "no rule or no scenario for: {}",
        missing.join(" ")
    );
}

#[test]
fn no_scenario_carries_an_id_that_the_contract_does_not_have() {
    let (contract, listed) = (contract(), listed());
    let ids = contract.criteria.keys().chain(
        contract
            .scenarios
            .iter()
            .flat_map(|planned| &planned.criteria),
    );
    let unknown: BTreeSet<_> = ids.filter(|id| !listed.contains_key(id.as_str())).collect();
    assert!(unknown.is_empty(), "not in the contract: {unknown:?}");
}

#[test]
fn every_rule_has_the_level_and_profile_of_the_contract() {
    let listed = listed();
    for criterion in contract().criteria.values() {
        let Some((level, profile)) = listed.get(criterion.id.as_str()) else {
            continue;
        };
        assert_eq!(
            criterion.level.word().to_lowercase(),
            *level,
            "level of {}",
            criterion.id
        );
        assert_eq!(
            criterion.profile.name(),
            *profile,
            "profile of {}",
            criterion.id
        );
    }
}

#[test]
fn every_step_matches_exactly_one_definition() {
    let book = steps::all();
    let mut wrong = Vec::new();
    for planned in &contract().scenarios {
        for step in planned
            .alone
            .rules
            .iter()
            .flat_map(|rule| &rule.scenarios)
            .flat_map(|scenario| &scenario.steps)
        {
            if let Err(error) = book.find(&step.value) {
                wrong.push(format!(
                    "{}:{} {error}",
                    planned.feature, step.position.line
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_definition_is_used_by_some_step() {
    let (book, contract) = (steps::all(), contract());
    let texts = contract
        .scenarios
        .iter()
        .flat_map(|planned| planned.alone.rules.iter());
    let used: BTreeSet<usize> = texts
        .flat_map(|rule| &rule.scenarios)
        .flat_map(|scenario| &scenario.steps)
        .filter_map(|step| book.find(&step.value).ok())
        .collect();
    let unused: Vec<_> = book
        .patterns()
        .enumerate()
        .filter(|(at, _)| !used.contains(at))
        .map(|(_, pattern)| pattern)
        .collect();
    assert!(
        unused.is_empty(),
        "definitions that no feature uses:\n{}",
        unused.join("\n")
    );
}

#[test]
fn every_criterion_that_a_definition_is_about_is_one_of_the_contract() {
    let (book, contract) = (steps::all(), contract());
    let unknown: BTreeSet<_> = book
        .named()
        .filter(|id| !contract.criteria.contains_key(*id))
        .collect();
    assert!(unknown.is_empty(), "no criteria: {unknown:?}");
}

#[test]
fn a_smoke_run_has_the_smoke_test_and_one_scenario_of_a_must_of_every_other_area() {
    let contract = contract();
    let mut of_area: BTreeMap<&str, usize> = BTreeMap::new();
    for id in contract.criteria.keys() {
        of_area
            .entry(id.split('-').next().unwrap_or(id))
            .or_default();
    }
    for planned in &contract.scenarios {
        let is_smoke = planned.tags.iter().any(|tag| tag == "smoke");
        if !is_smoke {
            continue;
        }
        let id = &planned.criteria[0];
        assert!(
            !planned.waits() && !planned.is_slow(),
            "{} waits",
            planned.name
        );
        assert_eq!(contract.criteria[id].level.word(), "MUST", "{id}");
        *of_area
            .entry(id.split('-').next().unwrap_or(id))
            .or_default() += 1;
    }
    for (area, count) in of_area {
        let wanted = if area == "SMK" { 12 } else { 1 };
        assert_eq!(count, wanted, "scenarios of {area} with @smoke");
    }
}

#[test]
fn every_scenario_makes_an_assertion_and_begins_from_a_state() {
    for planned in &contract().scenarios {
        let steps: Vec<_> = planned
            .alone
            .rules
            .iter()
            .flat_map(|rule| &rule.scenarios)
            .flat_map(|scenario| &scenario.steps)
            .collect();
        let has = |keyword: &str| steps.iter().any(|step| step.keyword.trim() == keyword);
        assert!(
            has("Then"),
            "{}:{} has no Then",
            planned.feature,
            planned.line
        );
    }
}

/// Steps that write a store behind the target's back, and the need that lets them.
const WRITERS: [(&str, &str); 16] = [
    ("run and have stored state", "kv-write"),
    ("can be kept in the registry's namespace", "kv-write"),
    ("a running gateway, stored objects and entries", "kv-write"),
    ("the registry is given the ", "kv-write"),
    ("the registry loses the ", "kv-write"),
    ("stands in those stores that are there", "kv-write"),
    ("stands in its stores", "kv-write"),
    ("stands in its stores", "d1-write"),
    (" has the tier \"", "d1-write"),
    (" has a platform ", "d1-write"),
    ("is taken out of D1", "d1-write"),
    ("is put back into D1", "d1-write"),
    ("a row of another tenant that holds ", "d1-write"),
    ("that row is gone ", "d1-write"),
    ("whose sandbox id another one has", "d1-write"),
    ("whose stored sandbox id is wrong", "d1-write"),
];

#[test]
fn every_scenario_that_writes_a_store_needs_to_be_allowed_to() {
    let contract = contract();
    for (words, need) in WRITERS {
        let mut uses = 0;
        for planned in &contract.scenarios {
            let scenarios = planned.alone.rules.iter().flat_map(|rule| &rule.scenarios);
            let mut steps = scenarios.flat_map(|scenario| &scenario.steps);
            if !steps.any(|step| step.value.contains(words)) {
                continue;
            }
            uses += 1;
            assert!(
                planned.needs.iter().any(|known| known.name() == need),
                "{}:{} writes (\"{words}\") and does not need {need}",
                planned.feature,
                planned.line
            );
        }
        assert!(uses > 0, "no step says \"{words}\"");
    }
}

#[test]
fn no_outline_is_long_enough_to_slow_the_parser() {
    // Expanding an outline costs the square of its rows.
    let mut outlines = 0;
    for (path, text) in moltproof::contract::FEATURES {
        let feature = gherkin::Feature::parse(text, gherkin::GherkinEnv::default()).unwrap();
        let scenarios = feature.rules.iter().flat_map(|rule| &rule.scenarios);
        for scenario in scenarios.filter(|scenario| !scenario.examples.is_empty()) {
            let tables = scenario
                .examples
                .iter()
                .filter_map(|one| one.table.as_ref());
            let rows: usize = tables.map(|table| table.rows.len() - 1).sum();
            assert!(rows <= 100, "{path}: `{}` has {rows} rows", scenario.name);
            outlines += 1;
        }
    }
    assert!(outlines > 10, "no outline was found");
}

#[test]
fn a_version_of_the_contract_that_is_out_does_not_change() {
    let all = Contract::of_all_versions().unwrap();
    for version in &all.versions {
        let path = format!("fixtures/contract/{version}.tsv");
        let frozen = fs::read_to_string(root().join(&path)).unwrap_or_default();
        let ledger = all.at(*version).unwrap().ledger();
        let (before, now): (BTreeSet<&str>, BTreeSet<&str>) =
            (frozen.lines().collect(), ledger.lines().collect());
        let gone: Vec<_> = before.difference(&now).collect();
        let new: Vec<_> = now.difference(&before).collect();
        assert!(
            gone.is_empty() && new.is_empty(),
            "version {version} is frozen in {path}; give what is new a version of its own (CONTRIBUTING, \"Change the contract\")\ngone: {gone:#?}\nnew: {new:#?}"
        );
    }
}

#[test]
fn every_aspect_of_a_database_has_one_scenario_under_its_own_criterion() {
    let contract = contract();
    let steps = |planned: &moltproof::contract::Planned| -> Vec<String> {
        let rules = planned.alone.rules.iter();
        let scenarios = rules.flat_map(|rule| &rule.scenarios);
        let steps = scenarios.flat_map(|scenario| &scenario.steps);
        steps.map(|step| step.value.clone()).collect()
    };
    let mut told: Vec<(String, String)> = Vec::new();
    for planned in &contract.scenarios {
        if planned.profile != Profile::Data {
            continue;
        }
        let [given, aspect] = &steps(planned)[..] else {
            panic!(
                "{}:{} has other than two steps",
                planned.feature, planned.line
            );
        };
        assert!(given.starts_with("the database that the target declares"));
        assert_eq!(planned.criteria.len(), 1, "{}", planned.name);
        told.push((planned.criteria[0].clone(), aspect.clone()));
    }
    let aspects = moltproof_data::check::aspects().iter();
    let mut judged: Vec<(String, String)> = aspects
        .map(|aspect| (aspect.criterion.to_owned(), aspect.sentence.to_owned()))
        .collect();
    told.sort_unstable();
    judged.sort_unstable();
    assert_eq!(told, judged, "scenarios on the left, aspects on the right");
    let sentences: BTreeSet<_> = judged.iter().map(|(_, sentence)| sentence).collect();
    assert_eq!(sentences.len(), judged.len(), "a sentence is there twice");
    assert!(!judged.is_empty(), "nothing of a database is judged");
}

#[test]
fn every_aspect_of_an_api_worker_has_one_scenario_under_its_own_criterion() {
    let contract = contract();
    let theirs = contract.scenarios.iter();
    let theirs = theirs.filter(|planned| planned.profile == Profile::ApiWorker);
    let mut told: Vec<(String, String)> = theirs
        .map(|planned| {
            let rules = planned.alone.rules.iter();
            let scenarios = rules.flat_map(|rule| &rule.scenarios);
            let mut steps = scenarios.flat_map(|scenario| &scenario.steps);
            let given = steps.next().map(|step| step.value.as_str());
            assert_eq!(
                given,
                Some(
                    "the API worker that the target offers, with users and models of this scenario"
                )
            );
            let aspect = steps.next().map(|step| step.value.clone());
            assert!(steps.next().is_none(), "{} has a third step", planned.name);
            assert_eq!(planned.criteria.len(), 1, "{}", planned.name);
            (planned.criteria[0].clone(), aspect.unwrap())
        })
        .collect();
    let aspects = moltproof_api_worker::aspects().iter();
    let mut judged: Vec<(String, String)> = aspects
        .map(|aspect| (aspect.criterion.to_owned(), aspect.sentence.to_owned()))
        .collect();
    told.sort_unstable();
    judged.sort_unstable();
    assert_eq!(told, judged, "scenarios on the left, aspects on the right");
    let sentences: BTreeSet<_> = judged.iter().map(|(_, sentence)| sentence).collect();
    assert_eq!(sentences.len(), judged.len(), "a sentence is there twice");
    assert!(!judged.is_empty(), "nothing of an API worker is judged");
}

#[test]
fn the_first_version_knows_no_database() {
    let first = Contract::of_all_versions().unwrap();
    let first = first.at("1.0".parse().unwrap()).unwrap();
    assert!(first.criteria.values().all(|one| one.profile.is_core()));
    assert_eq!(first.criteria.len(), 134);
}
