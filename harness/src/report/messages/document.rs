//! A feature as Cucumber Messages tell it: its document, and a pickle for every scenario and every row of an outline. Never knows how one ended.

use cucumber::feature::Ext as _;
use gherkin::{Examples, Feature, GherkinEnv, Rule, Scenario, Step, StepType, Table};
use serde_json::{Value, json};

/// Running ids: the same report has the same ones.
#[derive(Debug, Default)]
pub(super) struct Ids(usize);

impl Ids {
    pub(super) fn next(&mut self) -> String {
        self.0 += 1;
        self.0.to_string()
    }
}

/// A feature.
#[derive(Debug)]
pub(super) struct Document {
    /// The messages that tell of it: source if its text is known, document, pickles.
    pub(super) messages: Vec<Value>,
    /// Its scenarios.
    pub(super) pickles: Vec<Pickle>,
}

/// A scenario that can be run.
#[derive(Debug)]
pub(super) struct Pickle {
    pub(super) id: String,
    /// As the report has it: of the scenario, or of the row.
    pub(super) line: usize,
    /// Ids of its steps, in order.
    pub(super) steps: Vec<String>,
}

/// A scenario of which nothing but this is known.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) line: usize,
    pub(super) title: String,
    /// Line and text of each step.
    pub(super) steps: Vec<(usize, String)>,
}

/// What the nodes above a scenario give to its pickles.
struct Above<'a> {
    uri: &'a str,
    text: &'a str,
    tags: Vec<Value>,
}

impl Document {
    /// The document of a feature's text; `None` if that is no feature.
    pub(super) fn of_text(uri: &str, text: &str, ids: &mut Ids) -> Option<Self> {
        let feature = Feature::parse(text, GherkinEnv::default()).ok()?;
        let own = tags(&feature.tags, feature.position.line, text, ids);
        let mut pickles = Vec::new();
        let mut children = Vec::new();
        for rule in &feature.rules {
            let above = Above {
                uri,
                text,
                tags: own.iter().map(pickle_tag).collect(),
            };
            children.push(of_rule(rule, above, &mut pickles, ids)?);
        }
        let source = json!({ "source": { "uri": uri, "data": text, "mediaType": "text/x.cucumber.gherkin+plain" } });
        let document = json!({ "gherkinDocument": { "uri": uri, "comments": [], "feature": {
            "location": at(feature.position.line), "tags": own, "language": "en", "keyword": feature.keyword, "name": feature.name,
            "description": described(feature.description.as_deref()), "children": children,
        } } });
        let (told, pickles): (Vec<Value>, Vec<Pickle>) = pickles.into_iter().unzip();
        Some(Self {
            messages: [source, document].into_iter().chain(told).collect(),
            pickles,
        })
    }

    /// A document without a text.
    pub(super) fn of_parts(uri: &str, name: &str, scenarios: &[Part], ids: &mut Ids) -> Self {
        let (mut children, mut pickles, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for Part { line, title, steps } in scenarios {
            let (scenario, pickle) = (ids.next(), ids.next());
            let (mut nodes, mut run, mut own) = (Vec::new(), Vec::new(), Vec::new());
            for (line, text) in steps {
                let (node, step) = (ids.next(), ids.next());
                let (keyword, rest) = ["Given ", "When ", "Then ", "And ", "But "]
                    .into_iter()
                    .find_map(|word| Some((word, text.strip_prefix(word)?)))
                    .unwrap_or(("* ", text));
                nodes.push(
                    json!({ "id": node, "location": at(*line), "keyword": keyword, "text": rest }),
                );
                run.push(json!({ "id": step, "text": rest, "astNodeIds": [node] }));
                own.push(step);
            }
            children.push(json!({ "scenario": { "id": scenario, "location": at(*line), "tags": [], "keyword": "Scenario", "name": title,
                "description": "", "steps": nodes, "examples": [] } }));
            told.push(json!({ "pickle": { "id": pickle, "uri": uri, "location": at(*line), "name": title, "language": "en", "steps": run,
                "tags": [], "astNodeIds": [scenario] } }));
            pickles.push(Pickle {
                id: pickle,
                line: *line,
                steps: own,
            });
        }
        let document = json!({ "gherkinDocument": { "uri": uri, "comments": [], "feature": { "location": at(1), "tags": [], "language": "en",
            "keyword": "Feature", "name": name, "description": "", "children": children } } });
        Self {
            messages: std::iter::once(document).chain(told).collect(),
            pickles,
        }
    }
}

/// A place; features begin at line 1, and what stands in none is put there.
fn at(line: usize) -> Value {
    json!({ "line": line.max(1) })
}

fn described(text: Option<&str>) -> &str {
    text.unwrap_or_default()
}

/// The tags above a keyword, each where it stands.
fn tags(names: &[String], keyword_line: usize, text: &str, ids: &mut Ids) -> Vec<Value> {
    let lines: Vec<&str> = text.lines().take(keyword_line.saturating_sub(1)).collect();
    let above = |line: &&(usize, &str)| {
        let line = line.1.trim_start();
        line.is_empty() || line.starts_with(['@', '#'])
    };
    let numbered: Vec<(usize, &str)> = lines.iter().copied().enumerate().collect();
    let block: Vec<_> = numbered.iter().rev().take_while(above).collect();
    let place = |name: &str| {
        let found = block.iter().find_map(|(number, line)| {
            let mut words = line.split_whitespace();
            words.any(|word| word == name).then_some(number + 1)
        });
        found.unwrap_or(keyword_line)
    };
    let named = names.iter().map(|name| format!("@{name}"));
    named
        .map(|name| json!({ "location": at(place(&name)), "name": name, "id": ids.next() }))
        .collect()
}

fn pickle_tag(tag: &Value) -> Value {
    json!({ "name": tag["name"], "astNodeId": tag["id"] })
}

fn of_rule(
    rule: &Rule,
    above: Above<'_>,
    pickles: &mut Vec<(Value, Pickle)>,
    ids: &mut Ids,
) -> Option<Value> {
    let id = ids.next();
    let own = tags(&rule.tags, rule.position.line, above.text, ids);
    let inherited = above.tags.into_iter().chain(own.iter().map(pickle_tag));
    let above = Above {
        tags: inherited.collect(),
        ..above
    };
    let mut children = Vec::new();
    for scenario in &rule.scenarios {
        children.push(of_scenario(scenario, &above, pickles, ids)?);
    }
    Some(
        json!({ "rule": { "id": id, "location": at(rule.position.line), "tags": own, "keyword": rule.keyword, "name": rule.name,
        "description": described(rule.description.as_deref()), "children": children } }),
    )
}

/// A scenario, or an outline with its rows.
fn of_scenario(
    scenario: &Scenario,
    above: &Above<'_>,
    pickles: &mut Vec<(Value, Pickle)>,
    ids: &mut Ids,
) -> Option<Value> {
    let id = ids.next();
    let own = tags(&scenario.tags, scenario.position.line, above.text, ids);
    let steps: Vec<String> = scenario.steps.iter().map(|_| ids.next()).collect();
    let nodes: Vec<Value> = scenario
        .steps
        .iter()
        .zip(&steps)
        .map(|(step, id)| step_node(step, id, above.text, ids))
        .collect();
    let mut inherited = above.tags.clone();
    inherited.extend(own.iter().map(pickle_tag));
    let mut rows: Vec<Option<(String, Vec<Value>)>> = Vec::new();
    let mut examples = Vec::new();
    for one in &scenario.examples {
        examples.push(of_examples(one, above, &mut rows, ids));
    }
    if scenario.examples.is_empty() {
        rows.push(None);
    }
    let alone = Feature::builder()
        .keyword("Feature".to_owned())
        .name(String::new())
        .scenarios(vec![scenario.clone()])
        .build();
    let expanded = alone.expand_examples().ok()?.scenarios;
    for (run, row) in expanded.iter().zip(rows) {
        let (row, of_row) = row.unzip();
        let tags = inherited.iter().chain(of_row.iter().flatten()).cloned();
        let from = |node: &String| -> Vec<String> {
            let nodes = std::iter::once(node.clone());
            nodes.chain(row.clone()).collect()
        };
        let own: Vec<(String, Vec<String>)> =
            steps.iter().map(|step| (ids.next(), from(step))).collect();
        let tags: Vec<Value> = tags.collect();
        pickles.push(pickle(run, above.uri, &tags, &from(&id), &own, ids));
    }
    Some(
        json!({ "scenario": { "id": id, "location": at(scenario.position.line), "tags": own, "keyword": scenario.keyword,
        "name": scenario.name, "description": described(scenario.description.as_deref()), "steps": nodes, "examples": examples } }),
    )
}

fn pickle(
    run: &Scenario,
    uri: &str,
    tags: &[Value],
    nodes: &[String],
    steps: &[(String, Vec<String>)],
    ids: &mut Ids,
) -> (Value, Pickle) {
    let id = ids.next();
    let told: Vec<Value> = run
        .steps
        .iter()
        .zip(steps)
        .map(|(step, (id, nodes))| pickle_step(step, id, nodes))
        .collect();
    let message = json!({ "pickle": { "id": id, "uri": uri, "location": at(run.position.line), "name": run.name, "language": "en",
        "steps": told, "tags": tags, "astNodeIds": nodes } });
    let pickle = Pickle {
        id,
        line: run.position.line,
        steps: steps.iter().map(|(id, _)| id.clone()).collect(),
    };
    (message, pickle)
}

fn pickle_step(step: &Step, id: &str, nodes: &[String]) -> Value {
    let kind = match step.ty {
        StepType::Given => "Context",
        StepType::When => "Action",
        StepType::Then => "Outcome",
    };
    let mut told = json!({ "id": id, "text": step.value, "type": kind, "astNodeIds": nodes });
    let mut argument = serde_json::Map::new();
    if let Some(text) = &step.docstring {
        argument.insert("docString".to_owned(), json!({ "content": text }));
    }
    if let Some(table) = &step.table {
        let row = |row: &Vec<String>| json!({ "cells": row.iter().map(|cell| json!({ "value": cell })).collect::<Vec<_>>() });
        let rows: Vec<Value> = table.rows.iter().map(row).collect();
        argument.insert("dataTable".to_owned(), json!({ "rows": rows }));
    }
    if !argument.is_empty() {
        told["argument"] = Value::Object(argument);
    }
    told
}

fn step_node(step: &Step, id: &str, text: &str, ids: &mut Ids) -> Value {
    let kind = match (step.keyword.trim(), step.ty) {
        ("And" | "But", _) => "Conjunction",
        (_, StepType::Given) => "Context",
        (_, StepType::When) => "Action",
        (_, StepType::Then) => "Outcome",
    };
    let mut node = json!({ "id": id, "location": at(step.position.line), "keyword": format!("{} ", step.keyword.trim()), "keywordType": kind,
        "text": step.value });
    if let Some(content) = &step.docstring {
        node["docString"] = json!({ "location": at(step.position.line + 1), "content": content, "delimiter": "\"\"\"" });
    }
    if let Some(table) = &step.table {
        let rows: Vec<Value> = table_rows(table, step.position.line, text, ids);
        let first = rows.first().map(|row| row["location"].clone());
        node["dataTable"] = json!({ "location": first, "rows": rows });
    }
    node
}

/// The rows of a table that stands behind a line, each where it is: comments may stand between them.
fn table_rows(table: &Table, behind: usize, text: &str, ids: &mut Ids) -> Vec<Value> {
    let lines = text.lines().enumerate().skip(behind);
    let lines = lines.filter(|(_, line)| line.trim_start().starts_with('|'));
    let rows = table.rows.iter().zip(lines);
    rows.map(|(row, (number, _))| {
        let place = at(number + 1);
        let cells: Vec<Value> = row
            .iter()
            .map(|cell| json!({ "location": place, "value": cell }))
            .collect();
        json!({ "id": ids.next(), "location": place, "cells": cells })
    })
    .collect()
}

/// The examples of an outline; each row goes to `rows`, with the tags of its examples.
fn of_examples(
    examples: &Examples,
    above: &Above<'_>,
    rows: &mut Vec<Option<(String, Vec<Value>)>>,
    ids: &mut Ids,
) -> Value {
    let id = ids.next();
    let line = examples.position.line;
    let own = tags(&examples.tags, line, above.text, ids);
    let mut told = json!({ "id": id, "location": at(line), "tags": own, "keyword": examples.keyword,
        "name": examples.name.as_deref().unwrap_or_default(), "description": described(examples.description.as_deref()), "tableBody": [] });
    if let Some(table) = &examples.table {
        let mut all = table_rows(table, line, above.text, ids).into_iter();
        if let Some(header) = all.next() {
            told["tableHeader"] = header;
        }
        let body: Vec<Value> = all.collect();
        for row in &body {
            let id = row["id"].as_str().unwrap_or_default().to_owned();
            rows.push(Some((id, own.iter().map(pickle_tag).collect())));
        }
        told["tableBody"] = Value::Array(body);
    }
    told
}
