//! Tries every backend of the catalogue, many side by side, and makes the kill matrix of it. Never judges by itself: the rows do.

use super::rows::{Places, UNTOLD, variant};
use super::trial::Bench;
use super::{Backend, Catalogue};
use crate::clock;
use crate::contract::Contract;
use crate::contract::profile::Profile;
use crate::teeth::databases::elapsed_ms;
use crate::teeth::matrix::{
    DeviantRow, Fate, KillMatrix, NullRow, OfApiWorkers, Recall, Summary, VariantRow,
};
use crate::teeth::measure::Watch;
use crate::teeth::trial::{self, Ruined};
use crate::verdict::Level;
use std::path::PathBuf;
use tokio::sync::watch;

/// How many deviants each criterion must have.
pub const DEVIANTS_OF_EACH_MIN: usize = 8;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The `moltproof` executable.
    pub program: PathBuf,
    /// Kept in the matrix; what is drawn here is drawn anew for each request.
    pub seed: u64,
    /// Trials side by side.
    pub jobs: usize,
    /// Whether the catalogue is the whole one.
    pub whole: bool,
    /// Becomes true when everything is to end.
    pub ending: watch::Receiver<bool>,
}

/// What a backend is tried for.
#[derive(Debug, Clone, Copy)]
enum As {
    Deviant,
    Null,
    Variant,
}

enum Row {
    Deviant(DeviantRow),
    Null(NullRow),
    Variant(VariantRow),
}

/// Tries every backend of the catalogue.
///
/// # Errors
/// [`Ruined::Interrupted`] when somebody wanted it to end, [`Ruined::NotStarted`] when nothing can be tried at all.
pub fn measure(
    contract: &Contract,
    catalogue: &Catalogue,
    wanted: &Wanted,
    watch: &dyn Watch,
) -> Result<KillMatrix, Ruined> {
    let (began, started_at_ms) = (clock::now(), clock::epoch_ms());
    let bench = Bench::start(wanted.program.clone(), wanted.ending.clone())?;
    let judge = Judge {
        places: Places(contract),
        bench,
    };
    let variants = catalogue.correct_variants.iter();
    let nulls = catalogue.null_servers.iter();
    let deviants = catalogue.deviants.iter();
    // What takes longest comes first.
    let jobs = nulls
        .map(|one| (As::Null, one))
        .chain(variants.map(|one| (As::Variant, one)))
        .chain(deviants.map(|one| (As::Deviant, one)));
    let mut jobs: Vec<(As, &Backend)> = jobs.collect();
    jobs.sort_by_key(|(_, one)| !one.is_running());
    let rows = trial::side_by_side(jobs, wanted.jobs, |(tried_as, backend)| {
        if judge.bench.is_over() {
            return None;
        }
        let row = judge.row(tried_as, backend);
        tell(&row, watch);
        Some((tried_as, backend, row))
    });
    let mut matrix = KillMatrix {
        seed: wanted.seed,
        started_at_ms,
        whole: wanted.whole,
        ..KillMatrix::empty(Profile::ApiWorker, contract.digest())
    };
    for row in rows {
        let (tried_as, backend, row) = row.ok_or(Ruined::Interrupted)?;
        match judge.unless_told(tried_as, backend, row) {
            Row::Deviant(row) => matrix.deviants.push(row),
            Row::Null(row) => matrix.null_servers.push(row),
            Row::Variant(row) => matrix.correct_variants.push(row),
        }
    }
    if judge.bench.is_over() {
        return Err(Ruined::Interrupted);
    }
    recall(contract, &mut matrix);
    matrix.summary = Summary {
        api_workers: Some(of_api_workers(&matrix)),
        duration_ms: elapsed_ms(began),
        ..matrix.counted()
    };
    Ok(matrix)
}

fn tell(row: &Row, watch: &dyn Watch) {
    match row {
        Row::Deviant(row) if row.verdict == Fate::Survived => {
            watch.tried(&row.id, "SURVIVED", false);
        }
        Row::Deviant(row) => {
            let blamed = row.false_blame.len();
            let how = format!("killed, {blamed} falsely blamed");
            watch.tried(&row.id, &how, blamed == 0);
        }
        Row::Null(row) => {
            let passed = row.musts_passed.len();
            watch.tried(&row.id, &format!("{passed} MUST passed"), passed == 0);
        }
        Row::Variant(row) => {
            let alarms = row.false_alarms.len();
            let is_silent = alarms == 0 && row.ruined.is_none();
            watch.tried(&row.id, &format!("{alarms} false alarms"), is_silent);
        }
    }
}

/// Every criterion of the profile, with the deviants that were to break it and those that were seen to.
fn recall(contract: &Contract, matrix: &mut KillMatrix) {
    let rows = &matrix.deviants;
    let own = contract.criteria.values();
    let own = own.filter(|criterion| criterion.profile == Profile::ApiWorker);
    for criterion in own {
        let id = &criterion.id;
        let expecting = rows.iter().filter(|row| row.expected.contains(id));
        let killers = rows
            .iter()
            .filter(|row| row.killed_by.iter().any(|red| red.criterion == *id));
        let recall = Recall {
            deviants: expecting.count(),
            killed_by: killers.map(|row| row.id.clone()).collect(),
        };
        // Of a part of the catalogue only what it was to break.
        if !matrix.whole && recall.deviants == 0 {
            continue;
        }
        if criterion.level == Level::Must {
            matrix.musts.insert(id.clone(), recall.killed_by.clone());
        }
        matrix.criteria.insert(id.clone(), recall);
    }
}

fn of_api_workers(matrix: &KillMatrix) -> OfApiWorkers {
    let criteria = matrix.criteria.values();
    let rows = matrix.deviants.iter();
    OfApiWorkers {
        criteria_total: matrix.criteria.len(),
        criteria_seen: criteria
            .clone()
            .filter(|one| !one.killed_by.is_empty())
            .count(),
        deviants_of_each_min: criteria.map(|one| one.deviants).min().unwrap_or_default(),
        falsely_blamed: rows.filter(|row| !row.false_blame.is_empty()).count(),
    }
}

struct Judge<'a> {
    places: Places<'a>,
    bench: Bench,
}

impl Judge<'_> {
    fn row(&self, tried_as: As, backend: &Backend) -> Row {
        let began = clock::now();
        let said = self.bench.said(backend);
        let duration_ms = elapsed_ms(began);
        match tried_as {
            As::Deviant => Row::Deviant(DeviantRow {
                duration_ms,
                ..self.places.deviant(backend, said)
            }),
            As::Null => Row::Null(NullRow {
                duration_ms,
                ..self.places.null(backend, said)
            }),
            As::Variant => Row::Variant(VariantRow {
                duration_ms,
                ..variant(backend, said)
            }),
        }
    }

    /// A backend of which not everything could be told beside others is tried again, alone.
    fn unless_told(&self, tried_as: As, backend: &Backend, row: Row) -> Row {
        let is_untold = match &row {
            Row::Deviant(row) => row.missed.values().any(|why| why.starts_with(UNTOLD)),
            Row::Null(row) => row.ruined.is_some(),
            Row::Variant(row) => row.ruined.is_some(),
        };
        if is_untold && !self.bench.is_over() {
            self.row(tried_as, backend)
        } else {
            row
        }
    }
}
