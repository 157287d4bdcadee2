//! The form of a report: what is written as JSON, read back, and rendered as everything else. Never decides a verdict.

use super::Interruption;
use crate::client::meter::Spent;
use crate::verdict::{Level, OutcomeKind, RunVerdict, Severity, Tally, Unmet, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the JSON form: additive within a major version.
pub const SCHEMA_VERSION: &str = "2.1";

/// A run and its verdicts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this form: `MAJOR.MINOR`, additive within a major version.
    pub schema_version: String,
    /// Name and version of this harness.
    pub harness: String,
    /// Version of the contract, `MAJOR.MINOR`.
    pub contract_version: String,
    /// SHA-256 of that version's criteria and scenarios, lower-case hexadecimal: which contract was run.
    pub contract_digest: String,
    /// What was judged, for people: `reference`, a manifest's name or an address.
    pub target: String,
    /// What was judged, as `--target` has it: `moltproof replay` starts it again.
    pub named: String,
    /// Options of `moltproof run` that judge the same target on the same terms, each a word of a command line; empty in older reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// The same with whole paths, where the report is read on the machine of the run.
    #[serde(skip)]
    pub options_here: Option<Vec<String>>,
    /// Names the run; part of every tenant it made.
    pub run_id: String,
    /// Decides the order of scenarios; `--seed` repeats it.
    pub seed: u64,
    /// Scenarios side by side.
    pub concurrency: usize,
    /// Which shards of a run this is, if it was run in shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<Shards>,
    /// When the run began, epoch milliseconds.
    pub started_at_ms: i64,
    /// Wall time of the run, milliseconds.
    pub duration_ms: f64,
    /// The build that was judged, if the target tells it.
    pub build: Option<String>,
    /// The run store that keeps this report, as `--store` has it; `moltproof replay` finds it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// Whether nothing was changed on the target, as `--read-only` has it.
    #[serde(default)]
    pub read_only: bool,
    /// Whether nothing of the manifest was executed, as `--no-launch` has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_launch: bool,
    /// How many MUST criteria had to be judged, as `--min-verified` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_verified: Option<usize>,
    /// Why the run came to no verdict, such as a target that cannot be reached; every criterion is then not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_verdict: Option<String>,
    /// Who ended the run before it was through; what was not seen through then is not verified, and the verdict is never green.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Interruption>,
    /// What the run has spent.
    pub spent: Spent,
    /// Whether it was a smoke run: the smoke test, and one scenario of every other area.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub smoke: bool,
    /// Verdict and counts.
    pub summary: Summary,
    /// One entry per profile that was judged, where it was not `core` alone; the summary is the whole, and its verdict the worst of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<ProfileReport>,
    /// What a reader should know beside the verdicts, such as accepted deviations that nothing met.
    pub warnings: Vec<String>,
    /// What the target lacks: need → reason.
    pub lacking: BTreeMap<String, String>,
    /// One entry per selected criterion, by id.
    pub criteria: Vec<CriterionReport>,
    /// What had to hold before anything could be judged and did not, each cause once, the one on which most hangs first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unjudged: Vec<UnjudgedReport>,
    /// One entry per kind of generated checks, if some were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generated: Vec<GeneratedReport>,
    /// What became of the baseline's entries, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineReport>,
    /// What each scenario that ran has seen, once, by [`ScenarioReport::evidence`].
    pub evidence: BTreeMap<String, Evidence>,
}

/// What became of the entries of a baseline.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BaselineReport {
    /// The file, as it was named.
    pub file: String,
    /// Its entries.
    pub entries: usize,
    /// Those that a finding met.
    pub met: usize,
    /// Those that do not hold: unused, expired, vague, unknown or double. Any of them fails the run.
    pub stale: Vec<String>,
}

/// Parts of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shards {
    /// Into how many parts the run was divided.
    pub of: usize,
    /// Which of them are told of here, from 1.
    pub present: Vec<usize>,
    /// SHA-256 of what all of them were to run together, lower-case hexadecimal: parts of different selections do not make a whole.
    pub selection: String,
}

impl Shards {
    /// The parts that are not told of here, from 1.
    #[must_use]
    pub fn missing(&self) -> Vec<usize> {
        (1..=self.of)
            .filter(|part| !self.present.contains(part))
            .collect()
    }
}

/// Verdict and counts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// On the target as a whole.
    pub verdict: RunVerdict,
    /// MUST criteria by verdict.
    pub must: Tally,
    /// SHOULD criteria by verdict.
    pub should: Tally,
    /// MAY criteria by verdict.
    pub may: Tally,
    /// Scenarios that ran to an end.
    pub scenarios_run: usize,
    /// Scenarios that were asked for.
    pub scenarios_selected: usize,
    /// Scenarios of the contract that this run's selection left out.
    pub scenarios_not_selected: usize,
    /// Assertions that were made and held.
    pub checks: usize,
    /// HTTP exchanges with the target.
    pub exchanges: usize,
}

/// What came of one profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileReport {
    /// `core`, `data`, `api-worker`.
    pub profile: String,
    /// On the target as far as this profile goes.
    pub verdict: RunVerdict,
    /// MUST criteria by verdict.
    pub must: Tally,
    /// SHOULD criteria by verdict.
    pub should: Tally,
    /// MAY criteria by verdict.
    pub may: Tally,
}

/// One criterion.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CriterionReport {
    /// Stable id.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// `core`, `data`, `api-worker`.
    pub profile: String,
    /// The normative sentence.
    pub sentence: String,
    /// Where that stands: feature and line of its `Rule`, such as `features/access/claims.feature:7`; empty in older reports.
    #[serde(default)]
    pub source: String,
    /// See [`Verdict`].
    pub verdict: Verdict,
    /// Why, in one sentence; empty for a criterion that passed whole.
    pub reason: String,
    /// Its scenarios.
    pub scenarios: Vec<ScenarioReport>,
}

/// One scenario, as it counts for one criterion. Its evidence stands once in [`Report::evidence`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioReport {
    /// Its name.
    pub name: String,
    /// Feature file; `generated` for a finding of generated checks.
    pub feature: String,
    /// Line, from 1; 0 for a finding of generated checks.
    pub line: usize,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// Why it did not pass, where there is no finding; else what repeating it showed, or what the baseline says of it.
    pub reason: Option<String>,
    /// What had to hold before and did not, where nothing was judged because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmet: Option<Unmet>,
    /// How bad the finding is.
    pub severity: Option<Severity>,
    /// What the contract demands, if there is a finding.
    pub expected: Option<String>,
    /// What was seen instead, if there is a finding.
    pub seen: Option<String>,
    /// Line of the step that ended it early.
    pub step_line: Option<usize>,
    /// Text of that step.
    pub step: Option<String>,
    /// From first step to end, milliseconds.
    pub duration_ms: f64,
    /// Assertions that were made and held.
    pub checks: usize,
    /// Key of its evidence in [`Report::evidence`]: feature and line, or the id of generated checks; `None` if it did not run.
    pub evidence: Option<String>,
}

/// What one scenario has seen, in order of time. Secrets were taken out at capture.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The scenario's name with what its words in braces stood for in this run, such as a host for `{host a}`; `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it began, milliseconds after the run did. Every `at_ms` below counts from here.
    pub began_ms: f64,
    /// Its steps, each with time and result, as far as it came.
    pub steps: Vec<StepReport>,
    /// What was exchanged with the target.
    pub exchanges: Vec<ExchangeReport>,
    /// How many further exchanges there were, of which nothing is kept: those of an API worker that led to no finding.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unkept: usize,
    /// [`ExchangeReport::number`] of the exchange that decided, if there is a finding.
    pub decisive: Option<usize>,
    /// What the AI Gateway double was asked, where the target calls one.
    pub model_calls: Vec<ModelCallReport>,
    /// What was seen in stores, before and after.
    pub observations: Vec<ObservationReport>,
    /// Lines of the target's log that the scenario looked at.
    pub log_lines: Vec<LogLineReport>,
    /// Lines of SQL that repeat a finding about the database, on one to which its migrations were applied; empty if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sql: Vec<String>,
    /// What was left out because of its size; empty if nothing was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// One step of a scenario.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StepReport {
    /// Line in the feature, from 1.
    pub line: usize,
    /// Keyword and text.
    pub text: String,
    /// The same with what its words in braces stood for in this run, such as a host for `{host a}`; `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filled: Option<String>,
    /// The table below it, its header row first; its words in braces are replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub table: Vec<Vec<String>>,
    /// The text below it; its words in braces are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
    /// When it began.
    pub at_ms: f64,
    /// How long it took, milliseconds.
    pub duration_ms: f64,
    /// Whether the scenario went on after it.
    pub held: bool,
    /// What it left for the report, such as the smoke test's result and time of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
}

/// One request to the target and its answer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExchangeReport {
    /// Running number within the scenario, from 1.
    pub number: usize,
    /// When it was sent.
    pub at_ms: f64,
    /// Method.
    pub method: String,
    /// Host header.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Further headers of the request.
    pub request_headers: Vec<(String, String)>,
    /// Body of the request, cut.
    pub request_body: String,
    /// Status of the answer.
    pub status: u16,
    /// Headers of the answer, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body of the answer, cut.
    pub body: String,
    /// True length of that body, bytes.
    pub body_len: usize,
    /// Value of `X-Request-Id`.
    pub request_id: Option<String>,
    /// Until the connection stood; `None` on one that was used before, or where it cannot be told.
    pub connect_ms: Option<f64>,
    /// Until the response head.
    pub head_ms: f64,
    /// Until the last byte.
    pub duration_ms: f64,
    /// Repeats the request in a POSIX shell; secrets are variables.
    pub curl: String,
}

/// One call of a model, as the AI Gateway double saw it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ModelCallReport {
    /// When it arrived.
    pub at_ms: f64,
    /// Until the answer was sent or the caller was gone, milliseconds.
    pub duration_ms: Option<f64>,
    /// Path at the gateway.
    pub path: String,
    /// Model that was asked for.
    pub model: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// `cf-aig-metadata` as it was sent.
    pub metadata: Option<String>,
    /// How the double ended it, such as `answered 200` or `caller gone after 8000 ms`.
    pub outcome: String,
}

/// What was seen in a store.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ObservationReport {
    /// When it was first seen so.
    pub at_ms: f64,
    /// `D1`, `KV` or `R2`.
    pub store: String,
    /// The statement, key or prefix that was asked for.
    pub asked: String,
    /// What was there, as JSON, cut.
    pub saw: String,
    /// How often in a row it was seen so: a wait for a condition looks many times.
    pub times: usize,
}

/// One line of the target's log.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LogLineReport {
    /// Running number in the log, from 0.
    pub number: usize,
    /// The line, cut.
    pub text: String,
}

/// One cause for which criteria could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnjudgedReport {
    /// The criterion or the capability at fault, or the words of the step that found it.
    pub because: String,
    /// What had to be there.
    pub expected: String,
    /// What was there instead.
    pub seen: String,
    /// The criteria that are not verified because of it.
    pub criteria: Vec<String>,
    /// Scenarios that ended by it.
    pub scenarios: usize,
}

/// The generated checks of one kind.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GeneratedReport {
    /// Stable id, such as `GEN-ISO`; key of the smallest case's exchanges in [`Report::evidence`].
    pub id: String,
    /// For people.
    pub name: String,
    /// How they ended.
    pub outcome: OutcomeKind,
    /// Why they did not pass.
    pub reason: Option<String>,
    /// The criteria that they found broken, the nearest first.
    pub criteria: Vec<String>,
    /// How bad the finding is.
    pub severity: Option<Severity>,
    /// What the contract demands, if they failed.
    pub expected: Option<String>,
    /// What was seen instead, if they failed.
    pub seen: Option<String>,
    /// Every case follows from it.
    pub seed: u64,
    /// Cases that were asked for.
    #[serde(default)]
    pub asked: usize,
    /// Cases that were run to their end.
    pub cases: usize,
    /// Assertions that were made and held.
    pub checks: usize,
    /// Exchanges with the target.
    pub exchange_count: usize,
    /// Wall time, milliseconds.
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
}

impl Report {
    /// What part of the contract was run, if not the whole: a headline never hides it.
    #[must_use]
    pub fn part(&self) -> Option<String> {
        let left_out = self.summary.scenarios_not_selected;
        let part = if self.smoke {
            "a smoke run only: the smoke test, and one scenario of every other area"
        } else {
            "a part of the contract only"
        };
        (left_out > 0).then(|| match left_out {
            1 => format!("{part}; 1 scenario was not selected"),
            more => format!("{part}; {more} scenarios were not selected"),
        })
    }

    /// What a scenario has seen; `None` if it did not run.
    #[must_use]
    pub fn evidence_of(&self, scenario: &ScenarioReport) -> Option<&Evidence> {
        self.evidence.get(scenario.evidence.as_ref()?)
    }

    /// Lines of SQL that repeat a scenario's finding about the database.
    #[must_use]
    pub fn sql(&self, scenario: &ScenarioReport) -> &[String] {
        let evidence = self.evidence_of(scenario);
        evidence.map_or(&[], |evidence| &evidence.sql)
    }

    /// The exchange that decided a scenario's finding, or else its last one.
    #[must_use]
    pub fn decisive(&self, scenario: &ScenarioReport) -> Option<&ExchangeReport> {
        self.evidence_of(scenario)?.decisive_exchange()
    }
}

impl CriterionReport {
    /// The area of the contract, in words: the folder of its feature, or else the letters of its id.
    #[must_use]
    pub fn area(&self) -> String {
        let written = self.scenarios.iter().find(|scenario| scenario.line > 0);
        let feature = written.map_or(self.source.as_str(), |scenario| &scenario.feature);
        let folder = feature
            .strip_prefix("features/")
            .and_then(|rest| rest.split_once('/'));
        folder
            .map_or(self.letters(), |(folder, _)| folder)
            .replace('_', " ")
    }

    /// The area of the contract as the command line names it: the letters of its id, such as `ACC`.
    #[must_use]
    pub fn letters(&self) -> &str {
        self.id.split('-').next().unwrap_or_default()
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands the field over by reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Evidence {
    /// The exchange that decided, or else the last one.
    #[must_use]
    pub fn decisive_exchange(&self) -> Option<&ExchangeReport> {
        let named = self
            .decisive
            .and_then(|number| self.exchanges.iter().find(|one| one.number == number));
        named.or(self.exchanges.last())
    }
}
