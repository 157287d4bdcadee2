//! What a run came to, profile by profile: verdict, counts and exit code. Never lets one profile make up for another.

use super::{CriterionReport, ProfileReport, Report};
use crate::contract::profile::Profile;
use crate::verdict::{self, Exit, RunVerdict};
use std::collections::BTreeMap;

impl ProfileReport {
    fn of(profile: &str, criteria: &[&CriterionReport]) -> Self {
        let judged = criteria.iter().map(|one| (one.level, one.verdict));
        let [must, should, may] = verdict::tallies(judged);
        Self {
            profile: profile.to_owned(),
            verdict: verdict::of_run(&must, &should, &may),
            must,
            should,
            may,
        }
    }
}

/// In which order profiles are told; one of a later version comes last.
fn place(name: &str) -> usize {
    let known = Profile::ALL.iter().position(|one| one.name() == name);
    known.unwrap_or(Profile::ALL.len())
}

/// How much a verdict asks of a reader.
fn gravity(verdict: RunVerdict) -> u8 {
    match verdict {
        RunVerdict::Conforms => 0,
        RunVerdict::Known => 1,
        RunVerdict::Inconclusive => 2,
        RunVerdict::Violates => 3,
    }
}

/// The worst of several verdicts.
pub(super) fn worst(verdicts: impl IntoIterator<Item = RunVerdict>) -> Option<RunVerdict> {
    verdicts.into_iter().max_by_key(|one| gravity(*one))
}

/// Which exit code goes before which.
fn urgency(exit: Exit) -> u8 {
    match exit {
        Exit::Conforms => 0,
        Exit::NotVerified => 1,
        Exit::StaleBaseline => 2,
        Exit::Fault => 3,
        Exit::Violation => 4,
        Exit::Usage => 5,
        Exit::Interrupted => 6,
        Exit::Terminated => 7,
    }
}

/// Verdict and counts of each profile that criteria belong to.
pub(super) fn judged<'a>(
    criteria: impl IntoIterator<Item = &'a CriterionReport>,
) -> Vec<ProfileReport> {
    let mut by_profile: BTreeMap<(usize, &str), Vec<&CriterionReport>> = BTreeMap::new();
    for one in criteria {
        let key = (place(&one.profile), one.profile.as_str());
        by_profile.entry(key).or_default().push(one);
    }
    by_profile
        .into_iter()
        .map(|((_, profile), own)| ProfileReport::of(profile, &own))
        .collect()
}

impl Report {
    /// Verdict and counts of each profile; empty where the headline is about `core` alone.
    pub(super) fn told_apart(all: Vec<ProfileReport>) -> Vec<ProfileReport> {
        let core_alone = all.iter().all(|one| one.profile == Profile::Core.name());
        if core_alone { Vec::new() } else { all }
    }

    /// Whether a Worker was judged: what concerns Workers only is not told of a database alone.
    #[must_use]
    pub fn is_about_a_worker(&self) -> bool {
        let data = Profile::Data.name();
        self.profiles.is_empty() || self.profiles.iter().any(|one| one.profile != data)
    }

    /// The exit code of the written scenarios: the worst of the profiles that were judged.
    pub(super) fn exit_of_profiles(&self, strict: bool) -> Exit {
        let exit = |one: &ProfileReport| verdict::exit_of(&one.must, &one.should, &one.may, strict);
        let of_each = judged(&self.criteria).iter().map(exit).collect::<Vec<_>>();
        let worst = of_each.into_iter().max_by_key(|one| urgency(*one));
        worst.unwrap_or(Exit::NotVerified)
    }
}
