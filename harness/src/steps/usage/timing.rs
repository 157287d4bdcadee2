//! An upstream that really takes its time, and the latency that the row says. Never uses virtual time: the row measures real time.

use super::rows::{self, beyond_measured, whole_ms};
use crate::doubles::{Reply, Script, StreamDialect};
use crate::observe::Row;
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::said::said;
use crate::steps::gateway::{chat_body, prompt};
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait::{self, Look};
use futures_util::future::join;
use std::sync::Arc;
use std::time::Duration;

/// Within this time a prompt is at the upstream.
const ASKED_MAX: Duration = Duration::from_secs(10);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"tenant "([^"]+)" prompts the model (plainly|in a stream) and the (upstream answers|body of the upstream's answer is) "(\d+)/(\d+)" after (\d+) ms"#,
        |s, a| Box::pin(prompts_slow_upstream(s, a)),
    );
    book.asserting(&["USG-014"], 
        r#"the usage row of tenant "([^"]+)" with tokens "(\d+)/(\d+)" has a latency between (\d+) ms and what the caller measured"#,
        |s, a| Box::pin(latency_between(s, a)),
    );
}

async fn prompts_slow_upstream(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let streamed = a.text(2) == "in a stream";
    let (tokens_in, tokens_out) = (a.number(4)?, a.number(5)?);
    let latency = Duration::from_millis(a.number(6)?);
    let marker = s.marker();
    let gateway = s.gateway().await?;
    let reply = if streamed {
        Reply::stream(StreamDialect::OpenAi, &["Hello."], tokens_in, tokens_out)
    } else {
        Reply::chat("Hello.", tokens_in, tokens_out)
    };
    let held = if a.text(3) == "upstream answers" {
        reply.hang()
    } else {
        reply.hold_after(0)
    };
    gateway.script(&marker, Script::always(held));
    let request = s.chat_request_with(&host, &chat_body(&marker, streamed));
    let asked_before = gateway.journal(&marker).len();
    let releasing = {
        let gateway = Arc::clone(&gateway);
        async move {
            gateway
                .wait_for_attempts(&marker, asked_before + 1, ASKED_MAX)
                .await;
            wait::pass(latency).await;
            gateway.release(&marker);
        }
    };
    join(prompt(s, request, streamed), releasing).await.0
}

/// The one row of a tenant, whatever counts it tells.
async fn only_row(s: &mut Scene, tenant_id: &str) -> Result<Row, Stop> {
    let d1 = s.d1().await?;
    let demand = format!("one usage row of tenant {tenant_id}");
    let deadline = rows::visible_max(s);
    s.expect_soon(&demand, deadline, || {
        let d1 = Arc::clone(&d1);
        async move {
            let rows = rows::of_tenant(&d1, tenant_id).await?.len();
            Ok(if rows == 1 {
                Look::Done(())
            } else {
                Look::NotYet(format!("{rows} rows"))
            })
        }
    })
    .await?;
    Ok(rows::of_tenant(&d1, tenant_id).await?.swap_remove(0))
}

async fn latency_between(s: &mut Scene, a: Args) -> Check {
    let (tenant, answer) = (s.tenant(a.text(1))?, s.last()?);
    s.expect_status(&answer, 200)
        .or_unmet("a chat that is refused")?;
    let row = only_row(s, &tenant.id).await.or_unmet("USG-001")?;
    let (least, most) = (a.number::<i64>(4)?, whole_ms(answer.done_after));
    let seen = row.get("latency_ms").cloned();
    let latency = seen.as_ref().and_then(serde_json::Value::as_i64);
    beyond_measured(&answer, latency)?;
    s.expect(
        latency.is_some_and(|latency| (least..=most).contains(&latency)),
        format!("latency_ms from {least} (the upstream's) to {most} (the caller's)"),
        || said(&seen),
    )
}
