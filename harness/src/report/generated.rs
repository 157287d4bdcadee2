//! Generated checks in a report: a row each, and a finding with each criterion they break. Never makes a criterion pass.

use super::{CriterionReport, ExchangeReport, Report, ScenarioReport, exchange_report};
use crate::clock;
use crate::contract::Contract;
use crate::generate::Generated;
use crate::verdict::{self, Exit, Level, Outcome, RunVerdict, Severity, Tally, Verdict};
use serde::Serialize;
use std::fmt::{self, Write as _};

/// Exchanges shown of the smallest case, at most: the last ones, which decide.
const EVIDENCE_MAX: usize = 40;

/// Where generated checks stand in place of a feature.
const PLACE: &str = "generated";

/// The generated checks of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct GeneratedReport {
    /// Stable id, such as `GEN-ISO`.
    pub id: &'static str,
    /// For people.
    pub name: &'static str,
    /// `passed`, `failed`, `not_verified`, `not_applicable` or `error`.
    pub outcome: &'static str,
    /// Why it did not pass.
    pub reason: Option<String>,
    /// The criteria that it found broken, the nearest first.
    pub criteria: Vec<&'static str>,
    /// How bad the finding is.
    pub severity: Option<Severity>,
    /// What the contract demands, if it failed.
    pub expected: Option<String>,
    /// What was seen instead, if it failed.
    pub seen: Option<String>,
    /// Every case follows from it.
    pub seed: u64,
    /// Cases that were run to their end.
    pub cases: usize,
    /// Assertions that were made and held.
    pub checks: usize,
    /// Exchanges with the target.
    pub exchange_count: usize,
    /// Wall time.
    pub duration_ms: f64,
    /// The smallest case that fails: what is done, in order.
    pub actions: Vec<String>,
    /// Which of these failed, from 0.
    pub failed_at: Option<usize>,
    /// How many actions that case had as it was drawn.
    pub drawn: usize,
    /// Options of `moltproof run` that repeat it.
    pub repeat: String,
    /// What could not be done on this target, and why.
    pub left_out: Vec<String>,
    /// What was exchanged in the smallest case, the last ones.
    pub exchanges: Vec<ExchangeReport>,
}

impl GeneratedReport {
    fn new(generated: &Generated) -> Self {
        let evidence = &generated.evidence;
        let first = evidence.len().saturating_sub(EVIDENCE_MAX);
        let mut report = Self {
            id: generated.kind.id(),
            name: generated.kind.title(),
            outcome: "passed",
            reason: None,
            criteria: generated.criteria.clone(),
            severity: None,
            expected: None,
            seen: None,
            seed: generated.seed,
            cases: generated.cases,
            checks: generated.checks,
            exchange_count: generated.exchanges,
            duration_ms: clock::ms(generated.duration),
            actions: generated.actions.clone(),
            failed_at: generated.failed_at,
            drawn: generated.drawn,
            repeat: generated.repeat(),
            left_out: generated.left_out.clone(),
            exchanges: evidence[first..]
                .iter()
                .map(|one| exchange_report(one))
                .collect(),
        };
        match &generated.outcome {
            Outcome::Passed => {}
            Outcome::Failed(finding) => {
                report.outcome = "failed";
                report.severity = Some(finding.severity);
                report.expected = Some(finding.expected.clone());
                report.seen = Some(finding.seen.clone());
            }
            Outcome::NotVerified(reason) => {
                (report.outcome, report.reason) = ("not_verified", Some(reason.clone()));
            }
            Outcome::NotApplicable(reason) => {
                (report.outcome, report.reason) = ("not_applicable", Some(reason.clone()));
            }
            Outcome::Error(reason) => {
                (report.outcome, report.reason) = ("error", Some(reason.clone()));
            }
            Outcome::Accepted(_) | Outcome::NotSelected => {
                (report.outcome, report.reason) = ("error", Some("it was not run".to_owned()));
            }
        }
        report
    }

    /// The finding as a row below a criterion.
    fn scenario(&self) -> ScenarioReport {
        ScenarioReport {
            name: format!("{} {} (seed {})", self.id, self.name, self.seed),
            feature: PLACE.to_owned(),
            line: 0,
            outcome: self.outcome,
            reason: self.reason.clone(),
            severity: self.severity,
            expected: self.expected.clone(),
            seen: self.seen.clone(),
            step_line: None,
            step: Some(self.steps()),
            duration_ms: self.duration_ms,
            checks: self.checks,
            exchanges: self.exchanges.clone(),
        }
    }

    /// The actions in one line.
    fn steps(&self) -> String {
        self.actions.join("; ")
    }

    /// What was found, over several lines.
    pub(super) fn finding(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        self.write_finding(&mut text).unwrap_or_default();
        text
    }

    fn write_finding(&self, out: &mut String) -> fmt::Result {
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
        if let Some(exchange) = self.exchanges.last() {
            writeln!(out, "  {}", exchange.curl)?;
        }
        writeln!(out, "  moltproof run {}", self.repeat)
    }
}

impl Report {
    /// The report with generated checks: what they found breaks their criteria, what they did not find proves none.
    #[must_use]
    pub fn with_generated(mut self, contract: &Contract, generated: &[Generated]) -> Self {
        self.generated = generated.iter().map(GeneratedReport::new).collect();
        for found in self
            .generated
            .clone()
            .iter()
            .filter(|one| one.outcome == "failed")
        {
            for id in &found.criteria {
                self.break_criterion(contract, id, found);
            }
        }
        self.count_again();
        self
    }

    fn break_criterion(&mut self, contract: &Contract, id: &str, found: &GeneratedReport) {
        let reason = format!(
            "expected {}, saw {}",
            found.expected.as_deref().unwrap_or_default(),
            found.seen.as_deref().unwrap_or_default()
        );
        if let Some(own) = self.criteria.iter_mut().find(|own| own.id == id) {
            if own.verdict != Verdict::Failed {
                own.verdict = Verdict::Failed;
                own.reason = reason;
            }
            own.scenarios.push(found.scenario());
        } else if let Some(criterion) = contract.criteria.get(id) {
            let at = self.criteria.partition_point(|own| own.id.as_str() < id);
            self.criteria.insert(
                at,
                CriterionReport {
                    id: criterion.id.clone(),
                    level: criterion.level,
                    profile: criterion.profile.clone(),
                    sentence: criterion.sentence.clone(),
                    verdict: Verdict::Failed,
                    reason,
                    scenarios: vec![found.scenario()],
                },
            );
        }
    }

    fn count_again(&mut self) {
        let summary = &mut self.summary;
        for tally in [&mut summary.must, &mut summary.should, &mut summary.may] {
            *tally = Tally::default();
        }
        for criterion in &self.criteria {
            let tally = match criterion.level {
                Level::Must => &mut summary.must,
                Level::Should => &mut summary.should,
                Level::May => &mut summary.may,
            };
            tally.count(criterion.verdict);
        }
        summary.checks += self.generated.iter().map(|one| one.checks).sum::<usize>();
        summary.exchanges += self
            .generated
            .iter()
            .map(|one| one.exchange_count)
            .sum::<usize>();
        summary.verdict = verdict::of_run(&summary.must, &summary.should, &summary.may);
        // What was asked for and could not be seen through leaves the verdict open.
        if self.has("error") && self.summary.verdict == RunVerdict::Conforms {
            self.summary.verdict = RunVerdict::Inconclusive;
        }
    }

    fn has(&self, outcome: &str) -> bool {
        self.generated.iter().any(|one| one.outcome == outcome)
    }

    /// The exit code, once generated checks have their say.
    pub(super) fn exit_with_generated(&self, written: Exit, strict: bool) -> Exit {
        let nothing_written = self.criteria.is_empty();
        match written {
            Exit::Conforms | Exit::NotVerified if self.has("error") => Exit::Fault,
            // Nothing written was selected: then the generated checks alone answer.
            Exit::NotVerified
                if nothing_written
                    && self.has("passed")
                    && !(strict && self.has("not_verified")) =>
            {
                Exit::Conforms
            }
            Exit::Conforms if strict && self.has("not_verified") => Exit::NotVerified,
            Exit::Conforms
            | Exit::Violation
            | Exit::Usage
            | Exit::Fault
            | Exit::NotVerified
            | Exit::Interrupted => written,
        }
    }
}

/// The rows of all kinds, one line each.
pub(super) fn rows(report: &Report) -> Vec<(&'static str, String)> {
    let row = |one: &GeneratedReport| {
        let broken = match one.outcome {
            "failed" => format!(" · breaks {}", one.criteria.join(" ")),
            _ => String::new(),
        };
        let reason = one
            .reason
            .as_ref()
            .map_or_else(String::new, |reason| format!(" · {reason}"));
        let text = format!(
            "{} {}: {} cases, {} assertions in {:.2} s · seed {}{broken}{reason}",
            one.id,
            one.name,
            one.cases,
            one.checks,
            one.duration_ms / 1000.0,
            one.seed
        );
        let left_out = one
            .left_out
            .iter()
            .map(|what| format!("{}  left out: {what}", one.id));
        std::iter::once((one.outcome, text))
            .chain(left_out.map(|text| ("left_out", text)))
            .collect::<Vec<_>>()
    };
    report.generated.iter().flat_map(row).collect()
}
