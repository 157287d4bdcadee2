//! The report as Markdown, for a job summary, and as annotations of a GitHub workflow. Never says less in the headline than the other reports.

use super::causes::{Case, Cause, causes};
use super::lines;
use super::story::{Weakness, sentence, weaknesses};
use super::text::{level, made, profile, short, why, word};
use super::{CriterionReport, Evidence, Report, ScenarioReport};
use crate::counted::counted;
use crate::evidence::cut;
use crate::verdict::{Level, OutcomeKind, Verdict};
use std::fmt::{self, Write as _};

/// Bytes of a job summary. Evidence: GitHub takes 1 MiB a step and drops what is larger whole.
const SUMMARY_LEN_MAX: usize = 900 * 1024;

/// Annotations of a step. Evidence: GitHub shows ten of each kind and drops the others without a word.
const ANNOTATIONS_MAX: usize = 10;

/// Reasons of a weakness under the verdict, and criteria of a reason. Evidence: more than that is a table, and stands in one below.
const REASONS_MAX: usize = 3;
const IDS_MAX: usize = 8;

/// Bytes of all findings. Evidence: what stands below them, every table of every criterion, stays under 100 KiB.
const FINDINGS_LEN_MAX: usize = 700 * 1024;

/// Bytes of what was expected or seen, and of a line that repeats a request. Evidence: the longest answer of the contract that is an error
/// has 400; what is longer is read better on the page.
const SAID_MAX: usize = 800;
const CURL_MAX: usize = 2000;

/// Model calls or looks into stores that are short enough for a summary, and the bytes of each.
const SEEN_MAX: usize = 3;
const SEEN_LEN_MAX: usize = 300;

/// What a reader must act on.
const RED: [Verdict; 3] = [Verdict::Failed, Verdict::Flaky, Verdict::Error];

/// The report as Markdown.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    write(&mut out, report).unwrap_or_default();
    if out.len() > SUMMARY_LEN_MAX {
        out = cut(&out, SUMMARY_LEN_MAX);
        if !out.matches("```").count().is_multiple_of(2) {
            out.push_str("\n```\n");
        }
        out.push_str("\n\nThe summary is cut here; the JSON report has everything.\n");
    }
    out
}

fn write(out: &mut String, report: &Report) -> fmt::Result {
    let summary = &report.summary;
    writeln!(
        out,
        "## {} {}\n",
        plain(&report.target),
        word(summary.verdict)
    )?;
    if report.profiles.is_empty() {
        writeln!(
            out,
            "**{}; {}**\n",
            level(Level::Must, &summary.must),
            level(Level::Should, &summary.should)
        )?;
    }
    for one in &report.profiles {
        writeln!(out, "**{}**\n", profile(one))?;
    }
    writeln!(out, "{}\n", plain(&sentence(report)))?;
    for line in report.unjudged_lines() {
        writeln!(out, "{}\n", plain(&cut(&line, 400)))?;
    }
    findings(out, report)?;
    generated_checks(out, report)?;
    let weaknesses = weaknesses(report);
    if !weaknesses.is_empty() {
        writeln!(out, "### What makes this verdict weaker\n")?;
    }
    for weakness in weaknesses {
        weaker(out, &weakness)?;
    }
    writeln!(out)?;
    table(
        out,
        "Known by the baseline",
        with(report, &[Verdict::Known]).collect(),
    )?;
    table(
        out,
        "Accepted deviations",
        with(report, &[Verdict::Accepted]).collect(),
    )?;
    if report.no_verdict.is_none() {
        let open = with(report, &[Verdict::NotVerified]);
        table(out, "Not verified", open.collect())?;
    }
    table(
        out,
        "Declared not applicable",
        with(report, &[Verdict::NotApplicable]).collect(),
    )?;
    let in_part = with(report, &[Verdict::Passed]).filter(|one| !one.reason.is_empty());
    table(out, "Passed in part", in_part.collect())?;
    writeln!(
        out,
        "{} in {:.1} s · {} · seed {} · contract {} (`{}`)",
        made(summary),
        report.duration_ms / 1000.0,
        report.harness,
        report.seed,
        report.contract_version,
        short(&report.contract_digest)
    )
}

/// What makes the verdict weaker in a line: the first reasons with some of their criteria; tables below have them all.
fn weaker(out: &mut String, weakness: &Weakness) -> fmt::Result {
    let reasons = weakness.reasons.iter().take(REASONS_MAX);
    let shown: Vec<String> = reasons
        .map(|(reason, ids)| {
            let more = if ids.len() > IDS_MAX { " …" } else { "" };
            let ids = ids[..ids.len().min(IDS_MAX)].join(" ");
            let reason = plain(&cut(reason, 300));
            if ids.is_empty() {
                reason
            } else {
                format!("{reason} ({ids}{more})")
            }
        })
        .collect();
    let left = weakness.reasons.len() - shown.len();
    let more = if left > 0 {
        format!("; {} below", counted(left, "more reason"))
    } else {
        String::new()
    };
    writeln!(out, "- **{}**: {}{more}", weakness.title, shown.join("; "))
}

fn with<'a>(
    report: &'a Report,
    verdicts: &'a [Verdict],
) -> impl Iterator<Item = &'a CriterionReport> {
    report
        .criteria
        .iter()
        .filter(|criterion| verdicts.contains(&criterion.verdict))
}

/// A line for each kind of generated checks; below what was found the smallest case and how to repeat it.
fn generated_checks(out: &mut String, report: &Report) -> fmt::Result {
    if report.generated.is_empty() {
        return Ok(());
    }
    writeln!(out, "### Generated checks\n")?;
    for one in &report.generated {
        let broken = one.criteria.join(" ");
        writeln!(
            out,
            "- {} `{}` {}: {}, {}, seed {} {broken}",
            one.outcome.word(),
            one.id,
            plain(&one.name),
            counted(one.cases, "case"),
            counted(one.checks, "assertion"),
            one.seed
        )?;
        if one.outcome != OutcomeKind::Passed {
            let text = cut(&one.finding(report), 4000).replace("```", "~~~");
            writeln!(out, "\n```text\n{text}\n```\n")?;
        }
    }
    writeln!(out)
}

/// Each cause once and whole, the scenarios that saw the same below it; as many as there is room for.
fn findings(out: &mut String, report: &Report) -> fmt::Result {
    let all = causes(report);
    let from = out.len();
    for (at, cause) in all.iter().enumerate() {
        let mut text = String::new();
        finding(&mut text, report, cause.first())?;
        others(&mut text, cause)?;
        if out.len() + text.len() > from + FINDINGS_LEN_MAX {
            let left = counted(all.len() - at, "further finding");
            return writeln!(
                out,
                "There is no room here for {left}; the page and the JSON report have all.\n"
            );
        }
        out.push_str(&text);
    }
    Ok(())
}

fn finding(out: &mut String, report: &Report, case: &Case<'_>) -> fmt::Result {
    let scenario = case.scenario;
    let ids: Vec<&str> = case.criteria.iter().map(|one| one.id.as_str()).collect();
    let levels: Vec<&str> = case.criteria.iter().map(|one| one.level.word()).collect();
    writeln!(
        out,
        "### {} {} ({})\n",
        ids.join(" "),
        scenario.outcome.word(),
        levels.join(" ")
    )?;
    for criterion in &case.criteria {
        writeln!(out, "> {}\n", plain(&criterion.sentence))?;
    }
    let line = scenario.step_line.unwrap_or(scenario.line);
    writeln!(
        out,
        "- `{}:{line}` {}",
        scenario.feature,
        plain(report.name_of(scenario))
    )?;
    step(out, report, scenario)?;
    let said = [
        ("expected", &scenario.expected),
        ("saw", &scenario.seen),
        (why(scenario), &scenario.reason),
    ];
    for (word, text) in said {
        if let Some(text) = text {
            writeln!(out, "  - {word} {}", plain(&cut(text, SAID_MAX)))?;
        }
    }
    again(out, report, &case.criteria[0].id, scenario)?;
    if let Some(evidence) = report.evidence_of(scenario) {
        seen(out, evidence)?;
    }
    writeln!(out)
}

/// The step that ended the scenario, with its table.
fn step(out: &mut String, report: &Report, scenario: &ScenarioReport) -> fmt::Result {
    let Some(said) = report.step_said(scenario) else {
        return Ok(());
    };
    writeln!(out, "  - at the step {}", plain(said))?;
    let Some(step) = report.step_of(scenario) else {
        return Ok(());
    };
    let mut below = lines::table(&step.table);
    below.extend(
        step.block
            .iter()
            .flat_map(|text| text.lines())
            .map(str::to_owned),
    );
    if !below.is_empty() {
        let text = below.join("\n    ").replace("```", "~~~");
        writeln!(out, "\n    ```text\n    {text}\n    ```")?;
    }
    Ok(())
}

/// The exchange, and the lines that repeat it.
fn again(out: &mut String, report: &Report, id: &str, scenario: &ScenarioReport) -> fmt::Result {
    let replay = report.repeat(id);
    let shown = report.shown(scenario);
    let mut commands = Vec::new();
    if let Some(shown) = shown {
        writeln!(out, "  - {}", plain(&shown.line()))?;
        let curl = shown.exchange.curl.replace('\n', " ");
        if curl.len() <= CURL_MAX {
            commands.push(curl);
        } else {
            writeln!(out, "  - its `curl` line is long: the JSON report has it")?;
        }
    }
    commands.push(replay);
    writeln!(out, "\n  ```sh\n  {}\n  ```", commands.join("\n  "))?;
    let sql = report.sql(scenario);
    if !sql.is_empty() {
        let text = sql.join("\n  ").replace("```", "~~~");
        writeln!(out, "\n  ```sql\n  {text}\n  ```")?;
    }
    Ok(())
}

/// The scenarios that are red for the same reason, a line for each criterion.
fn others(out: &mut String, cause: &Cause<'_>) -> fmt::Result {
    let Some(more) = cause.more() else {
        return Ok(());
    };
    writeln!(out, "<details><summary>{more}</summary>\n")?;
    for (criterion, scenarios) in cause.others() {
        let places: Vec<String> = scenarios
            .iter()
            .map(|one| format!("`{}:{}`", one.feature, one.line))
            .collect();
        writeln!(
            out,
            "- {} ({}): {}",
            criterion.id,
            criterion.level.word(),
            places.join(", ")
        )?;
    }
    writeln!(out, "\n</details>\n")
}

/// Model calls and rows, if they are few: many are told better by the page.
fn seen(out: &mut String, evidence: &Evidence) -> fmt::Result {
    let calls = evidence.model_calls.iter().map(|call| {
        format!(
            "AI Gateway was asked for {} at {}: {}",
            call.model, call.path, call.outcome
        )
    });
    let calls: Vec<String> = calls.collect();
    let looks = evidence
        .observations
        .iter()
        .map(|one| format!("{} {}: {}", one.store, one.asked, one.saw));
    let looks: Vec<String> = looks.collect();
    for lines in [calls, looks] {
        if lines.len() <= SEEN_MAX && lines.iter().all(|line| line.len() <= SEEN_LEN_MAX) {
            for line in lines {
                writeln!(out, "  - {}", plain(&line))?;
            }
        }
    }
    Ok(())
}

fn table(out: &mut String, title: &str, criteria: Vec<&CriterionReport>) -> fmt::Result {
    if criteria.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<details><summary>{title}: {}</summary>\n\n| criterion | level | why |\n|---|---|---|",
        criteria.len()
    )?;
    for criterion in criteria {
        writeln!(
            out,
            "| {} | {} | {} |",
            criterion.id,
            criterion.level.word(),
            plain(&criterion.reason).replace('|', "\\|")
        )?;
    }
    writeln!(out, "\n</details>\n")
}

/// A text from outside in one line, none of it taken for Markdown or HTML.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            control if control.is_control() => out.push(' '),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '*' | '_' | '`' | '[' | ']' | '#' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            other => out.push(other),
        }
    }
    out
}

/// Workflow commands that GitHub shows beside the change: one per broken criterion, ten at most, the last of which counts the others.
#[must_use]
pub fn annotations(report: &Report) -> String {
    let broken = in_order(report);
    let mut out = String::new();
    // What is about the whole run: at most one of these.
    let whole = report.unjudged().or_else(|| report.incomplete());
    let whole = whole.or_else(|| report.below_floor());
    if let Some(why) = &whole {
        let why = message(&cut(why, 2000));
        let _infallible = writeln!(out, "::error title=moltproof::{why}");
    }
    let room = ANNOTATIONS_MAX - usize::from(whole.is_some());
    let shown = if broken.len() > room {
        room - 1
    } else {
        broken.len()
    };
    for criterion in &broken[..shown] {
        let _infallible = writeln!(
            out,
            "::error title={}::{}",
            property(&format!("{} {}", criterion.id, criterion.verdict.word())),
            message(&format!(
                "{} ({}) {} — {}",
                criterion.id,
                criterion.level.word(),
                criterion.sentence,
                cut(&criterion.reason, 500)
            ))
        );
    }
    if shown < broken.len() {
        let _infallible = writeln!(
            out,
            "::error title=moltproof::{} broken or in error; the job summary has them all",
            match broken.len() - shown {
                1 => "1 more criterion is".to_owned(),
                more => format!("{more} more criteria are"),
            }
        );
    }
    out
}

/// The criteria that are red, each once, as [`causes`] has them: failures first, and what explains others before these.
fn in_order(report: &Report) -> Vec<&CriterionReport> {
    let mut broken: Vec<&CriterionReport> = with(report, &RED).collect();
    let causes = causes(report);
    let place = |criterion: &CriterionReport| {
        let decides = |cause: &Cause<'_>| cause.criteria().iter().any(|one| one.id == criterion.id);
        causes.iter().position(decides).unwrap_or(usize::MAX)
    };
    broken.sort_by_cached_key(|one| (one.verdict != Verdict::Failed, place(one), one.level));
    broken
}

fn message(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::Sample;

    #[test]
    fn a_summary_stays_below_what_github_takes_and_says_that_it_is_cut() {
        let sample = Sample {
            criteria: 400,
            scenarios: 6,
            exchanges: 1,
            finding_every: 1,
            text: "ünïcode | ``` <b> \u{202e}",
            times: 40,
            alike: false,
        };
        let report: Report = serde_json::from_value(sample.json()).unwrap();
        let summary = render(&report);
        assert!(summary.len() > 600 * 1024, "{} bytes", summary.len());
        assert!(summary.len() < 1024 * 1024, "{} bytes", summary.len());
        // It ends between two findings, and what stands below them is there.
        assert!(summary.contains("There is no room here for "));
        assert!(summary.contains("seed 7 · contract"));
        assert!(summary.matches("```").count().is_multiple_of(2));
        let annotations = annotations(&report);
        assert_eq!(annotations.lines().count(), 10);
        assert!(
            annotations.ends_with(
                "391 more criteria are broken or in error; the job summary has them all\n"
            )
        );
    }

    #[test]
    fn a_text_from_outside_is_neither_markdown_nor_html() {
        assert_eq!(
            plain("<b>*x*</b>\n# [a](b) `c`"),
            "&lt;b&gt;\\*x\\*&lt;/b&gt; \\# \\[a\\](b) \\`c\\`"
        );
    }

    #[test]
    fn an_annotation_stays_one_command() {
        assert_eq!(message("50%\nmore"), "50%25%0Amore");
        assert_eq!(property("a: b, c"), "a%3A b%2C c");
    }
}
