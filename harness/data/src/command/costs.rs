//! The costs of the declared queries, for people and for programs. Never judges them.

use super::output;
use crate::check::Cost;
use crate::engine::Reads;
use crate::render::counted;
use crate::render::text::hanging;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the declared queries cost: D1 bills each row that is read, so that a scan stands beside what it returned.
pub(super) fn text(costs: &[Cost]) -> String {
    if costs.is_empty() {
        return String::new();
    }
    let width = output::width();
    let is_deep = costs.iter().any(|cost| !cost.held.is_empty());
    let others = if is_deep { " that is not named" } else { "" };
    let mut text = format!(
        "\ncosts        of the declared queries, with some eighty rows in each table{others}\n"
    );
    for cost in costs {
        let scanned = match cost.scanned {
            0 => "nothing scanned".to_owned(),
            steps => format!("{} scanned", counted(steps as usize, "row")),
        };
        let read = format!(
            "{}: {} returned, {}{scanned}",
            cost.name,
            counted(cost.returned, "row"),
            cost.read.map(read).unwrap_or_default()
        );
        text.push_str(&hanging("  ", &read, width));
        if !cost.held.is_empty() {
            text.push_str(&hanging("            ", &cost.tables(), width));
        }
        let plan = cost.plan.join("; ");
        text.push_str(&hanging("            ", &plan, width));
    }
    text
}

/// What was read, in words.
fn read(reads: Reads) -> String {
    let most = counted(usize::try_from(reads.most).unwrap_or(usize::MAX), "row");
    if reads.least == reads.most {
        format!("{most} read, ")
    } else {
        format!("{} to {most} read, ", reads.least)
    }
}

fn rows_read(reads: Option<Reads>) -> Value {
    reads.map_or(
        Value::Null,
        |reads| json!({ "at_least": reads.least, "at_most": reads.most }),
    )
}

/// The same for programs.
pub(super) fn told(costs: &[Cost]) -> Vec<Value> {
    let costs = costs.iter();
    let told = costs.map(|cost| {
        let mut told = json!({ "query": cost.name, "plan": cost.plan, "rows_returned": cost.returned, "rows_scanned": cost.scanned, "rows_read": rows_read(cost.read), "instructions": cost.instructions });
        if !cost.held.is_empty() {
            let held: BTreeMap<&str, u64> = cost.held.iter().map(|(table, rows)| (table.as_str(), *rows)).collect();
            told["rows_held"] = json!(held);
        }
        told
    });
    told.collect()
}
