//! Foreign identifiers against unknown ones: answers are compared, not judged by themselves. Never compares what differs from request to request.

use super::{chat_of, fill};
use crate::client::Request;
use crate::evidence::{Exchange, cut};
use crate::run::book::{Args, Book};
use crate::run::capture::point_at;
use crate::run::scene::{Scene, describe};
use crate::steps::operating::{at, authorised, delete, presuppose, settle};
use crate::steps::resolution::alike::{Asked, Varying, face};
use crate::subject::dialect::AdminRoute;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where a scenario keeps its pairs of exchanges: `[[foreign, unknown], …]`.
const PAIRS: &str = "pairs";

/// Under which name a scenario knows the tenant that was never made.
const NOBODY: &str = "nobody";

/// The id of no tenant.
const NOBODYS_ID: &str = "00000000-0000-4000-8000-000000000000";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"a free tenant "([^"]+)" that answers on its own host"#,
        |s, a| Box::pin(answers(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" names tenant "([^"]+)", and then nobody, in each of these ways( at its custom hostname)?"#,
        |s, a| Box::pin(name_both(s, a)),
    );
    book.step(
        r#"every admin route is called without token from the host of tenant "([^"]+)", for tenant "([^"]+)" and then for nobody"#,
        |s, a| Box::pin(call_admin(s, a)),
    );
    book.step(
        r#"every admin route is called without token at each host of tenant "([^"]+)", and then at one of nobody"#,
        |s, a| Box::pin(call_admin_at_hosts(s, a)),
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
    let mut nobody = s.new_tenant("z", "free").await?;
    nobody.domains = vec![format!("shop.{}", s.domain("z"))];
    s.know_tenant(NOBODY, nobody.clone());
    Ok(nobody)
}

/// The words that stand for what a request names.
fn words(named: &Tenant) -> [(&str, &str); 5] {
    [
        named
            .domains
            .first()
            .map_or((&named.host, "{host}"), |own| (own, "{domain}")),
        (&named.host, "{host}"),
        (&named.slug, "{slug}"),
        (&named.id, "{id}"),
        (&named.sandbox_id, "{sandbox}"),
    ]
}

/// Sends each pair of requests, and remembers the pairs after those there are, with all that tells their answers apart.
async fn send_pairs(s: &mut Scene, foreign: &Tenant, pairs: Vec<[Request; 2]>) -> Check {
    let nobody = nobody(s).await?;
    let mut list = match s.notes.get(PAIRS) {
        Some(Value::Array(list)) => list.clone(),
        _ => Vec::new(),
    };
    let (foreign_words, nobody_words) = (words(foreign), words(&nobody));
    let mut varying = Varying::default();
    for (number, [one, other]) in pairs.into_iter().enumerate() {
        let (known, unknown) = (
            Asked {
                request: one,
                words: &foreign_words,
            },
            Asked {
                request: other,
                words: &nobody_words,
            },
        );
        let first = s.exchanges.len();
        let answer = s.send(known.request.clone()).await?;
        let seen = face(&answer, known.words);
        let answer = s.send(unknown.request.clone()).await?;
        let wanted = face(&answer, unknown.words);
        if number == 0 {
            varying.measure(s, &unknown, &wanted).await?;
        }
        let apart = varying
            .told_apart(s, [&unknown, &known], [&wanted, &seen])
            .await?;
        list.push(json!({ "places": [first, first + 1], "apart": apart }));
    }
    s.notes.insert(PAIRS.to_owned(), json!(list));
    Ok(())
}

/// An object that holds a text in this field; one within another is told as `outer.inner`.
fn within(field: &str, value: &str) -> Value {
    let names = field.split('.').rev();
    names.fold(json!(value), |inner, name| json!({ name: inner }))
}

async fn name_both(s: &mut Scene, a: Args) -> Check {
    let (caller, foreign) = (s.tenant(a.text(1))?, s.tenant(a.text(2))?);
    let unknown = nobody(s).await?;
    let host = if a.text(3).is_empty() {
        &caller.host
    } else {
        caller.domains.first().unwrap_or(&caller.host)
    };
    let mut pairs = Vec::new();
    for row in &a.table {
        let [method, path, header] = row.as_slice() else {
            return Err(Stop::Fault(
                "a row needs method, path and header or field of the body".to_owned(),
            ));
        };
        let request = |named: &Tenant| -> Request {
            let request = Request::new(method, fill(path, named)).host(host);
            let mut more = json!({});
            let mut request = request;
            let header = fill(header, named);
            let lines = header.split(" + ").filter_map(|line| line.split_once(": "));
            for (name, value) in lines {
                match name.strip_prefix("body ") {
                    Some(field) => more = within(field, value),
                    None => request = request.header(name, value),
                }
            }
            if method == "POST" {
                request.json(&chat_of(s, a.text(1), &more))
            } else {
                request
            }
        };
        pairs.push([request(&foreign), request(&unknown)]);
    }
    send_pairs(s, &foreign, pairs).await
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
    send_pairs(s, &foreign, pairs).await
}

/// The routes for a tenant that was never made: what is asked for is the same, and only the hosts differ.
async fn call_admin_at_hosts(s: &mut Scene, a: Args) -> Check {
    let (tenant, unknown) = (s.tenant(a.text(1))?, nobody(s).await?);
    let routes = s.dialect().admin_routes(NOBODYS_ID, &s.slug("made"));
    let hosts = |of: &Tenant| [Some(of.host.clone()), of.domains.first().cloned()];
    let mut pairs = Vec::new();
    for (known, other) in hosts(&tenant).into_iter().zip(hosts(&unknown)) {
        let (Some(known), Some(other)) = (known, other) else {
            continue;
        };
        let at = |route: &AdminRoute, host: &str| route.request().host(host);
        pairs.extend(
            routes
                .iter()
                .map(|route| [at(route, &known), at(route, &other)]),
        );
    }
    send_pairs(s, &tenant, pairs).await
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
    send_pairs(s, &gone, pairs).await
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
    send_pairs(s, &gone, pairs).await
}

/// A pair of answers, and what tells them apart.
struct Pair {
    answers: [Arc<Exchange>; 2],
    apart: Vec<String>,
}

fn pairs(s: &Scene) -> Result<Vec<Pair>, Stop> {
    let list = s.notes.get(PAIRS).and_then(Value::as_array);
    let exchange = |place: &Value| {
        let place = place.as_u64().and_then(|at| usize::try_from(at).ok())?;
        s.exchanges.get(place).cloned()
    };
    let found: Option<Vec<_>> = list
        .into_iter()
        .flatten()
        .map(|pair| {
            Some(Pair {
                answers: [exchange(&pair["places"][0])?, exchange(&pair["places"][1])?],
                apart: serde_json::from_value(pair["apart"].clone()).ok()?,
            })
        })
        .collect();
    found
        .filter(|pairs| !pairs.is_empty())
        .ok_or_else(|| Stop::Fault("no pairs of requests were sent".to_owned()))
}

async fn all_alike(s: &mut Scene) -> Check {
    for Pair { answers, apart } in pairs(s)? {
        let [foreign, nobody] = answers;
        // Where anybody acts as an operator, what is there and what is not are told apart as to an operator.
        let tenants = s.dialect().tenants;
        let is_open = !tenants.is_empty()
            && foreign.request.path.starts_with(&tenants)
            && [&foreign, &nobody]
                .iter()
                .any(|answer| (200..300).contains(&answer.status));
        let check = s.expect(
            apart.is_empty(),
            format!(
                "the same answer to {} as for nobody, which is {}",
                foreign.line(),
                describe(&nobody)
            ),
            || {
                point_at(&foreign);
                cut(&apart.join("; "), 1500)
            },
        );
        if is_open {
            check.or_unmet("ACC-001")?;
        } else {
            check?;
        }
    }
    Ok(())
}

/// That both are refused shows that the tenant is gone; in which words is not promised here.
async fn each_refused(s: &mut Scene, a: Args) -> Check {
    let (status, code) = (a.number(1)?, a.text(2));
    for pair in pairs(s)? {
        for answer in &pair.answers {
            s.expect_error(answer, status, code).or_unmet("RES-012")?;
        }
    }
    Ok(())
}
