//! What relaxes Access and what does not. Never sets a mode: variants and requests come from the feature.

use super::{
    Credential, expect_all_open, expect_denied, expect_record, record_request, token, with_request,
};
use crate::contract::need::Need;
use crate::observe::LogLine;
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::verdict::{Check, OrUnmet as _, Stop};
use std::time::Duration;

/// A log line may be written after the answer. Evidence: lines were there within 1 ms; a busy machine gets a generous hundredfold.
const LOGGED_MS_MAX: u64 = 2_000;
/// Words of a line that says so.
const RELAXED: [&str; 5] = ["relax", "bypass", "skipped", "dev_mode", "dev mode"];

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
        r#"the record of tenant "([^"]+)" is asked for in development with a token of kind "([^"]+)""#,
        |s, a| Box::pin(opens_in_spite(s, a)),
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

/// Nobody promises that a bad token does what none does: where it is refused in development as well, nothing is relaxed for it.
async fn opens_in_spite(s: &mut Scene, a: Args) -> Check {
    let (tenant, kind) = (s.tenant(a.text(1))?, a.text(2));
    let bare = s.send(record_request(s, &tenant)).await?;
    expect_record(s, &tenant, &bare).or_unmet("ACC-020: development opens without a token")?;
    let credential = Credential::Header(token(s, kind).await?);
    let answer = s.send(credential.on(record_request(s, &tenant))).await?;
    if super::is_refusal(answer.status) {
        return Err(Stop::NotApplicable(format!(
            "a token of the kind {kind} is refused in development as well"
        )));
    }
    expect_record(s, &tenant, &answer)
}

async fn everything_opens(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    expect_all_open(s, &tenant, &Credential::Nothing, None).await
}

/// What ties lines of the log to the last request: its id, and the tenant in its path.
fn ties(s: &Scene) -> Result<Vec<String>, Stop> {
    let answer = s.last()?;
    let path = answer.request.path.split(['?', '/']).map(str::to_owned);
    let mut all: Vec<String> = path
        .filter(|part| uuid::Uuid::try_parse(part).is_ok())
        .collect();
    all.extend(answer.header("x-request-id").map(str::to_owned));
    Ok(all)
}

/// Whether a line of the log says that Access was relaxed, whatever the event is called.
fn says_relaxed(line: &LogLine) -> bool {
    let text = line.text.to_lowercase();
    line.is_event("access_relaxed")
        .unwrap_or_else(|| RELAXED.iter().any(|word| text.contains(word)))
}

fn is_tied(line: &LogLine, ties: &[String]) -> bool {
    line.is_tied_to(ties)
}

/// Whether a text has this id, and not a longer word with it inside.
fn names(text: &str, id: &str) -> bool {
    let is_part = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    text.match_indices(id).any(|(at, _)| {
        !is_part(text[..at].chars().next_back()) && !is_part(text[at + id.len()..].chars().next())
    })
}

async fn is_logged(s: &mut Scene, _a: Args) -> Check {
    let ties = ties(s)?;
    let found = s.wait_for_log(
        "a warning in the log that Access was relaxed, with the request's id or its tenant's",
        Duration::from_millis(LOGGED_MS_MAX),
        |line| is_tied(line, &ties) && line.warns() && says_relaxed(line),
    );
    let Err(missing) = found.await else {
        return Ok(());
    };
    // A log that tells of no request in a way to be known by may warn of them all alike. By its tenant a request is not known: what else was
    // asked of that tenant is told too.
    let id = s.last()?.header("x-request-id").map(str::to_owned);
    let lines = s.all_log_lines().await?;
    let warned = lines.iter().any(|line| line.warns() && says_relaxed(line));
    let is_known = |line: &LogLine| id.as_ref().is_some_and(|id| names(&line.text, id));
    if warned && !lines.iter().any(is_known) {
        s.checks += 1;
        return Ok(());
    }
    Err(missing)
}

async fn is_not_logged(s: &mut Scene, _a: Args) -> Check {
    let ties = ties(s)?;
    // The line that the request does leave tells that its log is complete enough to look for the one it must not leave.
    let left = s.wait_for_log(
        "some log line with the request's id or its tenant's",
        Duration::from_millis(LOGGED_MS_MAX),
        |line| is_tied(line, &ties),
    );
    let left = left.await;
    left.or_unmet("a log that tells of requests")?;
    let lines = s.log_lines().await?;
    let relaxed = lines
        .iter()
        .find(|line| is_tied(line, &ties) && says_relaxed(line));
    s.expect(
        relaxed.is_none(),
        "no log line that Access was relaxed for a denied request",
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
        // Where operators act on a host of their own, another one has no such route.
        let is_elsewhere = place == "host" && !s.run.target.dialect().operator_host.is_empty();
        let told = |stop| with_request(stop, &format!("a request with {place} {what}"));
        if is_elsewhere && answer.status == 404 {
            s.checks += 1;
            continue;
        }
        expect_denied(s, &answer).map_err(told)?;
    }
    Ok(())
}
