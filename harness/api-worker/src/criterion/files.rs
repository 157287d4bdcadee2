//! API-012: seeds and set-up files apply to the schema they ship with, twice, to one state. Never judges what they set up.

use super::workplace::on_a_thread;
use crate::aspect::{Aspect, aspect};
use crate::outcome::{Judged, Stop};
use crate::scripts::trial::{Trial, difference, told_row};
use crate::scripts::{Script, Scripts};
use crate::subject::Subject;
use crate::wait;
use moltproof_data::catalog::Name;
use moltproof_doubles::clock;
use std::time::Duration;

/// What is judged of API-012.
pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-012",
        Beside,
        "the development seed applies to the schema it ships with",
        development_applies
    ),
    aspect!(
        "API-012",
        Beside,
        "the production set-up applies to the schema it ships with",
        production_applies
    ),
    aspect!(
        "API-012",
        Beside,
        "the development seed applied twice leaves the state of once",
        development_twice
    ),
    aspect!(
        "API-012",
        Beside,
        "the production set-up applied twice leaves the state of once",
        production_twice
    ),
    aspect!(
        "API-012",
        Beside,
        "what the seed and the set-up leave behind keeps every reference",
        references
    ),
    aspect!(
        "API-012",
        Beside,
        "a seed that the target's own database takes leaves one state there too, applied twice",
        own
    ),
    aspect!(
        "API-012",
        Apart,
        "the target's own tool applies the set-up twice, to one state",
        by_tool
    ),
    aspect!(
        "API-012",
        Beside,
        "the seed and the set-up apply again when what they brought was changed later",
        applied_to_what_changed
    ),
    aspect!(
        "API-012",
        Beside,
        "the seed and the set-up apply again when some of what they brought was removed",
        applied_to_what_is_gone
    ),
];

/// The environments, as the rows of the ledger name them.
const DEVELOPMENT: &str = "development";
const PRODUCTION: &str = "production";

/// A database to which this file was applied, which is what the sentences of other criteria begin with.
pub(super) fn applied(
    scripts: &Scripts,
    script: &Script,
    environment: &str,
) -> Result<Trial, Stop> {
    let trial = scripts.migrated_for(environment)?;
    let outcome = trial.apply(script, environment, scripts.next());
    outcome.map_err(|why| Stop::unmet("API-012", format!("{} fails: {why}", script.name)))?;
    Ok(trial)
}

fn applies(scripts: &Scripts, script: &Script, environment: &str) -> Judged {
    let trial = scripts.migrated_for(environment)?;
    let before = trial.state()?;
    if let Err(why) = trial.apply(script, environment, scripts.next()) {
        let seen = format!("{} fails: {why}", script.name);
        return Err(Stop::breach(
            "a file that applies to the schema it ships with",
            seen,
        ));
    }
    match difference(&before, &trial.state()?) {
        Some(change) => Ok(format!("{} applies, and {change}", script.name)),
        None => Err(Stop::breach(
            "a file that sets something up",
            format!("{} leaves no row behind", script.name),
        )),
    }
}

async fn development_applies(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| applies(scripts, scripts.development()?, DEVELOPMENT))
        .await
}

async fn production_applies(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| applies(scripts, scripts.production()?, PRODUCTION))
        .await
}

/// Words by which a file asks for the time: applied twice within one second it could seem to be the same twice.
const CLOCKS: [&str; 6] = [
    "now",
    "current_timestamp",
    "current_time",
    "current_date",
    "unixepoch(",
    "random",
];

/// Lets the second pass in which a file was applied that asks for the time.
async fn let_pass(script: &Script) {
    let text = script.text.to_lowercase();
    if !CLOCKS.iter().any(|word| text.contains(word)) {
        return;
    }
    let rest = 1_000 - clock::epoch_ms().rem_euclid(1_000);
    wait::pass(Duration::from_millis(rest.unsigned_abs())).await;
}

/// Applies a file that was applied before, and compares.
fn again(trial: &Trial, script: &Script) -> Judged {
    let once = trial.state()?;
    if let Err(why) = trial.apply_again(script) {
        let seen = format!("{} fails the second time: {why}", script.name);
        return Err(Stop::breach("a file that applies twice", seen));
    }
    match difference(&once, &trial.state()?) {
        None => Ok(format!(
            "{} left {} tables as they were",
            script.name,
            once.len()
        )),
        Some(change) => Err(Stop::breach(
            "the state after the first application",
            format!("after the second application of {} {change}", script.name),
        )),
    }
}

async fn twice(subject: &Subject, environment: &'static str) -> Judged {
    let scripts = subject.scripts()?;
    let script = if environment == DEVELOPMENT {
        scripts.development()?.clone()
    } else {
        scripts.production()?.clone()
    };
    let first = script.clone();
    let trial = tokio::task::spawn_blocking(move || applied(&scripts, &first, environment))
        .await
        .map_err(|error| Stop::Fault(format!("the judge of the files failed: {error}")))??;
    let_pass(&script).await;
    again(&trial, &script)
}

async fn development_twice(subject: &Subject) -> Judged {
    twice(subject, DEVELOPMENT).await
}

async fn production_twice(subject: &Subject) -> Judged {
    twice(subject, PRODUCTION).await
}

async fn references(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let mut rows = 0;
            for (script, environment) in [
                (scripts.development()?, DEVELOPMENT),
                (scripts.production()?, PRODUCTION),
            ] {
                let trial = applied(scripts, script, environment)?;
                let dangling = trial.read("PRAGMA foreign_key_check")?;
                if let Some(row) = dangling.first() {
                    let seen = format!(
                        "{} leaves a row that refers to nothing: {}",
                        script.name,
                        told_row(row)
                    );
                    return Err(Stop::breach("rows that refer to what is there", seen));
                }
                rows += trial.state()?.values().map(Vec::len).sum::<usize>();
            }
            Ok(format!("none of {rows} rows refers to nothing"))
        })
        .await
}

async fn own(subject: &Subject) -> Judged {
    let scripts = subject.scripts()?;
    let trial = Trial::of_target(&subject.own_database()?).await?;
    let both = [scripts.development()?, scripts.production()?];
    let mut refusals = Vec::new();
    for script in both {
        match trial.apply_again(script) {
            Ok(()) => {
                let_pass(script).await;
                return again(&trial, script);
            }
            Err(why) => refusals.push(format!("{}: {why}", script.name)),
        }
    }
    Err(Stop::breach(
        "a database that takes the development seed or the production set-up",
        refusals.join("; "),
    ))
}

/// Tables that tell what was applied, of which a second time may be told or not.
const LEDGERS: [&str; 2] = ["schema_metadata", "d1_migrations"];

async fn by_tool(subject: &Subject) -> Judged {
    on_a_thread(subject, |work| {
        work.migrated(PRODUCTION)?;
        let mut once = work.seeded(PRODUCTION)?.state()?;
        let (has_succeeded, trial) = work.seed(PRODUCTION)?;
        if !has_succeeded {
            return Err(Stop::breach(
                "a file that applies twice",
                "the tool said that it failed the second time",
            ));
        }
        let mut twice = trial.state()?;
        for ledger in LEDGERS {
            once.remove(ledger);
            twice.remove(ledger);
        }
        match difference(&once, &twice) {
            None => Ok(format!("{} tables are as they were", once.len())),
            Some(change) => Err(Stop::breach(
                "the state after the first application",
                change,
            )),
        }
    })
    .await
}

/// Both files, each with the environment that it is for.
fn both(scripts: &Scripts) -> Result<[(&Script, &'static str); 2], Stop> {
    Ok([
        (scripts.development()?, DEVELOPMENT),
        (scripts.production()?, PRODUCTION),
    ])
}

/// Applies a file again after each of these statements that the database takes; how many it took.
fn again_after(
    trial: &Trial,
    script: &Script,
    statements: Vec<String>,
    what: &str,
) -> Result<usize, Stop> {
    let mut taken = 0;
    for sql in statements {
        let outcome = trial.tried(|trial| {
            let before = trial.state()?;
            if trial.run(&sql).is_err() || difference(&before, &trial.state()?).is_none() {
                return Ok::<_, Stop>(None);
            }
            Ok(Some(trial.run_again(script)))
        })??;
        match outcome {
            None => {}
            Some(Ok(())) => taken += 1,
            Some(Err(why)) => {
                let seen = format!("after `{sql}` {} fails: {why}", script.name);
                return Err(Stop::breach(
                    format!("a file that applies again when what it brought was {what}"),
                    seen,
                ));
            }
        }
    }
    Ok(taken)
}

/// The tables of a database that have this column, or any where none is named.
fn tables_with(trial: &Trial, column: Option<&str>) -> Result<Vec<String>, Stop> {
    let schema = trial.schema()?;
    let has = |table: &moltproof_data::catalog::Table| {
        column.is_none_or(|column| table.column(&Name::new(column)).is_some())
    };
    let tables = schema.tables.values();
    let tables = tables.filter(|table| table.is_ordinary() && has(table));
    let names = tables.map(|table| table.name.as_str().to_owned());
    Ok(names
        .filter(|name| !LEDGERS.contains(&name.as_str()))
        .collect())
}

async fn applied_to_what_changed(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let mut taken = 0;
            for (script, environment) in both(scripts)? {
                let trial = applied(scripts, script, environment)?;
                let later = tables_with(&trial, Some("updated_at"))?.into_iter();
                let later = later.map(|table| {
                    let time = "CASE typeof(updated_at) WHEN 'integer' THEN updated_at + 100000000000 ELSE '2060-01-02T03:04:05.000Z' END";
                    format!("UPDATE \"{table}\" SET updated_at = {time}")
                });
                taken += again_after(&trial, script, later.collect(), "changed later")?;
            }
            Ok(format!("they applied again after {taken} changes"))
        })
        .await
}

async fn applied_to_what_is_gone(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            let mut taken = 0;
            for (script, environment) in both(scripts)? {
                let trial = applied(scripts, script, environment)?;
                let tables = tables_with(&trial, None)?.into_iter();
                let gone = tables.map(|table| format!("DELETE FROM \"{table}\""));
                taken += again_after(&trial, script, gone.collect(), "removed")?;
            }
            Ok(format!(
                "they applied again after {taken} tables were emptied"
            ))
        })
        .await
}
