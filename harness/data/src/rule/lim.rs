//! The rules of D1's limits: what is refused for its size. Never guesses: the limits are those of `d1-platform`, and SQLite itself counts.

use super::{Judge, declared, trial};
use crate::engine::Engine;
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use crate::text::{Span, find_word};
use crate::tree::{self, Kind, Node};

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("LIM-01", |subject, findings| {
        judge(subject, findings, &LIMITS[0]);
    }),
    ("LIM-02", |subject, findings| {
        judge(subject, findings, &LIMITS[1]);
    }),
    ("LIM-03", |subject, findings| {
        judge(subject, findings, &LIMITS[2]);
    }),
    ("LIM-04", |subject, findings| {
        judge(subject, findings, &LIMITS[3]);
    }),
    ("LIM-05", long_pattern),
    ("LIM-06", |subject, findings| {
        judge(subject, findings, &LIMITS[4]);
    }),
];

/// A limit that SQLite counts while it prepares a statement.
struct Limit {
    rule: &'static str,
    /// How SQLite's message begins.
    message: &'static str,
    /// What is refused, in words that finish "D1 refuses …, because it …".
    because: &'static str,
    help: &'static str,
}

const LIMITS: [Limit; 5] = [
    Limit {
        rule: "LIM-01",
        message: "too many columns",
        because: "has more than 100 columns",
        help: "move what is seldom read into a second table, or into one JSON column",
    },
    Limit {
        rule: "LIM-02",
        message: "statement too long",
        because: "is longer than 100,000 bytes",
        help: "split it into several statements; long values are better bound as parameters",
    },
    Limit {
        rule: "LIM-03",
        message: "too many terms in compound SELECT",
        because: "joins more than 5 queries by UNION, INTERSECT or EXCEPT",
        help: "write rows as one VALUES list, which counts as one, or use a temporary result by WITH in steps",
    },
    Limit {
        rule: "LIM-04",
        message: "Expression tree is too large",
        because: "nests expressions more than 100 deep",
        help: "write a chain of AND or OR as a list with IN, or as a join with VALUES",
    },
    Limit {
        rule: "LIM-06",
        message: "too many SQL variables",
        because: "binds more than 100 parameters",
        help: "bind one JSON array and read it by json_each(?1), or send several statements in one batch",
    },
];

fn judge(subject: &Subject, findings: &mut Vec<Finding>, limit: &Limit) {
    for step in &subject.replay.steps {
        let hit = step
            .failure
            .as_ref()
            .filter(|failure| is_hit(limit, &failure.message));
        if hit.is_none() {
            continue;
        }
        let span: &Span = &step.statement.span;
        let name = subject
            .source
            .file(span.file)
            .map_or("", |file| file.name.as_str());
        let message = format!(
            "D1 refuses a statement of `{name}`, because it {}",
            limit.because
        );
        let place = Span {
            end: span.end.min(span.start + 80),
            ..span.clone()
        };
        let sql = &step.statement.sql;
        let proof = if sql.len() < 2_000 {
            vec![trial_limit(limit).to_owned(), format!("{sql};")]
        } else {
            Vec::new()
        };
        findings.push(
            Finding::new(limit.rule, Level::Error, format!("file {name}"), message)
                .at(Some(place), limit.because)
                .help(limit.help)
                .proof(trial::failing(proof)),
        );
    }
    for one in declared::all(subject) {
        let engine = &subject.replay.empty;
        let outcome = engine.ours(|connection| connection.prepare(&one.sql).map(|_statement| ()));
        let message = outcome.err().map(|error| trial::message(&error));
        if message.is_some_and(|message| is_hit(limit, &message)) {
            let message = format!(
                "D1 refuses the declared statement, because it {}",
                limit.because
            );
            let proof = vec![
                trial_limit(limit).to_owned(),
                format!(
                    "{};",
                    one.sql.split_whitespace().collect::<Vec<_>>().join(" ")
                ),
            ];
            findings.push(
                Finding::new(limit.rule, Level::Error, one.object.clone(), message)
                    .help(limit.help)
                    .proof(trial::failing(proof)),
            );
        }
    }
}

/// What sets a limit of D1 in the sqlite3 shell.
fn trial_limit(limit: &Limit) -> &'static str {
    match limit.rule {
        "LIM-01" => ".limit column 100",
        "LIM-02" => ".limit sql_length 100000",
        "LIM-03" => ".limit compound_select 5",
        "LIM-04" => ".limit expr_depth 100",
        _ => ".limit variable_number 100",
    }
}

/// SQLite has two messages for a statement that is too long.
fn is_hit(limit: &Limit, message: &str) -> bool {
    message.starts_with(limit.message)
        || limit.rule == "LIM-02" && message.contains("string or blob too big")
        || limit.rule == "LIM-06" && message.starts_with("variable number must be between")
}

/// D1's limit on the pattern of LIKE and GLOB, in bytes.
const PATTERN_BYTES: usize = 50;

fn long_pattern(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    let mut known: Vec<(String, String, Option<Span>)> = Vec::new();
    for one in declared::all(subject) {
        known.push((one.object, one.sql, None));
    }
    for view in schema.views.values() {
        let site = subject.site_of(ObjectKind::View, &view.name, "like");
        known.push((format!("view {}", view.name), view.sql.to_string(), site));
    }
    for trigger in schema.triggers.values() {
        let site = subject.site_of(ObjectKind::Trigger, &trigger.name, "like");
        known.push((
            format!("trigger {}", trigger.name),
            trigger.sql.to_string(),
            site,
        ));
    }
    for table in schema.tables.values().filter(|table| table.is_ordinary()) {
        let site = ["glob", "like"].into_iter().find_map(|word| {
            find_word(&table.sql, word, 0)?;
            subject.site_of(ObjectKind::Table, &table.name, word)
        });
        if site.is_some() {
            known.push((format!("table {}", table.name), table.sql.to_string(), site));
        }
    }
    for step in &subject.replay.steps {
        let sql = &step.statement.sql;
        if step.failure.is_none() && find_word(sql, "create", 0).is_none_or(|word| word.start > 0) {
            let file = subject.source.file(step.statement.span.file);
            let object = format!("file {}", file.map_or("", |file| file.name.as_str()));
            known.push((object, sql.to_string(), Some(step.statement.word("like"))));
        }
    }
    for (object, sql, site) in known {
        let Some(tree) = tree::parse(&sql).filter(|_| sql.len() > PATTERN_BYTES) else {
            continue;
        };
        let nodes = tree.all();
        let pattern = nodes.iter().find_map(|node| {
            let is_like = node.kind == Kind::Like && matches!(node.text.as_str(), "LIKE" | "GLOB");
            let pattern = node.parts.get(1).filter(|_| is_like)?;
            let pattern = at_least(pattern);
            (pattern.len() > PATTERN_BYTES).then_some(pattern)
        });
        let Some(pattern) = pattern.filter(|pattern| is_refused(pattern)) else {
            continue;
        };
        let message = format!(
            "D1 refuses the pattern when it is used: it is {} bytes long, and LIKE takes 50",
            pattern.len()
        );
        findings.push(
            Finding::new("LIM-05", Level::Error, object, message)
                .at(site, "more than 50 bytes")
                .help("compare by = or instr(), or look for a shorter part")
                .proof(trial::failing(vec![
                    ".limit like_pattern_length 50".to_owned(),
                    format!("SELECT 'x' LIKE '{}';", pattern.replace('\'', "''")),
                ])),
        );
    }
}

/// What is known of a pattern: a text, or texts that are joined, whatever stands between them.
fn at_least(pattern: &Node) -> String {
    let node = pattern.bare();
    match (node.kind, node.text.as_str()) {
        (Kind::Text, text) => text.to_owned(),
        (Kind::Binary, "||") => node.parts.iter().map(at_least).collect(),
        _ => String::new(),
    }
}

fn is_refused(pattern: &str) -> bool {
    let sql = format!("SELECT 'x' LIKE '{}'", pattern.replace('\'', "''"));
    Engine::in_memory().is_ok_and(|engine| engine.run(&sql).is_err())
}
