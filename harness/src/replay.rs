//! What of an earlier run is run again, and whether the same is found. Never runs anything itself, and never judges.

use crate::contract::{Contract, Planned};
use crate::generate::Kind;
use crate::report::{CriterionReport, GeneratedReport, Report, ScenarioReport};
use crate::said::said;
use crate::verdict::{OutcomeKind, Severity};
use serde::Serialize;
use std::sync::{Arc, LazyLock};

/// How near a word must be to what was typed to be offered (Jaro-Winkler, 1 is equal). Evidence: one wrong digit of an id gives 0.96.
const NEAR: f64 = 0.85;

/// How one scenario, or one kind of generated checks, ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// `features/…:LINE`, or the id of generated checks.
    pub place: String,
    /// Name, for people.
    pub name: String,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// How bad the finding is.
    pub severity: Option<Severity>,
    /// The step that ended it.
    pub step: Option<String>,
    /// What the contract demands, if there is a finding.
    pub expected: Option<String>,
    /// What was seen instead.
    pub seen: Option<String>,
    /// Why it did not pass, where there is no finding.
    pub reason: Option<String>,
}

/// What is to be run again.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    /// The written scenarios.
    pub plan: Vec<Arc<Planned>>,
    /// The kinds of generated checks, and how many cases of each.
    pub kinds: Vec<Kind>,
    /// Cases of each kind.
    pub cases: usize,
    /// How they ended then.
    pub then: Vec<Told>,
    /// Which of them are not in the contract any more.
    pub gone: Vec<String>,
}

/// Nothing of this name can be run again; what to do is said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotChosen(String);

/// What comparing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// What was found is found again.
    Same,
    /// Something is found, and it is something else.
    Another,
    /// Nothing is found where something was.
    NotSeen,
    /// Nothing was found, and nothing is.
    StillPassed,
    /// Then or now it could not be told.
    Open,
}

impl Again {
    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Same => "the same finding again",
            Self::Another => "another finding",
            Self::NotSeen => "not seen again",
            Self::StillPassed => "passed then and now",
            Self::Open => "not to be compared",
        }
    }
}

/// A scenario then and now.
#[derive(Debug, Clone, Serialize)]
pub struct Compared {
    /// What comparing shows.
    pub again: Again,
    /// How it ended then.
    pub then: Told,
    /// How it ended now; `None` if it was not run.
    pub now: Option<Told>,
}

/// Chooses what `id` was red by in this run: of a criterion its red scenarios, or all of them if none was red.
///
/// # Errors
/// [`NotChosen`].
pub fn choose(contract: &Contract, then: &Report, id: &str) -> Result<Chosen, NotChosen> {
    if let Some(kind) = Kind::parse(id) {
        let of_kind = then.generated.iter().find(|one| one.id == kind.id());
        let one = of_kind.ok_or_else(|| {
            NotChosen(format!(
                "{} was not part of run {}; `{}` runs it",
                kind.id(),
                then.run_id,
                then.run_again(&format!("--generate N --id {}", kind.id()))
            ))
        })?;
        let mut chosen = Chosen::default();
        chosen.add_kind(kind, one);
        return Ok(chosen);
    }
    let scenarios = if id.contains(':') {
        vec![scenario_at(then, id)?]
    } else {
        of_criterion(contract, then, id)?
    };
    let mut chosen = Chosen::default();
    for scenario in scenarios {
        chosen.add(contract, then, scenario);
    }
    if chosen.plan.is_empty() && chosen.kinds.is_empty() {
        return Err(NotChosen(format!(
            "nothing of it is in this contract any more: {}",
            chosen.gone.join(", ")
        )));
    }
    Ok(chosen)
}

impl Chosen {
    fn add(&mut self, contract: &Contract, then: &Report, scenario: &ScenarioReport) {
        if scenario.line == 0 {
            let of_kind = scenario.evidence.as_deref();
            let one = then
                .generated
                .iter()
                .find(|one| Some(one.id.as_str()) == of_kind);
            if let Some((kind, one)) = one.and_then(|one| Some((Kind::parse(&one.id)?, one))) {
                self.add_kind(kind, one);
            }
            return;
        }
        let named = |planned: &&Arc<Planned>| {
            planned.feature == scenario.feature && planned.name == scenario.name
        };
        // By its line, for names may be given twice; by its name where lines have moved.
        let own = || contract.scenarios.iter().filter(named);
        let found = own()
            .find(|planned| planned.line == scenario.line)
            .or_else(|| own().next());
        match found {
            Some(planned) => {
                self.plan.push(Arc::clone(planned));
                self.then.push(Told::of(scenario));
            }
            None => self.gone.push(place(scenario)),
        }
    }

    fn add_kind(&mut self, kind: Kind, one: &GeneratedReport) {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
            // A report of an earlier form does not tell how many were asked for.
            self.cases = self.cases.max(one.asked).max(one.cases).max(1);
            self.then.push(Told::of_kind(one));
        }
    }

    /// Compares with what was found now.
    #[must_use]
    pub fn compare(&self, then: &Report, now: &Report) -> Vec<Compared> {
        let ids = [then.run_id.as_str(), now.run_id.as_str()];
        self.then
            .iter()
            .map(|before| {
                let after = find(now, before);
                let again = after
                    .as_ref()
                    .map_or(Again::Open, |after| again(before, after, ids));
                Compared {
                    again,
                    then: before.clone(),
                    now: after,
                }
            })
            .collect()
    }
}

/// The same scenario, or the same kind, in another report.
fn find(report: &Report, wanted: &Told) -> Option<Told> {
    let generated = report.generated.iter().find(|one| one.id == wanted.place);
    if let Some(one) = generated {
        return Some(Told::of_kind(one));
    }
    let scenarios = || report.criteria.iter().flat_map(|one| &one.scenarios);
    let named = |one: &&ScenarioReport| {
        one.name == wanted.name && wanted.place.starts_with(&format!("{}:", one.feature))
    };
    let found = scenarios()
        .find(|one| place(one) == wanted.place && one.name == wanted.name)
        .or_else(|| scenarios().find(named));
    found.map(Told::of)
}

fn again(before: &Told, after: &Told, ids: [&str; 2]) -> Again {
    use OutcomeKind::{
        Accepted, Error, Failed, Flaky, Known, NotApplicable, NotSelected, NotVerified, Passed,
        Unmet,
    };
    match (before.outcome, after.outcome) {
        (_, Unmet | NotVerified | NotApplicable | NotSelected)
        | (Unmet | NotVerified | NotApplicable | NotSelected, Passed | Accepted) => Again::Open,
        (Failed | Flaky | Known | Error, Failed | Flaky | Known | Error) => {
            if before.essence(ids) == after.essence(ids) {
                Again::Same
            } else {
                Again::Another
            }
        }
        (_, Failed | Flaky | Known | Error) => Again::Another,
        (Failed | Flaky | Known | Error, Passed | Accepted) => Again::NotSeen,
        (Passed | Accepted, Passed | Accepted) => Again::StillPassed,
    }
}

/// What of a finding is another in every run: ids, times, ports.
static CHANGING: LazyLock<regex::Regex> = LazyLock::new(|| {
    regex::Regex::new(
        r"[0-9a-f]{8}-[0-9a-f-]{20,}|\b(?:sk-)?[0-9a-f]{12,}\b|\b\d+(?:\.\d+)? ?(?:ms|s)\b|127\.0\.0\.1:\d+|\b\d{6,}\b|\d{4}-\d\d-\d\dT[0-9:.]+Z",
    )
    .unwrap_or_else(|_invalid| unreachable!("a constant pattern"))
});

impl Told {
    fn of(scenario: &ScenarioReport) -> Self {
        Self {
            place: place(scenario),
            name: scenario.name.clone(),
            outcome: scenario.outcome,
            severity: scenario.severity,
            step: scenario.step.clone(),
            expected: scenario.expected.clone(),
            seen: scenario.seen.clone(),
            reason: scenario.reason.clone(),
        }
    }

    fn of_kind(one: &GeneratedReport) -> Self {
        Self {
            place: one.id.clone(),
            name: one.name.clone(),
            outcome: one.outcome,
            severity: one.severity,
            step: Some(one.actions.join("; ")).filter(|actions| !actions.is_empty()),
            expected: one.expected.clone(),
            seen: one.seen.clone(),
            reason: one.reason.clone(),
        }
    }

    /// What two findings that are the same have in common.
    fn essence(&self, ids: [&str; 2]) -> [Option<String>; 4] {
        let steady = |text: &Option<String>| {
            let mut text = text.clone()?;
            for id in ids {
                text = text.replace(id, "·");
            }
            Some(CHANGING.replace_all(&text, "·").into_owned())
        };
        let severity = self.severity.map(|severity| said(&severity));
        [
            severity,
            steady(&self.step),
            steady(&self.expected),
            steady(&self.seen),
        ]
    }
}

fn place(scenario: &ScenarioReport) -> String {
    format!("{}:{}", scenario.feature, scenario.line)
}

/// The scenario at `features/…:LINE`: its own line, that of the step that ended it, or else the nearest above.
fn scenario_at<'a>(then: &'a Report, id: &str) -> Result<&'a ScenarioReport, NotChosen> {
    let (file, line) = id.rsplit_once(':').unwrap_or((id, ""));
    let line: usize = line.parse().map_err(|_unparsable| {
        NotChosen(format!(
            "`{id}` names no line; write features/AREA/FILE.feature:LINE"
        ))
    })?;
    let own: Vec<&ScenarioReport> = then
        .criteria
        .iter()
        .flat_map(|criterion| &criterion.scenarios)
        .filter(|one| one.line > 0 && one.outcome != OutcomeKind::NotSelected)
        .filter(|one| one.feature == file || one.feature.strip_prefix("features/") == Some(file))
        .collect();
    let at_step = |one: &&&ScenarioReport| one.step_line == Some(line) && one.outcome.is_red();
    let found = own
        .iter()
        .find(|one| one.line == line)
        .or_else(|| own.iter().find(at_step))
        .or_else(|| {
            let above = own.iter().filter(|one| one.line <= line);
            above.max_by_key(|one| one.line)
        });
    found.copied().ok_or_else(|| {
        NotChosen(format!(
            "run {} has no scenario at `{id}`; give a criterion's id, or FILE:LINE as its report has it",
            then.run_id
        ))
    })
}

fn of_criterion<'a>(
    contract: &Contract,
    then: &'a Report,
    id: &str,
) -> Result<Vec<&'a ScenarioReport>, NotChosen> {
    let wanted = id.to_ascii_uppercase();
    let criterion = then.criteria.iter().find(|own| own.id == wanted);
    let Some(criterion) = criterion else {
        return Err(NotChosen(if contract.criteria.contains_key(&wanted) {
            format!(
                "{wanted} was not part of run {}; `{}` runs it",
                then.run_id,
                then.run_again(&format!("--id {wanted}"))
            )
        } else {
            unknown(then, &wanted)
        }));
    };
    let ran = |one: &&ScenarioReport| one.outcome != OutcomeKind::NotSelected;
    let scenarios = || criterion.scenarios.iter();
    let red: Vec<_> = scenarios().filter(|one| one.outcome.is_red()).collect();
    Ok(if red.is_empty() {
        scenarios().filter(ran).collect()
    } else {
        red
    })
}

fn unknown(then: &Report, wanted: &str) -> String {
    let near = |one: &&CriterionReport| strsim::jaro_winkler(&one.id, wanted) >= NEAR;
    let mut close: Vec<&CriterionReport> = then.criteria.iter().filter(near).collect();
    close.sort_by(|a, b| {
        let by = |one: &CriterionReport| strsim::jaro_winkler(&one.id, wanted);
        by(b).total_cmp(&by(a))
    });
    let close: Vec<&str> = close.iter().take(3).map(|one| one.id.as_str()).collect();
    let red = then.criteria.iter().filter(|one| one.verdict.is_red());
    let red: Vec<&str> = red.take(10).map(|one| one.id.as_str()).collect();
    let meant = match close.as_slice() {
        [] => String::new(),
        close => format!("; did you mean {}?", close.join(" or ")),
    };
    let was_red = match red.as_slice() {
        [] => String::new(),
        red => format!("; red in run {} were {}", then.run_id, red.join(", ")),
    };
    format!("there is no criterion `{wanted}`{meant}{was_red}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outcome: OutcomeKind, seen: &str) -> Told {
        Told {
            place: "features/a.feature:3".to_owned(),
            name: "a".to_owned(),
            outcome,
            severity: Some(Severity::Breach),
            step: Some("Then it holds".to_owned()),
            expected: Some("status 403".to_owned()),
            seen: Some(seen.to_owned()),
            reason: None,
        }
    }

    #[test]
    fn a_finding_is_the_same_whatever_ids_and_times_it_names() {
        let ids = ["abcdef", "uvwxyz"];
        let failed = |seen| told(OutcomeKind::Failed, seen);
        let before = failed(
            "status 200 from mp-abcdef0001-a after 12.5 ms (0198d1c2-7b1e-7c3a-9f00-0123456789ab)",
        );
        let after = failed(
            "status 200 from mp-uvwxyz0001-a after 7 ms (0198d1c2-0000-7c3a-9f00-0123456789ab)",
        );
        assert_eq!(again(&before, &after, ids), Again::Same);
        let other = failed("status 500 from mp-uvwxyz0001-a after 7 ms (0)");
        assert_eq!(again(&before, &other, ids), Again::Another);
        let passed = told(OutcomeKind::Passed, "");
        assert_eq!(again(&before, &passed, ids), Again::NotSeen);
        assert_eq!(again(&passed, &before, ids), Again::Another);
        let open = told(OutcomeKind::NotVerified, "");
        assert_eq!(again(&before, &open, ids), Again::Open);
    }
}
