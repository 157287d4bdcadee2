//! The kinds of generated cases: ids, titles, needs, criteria. Never draws one.

use crate::contract::need::Need;
use crate::contract::profile::Profile;

/// One kind of generated cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sequences of operators' and callers' actions, held against a model.
    Model,
    /// Tenants × roles × routes × carriers of an identifier.
    Isolation,
    /// Spellings of a host.
    Host,
    /// Spellings of a path.
    Path,
    /// Bodies off the schema.
    Body,
    /// Sequences of what users, operators, the clock and jobs do to an API worker, held against a model.
    DataLayer,
}

impl Kind {
    /// Every kind, in the order in which they are run.
    pub const ALL: [Self; 6] = [
        Self::Isolation,
        Self::Host,
        Self::Path,
        Self::Body,
        Self::Model,
        Self::DataLayer,
    ];

    /// Stable id.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Model => "GEN-MODEL",
            Self::Isolation => "GEN-ISO",
            Self::Host => "GEN-HOST",
            Self::Path => "GEN-PATH",
            Self::Body => "GEN-BODY",
            Self::DataLayer => "GEN-API",
        }
    }

    /// The kind of this id.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// For people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Model => "generated: sequences of actions against a model",
            Self::Isolation => "generated: isolation matrix",
            Self::Host => "generated: spellings of the host",
            Self::Path => "generated: spellings of the path",
            Self::Body => "generated: request bodies off their schema",
            Self::DataLayer => "generated: sequences at an API worker against a model",
        }
    }

    /// What its cases need; what else they may use is left out where it is not there.
    #[must_use]
    pub fn needs(self) -> &'static [Need] {
        match self {
            Self::Model | Self::Body => &[
                Need::Hosts,
                Need::Tenants,
                Need::Admin,
                Need::AiGateway,
                Need::D1,
            ],
            Self::Isolation => &[
                Need::Hosts,
                Need::Tenants,
                Need::Admin,
                Need::AiGateway,
                Need::D1,
                Need::Kv,
                Need::R2,
            ],
            Self::Host => &[Need::Hosts, Need::Tenants],
            Self::Path => &[Need::Hosts, Need::Tenants, Need::Admin],
            // What it needs is asked of the API worker itself.
            Self::DataLayer => &[],
        }
    }

    /// The part of the contract that it looks at.
    #[must_use]
    pub fn profile(self) -> Profile {
        match self {
            Self::Model | Self::Isolation | Self::Host | Self::Path | Self::Body => Profile::Core,
            Self::DataLayer => Profile::ApiWorker,
        }
    }

    /// The criteria that its cases can find broken.
    #[must_use]
    pub fn criteria(self) -> &'static [&'static str] {
        match self {
            Self::Model => &[
                "RES-001", "RES-012", "RES-015", "RES-017", "ID-004", "AIG-001", "AIG-003",
                "AIG-005", "AIG-010", "AIG-012", "AIG-013", "AIG-017", "AIG-021", "AIG-022",
                "ACC-001", "ACC-015", "RL-001", "RL-002", "RL-006", "RL-008", "USG-001", "USG-002",
                "USG-009", "USG-010", "USG-011", "USG-012", "USG-013", "SCH-003", "SCH-008",
                "ERR-001", "ERR-003", "ISO-003",
            ],
            Self::Isolation => &[
                "ISO-001", "ISO-002", "RES-002", "RES-010", "ACC-001", "AIG-003", "AIG-008",
                "USG-012", "ERR-001", "ERR-003",
            ],
            Self::Host => &[
                "RES-001", "RES-002", "RES-006", "RES-008", "RES-009", "RES-010", "RES-012",
                "RES-016", "SEC-001", "SEC-002", "ERR-001", "ERR-003",
            ],
            Self::Path => &["ACC-017", "RES-010", "ERR-001", "ERR-003"],
            Self::Body => &["AIG-018", "USG-013", "SCH-008", "ERR-001", "ERR-003"],
            Self::DataLayer => &[
                "API-001", "API-002", "API-003", "API-004", "API-005", "API-008", "API-009",
            ],
        }
    }
}

/// The kinds that look at what a target claims; where none does, all of them, which then say what they lack.
#[must_use]
pub fn claimed(kinds: &[Kind], profiles: &[Profile]) -> Vec<Kind> {
    let claimed: Vec<Kind> = kinds
        .iter()
        .copied()
        .filter(|kind| profiles.contains(&kind.profile()))
        .collect();
    if claimed.is_empty() {
        kinds.to_vec()
    } else {
        claimed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;

    #[test]
    fn every_kind_names_criteria_of_the_contract() {
        let contract = Contract::embedded().unwrap();
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.id()), Some(kind));
            for id in kind.criteria() {
                assert!(contract.criteria.contains_key(*id), "{id}");
            }
        }
    }

    #[test]
    fn kinds_of_parts_that_nobody_claims_are_left_out_unless_no_other_is_asked_for() {
        let core = claimed(&Kind::ALL, &[Profile::Core]);
        assert_eq!(core.len(), Kind::ALL.len() - 1);
        assert!(!core.contains(&Kind::DataLayer));
        let api = [Profile::ApiWorker];
        assert_eq!(claimed(&Kind::ALL, &api), [Kind::DataLayer]);
        assert_eq!(claimed(&[Kind::Host], &api), [Kind::Host]);
        assert_eq!(
            claimed(&Kind::ALL, &[Profile::Core, Profile::ApiWorker]),
            Kind::ALL
        );
    }
}
