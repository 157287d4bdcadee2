//! Unknown tenants are refused alike. Never compares what HTTP itself changes from answer to answer.

use super::ask::request_for;
use super::hosts::is_unknown;
use crate::evidence::{Exchange, cut};
use crate::run::scene::Scene;
use crate::steps::book::{Args, Book};
use crate::steps::words::filled;
use crate::verdict::{Check, Stop};
use serde_json::{Value, json};
use std::sync::Arc;

/// Headers that differ between any two answers: those of the request, of the connection, of the rate limit, and of a proxy in between.
const OWN_TO_EACH: [&str; 12] = [
    "x-request-id",
    "date",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "cf-ray",
    "report-to",
    "nel",
    "server-timing",
];

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r"these are refused alike as unknown tenants:", |s, a| {
        Box::pin(refused_alike(s, a))
    });
    book.step(
        r#"none of these answers holds anything of tenants "([^"]+)" and "([^"]+)""#,
        |s, a| Box::pin(none_holds(s, a)),
    );
    book.step(
        r#"the answer holds nothing of tenants "([^"]+)" and "([^"]+)""#,
        |s, a| Box::pin(holds_nothing(s, a)),
    );
}

/// What two refusals have in common: status, headers, body without `meta`.
fn face(answer: &Exchange) -> Value {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| !OWN_TO_EACH.contains(&name.as_str()))
        .cloned()
        .collect();
    headers.sort();
    let mut body = answer.json().unwrap_or_else(|| json!(answer.text()));
    if let Some(members) = body.as_object_mut() {
        members.remove("meta");
    }
    json!({ "status": answer.status, "headers": headers, "body": body })
}

async fn refused_alike(s: &mut Scene, a: Args) -> Check {
    let first = s.exchanges.len();
    s.notes.insert("alike from".to_owned(), json!(first));
    let mut model: Option<(Value, String)> = None;
    for row in a.rows() {
        let host = filled(s, &row[1]).await?;
        let request = request_for(s, &row[2], "").host(host);
        let answer = s.send(request).await?;
        is_unknown(s, &answer)?;
        let face = face(&answer);
        let Some((expected, why)) = &model else {
            model = Some((face, row[0].clone()));
            continue;
        };
        let expected_text = format!("for \"{}\" the same as for \"{why}\": {expected}", row[0]);
        s.expect(face == *expected, cut(&expected_text, 1500), || {
            face.to_string()
        })?;
    }
    Ok(())
}

/// Everything that tells one tenant from others.
fn traits_of(s: &Scene, names: [&str; 2]) -> Result<Vec<String>, Stop> {
    let mut list = Vec::new();
    for name in names {
        let tenant = s.tenant(name)?;
        list.extend([tenant.slug, tenant.id, tenant.sandbox_id]);
        list.extend(tenant.domains);
    }
    Ok(list)
}

fn without(s: &mut Scene, answer: &Exchange, traits: &[String]) -> Check {
    let shown = answer.shown().to_lowercase();
    for known in traits {
        s.expect(
            !shown.contains(&known.to_lowercase()),
            format!("nothing of an existing tenant, such as `{known}`"),
            || shown.clone(),
        )?;
    }
    Ok(())
}

async fn none_holds(s: &mut Scene, a: Args) -> Check {
    let traits = traits_of(s, [a.text(1), a.text(2)])?;
    let first = s
        .notes
        .get("alike from")
        .and_then(Value::as_u64)
        .and_then(|at| usize::try_from(at).ok())
        .unwrap_or(0);
    let answers: Vec<Arc<Exchange>> = s.exchanges[first..].to_vec();
    for answer in answers {
        without(s, &answer, &traits)?;
    }
    Ok(())
}

async fn holds_nothing(s: &mut Scene, a: Args) -> Check {
    let traits = traits_of(s, [a.text(1), a.text(2)])?;
    let answer = s.last()?;
    without(s, &answer, &traits)
}
