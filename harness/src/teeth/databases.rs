//! Measures what the profile `data` and the rules of `db lint` catch: databases that each break one thing, and healthy ones. Never starts a Worker.

use super::kill::KilledBy;
use super::matrix::{DeviantRow, Fate, KillMatrix, OfDatabases, Recall, Summary, VariantRow};
use super::measure::Watch;
use super::trial::{self, Ruined};
use crate::clock;
use crate::contract::Contract;
use crate::contract::profile::Profile;
use crate::reference::deviants::Kind;
use crate::verdict::Level;
use moltproof_data::rule;
use moltproof_data::teeth::{Bench, Catalogue, Deviant, Judged, Sign, Spared};
use std::collections::BTreeMap;
use tokio::sync::watch;

/// Why a deviant of the list of those that are not found may survive.
const NOT_FOUND_YET: &str = "it is on the list of those that are not found yet";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Rows and searches are drawn by it.
    pub seed: u64,
    /// Databases side by side.
    pub jobs: usize,
    /// Whether the catalogue is the whole one.
    pub whole: bool,
    /// Becomes true when everything is to end.
    pub ending: watch::Receiver<bool>,
}

/// One thing to be judged, and what became of it.
enum Row {
    Deviant(DeviantRow),
    Variant(VariantRow),
}

/// Judges every database of the catalogue; bases that `correct` holds and `variants` does not name are no rows of the matrix.
///
/// # Errors
/// [`Ruined::Interrupted`] when somebody wanted it to end.
pub fn measure(
    contract: &Contract,
    catalogue: &Catalogue,
    variants: &[String],
    wanted: &Wanted,
    watch: &dyn Watch,
) -> Result<KillMatrix, Ruined> {
    enum Job<'a> {
        Deviant(&'a Deviant),
        Variant(&'a str),
    }
    let (began, started_at_ms) = (clock::now(), clock::epoch_ms());
    let bench = Bench::of(catalogue, wanted.seed);
    let places = Places(contract);
    let variants = variants.iter().map(|name| Job::Variant(name));
    let deviants = catalogue.deviants.iter().map(Job::Deviant);
    let rows = trial::side_by_side(variants.chain(deviants).collect(), wanted.jobs, |job| {
        if *wanted.ending.borrow() {
            return None;
        }
        let row = match job {
            Job::Deviant(one) => Row::Deviant(places.deviant(one, &bench)),
            Job::Variant(name) => Row::Variant(variant(name, catalogue, &bench)),
        };
        tell(&row, watch);
        Some(row)
    });
    let mut matrix = KillMatrix {
        seed: wanted.seed,
        started_at_ms,
        whole: wanted.whole,
        ..KillMatrix::empty(Profile::Data, contract.digest())
    };
    for row in rows {
        match row {
            Some(Row::Deviant(row)) => matrix.deviants.push(row),
            Some(Row::Variant(row)) => matrix.correct_variants.push(row),
            None => return Err(Ruined::Interrupted),
        }
    }
    recall(contract, &mut matrix);
    matrix.summary = Summary {
        databases: Some(of_databases(&matrix)),
        duration_ms: elapsed_ms(began),
        ..matrix.counted()
    };
    Ok(matrix)
}

pub(super) fn elapsed_ms(began: std::time::Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn tell(row: &Row, watch: &dyn Watch) {
    match row {
        Row::Deviant(row) if row.verdict == Fate::Survived => {
            watch.tried(&row.id, "SURVIVED", row.excuse.is_some());
        }
        Row::Deviant(row) => {
            let blamed = row.false_blame.len();
            let how = format!("found, {blamed} falsely blamed");
            watch.tried(&row.id, &how, blamed == 0);
        }
        Row::Variant(row) => {
            let alarms = row.false_alarms.len();
            watch.tried(&row.id, &format!("{alarms} false alarms"), alarms == 0);
        }
    }
}

/// Every criterion of the profile and every rule, with the deviants that were to break it and those that were seen to.
fn recall(contract: &Contract, matrix: &mut KillMatrix) {
    let rows = &matrix.deviants;
    let of = |id: &str| Recall {
        deviants: rows
            .iter()
            .filter(|row| row.expected.iter().any(|expected| expected == id))
            .count(),
        killed_by: rows
            .iter()
            .filter(|row| row.killed_by.iter().any(|red| red.criterion == id))
            .map(|row| row.id.clone())
            .collect(),
    };
    let own = contract.criteria.values();
    let own = own.filter(|criterion| criterion.profile == Profile::Data);
    matrix.musts = own
        .clone()
        .filter(|criterion| criterion.level == Level::Must)
        .map(|criterion| (criterion.id.clone(), of(&criterion.id).killed_by))
        .collect();
    matrix.criteria = own
        .map(|criterion| (criterion.id.clone(), of(&criterion.id)))
        .collect();
    matrix.rules = rule::FAMILIES
        .iter()
        .copied()
        .flatten()
        .map(|(id, _)| ((*id).to_owned(), of(id)))
        .collect();
    if !matrix.whole {
        let criteria = &matrix.criteria;
        let is_expected = |id: &String| criteria.get(id).is_some_and(|one| one.deviants > 0);
        matrix.musts.retain(|id, _killers| is_expected(id));
        matrix.criteria.retain(|_id, one| one.deviants > 0);
        matrix.rules.retain(|_id, one| one.deviants > 0);
    }
}

fn of_databases(matrix: &KillMatrix) -> OfDatabases {
    let seen = |map: &BTreeMap<String, Recall>| {
        map.values().filter(|one| !one.killed_by.is_empty()).count()
    };
    let rows = matrix.deviants.iter();
    OfDatabases {
        criteria_total: matrix.criteria.len(),
        criteria_seen: seen(&matrix.criteria),
        rules_total: matrix.rules.len(),
        rules_seen: seen(&matrix.rules),
        falsely_blamed: rows.filter(|row| !row.false_blame.is_empty()).count(),
    }
}

/// Where the sentences of criteria stand in the features.
struct Places<'a>(&'a Contract);

impl Places<'_> {
    fn deviant(&self, deviant: &Deviant, bench: &Bench<'_>) -> DeviantRow {
        let began = clock::now();
        let expected: Vec<String> = deviant.expected().cloned().collect();
        let judged = bench.deviant(deviant).unwrap_or_else(|unjudged| Judged {
            missed: expected
                .iter()
                .map(|id| (id.clone(), unjudged.to_string()))
                .collect(),
            ..Judged::default()
        });
        let is_open = deviant.is_not_found_yet && !judged.blamed.is_empty();
        DeviantRow {
            id: deviant.id.clone(),
            breaks: deviant.breaks.clone(),
            kind: Kind::Schema,
            expected,
            killed_by: judged.found.iter().map(|sign| self.red(sign)).collect(),
            also_red: judged.blamed.iter().map(|sign| sign.id.clone()).collect(),
            false_blame: judged.blamed.iter().map(told).collect(),
            verdict: if judged.missed.is_empty() && !is_open {
                Fate::Killed
            } else {
                Fate::Survived
            },
            missed: judged.missed,
            excuse: deviant.is_not_found_yet.then(|| NOT_FOUND_YET.to_owned()),
            duration_ms: elapsed_ms(began),
        }
    }

    fn red(&self, sign: &Sign) -> KilledBy {
        let planned = self.0.scenarios.iter().find(|planned| {
            planned.criteria.contains(&sign.id) && is_sentence(&planned.name, &sign.sentence)
        });
        let at = planned.map(|planned| format!("{}:{}", planned.feature, planned.line));
        KilledBy {
            criterion: sign.id.clone(),
            scenario: planned.map_or_else(|| sign.sentence.clone(), |one| one.name.clone()),
            at: at.or_else(|| sign.at.clone()).unwrap_or_default(),
            step: match planned {
                Some(_) => sign.sentence.clone(),
                None => format!("{} ({})", sign.sentence, sign.object),
            },
            expected: sign.expected.clone(),
            seen: sign.saw.clone(),
        }
    }
}

fn variant(name: &str, catalogue: &Catalogue, bench: &Bench<'_>) -> VariantRow {
    let began = clock::now();
    let habit = catalogue.correct.get(name).map(|one| one.habit.clone());
    let (spared, ruined) = match bench.correct(name) {
        Ok(spared) => (spared, None),
        Err(unjudged) => (Spared::default(), Some(unjudged.to_string())),
    };
    VariantRow {
        id: name.to_owned(),
        does: habit.unwrap_or_default(),
        false_alarms: spared.alarms.iter().map(told).collect(),
        not_verified: spared.not_verified,
        passed: spared.held,
        ruined,
        duration_ms: elapsed_ms(began),
    }
}

/// Whether a scenario is called as a sentence reads; its name begins with a capital.
pub(super) fn is_sentence(name: &str, sentence: &str) -> bool {
    name.eq_ignore_ascii_case(sentence)
}

/// What is said of an object, by rule or criterion.
fn told(sign: &Sign) -> (String, String) {
    (sign.id.clone(), format!("{}: {}", sign.object, sign.saw))
}
