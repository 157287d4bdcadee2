//! Generated checks in a report: a row each, and a finding with each criterion they break. Never makes a criterion pass.

use super::{
    CriterionReport, Evidence, GeneratedReport, Report, RunFacts, ScenarioReport, exchange_report,
};
use crate::clock;
use crate::contract::Contract;
use crate::counted::counted;
use crate::generate::Generated;
use crate::scrub;
use crate::verdict::{Exit, Outcome, OutcomeKind, Verdict};
use std::fmt::{self, Write as _};

/// Exchanges shown of the smallest case, at most: the last ones, which decide.
const EVIDENCE_MAX: usize = 40;

/// Where generated checks stand in place of a feature.
const PLACE: &str = "generated";

impl GeneratedReport {
    fn new(generated: &Generated) -> Self {
        let (outcome, reason, finding) = match &generated.outcome {
            Outcome::Failed(finding) => (OutcomeKind::Failed, None, Some(finding)),
            other @ (Outcome::NotVerified(reason)
            | Outcome::NotApplicable(reason)
            | Outcome::Error(reason)) => (other.kind(), Some(reason.clone()), None),
            Outcome::Unmet(unmet) => (OutcomeKind::NotVerified, Some(unmet.to_string()), None),
            Outcome::Passed => (OutcomeKind::Passed, None, None),
            Outcome::Flaky(_) | Outcome::Known(_) | Outcome::Accepted(_) | Outcome::NotSelected => {
                (OutcomeKind::Error, Some("it was not run".to_owned()), None)
            }
        };
        Self {
            id: generated.kind.id().to_owned(),
            name: generated.kind.title().to_owned(),
            outcome,
            reason: reason.map(|reason| scrub::clean_report(&reason)),
            criteria: generated.criteria.iter().map(|&id| id.to_owned()).collect(),
            severity: finding.map(|finding| finding.severity),
            expected: finding.map(|finding| scrub::clean_report(&finding.expected)),
            seen: finding.map(|finding| scrub::clean_report(&finding.seen)),
            seed: generated.seed,
            asked: generated.asked,
            cases: generated.cases,
            checks: generated.checks,
            exchange_count: generated.exchanges,
            duration_ms: clock::ms(generated.duration),
            actions: generated
                .actions
                .iter()
                .map(|text| scrub::clean_report(text))
                .collect(),
            failed_at: generated.failed_at,
            drawn: generated.drawn,
            repeat: String::new(),
            left_out: generated.left_out.clone(),
        }
    }

    /// The finding as a row below a criterion.
    fn scenario(&self) -> ScenarioReport {
        ScenarioReport {
            name: format!("{} {} (seed {})", self.id, self.name, self.seed),
            feature: PLACE.to_owned(),
            line: 0,
            outcome: self.outcome,
            reason: self.reason.clone(),
            unmet: None,
            severity: self.severity,
            expected: self.expected.clone(),
            seen: self.seen.clone(),
            step_line: None,
            step: Some(self.steps()),
            duration_ms: self.duration_ms,
            checks: self.checks,
            evidence: Some(self.id.clone()),
        }
    }

    /// The actions in one line.
    fn steps(&self) -> String {
        self.actions.join("; ")
    }

    /// What was found, over several lines.
    pub(super) fn finding(&self, report: &Report) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        self.write_finding(&mut text, report).unwrap_or_default();
        text
    }

    fn write_finding(&self, out: &mut String, report: &Report) -> fmt::Result {
        for (number, action) in self.actions.iter().enumerate() {
            let mark = if self.failed_at == Some(number) {
                ">"
            } else {
                " "
            };
            writeln!(out, "  {mark} {}. {action}", number + 1)?;
        }
        if self.actions.len() < self.drawn {
            writeln!(
                out,
                "    (made small: it had {} as it was drawn)",
                self.drawn
            )?;
        }
        if let (Some(expected), Some(seen)) = (&self.expected, &self.seen) {
            writeln!(out, "  expected {expected}")?;
            writeln!(out, "  saw {seen}")?;
        }
        if let Some(reason) = &self.reason {
            writeln!(out, "  {reason}")?;
        }
        let evidence = report.evidence.get(&self.id);
        if let Some(shown) = evidence.and_then(Evidence::shown) {
            writeln!(out, "  {}", shown.line())?;
            writeln!(out, "  {}", shown.exchange.curl)?;
        }
        writeln!(out, "  {}", report.repeat_generated(self))
    }
}

impl Report {
    /// The report with generated checks: what they found breaks their criteria, what they did not find proves none.
    #[must_use]
    pub fn with_generated(
        mut self,
        contract: &Contract,
        generated: &[Generated],
        facts: &RunFacts,
    ) -> Self {
        self.generated = generated.iter().map(GeneratedReport::new).collect();
        self.name_their_repeats();
        for one in generated {
            if let Some(evidence) = smallest_case(one, facts) {
                self.evidence.insert(one.kind.id().to_owned(), evidence);
            }
        }
        for found in self
            .generated
            .clone()
            .iter()
            .filter(|one| one.outcome == OutcomeKind::Failed)
        {
            for id in &found.criteria {
                self.break_criterion(contract, id, found);
            }
        }
        let summary = &mut self.summary;
        let all = || self.generated.iter();
        summary.checks += all().map(|one| one.checks).sum::<usize>();
        summary.exchanges += all().map(|one| one.exchange_count).sum::<usize>();
        self.count();
        self
    }

    fn name_their_repeats(&mut self) {
        let own = self.generated.iter();
        let repeats: Vec<String> = own.map(|one| self.repeat_generated(one)).collect();
        for (one, repeat) in self.generated.iter_mut().zip(repeats) {
            repeat
                .trim_start_matches("moltproof run ")
                .clone_into(&mut one.repeat);
        }
    }

    fn break_criterion(&mut self, contract: &Contract, id: &str, found: &GeneratedReport) {
        if let Some(own) = self.criteria.iter_mut().find(|own| own.id == id) {
            own.scenarios.push(found.scenario());
            own.judge();
        } else if let Some(criterion) = contract.criteria.get(id) {
            let at = self.criteria.partition_point(|own| own.id.as_str() < id);
            let mut report = CriterionReport {
                id: criterion.id.clone(),
                level: criterion.level,
                profile: criterion.profile.to_string(),
                sentence: criterion.sentence.clone(),
                source: super::source(criterion),
                verdict: Verdict::Failed,
                reason: String::new(),
                scenarios: vec![found.scenario()],
            };
            report.judge();
            self.criteria.insert(at, report);
        }
    }

    fn has(&self, outcome: OutcomeKind) -> bool {
        self.generated.iter().any(|one| one.outcome == outcome)
    }

    /// The exit code, once generated checks have their say.
    pub(super) fn exit_with_generated(&self, written: Exit, strict: bool) -> Exit {
        let nothing_written = self.criteria.is_empty();
        match written {
            Exit::Conforms | Exit::NotVerified if self.has(OutcomeKind::Error) => Exit::Fault,
            // Nothing written was selected: then the generated checks alone answer.
            Exit::NotVerified
                if nothing_written
                    && self.has(OutcomeKind::Passed)
                    && !(strict && self.has(OutcomeKind::NotVerified)) =>
            {
                Exit::Conforms
            }
            Exit::Conforms if strict && self.has(OutcomeKind::NotVerified) => Exit::NotVerified,
            Exit::Conforms
            | Exit::Violation
            | Exit::Usage
            | Exit::Fault
            | Exit::NotVerified
            | Exit::StaleBaseline
            | Exit::Interrupted
            | Exit::Terminated => written,
        }
    }
}

/// What was exchanged in the smallest case; the last ones, if they are many.
fn smallest_case(generated: &Generated, facts: &RunFacts) -> Option<Evidence> {
    let all = &generated.evidence;
    let began = all.first()?.sent_at;
    let first = all.len().saturating_sub(EVIDENCE_MAX);
    Some(Evidence {
        exchanges: all[first..]
            .iter()
            .map(|one| exchange_report(one, began, facts))
            .collect(),
        ..Evidence::default()
    })
}

/// The rows of all kinds, one line each; without an outcome for what was left out.
pub(super) fn rows(report: &Report) -> Vec<(Option<OutcomeKind>, String)> {
    let row = |one: &GeneratedReport| {
        let broken = match one.outcome {
            OutcomeKind::Failed => format!(" · breaks {}", one.criteria.join(" ")),
            OutcomeKind::Passed
            | OutcomeKind::Flaky
            | OutcomeKind::Known
            | OutcomeKind::Accepted
            | OutcomeKind::Unmet
            | OutcomeKind::NotVerified
            | OutcomeKind::NotApplicable
            | OutcomeKind::Error
            | OutcomeKind::NotSelected => String::new(),
        };
        let reason = one
            .reason
            .as_ref()
            .map_or_else(String::new, |reason| format!(" · {reason}"));
        let text = format!(
            "{} {}: {}, {} in {:.2} s · seed {}{broken}{reason}",
            one.id,
            one.name,
            counted(one.cases, "case"),
            counted(one.checks, "assertion"),
            one.duration_ms / 1000.0,
            one.seed
        );
        let left_out = one
            .left_out
            .iter()
            .map(|what| format!("{}  left out: {what}", one.id));
        std::iter::once((Some(one.outcome), text))
            .chain(left_out.map(|text| (None, text)))
            .collect::<Vec<_>>()
    };
    report.generated.iter().flat_map(row).collect()
}
