//! `moltproof list`. Never runs anything.

use super::colour::{hung, width};
use super::{Failure, ListFormat, contract_at, put};
use crate::contract::need::Need;
use crate::contract::select::{Selection, select};
use crate::contract::version::Version;
use crate::contract::{Contract, Criterion, Planned};
use crate::nearest::hint;
use crate::verdict::{Exit, Level};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof list --level must --area ACC           the MUSTs on Access
  moltproof list --need d1-write                   what needs to write to D1
  moltproof list --search 'retry-after'            by their words
  moltproof list --tags @smoke --format json       what a smoke run selects, for programs";

/// Options of `list`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only this profile: core, data, api-worker. May be repeated.
    #[arg(
        long,
        env = "MOLTPROOF_PROFILE",
        value_name = "PROFILE",
        value_delimiter = ','
    )]
    profile: Vec<String>,
    /// Only criteria whose scenarios match this tag expression.
    #[arg(long, env = "MOLTPROOF_TAGS", value_name = "EXPR")]
    tags: Option<String>,
    /// Only these criteria.
    #[arg(long, env = "MOLTPROOF_ID", value_name = "ID", value_delimiter = ',')]
    id: Vec<String>,
    /// Only criteria that are so binding. May be repeated.
    #[arg(long, env = "MOLTPROOF_LEVEL", value_enum, value_delimiter = ',')]
    level: Vec<LevelWord>,
    /// Only this area, such as RES, ACC or USG. May be repeated.
    #[arg(
        long,
        env = "MOLTPROOF_AREA",
        value_name = "AREA",
        value_delimiter = ','
    )]
    area: Vec<String>,
    /// Only criteria with a scenario that needs this, such as d1 or variant.small-limits. May be repeated.
    #[arg(
        long,
        env = "MOLTPROOF_NEED",
        value_name = "NEED",
        value_delimiter = ','
    )]
    need: Vec<String>,
    /// Only criteria whose sentence, or the name of a scenario, holds this text, in any case.
    #[arg(long, env = "MOLTPROOF_SEARCH", value_name = "TEXT")]
    search: Option<String>,
    /// The contract as it was in this version, such as 1.0; the latest unless told otherwise.
    #[arg(long, env = "MOLTPROOF_CONTRACT", value_name = "VERSION")]
    contract: Option<Version>,
    /// Only what came with this version of the contract or a later one.
    #[arg(long, env = "MOLTPROOF_SINCE", value_name = "VERSION")]
    since: Option<Version>,
    /// Form of the output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

/// How binding, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LevelWord {
    /// MUST.
    Must,
    /// SHOULD.
    Should,
    /// MAY.
    May,
}

impl LevelWord {
    fn level(self) -> Level {
        match self {
            Self::Must => Level::Must,
            Self::Should => Level::Should,
            Self::May => Level::May,
        }
    }
}

pub(super) fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let contract = contract_at(args.contract)?;
    let selection = Selection {
        ids: args.id.clone(),
        tags: args.tags.clone(),
        profiles: args.profile.clone(),
        claimed: Vec::new(),
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
    let mut scenarios: BTreeMap<&str, Vec<&Planned>> = BTreeMap::new();
    for planned in &plan {
        for id in &planned.criteria {
            scenarios.entry(id).or_default().push(planned);
        }
    }
    let filter = args.filter(&contract)?;
    let wanted = |id: &str| selection.ids.is_empty() || selection.ids.iter().any(|one| one == id);
    let rows: Vec<_> = scenarios
        .into_iter()
        .filter(|(id, _)| wanted(id))
        .filter(|(id, own)| {
            contract
                .criteria
                .get(*id)
                .is_some_and(|criterion| filter.takes(criterion, own))
        })
        .collect();
    if rows.is_empty() {
        return Err(Failure::usage(
            "no criterion is all that at once; `moltproof list` without filters shows every one",
        ));
    }
    let text = match args.format {
        ListFormat::Text => text(&contract, &rows, width()),
        ListFormat::Markdown => markdown(&contract),
        ListFormat::Json => json(&contract, &rows),
        ListFormat::Ledger => contract.ledger(),
    };
    put(&text)?;
    Ok(Exit::Conforms)
}

/// What a criterion must be to be listed; empty fields take all.
struct Filter {
    levels: Vec<Level>,
    areas: Vec<String>,
    needs: Vec<Need>,
    search: String,
}

impl Filter {
    fn takes(&self, criterion: &Criterion, scenarios: &[&Planned]) -> bool {
        let holds = |text: &str| text.to_lowercase().contains(&self.search);
        let named = |need: &Need| self.needs.contains(need);
        (self.levels.is_empty() || self.levels.contains(&criterion.level))
            && (self.areas.is_empty()
                || self.areas.iter().any(|area| area == area_of(&criterion.id)))
            && (self.needs.is_empty() || scenarios.iter().any(|one| one.needs.iter().any(named)))
            && (holds(&criterion.id)
                || holds(&criterion.sentence)
                || scenarios.iter().any(|one| holds(&one.name)))
    }
}

impl ListArgs {
    fn filter(&self, contract: &Contract) -> Result<Filter, Failure> {
        let known: BTreeSet<&str> = contract.criteria.keys().map(|id| area_of(id)).collect();
        let areas: Vec<String> = self.area.iter().map(|area| area.to_uppercase()).collect();
        if let Some(unknown) = areas.iter().find(|area| !known.contains(area.as_str())) {
            let all: Vec<&str> = known.iter().copied().collect();
            return Err(Failure::usage(format!(
                "there is no area `{unknown}`{}; the contract has: {}",
                hint(unknown, known.iter().copied()),
                all.join(", ")
            )));
        }
        let need = |name: &String| {
            Need::parse(name.trim_start_matches('@').trim_start_matches("needs.")).ok_or_else(
                || {
                    let names: Vec<String> = Need::all().into_iter().map(Need::name).collect();
                    Failure::usage(format!(
                        "there is no need `{name}`{}; there are: {}",
                        hint(name, names.iter().map(String::as_str)),
                        names.join(", ")
                    ))
                },
            )
        };
        Ok(Filter {
            levels: self.level.iter().map(|word| word.level()).collect(),
            areas,
            needs: self.need.iter().map(need).collect::<Result<_, _>>()?,
            search: self.search.as_deref().unwrap_or_default().to_lowercase(),
        })
    }
}

/// The letters that an id begins with.
fn area_of(id: &str) -> &str {
    id.split_once('-').map_or(id, |(area, _)| area)
}

type Rows<'a> = [(&'a str, Vec<&'a crate::contract::Planned>)];

fn text(contract: &Contract, rows: &Rows<'_>, width: Option<usize>) -> String {
    let mut out = String::new();
    for (id, scenarios) in rows {
        if let Some(criterion) = contract.criteria.get(*id) {
            let count = scenarios.len();
            let head = format!(
                "{id:<8} {:<6} {:<10} {count:>3} scenarios  ",
                criterion.level.word(),
                criterion.profile
            );
            let _infallible = writeln!(out, "{}", hung(&head, &criterion.sentence, width));
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
