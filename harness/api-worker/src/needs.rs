//! By what each criterion is judged: the one table. Never asks a target what it offers.

use crate::outcome::Need::{
    self, Clock, Database, Files, Logs, Operator, Receiver, Resolver, Restart, Runner, Seeder,
};

/// What the sentences of one criterion need.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// The criterion.
    pub criterion: &'static str,
    /// At least one sentence is judged where all of one of these sets is there.
    part: &'static [&'static [Need]],
    /// Every sentence is judged where all of these are there.
    whole: &'static [Need],
}

/// How much of a criterion can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Every sentence.
    Whole,
    /// Some of its sentences, for want of this.
    InPart(Need),
    /// None, for want of this.
    Not(Need),
}

const fn needs(
    criterion: &'static str,
    part: &'static [&'static [Need]],
    whole: &'static [Need],
) -> Needs {
    Needs {
        criterion,
        part,
        whole,
    }
}

/// The table.
pub const NEEDS: [Needs; 14] = [
    needs(
        "API-001",
        &[&[Operator], &[Database], &[Files]],
        &[Operator, Database, Clock, Files],
    ),
    needs(
        "API-002",
        &[&[Operator]],
        &[Operator, Database, Logs, Clock, Receiver],
    ),
    needs("API-003", &[&[Operator]], &[Operator, Database, Clock]),
    needs(
        "API-004",
        &[&[Operator], &[Files]],
        &[Operator, Database, Clock, Files],
    ),
    needs(
        "API-005",
        &[&[Files], &[Database]],
        &[Operator, Database, Clock, Files],
    ),
    needs("API-006", &[&[Files]], &[Database, Files, Runner, Seeder]),
    needs(
        "API-007",
        &[&[Files], &[Operator, Database]],
        &[Operator, Database, Files, Runner, Seeder],
    ),
    needs(
        "API-008",
        &[&[Operator, Clock]],
        &[Operator, Database, Clock],
    ),
    needs("API-009", &[&[Operator]], &[Operator, Database, Clock]),
    needs(
        "API-010",
        &[&[Operator, Receiver]],
        &[Operator, Database, Clock, Receiver, Resolver, Restart],
    ),
    needs("API-011", &[&[Files]], &[Database, Files]),
    needs("API-012", &[&[Files]], &[Database, Files, Runner, Seeder]),
    needs(
        "API-013",
        &[&[Files], &[Operator, Database, Clock]],
        &[Operator, Database, Clock, Files],
    ),
    needs(
        "API-014",
        &[&[Files], &[Database]],
        &[Operator, Database, Files],
    ),
];

impl Needs {
    /// What a criterion needs; `None` if it is none of an API worker.
    #[must_use]
    pub fn of(criterion: &str) -> Option<&'static Self> {
        NEEDS.iter().find(|needs| needs.criterion == criterion)
    }

    /// How much of it can be judged at a target that has these.
    pub fn standing(&self, has: impl Fn(Need) -> bool) -> Standing {
        let lacking = |needs: &[Need]| needs.iter().copied().find(|need| !has(*need));
        let parts: Vec<Option<Need>> = self.part.iter().map(|part| lacking(part)).collect();
        match (parts.contains(&None), lacking(self.whole)) {
            (true, None) => Standing::Whole,
            (true, Some(need)) => Standing::InPart(need),
            (false, _) => Standing::Not(parts.into_iter().flatten().next().unwrap_or(Operator)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aspects;

    #[test]
    fn every_criterion_has_one_row_and_its_parts_are_of_the_whole() {
        let mut judged: Vec<&str> = aspects().iter().map(|aspect| aspect.criterion).collect();
        judged.dedup();
        assert_eq!(NEEDS.map(|needs| needs.criterion).to_vec(), judged);
        for needs in NEEDS {
            let all = needs.part.iter().copied().flatten();
            for need in all {
                assert!(needs.whole.contains(need), "{needs:?}");
            }
            assert_eq!(needs.standing(|_| true), Standing::Whole);
            assert!(matches!(needs.standing(|_| false), Standing::Not(_)));
        }
    }
}
