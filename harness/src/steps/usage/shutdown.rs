//! What becomes of pending rows when the backend ends, in order or not. Never ends an instance that other scenarios use.

use super::control::blamed_on_plain;
use super::crowd::{extra_marker, scripted};
use super::rows::{self, words};
use crate::client::NoAnswer;
use crate::clock;
use crate::evidence::Exchange;
use crate::observe::Row;
use crate::oracle::usage::{self, Tokens};
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::said::said;
use crate::subject::Disposable;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait::{self, Look};
use futures_util::StreamExt as _;
use futures_util::future::join;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Note: token counts of the prompts that were answered.
const ANSWERED: &str = "tokens of answered prompts";

/// So long D1 takes no write after the shutdown began: whoever does not wait for its rows is gone by then.
/// Evidence: with the answers before it, well below the 700 ms after which a busy D1 may be given up (USG-009).
const HELD_AFTER_END: Duration = Duration::from_millis(200);

/// After this time a row that D1 does not take may be given up, the rest of its 700 ms being what D1 is held for after the shutdown began.
const GIVEN_UP_AFTER: Duration = Duration::from_millis(500);
/// Note: whether the answers came so late that rows may have been given up before the shutdown.
const LATE: &str = "answers after rows may be given up";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step("the scenario has a backend that it may end", |s, a| {
        Box::pin(has_backend(s, a))
    });
    book.step(
        r#"(\d+) prompts of tenant "([^"]+)" are under way and the backend is (shut down|killed) after (\d+) answers"#,
        |s, a| Box::pin(ends_under_load(s, a)),
    );
    book.step(
        r#"(\d+) prompts of tenant "([^"]+)" are answered while D1 takes no write, and the backend is shut down"#,
        |s, a| Box::pin(ends_with_pending_rows(s, a)),
    );
    book.step("that backend starts again", |s, a| {
        Box::pin(starts_again(s, a))
    });
    book.asserting(
        &["USG-015"],
        r#"every answered prompt of tenant "([^"]+)" has its usage row"#,
        |s, a| Box::pin(none_lost(s, a)),
    );
    book.asserting(
        &["USG-015"],
        r#"no usage row of tenant "([^"]+)" is doubled or half-written"#,
        |s, a| Box::pin(none_doubled(s, a)),
    );
    book.asserting(&["USG-015"], "the database is sound", |s, a| {
        Box::pin(is_sound(s, a))
    });
}

async fn has_backend(s: &mut Scene, _a: Args) -> Check {
    s.use_disposable().await
}

fn tokens(number: usize) -> Tokens {
    let number = i64::try_from(number).unwrap_or_default();
    (5_000 + number, 100 + number)
}

type Sent = (Tokens, Result<Exchange, NoAnswer>);

/// Takes answers until `enough` prompts were answered with 200.
async fn take<S>(sends: &mut S, enough: usize, answered: &mut Vec<Tokens>) -> Vec<Exchange>
where
    S: futures_util::Stream<Item = Sent> + Unpin,
{
    let mut exchanges = Vec::new();
    while answered.len() < enough {
        let Some((tokens, answer)) = sends.next().await else {
            break;
        };
        // Whoever is cut off by the end of the backend has no answer, and its row may or may not be there.
        if let Ok(exchange) = answer {
            if exchange.status == 200 {
                answered.push(tokens);
            }
            exchanges.push(exchange);
        }
    }
    exchanges
}

async fn ends_under_load(s: &mut Scene, a: Args) -> Check {
    let (prompts, enough): (usize, usize) = (a.number(1)?, a.number(4)?);
    let tenant = s.tenant(a.text(2))?;
    let mut requests = Vec::with_capacity(prompts);
    for number in 0..prompts {
        let marker = extra_marker(s, number);
        let request = scripted(s, &tenant, &marker, tokens(number), number % 3 == 2).await?;
        s.instance().await?;
        requests.push((tokens(number), s.addressed(request)?));
    }
    let (base, client) = (s.instance().await?.base.clone(), s.run.client.clone());
    let mut sends: FuturesUnordered<_> = requests
        .iter()
        .enumerate()
        .map(|(number, (tokens, request))| {
            let (client, base) = (&client, &base);
            async move { (*tokens, client.send(base, request, number + 1).await) }
        })
        .collect();
    let mut answered = Vec::new();
    let mut exchanges = take(&mut sends, enough, &mut answered).await;
    let backend = s
        .disposable
        .as_mut()
        .ok_or_else(|| Stop::Fault("the scenario has no backend of its own".to_owned()))?;
    let ending = end(backend.as_mut(), a.text(3) == "killed");
    let (ended, rest) = join(ending, take(&mut sends, usize::MAX, &mut answered)).await;
    ended?;
    drop(sends);
    exchanges.extend(rest);
    for exchange in exchanges {
        s.keep(&Arc::new(exchange));
    }
    s.expect(
        answered.len() >= enough,
        format!("at least {enough} of {prompts} prompts answered before the end"),
        || answered.len().to_string(),
    )?;
    s.notes.insert(ANSWERED.to_owned(), json!(answered));
    Ok(())
}

async fn ends_with_pending_rows(s: &mut Scene, a: Args) -> Check {
    let prompts: usize = a.number(1)?;
    let tenant = s.tenant(a.text(2))?;
    // Starts the tenant's gateway, so that the prompts that count need nothing but their rows written.
    let status = s.status_request(&tenant.host);
    s.send(status).await?;
    let mut requests = Vec::with_capacity(prompts);
    for number in 0..prompts {
        let marker = extra_marker(s, number);
        requests.push(scripted(s, &tenant, &marker, tokens(number), number % 2 == 1).await?);
    }
    // Where D1 cannot be held the rows are pending for a moment only: less sharp, and still true.
    let held = s.d1().await?.hold_writes().await?;
    let held_since = held.is_some().then(clock::now);
    let answers = s.send_all(requests).await?;
    let is_late = held_since.is_some_and(|since| since.elapsed() > GIVEN_UP_AFTER);
    s.notes.insert(LATE.to_owned(), json!(is_late));
    let answered: Vec<Tokens> = (0..prompts)
        .filter(|&number| {
            answers
                .get(number)
                .is_some_and(|answer| answer.status == 200)
        })
        .map(tokens)
        .collect();
    s.expect(
        answered.len() == prompts,
        format!("{prompts} prompts answered"),
        || answered.len().to_string(),
    )?;
    s.notes.insert(ANSWERED.to_owned(), json!(answered));
    let backend = s
        .disposable
        .as_mut()
        .ok_or_else(|| Stop::Fault("the scenario has no backend of its own".to_owned()))?;
    let letting_go = async move {
        wait::pass(HELD_AFTER_END).await;
        drop(held);
    };
    let (ended, ()) = join(end(backend.as_mut(), false), letting_go).await;
    ended
}

async fn end(backend: &mut dyn Disposable, killed: bool) -> Check {
    if killed {
        backend.kill().await?;
    } else {
        backend.stop().await?;
    }
    Ok(())
}

async fn starts_again(s: &mut Scene, _a: Args) -> Check {
    let backend = s
        .disposable
        .as_mut()
        .ok_or_else(|| Stop::Fault("the scenario has no backend of its own".to_owned()))?;
    backend.start().await?;
    Ok(())
}

fn answered(s: &Scene) -> Result<BTreeSet<Tokens>, Stop> {
    let noted = s.notes.get(ANSWERED).cloned().unwrap_or(Value::Null);
    serde_json::from_value(noted)
        .map_err(|error| Stop::Fault(format!("no answered prompts are noted: {error}")))
}

async fn none_lost(s: &mut Scene, a: Args) -> Check {
    let mut check = each_has_its_row(s, &a).await;
    // A row that was given up before the shutdown began is not one that it lost.
    if s.notes.get(LATE).is_some_and(|late| *late == json!(true)) {
        check = check.or_unmet("answers before a busy D1 may be given up");
    }
    blamed_on_plain(s, check).await
}

async fn each_has_its_row(s: &mut Scene, a: &Args) -> Check {
    let (tenant, answered) = (s.tenant(a.text(1))?, answered(s)?);
    let d1 = s.d1().await?;
    let demand = format!(
        "a usage row for each of {} answered prompts",
        answered.len()
    );
    let deadline = rows::visible_max(s);
    s.expect_soon(&demand, deadline, || {
        let d1 = Arc::clone(&d1);
        let (id, answered) = (&tenant.id, &answered);
        async move {
            let there = rows::of_tenant(&d1, id).await?;
            let counted: BTreeSet<_> = there.iter().filter_map(usage::tokens).collect();
            let lost: Vec<_> = answered.difference(&counted).copied().map(Some).collect();
            // A row without counts is a row.
            let uncounted = there.iter().filter(|row| usage::tokens(row).is_none());
            Ok(if lost.len() <= uncounted.count() {
                Look::Done(())
            } else {
                Look::NotYet(format!("{} lost: {}", lost.len(), words(&lost)))
            })
        }
    })
    .await
}

fn is_whole(row: &Row, tenant_id: &str) -> bool {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_there = |name: &str| row.get(name).is_some_and(|value| !value.is_null());
    // What form each of them has is promised elsewhere.
    !text("id").is_empty()
        && text("tenant_id") == tenant_id
        && text("model").starts_with("@cf/")
        && is_there("latency_ms")
        && is_there("created_at")
        // The two counts of one prompt belong together.
        && usage::tokens(row).is_some_and(|(tokens_in, tokens_out)| tokens_in - tokens_out == 4_900)
}

/// A backend that writes rows again when it starts does so behind its first answers.
/// Evidence: on a busy machine a look at once came before them.
const AFTER_START: Duration = Duration::from_secs(1);

async fn none_doubled(s: &mut Scene, a: Args) -> Check {
    let check = each_is_whole(s, &a).await;
    blamed_on_plain(s, check).await
}

async fn each_is_whole(s: &mut Scene, a: &Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let d1 = s.d1().await?;
    wait::quiet(AFTER_START).await;
    let there = rows::of_tenant(&d1, &tenant.id).await?;
    let broken = there
        .iter()
        .find(|row| !is_whole(&rows::told_in_ms(s, row).0, &tenant.id));
    s.expect(broken.is_none(), "every usage row whole", || said(&broken))?;
    let distinct: BTreeSet<_> = there.iter().filter_map(usage::tokens).collect();
    s.expect(
        distinct.len() == there.len(),
        "at most one usage row for each prompt",
        || format!("{} rows for {} prompts", there.len(), distinct.len()),
    )
}

async fn is_sound(s: &mut Scene, _a: Args) -> Check {
    let found = s.d1().await?.query("PRAGMA quick_check", &[]).await?;
    let words: Vec<String> = found
        .iter()
        .flat_map(|row| row.values().map(Value::to_string))
        .collect();
    s.expect(words == ["\"ok\""], "a sound database", || words.join("; "))
}
