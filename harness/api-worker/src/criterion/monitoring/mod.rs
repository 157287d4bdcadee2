//! API-011: the monitoring and debug queries that the documents name. Never asks a query of the target what another one should say.

mod answers;
mod further;
mod reads;

use crate::aspect::{Aspect, aspect};
use crate::outcome::{Judged, Stop};
use crate::sample::whole;
use crate::scripts::trial::{Trial, statements_of};
use crate::scripts::{Documented, Script, Scripts};
use crate::subject::Subject;
use moltproof_data::engine::Seen;
use rusqlite::types::Value;

/// What is judged of API-011.
pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-011",
        Beside,
        "every monitoring and debug query is one statement that says what it means and runs",
        runs
    ),
    aspect!(
        "API-011",
        Beside,
        "no query that the documents name reads more where rows are added that it does not ask for",
        reads::bounded
    ),
    aspect!(
        "API-011",
        Beside,
        "recent usage is that of the last seven days per date and user",
        answers::recent_usage
    ),
    aspect!(
        "API-011",
        Beside,
        "the costs are those of the last day per model, to the micro-unit",
        answers::costs
    ),
    aspect!(
        "API-011",
        Beside,
        "the status of the rate limits counts the requests of each user in the last hour, each once",
        answers::rate_limits
    ),
    aspect!(
        "API-011",
        Beside,
        "the schema's version is that of the newest migration",
        answers::version
    ),
    aspect!(
        "API-011",
        Beside,
        "the structure of the tables names each with its declaration",
        answers::tables
    ),
    aspect!(
        "API-011",
        Beside,
        "the recent errors are the failures of the service, newest first, and nothing else",
        answers::errors
    ),
    aspect!(
        "API-011",
        Beside,
        "trends by day, a user's dates, a model's sums and deliveries that were given up are told as the documents have them, where queries ask for them",
        further::answered
    ),
    aspect!(
        "API-011",
        Beside,
        "the queries that the documents name run in the target's own database",
        own
    ),
];

/// The query of a documented question; that it is there is the criterion's own matter.
fn query(scripts: &Scripts, documented: Documented) -> Result<&Script, Stop> {
    scripts.query(documented).ok_or_else(|| {
        let expected = format!("a query for {}", documented.name());
        Stop::breach(
            expected,
            format!("no file {} among the queries", documented.file()),
        )
    })
}

/// Runs a documented query, which has no parameters.
fn asked(trial: &Trial, query: &Script) -> Result<Answer, Stop> {
    asked_with(trial, query, &[])
}

/// Runs a query with these parameters.
fn asked_with(trial: &Trial, query: &Script, parameters: &[Value]) -> Result<Answer, Stop> {
    let sql = only_statement(query)?;
    let mut seen = trial
        .asked(&sql, parameters)
        .map_err(|why| Stop::breach(format!("{} to run", query.name), why))?;
    // Whether a sum is an integer in the database is API-014's matter.
    seen.rows = seen.rows.into_iter().map(whole).collect();
    let columns = trial.results(&sql)?;
    Ok(Answer { seen, columns })
}

/// What a query answered.
struct Answer {
    seen: Seen,
    columns: Vec<String>,
}

impl Answer {
    /// The place of the first column that has one of these names.
    fn column(&self, names: &[&str]) -> Result<usize, Stop> {
        let find = |name: &&str| self.columns.iter().position(|column| column == name);
        names.iter().find_map(find).ok_or_else(|| {
            let expected = format!("a column {}", names.join(" or "));
            Stop::breach(expected, format!("columns {}", self.columns.join(", ")))
        })
    }

    /// The values of these columns, row by row.
    fn values(&self, columns: &[usize]) -> Vec<Vec<Value>> {
        let rows = self.seen.rows.iter();
        let value = |row: &Vec<Value>, at: usize| row.get(at).cloned().unwrap_or(Value::Null);
        rows.map(|row| columns.iter().map(|at| value(row, *at)).collect())
            .collect()
    }
}

fn only_statement(query: &Script) -> Result<String, Stop> {
    let mut statements = statements_of(query);
    match (statements.pop(), statements.is_empty()) {
        (Some(sql), true) => Ok(sql),
        (last, _) => {
            let count = statements.len() + usize::from(last.is_some());
            let seen = format!("{count} statements in {}", query.name);
            Err(Stop::breach("one statement in each query", seen))
        }
    }
}

/// How many parameters a query has.
fn parameters(trial: &Trial, sql: &str) -> Result<usize, Stop> {
    trial.prepared(sql, |statement| Ok(statement.parameter_count()))
}

/// Runs a query with some text for each parameter.
fn run(trial: &Trial, query: &Script) -> Result<usize, Stop> {
    let sql = only_statement(query)?;
    let why = |why: String| Stop::breach(format!("{} to run", query.name), why);
    // Prepared as the target's first: what is wrong with it is the target's fault.
    let values = trial.asked(&format!("EXPLAIN {sql}"), &[]);
    if let Err(message) = &values
        && !message.contains("parameter")
    {
        return Err(why(message.clone()));
    }
    let values = vec![Value::Text("2026-01-01".to_owned()); parameters(trial, &sql)?];
    trial.asked(&sql, &values).map_err(why)?;
    Ok(values.len())
}

async fn runs(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let trial = scripts.migrated()?;
            for documented in Documented::ALL {
                let query = query(scripts, documented)?;
                let count = run(&trial, query)?;
                if count > 0 {
                    let seen = format!("{} has {count} parameters", query.name);
                    return Err(Stop::breach("a documented query without parameters", seen));
                }
            }
            for query in &scripts.queries {
                run(&trial, query)?;
                let comments = query
                    .text
                    .lines()
                    .filter_map(|line| line.trim().strip_prefix("--"));
                if !comments
                    .into_iter()
                    .any(|comment| comment.split_whitespace().count() > 2)
                {
                    let seen = format!("no comment in {}", query.name);
                    return Err(Stop::breach("the meaning of each query in a comment", seen));
                }
            }
            Ok(format!("{} queries do", scripts.queries.len()))
        })
        .await
}

async fn own(subject: &Subject) -> Judged {
    let scripts = subject.scripts()?;
    let trial = Trial::of_target(&subject.own_database()?).await?;
    let mut rows = 0;
    for documented in Documented::ALL {
        rows += asked(&trial, query(&scripts, documented)?)?.seen.rows.len();
    }
    if rows == 0 {
        let seen = "no row from any, not even a table of its schema";
        return Err(Stop::breach("the tables of its schema at least", seen));
    }
    Ok(format!("all {} do", Documented::ALL.len()))
}
