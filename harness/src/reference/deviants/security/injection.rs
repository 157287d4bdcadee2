//! Backends that make SQL texts, patterns and file paths of what callers send. Never touches anything but the trial's own stores.

use crate::reference::altered::Parts;
use crate::reference::deviants::answers::{is_error, query, refuse, tenant_in_path};
use crate::reference::deviants::layer::{after, before};
use crate::reference::deviants::{Draft, deviant};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use rusqlite::{Connection, Row};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) fn all() -> Vec<Draft> {
    let mut all = in_sql_of_tenants();
    all.extend(in_sql_of_queries());
    all.extend(in_paths());
    all.extend(in_words());
    all
}

/// What is done with D1 after an answer.
type Statement = fn(&Connection, &Ask, &mut Told) -> rusqlite::Result<()>;

/// Another hand in D1 that makes its statements of texts. A statement that fails is an internal error.
fn concatenates(id: &'static str, breaks: &'static str, statement: Statement) -> Draft {
    deviant(id, breaks, &["SEC-004"]).parts(move |parts: &mut Parts| {
        let Some(file) = parts.config.tenant_db.clone() else {
            return;
        };
        parts.caller = after(move |ask, told| {
            let done = Connection::open(&file).and_then(|d1| {
                d1.execute_batch("PRAGMA foreign_keys = ON")?;
                statement(&d1, ask, told)
            });
            if done.is_err() {
                refuse(told, 500, "INTERNAL");
            }
        });
    })
}

fn answer(told: &mut Told, body: &Value) {
    told.status = 200;
    told.set("content-type", "application/json");
    told.put(body.to_string());
}

fn tenant(row: &Row<'_>) -> rusqlite::Result<Value> {
    Ok(json!({
        "id": row.get::<_, String>("id")?,
        "platform": row.get::<_, String>("platform")?,
        "tier": row.get::<_, String>("tier")?,
        "sandbox_id": row.get::<_, String>("sandbox_id")?,
    }))
}

/// The tenants that a condition gives, if any.
fn tenants(d1: &Connection, condition: &str) -> rusqlite::Result<Vec<Value>> {
    let sql = format!("SELECT * FROM tenants WHERE {condition}");
    let mut statement = d1.prepare(&sql)?;
    let rows = statement.query_map([], tenant)?;
    rows.collect()
}

/// The id in the path of an operator who was told that it is nobody's.
fn unknown_id(ask: &Ask, told: &Told) -> Option<String> {
    let (id, _below) = tenant_in_path(ask)?;
    is_error(told, "TENANT_NOT_FOUND").then_some(id)
}

fn in_sql_of_tenants() -> Vec<Draft> {
    vec![
        concatenates(
            "id-in-the-sql-of-a-look-up",
            "The SQL that looks a tenant up is made with the id of the path",
            |d1, ask, told| {
                if let Some(id) = unknown_id(ask, told).filter(|_| ask.method == hyper::Method::GET)
                {
                    let found = tenants(d1, &format!("id = '{id}'"))?;
                    if let Some(first) = found.first() {
                        answer(told, first);
                    }
                }
                Ok(())
            },
        ),
        concatenates(
            "id-in-the-sql-of-a-deletion",
            "The SQL that deletes a tenant is made with the id of the path",
            |d1, ask, told| match unknown_id(ask, told)
                .filter(|_| ask.method == hyper::Method::DELETE)
            {
                Some(id) => d1.execute_batch(&format!("DELETE FROM tenants WHERE id = '{id}'")),
                None => Ok(()),
            },
        ),
        concatenates(
            "id-in-a-like-pattern",
            "A tenant is looked up with LIKE, the id of the path for the pattern",
            |d1, ask, told| {
                if let Some(id) = unknown_id(ask, told).filter(|_| ask.method == hyper::Method::GET)
                {
                    let id = id.replace('\'', "''");
                    if let Some(first) = tenants(d1, &format!("id LIKE '{id}'"))?.first() {
                        answer(told, first);
                    }
                }
                Ok(())
            },
        ),
        concatenates(
            "tier-in-the-sql-of-a-change",
            "The SQL that changes a tenant is made with its new tier",
            |d1, ask, told| {
                let changes = ask.method == hyper::Method::PATCH && told.status == 400;
                let body = ask.json();
                match (
                    body["tier"].as_str().filter(|_| changes),
                    tenant_in_path(ask),
                ) {
                    (Some(tier), Some((id, _below))) => d1.execute_batch(&format!(
                        "UPDATE tenants SET tier = '{tier}' WHERE id = '{id}'"
                    )),
                    _ => Ok(()),
                }
            },
        ),
        concatenates(
            "platform-in-the-sql-of-a-creation",
            "The SQL that makes a tenant is made with its platform",
            |d1, ask, told| {
                let creates = ask.method == hyper::Method::POST && told.status == 400;
                match ask.json()["platform"].as_str().filter(|_| creates) {
                    Some(platform) => {
                        let id = uuid::Uuid::new_v4();
                        d1.execute_batch(&format!(
                            "INSERT INTO tenants (id, platform, tier, sandbox_id, created_at, updated_at) VALUES ('{id}', '{platform}', 'free', 'sk-{id}', 0, 0)"
                        ))
                    }
                    None => Ok(()),
                }
            },
        ),
    ]
}

fn in_sql_of_queries() -> Vec<Draft> {
    vec![
        concatenates(
            "from-in-the-sql-of-usage",
            "The SQL of the usage listing is made with the times of the query",
            |d1, ask, told| usage(d1, ask, told, "from"),
        ),
        concatenates(
            "cursor-in-the-sql-of-usage",
            "The SQL of the usage listing is made with the cursor of the query",
            |d1, ask, told| usage(d1, ask, told, "cursor"),
        ),
        concatenates(
            "own-cursor-in-the-sql-of-usage",
            "The SQL of the usage listing is made with the row id that a cursor of its own form names",
            |d1, ask, told| match query(ask, "cursor") {
                Some(cursor) if [200, 400].contains(&told.status) => {
                    usage_after(d1, ask, told, &cursor)
                }
                Some(_) | None => Ok(()),
            },
        ),
        concatenates(
            "own-cursor-in-the-sql-of-tenants",
            "The SQL of the tenant listing is made with a cursor that begins as its own do",
            |d1, ask, told| {
                let listing = ask.route() == "/api/admin/tenants" && told.status == 400;
                let cursor = query(ask, "cursor").filter(|cursor| begins_with_an_id(cursor));
                match cursor.filter(|_| listing) {
                    Some(cursor) => {
                        d1.execute_batch(&format!("SELECT id FROM tenants WHERE id > '{cursor}'"))
                    }
                    None => Ok(()),
                }
            },
        ),
        concatenates(
            "limit-in-the-sql-of-tenants",
            "The SQL of the tenant listing is made with the limit of the query",
            |d1, ask, told| {
                let listing = ask.route() == "/api/admin/tenants" && told.status == 400;
                match query(ask, "limit").filter(|_| listing) {
                    Some(limit) => {
                        d1.execute_batch(&format!("SELECT * FROM tenants LIMIT {limit}"))
                    }
                    None => Ok(()),
                }
            },
        ),
        concatenates(
            "workload-in-an-sql-text",
            "The SQL that notes a workload is made with the header",
            |d1, ask, told| match ask.header("x-workload").filter(|_| told.status == 400) {
                Some(workload) => d1.execute_batch(&format!(
                    "SELECT count(*) FROM usage WHERE model = '{workload}'"
                )),
                None => Ok(()),
            },
        ),
    ]
}

/// A listing whose condition is made with a parameter that the backend refused or passed over.
fn usage(d1: &Connection, ask: &Ask, told: &mut Told, parameter: &str) -> rusqlite::Result<()> {
    let Some((id, "usage")) = tenant_in_path(ask) else {
        return Ok(());
    };
    let Some(value) = query(ask, parameter).filter(|_| told.status == 400) else {
        return Ok(());
    };
    let condition = match parameter {
        "from" => format!("created_at >= {value}"),
        "to" => format!("created_at < {value}"),
        _ => format!("id > '{value}'"),
    };
    list_usage(d1, told, &id, &condition)
}

/// The page behind a cursor `<created_at>:<id>`, its id put into the text.
fn usage_after(d1: &Connection, ask: &Ask, told: &mut Told, cursor: &str) -> rusqlite::Result<()> {
    let Some((id, "usage")) = tenant_in_path(ask) else {
        return Ok(());
    };
    match cursor.split_once(':') {
        Some((at, row)) if at.parse::<i64>().is_ok() && begins_with_an_id(row) => {
            let condition = format!("(created_at > {at} OR created_at = {at} AND id > '{row}')");
            list_usage(d1, told, &id, &condition)
        }
        Some(_) | None => Ok(()),
    }
}

fn begins_with_an_id(text: &str) -> bool {
    text.get(..36)
        .is_some_and(|id| uuid::Uuid::try_parse(id).is_ok())
}

fn list_usage(d1: &Connection, told: &mut Told, id: &str, condition: &str) -> rusqlite::Result<()> {
    let sql = format!("SELECT * FROM usage WHERE (tenant_id = '{id}' AND {condition})");
    let mut statement = d1.prepare(&sql)?;
    let rows = statement.query_map([], |row| {
        Ok(json!({
            "id": row.get::<_, String>("id")?,
            "tenant_id": row.get::<_, String>("tenant_id")?,
            "tokens_in": row.get::<_, i64>("tokens_in")?,
        }))
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<Value>>>()?;
    answer(told, &json!({ "usage": rows, "next_cursor": null }));
    Ok(())
}

fn in_paths() -> Vec<Draft> {
    vec![
        deviant(
            "gateway-state-read-by-path",
            "The state of a gateway is read from the file that the id of the path names",
            &["SEC-004"],
        )
        .parts(|parts| {
            let Some(root) = parts.config.moltbot_bucket.clone() else {
                return;
            };
            parts.caller = after(move |ask, told| {
                if let Some(id) = unknown_id(ask, told)
                    && let Some(text) = read(&root, &id)
                {
                    answer(told, &json!({ "state": "running", "saved": text }));
                }
            });
        }),
        deviant(
            "creations-kept-below-their-slug",
            "What is asked of a new tenant is kept in the bucket below the slug, before it is checked",
            &["SEC-004"],
        )
        .parts(|parts| {
            if let Some(root) = parts.config.moltbot_bucket.clone() {
                parts.caller = Some(Arc::new(Drafts(root)));
            }
        }),
    ]
}

/// What a file holds that is named by its path in the bucket. Nothing outside of the bucket is ever read: it would stand in a report.
fn read(root: &Path, named: &str) -> Option<String> {
    let root = root.canonicalize().ok()?;
    let file = root.join(named).canonicalize().ok()?;
    file.starts_with(&root)
        .then(|| fs::read_to_string(file).ok())
        .flatten()
}

struct Drafts(PathBuf);

#[async_trait]
impl Tamper for Drafts {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let creates = ask.method == hyper::Method::POST && ask.route() == "/api/admin/tenants";
        if let Some(slug) = ask.json()["slug"].as_str().filter(|_| creates) {
            // Whatever the slug says, this deviant stays below a folder of its own.
            let name = slug.replace(['/', '\0'], "_");
            let folder = self.0.join("drafts");
            let kept = fs::create_dir_all(&folder)
                .and_then(|()| fs::write(folder.join(name), ask.body.as_ref()));
            // A slug that is too long for a file is refused below.
            drop(kept);
        }
        upstream.send(&ask).await
    }
}

fn in_words() -> Vec<Draft> {
    let replaced = |find: &'static str, put: &'static str| {
        move |ask: &mut Ask| {
            let text = String::from_utf8_lossy(&ask.body).into_owned();
            if let (true, Ok(pattern)) = (
                ask.route() == "/v1/chat/completions",
                regex::Regex::new(find),
            ) {
                ask.body = pattern.replace_all(&text, put).into_owned().into();
            }
        }
    };
    vec![
        deviant(
            "words-filled-into-a-template",
            "The words of a chat are filled into a template that fills in theirs, too",
            &["SEC-004"],
        )
        .parts(move |parts| {
            parts.caller = before(replaced(r#"\$\{[^}"]*\}|\{\{[^}"]*\}\}"#, ""));
        }),
        deviant(
            "words-put-into-a-format",
            "The words of a chat are put into a format that takes theirs for its own",
            &["SEC-004"],
        )
        .parts(move |parts| parts.caller = before(replaced("%[a-z]", ""))),
    ]
}
