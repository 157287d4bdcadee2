//! `moltproof explain ID`. Never runs anything.

use super::colour::{hung, width};
use super::{Failure, Format, contract, put};
use crate::catalogue::{Catalogue, databases};
use crate::contract::advice::{self, Advice};
use crate::contract::profile::Profile;
use crate::contract::select::nearest_id;
use crate::contract::{Contract, Criterion, Planned};
use crate::teeth::api_workers;
use crate::verdict::Exit;
use std::fmt::Write as _;
use std::sync::Arc;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof explain RES-002
  moltproof explain ACC-009 --format json";

/// Options of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// The criterion, such as RES-001.
    id: String,
    /// Form of the output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Everything that is known of a criterion.
struct Explained<'a> {
    criterion: &'a Criterion,
    advice: Advice,
    scenarios: Vec<&'a Arc<Planned>>,
    /// Backends, databases or API workers that break it: name and what each does wrong.
    broken_by: Vec<(String, String)>,
}

pub(super) fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    let contract = contract()?;
    let Some(criterion) = contract.criteria.get(&args.id) else {
        let near = nearest_id(&contract, &args.id);
        return Err(Failure::usage(format!(
            "there is no criterion `{}`{}; `moltproof list` shows them all",
            args.id,
            crate::nearest::told(near.as_deref())
        )));
    };
    let explained = explained(&contract, criterion)?;
    put(&match args.format {
        Format::Text => text(&explained, width()),
        Format::Json => json(&explained),
    })?;
    Ok(Exit::Conforms)
}

fn explained<'a>(
    contract: &'a Contract,
    criterion: &'a Criterion,
) -> Result<Explained<'a>, Failure> {
    let mut advice = advice::built_in()
        .map_err(|why| Failure::fault(format!("the embedded advice is malformed: {why}")))?;
    let catalogue = Catalogue::built_in(contract)
        .map_err(|error| Failure::fault(format!("the catalogue is malformed: {error}")))?;
    let breaking = catalogue
        .deviants
        .into_iter()
        .filter(|deviant| deviant.expected.contains(&criterion.id));
    let databases = databases::built_in()
        .map_err(|error| Failure::fault(format!("the catalogue is malformed: {error}")))?;
    let workers = api_workers::Catalogue::built_in(contract)
        .map_err(|error| Failure::fault(format!("the catalogue is malformed: {error}")))?;
    let workers = workers.deviants.into_iter();
    let workers = workers.filter(|deviant| deviant.expected.contains(&criterion.id));
    let broken = databases
        .listed(false)
        .filter(|deviant| deviant.criteria.contains(&criterion.id));
    Ok(Explained {
        criterion,
        advice: advice.remove(&criterion.id).unwrap_or_default(),
        scenarios: contract
            .scenarios
            .iter()
            .filter(|planned| planned.criteria.contains(&criterion.id))
            .collect(),
        broken_by: breaking
            .map(|deviant| (deviant.id, deviant.breaks))
            .chain(broken.map(|deviant| (deviant.id.clone(), deviant.breaks.clone())))
            .chain(workers.map(|deviant| (deviant.id, deviant.does)))
            .collect(),
    })
}

fn json(explained: &Explained<'_>) -> String {
    let Explained {
        criterion,
        advice,
        scenarios,
        broken_by,
    } = explained;
    let scenarios: Vec<_> = scenarios
        .iter()
        .map(|planned| {
            let needs: Vec<_> = planned
                .needs
                .iter()
                .map(|need| need.name())
                .collect();
            serde_json::json!({ "name": planned.name, "feature": planned.feature, "line": planned.line, "needs": needs, "steps": steps(planned) })
        })
        .collect();
    let broken_by: Vec<_> = broken_by
        .iter()
        .map(|(id, breaks)| serde_json::json!({ "id": id, "breaks": breaks }))
        .collect();
    let value = serde_json::json!({
        "id": criterion.id,
        "level": criterion.level,
        "profile": criterion.profile,
        "sentence": criterion.sentence,
        "why": advice.why,
        "fix": advice.fix,
        "feature": criterion.feature,
        "line": criterion.line,
        "scenarios": scenarios,
        "broken_by": broken_by,
    });
    format!("{value:#}\n")
}

fn text(explained: &Explained<'_>, width: Option<usize>) -> String {
    let Explained {
        criterion,
        advice,
        scenarios,
        broken_by,
    } = explained;
    let mut out = String::new();
    let mut line = |text: String| {
        let _infallible = writeln!(out, "{text}");
    };
    line(format!(
        "{} ({}, profile {})",
        criterion.id,
        criterion.level.word(),
        criterion.profile
    ));
    line(hung("  ", &criterion.sentence, width));
    if !advice.why.is_empty() {
        line(hung("\nWhy: ", &advice.why, width));
    }
    line(format!(
        "\nHow it is checked ({}):",
        counted(scenarios.len(), "scenario")
    ));
    for planned in scenarios {
        line(format!(
            "\n  {}:{}  {}",
            planned.feature, planned.line, planned.name
        ));
        for step in steps(planned) {
            line(hung("    ", &step, width));
        }
    }
    let needs: std::collections::BTreeSet<_> = scenarios
        .iter()
        .flat_map(|planned| &planned.needs)
        .collect();
    if !needs.is_empty() {
        line("\nWhat a target must offer for that:".to_owned());
    }
    for need in needs {
        line(hung(&format!("  {need}: "), &need.remedy(), width));
    }
    if !advice.fix.is_empty() {
        line("\nHow to fix it, where it fails:".to_owned());
    }
    for fix in &advice.fix {
        line(hung("  - ", fix, width));
    }
    if !broken_by.is_empty() {
        line(format!(
            "\n{} that break it, each seen to fail ({}):",
            if criterion.profile == Profile::Data {
                "Databases"
            } else {
                "Backends"
            },
            broken_by.len()
        ));
    }
    for (id, breaks) in broken_by {
        line(hung(&format!("  {id}: "), breaks, width));
    }
    line(format!("\nRun it: moltproof run --id {}", criterion.id));
    out
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn steps(planned: &Planned) -> Vec<String> {
    let scenarios = planned.alone.rules.iter().flat_map(|rule| &rule.scenarios);
    scenarios
        .flat_map(|scenario| &scenario.steps)
        .map(|step| format!("{} {}", step.keyword.trim(), step.value))
        .collect()
}
