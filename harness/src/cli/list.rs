//! `moltproof list`. Never runs anything.

use super::{Failure, ListFormat, contract_at, put};
use crate::contract::Contract;
use crate::contract::select::{Selection, select};
use crate::contract::version::Version;
use crate::verdict::Exit;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Options of `list`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only this profile: core, data, api-worker.
    #[arg(long, value_name = "PROFILE")]
    profile: Vec<String>,
    /// Only criteria whose scenarios match this tag expression.
    #[arg(long, value_name = "EXPR")]
    tags: Option<String>,
    /// Only these criteria.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    id: Vec<String>,
    /// The contract as it was in this version, such as 1.0; the latest unless told otherwise.
    #[arg(long, env = "MOLTPROOF_CONTRACT", value_name = "VERSION")]
    contract: Option<Version>,
    /// Only what came with this version of the contract or a later one.
    #[arg(long, value_name = "VERSION")]
    since: Option<Version>,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

pub(super) fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let contract = contract_at(args.contract)?;
    let selection = Selection {
        ids: args.id.clone(),
        tags: args.tags.clone(),
        profiles: args.profile.clone(),
        shard: None,
    };
    let mut plan =
        select(&contract, &selection).map_err(|error| Failure::usage(error.to_string()))?;
    if let Some(since) = args.since {
        contract
            .at(since)
            .map_err(|unknown| Failure::usage(unknown.to_string()))?;
        let first = contract.versions.first().copied();
        plan.retain(|planned| planned.since().or(first) >= Some(since));
    }
    let mut scenarios: BTreeMap<&str, Vec<&crate::contract::Planned>> = BTreeMap::new();
    for planned in &plan {
        for id in &planned.criteria {
            scenarios.entry(id).or_default().push(planned);
        }
    }
    let wanted = |id: &str| selection.ids.is_empty() || selection.ids.iter().any(|one| one == id);
    let rows: Vec<_> = scenarios.into_iter().filter(|(id, _)| wanted(id)).collect();
    let text = match args.format {
        ListFormat::Text => text(&contract, &rows),
        ListFormat::Markdown => markdown(&contract),
        ListFormat::Json => json(&contract, &rows),
        ListFormat::Ledger => contract.ledger(),
    };
    put(&text)?;
    Ok(Exit::Conforms)
}

type Rows<'a> = [(&'a str, Vec<&'a crate::contract::Planned>)];

fn text(contract: &Contract, rows: &Rows<'_>) -> String {
    let mut out = String::new();
    for (id, scenarios) in rows {
        if let Some(criterion) = contract.criteria.get(*id) {
            let count = scenarios.len();
            let _infallible = writeln!(
                out,
                "{id:<8} {:<6} {:<10} {count:>3} scenarios  {}",
                criterion.level.word(),
                criterion.profile,
                criterion.sentence
            );
        }
    }
    out
}

fn json(contract: &Contract, rows: &Rows<'_>) -> String {
    let list: Vec<_> = rows
        .iter()
        .filter_map(|(id, scenarios)| {
            let criterion = contract.criteria.get(*id)?;
            let scenarios: Vec<_> = scenarios
                .iter()
                .map(|planned| {
                    serde_json::json!({ "name": planned.name, "feature": planned.feature, "line": planned.line, "tags": planned.tags })
                })
                .collect();
            Some(serde_json::json!({
                "id": criterion.id,
                "level": criterion.level,
                "profile": criterion.profile,
                "sentence": criterion.sentence,
                "feature": criterion.feature,
                "line": criterion.line,
                "scenarios": scenarios,
            }))
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Array(list))
}

/// The matrix id → feature, as `features/README.md` holds it.
pub(super) fn markdown(contract: &Contract) -> String {
    let mut out = String::from("| id | level | feature | scenarios |\n|---|---|---|---|\n");
    for criterion in contract.criteria.values() {
        let own = contract
            .scenarios
            .iter()
            .filter(|planned| planned.criteria.contains(&criterion.id))
            .count();
        let path = criterion.feature.trim_start_matches("features/");
        let _infallible = writeln!(
            out,
            "| {} | {} | [{path}]({path}) | {own} |",
            criterion.id,
            criterion.level.word()
        );
    }
    out
}
