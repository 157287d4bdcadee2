//! What relaxes Access and what does not. Never sets a mode: variants and requests come from the feature.

use super::{
    Credential, expect_all_open, expect_denied, expect_record, record_request, with_request,
};
use crate::run::scene::Scene;
use crate::said::said;
use crate::steps::book::{Args, Book};
use crate::target::need::Need;
use crate::verdict::{Check, Stop};
use std::time::Duration;

/// A log line may be written after the answer. Evidence: lines were there within 1 ms; a busy machine gets a generous hundredfold.
const LOGGED_MS_MAX: u64 = 2_000;
/// The event and the level of the warning.
const RELAXED: (&str, &str) = ("access_relaxed", "warn");

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"without a token the record of tenant "([^"]+)" opens"#,
        |s, a| Box::pin(opens(s, a)),
    );
    book.step(
        r#"without a token every admin route of tenant "([^"]+)" opens"#,
        |s, a| Box::pin(everything_opens(s, a)),
    );
    book.step(
        r"the log has a warning that Access was relaxed for that request",
        |s, a| Box::pin(is_logged(s, a)),
    );
    book.step(
        r"the log has no warning that Access was relaxed for that request",
        |s, a| Box::pin(is_not_logged(s, a)),
    );
    book.step(
        r#"none of these opens the record of tenant "([^"]+)" without a token"#,
        |s, a| Box::pin(none_opens(s, a)),
    );
}

async fn opens(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let request = record_request(s, &tenant);
    let answer = s.send(request).await?;
    expect_record(s, &tenant, &answer)
}

async fn everything_opens(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    expect_all_open(s, &tenant, &Credential::Nothing).await
}

fn last_request_id(s: &Scene) -> Result<String, Stop> {
    let answer = s.last()?;
    answer
        .header("x-request-id")
        .map(str::to_owned)
        .ok_or_else(|| crate::run::scene::breach("an X-Request-Id header", said(&answer.headers)))
}

async fn is_logged(s: &mut Scene, _a: Args) -> Check {
    let id = last_request_id(s)?;
    let (event, level) = RELAXED;
    s.wait_for_log(
        &format!("a log line of level {level}, event {event}, request_id {id}"),
        Duration::from_millis(LOGGED_MS_MAX),
        |line| {
            line.field("request_id").as_deref() == Some(id.as_str())
                && line.field("event").as_deref() == Some(event)
                && line.field("level").as_deref() == Some(level)
        },
    )
    .await
    .map(drop)
}

async fn is_not_logged(s: &mut Scene, _a: Args) -> Check {
    let id = last_request_id(s)?;
    // The line that the request does leave tells that its log is complete enough to look for the one it must not leave.
    s.wait_for_log(
        &format!("some log line of request_id {id}"),
        Duration::from_millis(LOGGED_MS_MAX),
        |line| line.field("request_id").as_deref() == Some(id.as_str()),
    )
    .await?;
    let lines = s.log_lines().await?;
    let relaxed = lines.iter().find(|line| {
        line.field("request_id").as_deref() == Some(id.as_str())
            && line.field("event").as_deref() == Some(RELAXED.0)
    });
    s.expect(
        relaxed.is_none(),
        format!("no log line with event {} for a denied request", RELAXED.0),
        || relaxed.map(|line| line.text.clone()).unwrap_or_default(),
    )
}

async fn none_opens(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    for row in a.rows() {
        let [place, what] = row.as_slice() else {
            return Err(Stop::Fault(
                "each row has a place and what stands there".to_owned(),
            ));
        };
        let mut request = record_request(s, &tenant);
        match place.as_str() {
            "header" => {
                let (name, value) = what
                    .split_once(": ")
                    .ok_or_else(|| Stop::Fault(format!("`{what}` is no header")))?;
                request = request.header(name, value);
            }
            "host" => request = request.host(what.as_str()),
            "query" => request.path = format!("{}?{what}", request.path),
            // Where an edge sets the client ip, nobody can claim another one.
            "ip" if s.run.target.lacks(Need::ClientIp).is_some() => continue,
            "ip" => request = request.header("cf-connecting-ip", what.as_str()),
            _ => return Err(Stop::Fault(format!("no place `{place}`"))),
        }
        let answer = s.send(request).await?;
        expect_denied(s, &answer)
            .map_err(|stop| with_request(stop, &format!("a request with {place} {what}")))?;
    }
    Ok(())
}
