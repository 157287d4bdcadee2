//! Tries every backend of the catalogue, many side by side, and makes the kill matrix of it. Never takes for a kill or an alarm what could
//! not be told.

use super::trial::Bench;
use super::{Backend, Catalogue};
use crate::clock;
use crate::contract::Contract;
use crate::contract::profile::Profile;
use crate::teeth::databases::{elapsed_ms, is_sentence};
use crate::teeth::kill::KilledBy;
use crate::teeth::matrix::{
    DeviantRow, Fate, KillMatrix, NullRow, OfApiWorkers, Recall, SCHEMA_VERSION, Summary,
    VariantRow,
};
use crate::teeth::measure::Watch;
use crate::teeth::trial::{self, Ruined};
use crate::verdict::{self, Level, OutcomeKind, Verdict};
use moltproof_api_worker::teeth::Said;
use moltproof_api_worker::{Cause, Stop, Violation};
use std::collections::{BTreeMap, BTreeSet};
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
        schema_version: SCHEMA_VERSION,
        harness: format!("moltproof {}", env!("CARGO_PKG_VERSION")),
        profile: Profile::ApiWorker,
        contract_digest: contract.digest(),
        seed: wanted.seed,
        started_at_ms,
        whole: wanted.whole,
        summary: Summary::default(),
        deviants: Vec::new(),
        null_servers: Vec::new(),
        correct_variants: Vec::new(),
        musts: BTreeMap::new(),
        criteria: BTreeMap::new(),
        rules: BTreeMap::new(),
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

/// Where the sentences of criteria stand in the features, and which of them are MUSTs.
struct Places<'a>(&'a Contract);

impl Places<'_> {
    fn deviant(&self, backend: &Backend, said: Result<Vec<Said>, Ruined>) -> DeviantRow {
        let mut missed = BTreeMap::new();
        let said = said.unwrap_or_else(|ruined| {
            let expected = backend.expected.iter();
            missed = expected
                .map(|id| (id.clone(), format!("{UNTOLD}{ruined}")))
                .collect();
            Vec::new()
        });
        let reds = self.reds(&said);
        let wanted: BTreeSet<&str> = backend.expected.iter().map(String::as_str).collect();
        for id in wanted.iter().filter(|id| !reds.contains_key(**id)) {
            let instead = || instead(&said, id);
            missed.entry((*id).to_owned()).or_insert_with(instead);
        }
        // Where a sentence could not tell, neither the kill nor the blame can be told.
        for one in &said {
            if let Err(Stop::Fault(why)) = &one.outcome {
                let told = format!("{UNTOLD}{}: {why}", one.aspect.sentence);
                missed.insert(one.aspect.criterion.to_owned(), told);
            }
        }
        let (killed_by, blamed): (Vec<_>, Vec<_>) = reds
            .into_values()
            .partition(|red| wanted.contains(red.criterion.as_str()));
        let told = |red: &KilledBy| {
            let said = format!("{}: expected {}, saw {}", red.at, red.expected, red.seen);
            (red.criterion.clone(), said)
        };
        DeviantRow {
            id: backend.id.clone(),
            breaks: backend.does.clone(),
            kind: backend.kind(),
            expected: backend.expected.clone(),
            killed_by,
            also_red: blamed.iter().map(|red| red.criterion.clone()).collect(),
            false_blame: blamed.iter().map(told).collect(),
            verdict: if missed.is_empty() {
                Fate::Killed
            } else {
                Fate::Survived
            },
            missed,
            excuse: None,
            duration_ms: 0,
        }
    }

    fn null(&self, backend: &Backend, said: Result<Vec<Said>, Ruined>) -> NullRow {
        let (said, ruined) = parted(said);
        let verdicts = verdicts(&said);
        let musts = |wanted: Verdict| {
            let of = move |(id, verdict): (&str, Verdict)| {
                let criterion = self.0.criteria.get(id);
                let is_must = criterion.is_some_and(|one| one.level == Level::Must);
                (is_must && verdict == wanted).then(|| id.to_owned())
            };
            let all = verdicts.iter().map(|(id, verdict)| (*id, *verdict));
            all.filter_map(of).collect::<Vec<_>>()
        };
        NullRow {
            id: backend.id.clone(),
            does: backend.does.clone(),
            musts_passed: musts(Verdict::Passed),
            musts_failed: musts(Verdict::Failed).len(),
            ruined,
            duration_ms: 0,
        }
    }

    /// The first assertion that each red criterion turned red by.
    fn reds(&self, said: &[Said]) -> BTreeMap<&'static str, KilledBy> {
        let mut reds = BTreeMap::new();
        for one in said {
            if let Err(Stop::Violated(violation)) = &one.outcome {
                let red = || self.red(one, violation);
                reds.entry(one.aspect.criterion).or_insert_with(red);
            }
        }
        reds
    }

    fn red(&self, said: &Said, violation: &Violation) -> KilledBy {
        let (id, sentence) = (said.aspect.criterion, said.aspect.sentence);
        let mut scenarios = self.0.scenarios.iter();
        let planned = scenarios.find(|planned| {
            planned.criteria.iter().any(|own| own == id) && is_sentence(&planned.name, sentence)
        });
        let at = planned.map(|planned| format!("{}:{}", planned.feature, planned.line));
        KilledBy {
            criterion: id.to_owned(),
            scenario: planned.map_or_else(|| sentence.to_owned(), |one| one.name.clone()),
            at: at.unwrap_or_default(),
            step: sentence.to_owned(),
            expected: violation.expected.clone(),
            seen: violation.seen.clone(),
        }
    }
}

/// How it is said that a sentence could not tell.
const UNTOLD: &str = "error: ";

fn variant(backend: &Backend, said: Result<Vec<Said>, Ruined>) -> VariantRow {
    let (said, mut ruined) = parted(said);
    let verdicts = verdicts(&said);
    let mut alarms = BTreeMap::new();
    for one in &said {
        let id = one.aspect.criterion;
        match &one.outcome {
            Err(Stop::Violated(violation)) => {
                let told = format!("{}: {violation}", one.aspect.sentence);
                alarms.entry(id.to_owned()).or_insert(told);
            }
            // What a backend offers is judged of it; a data layer alone does not offer everything.
            Err(stop) if backend.is_running() || !is_lack(stop) => {
                ruined.get_or_insert_with(|| {
                    format!("{id} could not be told: {}: {stop}", one.aspect.sentence)
                });
            }
            Ok(_) | Err(_) => {}
        }
    }
    let open = verdicts
        .iter()
        .filter(|(_, verdict)| **verdict == Verdict::NotVerified);
    VariantRow {
        id: backend.id.clone(),
        does: backend.does.clone(),
        false_alarms: alarms,
        not_verified: open
            .map(|(id, _)| ((*id).to_owned(), instead(&said, id)))
            .collect(),
        passed: verdicts
            .values()
            .filter(|verdict| **verdict == Verdict::Passed)
            .count(),
        ruined,
        duration_ms: 0,
    }
}

fn parted(said: Result<Vec<Said>, Ruined>) -> (Vec<Said>, Option<String>) {
    match said {
        Ok(said) => (said, None),
        Err(ruined) => (Vec::new(), Some(ruined.to_string())),
    }
}

/// Whether nothing was judged for want of something that the target does not offer.
fn is_lack(stop: &Stop) -> bool {
    matches!(
        stop,
        Stop::Unmet {
            cause: Cause::Capability(_),
            ..
        }
    )
}

fn kind(said: &Said) -> OutcomeKind {
    match &said.outcome {
        Ok(_) => OutcomeKind::Passed,
        Err(Stop::Violated(_)) => OutcomeKind::Failed,
        Err(Stop::Fault(_)) => OutcomeKind::Error,
        Err(stop @ Stop::Unmet { .. }) if is_lack(stop) => OutcomeKind::NotVerified,
        Err(Stop::Unmet { .. }) => OutcomeKind::Unmet,
    }
}

/// The verdict of each criterion that was judged, as a run has it.
fn verdicts(said: &[Said]) -> BTreeMap<&'static str, Verdict> {
    let ids: BTreeSet<&str> = said.iter().map(|one| one.aspect.criterion).collect();
    let judged = ids.into_iter().filter_map(|id| {
        let own = said.iter().filter(|one| one.aspect.criterion == id);
        Some((id, verdict::of_kinds(own.map(kind))?))
    });
    judged.collect()
}

/// What happened to a criterion that did not turn red.
fn instead(said: &[Said], id: &str) -> String {
    let own = || said.iter().filter(|one| one.aspect.criterion == id);
    let stopped = own().find_map(|one| {
        let stop = one.outcome.as_ref().err()?;
        Some(format!("{}: {stop}", one.aspect.sentence))
    });
    stopped.unwrap_or_else(|| match own().count() {
        0 => "no sentence judged it".to_owned(),
        count => format!("{count} sentences held"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use moltproof_api_worker::{Severity, aspects};

    fn violated() -> Stop {
        Stop::Violated(Violation {
            severity: Severity::Breach,
            expected: "a refusal".to_owned(),
            seen: "200".to_owned(),
        })
    }

    /// Every sentence holds, but for the first of each of these criteria.
    fn said(stops: &[(&str, Stop)]) -> Vec<Said> {
        let mut said: Vec<Said> = aspects()
            .iter()
            .map(|aspect| Said {
                aspect,
                outcome: Ok("as it should be".to_owned()),
            })
            .collect();
        for (id, stop) in stops {
            let own = said.iter_mut().find(|one| one.aspect.criterion == *id);
            own.unwrap().outcome = Err(stop.clone());
        }
        said
    }

    fn deviant(stops: &[(&str, Stop)]) -> DeviantRow {
        let contract = Contract::embedded().unwrap();
        let catalogue = Catalogue::built_in(&contract).unwrap();
        let backend = catalogue.deviants.iter();
        let mut backend = backend.filter(|one| one.expected == ["API-002"]);
        Places(&contract).deviant(backend.next().unwrap(), Ok(said(stops)))
    }

    #[test]
    fn what_could_not_be_told_is_no_kill_and_no_alarm() {
        let fault = Stop::Fault("GET / was not answered".to_owned());
        assert_eq!(deviant(&[("API-002", violated())]).verdict, Fate::Killed);
        let row = deviant(&[("API-002", fault.clone())]);
        assert_eq!(row.verdict, Fate::Survived);
        assert!(row.missed["API-002"].starts_with(UNTOLD));
        // Nor is a blame precise of which a part is not known.
        let row = deviant(&[("API-002", violated()), ("API-004", fault.clone())]);
        assert_eq!(row.verdict, Fate::Survived);
        assert!(row.missed["API-004"].starts_with(UNTOLD) && row.false_blame.is_empty());
        let contract = Contract::embedded().unwrap();
        let catalogue = Catalogue::built_in(&contract).unwrap();
        let backend = &catalogue.correct_variants[0];
        let row = variant(backend, Ok(said(&[("API-004", fault)])));
        assert!(row.false_alarms.is_empty());
        assert!(row.ruined.unwrap().contains("API-004 could not be told"));
    }

    #[test]
    fn a_criterion_beside_the_stated_one_is_a_false_blame() {
        let row = deviant(&[("API-002", violated()), ("API-009", violated())]);
        assert_eq!((row.verdict, row.false_blame.len()), (Fate::Killed, 1));
        assert!(row.false_blame.contains_key("API-009"));
    }

    #[test]
    fn a_data_layer_alone_need_not_offer_everything_and_a_worker_must() {
        let contract = Contract::embedded().unwrap();
        let catalogue = Catalogue::built_in(&contract).unwrap();
        let lacking = Stop::Unmet {
            cause: Cause::Capability(moltproof_api_worker::Need::Operator),
            seen: "403".to_owned(),
        };
        for backend in &catalogue.correct_variants {
            let row = variant(backend, Ok(said(&[("API-001", lacking.clone())])));
            assert_eq!(row.ruined.is_some(), backend.is_running(), "{}", row.id);
        }
    }
}
