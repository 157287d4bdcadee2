//! Requests that a gate refuses. Never asks for anything that a gate would let pass, but for positive controls.

use super::rows::expect_exactly;
use crate::client::Request;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe, misshapen};
use crate::said::said;
use crate::steps::gateway::chat_body;
use crate::verdict::{Check, OrUnmet as _};
use serde_json::json;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        "somebody prompts the model on a host that is no tenant",
        |s, a| Box::pin(prompts_unknown_host(s, a)),
    );
    book.step(
        r#"somebody without a token starts the gateway of tenant "([^"]+)""#,
        |s, a| Box::pin(starts_without_token(s, a)),
    );
    book.asserting(
        &["USG-013"],
        r#"no usage row has the tokens "(\d+)/(\d+)" but those of tenant "([^"]+)""#,
        |s, a| Box::pin(no_stranger(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" prompts the model (\d+) times more than its small quota allows"#,
        |s, a| Box::pin(prompts_beyond_quota(s, a)),
    );
    book.asserting(
        &["USG-013"],
        r#"tenant "([^"]+)" has a usage row for each admitted prompt and for no other"#,
        |s, a| Box::pin(only_admitted_rows(s, a)),
    );
}

async fn prompts_unknown_host(s: &mut Scene, _a: Args) -> Check {
    let host = s.instance().await?.tenant_host(&s.slug("nobody"));
    let request = s.chat_request(&host);
    s.send(request).await.map(drop)
}

async fn starts_without_token(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let path = s.dialect().gateway_start.replace("{id}", &tenant.id);
    s.send(Request::new("POST", path)).await.map(drop)
}

async fn no_stranger(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(3))?;
    let (tokens_in, tokens_out): (i64, i64) = (a.number(1)?, a.number(2)?);
    let since = s.exchanges.first().map_or(0, |first| first.sent_at_ms) - 60_000;
    let sql = "SELECT tenant_id FROM usage WHERE tokens_in = ?1 AND tokens_out = ?2 AND tenant_id <> ?3 AND created_at >= ?4";
    let params = [
        json!(tokens_in),
        json!(tokens_out),
        json!(tenant.id),
        json!(since),
    ];
    let strangers = s.d1().await?.query(sql, &params).await?;
    s.expect(
        strangers.is_empty(),
        "no usage row for a request that was refused",
        || said(&strangers),
    )
}

async fn prompts_beyond_quota(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let quota = s.run.target.limits().small_quota.0;
    let more: u32 = a.number(2)?;
    let marker = s.marker();
    let requests = (0..quota + more)
        .map(|_number| s.chat_request_with(&host, &chat_body(&marker, false)))
        .collect();
    s.send_all(requests).await.map(drop)
}

async fn only_admitted_rows(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let answers = s.exchanges.clone();
    if let Some(other) = answers
        .iter()
        .find(|answer| ![200, 429].contains(&answer.status))
    {
        return Err(misshapen("status 200 or 429", describe(other)).or_unmet("RL-001"));
    }
    let admitted = answers.iter().filter(|answer| answer.status == 200).count();
    s.expect(
        admitted > 0 && admitted < answers.len(),
        "some prompts admitted and some refused with 429",
        || format!("{admitted} of {} admitted", answers.len()),
    )
    .or_unmet("RL-001")?;
    // What the upstream double says when it has no script.
    let tokens = vec![(7, 3); admitted];
    expect_exactly(s, &tenant.id, &tokens).await.map(drop)
}
