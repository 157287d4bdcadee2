//! Hosts that no honest client sends. Never looks at anything but status and echo.

use crate::client::Request;
use crate::evidence::{Exchange, cut};
use crate::run::book::{Args, Book};
use crate::run::capture::point_at;
use crate::run::scene::{Scene, breach, describe};
use crate::said::said;
use crate::steps::operating::expect_first;
use crate::steps::resolution::ask::request_for;
use crate::steps::words::{canary, filled, filled_bytes};
use crate::verdict::{Check, OrUnmet as _, Stop};
use std::sync::Arc;

/// The public routes that need a tenant, and one that does not exist.
const ROUTES: [&str; 3] = ["status", "chat", "GET /mp-no-such-route"];

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"somebody sends the host "(.*)" to the public routes"#,
        |s, a| Box::pin(sends(s, a)),
    );
    book.step(r"somebody sends no host to the public routes", |s, a| {
        Box::pin(sends_none(s, a))
    });
    book.step(
        r#"somebody sends two hosts, "([^"]*)" and "([^"]*)", to the public routes"#,
        |s, a| Box::pin(sends_two(s, a)),
    );
    book.step(
        r"each answer is 400 or 404 and repeats nothing of the host(, unless the runtime answers for the backend)?",
        |s, a| Box::pin(refused(s, a)),
    );
    book.step(r#"no log line has the event "([^"]+)""#, |s, a| {
        Box::pin(no_event(s, a))
    });
}

async fn sends(s: &mut Scene, a: Args) -> Check {
    let host = filled_bytes(s, a.text(1)).await?;
    for route in ROUTES {
        let request = request_for(s, route, "");
        send(s, Some(&host), request).await?;
    }
    Ok(())
}

async fn sends_none(s: &mut Scene, _a: Args) -> Check {
    for route in ROUTES {
        let request = request_for(s, route, "");
        send(s, None, request).await?;
    }
    Ok(())
}

async fn sends_two(s: &mut Scene, a: Args) -> Check {
    let first = filled_bytes(s, a.text(1)).await?;
    let second = filled(s, a.text(2)).await?;
    for route in ROUTES {
        let request = request_for(s, route, "").header("Host", second.clone());
        send(s, Some(&first), request).await?;
    }
    Ok(())
}

async fn send(s: &mut Scene, host: Option<&[u8]>, request: Request) -> Result<Arc<Exchange>, Stop> {
    match host {
        Some(host) => s.send_raw(host, request).await,
        None => s.send_hostless(request).await,
    }
}

/// A bare 400 or 500 without anything of a backend's: the runtime has not asked it.
fn is_the_runtimes(answer: &Exchange) -> bool {
    let bare = answer.header("x-request-id").is_none() && answer.json().is_none();
    bare && (answer.status == 400
        || (answer.status == 500 && answer.text().trim() == "Internal Server Error"))
}

async fn refused(s: &mut Scene, a: Args) -> Check {
    let runtime_may =
        !a.text(1).is_empty() && s.run.target.limits().runtime_answers_malformed_requests;
    let answers = s.exchanges[s.exchanges.len().saturating_sub(ROUTES.len())..].to_vec();
    let canary = canary(s);
    let mut runtimes = 0;
    for answer in answers {
        echoes_nothing(s, &answer, &canary)?;
        if runtime_may && is_the_runtimes(&answer) {
            runtimes += 1;
            continue;
        }
        let is_quota = answer.status == 429;
        expect_first(s, &answer, !is_quota, "an answer within the quota")?;
        let host = cut(&answer.request.host, 80);
        s.expect(
            [400, 404].contains(&answer.status),
            format!("status 400 or 404 for the host `{}`", host.escape_debug()),
            || describe(&answer),
        )?;
    }
    if runtimes == ROUTES.len() {
        return Err(Stop::NotApplicable(
            "the target's runtime answers this host itself, before the backend is asked".to_owned(),
        ));
    }
    Ok(())
}

fn echoes_nothing(s: &mut Scene, answer: &Exchange, canary: &str) -> Check {
    let shown = answer.shown();
    let whole = answer.request.host.clone();
    // A host of a few letters may stand in any text by chance.
    let echoes = [canary.to_owned(), whole, "alert(1)".to_owned()]
        .into_iter()
        .filter(|text| text.len() >= 8)
        .find(|text| shown.to_lowercase().contains(&text.to_lowercase()));
    if let Some(echo) = echoes {
        point_at(answer);
        return Err(breach(
            "an answer that repeats nothing of the host",
            format!("`{}` in: {}", cut(&echo, 80), cut(&shown, 300)),
        ));
    }
    s.expect(
        answer.header("x-injected").is_none(),
        "no header made of the host",
        || {
            point_at(answer);
            said(&answer.headers)
        },
    )
}

async fn no_event(s: &mut Scene, a: Args) -> Check {
    let event = filled(s, a.text(1)).await?;
    let canary = canary(s);
    // A line about the host may come late: without one there is nothing to be told.
    let expected = "the log line of a host that is no tenant";
    let last = s.slug("last");
    let host = s.instance().await?.tenant_host(&last);
    let request = s.status_request(&host);
    s.send(request).await?;
    let soon = std::time::Duration::from_secs(2);
    let told = s.wait_for_log(expected, soon, |line| line.text.contains(&last));
    let told = told.await;
    let told = told.or_unmet("RES-013")?;
    let lines = s.log_lines().await?;
    // A log of plain text has no objects that could be broken open.
    let of_objects = told.json().is_some();
    let forged = lines.iter().find(|line| {
        line.field("event").as_deref() == Some(event.as_str())
            || (of_objects && line.text.contains(&canary) && line.json().is_none())
    });
    s.expect(
        forged.is_none(),
        "every log line one JSON object, none made by a caller",
        || forged.map_or(String::new(), |line| line.text.clone()),
    )
}
