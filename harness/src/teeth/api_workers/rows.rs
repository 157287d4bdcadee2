//! The rows of the kill matrix: what the sentences said of one backend. Never takes for a kill or an alarm what could not be told.

use super::Backend;
use crate::contract::Contract;
use crate::teeth::databases::is_sentence;
use crate::teeth::kill::KilledBy;
use crate::teeth::matrix::{DeviantRow, Fate, NullRow, VariantRow};
use crate::teeth::trial::Ruined;
use crate::verdict::{self, Level, OutcomeKind, Verdict};
use moltproof_api_worker::teeth::Said;
use moltproof_api_worker::{Cause, Stop, Violation};
use std::collections::{BTreeMap, BTreeSet};

/// Where the sentences of criteria stand in the features, and which of them are MUSTs.
pub(super) struct Places<'a>(pub(super) &'a Contract);

impl Places<'_> {
    /// What is said of a deviant: killed if all that it breaks is blamed.
    pub(super) fn deviant(&self, backend: &Backend, said: Result<Vec<Said>, Ruined>) -> DeviantRow {
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

    /// What is said of a null server.
    pub(super) fn null(&self, backend: &Backend, said: Result<Vec<Said>, Ruined>) -> NullRow {
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
pub(super) const UNTOLD: &str = "error: ";

/// What is said of a correct variant.
pub(super) fn variant(backend: &Backend, said: Result<Vec<Said>, Ruined>) -> VariantRow {
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
    use super::super::Catalogue;
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
