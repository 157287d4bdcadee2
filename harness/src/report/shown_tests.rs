//! What each kind of report shows of a small run and of a rich one, held as snapshots; and the order in which findings stand.
//! Never judges anything.

use super::causes::causes;
use super::samples::Sample;
use super::{Kind, Report, html, junit, markdown, text};
use serde_json::{Value, json};

/// One finding with everything that can stand below it.
const SMALL: Sample = Sample {
    criteria: 2,
    scenarios: 1,
    exchanges: 2,
    finding_every: 2,
    alike: false,
    text: "plain",
    times: 3,
};

fn report(value: Value) -> Report {
    serde_json::from_value(value).expect("a sample is a report")
}

fn small() -> Report {
    report(SMALL.json())
}

/// Findings of several kinds: one that explains others, one with a table, one without a decisive exchange, a flaky one, and errors.
fn rich() -> Report {
    let mut value = Sample {
        criteria: 14,
        scenarios: 2,
        finding_every: 2,
        ..SMALL
    }
    .json();
    let criteria = value["criteria"].as_array_mut().expect("criteria");
    for (at, criterion) in criteria.iter_mut().enumerate() {
        let scenario = &mut criterion["scenarios"][1];
        match at {
            // A precondition on which several hang.
            0..=3 => {
                scenario["step"] = json!("Given a tenant \"a\"");
                scenario["expected"] = json!("status 201");
                scenario["seen"] = json!(format!(
                    r#"status 503 {{"error":{{"code":"STORE_UNAVAILABLE","details":{{}}}},"meta":{{"request_id":"6561{at:04}-91d5-4d75-bbe1-0cdd1cdc5ea9","timestamp":"2026-11-28T12:02:47.492Z"}}}}"#
                ));
            }
            6 => {
                scenario["outcome"] = json!("flaky");
                scenario["reason"] = json!("flaky: failed 2 of 5 times");
                criterion["verdict"] = json!("flaky");
            }
            8.. => {
                for part in ["expected", "seen", "severity"] {
                    scenario[part] = Value::Null;
                }
                scenario["outcome"] = json!("error");
                scenario["reason"] =
                    json!(format!("no connection to http://127.0.0.1:{}", 14_000 + at));
                criterion["verdict"] = json!("error");
            }
            _ => {}
        }
    }
    let evidence = value["evidence"].as_object_mut().expect("evidence");
    for (place, one) in evidence.iter_mut() {
        if place.ends_with(":2") || place.contains(":1002") || place.contains(":2002") {
            one["steps"] = json!([{ "line": 4, "text": "Given a tenant \"a\"", "at_ms": 1.0, "duration_ms": 2.0, "held": false }]);
        }
        if place.ends_with(":4002") {
            one["name"] = json!("Somebody asks for mp-abcdef0001-a.example");
            one["steps"][5] = json!({ "line": 4, "text": "Then the answer has status 403", "at_ms": 1.0, "duration_ms": 2.0, "held": false,
                "filled": "Then host mp-abcdef0001-a.example has status 403", "table": [["name", "value"], ["x-tenant", "mp-abcdef0001-b"]] });
        }
        if place.ends_with(":5002") {
            one["decisive"] = Value::Null;
        }
    }
    report(value)
}

fn xml(report: &Report) -> String {
    String::from_utf8(junit::render(report).expect("it renders")).expect("it is text")
}

fn plain(report: &Report, width: Option<usize>) -> String {
    anstream::adapter::strip_str(&text::render_within(report, width)).to_string()
}

/// What a page says, without its looks.
fn main_of(page: &str) -> String {
    let main = page.split("<main").nth(1).unwrap_or_default();
    let main = main.split("</main>").next().unwrap_or_default();
    main.replace("<p", "\n<p")
        .replace("<h", "\n<h")
        .replace("<section", "\n<section")
        .replace("<li", "\n<li")
        .replace("<details", "\n<details")
}

#[test]
fn a_small_run_is_shown_in_every_kind() {
    let report = small();
    insta::assert_snapshot!("small_text", plain(&report, None));
    insta::assert_snapshot!("small_text_80", plain(&report, Some(80)));
    insta::assert_snapshot!("small_markdown", markdown::render(&report));
    insta::assert_snapshot!("small_junit", xml(&report));
    insta::assert_snapshot!("small_html", main_of(&html::render(&report)));
}

#[test]
fn a_rich_run_is_shown_in_every_kind() {
    let report = rich();
    insta::assert_snapshot!("rich_text", plain(&report, None));
    insta::assert_snapshot!("rich_text_80", plain(&report, Some(80)));
    insta::assert_snapshot!("rich_markdown", markdown::render(&report));
    insta::assert_snapshot!("rich_annotations", markdown::annotations(&report));
    insta::assert_snapshot!("rich_junit", xml(&report));
}

#[test]
fn a_precondition_that_many_hang_on_stands_first_and_errors_stand_last() {
    let report = rich();
    let all = causes(&report);
    let first = all[0].first();
    assert_eq!(first.scenario.step.as_deref(), Some("Given a tenant \"a\""));
    assert_eq!(all[0].criteria().len(), 4);
    let outcomes: Vec<_> = all
        .iter()
        .map(|one| one.first().scenario.outcome.word())
        .collect();
    assert_eq!(
        outcomes,
        ["failed", "failed", "failed", "failed", "flaky", "error"]
    );
    let told: usize = all.iter().map(|one| one.cases.len()).sum();
    let red = report.criteria.iter().flat_map(|one| &one.scenarios);
    assert_eq!(told, red.filter(|one| one.outcome.is_red()).count());
}

#[test]
fn no_line_for_people_is_wider_than_80_columns_but_for_one_word() {
    let told = plain(&rich(), Some(80));
    let wide = told.lines().filter(|line| line.chars().count() > 80);
    let wide: Vec<_> = wide
        .filter(|line| line.trim().trim_end_matches(" \\").contains(' '))
        .collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn only_the_exchange_that_decided_is_called_so() {
    let report = rich();
    for told in [
        plain(&report, None),
        markdown::render(&report),
        xml(&report),
        html::render(&report).to_lowercase(),
    ] {
        assert!(told.contains("the exchange that decided"), "{told}");
        assert!(told.contains("the last exchange"), "{told}");
    }
}

#[test]
fn junit_has_each_scenario_once_by_a_name_without_a_line() {
    let mut value = SMALL.json();
    let criteria = value["criteria"].as_array_mut().expect("criteria");
    // The same scenario proves a second criterion, which it finds broken; another one has the name of the first.
    let mut shared = criteria[1]["scenarios"][0].clone();
    shared["outcome"] = json!("passed");
    let mut twin = shared.clone();
    twin["line"] = json!(4711);
    criteria[0]["scenarios"] = json!([shared, twin]);
    let xml = xml(&report(value));
    let names: Vec<&str> = xml
        .split("<testcase name=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(
        names,
        [
            "RES-000 ACC-001 Somebody asks for 0 plain",
            "RES-000 Somebody asks for 0 plain"
        ]
    );
    assert!(xml.contains("failures=\"1\""), "{xml}");
}

#[test]
fn every_kind_counts_in_the_right_number() {
    let mut value = SMALL.json();
    for count in ["scenarios_run", "exchanges", "checks"] {
        value["summary"][count] = json!(1);
    }
    value["spent"] = json!({ "requests": 1, "model_calls": 1, "largest_burst": 1 });
    let report = report(value);
    for kind in [Kind::Markdown, Kind::Html, Kind::Junit, Kind::Badge] {
        let told = kind.render(&report, &[]).expect("it renders");
        let told = String::from_utf8_lossy(&told).into_owned() + &plain(&report, None);
        for wrong in [
            "1 scenarios",
            "1 exchanges",
            "1 assertions",
            "1 requests",
            "1 model calls",
        ] {
            let is_there = told
                .match_indices(wrong)
                .any(|(at, _)| !told[..at].ends_with(|before: char| before.is_ascii_digit()));
            assert!(!is_there, "{}: {wrong}", kind.word());
        }
    }
}
