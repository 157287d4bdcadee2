//! What the declared statements cost, for people and for programs. Never judges a query, and a write by its own `rows_written` alone.

use super::output;
use crate::check::{Bound, Cost, WriteCost};
use crate::engine::Reads;
use crate::render::text::hanging;
use crate::subject::Subject;
use crate::text::counted;
use crate::written::Written;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What D1 would bill for the declared statements.
#[derive(Debug, Default)]
pub(super) struct Bills {
    queries: Vec<Cost>,
    writes: Vec<WriteCost>,
}

impl Bills {
    pub(super) fn of(subject: &Subject) -> Self {
        Self {
            queries: crate::check::costs(subject),
            writes: crate::check::writes(subject),
        }
    }

    fn with(&self, bound: Bound) -> usize {
        let all = self.writes.iter();
        all.filter(|write| write.bound() == Some(bound)).count()
    }

    /// Whether this became of some write's `rows_written`.
    pub(super) fn has(&self, bound: Bound) -> bool {
        self.with(bound) > 0
    }

    /// What the first line of the report says of broken bounds; nothing where none is.
    pub(super) fn headline(&self) -> String {
        match self.with(Bound::Broken) {
            0 => String::new(),
            broken => format!("; {} more than declared", counted_writes(broken)),
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        text(&self.queries) + &writes(&self.writes)
    }

    /// The queries for programs.
    pub(super) fn queries_told(&self) -> Vec<Value> {
        told(&self.queries)
    }

    /// The writes for programs.
    pub(super) fn writes_told(&self) -> Vec<Value> {
        self.writes.iter().map(write_told).collect()
    }

    /// One case for each write that declares a bound.
    pub(super) fn cases(&self) -> Vec<TestCase> {
        let bounded = self.writes.iter();
        let bounded = bounded.filter_map(|write| Some((write, write.bound()?)));
        let cases = bounded.map(|(write, bound)| {
            let mut status = match bound {
                Bound::Held => TestCaseStatus::success(),
                Bound::Broken => TestCaseStatus::non_success(NonSuccessKind::Failure),
                Bound::Open => TestCaseStatus::skipped(),
            };
            status.set_message(word(bound));
            status.set_description(write_line(write));
            TestCase::new(format!("rows_written of {}", write.name), status)
        });
        cases.collect()
    }
}

fn counted_writes(writes: usize) -> String {
    let writing = if writes == 1 { "writes" } else { "write" };
    format!("{} {writing}", counted(writes, "declared write"))
}

fn word(bound: Bound) -> &'static str {
    match bound {
        Bound::Held => "held",
        Bound::Broken => "broken",
        Bound::Open => "not verified",
    }
}

/// What the declared writes write: D1 bills each row, and each entry that is made in an index.
fn writes(costs: &[WriteCost]) -> String {
    if costs.is_empty() {
        return String::new();
    }
    let width = output::width();
    let mut text =
        "\nwritten      by the declared writes, each with one item, on a copy with some eighty rows in each table\n"
            .to_owned();
    for cost in costs {
        let head = match cost.bound() {
            None => "  ",
            Some(Bound::Held) => "  held    ",
            Some(Bound::Broken) => "  BROKEN  ",
            Some(Bound::Open) => "  open    ",
        };
        text.push_str(&hanging(head, &write_line(cost), width));
    }
    text
}

/// What a write wrote and may write, in one line.
fn write_line(cost: &WriteCost) -> String {
    let allowed = match (cost.allowed, cost.bound()) {
        (Some(allowed), Some(Bound::Open)) => {
            format!("; rows_written = {allowed} is not verified")
        }
        (Some(allowed), _) => format!("; rows_written = {allowed}"),
        (None, _) => String::new(),
    };
    match &cost.written {
        Err(reason) => format!("{}: not counted, {reason}{allowed}", cost.name),
        Ok(written) => {
            let parts: Vec<String> = written.tables.iter().map(part).collect();
            let parts = match parts.as_slice() {
                [] => ", for its parameters name no row".to_owned(),
                some => format!(" ({})", some.join(", ")),
            };
            let rows = usize::try_from(written.billed()).unwrap_or(usize::MAX);
            let rows = counted(rows, "row");
            format!("{}: {rows} written{parts}{allowed}", cost.name)
        }
    }
}

/// What was written to one table.
fn part((table, part): (&crate::catalog::Name, &crate::written::Part)) -> String {
    match part.entries {
        0 => format!("`{table}` {}", part.rows),
        entries => format!("`{table}` {} and {entries} in its indexes", part.rows),
    }
}

fn write_told(cost: &WriteCost) -> Value {
    let tables = |written: &Written| {
        let tables = written.tables.iter();
        let tables = tables.map(|(table, part)| {
            let told = json!({ "rows": part.rows, "index_entries": part.entries });
            (table.as_str().to_owned(), told)
        });
        tables.collect::<serde_json::Map<_, _>>()
    };
    let written = cost.written.as_ref();
    json!({
        "write": cost.name,
        "rows_written": written.ok().map(Written::billed),
        "tables": written.ok().map(tables),
        "reason": written.err(),
        "allowed": cost.allowed,
        "outcome": cost.bound().map(word),
    })
}

/// What the declared queries cost: D1 bills each row that is read, so that a scan stands beside what it returned.
fn text(costs: &[Cost]) -> String {
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
fn told(costs: &[Cost]) -> Vec<Value> {
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
