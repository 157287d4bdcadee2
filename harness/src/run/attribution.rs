//! What a step's finding means for the criteria of its scenario. Never takes a step.
//!
//! Only an assertion can find a promise broken, and only a promise that it is about; an action can where its definition names the criterion.
//! Whatever else a step meets was to hold before anything could be judged: the scenario ends as not verified, because of what is at fault.

use crate::run::scene::COMPLETE_ANSWER;
use crate::verdict::{Finding, Stop, Unmet};
use gherkin::StepType;
use std::collections::BTreeSet;

/// What a step is for, as its keyword says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// `Given`: what must hold before anything is judged.
    Precondition,
    /// `When`: what is done.
    Action,
    /// `Then`: what is judged.
    Assertion,
}

impl From<StepType> for Role {
    fn from(kind: StepType) -> Self {
        match kind {
            StepType::Given => Self::Precondition,
            StepType::When => Self::Action,
            StepType::Then => Self::Assertion,
        }
    }
}

/// A step as its finding is judged.
pub(super) struct Judging<'a> {
    /// What it is for.
    pub(super) role: Role,
    /// The criteria that its definition is about; none named: all of its scenario.
    pub(super) about: &'a [&'a str],
    /// The criteria of its scenario.
    pub(super) criteria: &'a [String],
    /// Its text.
    pub(super) text: &'a str,
}

impl Judging<'_> {
    /// The finding that the answer to an action never came whole: it is the next assertion that has nothing to look at.
    pub(super) fn cut_off(&self, stop: &Stop) -> Option<Finding> {
        match stop {
            Stop::Violation(finding)
                if self.role == Role::Action && finding.expected.starts_with(COMPLETE_ANSWER) =>
            {
                Some(finding.clone())
            }
            Stop::Violation(_)
            | Stop::Unmet(_)
            | Stop::NotVerified(_)
            | Stop::NotApplicable(_)
            | Stop::Fault(_) => None,
        }
    }

    /// What a stop means: a violation breaks the criteria of the scenario that the step is about, and is an unmet precondition where it is
    /// about none of them.
    pub(super) fn ended(&self, stop: Stop) -> Stop {
        let Stop::Violation(finding) = stop else {
            return stop;
        };
        if self.met_a_quota(&finding) {
            return Stop::Unmet(Unmet {
                because: "RL-001".to_owned(),
                expected: finding.expected,
                seen: finding.seen,
            });
        }
        let about: BTreeSet<&str> = self.about.iter().copied().collect();
        let own = self.criteria.iter().map(String::as_str);
        let broken: Vec<&str> = own
            .filter(|id| about.is_empty() || about.contains(id))
            .collect();
        // What is done may itself be what is promised: a definition says so by naming the criterion.
        let judges = match self.role {
            Role::Precondition => false,
            Role::Action => !about.is_empty(),
            Role::Assertion => true,
        };
        if !judges || broken.is_empty() {
            return Stop::Unmet(self.unmet(finding));
        }
        let only = if broken.len() == self.criteria.len() {
            BTreeSet::new()
        } else {
            broken.into_iter().map(str::to_owned).collect()
        };
        Stop::Violation(Finding { only, ..finding })
    }

    /// Whether another status was wanted and a quota was used up: that says nothing about a promise that is not about quotas.
    fn met_a_quota(&self, finding: &Finding) -> bool {
        let is_about_quotas = self.criteria.iter().any(|id| id.starts_with("RL-"));
        !is_about_quotas
            && finding.seen.starts_with("status 429")
            && finding.expected.starts_with("status ")
            && !finding.expected.starts_with("status 429")
    }

    fn unmet(&self, finding: Finding) -> Unmet {
        let step = || format!("the step \"{}\"", self.text);
        Unmet {
            because: self.about.first().map_or_else(step, |id| (*id).to_owned()),
            expected: finding.expected,
            seen: finding.seen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::scene::breach;

    fn judged(role: Role, about: &[&str]) -> Stop {
        let criteria = ["ACC-001".to_owned(), "ERR-004".to_owned()];
        let text = "the record is opened";
        let judging = Judging {
            role,
            about,
            criteria: &criteria,
            text,
        };
        judging.ended(breach("status 403", "status 200"))
    }

    fn because(stop: Stop) -> String {
        let Stop::Unmet(unmet) = stop else {
            panic!("{stop:?} is no unmet precondition")
        };
        unmet.because
    }

    #[test]
    fn a_precondition_and_an_action_convict_nobody() {
        let words = "the step \"the record is opened\"";
        assert_eq!(because(judged(Role::Precondition, &[])), words);
        assert_eq!(because(judged(Role::Action, &[])), words);
        assert_eq!(because(judged(Role::Precondition, &["ACC-001"])), "ACC-001");
    }

    #[test]
    fn an_action_convicts_what_its_definition_names() {
        let Stop::Violation(named) = judged(Role::Action, &["ERR-004"]) else {
            panic!("no violation")
        };
        assert!(named.breaks("ERR-004") && !named.breaks("ACC-001"));
        assert_eq!(because(judged(Role::Action, &["ACC-002"])), "ACC-002");
    }

    #[test]
    fn an_assertion_convicts_only_what_it_is_about() {
        let Stop::Violation(all) = judged(Role::Assertion, &[]) else {
            panic!("no violation")
        };
        assert!(all.breaks("ACC-001") && all.breaks("ERR-004"));
        let Stop::Violation(one) = judged(Role::Assertion, &["ERR-004", "ACC-002"]) else {
            panic!("no violation")
        };
        assert!(one.breaks("ERR-004") && !one.breaks("ACC-001"));
        assert_eq!(because(judged(Role::Assertion, &["ACC-002"])), "ACC-002");
    }

    #[test]
    fn an_answer_of_an_action_that_never_came_whole_is_kept_for_what_is_asserted_of_it() {
        let stop = breach(COMPLETE_ANSWER, "the connection was closed");
        let judging = |role| Judging {
            role,
            about: &[],
            criteria: &[],
            text: "",
        };
        let Stop::Violation(finding) = &stop else {
            panic!("no violation")
        };
        assert_eq!(judging(Role::Action).cut_off(&stop).as_ref(), Some(finding));
        assert_eq!(judging(Role::Precondition).cut_off(&stop), None);
        assert_eq!(judging(Role::Assertion).cut_off(&stop), None);
        let other = breach("status 403", "status 200");
        assert_eq!(judging(Role::Action).cut_off(&other), None);
    }

    #[test]
    fn a_quota_that_is_used_up_convicts_only_what_is_about_quotas() {
        let of = |id: &str, expected: &str| {
            let criteria = [id.to_owned()];
            let judging = Judging {
                role: Role::Assertion,
                about: &[],
                criteria: &criteria,
                text: "",
            };
            judging.ended(breach(expected, "status 429 {}"))
        };
        assert_eq!(because(of("ERR-001", "status 200")), "RL-001");
        assert!(matches!(of("RL-011", "status 200"), Stop::Violation(_)));
        let shape = "status 429 with error code RATE_LIMIT_EXCEEDED";
        assert!(matches!(of("ERR-003", shape), Stop::Violation(_)));
    }

    #[test]
    fn what_cannot_be_told_stays_untold() {
        let judging = Judging {
            role: Role::Precondition,
            about: &[],
            criteria: &[],
            text: "",
        };
        let stop = Stop::NotVerified("needs d1".to_owned());
        assert_eq!(judging.ended(stop.clone()), stop);
    }
}
