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

/// A gate of public routes, as its refusal stands in what a finding saw.
struct Gate {
    /// The status of its refusal.
    status: &'static str,
    /// The code of its refusal.
    code: &'static str,
    /// The criterion that promises when it refuses.
    promised_by: &'static str,
    /// Families of criteria that are kept behind it. Errors themselves are seen at any gate but the quota, which says nothing of another's.
    before: &'static [&'static str],
}

/// The code of an unknown tenant.
const UNKNOWN_TENANT: &str = "TENANT_NOT_FOUND";

/// Source: the contract, "Order of the gates".
const GATES: [Gate; 3] = [
    Gate {
        status: "429",
        code: "RATE_LIMIT_EXCEEDED",
        promised_by: "RL-001",
        before: &[
            "RES", "SEC", "ID", "BND", "AIG", "ACC", "USG", "ERR", "ISO", "SMK", "SCH",
        ],
    },
    Gate {
        status: "404",
        code: UNKNOWN_TENANT,
        promised_by: "RES-001",
        // Not limits: what is no tenant's counts against its client ip, and an answer 404 is what was wrongly admitted there.
        before: &["AIG", "USG", "ACC"],
    },
    Gate {
        status: "503",
        code: "CONFIGURATION_ERROR",
        promised_by: "BND-001",
        before: &["RES", "RL", "AIG", "USG", "ISO", "SMK"],
    },
];

/// Errors that a criterion of their own promises: status, code, criterion. Source: ERR-003 and the criteria named.
const OWN_ERRORS: [(u16, &str, &str); 8] = [
    (403, "ACCESS_DENIED", "ACC-001"),
    (429, "RATE_LIMIT_EXCEEDED", "RL-001"),
    (404, "TENANT_NOT_FOUND", "RES-012"),
    (503, "CONFIGURATION_ERROR", "BND-001"),
    (503, "STORE_UNAVAILABLE", "RES-017"),
    (409, "SANDBOX_ID_CONFLICT", "ID-006"),
    (500, "SANDBOX_ID_INVALID", "ID-007"),
    (404, "NOT_FOUND", "ERR-005"),
];

impl Gate {
    /// Whether the refusal is what was seen, and not a text that mentions it.
    fn stands_in(&self, seen: &str) -> bool {
        let tells = |answer: &str| match self.status {
            // A quota is known by its status, under whatever name.
            "429" => true,
            _ => answer.contains(self.code),
        };
        let mut answers = seen.split("status ").skip(1);
        answers.any(|answer| answer.starts_with(self.status) && tells(answer))
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
        let elsewhere = self.earlier_gate(&finding);
        if let Some(because) = elsewhere.or_else(|| self.another_error(&finding)) {
            return Stop::Unmet(Unmet {
                because: because.to_owned(),
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

    /// The gate that refused what was to come to a later one: a request that a gate refuses never reaches the next, so that nothing was
    /// seen of a promise that is kept behind it.
    fn earlier_gate(&self, finding: &Finding) -> Option<&'static str> {
        let is_behind = |gate: &Gate| {
            let own = self.criteria.iter().map(String::as_str);
            !self.criteria.is_empty()
                && own
                    .map(|id| id.split('-').next().unwrap_or(id))
                    .all(|family| gate.before.contains(&family))
        };
        let refused = GATES.iter().find(|gate| {
            is_behind(gate)
                && gate.stands_in(&finding.seen)
                && !(gate.code == UNKNOWN_TENANT && self.is_of_access(&finding.expected))
                && !finding.expected.contains(gate.status)
                && !finding.expected.contains(gate.code)
        });
        refused.map(|gate| gate.promised_by)
    }

    /// Whether a refusal was due to a caller who is no operator: then an unknown tenant is told too early, and not because it is gone.
    fn is_of_access(&self, expected: &str) -> bool {
        let is_access = self.criteria.iter().any(|id| id.starts_with("ACC-"));
        is_access && !expected.starts_with("status 200")
    }

    /// The criterion that promises an error in whose place another one came, in its own form: that codes are stable and listed (ERR-003) is
    /// kept by both, and which of them is due is promised there.
    fn another_error(&self, finding: &Finding) -> Option<&'static str> {
        let is_of_codes = self.criteria.iter().any(|id| id == "ERR-003");
        let of = |text: &str| {
            let listed = OWN_ERRORS.iter();
            listed.copied().find(|(status, code, _)| {
                text.starts_with(&format!("status {status}")) && text.contains(code)
            })
        };
        let (due, came) = (of(&finding.expected)?, of(&finding.seen)?);
        (is_of_codes && due.1 != came.1).then_some(due.2)
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

    /// What an assertion's finding comes to in a scenario of one criterion.
    fn asserted(id: &str, expected: &str, seen: &str) -> Stop {
        let criteria = [id.to_owned()];
        let judging = Judging {
            role: Role::Assertion,
            about: &[],
            criteria: &criteria,
            text: "",
        };
        judging.ended(breach(expected, seen))
    }

    fn is_breach(stop: &Stop) -> bool {
        matches!(stop, Stop::Violation(_))
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
        let of = |id, expected| asserted(id, expected, "answered by nothing, status 429 {}");
        assert_eq!(because(of("ERR-001", "status 200")), "RL-001");
        assert_eq!(because(of("RES-001", "host `a` is tenant `a`")), "RL-001");
        assert!(is_breach(&of("RL-011", "status 200")));
        let shape = "status 429 with error code RATE_LIMIT_EXCEEDED";
        assert!(is_breach(&of("ERR-003", shape)));
    }

    #[test]
    fn what_an_earlier_gate_refused_convicts_nobody_behind_it() {
        let of = |id, seen| asserted(id, "status 200", seen);
        let unknown = r#"status 404 {"error":{"code":"TENANT_NOT_FOUND"}}"#;
        assert_eq!(because(of("AIG-013", unknown)), "RES-001");
        assert_eq!(because(of("ACC-014", unknown)), "RES-001");
        assert!(is_breach(&of("RES-006", unknown)));
        assert!(is_breach(&of("AIG-013", r#"status 404 {"error":{}}"#)));
        let refused_too_early = asserted("ACC-019", "status 403", unknown);
        assert!(is_breach(&refused_too_early));
        let unlimited = asserted("RL-007", "a refusal for too many requests", unknown);
        assert!(is_breach(&unlimited));
        let unset = r#"status 503 {"error":{"code":"CONFIGURATION_ERROR"}}"#;
        assert_eq!(because(of("RES-001", unset)), "BND-001");
        assert!(is_breach(&of("BND-006", unset)));
    }

    #[test]
    fn an_error_in_the_place_of_another_is_not_a_wrong_code() {
        let due = "status 503 with error code STORE_UNAVAILABLE";
        let of = |seen| asserted("ERR-003", due, seen);
        let unknown = r#"status 404 {"error":{"code":"TENANT_NOT_FOUND"}}"#;
        assert_eq!(because(of(unknown)), "RES-017");
        let other_status = r#"status 404 {"error":{"code":"STORE_UNAVAILABLE"}}"#;
        assert!(is_breach(&of(other_status)));
        assert!(is_breach(&of(
            r#"status 500 {"error":{"code":"INTERNAL"}}"#
        )));
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
