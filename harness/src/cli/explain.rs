//! `moltproof explain ID`. Never runs anything.

use super::{Failure, Format, contract, put};
use crate::contract::select::nearest_id;
use crate::verdict::Exit;
use std::fmt::Write as _;

/// Options of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// The criterion, such as RES-001.
    id: String,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    let contract = contract()?;
    let Some(criterion) = contract.criteria.get(&args.id) else {
        let near = nearest_id(&contract, &args.id)
            .map(|near| format!(", did you mean `{near}`?"))
            .unwrap_or_default();
        return Err(Failure::usage(format!(
            "there is no criterion `{}`{near}; `moltproof list` shows them all",
            args.id
        )));
    };
    let own: Vec<_> = contract
        .scenarios
        .iter()
        .filter(|planned| planned.criteria.contains(&criterion.id))
        .collect();
    if args.format == Format::Json {
        let scenarios: Vec<_> = own
            .iter()
            .map(|planned| {
                let needs: Vec<_> = planned.needs.iter().map(|need| need.name()).collect();
                serde_json::json!({ "name": planned.name, "feature": planned.feature, "line": planned.line, "needs": needs, "steps": steps(planned) })
            })
            .collect();
        let value = serde_json::json!({
            "id": criterion.id,
            "level": criterion.level,
            "profile": criterion.profile,
            "sentence": criterion.sentence,
            "feature": criterion.feature,
            "line": criterion.line,
            "scenarios": scenarios,
        });
        put(&format!("{value:#}\n"))?;
        return Ok(Exit::Conforms);
    }
    let mut out = String::new();
    let _infallible = writeln!(
        out,
        "{} ({}, profile {})\n  {}\n",
        criterion.id,
        criterion.level.word(),
        criterion.profile,
        criterion.sentence
    );
    for planned in own {
        let _infallible = writeln!(
            out,
            "{}:{}  {}",
            planned.feature, planned.line, planned.name
        );
        for step in steps(planned) {
            let _infallible = writeln!(out, "    {step}");
        }
        for need in &planned.needs {
            let _infallible = writeln!(out, "  needs {need}: {}", need.remedy());
        }
        out.push('\n');
    }
    let _infallible = writeln!(out, "Run it: moltproof run --id {}", criterion.id);
    put(&out)?;
    Ok(Exit::Conforms)
}

fn steps(planned: &crate::contract::Planned) -> Vec<String> {
    let scenarios = planned.alone.rules.iter().flat_map(|rule| &rule.scenarios);
    scenarios
        .flat_map(|scenario| &scenario.steps)
        .map(|step| format!("{} {}", step.keyword.trim(), step.value))
        .collect()
}
