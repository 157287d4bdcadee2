//! What is told of a resolution, and to whom: the log, the bill, the body. Never reads another scenario's lines.

use crate::run::capture::point_at;
use crate::run::scene::Scene;
use crate::said::said;
use crate::steps::book::{Args, Book};
use crate::steps::words::filled;
use crate::verdict::{Check, Stop};
use crate::wait::Look;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest time until a line is in the log. Evidence: logs are written while the request is answered; a tail of a remote log takes longer.
const LOGGED: Duration = Duration::from_secs(2);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r"the log warns of the ignored override", |s, a| {
        Box::pin(warns_of_override(s, a))
    });
    book.step(
        r#"the log has the resolution failure of host "([^"]*)" with the client ip"#,
        |s, a| Box::pin(has_failure(s, a)),
    );
    book.step(
        r#"the log has no resolution failure of host "([^"]*)""#,
        |s, a| Box::pin(has_no_failure(s, a)),
    );
    book.step(
        r#"the answer names neither host "([^"]*)" nor the client ip"#,
        |s, a| Box::pin(names_neither(s, a)),
    );
    book.step(r#"the chat is billed to tenant "([^"]+)" alone"#, |s, a| {
        Box::pin(billed_to(s, a))
    });
    book.step(r"no model was called", |s, a| Box::pin(no_model(s, a)));
}

async fn warns_of_override(s: &mut Scene, _a: Args) -> Check {
    let answer = s.last()?;
    let id = answer.header("x-request-id").unwrap_or_default().to_owned();
    s.expect(!id.is_empty(), "an X-Request-Id on the answer", || {
        point_at(&answer);
        said(&answer.headers)
    })?;
    let expected = format!("a warning `override_ignored` in the log for request {id}");
    s.wait_for_log(&expected, LOGGED, |line| {
        line.field("event").as_deref() == Some("override_ignored")
            && line.field("level").as_deref() == Some("warn")
            && line.field("request_id").as_deref() == Some(id.as_str())
    })
    .await
    .map(drop)
}

async fn has_failure(s: &mut Scene, a: Args) -> Check {
    let (host, ip) = (filled(s, a.text(1)).await?, s.client_ip().to_owned());
    let expected = format!("a log line `resolution_failure` with host `{host}` and client ip {ip}");
    s.wait_for_log(&expected, LOGGED, |line| {
        line.field("event").as_deref() == Some("resolution_failure")
            && line.field("host").as_deref() == Some(host.as_str())
            && line.field("client_ip").as_deref() == Some(ip.as_str())
    })
    .await
    .map(drop)
}

async fn has_no_failure(s: &mut Scene, a: Args) -> Check {
    let host = filled(s, a.text(1)).await?;
    let lines = s.log_lines().await?;
    let stray = lines.iter().find(|line| {
        line.field("event").as_deref() == Some("resolution_failure")
            && line.field("host").as_deref() == Some(host.as_str())
    });
    s.expect(
        stray.is_none(),
        format!("no `resolution_failure` for host `{host}`, which is a tenant's"),
        || stray.map_or(String::new(), |line| line.text.clone()),
    )
}

async fn names_neither(s: &mut Scene, a: Args) -> Check {
    let (host, ip) = (filled(s, a.text(1)).await?, s.client_ip().to_owned());
    let answer = s.last()?;
    for secret in [host, ip] {
        let shown = answer.text().to_lowercase();
        s.expect(
            !shown.contains(&secret.to_lowercase()),
            format!("a body that does not name `{secret}`"),
            || shown.clone(),
        )?;
    }
    Ok(())
}

/// How many usage rows each tenant of the scenario has, by tenant id.
async fn rows_of(s: &mut Scene, id: &str) -> Result<i64, Stop> {
    let d1 = s.d1().await?;
    let rows = d1
        .query(
            "SELECT count(*) AS rows FROM usage WHERE tenant_id = ?1",
            &[json!(id)],
        )
        .await?;
    Ok(rows
        .first()
        .and_then(|row| row.get("rows")?.as_i64())
        .unwrap_or(0))
}

async fn billed_to(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let (d1, within) = (s.d1().await?, s.run.target.limits().usage_visible);
    let id = json!(tenant.id);
    let expected = format!("the chat's usage row under tenant `{}`", tenant.slug);
    s.expect_soon(&expected, within, || {
        let (d1, id) = (std::sync::Arc::clone(&d1), id.clone());
        async move {
            let rows = d1
                .query("SELECT id FROM usage WHERE tenant_id = ?1", &[id])
                .await?;
            Ok(if rows.len() == 1 {
                Look::Done(())
            } else {
                Look::NotYet(format!("{} rows", rows.len()))
            })
        }
    })
    .await?;
    for other in ["a", "b"] {
        let Ok(other) = s.tenant(other) else { continue };
        if other.id != tenant.id {
            let rows = rows_of(s, &other.id).await?;
            s.expect_eq(
                &format!("usage rows of tenant `{}`:", other.slug),
                &0,
                &rows,
            )?;
        }
    }
    Ok(())
}

async fn no_model(s: &mut Scene, _a: Args) -> Check {
    let marker = s.marker();
    let calls = s.gateway().await?.journal(&marker);
    s.expect(calls.is_empty(), "no call to a model", || {
        let models: Vec<Value> = calls.iter().map(|call| json!(call.model)).collect();
        format!("{} calls: {}", calls.len(), json!(models))
    })
}
