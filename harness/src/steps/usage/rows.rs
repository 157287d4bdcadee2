//! The usage rows of a tenant, read from D1. Never writes one.

use super::control::{blamed, counts_may_lack, fit};
use crate::clock;
use crate::evidence::Exchange;
use crate::lag;
use crate::observe::{D1, Row};
use crate::oracle::usage::{self, Expected, Tokens};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, misshapen};
use crate::said::said;
use crate::steps::gateway::{last_answering, model_word, parse_tokens};
use crate::subject::manifest::Timestamps;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait::{self, Look};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// In this time after the expected rows no other may come.
/// Evidence: a second write for the same answer follows the first within a few milliseconds; a first retry after 100 ms.
const QUIET: Duration = Duration::from_millis(150);
/// Note: how much later than usual rows may come, milliseconds.
pub(super) const LATER: &str = "rows come this much later";

/// Whatever promises rows, or that there are none.
const ALL: [&str; 17] = [
    "USG-001", "USG-002", "USG-003", "USG-004", "USG-005", "USG-006", "USG-007", "USG-008",
    "USG-009", "USG-010", "USG-011", "USG-012", "USG-013", "USG-014", "USG-015", "USG-016",
    "USG-017",
];

const OF_TENANT: &str = "SELECT id, tenant_id, model, tokens_in, tokens_out, latency_ms, created_at, \
    typeof(id) AS type_of_id, typeof(tokens_in) AS type_of_tokens_in, typeof(tokens_out) AS type_of_tokens_out, \
    typeof(latency_ms) AS type_of_latency_ms, typeof(created_at) AS type_of_created_at \
    FROM usage WHERE tenant_id = ?1 ORDER BY created_at, id";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.asserting(
        &ALL,
        r#"the usage rows of tenant "([^"]+)" have tokens "([^"]+)""#,
        |s, a| Box::pin(rows_have_tokens(s, a)),
    );
    book.asserting(
        &ALL,
        r#"the usage rows of tenant "([^"]+)" have tokens "([^"]+)", (\d+) times"#,
        |s, a| Box::pin(rows_are_alike(s, a)),
    );
    book.asserting(
        &ALL,
        r#"no usage row of tenant "([^"]+)" is there"#,
        |s, a| Box::pin(has_none(s, a)),
    );
    book.asserting(&["USG-001", "USG-011"], 
        r#"the usage row with tokens "([^"]+)" says that the (8b|70b) model answered tenant "([^"]+)""#,
        |s, a| Box::pin(row_fits_answer(s, a)),
    );
    book.asserting(
        &["USG-001"],
        r#"every id among the usage rows of tenant "([^"]+)" is another"#,
        |s, a| Box::pin(ids_differ(s, a)),
    );
}

/// The rows of a tenant, in order of time.
pub(super) async fn of_tenant(d1: &Arc<dyn D1>, tenant_id: &str) -> Result<Vec<Row>, Stop> {
    Ok(d1.query(OF_TENANT, &[json!(tenant_id)]).await?)
}

/// The token counts of rows in order of size. A row without counts has `None`.
fn counts(rows: &[Row]) -> Vec<Option<Tokens>> {
    let mut list: Vec<_> = rows.iter().map(usage::tokens).collect();
    list.sort_unstable();
    list
}

/// Token counts as the features write them.
pub(super) fn words(counts: &[Option<Tokens>]) -> String {
    let words: Vec<String> = counts
        .iter()
        .map(|count| count.map_or("no counts".to_owned(), |(a, b)| format!("{a}/{b}")))
        .collect();
    if words.is_empty() {
        "no row".to_owned()
    } else {
        words.join(", ")
    }
}

/// How long a row may take from now on.
pub(super) fn visible_max(s: &Scene) -> Duration {
    let later = s.notes.get(LATER).and_then(Value::as_u64).unwrap_or(0);
    s.run.target.limits().usage_visible + Duration::from_millis(later)
}

/// Waits until exactly these rows are there and stay alone. A finding is about rows only where the scenario's criteria promise them.
pub(super) async fn expect_exactly(
    s: &mut Scene,
    tenant_id: &str,
    expected: &[Tokens],
) -> Result<Vec<Row>, Stop> {
    let done = exactly(s, tenant_id, expected).await;
    let Err(stop @ Stop::Violation(_)) = done else {
        return done;
    };
    let d1 = s.d1().await?;
    let seen = counts(&of_tenant(&d1, tenant_id).await?);
    Err(blamed(s, stop, &seen, expected).await)
}

async fn exactly(s: &mut Scene, tenant_id: &str, expected: &[Tokens]) -> Result<Vec<Row>, Stop> {
    let lack = counts_may_lack(s);
    let d1 = s.d1().await?;
    let mut wanted: Vec<Option<Tokens>> = expected.iter().copied().map(Some).collect();
    wanted.sort_unstable();
    let demand = format!("usage rows of tenant {tenant_id}: {}", words(&wanted));
    let deadline = visible_max(s);
    s.expect_soon(&demand, deadline, || {
        let d1 = Arc::clone(&d1);
        let wanted = &wanted;
        async move {
            let seen = counts(&of_tenant(&d1, tenant_id).await?);
            Ok(if fit(&seen, wanted, lack) {
                Look::Done(())
            } else {
                Look::NotYet(words(&seen))
            })
        }
    })
    .await?;
    wait::quiet(QUIET).await;
    let rows = of_tenant(&d1, tenant_id).await?;
    let seen = counts(&rows);
    let fits = fit(&seen, &wanted, lack);
    s.expect(fits, format!("{demand}, and no other"), || words(&seen))?;
    Ok(rows)
}

async fn rows_have_tokens(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let expected = a
        .text(2)
        .split(", ")
        .map(parse_tokens)
        .collect::<Result<Vec<_>, _>>()?;
    expect_exactly(s, &tenant.id, &expected).await.map(drop)
}

async fn rows_are_alike(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let expected = vec![parse_tokens(a.text(2))?; a.number(3)?];
    expect_exactly(s, &tenant.id, &expected).await.map(drop)
}

async fn has_none(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let d1 = s.d1().await?;
    // Without the tenant's record in this database an absent row would show nothing.
    let known = d1
        .query("SELECT id FROM tenants WHERE id = ?1", &[json!(tenant.id)])
        .await?;
    if known.len() != 1 {
        return Err(Stop::Fault(format!(
            "the D1 that is looked at does not know tenant {}",
            tenant.id
        )));
    }
    wait::quiet(QUIET).await;
    let seen = counts(&of_tenant(&d1, &tenant.id).await?);
    s.expect(
        seen.is_empty(),
        format!("no usage row of tenant {}", tenant.id),
        || words(&seen),
    )
}

/// The one row of a tenant, known by its tenant alone: which model it names.
async fn row_names_model(s: &mut Scene, tenant_id: &str, model: &str) -> Check {
    let d1 = s.d1().await?;
    let rows = of_tenant(&d1, tenant_id).await?;
    let [row] = rows.as_slice() else {
        let stop = breach("one usage row", words(&counts(&rows)));
        return Err(stop.or_unmet("USG-001"));
    };
    let seen = row.get("model").and_then(Value::as_str);
    s.expect(seen == Some(model), format!("the model {model}"), || {
        said(&seen)
    })
}

/// The model that answered the last prompt, where it can be seen: else the one that the scenario is about.
async fn answering_model(s: &mut Scene, meant: &'static str) -> String {
    let seen = last_answering(s).await;
    seen.unwrap_or_else(|| meant.to_owned())
}

async fn row_fits_answer(s: &mut Scene, a: Args) -> Check {
    if !s.planned.criteria.iter().any(|id| id == "USG-001") {
        let (tenant, model) = (s.tenant(a.text(3))?, model_word(a.text(2))?);
        let answered = answering_model(s, model).await;
        row_names_model(s, &tenant.id, &answered).await?;
        // The row tells the truth, but not of what the scenario is about.
        return s
            .expect_eq("the model that answered:", &model, &answered.as_str())
            .or_unmet("AIG-010");
    }
    let (tokens, model) = (parse_tokens(a.text(1))?, model_word(a.text(2))?);
    let (tenant, answer) = (s.tenant(a.text(3))?, s.last()?);
    let d1 = s.d1().await?;
    let rows = of_tenant(&d1, &tenant.id).await?;
    let row = rows
        .iter()
        .find(|row| usage::tokens(row) == Some(tokens))
        .ok_or_else(|| {
            breach(
                format!("a usage row with tokens {}", a.text(1)),
                words(&counts(&rows)),
            )
        })?;
    let model = answering_model(s, model).await;
    let expected = Expected {
        tenant_id: &tenant.id,
        model: &model,
        tokens,
        sent_at_ms: answer.sent_at_ms,
        measured_ms: whole_ms(answer.done_after),
    };
    let (row, as_text) = told_in_ms(s, row);
    let row = &row;
    beyond_measured(&answer, row.get("latency_ms").and_then(Value::as_i64))?;
    let judged = usage::judge(row, &expected);
    s.expect(
        judged.is_ok(),
        "a usage row that says who called, which model answered, the tokens, the latency and the time",
        || format!("{}: {row}", judged.err().unwrap_or_default(), row = said(&row)),
    )?;
    let stored = |column: &str| {
        row.get(&format!("type_of_{column}"))
            .and_then(Value::as_str)
    };
    let integers = ["tokens_in", "tokens_out", "latency_ms", "created_at"];
    let integers = integers
        .iter()
        .filter(|name| !(as_text && **name == "created_at"));
    s.expect(
        stored("id") == Some("text")
            && integers.clone().all(|name| stored(name) == Some("integer")),
        "the id stored as text, counts and times as integers",
        || said(&row),
    )?;
    // Declared, and still not what the contract has: found where the row's form is the subject.
    if as_text && s.planned.criteria.iter().any(|id| id == "USG-001") {
        return Err(misshapen(
            "created_at in whole epoch milliseconds",
            "created_at as text",
        ));
    }
    Ok(())
}

/// The row with its time in epoch milliseconds, and whether the target, as it declares, stores a text.
pub(super) fn told_in_ms(s: &Scene, row: &Row) -> (Row, bool) {
    let mut row = row.clone();
    if s.run.target.limits().timestamps == Timestamps::EpochMs {
        return (row, false);
    }
    let text = row.get("created_at").and_then(Value::as_str);
    let ms = text.and_then(clock::epoch_ms_of);
    if let Some(ms) = ms {
        row.insert("created_at".to_owned(), json!(ms));
    }
    (row, ms.is_some())
}

/// A backend may look at its clock a moment after the caller has the last byte: on a busy machine that moment is long.
const LOOKS_AT_CLOCK: Duration = Duration::from_millis(500);

/// Ends the scenario if a latency is beyond what the caller measured, and the machine may be the reason.
pub(super) fn beyond_measured(answer: &Exchange, latency: Option<i64>) -> Check {
    let measured = whole_ms(answer.done_after);
    let over = latency.map_or(0, |latency| latency.saturating_sub(measured));
    let Some(over) = u64::try_from(over).ok().filter(|over| *over > 0) else {
        return Ok(());
    };
    let until = answer.sent_at + answer.done_after + LOOKS_AT_CLOCK;
    lag::blame(answer.sent_at, until, Duration::from_millis(over), || {
        format!("a latency {over} ms longer than the {measured} ms that the caller measured")
    })?;
    Ok(())
}

/// Whole milliseconds, rounded up: what a caller measured at most.
pub(super) fn whole_ms(duration: Duration) -> i64 {
    let up = clock::ms(duration).ceil();
    // Far below 2^53: no fraction and no sign is lost.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a duration of one exchange in milliseconds fits"
    )]
    let whole = up as i64;
    whole
}

async fn ids_differ(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let d1 = s.d1().await?;
    let rows = of_tenant(&d1, &tenant.id).await?;
    let mut ids: Vec<String> = rows
        .iter()
        .filter_map(|row| row.get("id")?.as_str().map(str::to_ascii_lowercase))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    s.expect(
        ids.len() == rows.len() && !rows.is_empty(),
        format!("{} rows with an id of their own each", rows.len()),
        || said(&ids),
    )
}
