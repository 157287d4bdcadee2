//! Other shapes of mistakes, each told, and healthy likes of them, of which nothing is said. Never looks at a judge's inside.

use super::judge;
use super::tests::subject;
use crate::finding::{Finding, Level};
use crate::source::Kind;

const SHAPES: &str = include_str!("../../../../fixtures/data/shapes.sql");

/// A folder of migrations, and what is to be told of it.
struct Shape {
    name: &'static str,
    told: Vec<&'static str>,
    files: Vec<(String, String)>,
}

fn shapes() -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    for line in SHAPES.lines() {
        if let Some(head) = line.strip_prefix("## ") {
            let (name, told) = head.split_once('|').unwrap();
            shapes.push(Shape {
                name: name.trim(),
                told: told.split_whitespace().collect(),
                files: vec![("0001_init.sql".to_owned(), String::new())],
            });
            continue;
        }
        let Some(shape) = shapes.last_mut() else {
            continue;
        };
        if let Some(file) = line.strip_prefix("-- file: ") {
            shape.files.push((file.to_owned(), String::new()));
        } else if let Some((_, text)) = shape.files.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    shapes
}

/// Whether one statement of what is to be told holds: `A-01|B-02:e*2`.
fn is_told(stated: &str, found: &[Finding]) -> bool {
    let (stated, times) = stated.split_once('*').unwrap_or((stated, "1"));
    let (rules, level) = stated.split_once(':').unwrap_or((stated, "i"));
    let least = match level {
        "e" => Level::Error,
        "w" => Level::Warning,
        _ => Level::Info,
    };
    let rules: Vec<&str> = rules.split('|').collect();
    let fits = found
        .iter()
        .filter(|one| rules.contains(&one.rule) && one.level >= least);
    fits.count() >= times.parse().unwrap()
}

#[test]
fn each_shape_of_a_mistake_is_told_and_nothing_is_said_of_a_healthy_one() {
    let mut wrong: Vec<String> = Vec::new();
    for shape in shapes() {
        let found = judge(&subject(&shape.files, "", Kind::Migrations));
        let missed = shape.told.iter().filter(|stated| !is_told(stated, &found));
        wrong.extend(missed.map(|stated| format!("{}: {stated} is not told", shape.name)));
        let too_much = found
            .iter()
            .filter(|one| one.level > Level::Info && shape.told.is_empty());
        wrong.extend(too_much.map(|one| format!("{}: {}", shape.name, one.message)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
