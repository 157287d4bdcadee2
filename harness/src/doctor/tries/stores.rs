//! What the harness may look at: rows, entries, objects, log lines. Never writes.

use super::{Check, Trial, Tried, Unasked};
use crate::contract::need::Need;
use crate::counted::counted;
use crate::subject::manifest::Seeding;
use crate::subject::registry::Entry;
use serde_json::Value;
use std::time::Duration;

/// A row of a database's own list of tables.
const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";

/// How late the line of a request may be.
const LINE_SOON: Duration = Duration::from_secs(10);

/// Looks at each store that the manifest says can be looked at.
pub(super) async fn all(trial: &mut Trial, tried: &mut Tried) {
    if trial.target().lacks(Need::D1).is_none() {
        let check = d1(trial).await;
        tried.put(
            &["d1"],
            check.unwrap_or_else(|why| why.check("d1", "[observe] d1")),
        );
    }
    if trial.target().lacks(Need::Kv).is_none() {
        let check = kv(trial).await;
        tried.put(
            &["kv"],
            check.unwrap_or_else(|why| why.check("kv", "[observe] kv")),
        );
    }
    if trial.target().lacks(Need::R2).is_none() {
        let check = r2(trial).await;
        tried.put(
            &["r2"],
            check.unwrap_or_else(|why| why.check("r2", "[observe] r2")),
        );
    }
    if trial.target().lacks(Need::Logs).is_none() {
        let check = log_line(trial).await;
        tried.put(
            &["logs"],
            check.unwrap_or_else(|why| why.check("log", "[observe] logs")),
        );
    }
}

async fn d1(trial: &mut Trial) -> Result<Option<Check>, Unasked> {
    let store = trial.scene.d1().await?;
    let rows = store.query(TABLES, &[]).await?;
    let names: Vec<&str> = rows
        .iter()
        .filter_map(|row| row.get("name").and_then(Value::as_str))
        .filter(|name| !name.starts_with("sqlite_") && !name.starts_with("_cf_"))
        .collect();
    if names.is_empty() {
        return Ok(Some(
            Check::wrong(
                "d1",
                "the database has no table: it is another one, or no migration was applied",
            )
            .remedy("[observe] d1, or [launch] setup: `wrangler d1 migrations apply`"),
        ));
    }
    let saw = format!("{}: {}", counted(names.len(), "table"), names.join(", "));
    Ok(Some(Check::ok("d1", saw)))
}

async fn kv(trial: &mut Trial) -> Result<Option<Check>, Unasked> {
    let store = trial.scene.kv().await?;
    let keys = store.keys("").await?;
    let by_templates = matches!(trial.target().seeding(), Some(Seeding::Stores { .. }));
    let Some(tenant) = trial.tenant.clone().filter(|_| !by_templates) else {
        return Ok(Some(Check::ok(
            "kv",
            format!("{} can be read", counted(keys.len(), "key")),
        )));
    };
    let template = &trial.target().dialect().kv_slug;
    let key = template.replace("{slug}", &tenant.slug);
    let (found, control) = (
        Entry::read(store.as_ref(), &key).await?,
        store.get(&format!("{key}-nobody")).await?,
    );
    let Some(found) = found.filter(|_| control.is_none()) else {
        let saw = format!(
            "no entry `{key}` for a tenant that answers, among {}",
            counted(keys.len(), "key")
        );
        return Ok(Some(Check::warning("kv", saw).remedy(
            "how its keys are spelt: [dialect] kv_slug; or another namespace: [observe] kv",
        )));
    };
    if !found.names(&tenant.id) {
        let saw = format!(
            "the entry `{key}` names the tenant's id neither in its value nor in its metadata"
        );
        return Ok(Some(Check::warning("kv", saw).remedy(
            "what stands there for a tenant: [seeding] kind = \"stores\" and its kv; until then entries that scenarios write are not verified",
        )));
    }
    Ok(Some(Check::ok(
        "kv",
        format!(
            "the tenant's entry is there; nobody's is not ({})",
            counted(keys.len(), "key")
        ),
    )))
}

async fn r2(trial: &mut Trial) -> Result<Option<Check>, Unasked> {
    let store = trial.scene.r2().await?;
    let keys = store.keys("").await?;
    Ok(Some(Check::ok(
        "r2",
        format!("{} can be listed", counted(keys.len(), "object")),
    )))
}

/// A request that is refused leaves a line, or any of those before has.
async fn log_line(trial: &mut Trial) -> Result<Option<Check>, Unasked> {
    let line = trial
        .scene
        .wait_for_log("a line of the Worker", LINE_SOON, |line| {
            !line.text.trim().is_empty()
        })
        .await;
    Ok(Some(match line {
        Ok(_) => {
            let lines = trial.scene.log_lines().await?.len();
            Check::ok(
                "log",
                format!("{} since the first request", counted(lines, "line")),
            )
        }
        Err(_none) => Check::wrong("log", "not one line since the first request")
            .remedy("[observe] logs names another log, or the Worker writes none"),
    }))
}
