//! The very same chat of two tenants, one after the other. Never tells them apart by anything but their hosts.

use super::{chat_of, greet, greeting, marker_of};
use crate::oracle::usage;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::steps::operating::{expect_usage_count, presuppose, usage_rows};
use crate::verdict::{Check, OrUnmet as _};
use serde_json::json;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"tenants "([^"]+)" and "([^"]+)" send the very same chat(?: with the same "([^"]+)")?, one after the other"#,
        |s, a| Box::pin(one_after_the_other(s, a)),
    );
    book.step(
        r#"tenants "([^"]+)" and "([^"]+)" were each answered by a model call of their own, on their own bill"#,
        |s, a| Box::pin(each_by_its_own(s, a)),
    );
}

/// The name whose marker both chats bear.
const SHARED: &str = "both";

/// Tokens that the model reports to the first and to the second.
const TOKENS: [(u64, u64); 2] = [(37, 5), (53, 7)];

/// A trace that two callers may be part of.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn one_after_the_other(s: &mut Scene, a: Args) -> Check {
    let body = chat_of(s, SHARED, &json!({}));
    let marker = marker_of(s, SHARED);
    // Where a value has a form of its own, as a trace's has, it is that.
    let shared = match a.text(3) {
        "traceparent" => format!("00-{TRACE}-00f067aa0ba902b7-01"),
        "If-None-Match" => format!("\"{marker}\""),
        _ => marker,
    };
    for (name, tokens) in [a.text(1), a.text(2)].into_iter().zip(TOKENS) {
        let tenant = s.tenant(name)?;
        greet(s, SHARED, &tenant, tokens).await?;
        let mut request = s.chat_request_with(&tenant.host, &body);
        if !a.text(3).is_empty() {
            request = request.header(a.text(3), shared.as_str());
        }
        let answer = s.send(request).await?;
        presuppose(&answer, answer.status == 200, "cannot chat")?;
    }
    Ok(())
}

async fn each_by_its_own(s: &mut Scene, a: Args) -> Check {
    let marker = marker_of(s, SHARED);
    let calls = s.gateway().await?.journal(&marker);
    s.expect(
        calls.len() >= TOKENS.len(),
        "a model call for each of the two",
        || format!("{}", calls.len()),
    )?;
    let names = [a.text(1), a.text(2)];
    for ((name, tokens), call) in names.into_iter().zip(TOKENS).zip(calls) {
        let tenant = s.tenant(name)?;
        let answers = s.exchanges.iter();
        let answer = answers
            .filter(|answer| answer.request.host == tenant.host)
            .find(|answer| answer.request.body.contains(&marker))
            .cloned();
        let said = answer.as_ref().map(|answer| answer.text());
        s.expect(
            said.is_some_and(|said| said.contains(&greeting(&tenant))),
            format!("the model's answer to `{}`", tenant.slug),
            || answer.map_or_else(|| "none".to_owned(), |answer| describe(&answer)),
        )?;
        let kept = call.metadata_kept.unwrap_or_default();
        let named = kept.get("tenant_id").and_then(|id| id.as_str());
        s.expect(
            named.is_none_or(|id| id == tenant.id),
            format!("metadata of tenant `{}` ({})", tenant.slug, tenant.id),
            || call.metadata_raw.clone().unwrap_or_default(),
        )?;
        expect_usage_count(s, &tenant, 1)
            .await
            .or_unmet("USG-001")?;
        let rows = usage_rows(s, &tenant.id).await?;
        let seen = rows.first().map(usage::counted);
        let check = s.expect_eq(
            &format!("tokens in and out of tenant `{}`:", tenant.slug),
            &Some((Some(tokens.0), Some(tokens.1))),
            &seen,
        );
        // Tokens of neither chat are its own, counted wrongly.
        let is_anothers = TOKENS.iter().any(|known| {
            *known != tokens
                && seen.is_some_and(|seen| seen.0 == Some(known.0) || seen.1 == Some(known.1))
        });
        if is_anothers {
            check?;
        } else {
            check.or_unmet("USG-001")?;
        }
    }
    Ok(())
}
