//! How long resolution takes and how often it succeeds, over many requests. Never takes the way to the target for its own time.

use crate::clock;
use crate::evidence::Exchange;
use crate::lag;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach};
use crate::steps::words::filled;
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::{Value, json};
use std::sync::Arc;

/// From request to resolved tenant, in the mean (RES-014).
const RESOLVED_MS_MAX: f64 = 200.0;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"each of these hosts is asked (\d+) times for the status:",
        |s, a| Box::pin(asked_often(s, a)),
    );
    book.step(r"somebody asks (\d+) times for the health", |s, a| {
        Box::pin(health_often(s, a))
    });
    book.step(
        r"at least (\d+) % of the status answers name their tenant",
        |s, a| Box::pin(success_rate(s, a)),
    );
    book.step(r"a tenant is resolved within 200 ms in the mean", |s, a| {
        Box::pin(mean_time(s, a))
    });
}

async fn asked_often(s: &mut Scene, a: Args) -> Check {
    let mut hosts = Vec::new();
    for row in a.rows() {
        hosts.push((filled(s, &row[0]).await?, s.tenant(&row[1])?.slug));
    }
    let (mut right, mut total) = (0, 0);
    let rounds = a.number::<usize>(1)?;
    // Where no answer says who answered, a chat must: one per host, for each counts against a quota.
    let echoes = !s.run.target.dialect().status_tenant.is_empty();
    for round in 1..=rounds {
        let requests = hosts
            .iter()
            .map(|(host, _)| s.status_request(host))
            .collect();
        let answers = s.send_all(requests).await?;
        for (answer, (_, slug)) in answers.iter().zip(&hosts) {
            total += 1;
            let named = (!echoes && round < rounds)
                || s.who_answered(answer).await?.as_deref() == Some(slug.as_str());
            right += usize::from(answer.status == 200 && named);
        }
    }
    s.notes.insert("right".to_owned(), json!(right));
    s.notes.insert("total".to_owned(), json!(total));
    Ok(())
}

async fn health_often(s: &mut Scene, a: Args) -> Check {
    for _round in 0..a.number::<usize>(1)? {
        let request = s.health_request();
        s.send(request).await?;
    }
    Ok(())
}

async fn success_rate(s: &mut Scene, a: Args) -> Check {
    let share: u64 = a.number(1)?;
    let number = |name: &str| s.notes.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (right, total) = (number("right"), number("total"));
    let is_limited = s.exchanges.iter().any(|answer| answer.status == 429);
    let check = s.expect(
        total > 0 && right * 100 >= total * share,
        format!("at least {share} % of {total} requests to known tenants succeed"),
        || format!("{right} did"),
    );
    // A quota that is used up tells nothing of resolution.
    if is_limited {
        check.or_unmet("RL-001")
    } else {
        check
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred answers")]
fn mean_ms(answers: &[Arc<Exchange>], path: &str) -> f64 {
    let times: Vec<f64> = answers
        .iter()
        .filter(|answer| answer.request.route() == path)
        .map(|answer| clock::ms(answer.head_after))
        .collect();
    times.iter().sum::<f64>() / times.len().max(1) as f64
}

/// Of so many answers one is looked at on a machine that is late: those that were held up least tell most of the target.
const LEAST_HELD_UP: usize = 4;

/// What such an answer takes in the mean for certain, in milliseconds: of all, or of those that were held up least; and how much all were.
fn mean_own_ms(answers: &[Arc<Exchange>], path: &str) -> (f64, lag::HeldUp) {
    let own = answers
        .iter()
        .filter(|answer| answer.request.route() == path);
    let mut times: Vec<(lag::HeldUp, f64)> = own
        .map(|answer| {
            let held_up = lag::between(answer.sent_at, answer.sent_at + answer.head_after);
            (held_up, clock::ms(answer.head_after))
        })
        .collect();
    let all = lag::HeldUp {
        total: times.iter().map(|(held_up, _ms)| held_up.total).sum(),
        longest: times
            .iter()
            .map(|(held_up, _ms)| held_up.longest)
            .max()
            .unwrap_or_default(),
        queued: times.iter().map(|(held_up, _ms)| held_up.queued).sum(),
    };
    let of_all = certain_ms(&times);
    times.sort_by_key(|(held_up, _ms)| held_up.total);
    times.truncate(times.len().div_ceil(LEAST_HELD_UP));
    (of_all.max(certain_ms(&times)), all)
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred answers")]
fn certain_ms(times: &[(lag::HeldUp, f64)]) -> f64 {
    let certain = times
        .iter()
        .map(|(held_up, ms)| ms - clock::ms(held_up.excuse()));
    certain.sum::<f64>() / times.len().max(1) as f64
}

async fn mean_time(s: &mut Scene, _a: Args) -> Check {
    let dialect = s.dialect();
    let whole = mean_ms(&s.exchanges, &dialect.status);
    // The health route resolves nothing: its round trip is the way there and back.
    let way = mean_ms(&s.exchanges, &dialect.health);
    if whole < RESOLVED_MS_MAX {
        s.checks += 1;
        return Ok(());
    }
    if whole - way >= RESOLVED_MS_MAX {
        let seen = format!(
            "a status takes {whole:.0} ms in the mean, {way:.0} ms of it without resolution"
        );
        let (certain, held_up) = mean_own_ms(&s.exchanges, &dialect.status);
        if certain - way < RESOLVED_MS_MAX {
            return Err(lag::TooSlow { seen, held_up }.into());
        }
        return Err(breach(
            format!("a tenant is resolved within {RESOLVED_MS_MAX} ms in the mean"),
            seen,
        ));
    }
    Err(Stop::NotVerified(format!(
        "a request takes {whole:.0} ms, of which the way to the target takes {way:.0} ms: run the harness nearer to it"
    )))
}
