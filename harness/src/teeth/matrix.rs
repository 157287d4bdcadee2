//! The kill matrix: which deviant turned which criterion red, and through which assertion. Never leaves a survivor out.

use super::kill::{Judged, KilledBy};
use super::trial::{self, Manner, Ruined};
use super::{Catalogue, Other, scenarios_of};
use crate::clock;
use crate::contract::{Contract, Planned};
use crate::run::Ended;
use crate::target::reference::deviants::{Deviant, Kind};
use crate::verdict::{self, Level, Outcome, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Version of the JSON form: additive within a major version.
pub const SCHEMA_VERSION: &str = "1.0";

/// Scenarios side by side on a null server: as many as there are, for it has nothing to lose.
const NULL_CONCURRENCY: usize = 1024;
/// How long an answer of a null server is waited for: one that hangs would otherwise cost a minute each time.
const NULL_PATIENCE: Duration = Duration::from_secs(1);

/// What the harness was measured to catch.
#[derive(Debug, Clone, Serialize)]
pub struct KillMatrix {
    /// [`SCHEMA_VERSION`].
    pub schema_version: &'static str,
    /// Name and version of this harness.
    pub harness: String,
    /// SHA-256 of all features, lower-case hexadecimal: which contract was measured.
    pub contract_digest: String,
    /// Decides the order of scenarios; `--seed` repeats it.
    pub seed: u64,
    /// When it began, epoch milliseconds.
    pub started_at_ms: i64,
    /// Whether every backend of the catalogue was tried.
    pub whole: bool,
    /// The counts.
    pub summary: Summary,
    /// One row per deviant, in the order of the catalogue.
    pub deviants: Vec<DeviantRow>,
    /// One row per null server.
    pub null_servers: Vec<NullRow>,
    /// One row per correct variant.
    pub correct_variants: Vec<VariantRow>,
    /// Every MUST and the deviants that turned it red; of a part of the catalogue only those MUSTs that it was to break.
    pub musts: BTreeMap<String, Vec<String>>,
}

/// The counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Backends that break one thing.
    pub deviants: usize,
    /// Those that turned every expected criterion red.
    pub killed: usize,
    /// Those that did not.
    pub survivors: usize,
    /// MUST criteria of the core profile.
    pub must_total: usize,
    /// Those that a deviant turned red, by name.
    pub must_killed: usize,
    /// Servers that keep no promise.
    pub null_servers: usize,
    /// MUST criteria that passed on one of them.
    pub null_musts_passed: usize,
    /// Backends that keep every promise in another way.
    pub correct_variants: usize,
    /// Criteria that turned red or ended in error on one of them.
    pub false_alarms: usize,
    /// Wall time, milliseconds.
    pub duration_ms: u64,
}

/// Whether a deviant was caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Every expected criterion turned red.
    Killed,
    /// One at least did not.
    Survived,
}

/// One deviant.
#[derive(Debug, Clone, Serialize)]
pub struct DeviantRow {
    /// Its name.
    pub id: String,
    /// What it does wrong.
    pub breaks: String,
    /// How it is made.
    pub kind: Kind,
    /// The criteria that must turn red.
    pub expected: Vec<String>,
    /// The assertions that turned them red.
    pub killed_by: Vec<KilledBy>,
    /// Criteria that turned red beside them, among those that were looked at.
    pub also_red: Vec<String>,
    /// Whether it was caught.
    pub verdict: Fate,
    /// For each expected criterion that did not turn red, what happened instead.
    pub missed: BTreeMap<String, String>,
    /// Why it may survive, if it may.
    pub excuse: Option<String>,
    /// Wall time of its trial, milliseconds.
    pub duration_ms: u64,
}

/// One null server.
#[derive(Debug, Clone, Serialize)]
pub struct NullRow {
    /// Its name.
    pub id: String,
    /// What it does.
    pub does: String,
    /// MUST criteria that passed: there may be none.
    pub musts_passed: Vec<String>,
    /// MUST criteria that turned red.
    pub musts_failed: usize,
    /// Why the trial did not come to its end, if it did not.
    pub ruined: Option<String>,
    /// Wall time of its trial, milliseconds.
    pub duration_ms: u64,
}

/// One correct variant.
#[derive(Debug, Clone, Serialize)]
pub struct VariantRow {
    /// Its name.
    pub id: String,
    /// What it does.
    pub does: String,
    /// Criteria that turned red or ended in error, and what was said: there may be none.
    pub false_alarms: BTreeMap<String, String>,
    /// Criteria that could not be told, and why: what is too slow to tell is no alarm.
    pub not_verified: BTreeMap<String, String>,
    /// Criteria that passed.
    pub passed: usize,
    /// Why the trial did not come to its end, if it did not.
    pub ruined: Option<String>,
    /// Wall time of its trial, milliseconds.
    pub duration_ms: u64,
}

/// One thing to be tried.
enum Job<'a> {
    Deviant(&'a Deviant),
    Null(&'a Other),
    Variant(&'a Other),
}

enum Row {
    Deviant(DeviantRow),
    Null(NullRow),
    Variant(VariantRow),
}

/// What is asked for.
#[derive(Clone)]
pub struct Wanted {
    /// How trials are run.
    pub manner: Manner,
    /// Trials side by side.
    pub jobs: usize,
    /// Whether the catalogue is the whole one.
    pub whole: bool,
    /// Every deviant is judged by the whole contract, not only by what it was to break.
    pub whole_contract: bool,
    /// Deviants that may survive, and why.
    pub survivors: BTreeMap<String, String>,
}

/// Told of each trial as it ends.
pub trait Watch: Sync {
    /// Called once per trial with its name and how it ended, in a few words.
    fn tried(&self, id: &str, how: &str);
}

/// Tries every backend of the catalogue.
///
/// # Errors
/// [`Ruined::Interrupted`] when somebody wanted it to end.
pub fn measure(
    contract: &Contract,
    catalogue: &Catalogue,
    wanted: &Wanted,
    watch: &dyn Watch,
) -> Result<KillMatrix, Ruined> {
    let (began, started_at_ms) = (clock::now(), clock::epoch_ms());
    // What takes longest starts first, so that the waiting overlaps with everything else.
    let variants = catalogue.correct_variants.iter().map(Job::Variant);
    let nulls = catalogue.null_servers.iter().map(Job::Null);
    let deviants = catalogue.deviants.iter().map(Job::Deviant);
    let jobs: Vec<_> = nulls.chain(variants).chain(deviants).collect();
    let bench = Bench { contract, wanted };
    let rows = trial::side_by_side(jobs, wanted.jobs, |job| {
        let row = bench.row(&job);
        let (id, how) = match &row {
            Row::Deviant(row) => (
                &row.id,
                match row.verdict {
                    Fate::Killed => "killed".to_owned(),
                    Fate::Survived => "SURVIVED".to_owned(),
                },
            ),
            Row::Null(row) => (&row.id, format!("{} MUST passed", row.musts_passed.len())),
            Row::Variant(row) => (&row.id, format!("{} false alarms", row.false_alarms.len())),
        };
        watch.tried(id, &how);
        row
    });
    if *wanted.manner.ending.borrow() {
        return Err(Ruined::Interrupted);
    }
    let mut matrix = KillMatrix {
        schema_version: SCHEMA_VERSION,
        harness: format!("moltproof {}", env!("CARGO_PKG_VERSION")),
        contract_digest: crate::contract::digest(),
        seed: wanted.manner.seed,
        started_at_ms,
        whole: wanted.whole,
        summary: Summary::default(),
        deviants: Vec::new(),
        null_servers: Vec::new(),
        correct_variants: Vec::new(),
        musts: BTreeMap::new(),
    };
    for row in rows {
        match row {
            Row::Deviant(row) => matrix.deviants.push(row),
            Row::Null(row) => matrix.null_servers.push(row),
            Row::Variant(row) => matrix.correct_variants.push(row),
        }
    }
    matrix.musts = musts(contract, &matrix.deviants);
    if !wanted.whole {
        let rows = &matrix.deviants;
        let expected = |id: &String| rows.iter().any(|row| row.expected.contains(id));
        matrix.musts.retain(|id, _killers| expected(id));
    }
    matrix.summary = matrix.counted();
    matrix.summary.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(matrix)
}

/// Every MUST of the core profile and the deviants that turned it red.
fn musts(contract: &Contract, rows: &[DeviantRow]) -> BTreeMap<String, Vec<String>> {
    let musts = contract
        .criteria
        .values()
        .filter(|criterion| criterion.level == Level::Must && criterion.profile == "core");
    musts
        .map(|criterion| {
            let killers = rows.iter().filter(|row| {
                row.killed_by
                    .iter()
                    .any(|red| red.criterion == criterion.id)
            });
            (
                criterion.id.clone(),
                killers.map(|row| row.id.clone()).collect(),
            )
        })
        .collect()
}

impl KillMatrix {
    fn counted(&self) -> Summary {
        let killed = self.rows_of(Fate::Killed).count();
        Summary {
            deviants: self.deviants.len(),
            killed,
            survivors: self.deviants.len() - killed,
            must_total: self.musts.len(),
            must_killed: self
                .musts
                .values()
                .filter(|killers| !killers.is_empty())
                .count(),
            null_servers: self.null_servers.len(),
            null_musts_passed: self
                .null_servers
                .iter()
                .map(|row| row.musts_passed.len())
                .sum(),
            correct_variants: self.correct_variants.len(),
            false_alarms: self
                .correct_variants
                .iter()
                .map(|row| row.false_alarms.len())
                .sum(),
            duration_ms: 0,
        }
    }

    fn rows_of(&self, fate: Fate) -> impl Iterator<Item = &DeviantRow> {
        self.deviants.iter().filter(move |row| row.verdict == fate)
    }

    /// What is wrong with the harness, a line each; empty if it has its teeth.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut all = Vec::new();
        for row in self
            .rows_of(Fate::Survived)
            .filter(|row| row.excuse.is_none())
        {
            for (criterion, instead) in &row.missed {
                all.push(format!(
                    "deviant {} survived {criterion}: {instead}",
                    row.id
                ));
            }
        }
        for row in self
            .rows_of(Fate::Killed)
            .filter(|row| row.excuse.is_some())
        {
            all.push(format!(
                "deviant {} is killed and still on the list of survivors: take it out",
                row.id
            ));
        }
        let ruined =
            |id: &str, why: &Option<String>| why.as_ref().map(|why| format!("{id}: {why}"));
        for row in &self.null_servers {
            all.extend(ruined(&row.id, &row.ruined));
            for id in &row.musts_passed {
                all.push(format!("null server {} passes {id}", row.id));
            }
        }
        for row in &self.correct_variants {
            all.extend(ruined(&row.id, &row.ruined));
            for (id, why) in &row.false_alarms {
                all.push(format!("false alarm on {}: {id}: {why}", row.id));
            }
        }
        all
    }

    /// Whether nothing is wrong with the harness, as far as was tried.
    #[must_use]
    pub fn has_teeth(&self) -> bool {
        self.complaints().is_empty() && self.unproven().is_empty()
    }

    /// The MUST criteria that no deviant turned red.
    #[must_use]
    pub fn unproven(&self) -> Vec<&str> {
        let open = self.musts.iter().filter(|(_, killers)| killers.is_empty());
        open.map(|(id, _)| id.as_str()).collect()
    }
}

struct Bench<'a> {
    contract: &'a Contract,
    wanted: &'a Wanted,
}

impl Bench<'_> {
    fn row(&self, job: &Job<'_>) -> Row {
        let began = clock::now();
        let elapsed = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match job {
            Job::Deviant(deviant) => {
                let judged = self.deviant(deviant);
                let verdict = if judged.missed.is_empty() {
                    Fate::Killed
                } else {
                    Fate::Survived
                };
                Row::Deviant(DeviantRow {
                    id: deviant.id.clone(),
                    breaks: deviant.breaks.clone(),
                    kind: deviant.kind,
                    expected: deviant.expected.clone(),
                    killed_by: judged.killed_by,
                    also_red: judged.also_red,
                    verdict,
                    missed: judged.missed,
                    excuse: self.wanted.survivors.get(&deviant.id).cloned(),
                    duration_ms: elapsed(),
                })
            }
            Job::Null(server) => {
                let manner = Manner {
                    // Most of its scenarios end with their first answer, or with the wait for it.
                    concurrency: NULL_CONCURRENCY,
                    patience: Some(NULL_PATIENCE),
                    ..self.wanted.manner.clone()
                };
                let tried = self.try_on(server, &manner);
                let must = |verdict: Verdict| {
                    let of = |id: &&String| self.contract.criteria[*id].level == Level::Must;
                    tried.of(verdict).filter(of).cloned().collect::<Vec<_>>()
                };
                Row::Null(NullRow {
                    id: server.id.clone(),
                    does: server.does.clone(),
                    musts_passed: must(Verdict::Passed),
                    musts_failed: must(Verdict::Failed).len(),
                    ruined: tried.ruined.clone(),
                    duration_ms: elapsed(),
                })
            }
            Job::Variant(variant) => {
                let tried = self.try_on(variant, &self.wanted.manner);
                let unmet = |id: &&String| !variant.unmet.contains(id);
                let failed = tried.of(Verdict::Failed).filter(unmet);
                let alarms = failed.chain(tried.of(Verdict::Error));
                let told = |id: &String| (id.clone(), tried.told(id));
                Row::Variant(VariantRow {
                    id: variant.id.clone(),
                    does: variant.does.clone(),
                    false_alarms: alarms.map(told).collect(),
                    not_verified: tried.of(Verdict::NotVerified).map(told).collect(),
                    passed: tried.of(Verdict::Passed).count(),
                    ruined: tried.ruined.clone(),
                    duration_ms: elapsed(),
                })
            }
        }
    }

    /// Fast scenarios first; the slow ones only if those did not see everything.
    fn deviant(&self, deviant: &Deviant) -> Judged {
        let all: Vec<String> = self.contract.criteria.keys().cloned().collect();
        let looked_at = if self.wanted.whole_contract {
            &all
        } else {
            &deviant.expected
        };
        let mut ended = Vec::new();
        for slow in [false, true] {
            let plan = scenarios_of(self.contract, looked_at, slow);
            if plan.is_empty() {
                continue;
            }
            match trial::of(&deviant.alteration, plan, &self.wanted.manner) {
                Ok(more) => ended.extend(more),
                Err(ruined) => {
                    return Judged::unjudged(&deviant.expected, &ruined.to_string());
                }
            }
            let judged = super::kill::judge(&deviant.expected, &ended);
            if judged.missed.is_empty() {
                return judged;
            }
        }
        super::kill::judge(&deviant.expected, &ended)
    }

    /// The whole contract, but for what really waits for long.
    fn try_on(&self, other: &Other, manner: &Manner) -> Tried {
        let plan: Vec<Arc<Planned>> = self
            .contract
            .scenarios
            .iter()
            .filter(|planned| !planned.is_slow())
            .cloned()
            .collect();
        match trial::of(&other.alteration, plan, manner) {
            Ok(ended) => Tried {
                verdicts: verdicts(self.contract, &ended),
                ended,
                ruined: None,
            },
            Err(ruined) => Tried {
                verdicts: BTreeMap::new(),
                ended: Vec::new(),
                ruined: Some(ruined.to_string()),
            },
        }
    }
}

/// How the whole contract ended on one backend.
struct Tried {
    verdicts: BTreeMap<String, Verdict>,
    ended: Vec<Ended>,
    ruined: Option<String>,
}

impl Tried {
    fn of(&self, verdict: Verdict) -> impl Iterator<Item = &String> {
        let own = self
            .verdicts
            .iter()
            .filter(move |(_, own)| **own == verdict);
        own.map(|(id, _)| id)
    }

    /// Why a criterion did not pass.
    fn told(&self, id: &str) -> String {
        let own = self
            .ended
            .iter()
            .filter(|ended| ended.planned.criteria.iter().any(|other| other == id));
        let mut own = own;
        own.find_map(|ended| {
            let why = match &ended.outcome {
                Outcome::Failed(finding) => {
                    format!("expected {}, saw {}", finding.expected, finding.seen)
                }
                Outcome::Error(why) | Outcome::NotVerified(why) => why.clone(),
                Outcome::Passed
                | Outcome::Accepted(_)
                | Outcome::NotApplicable(_)
                | Outcome::NotSelected => return None,
            };
            Some(format!("{}: {why}", ended.planned.name))
        })
        .unwrap_or_default()
    }
}

fn verdicts(contract: &Contract, ended: &[Ended]) -> BTreeMap<String, Verdict> {
    let judged = contract.criteria.keys().filter_map(|id| {
        let own = ended
            .iter()
            .filter(|ended| ended.planned.criteria.contains(id));
        let outcomes: Vec<Outcome> = own.map(|ended| ended.outcome.for_criterion(id)).collect();
        let verdict = verdict::of_criterion(&outcomes.iter().collect::<Vec<_>>())?;
        Some((id.clone(), verdict))
    });
    judged.collect()
}
