//! From the scenarios in a report to its verdicts: of each criterion, and of the whole. Never looks at anything but the report.

use super::{CriterionReport, GeneratedReport, ProfileReport, Report, ScenarioReport, profiles};
use crate::contract::profile::Profile;
use crate::verdict::{self, OutcomeKind, RunVerdict, Verdict};

impl CriterionReport {
    /// Sets verdict and reason by what its scenarios ended in. Returns whether there is a verdict: there is none if no scenario was selected.
    pub(super) fn judge(&mut self) -> bool {
        let kinds = self.scenarios.iter().map(|scenario| scenario.outcome);
        let Some(verdict) = verdict::of_kinds(kinds) else {
            return false;
        };
        self.verdict = verdict;
        self.reason = self.why();
        true
    }

    fn why(&self) -> String {
        let first = |kind| {
            let mut own = self.scenarios.iter();
            own.find(|scenario| scenario.outcome == kind)
        };
        let said = |kind| first(kind).and_then(|scenario| scenario.reason.clone());
        match self.verdict {
            Verdict::Failed => first(OutcomeKind::Failed).map(ScenarioReport::told),
            Verdict::Flaky => first(OutcomeKind::Flaky).map(ScenarioReport::told),
            Verdict::Known => said(OutcomeKind::Known),
            Verdict::Error => said(OutcomeKind::Error),
            Verdict::Accepted => said(OutcomeKind::Accepted),
            Verdict::NotVerified | Verdict::NotApplicable => self.left_open(),
            Verdict::Passed => self.passed_in_part(),
        }
        .unwrap_or_default()
    }

    fn left_open(&self) -> Option<String> {
        let mut unmet = self.scenarios.iter();
        let unmet = unmet.find(|scenario| scenario.outcome == OutcomeKind::Unmet);
        if let Some(scenario) = unmet {
            return scenario.reason.clone();
        }
        let mut own = self.scenarios.iter();
        own.find_map(|scenario| match scenario.outcome {
            OutcomeKind::Unmet | OutcomeKind::NotVerified | OutcomeKind::NotApplicable => {
                scenario.reason.clone()
            }
            OutcomeKind::NotSelected => Some("not selected".to_owned()),
            OutcomeKind::Passed
            | OutcomeKind::Failed
            | OutcomeKind::Flaky
            | OutcomeKind::Known
            | OutcomeKind::Accepted
            | OutcomeKind::Error => None,
        })
    }

    /// What a pass leaves open: a reader must see when only a part was asserted.
    fn passed_in_part(&self) -> Option<String> {
        let why = self.left_open()?;
        let own = self.scenarios.iter();
        let open = own.filter(|scenario| scenario.outcome != OutcomeKind::Passed);
        Some(format!(
            "partly: {} of {} scenarios did not run ({why})",
            open.count(),
            self.scenarios.len()
        ))
    }
}

impl ScenarioReport {
    /// The finding in one line, and how often it was found where the scenario was repeated.
    pub(super) fn told(&self) -> String {
        let rate = self.reason.as_ref();
        let rate = rate.map_or_else(String::new, |rate| format!("{rate}: "));
        format!("{rate}{}", self.finding())
    }

    /// What was demanded and what was seen, in one line.
    pub(super) fn finding(&self) -> String {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        format!(
            "expected {}, saw {}",
            text(&self.expected),
            text(&self.seen)
        )
    }
}

impl Report {
    /// Counts the criteria, and sets the verdict on the whole.
    pub(super) fn count(&mut self) {
        self.gather_unjudged();
        let judged = self.criteria.iter().map(|one| (one.level, one.verdict));
        let summary = &mut self.summary;
        [summary.must, summary.should, summary.may] = verdict::tallies(judged);
        let mut each = profiles::judged(&self.criteria);
        for one in &mut each {
            one.verdict = self.unless_cut_short(self.left_open(one));
        }
        let summary = &mut self.summary;
        // Where nothing was judged nothing was proven.
        summary.verdict =
            profiles::worst(each.iter().map(|one| one.verdict)).unwrap_or(RunVerdict::Inconclusive);
        self.profiles = Self::told_apart(each);
    }

    /// The verdict on a profile, with what the run leaves open besides its criteria.
    fn left_open(&self, profile: &ProfileReport) -> RunVerdict {
        // Generated checks are about Workers. What was asked for and could not be seen through leaves the verdict open.
        let untold = |one: &GeneratedReport| one.outcome == OutcomeKind::Error;
        let untold = profile.profile == Profile::Core.name() && self.generated.iter().any(untold);
        match profile.verdict {
            RunVerdict::Violates => RunVerdict::Violates,
            RunVerdict::Conforms if untold => RunVerdict::Inconclusive,
            RunVerdict::Conforms | RunVerdict::Known | RunVerdict::Inconclusive
                if self.lacks_shards() || self.below_floor().is_some() =>
            {
                RunVerdict::Inconclusive
            }
            RunVerdict::Conforms | RunVerdict::Known | RunVerdict::Inconclusive => profile.verdict,
        }
    }

    /// Whether this was made to tell of a whole run, and a part of it is missing. One shard alone never claimed to be more.
    pub(super) fn lacks_shards(&self) -> bool {
        let shards = self.shards.as_ref();
        shards.is_some_and(|own| own.present.len() > 1 && !own.missing().is_empty())
    }
}
