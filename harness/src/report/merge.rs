//! One report of the shards of one run. Never counts a scenario twice, and never makes up one that no shard has run.

use super::{BaselineReport, CriterionReport, Report, ScenarioReport, Shards};
use crate::verdict::{OutcomeKind, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Reports that are no shards of one run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoShards {
    /// Nothing to merge.
    #[error("give at least two JSON reports, one of each shard")]
    TooFew,
    /// They do not tell of one thing.
    #[error(
        "{one} and {other} are not shards of one run: their {what} differ ({here} and {there})"
    )]
    Different {
        /// The first report.
        one: String,
        /// The other.
        other: String,
        /// What differs.
        what: &'static str,
        /// In the first.
        here: String,
        /// In the other.
        there: String,
    },
    /// They judge the same.
    #[error(
        "{one} and {other} both ran {what}: give each shard once, and all with the same --shard K/N and selection"
    )]
    Overlap {
        /// The first report.
        one: String,
        /// The other.
        other: String,
        /// What both have.
        what: String,
    },
}

/// Merges reports, each with the name by which messages call it.
///
/// # Errors
/// [`NoShards`].
pub fn merge(reports: Vec<(String, Report)>) -> Result<Report, NoShards> {
    let mut parts = reports.into_iter();
    let (Some((first_name, first)), true) = (parts.next(), parts.len() > 0) else {
        return Err(NoShards::TooFew);
    };
    let mut whole = Whole {
        ran: BTreeMap::new(),
        parts: vec![first_name.clone()],
        report: first,
    };
    whole.claim(&first_name, &whole.report.clone())?;
    for (name, part) in parts {
        same(&first_name, &whole.report, &name, &part)?;
        whole.claim(&name, &part)?;
        whole.take(part);
        whole.parts.push(name);
    }
    let mut report = whole.report;
    report.criteria.retain_mut(CriterionReport::judge);
    report.count();
    Ok(report)
}

struct Whole {
    report: Report,
    parts: Vec<String>,
    /// Who ran what.
    ran: BTreeMap<String, String>,
}

impl Whole {
    fn claim(&mut self, name: &str, part: &Report) -> Result<(), NoShards> {
        let scenarios = part.criteria.iter().flat_map(|one| &one.scenarios);
        let own: BTreeSet<String> = scenarios
            .filter(|scenario| is_selected(scenario))
            .map(place)
            .chain(part.generated.iter().map(|one| one.id.clone()))
            .collect();
        for what in own {
            if let Some(one) = self.ran.insert(what.clone(), name.to_owned()) {
                return Err(NoShards::Overlap {
                    one,
                    other: name.to_owned(),
                    what,
                });
            }
        }
        Ok(())
    }

    fn take(&mut self, part: Report) {
        let all = &mut self.report;
        for criterion in part.criteria {
            match all.criteria.iter_mut().find(|own| own.id == criterion.id) {
                Some(own) => join(own, criterion),
                None => all.criteria.push(criterion),
            }
        }
        all.criteria.sort_by(|one, other| one.id.cmp(&other.id));
        all.warnings = warnings(&all.warnings, &part.warnings);
        all.no_verdict = all.no_verdict.take().or(part.no_verdict);
        all.build = all.build.take().or(part.build);
        all.lacking.extend(part.lacking);
        all.generated.extend(part.generated);
        all.evidence.extend(part.evidence);
        all.baseline = known(all.baseline.take(), part.baseline);
        let (sum, more) = (&mut all.summary, part.summary);
        let contract = sum.scenarios_selected + sum.scenarios_not_selected;
        sum.scenarios_selected += more.scenarios_selected;
        sum.scenarios_not_selected = contract.saturating_sub(sum.scenarios_selected);
        sum.scenarios_run += more.scenarios_run;
        sum.checks += more.checks;
        sum.exchanges += more.exchanges;
        all.interrupted = all.interrupted.or(part.interrupted);
        all.spent = all.spent.with(part.spent);
        all.run_id = format!("{}+{}", all.run_id, part.run_id);
        all.started_at_ms = all.started_at_ms.min(part.started_at_ms);
        all.duration_ms = all.duration_ms.max(part.duration_ms);
        all.shards = joined(all.shards.take(), part.shards);
    }
}

fn is_selected(scenario: &ScenarioReport) -> bool {
    scenario.outcome != OutcomeKind::NotSelected && scenario.line > 0
}

fn place(scenario: &ScenarioReport) -> String {
    format!("{}:{}", scenario.feature, scenario.line)
}

/// What one criterion's scenarios came to, each from the shard that ran it.
fn join(own: &mut CriterionReport, other: CriterionReport) {
    let mut rest: BTreeMap<String, ScenarioReport> = BTreeMap::new();
    let mut generated = Vec::new();
    for scenario in other.scenarios {
        if scenario.line == 0 {
            generated.push(scenario);
        } else {
            rest.insert(place(&scenario), scenario);
        }
    }
    for scenario in &mut own.scenarios {
        if let Some(theirs) = rest.remove(&place(scenario))
            && !is_selected(scenario)
        {
            *scenario = theirs;
        }
    }
    own.scenarios.extend(rest.into_values());
    own.scenarios.extend(generated);
    own.verdict = Verdict::NotVerified;
}

/// A deviation that one shard has met is met.
fn warnings(one: &[String], other: &[String]) -> Vec<String> {
    let in_both = |text: &String| one.contains(text) && other.contains(text);
    let not_met = |text: &String| text.starts_with(super::NOT_MET);
    let all: BTreeSet<&String> = one.iter().chain(other).collect();
    all.into_iter()
        .filter(|text| !not_met(text) || in_both(text))
        .cloned()
        .collect()
}

/// What became of the baseline's entries in both: each is about one scenario, which one shard has run, and what is wrong with it in one fails the whole.
fn known(one: Option<BaselineReport>, other: Option<BaselineReport>) -> Option<BaselineReport> {
    let (mut one, other) = match (one, other) {
        (Some(one), Some(other)) => (one, other),
        (one, other) => return one.or(other),
    };
    one.entries = one.entries.max(other.entries);
    one.met += other.met;
    for stale in other.stale {
        if !one.stale.contains(&stale) {
            one.stale.push(stale);
        }
    }
    Some(one)
}

/// Every part that is told of by now.
fn joined(one: Option<Shards>, other: Option<Shards>) -> Option<Shards> {
    let (mut one, other) = (one?, other?);
    one.present.extend(other.present);
    one.present.sort_unstable();
    one.present.dedup();
    Some(one)
}

fn same(one: &str, first: &Report, other: &str, second: &Report) -> Result<(), NoShards> {
    let shards = |report: &Report| {
        let shards = report.shards.as_ref();
        shards.map_or("no --shard".to_owned(), |own| format!("K/{}", own.of))
    };
    let selection = |report: &Report| {
        let shards = report.shards.as_ref();
        shards.map_or(String::new(), |own| own.selection.clone())
    };
    let terms = |report: &Report| {
        let words = match (report.read_only, report.no_launch) {
            (true, true) => "--read-only --no-launch",
            (true, false) => "--read-only",
            (false, true) => "--no-launch",
            (false, false) => "full",
        };
        words.to_owned()
    };
    let build = |report: &Report| report.build.clone().unwrap_or_default();
    // A shard that came to no verdict may not have got as far as the target.
    let is_known = first.no_verdict.is_none() && second.no_verdict.is_none();
    for (what, here, there) in [
        ("contracts", &first.contract_digest, &second.contract_digest),
        ("targets", &first.target, &second.target),
        ("builds", &build(first), &build(second)),
        ("harness versions", &first.harness, &second.harness),
        ("numbers of shards", &shards(first), &shards(second)),
        ("selections", &selection(first), &selection(second)),
        ("terms", &terms(first), &terms(second)),
    ] {
        let is_told = is_known || !matches!(what, "targets" | "builds");
        if is_told && here != there {
            return Err(NoShards::Different {
                one: one.to_owned(),
                other: other.to_owned(),
                what,
                here: here.clone(),
                there: there.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stale_in_one_shard_is_stale_in_the_whole() {
        let of = |met, stale: &[&str]| {
            Some(BaselineReport {
                file: "known.toml".to_owned(),
                entries: 3,
                met,
                stale: stale.iter().map(|&one| one.to_owned()).collect(),
            })
        };
        let whole = known(of(1, &["vague"]), of(1, &["vague", "unused"])).unwrap();
        assert_eq!((whole.entries, whole.met), (3, 2));
        assert_eq!(whole.stale, ["vague", "unused"]);
        assert!(known(None, of(0, &["unused"])).is_some());
    }
}
