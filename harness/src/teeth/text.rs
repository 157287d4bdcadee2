//! The kill matrix for people: every deviant, every complaint, every MUST, and a headline. Never says less than the JSON about a survivor.

use super::matrix::{DeviantRow, Fate, KillMatrix, OfApiWorkers, Summary};
use crate::reference::deviants::Kind;
use anstyle::{AnsiColor, Style};
use std::fmt::{self, Write as _};

const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// The matrix as text with ANSI colours; the writer strips them where they do not belong.
#[must_use]
pub fn render(matrix: &KillMatrix) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    write(&mut out, matrix).unwrap_or_default();
    out
}

fn write(out: &mut String, matrix: &KillMatrix) -> fmt::Result {
    for row in &matrix.deviants {
        deviant(out, row)?;
    }
    writeln!(out)?;
    if matrix.criteria.is_empty() {
        for (must, killers) in &matrix.musts {
            killed(out, must, killers, "no deviant turned it red")?;
        }
    }
    for (id, recall) in matrix.criteria.iter().chain(&matrix.rules) {
        let count = format!("{} of {}", recall.killed_by.len(), recall.deviants);
        let none = if recall.deviants == 0 {
            "no deviant breaks it"
        } else {
            "no deviant turned it red"
        };
        killed(out, &format!("{id}  {count:<8}"), &recall.killed_by, none)?;
    }
    writeln!(out)?;
    let open = matrix
        .correct_variants
        .iter()
        .flat_map(|row| row.not_verified.iter().map(move |(id, why)| (row, id, why)));
    for (row, id, why) in open {
        writeln!(
            out,
            "{DIM}could not be told on {}: {id}: {why}{DIM:#}",
            row.id
        )?;
    }
    for complaint in matrix.complaints() {
        writeln!(out, "{RED}{complaint}{RED:#}")?;
    }
    headline(out, matrix)
}

/// What is to be seen to fail, and the deviants that made it.
fn killed(out: &mut String, what: &str, killers: &[String], none: &str) -> fmt::Result {
    match killers {
        [] => writeln!(out, "{RED}{what}  {none}{RED:#}"),
        [one] => writeln!(out, "{what}  {one}"),
        [one, rest @ ..] => writeln!(out, "{what}  {one} {DIM}and {} more{DIM:#}", rest.len()),
    }
}

fn deviant(out: &mut String, row: &DeviantRow) -> fmt::Result {
    let (style, word) = match row.verdict {
        Fate::Killed => (GREEN, "killed"),
        Fate::Survived => (RED, "SURVIVED"),
    };
    let kind = match row.kind {
        Kind::Ports => "ports",
        Kind::Wire => "wire",
        Kind::Schema => "schema",
    };
    writeln!(
        out,
        "{style}{word}{style:#} {} {DIM}({kind}) {}{DIM:#}",
        row.id, row.breaks
    )?;
    for red in &row.killed_by {
        writeln!(out, "    {}  {}  {}", red.criterion, red.at, red.step)?;
    }
    if !row.also_red.is_empty() {
        writeln!(out, "    {DIM}also red: {}{DIM:#}", row.also_red.join(" "))?;
    }
    if let Some(excuse) = &row.excuse {
        for (id, instead) in &row.missed {
            writeln!(out, "    {DIM}{id} missed: {instead}{DIM:#}")?;
        }
        writeln!(out, "    {DIM}may survive: {excuse}{DIM:#}")?;
    }
    Ok(())
}

fn headline(out: &mut String, matrix: &KillMatrix) -> fmt::Result {
    let (style, word) = match (matrix.has_teeth(), matrix.whole) {
        (true, true) => (GREEN, "TEETH"),
        (true, false) => (GREEN, "TEETH, as far as tried"),
        (false, _) => (RED, "GAPS"),
    };
    let seconds = matrix.summary.duration_ms / 1000;
    writeln!(
        out,
        "{style}{word}{style:#}  {} ({seconds} s, seed {})",
        figures(&matrix.summary).join(", "),
        matrix.seed
    )
}

/// The counts in words, one statement each.
#[must_use]
pub fn figures(summary: &Summary) -> Vec<String> {
    let killed = format!("{} of {} deviants killed", summary.killed, summary.deviants);
    let habits = match summary.habits {
        0 => String::new(),
        count => format!(" and {count} legal habits"),
    };
    let variants = format!(
        "{} correct variants{habits} raise {} false alarms",
        summary.correct_variants, summary.false_alarms
    );
    if let Some(workers) = &summary.api_workers {
        return of_api_workers(summary, workers, killed, variants);
    }
    let Some(databases) = &summary.databases else {
        let blame = summary.blame.map(|blame| {
            format!(
                "{} of {} that are judged by the whole contract blamed for nothing else",
                blame.judged - blame.falsely_blamed,
                blame.judged
            )
        });
        let mut all = vec![killed];
        all.extend(blame);
        all.extend([
            format!(
                "{} of {} MUST seen to fail",
                summary.must_killed, summary.must_total
            ),
            format!(
                "{} null servers pass {} MUST",
                summary.null_servers, summary.null_musts_passed
            ),
            variants,
        ]);
        return all;
    };
    vec![
        killed,
        format!(
            "{} of {} blamed for nothing else",
            summary.deviants - databases.falsely_blamed,
            summary.deviants
        ),
        format!(
            "{} of {} criteria seen to fail",
            databases.criteria_seen, databases.criteria_total
        ),
        format!(
            "{} of {} rules seen to fail",
            databases.rules_seen, databases.rules_total
        ),
        variants,
    ]
}

fn of_api_workers(
    summary: &Summary,
    workers: &OfApiWorkers,
    killed: String,
    variants: String,
) -> Vec<String> {
    vec![
        killed,
        format!(
            "{} of {} blamed for nothing else",
            summary.deviants - workers.falsely_blamed,
            summary.deviants
        ),
        format!(
            "{} of {} criteria seen to fail",
            workers.criteria_seen, workers.criteria_total
        ),
        format!(
            "at least {} deviants for each criterion",
            workers.deviants_of_each_min
        ),
        format!(
            "{} null servers pass {} MUST",
            summary.null_servers, summary.null_musts_passed
        ),
        variants,
    ]
}
