//! The measure itself is measured: a deviant is killed only by the assertion it was to meet. Never tries the whole catalogue: that is `moltproof teeth`.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use moltproof::catalogue::figures::Marks;
use moltproof::catalogue::{self, Catalogue, habits, survivors};
use moltproof::contract::Contract;
use moltproof::contract::profile::Profile;
use moltproof::reference::altered::Alteration;
use moltproof::reference::deviants::{Deviant, Kind};
use moltproof::steps;
use moltproof::teeth::api_workers;
use moltproof::teeth::databases;
use moltproof::teeth::matrix::{DeviantRow, Fate, KillMatrix};
use moltproof::teeth::measure::{self, Wanted, Watch};
use moltproof::teeth::trial::Manner;
use moltproof::verdict::Level;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// As many as the issue that asked for them wants at least.
const DEVIANTS_MIN: usize = 200;
const CORRECT_VARIANTS_MIN: usize = 10;

struct Unwatched;

impl Watch for Unwatched {
    fn tried(&self, _id: &str, _how: &str, _as_wanted: bool) {}
}

fn contract() -> Contract {
    Contract::embedded().unwrap()
}

fn measured(catalogue: &Catalogue, survivors: BTreeMap<String, String>) -> KillMatrix {
    let (_end, ending) = tokio::sync::watch::channel(false);
    let wanted = Wanted {
        manner: Manner {
            program: PathBuf::from(env!("CARGO_BIN_EXE_moltproof")),
            book: Arc::new(steps::all()),
            seed: fastrand::u64(..),
            concurrency: 64,
            patience: None,
            ending,
        },
        jobs: 4,
        files: usize::MAX,
        whole: false,
        by_whole_contract: std::collections::BTreeSet::new(),
        also_broken: std::collections::BTreeMap::new(),
        survivors,
    };
    measure::measure(&contract(), catalogue, &wanted, &Unwatched).unwrap()
}

/// Some of the built-in deviants, and expectations in the place of their own.
fn trial_of(names: &[(&str, Option<&str>)]) -> KillMatrix {
    let all = Catalogue::built_in(&contract()).unwrap();
    let deviants = names.iter().map(|(name, expected)| {
        let known = all.deviants.iter().find(|deviant| deviant.id == *name);
        let mut deviant = known.unwrap_or_else(|| panic!("no deviant {name}")).clone();
        if let Some(expected) = expected {
            deviant.expected = vec![(*expected).to_owned()];
        }
        deviant
    });
    let catalogue = Catalogue {
        deviants: deviants.collect(),
        null_servers: Vec::new(),
        correct_variants: Vec::new(),
        habits: Vec::new(),
    };
    measured(&catalogue, BTreeMap::new())
}

fn row<'a>(matrix: &'a KillMatrix, id: &str) -> &'a DeviantRow {
    matrix.deviants.iter().find(|row| row.id == id).unwrap()
}

#[test]
fn every_must_of_the_core_profile_has_a_deviant_that_breaks_it() {
    let contract = contract();
    let catalogue = Catalogue::built_in(&contract).unwrap();
    let expected: BTreeSet<&String> = catalogue
        .deviants
        .iter()
        .flat_map(|deviant| &deviant.expected)
        .collect();
    let open: Vec<_> = contract
        .criteria
        .values()
        .filter(|criterion| criterion.level == Level::Must && criterion.profile == Profile::Core)
        .filter(|criterion| !expected.contains(&criterion.id))
        .map(|criterion| criterion.id.as_str())
        .collect();
    assert!(open.is_empty(), "no deviant breaks {open:?}");
    assert!(
        catalogue.deviants.len() >= DEVIANTS_MIN,
        "{}",
        catalogue.deviants.len()
    );
    assert!(catalogue.correct_variants.len() >= CORRECT_VARIANTS_MIN);
}

#[test]
fn every_survivor_on_the_list_is_a_deviant() {
    let catalogue = Catalogue::built_in(&contract()).unwrap();
    for id in survivors::built_in().unwrap().keys() {
        assert!(
            catalogue.deviants.iter().any(|deviant| deviant.id == *id),
            "survivors.toml names {id}, which is no deviant"
        );
    }
}

#[test]
fn the_readme_states_as_many_backends_as_there_are() {
    let catalogue = Catalogue::built_in(&contract()).unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let stated = Marks::of(Profile::Core).between(&text).join("\n");
    for wanted in [
        format!("of {} deviants killed", catalogue.deviants.len()),
        format!("{} null servers pass 0 MUST", catalogue.null_servers.len()),
        format!(
            "{} correct variants and {} legal habits raise 0 false alarms",
            catalogue.correct_variants.len(),
            habits::DRAWN
        ),
    ] {
        assert!(
            stated.contains(&wanted),
            "README does not say `{wanted}`:\n{stated}"
        );
    }
}

/// Some of the built-in databases, judged.
fn judged(names: &[&str], variants: &[&str]) -> KillMatrix {
    let mut catalogue = catalogue::databases::built_in().unwrap();
    catalogue
        .deviants
        .retain(|deviant| names.contains(&deviant.id.as_str()));
    assert_eq!(catalogue.deviants.len(), names.len());
    let variants: Vec<String> = variants.iter().map(|&name| name.to_owned()).collect();
    let (_end, ending) = tokio::sync::watch::channel(false);
    let wanted = databases::Wanted {
        seed: fastrand::u64(..),
        jobs: 2,
        whole: false,
        ending,
    };
    databases::measure(&contract(), &catalogue, &variants, &wanted, &Unwatched).unwrap()
}

#[test]
fn every_criterion_of_the_profile_data_has_a_database_that_breaks_it() {
    let contract = contract();
    let catalogue = catalogue::databases::built_in().unwrap();
    let expected: BTreeSet<&String> = catalogue
        .deviants
        .iter()
        .flat_map(|deviant| &deviant.criteria)
        .collect();
    for id in &expected {
        let profile = contract.criteria[*id].profile;
        assert_eq!(profile, Profile::Data, "{id}");
    }
    let mut own = contract.criteria.values();
    let open = own.find(|one| one.profile == Profile::Data && !expected.contains(&one.id));
    assert!(open.is_none(), "no database breaks {open:?}");
}

#[test]
fn a_database_is_killed_by_the_aspect_and_the_rule_that_it_was_to_meet() {
    let matrix = judged(&["posts-by-author-scan"], &["blog_with_search"]);
    assert!(matrix.has_teeth(), "{:#?}", matrix.complaints());
    let reds = &row(&matrix, "posts-by-author-scan").killed_by;
    let places: Vec<(&str, &str)> = reds
        .iter()
        .map(|red| (red.criterion.as_str(), red.at.split(':').next().unwrap()))
        .collect();
    assert_eq!(
        places,
        [
            ("FK-03", "0001_initial.sql"),
            ("PAT-015", "features/patterns/access_paths.feature")
        ]
    );
    assert!(
        reds.iter()
            .all(|red| !red.step.is_empty() && !red.seen.is_empty())
    );
    assert_eq!(matrix.criteria["PAT-015"].deviants, 1);
    assert_eq!(matrix.rules["FK-03"].killed_by, ["posts-by-author-scan"]);
    let variant = &matrix.correct_variants[0];
    assert!(variant.false_alarms.is_empty() && variant.passed > 0 && !variant.does.is_empty());
}

#[test]
fn what_is_said_of_a_database_beyond_what_it_breaks_is_a_complaint() {
    let mut matrix = judged(&["posts-by-author-scan"], &[]);
    let row = &mut matrix.deviants[0];
    row.false_blame
        .insert("KEY-01".to_owned(), "table posts".to_owned());
    assert_eq!(
        matrix.complaints(),
        ["deviant posts-by-author-scan is falsely blamed for KEY-01: table posts"]
    );
}

#[test]
fn the_readme_states_as_many_databases_as_there_are() {
    let catalogue = catalogue::databases::built_in().unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let stated = Marks::of(Profile::Data).between(&text).join("\n");
    for wanted in [
        format!(" of {} deviants killed", catalogue.deviants.len()),
        format!("{} correct variants raise 0 false", catalogue.correct.len()),
    ] {
        assert!(
            stated.contains(&wanted),
            "README does not say `{wanted}`; `moltproof teeth --profile data --figures README.md --update` writes it:\n{stated}"
        );
    }
}

#[test]
fn a_deviant_of_each_kind_is_killed_by_the_assertion_it_was_to_meet() {
    let matrix = trial_of(&[
        ("audience-unchecked", None),
        ("tenant-override-in-production", None),
        ("schema-model-nullable", None),
    ]);
    assert_eq!(matrix.summary.killed, 3, "{:#?}", matrix.complaints());
    let red = &row(&matrix, "audience-unchecked").killed_by[0];
    assert_eq!(red.criterion, "ACC-005");
    assert!(
        red.at.starts_with("features/access/claims.feature:"),
        "{}",
        red.at
    );
    assert!(!red.step.is_empty() && !red.expected.is_empty() && !red.seen.is_empty());
    let kinds: BTreeSet<Kind> = matrix.deviants.iter().map(|row| row.kind).collect();
    assert_eq!(kinds.len(), 3);
}

#[test]
fn the_redness_of_another_criterion_is_no_kill() {
    // It breaks RES-002; RES-016 is not touched by that.
    let matrix = trial_of(&[("tenant-override-in-production", Some("RES-016"))]);
    let row = row(&matrix, "tenant-override-in-production");
    assert_eq!(row.verdict, Fate::Survived);
    assert!(row.missed["RES-016"].contains("passed"), "{:?}", row.missed);
    assert_eq!(matrix.complaints().len(), 1);
}

#[test]
fn a_backend_that_crashes_or_does_not_start_is_no_kill() {
    let null = |name: &str| {
        let servers = moltproof::catalogue::null_servers::all();
        servers
            .into_iter()
            .find(|server| server.id == name)
            .unwrap()
            .alteration
    };
    let unable = Alteration {
        name: "unable".to_owned(),
        variables: Some(Arc::new(|_variant, variables| {
            variables.insert("TENANT_DB", "/nowhere/at/all.sqlite".to_owned());
        })),
        ..Alteration::default()
    };
    let deviant = |id: &str, alteration: Arc<Alteration>| Deviant {
        id: id.to_owned(),
        breaks: "It does not answer".to_owned(),
        expected: vec!["RES-008".to_owned()],
        kind: Kind::Ports,
        alteration,
    };
    let catalogue = Catalogue {
        deviants: vec![
            deviant("closes", null("closes")),
            deviant("unable", Arc::new(unable)),
        ],
        null_servers: Vec::new(),
        correct_variants: Vec::new(),
        habits: Vec::new(),
    };
    let matrix = measured(&catalogue, BTreeMap::new());
    assert_eq!(matrix.summary.killed, 0);
    let closes = &row(&matrix, "closes").missed["RES-008"];
    assert!(closes.contains("nothing was judged"), "{closes:?}");
    assert!(
        row(&matrix, "unable").missed["RES-008"].contains("error"),
        "{:?}",
        row(&matrix, "unable").missed
    );
}

#[test]
fn a_survivor_needs_its_entry_and_an_entry_needs_its_survivor() {
    let reason = |id: &str| BTreeMap::from([(id.to_owned(), "nobody can see it".to_owned())]);
    let all = Catalogue::built_in(&contract()).unwrap();
    let of = |name: &str, expected: &str| {
        let mut deviant = all
            .deviants
            .iter()
            .find(|deviant| deviant.id == name)
            .unwrap()
            .clone();
        deviant.expected = vec![expected.to_owned()];
        Catalogue {
            deviants: vec![deviant],
            null_servers: Vec::new(),
            correct_variants: Vec::new(),
            habits: Vec::new(),
        }
    };
    let name = "tenant-override-in-production";
    let excused = measured(&of(name, "RES-016"), reason(name));
    assert!(
        excused.complaints().is_empty(),
        "{:?}",
        excused.complaints()
    );
    let unused = measured(&of(name, "RES-002"), reason(name));
    assert!(
        unused.complaints()[0].contains("take it out"),
        "{:?}",
        unused.complaints()
    );
}

/// Some of the built-in API workers and data layers, judged.
fn judged_of_api_workers(
    names: &[&str],
    change: impl Fn(&mut api_workers::Catalogue),
) -> KillMatrix {
    let contract = contract();
    let mut catalogue = api_workers::Catalogue::built_in(&contract).unwrap();
    let is_named = |one: &api_workers::Backend| names.contains(&one.id.as_str());
    catalogue.deviants.retain(is_named);
    catalogue.null_servers.retain(is_named);
    catalogue.correct_variants.retain(is_named);
    assert_eq!(catalogue.all().count(), names.len());
    change(&mut catalogue);
    let (_end, ending) = tokio::sync::watch::channel(false);
    let wanted = api_workers::Wanted {
        program: PathBuf::from(env!("CARGO_BIN_EXE_moltproof")),
        seed: fastrand::u64(..),
        jobs: 4,
        whole: false,
        ending,
    };
    api_workers::measure(&contract, &catalogue, &wanted, &Unwatched).unwrap()
}

#[test]
fn every_criterion_of_the_profile_api_worker_has_eight_deviants_that_break_it() {
    let contract = contract();
    let catalogue = api_workers::Catalogue::built_in(&contract).unwrap();
    let own = contract.criteria.values();
    for criterion in own.filter(|one| one.profile == Profile::ApiWorker) {
        let breaking = catalogue.deviants.iter();
        let count = breaking
            .filter(|deviant| deviant.expected.contains(&criterion.id))
            .count();
        let wanted = api_workers::DEVIANTS_OF_EACH_MIN;
        assert!(
            count >= wanted,
            "{count} of {wanted} break {}",
            criterion.id
        );
    }
    assert!(catalogue.correct_variants.len() >= CORRECT_VARIANTS_MIN);
}

#[test]
fn an_api_worker_and_a_data_layer_are_killed_by_the_sentence_that_they_were_to_meet() {
    let names = [
        "a-rollout-flips-a-user",
        "trends-count-rows-as-users",
        "tool-as-it-should-be",
        "always-404",
    ];
    let matrix = judged_of_api_workers(&names, |_all| {});
    assert!(matrix.has_teeth(), "{:#?}", matrix.complaints());
    let reds = names.map(|name| matrix.deviants.iter().find(|row| row.id == name));
    let places: Vec<(&str, &str, Kind)> = reds
        .into_iter()
        .flatten()
        .map(|row| {
            let red = &row.killed_by[0];
            assert!(!red.expected.is_empty() && !red.seen.is_empty());
            let feature = red.at.split(':').next().unwrap();
            (red.criterion.as_str(), feature, row.kind)
        })
        .collect();
    assert_eq!(
        places,
        [
            (
                "API-009",
                "features/api_worker/administration.feature",
                Kind::Wire
            ),
            ("API-005", "features/api_worker/views.feature", Kind::Schema)
        ]
    );
    let summary = matrix.summary.api_workers.unwrap();
    assert_eq!((summary.criteria_seen, summary.falsely_blamed), (2, 0));
    let variant = &matrix.correct_variants[0];
    assert_eq!((variant.passed, variant.not_verified.len()), (9, 0));
    assert_eq!(matrix.null_servers[0].musts_passed.len(), 0);
    assert!(matrix.null_servers[0].musts_failed > 0);
}

#[test]
fn the_redness_of_another_criterion_of_api_workers_is_no_kill_and_a_false_blame() {
    let matrix = judged_of_api_workers(&["a-rollout-flips-a-user"], |all| {
        all.deviants[0].expected = vec!["API-004".to_owned()];
    });
    let row = row(&matrix, "a-rollout-flips-a-user");
    assert_eq!(row.verdict, Fate::Survived);
    assert!(row.missed["API-004"].contains("held"), "{:?}", row.missed);
    assert_eq!(row.also_red, ["API-009"]);
    assert_eq!(matrix.complaints().len(), 2);
}

#[test]
fn the_readme_states_as_many_api_workers_as_there_are() {
    let catalogue = api_workers::Catalogue::built_in(&contract()).unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let stated = Marks::of(Profile::ApiWorker).between(&text).join("\n");
    for wanted in [
        format!(" of {} deviants killed", catalogue.deviants.len()),
        format!("{} null servers pass 0 MUST", catalogue.null_servers.len()),
        format!(
            "{} correct variants raise 0 false",
            catalogue.correct_variants.len()
        ),
    ] {
        assert!(
            stated.contains(&wanted),
            "README does not say `{wanted}`; `moltproof teeth --profile api-worker --figures README.md --update` writes it:\n{stated}"
        );
    }
}
