//! What `GET /api/admin/schema` tells. Never changes anything.

use super::{ENVIRONMENTS, records, wanted};
use crate::call::{Answer, Call};
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::scripts::trial::Trial;
use crate::subject::Subject;
use serde_json::Value;

async fn asked(subject: &Subject) -> Result<Answer, Stop> {
    let scene = Scene::at_present(subject);
    let answer = scene.operate(Call::get("/api/admin/schema")).await?;
    answer.expect(200, |seen| {
        Stop::breach("200 with the schema's version and history", seen)
    })
}

fn name(entry: &Value) -> &str {
    let file = entry["file"].as_str().unwrap_or_default();
    file.rsplit('/').next().unwrap_or(file)
}

pub(super) async fn told(subject: &Subject) -> Judged {
    let scripts = subject.scripts()?;
    let answer = asked(subject).await?;
    let wanted = wanted(&scripts);
    let newest = wanted.iter().map(|(_, version, _)| *version).max();
    if answer.at("/version").as_i64() != newest {
        let expected = format!("version {}", newest.unwrap_or_default());
        return Err(Stop::breach(
            expected,
            format!("version {}", answer.at("/version")),
        ));
    }
    let environment = answer.text("/environment");
    if !ENVIRONMENTS.contains(&environment.as_str()) {
        let expected = format!("environment: one of {}", ENVIRONMENTS.join(", "));
        return Err(Stop::breach(
            expected,
            format!("environment {}", answer.at("/environment")),
        ));
    }
    let history = answer.list("/history");
    let mut last = None;
    for (file, _, sha256) in &wanted {
        let found = history.iter().position(|entry| name(entry) == file);
        let Some((place, entry)) = found.and_then(|place| Some((place, history.get(place)?)))
        else {
            return Err(Stop::breach(
                format!("{file} in the history"),
                "no entry of it",
            ));
        };
        if entry["sha256"].as_str() != Some(sha256) {
            let expected = format!("SHA-256 {sha256} of {file}");
            return Err(Stop::breach(expected, entry["sha256"].to_string()));
        }
        if !entry["applied_at"].is_i64() {
            let expected = format!("the time at which {file} was applied");
            return Err(Stop::breach(expected, entry["applied_at"].to_string()));
        }
        if last.is_some_and(|last| last > place) {
            return Err(Stop::breach(
                "the history in the order of the files",
                format!("{file} too early"),
            ));
        }
        last = Some(place);
    }
    Ok(format!(
        "version {}, {environment}, {} files",
        answer.at("/version"),
        history.len()
    ))
}

pub(super) async fn same(subject: &Subject) -> Judged {
    let trial = Trial::of_target(&subject.own_database()?).await?;
    let records = records(&trial)?;
    let answer = asked(subject).await?;
    let history = answer.list("/history");
    for record in &records {
        let mut entries = history.iter().filter(|entry| name(entry) == record.file);
        let is_told = entries.any(|entry| {
            entry["sha256"].as_str() == Some(&record.sha256)
                && entry["applied_at"].as_i64() == Some(record.applied_at)
        });
        if !is_told {
            let expected = format!("{}, {}, {}", record.file, record.sha256, record.applied_at);
            return Err(Stop::breach(expected, "no such entry in the history"));
        }
    }
    if history.len() != records.len() {
        let expected = format!("{} entries", records.len());
        return Err(Stop::breach(
            expected,
            format!("{} in the history", history.len()),
        ));
    }
    Ok(format!("{} rows are told", records.len()))
}
