//! D1 slow, busy or mute while a usage row is written. Never touches another tenant's writes.

use super::rows::{self, LATER, words};
use crate::observe::LogLine;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach};
use crate::said::said;
use crate::subject::faults::{Calls, LOST, StoreFault, Through};
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait::{self, Look};
use crate::{clock, lag, oracle};
use serde_json::{Value, json};
use std::time::Duration;

/// Note: how long each write takes, milliseconds.
const SLOW: &str = "writes take this long";
/// A pause may be measured shorter by so much: clocks are read on both ends.
const PAUSE_SHORT_MS_MAX: f64 = 10.0;
/// A pause may be longer by so much: a try that fails takes its time, and so does a busy machine.
const PAUSE_LONG_MS_MAX: f64 = 1_000.0;
/// How much more than by 300 ms the pauses may grow from the first (100 ms) to the last (400 ms), as a factor. What a failing try takes is in
/// every pause and does not make them grow; pauses twice as long grow twice as much.
const GROWTH_MAX: f64 = 1.6;
/// All pauses of the contract (100, 200, 400 ms) together, and time to spare.
const GIVEN_UP_MAX: Duration = Duration::from_secs(4);
/// A retry that follows a lost answer comes in this time, if it comes.
const RETRIED_MAX: Duration = Duration::from_millis(600);
/// How often a write is tried again.
const RETRIES: u32 = 3;
/// All retries after lost answers come in this time after the first write, if they come.
const RETRIES_MAX: Duration = Duration::from_secs(1);
/// In this time after the loss was logged nothing more may be logged or tried.
const QUIET: Duration = Duration::from_millis(150);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"D1 takes (\d+) s longer for the usage writes of tenant "([^"]+)""#,
        |s, a| Box::pin(is_slow(s, a)),
    );
    book.step(
        r#"D1 is busy for (?:the next (\d+)|all) usage writes of tenant "([^"]+)""#,
        |s, a| Box::pin(is_busy(s, a)),
    );
    book.step(
        r#"D1 says "([^"]+)" to the next usage write of tenant "([^"]+)""#,
        |s, a| Box::pin(says_busy(s, a)),
    );
    book.step(
        r#"D1 does the next (\d+) usage writes? of tenant "([^"]+)" and loses the answer(?:, saying "([^"]+)")?"#,
        |s, a| Box::pin(loses_answer(s, a)),
    );
    book.step(r#"D1 works again for tenant "([^"]+)""#, |s, a| {
        Box::pin(works_again(s, a))
    });
    book.asserting(
        &["USG-008", "USG-009"],
        r#"the caller had the answer before the usage write of tenant "([^"]+)" was through"#,
        |s, a| Box::pin(answered_before_write(s, a)),
    );
    book.step(
        r#"the caller had the answer before the first usage write of tenant "([^"]+)" was through"#,
        |s, a| Box::pin(answered_before_first_write(s, a)),
    );
    book.asserting(&["USG-009"], 
        r#"the usage write of tenant "([^"]+)" was tried (\d+) times, after pauses of "([^"]+)" ms"#,
        |s, a| Box::pin(tried_after_pauses(s, a)),
    );
    book.asserting(
        &["USG-001"],
        r#"the usage write of tenant "([^"]+)" met the trouble"#,
        |s, a| Box::pin(met_trouble(s, a)),
    );
    book.asserting(
        &["USG-009"],
        r#"the loss of a usage row of tenant "([^"]+)" is logged once, after (\d+) tries"#,
        |s, a| Box::pin(loss_logged(s, a)),
    );
    book.asserting(
        &["USG-010"],
        r#"a retry for tenant "([^"]+)" has had its time"#,
        |s, a| Box::pin(retry_had_time(s, a)),
    );
    book.step(
        r#"every retry for tenant "([^"]+)" has had its time"#,
        |s, a| Box::pin(retries_had_time(s, a)),
    );
}

async fn set(s: &mut Scene, name: &str, fault: StoreFault, times: Option<u32>) -> Check {
    let tenant = s.tenant(name)?;
    let faults = s.faults().await?;
    faults.set(Calls::UsageWrite, &tenant.id, fault, times);
    Ok(())
}

async fn is_slow(s: &mut Scene, a: Args) -> Check {
    let delay = Duration::from_secs(a.number(1)?);
    s.notes.insert(LATER.to_owned(), json!(delay.as_millis()));
    s.notes.insert(SLOW.to_owned(), json!(delay.as_millis()));
    set(s, a.text(2), StoreFault::Slow(delay), None).await
}

async fn is_busy(s: &mut Scene, a: Args) -> Check {
    let times = if a.text(1).is_empty() {
        None
    } else {
        Some(a.number(1)?)
    };
    s.notes
        .insert(LATER.to_owned(), json!(GIVEN_UP_MAX.as_millis()));
    set(s, a.text(2), StoreFault::Busy, times).await
}

/// In which words D1 says that it is overloaded or busy.
const BUSY_WORDS: [&str; 4] = [
    "D1_ERROR: D1 DB is overloaded. Requests queued for too long.",
    "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
    "D1_ERROR: database is locked: SQLITE_BUSY",
    "database is locked",
];

/// In which further words D1 says that it cannot tell what became of a write.
const LOST_WORDS: [&str; 3] = [
    "D1_ERROR: D1 DB reset because its code was updated.",
    "D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.",
    "D1_ERROR: Internal error in D1 DB storage caused object to be reset.",
];

async fn says_busy(s: &mut Scene, a: Args) -> Check {
    let words = BUSY_WORDS.into_iter().find(|words| *words == a.text(1));
    let words = words
        .ok_or_else(|| Stop::Fault(format!("D1 does not say `{}` when it is busy", a.text(1))))?;
    s.notes
        .insert(LATER.to_owned(), json!(GIVEN_UP_MAX.as_millis()));
    set(s, a.text(2), StoreFault::BusySaying(words), Some(1)).await
}

async fn loses_answer(s: &mut Scene, a: Args) -> Check {
    let times = a.number(1)?;
    let words = match a.text(3) {
        "" => LOST,
        said => LOST_WORDS
            .into_iter()
            .find(|words| *words == said)
            .ok_or_else(|| {
                Stop::Fault(format!("D1 does not say `{said}` when it loses an answer"))
            })?,
    };
    set(s, a.text(2), StoreFault::AnswerLost(words), Some(times)).await
}

async fn works_again(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let faults = s.faults().await?;
    faults.clear(Calls::UsageWrite, &tenant.id);
    Ok(())
}

/// The order tells more than any clock: whoever waits for the write answers after it, on a busy machine as on an idle one.
/// Where the store does not tell when the write was through, it was so after the time that it takes at least.
async fn answered_before_write(s: &mut Scene, a: Args) -> Check {
    let (tenant, answer) = (s.tenant(a.text(1))?, s.last()?);
    let faults = s.faults().await?;
    let tries = faults.asked_at(Calls::UsageWrite, &tenant.id);
    let Some(last) = tries.last().copied() else {
        return Err(breach("a usage write", "none").or_unmet("USG-001"));
    };
    let slow = s.notes.get(SLOW).and_then(Value::as_u64).unwrap_or(0);
    let answered = answer.sent_at + answer.done_after;
    let through = match faults.through(Calls::UsageWrite, &tenant.id) {
        Through::At(moment) => Some(moment),
        Through::NotYet => None,
        Through::Untold => Some(last + Duration::from_millis(slow)),
    };
    let is_first = through.is_none_or(|through| answered < through);
    let late = through.map_or(Duration::ZERO, |through| {
        answered.saturating_duration_since(through)
    });
    let seen = format!(
        "the answer {:.0} ms after the write was through",
        clock::ms(late)
    );
    if !is_first {
        // Whoever does not wait answers when the write begins: the whole of that time must be the machine's doing, or none of it is.
        let over = answered.saturating_duration_since(last);
        lag::blame(last, answered, over, || seen.clone())?;
    }
    s.expect(
        is_first,
        "the whole answer with the caller before the usage row is written",
        || seen,
    )
}

/// The first write was seen to begin before the caller asked again, and could not end before D1's delay was over.
async fn answered_before_first_write(s: &mut Scene, a: Args) -> Check {
    let (tenant, answer) = (s.tenant(a.text(1))?, s.last()?);
    let tries = s.faults().await?.asked_at(Calls::UsageWrite, &tenant.id);
    let Some(first) = tries.first().copied().filter(|at| *at < answer.sent_at) else {
        return Err(breach("a usage write before the second prompt", "none").or_unmet("USG-001"));
    };
    let slow = s.notes.get(SLOW).and_then(Value::as_u64).unwrap_or(0);
    let slow = Duration::from_millis(slow);
    // Asked when most of the delay was over, a caller who waits for nobody may be answered behind it as well.
    let began = answer.sent_at.duration_since(first);
    if began > slow / 2 {
        let seen = format!(
            "the second prompt {:.0} ms after the write began",
            clock::ms(began)
        );
        return Err(lag::too_slow(first, answer.sent_at, seen).into());
    }
    let answered = answer.sent_at + answer.done_after;
    let is_before = answered < first + slow;
    let took = format!("an answer after {:.0} ms", clock::ms(answer.done_after));
    if !is_before {
        lag::blame(answer.sent_at, answered, answer.done_after, || took.clone())?;
    }
    s.expect(
        is_before,
        "the whole answer with the caller before the row of the answer before is written",
        || took,
    )
}

async fn tried_after_pauses(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let tries: usize = a.number(2)?;
    let faults = s.faults().await?;
    let demand = format!(
        "{tries} tries to write the usage row of tenant {}",
        tenant.id
    );
    s.expect_soon(&demand, GIVEN_UP_MAX, || {
        let seen = faults.asked_at(Calls::UsageWrite, &tenant.id).len();
        async move {
            Ok(if seen >= tries {
                Look::Done(())
            } else {
                Look::NotYet(format!("{seen} tries"))
            })
        }
    })
    .await
    .or_unmet_if(faults.asked(Calls::UsageWrite, &tenant.id) == 0)?;
    let times = faults.asked_at(Calls::UsageWrite, &tenant.id);
    let pauses: Vec<f64> = times
        .windows(2)
        .map(|pair| clock::ms(pair[1].duration_since(pair[0])))
        .collect();
    let mut nominal = Vec::new();
    for text in a.text(3).split(", ") {
        let ms: f64 = text
            .parse()
            .map_err(|_unparsable| Stop::Fault(format!("`{text}` is no number")))?;
        nominal.push(ms);
    }
    let is_short = |(pause, nominal): (&f64, &f64)| *pause < nominal - PAUSE_SHORT_MS_MAX;
    let over = |(pause, nominal): (&f64, &f64)| pause - (nominal + PAUSE_LONG_MS_MAX);
    let fits = pauses.len() == nominal.len()
        && !pauses.iter().zip(&nominal).any(is_short)
        && pauses.iter().zip(&nominal).all(|both| over(both) <= 0.0);
    // Too few tries, or too soon, no machine is the reason of.
    if !fits && pauses.len() == nominal.len() && !pauses.iter().zip(&nominal).any(is_short) {
        for (both, pair) in pauses.iter().zip(&nominal).zip(times.windows(2)) {
            let over = over(both);
            if over > 0.0 {
                let over = Duration::from_secs_f64(over / 1_000.0);
                lag::blame(pair[0], pair[1], over, || {
                    format!("pauses of {} ms", rounded(&pauses))
                })?;
            }
        }
    }
    let growth = |list: &[f64]| {
        list.last()
            .zip(list.first())
            .map_or(0.0, |(last, first)| last - first)
    };
    let (grown, most) = (growth(&pauses), growth(&nominal) * GROWTH_MAX);
    let grows_too_much = nominal.len() > 1 && grown > most;
    if fits && grows_too_much {
        let over = Duration::from_secs_f64((grown - most) / 1_000.0);
        // The last pause is what grew: what held the machine up before it is no excuse.
        lag::blame(times[times.len() - 2], times[times.len() - 1], over, || {
            format!("pauses of {} ms", rounded(&pauses))
        })?;
    }
    s.expect(
        fits && !grows_too_much,
        format!(
            "{tries} tries, after pauses of {nominal} ms",
            nominal = said(&nominal)
        ),
        || format!("pauses of {} ms", rounded(&pauses)),
    )
}

/// Milliseconds in a row, whole.
fn rounded(list: &[f64]) -> String {
    let whole: Vec<String> = list.iter().map(|ms| format!("{ms:.0}")).collect();
    whole.join(", ")
}

/// A row that nobody tries to write says nothing of how often it is tried.
trait OrUnmetIf {
    fn or_unmet_if(self, is_unmet: bool) -> Self;
}

impl OrUnmetIf for Check {
    fn or_unmet_if(self, is_unmet: bool) -> Self {
        if is_unmet {
            self.or_unmet("USG-001")
        } else {
            self
        }
    }
}

async fn met_trouble(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let faults = s.faults().await?;
    let met = wait::until::<_, Stop, _, _>(rows::visible_max(s), || {
        let asked = faults.asked(Calls::UsageWrite, &tenant.id);
        async move {
            Ok(if asked > 0 {
                Look::Done(())
            } else {
                Look::NotYet("no write".to_owned())
            })
        }
    })
    .await?;
    // A write that never comes is a finding; one that passes by the fault is the harness's doing, and then a row is there.
    let d1 = s.d1().await?;
    let found = rows::of_tenant(&d1, &tenant.id).await?.len();
    met.map_err(|timed_out| {
        let seen = format!("{timed_out}; {found} rows");
        timed_out.excuse.map_or_else(
            || breach(format!("a usage write for tenant {}", tenant.id), seen),
            Stop::from,
        )
    })
}

/// By the event that the contract's own backends log, or the one that the manifest names.
fn is_loss(line: &LogLine, tenant_id: &str) -> bool {
    match line.is_event("usage_lost") {
        Some(is_it) => is_it && line.is_tied_to(&[tenant_id.to_owned()]),
        None => {
            line.field("event").as_deref() == Some("usage_lost")
                && line.field("tenant_id").as_deref() == Some(tenant_id)
        }
    }
}

/// Whether a line says of a tenant's usage that it could not be written, and not that it will be tried again.
fn tells_loss(text: &str, tenant_id: &str) -> bool {
    const OF: [&str; 5] = ["usage", "billing", "row", "insert", "d1"];
    const LOST: [&str; 11] = [
        "lost",
        "loss",
        "fail",
        "gave up",
        "giv",
        "drop",
        "could not",
        "cannot",
        "unable",
        "discard",
        "exhaust",
    ];
    const AGAIN: [&str; 4] = ["retrying", "will retry", "try again", "trying again"];
    let text = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    text.contains(&tenant_id.to_ascii_lowercase()) && has(&OF) && has(&LOST) && !has(&AGAIN)
}

async fn loss_logged(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let tries: u32 = a.number(2)?;
    let demand = format!(
        "a log line that a usage row of tenant {} is lost",
        tenant.id
    );
    let logged = s.wait_for_log(&demand, GIVEN_UP_MAX, |line| {
        is_loss(line, &tenant.id)
            || (line.is_event("usage_lost").is_none() && tells_loss(&line.text, &tenant.id))
    });
    let logged = logged.await.map(drop);
    let asked = s.faults().await?.asked(Calls::UsageWrite, &tenant.id);
    logged.or_unmet_if(asked == 0)?;
    wait::quiet(QUIET).await;
    let lines = s.log_lines().await?;
    let named = |line: &&LogLine| is_loss(line, &tenant.id);
    let told = |line: &&LogLine| tells_loss(&line.text, &tenant.id);
    // By the event that the contract's own backends log, or by what a line says.
    let losses = match lines.iter().filter(named).count() {
        0 => lines.iter().filter(told).count(),
        named => named,
    };
    s.expect(losses == 1, format!("{demand}, once"), || {
        format!("{losses} lines")
    })?;
    let asked = s.faults().await?.asked(Calls::UsageWrite, &tenant.id);
    s.expect(
        asked == tries,
        format!("{tries} tries before the row is given up"),
        || format!("{asked} tries"),
    )
}

/// Waits for the write and its three retries. How often a lost answer is worth a retry is the backend's choice: after the time of all three
/// nothing more is waited for.
async fn retries_had_time(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let faults = s.faults().await?;
    let within = s.run.target.limits().usage_visible + RETRIES_MAX;
    let tried = || {
        let asked = faults.asked(Calls::UsageWrite, &tenant.id);
        let look = if asked > RETRIES {
            Look::Done(())
        } else {
            Look::NotYet(format!("{asked} tries"))
        };
        async move { Ok(look) }
    };
    let _fewer = wait::until::<_, Stop, _, _>(within, tried).await?;
    Ok(())
}

async fn retry_had_time(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let faults = s.faults().await?;
    let tried = |least: u32| {
        let asked = faults.asked(Calls::UsageWrite, &tenant.id);
        async move {
            Ok(if asked >= least {
                Look::Done(())
            } else {
                Look::NotYet(format!("{asked} tries"))
            })
        }
    };
    // The first write may come as late as a row may be seen.
    let within = s.run.target.limits().usage_visible;
    let first = wait::until::<_, Stop, _, _>(within, || tried(1)).await?;
    // Whether a lost answer is worth a retry is the backend's choice; one row must come of it either way.
    let retried = match first {
        Ok(()) => wait::until::<_, Stop, _, _>(RETRIED_MAX, || tried(2)).await?,
        Err(late) => Err(late),
    };
    let d1 = s.d1().await?;
    let seen = rows::of_tenant(&d1, &tenant.id).await?;
    let counts: Vec<_> = seen.iter().map(oracle::usage::tokens).collect();
    s.expect(
        !counts.is_empty(),
        "the row that was written before the answer was lost",
        || {
            let tried = match &retried {
                Ok(()) => "it was tried again".to_owned(),
                Err(late) => format!("a second try: {late}"),
            };
            format!("{} ({tried})", words(&counts))
        },
    )
}
