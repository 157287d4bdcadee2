//! Foreign identifiers against unknown ones: answers are compared, not judged by themselves. Never compares what differs from request to request.

use super::{chat_of, fill};
use crate::client::Request;
use crate::evidence::Exchange;
use crate::run::scene::{Scene, describe};
use crate::said::said;
use crate::steps::book::{Args, Book};
use crate::steps::operating::{at, authorised, delete, presuppose, settle};
use crate::target::seeding::Tenant;
use crate::verdict::{Check, Stop};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where a scenario keeps its pairs of exchanges: `[[foreign, unknown], …]`.
const PAIRS: &str = "pairs";

/// Under which name a scenario knows the tenant that was never made.
const NOBODY: &str = "nobody";

/// Headers that differ between two equal answers.
const VOLATILE: [&str; 6] = [
    "date",
    "x-request-id",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "cf-ray",
    "server-timing",
];

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"a free tenant "([^"]+)" that answers on its own host"#,
        |s, a| Box::pin(answers(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" names tenant "([^"]+)", and then nobody, in each of these ways"#,
        |s, a| Box::pin(name_both(s, a)),
    );
    book.step(
        r#"every admin route is called without token from the host of tenant "([^"]+)", for tenant "([^"]+)" and then for nobody"#,
        |s, a| Box::pin(call_admin(s, a)),
    );
    book.step(r#"a free tenant "([^"]+)" is removed for good"#, |s, a| {
        Box::pin(remove(s, a))
    });
    book.step(
        r#"the host of tenant "([^"]+)", and then one of nobody, is asked for status and chat"#,
        |s, a| Box::pin(ask_hosts(s, a)),
    );
    book.step(
        r#"the operator reads tenant "([^"]+)", and then nobody"#,
        |s, a| Box::pin(operator_reads(s, a)),
    );
    book.step(r"each pair of answers is alike", |s, _a| {
        Box::pin(all_alike(s))
    });
    book.step(
        r#"each of these answers is refused with (\d+) "([A-Z_]+)""#,
        |s, a| Box::pin(each_refused(s, a)),
    );
}

async fn answers(s: &mut Scene, a: Args) -> Check {
    let tenant = s.new_tenant(a.text(1), "free").await?;
    let tenant = s.make_tenant(a.text(1), tenant).await?;
    let request = s.status_request(&tenant.host);
    let answer = s.send(request).await?;
    let seen = s.who_answered(&answer).await?;
    s.expect(
        answer.status == 200 && seen.as_deref() == Some(tenant.slug.as_str()),
        format!("tenant `{}` on its own host", tenant.slug),
        || describe(&answer),
    )
}

/// A tenant that was never made. Its names are as long as those of the tenants that the features call by one letter.
async fn nobody(s: &mut Scene) -> Result<Tenant, Stop> {
    if let Ok(known) = s.tenant(NOBODY) {
        return Ok(known);
    }
    let nobody = s.new_tenant("z", "free").await?;
    s.know_tenant(NOBODY, nobody.clone());
    Ok(nobody)
}

/// Sends each pair of requests and remembers the pairs, after those there are.
async fn send_pairs(s: &mut Scene, pairs: Vec<[Request; 2]>) -> Check {
    let mut places = match s.notes.get(PAIRS) {
        Some(Value::Array(list)) => list.clone(),
        _ => Vec::new(),
    };
    for [foreign, unknown] in pairs {
        let first = s.exchanges.len();
        s.send(foreign).await?;
        s.send(unknown).await?;
        places.push(json!([first, first + 1]));
    }
    s.notes.insert(PAIRS.to_owned(), json!(places));
    Ok(())
}

async fn name_both(s: &mut Scene, a: Args) -> Check {
    let (caller, foreign) = (s.tenant(a.text(1))?, s.tenant(a.text(2))?);
    let unknown = nobody(s).await?;
    let mut pairs = Vec::new();
    for row in &a.table {
        let [method, path, header] = row.as_slice() else {
            return Err(Stop::Fault(
                "a row needs method, path and header".to_owned(),
            ));
        };
        let request = |named: &Tenant| -> Request {
            let request = Request::new(method, fill(path, named)).host(&caller.host);
            let request = match fill(header, named).split_once(": ") {
                Some((name, value)) => request.header(name, value),
                None => request,
            };
            if method == "POST" {
                request.json(&chat_of(s, a.text(1), &json!({})))
            } else {
                request
            }
        };
        pairs.push([request(&foreign), request(&unknown)]);
    }
    send_pairs(s, pairs).await
}

async fn call_admin(s: &mut Scene, a: Args) -> Check {
    let (caller, foreign) = (s.tenant(a.text(1))?, s.tenant(a.text(2))?);
    let unknown = nobody(s).await?;
    let fresh = s.slug("made");
    let routes = |named: &Tenant| s.dialect().admin_routes(&named.id, &fresh);
    let pairs = routes(&foreign)
        .iter()
        .zip(&routes(&unknown))
        .map(|(foreign, unknown)| {
            [foreign, unknown].map(|route| route.request().host(&caller.host))
        })
        .collect();
    send_pairs(s, pairs).await
}

async fn remove(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    let answer = delete(s, &id).await?;
    presuppose(&answer, answer.status < 300, "cannot delete the tenant")?;
    settle(s).await?;
    Ok(())
}

async fn ask_hosts(s: &mut Scene, a: Args) -> Check {
    let gone = s.tenant(a.text(1))?;
    let never = nobody(s).await?;
    let body = chat_of(s, a.text(1), &json!({}));
    let pairs = vec![
        [&gone, &never].map(|tenant| s.status_request(&tenant.host)),
        [&gone, &never].map(|tenant| s.chat_request_with(&tenant.host, &body)),
    ];
    send_pairs(s, pairs).await
}

async fn operator_reads(s: &mut Scene, a: Args) -> Check {
    let gone = s.tenant(a.text(1))?;
    let never = nobody(s).await?;
    let dialect = s.dialect();
    let mut pairs = Vec::new();
    for template in [
        &dialect.tenant,
        &dialect.routing,
        &dialect.usage,
        &dialect.gateway,
    ] {
        let foreign = Request::new("GET", at(template, &gone.id));
        let unknown = Request::new("GET", at(template, &never.id));
        pairs.push([authorised(s, foreign).await?, authorised(s, unknown).await?]);
    }
    send_pairs(s, pairs).await
}

fn pairs(s: &Scene) -> Result<Vec<[Arc<Exchange>; 2]>, Stop> {
    let list = s.notes.get(PAIRS).and_then(Value::as_array);
    let exchange = |place: &Value| {
        let place = place.as_u64().and_then(|at| usize::try_from(at).ok())?;
        s.exchanges.get(place).cloned()
    };
    let found: Option<Vec<_>> = list
        .into_iter()
        .flatten()
        .map(|pair| Some([exchange(&pair[0])?, exchange(&pair[1])?]))
        .collect();
    found
        .filter(|pairs| !pairs.is_empty())
        .ok_or_else(|| Stop::Fault("no pairs of requests were sent".to_owned()))
}

/// What must be equal of two answers: status, headers and body, each named identifier replaced by a word.
fn face(answer: &Exchange, named: &Tenant) -> String {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !VOLATILE.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.sort();
    let body = match answer.json() {
        Some(Value::Object(mut fields)) => {
            // `meta` names the request; a chat completion has an id and a time of its own.
            for own in ["meta", "id", "created"] {
                fields.remove(own);
            }
            Value::Object(fields).to_string()
        }
        _ => answer.text(),
    };
    let mut face = format!(
        "{} {headers} {body}",
        answer.status,
        headers = said(&headers)
    );
    for (name, word) in [
        (&named.host, "{host}"),
        (&named.slug, "{slug}"),
        (&named.id, "{id}"),
        (&named.sandbox_id, "{sandbox}"),
    ] {
        face = face.replace(name.as_str(), word);
    }
    face
}

async fn all_alike(s: &mut Scene) -> Check {
    let (foreign, nobody) = (s.tenant("b")?, s.tenant(NOBODY)?);
    for [one, other] in pairs(s)? {
        let (seen, wanted) = (face(&one, &foreign), face(&other, &nobody));
        s.expect(
            seen == wanted,
            format!("the same answer to {} as for nobody: {wanted}", one.line()),
            || seen.clone(),
        )?;
    }
    Ok(())
}

async fn each_refused(s: &mut Scene, a: Args) -> Check {
    for answer in pairs(s)?.iter().flatten() {
        s.expect_error(answer, a.number(1)?, a.text(2))?;
    }
    Ok(())
}
