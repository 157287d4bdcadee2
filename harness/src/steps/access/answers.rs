//! What every admin answer carries, whatever it says. Never judges what it says beyond its status.

use super::{Credential, token, with_request};
use crate::client::Request;
use crate::clock;
use crate::evidence::Exchange;
use crate::oracle::cache_control;
use crate::run::book::{Args, Book};
use crate::run::capture::point_at;
use crate::run::scene::Scene;
use crate::said::said;
use crate::steps::operating::{authorised, expect_first};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use serde_json::json;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r"every admin answer forbids storing", |s, a| {
        Box::pin(forbid_storing(s, a))
    });
    book.step(
        r#"every admin answer about tenant "([^"]+)" forbids storing when it is asked for again, on conditions or for its head"#,
        |s, a| Box::pin(forbid_storing_again(s, a)),
    );
    book.step(
        r#"no cache may keep an admin answer about tenant "([^"]+)""#,
        |s, a| Box::pin(none_kept(s, a)),
    );
}

/// Whatever such a request is answered with: how it has to be answered is promised elsewhere. What a target does not have is not asked for.
async fn none_kept(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let mut left = None;
    let mut judged = false;
    for row in a.rows() {
        let name = row.first().map_or("", String::as_str);
        let (request, _statuses) = provoking(s, &tenant, name)?;
        let request = if name == "denied" {
            request
        } else {
            authorised(s, request).await?
        };
        match s.send(request).await {
            Ok(answer) => {
                judged = true;
                expect_not_stored(s, &answer, name)?;
            }
            Err(Stop::NotVerified(why)) => left = Some(Stop::NotVerified(why)),
            Err(stop) => return Err(stop),
        }
    }
    match left {
        Some(stop) if !judged => Err(stop),
        Some(_) | None => Ok(()),
    }
}

fn expect_not_stored(s: &mut Scene, answer: &Exchange, name: &str) -> Check {
    s.expect(
        cache_control::forbids_storing(answer),
        "Cache-Control: no-store",
        || {
            point_at(answer);
            format!(
                "Cache-Control {} on status {}",
                said(&answer.header_all("cache-control")),
                answer.status
            )
        },
    )
    .map_err(|stop| with_request(stop, &format!("the answer \"{name}\"")))
}

async fn forbid_storing(s: &mut Scene, a: Args) -> Check {
    let tenant = s.new_tenant("stored", "free").await?;
    let good = Credential::Header(token(s, "good").await?);
    for row in a.rows() {
        let name = row.first().map_or("", String::as_str);
        let (request, statuses) = provoking(s, &tenant, name)?;
        let request = if name == "denied" {
            request
        } else {
            good.on(request)
        };
        let answer = s.send(request).await?;
        // Only an answer of the kind that is meant shows how such answers are kept.
        let denied = name == "denied" && (300..500).contains(&answer.status);
        let is_meant = denied || statuses.contains(&answer.status);
        let expected = format!(
            "the answer \"{name}\" with a status of {statuses}",
            statuses = said(&statuses)
        );
        expect_first(s, &answer, is_meant, expected)?;
        expect_not_stored(s, &answer, name)?;
    }
    Ok(())
}

/// Asked again on the condition that something has changed, an answer may be 304: that one is an admin answer too, as is a head.
async fn forbid_storing_again(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    for row in a.rows() {
        let name = row.first().map_or("", String::as_str);
        let (request, statuses) = provoking(s, &tenant, name)?;
        let request = authorised(s, request).await?;
        let first = s.send(request.clone()).await?;
        let expected = format!("the answer \"{name}\" with a status of {}", said(&statuses));
        expect_first(s, &first, statuses.contains(&first.status), expected)?;
        for again in asked_again(&request, &first) {
            let answer = s.send(again).await?;
            expect_not_stored(s, &answer, &format!("{name} again"))?;
        }
    }
    Ok(())
}

/// The same request, each time with one of the conditions that the answer allows, and for the head alone.
fn asked_again(request: &Request, first: &Exchange) -> Vec<Request> {
    let conditions = [
        ("if-none-match", first.header("etag")),
        ("if-none-match", Some("*")),
        ("if-modified-since", first.header("last-modified")),
        ("if-modified-since", first.header("date")),
    ];
    let conditions = conditions.into_iter();
    let conditional = conditions
        .filter_map(|(name, value)| Some(request.clone().header(name, value?.to_owned())));
    let head = Request {
        method: "HEAD".to_owned(),
        ..request.clone()
    };
    conditional.chain([head]).collect()
}

/// The request that is answered so, and the statuses that this answer has.
fn provoking(s: &Scene, tenant: &Tenant, name: &str) -> Result<(Request, &'static [u16]), Stop> {
    let dialect = s.dialect();
    let at = |template: &str| template.replace("{id}", &tenant.id);
    let get = |template: &str| Request::new("GET", at(template));
    Ok(match name {
        "created" => (
            Request::new("POST", dialect.tenants).json(&tenant.creation()),
            &[201],
        ),
        "found" => (get(&dialect.tenant), &[200]),
        "listed" => (get(&dialect.tenants), &[200]),
        "routing" => (get(&dialect.routing), &[200]),
        "usage" => (get(&dialect.usage), &[200]),
        "usage of the past" => {
            let until = clock::epoch_ms() - 60_000;
            (get(&format!("{}?from=0&to={until}", dialect.usage)), &[200])
        }
        "gateway" => (get(&dialect.gateway), &[200]),
        "started" => (
            Request::new("POST", at(&dialect.gateway_start)),
            &[200, 201, 202],
        ),
        "changed" => (
            Request::new("PATCH", at(&dialect.tenant)).json(&json!({ "tier": "premium" })),
            &[200],
        ),
        "conflict" => (
            Request::new("POST", dialect.tenants).json(&tenant.creation()),
            &[409],
        ),
        "invalid" => (
            Request::new("POST", dialect.tenants).bytes("no json"),
            &[400],
        ),
        "no method" => {
            let path = at(&dialect.tenant);
            let free = ["PUT", "POST", "PATCH", "DELETE"];
            let free = free.into_iter().find(|method| {
                !dialect.offers(method, &path) && dialect.operation(method, &path).is_none()
            });
            (Request::new(free.unwrap_or("PUT"), path), &[405])
        }
        "no route" => (
            Request::new("GET", format!("{}/nothing/here", at(&dialect.routing))),
            &[404],
        ),
        "denied" => (get(&dialect.tenant), &[403]),
        "deleted" => (Request::new("DELETE", at(&dialect.tenant)), &[200, 204]),
        "not found" => (get(&dialect.tenant), &[404]),
        _ => return Err(Stop::Fault(format!("no admin answer \"{name}\""))),
    })
}
