//! Tries every backend of the catalogue, many side by side. Never decides what the matrix means.

use super::kill::{Judged, KilledBy};
use super::matrix::{Blame, DeviantRow, Fate, KillMatrix, NullRow, VariantRow};
use super::scenarios_of;
use super::trial::{self, Enough, Manner, OpenFiles, Ruined};
use crate::catalogue::{Catalogue, Other};
use crate::clock;
use crate::contract::profile::Profile;
use crate::contract::{Contract, Planned};
use crate::reference::deviants::Deviant;
use crate::run::Ended;
use crate::verdict::{self, Flaky, Known, Level, Outcome, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Scenarios side by side on a null server: as many as there are, for it has nothing to lose.
const NULL_CONCURRENCY: usize = 1024;
/// How long an answer of a null server is waited for: a scenario may ask a server that hangs a hundred times in a row. An answer that is
/// missed lets nothing pass.
const NULL_PATIENCE: Duration = Duration::from_millis(200);

/// How it is said that a scenario could not tell, see `kill::instead`.
const UNTOLD: [&str; 2] = ["error: ", "not verified: "];

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
    /// Files and sockets that all of them may have open at once.
    pub files: usize,
    /// Whether the catalogue is the whole one.
    pub whole: bool,
    /// Deviants that are judged by the whole contract, not only by what they were to break.
    pub by_whole_contract: BTreeSet<String>,
    /// What deviants truly break beside that.
    pub also_broken: BTreeMap<String, BTreeSet<String>>,
    /// Deviants that may survive, and why.
    pub survivors: BTreeMap<String, String>,
}

/// Told of each trial as it ends.
pub trait Watch: Sync {
    /// Called once per trial with its name, how it ended in a few words, and whether that is as it should be.
    fn tried(&self, id: &str, how: &str, as_wanted: bool);
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
    let contract_digest = contract.digest();
    // The backends here are Workers: what is claimed of a database alone has its deviants elsewhere.
    let contract = &contract.of_profile(Profile::Core);
    // What takes longest starts first, so that the waiting overlaps with everything else.
    let (long, short): (Vec<_>, Vec<_>) = catalogue
        .deviants
        .iter()
        .partition(|deviant| may_take_long(contract, deviant));
    let long = long.into_iter().map(Job::Deviant);
    let nulls = catalogue.null_servers.iter().map(Job::Null);
    let variants = catalogue.correct().map(Job::Variant);
    let short = short.into_iter().map(Job::Deviant);
    let jobs: Vec<_> = nulls.chain(variants).chain(long).chain(short).collect();
    let bench = Bench { contract, wanted };
    let is_ending = || *wanted.manner.ending.borrow();
    let files = OpenFiles::of(wanted.files);
    let rows = trial::side_by_side(jobs, wanted.jobs, |job| {
        let _taken = files.take(bench.files_for(&job));
        // Nothing is said of what was not seen through.
        let row = (!is_ending()).then(|| bench.row(&job));
        let row = row.filter(|_| !is_ending())?;
        let (id, how, as_wanted) = match &row {
            Row::Deviant(row) => match row.verdict {
                Fate::Killed if row.false_blame.is_empty() => (&row.id, "killed".to_owned(), true),
                Fate::Killed => {
                    let ids: Vec<&str> = row.false_blame.keys().map(String::as_str).collect();
                    let how = format!("killed, falsely blamed for {}", ids.join(" "));
                    (&row.id, how, false)
                }
                Fate::Survived => (&row.id, "SURVIVED".to_owned(), false),
            },
            Row::Null(row) => {
                let musts = row.musts_passed.len();
                (&row.id, format!("{musts} MUST passed"), musts == 0)
            }
            Row::Variant(row) => {
                let alarms = row.false_alarms.len();
                (&row.id, format!("{alarms} false alarms"), alarms == 0)
            }
        };
        watch.tried(id, &how, as_wanted);
        Some(row)
    });
    let rows: Vec<Row> = rows
        .into_iter()
        .flatten()
        .map(|row| bench.unless_told(row, catalogue))
        .collect();
    if is_ending() {
        return Err(Ruined::Interrupted);
    }
    let mut matrix = KillMatrix {
        seed: wanted.manner.seed,
        started_at_ms,
        whole: wanted.whole,
        ..KillMatrix::empty(Profile::Core, contract_digest)
    };
    for row in rows {
        match row {
            Row::Deviant(row) => matrix.deviants.push(row),
            Row::Null(row) => matrix.null_servers.push(row),
            Row::Variant(row) => matrix.correct_variants.push(row),
        }
    }
    let place = |row: &DeviantRow| {
        let own = |deviant: &Deviant| deviant.id == row.id;
        catalogue.deviants.iter().position(own)
    };
    matrix.deviants.sort_by_key(place);
    matrix.musts = musts(contract, &matrix.deviants);
    if !wanted.whole {
        let rows = &matrix.deviants;
        let expected = |id: &String| rows.iter().any(|row| row.expected.contains(id));
        matrix.musts.retain(|id, _killers| expected(id));
    }
    matrix.summary = matrix.counted();
    matrix.summary.habits = catalogue.habits.len();
    matrix.summary.correct_variants -= catalogue.habits.len();
    matrix.summary.blame = blame(&matrix.deviants, &wanted.by_whole_contract);
    matrix.summary.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(matrix)
}

/// Whether a deviant may be seen only by scenarios that really wait for long.
fn may_take_long(contract: &Contract, deviant: &Deviant) -> bool {
    !scenarios_of(contract, &deviant.expected, true).is_empty()
}

/// How the blame fell on the deviants that were judged by the whole contract; nothing if none was.
fn blame(rows: &[DeviantRow], by_whole_contract: &BTreeSet<String>) -> Option<Blame> {
    let judged = rows
        .iter()
        .filter(|row| by_whole_contract.contains(&row.id));
    let blame = judged.fold(Blame::default(), |all, row| Blame {
        judged: all.judged + 1,
        falsely_blamed: all.falsely_blamed + usize::from(!row.false_blame.is_empty()),
    });
    (blame.judged > 0).then_some(blame)
}

/// Every MUST of the core profile and the deviants that turned it red.
fn musts(contract: &Contract, rows: &[DeviantRow]) -> BTreeMap<String, Vec<String>> {
    let musts = contract
        .criteria
        .values()
        .filter(|criterion| criterion.level == Level::Must && criterion.profile == Profile::Core);
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

struct Bench<'a> {
    contract: &'a Contract,
    wanted: &'a Wanted,
}

/// Open files of a trial by the whole contract. Evidence: ten at once had 17,000; a debug build more.
const FILES_FOR_ALL: usize = 2_560;
/// Open files of a trial by the criteria of one deviant. Evidence: 1,024 were too few for ten at once.
const FILES_FOR_SOME: usize = 512;

impl Bench<'_> {
    fn files_for(&self, job: &Job<'_>) -> usize {
        match job {
            Job::Deviant(deviant) if !self.is_by_whole_contract(deviant) => FILES_FOR_SOME,
            Job::Deviant(_) | Job::Null(_) | Job::Variant(_) => FILES_FOR_ALL,
        }
    }

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
                    false_blame: self.false_blame(deviant, &judged.also_red),
                    also_red: judged
                        .also_red
                        .into_iter()
                        .map(|red| red.criterion)
                        .collect(),
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
                let tried = self.try_null(server, &manner);
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

    /// A deviant of which not everything could be told beside others is tried again, alone and one scenario after the other.
    fn unless_told(&self, row: Row, catalogue: &Catalogue) -> Row {
        let untold = match &row {
            Row::Deviant(row) if row.verdict == Fate::Survived && row.excuse.is_none() => row
                .missed
                .values()
                .any(|why| UNTOLD.iter().any(|word| why.contains(word))),
            Row::Deviant(_) | Row::Null(_) | Row::Variant(_) => false,
        };
        let (true, Row::Deviant(first)) = (untold && !*self.wanted.manner.ending.borrow(), &row)
        else {
            return row;
        };
        let Some(deviant) = catalogue.deviants.iter().find(|own| own.id == first.id) else {
            return row;
        };
        let wanted = Wanted {
            manner: Manner {
                concurrency: 1,
                ..self.wanted.manner.clone()
            },
            ..self.wanted.clone()
        };
        let alone = Bench {
            contract: self.contract,
            wanted: &wanted,
        };
        alone.row(&Job::Deviant(deviant))
    }

    /// Fast scenarios first; the slow ones only if those did not see everything.
    fn deviant(&self, deviant: &Deviant) -> Judged {
        let all: Vec<String> = self.contract.criteria.keys().cloned().collect();
        let looked_at = if self.is_by_whole_contract(deviant) {
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
            match trial::of(
                &deviant.alteration,
                plan,
                &self.wanted.manner,
                self.enough(deviant),
            ) {
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

    fn is_by_whole_contract(&self, deviant: &Deviant) -> bool {
        self.wanted.by_whole_contract.contains(&deviant.id)
    }

    /// What turned red that the deviant does not break, and what was said; nothing of one that was judged by its own criteria, where a red
    /// beside them only shares their scenario.
    fn false_blame(&self, deviant: &Deviant, also_red: &[KilledBy]) -> BTreeMap<String, String> {
        if !self.is_by_whole_contract(deviant) {
            return BTreeMap::new();
        }
        let truly = self.wanted.also_broken.get(&deviant.id);
        let is_false = |red: &&KilledBy| truly.is_none_or(|own| !own.contains(&red.criterion));
        let told = |red: &KilledBy| {
            let said = format!("{}: expected {}, saw {}", red.at, red.expected, red.seen);
            (red.criterion.clone(), said)
        };
        also_red.iter().filter(is_false).map(told).collect()
    }

    /// Whether a deviant is killed already: then there is nothing more to be seen, unless everything is.
    fn enough(&self, deviant: &Deviant) -> Enough {
        if self.is_by_whole_contract(deviant) {
            return Box::new(|_ended| false);
        }
        let expected = deviant.expected.clone();
        Box::new(move |ended| {
            // Only a red can be what was missing.
            let is_red = |last: &Ended| matches!(last.outcome, Outcome::Failed(_));
            ended.last().is_some_and(is_red)
                && super::kill::judge(&expected, ended).missed.is_empty()
        })
    }

    /// One scenario for each criterion first: what turns red there cannot pass any more, and only the rest is tried by all its scenarios.
    fn try_null(&self, server: &Other, manner: &Manner) -> Tried {
        let ids: Vec<String> = self.contract.criteria.keys().cloned().collect();
        let all = scenarios_of(self.contract, &ids, false);
        let mut met = BTreeSet::new();
        let first = all
            .into_iter()
            .filter(|planned| planned.criteria.iter().any(|id| met.insert(id.clone())))
            .collect();
        let mut tried = self.try_plan(server, first, manner);
        let red: BTreeSet<&String> = tried.of(Verdict::Failed).collect();
        let open: Vec<String> = ids.iter().filter(|id| !red.contains(id)).cloned().collect();
        let rest = scenarios_of(self.contract, &open, false);
        if tried.ruined.is_none() && !rest.is_empty() {
            let more = self.try_plan(server, rest, manner);
            tried.ended.extend(more.ended);
            tried.verdicts = verdicts(self.contract, &tried.ended);
            tried.ruined = more.ruined;
        }
        tried
    }

    /// The whole contract, but for what really waits for long.
    fn try_on(&self, other: &Other, manner: &Manner) -> Tried {
        let ids: Vec<String> = self.contract.criteria.keys().cloned().collect();
        let plan = scenarios_of(self.contract, &ids, false);
        self.try_plan(other, plan, manner)
    }

    fn try_plan(&self, other: &Other, plan: Vec<Arc<Planned>>, manner: &Manner) -> Tried {
        match trial::of(&other.alteration, plan, manner, Box::new(|_ended| false)) {
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
                Outcome::Failed(finding)
                | Outcome::Flaky(Flaky { finding, .. })
                | Outcome::Known(Known { finding, .. }) => {
                    format!("expected {}, saw {}", finding.expected, finding.seen)
                }
                Outcome::Unmet(unmet) => unmet.to_string(),
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
