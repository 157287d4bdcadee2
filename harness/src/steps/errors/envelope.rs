//! Shape and ids of errors that a scenario has provoked. Never judges other scenarios' exchanges.

use super::whole_run::in_another_form;
use crate::client::Request;
use crate::contract::need::Variant;
use crate::evidence::Exchange;
use crate::oracle::error_shape::{code_flaw, flaws, id_flaw, is_error};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::said::said;
use crate::steps::operating::{expect_first, expect_status_first, worst};
use crate::steps::resolution::ask::request_for;
use crate::steps::words::filled;
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"errors of the public routes are provoked at tenant "([^"]+)"(?: by a caller that accepts "([^"]+)")?"#,
        |s, a| Box::pin(public_errors(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" is sent bodies of other media types, unknown routes and wrong methods"#,
        |s, a| Box::pin(odd_requests(s, a)),
    );
    book.step(
        r#"an operator sends bodies of other media types to create and to change tenant "([^"]+)""#,
        |s, a| Box::pin(odd_operator_requests(s, a)),
    );
    book.step(
        r"every error among the answers has a listed code with its status",
        |s, _a| Box::pin(codes_are_listed(s)),
    );
    book.step(
        r#"every admin route is asked without a token, and wrongly with one, for tenant "([^"]+)""#,
        |s, a| Box::pin(admin_errors(s, a)),
    );
    book.step(r"every route is asked", |s, a| Box::pin(every_route(s, a)));
    book.step(
        r"all of them are errors in the contract's shape",
        |s, _a| Box::pin(all_shaped(s)),
    );
    book.asserting(
        &["ERR-001"],
        r"the answer is an error in the contract's shape",
        |s, _a| Box::pin(last_shaped(s)),
    );
    book.step(
        r#"tenant "([^"]+)" asks (\d+) times for its status, and nobody (\d+) times, all at once"#,
        |s, a| Box::pin(ask_at_once(s, a)),
    );
    book.step(
        r"nobody asks (\d+) times in production, and (\d+) times as small-limits",
        |s, a| Box::pin(ask_two_instances(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" and nobody ask twice with "([A-Za-z-]+): ([^"]+)""#,
        |s, a| Box::pin(ask_with_own_id(s, a)),
    );
    book.step(
        r"the answers have as many request ids as there are answers",
        |s, _a| Box::pin(ids_differ(s)),
    );
    book.step(r#"no answer has the request id "([^"]+)""#, |s, a| {
        Box::pin(id_not_taken(s, a))
    });
    book.step(r"each error's body has the id of its header", |s, _a| {
        Box::pin(ids_agree(s))
    });
    book.step(
        r"whatever error the stream tells has the id of its header",
        |s, _a| Box::pin(id_within_stream(s)),
    );
}

/// From here on the scenario's answers are the errors to be judged.
pub(super) fn begin(s: &mut Scene) {
    let from = s.exchanges.len();
    s.notes.insert("errors from".to_owned(), json!(from));
}

/// The answers since [`begin`].
pub(super) fn since_begin(s: &Scene) -> Vec<Arc<Exchange>> {
    let from = s
        .notes
        .get("errors from")
        .and_then(Value::as_u64)
        .and_then(|at| usize::try_from(at).ok())
        .unwrap_or(0);
    s.exchanges[from..].to_vec()
}

async fn public_errors(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let nobody = s.instance().await?.tenant_host(&s.slug("nobody"));
    let accepted = a.text(2).to_owned();
    let from_caller = |request: Request| match accepted.as_str() {
        "" => request,
        types => request.header("accept", types),
    };
    begin(s);
    let wrong = [
        "GET /mp-no-such-route",
        "POST /mp-no-such-route",
        "POST status",
        "DELETE status",
        "GET chat",
        "PUT chat",
        "POST health",
        "POST chat",
    ];
    for what in wrong {
        let request = request_for(s, what, "").host(tenant.host.clone());
        s.send(from_caller(request)).await?;
    }
    for what in ["status", "chat", "GET /mp-no-such-route"] {
        let request = request_for(s, what, "").host(nobody.clone());
        s.send(from_caller(request)).await?;
    }
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        "7",
        "{}",
        "{\"messages\":[]}",
        "{\"messages\":\"x\"}",
        "{\"messages\":[7]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":7}]}",
        "{\"messages\":[{\"content\":\"x\"}]}",
        "\u{feff}",
        "<xml/>",
    ];
    for body in bodies {
        let request = request_for(s, "POST chat", "")
            .host(tenant.host.clone())
            .header("content-type", "application/json")
            .bytes(body);
        s.send(from_caller(request)).await?;
    }
    let unknown_workload = s.chat_request(&tenant.host).header("x-workload", "poetry");
    s.send(from_caller(unknown_workload)).await?;
    let too_large = "x".repeat(s.run.target.limits().body_max + 1);
    let too_large = s.chat_request_with(
        &tenant.host,
        &json!({ "messages": [{ "role": "user", "content": too_large }] }),
    );
    s.send(from_caller(too_large)).await.map(drop)
}

/// Media types that a body of JSON may be given wrongly; whether it is refused for that is left open.
const OTHER_TYPES: [&str; 7] = [
    "text/plain",
    "text/html; charset=utf-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/octet-stream",
    "application/jsonp",
    "application",
];

async fn odd_requests(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    begin(s);
    for media_type in OTHER_TYPES {
        let mut request = s.chat_request(&tenant.host);
        request.headers.retain(|(name, _)| name != "content-type");
        s.send(request.header("content-type", media_type)).await?;
    }
    for coding in ["gzip", "zstd", "mp-unknown"] {
        let request = s.chat_request(&tenant.host);
        s.send(request.header("content-encoding", coding)).await?;
    }
    for what in [
        "HEAD chat",
        "OPTIONS chat",
        "PATCH status",
        "DELETE health",
        "GET /mp-no-such-route",
        "GET /",
    ] {
        let request = request_for(s, what, "").host(tenant.host.clone());
        for (name, value) in [
            ("accept", "image/png"),
            ("range", "bytes=0-1"),
            ("if-match", "\"x\""),
        ] {
            s.send(request.clone().header(name, value)).await?;
        }
    }
    Ok(())
}

async fn odd_operator_requests(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    begin(s);
    let dialect = s.dialect();
    let path = dialect.tenant.replace("{id}", &tenant.id);
    for media_type in OTHER_TYPES {
        for (method, path) in [("POST", &dialect.tenants), ("PATCH", &path)] {
            let request = s.operator_request(method, path).await?;
            let body = json!({ "platform": "web" }).to_string().into_bytes();
            let request = request.header("content-type", media_type).bytes(body);
            s.send(request).await?;
        }
    }
    let request = s
        .operator_request("GET", "/api/admin/mp-no-such-route")
        .await?;
    s.send(request).await.map(drop)
}

/// The errors since [`begin`], each with a code of the contract's list and that code's status.
async fn codes_are_listed(s: &mut Scene) -> Check {
    for answer in errors_since_begin(s, "the refusal of an unknown route")? {
        // What HEAD is answered has no body to say a code in.
        if answer.request.method == "HEAD" {
            continue;
        }
        let flaw = code_flaw(&answer);
        let check = s.expect(
            flaw.is_none(),
            format!("a listed code with its status for {}", answer.line()),
            || flaw.clone().unwrap_or_default(),
        );
        in_another_form(check)?;
    }
    Ok(())
}

async fn admin_errors(s: &mut Scene, a: Args) -> Check {
    let (tenant, fresh) = (s.tenant(a.text(1))?, s.slug("fresh"));
    let dialect = s.dialect();
    // The positive control: the operator is let in.
    let path = dialect.tenant.replace("{id}", &tenant.id);
    let request = s.operator_request("GET", &path).await?;
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)?;
    begin(s);
    for route in dialect.admin_routes(&tenant.id, &fresh) {
        s.send(route.request()).await?;
    }
    let unknown = "00000000-0000-4000-8000-000000000000";
    for route in dialect.admin_routes(unknown, &fresh) {
        if !route.path.contains(unknown) {
            continue;
        }
        let mut request = s.operator_request(&route.method, &route.path).await?;
        if let Some(body) = &route.body {
            request = request.json(body);
        }
        s.send(request).await?;
    }
    for (method, path) in [
        ("PUT", dialect.tenants.clone()),
        ("POST", path.clone()),
        (
            "GET",
            format!(
                "{}/mp-no-such-route",
                dialect.tenants.trim_end_matches("/tenants")
            ),
        ),
        ("GET", "/_admin/mp-no-such-route".to_owned()),
        ("GET", dialect.tenant.replace("{id}", "no-uuid")),
    ] {
        let request = s.operator_request(method, &path).await?;
        s.send(request).await?;
    }
    let bodies = [
        json!(null),
        json!([]),
        json!("text"),
        json!({}),
        json!({ "slug": 7 }),
        json!({ "slug": "UPPER CASE" }),
        json!({ "slug": fresh, "tier": "gold" }),
        json!({ "slug": fresh, "id": "no-uuid" }),
        json!({ "slug": fresh, "domains": "text" }),
        json!({ "slug": fresh, "unknown": true }),
        json!({ "slug": tenant.slug }),
    ];
    for body in bodies {
        let request = s
            .operator_request("POST", &dialect.tenants)
            .await?
            .json(&body);
        s.send(request).await?;
    }
    for body in [json!({ "tier": "gold" }), json!({ "sandbox_id": "sk-0" })] {
        let request = s.operator_request("PATCH", &path).await?.json(&body);
        s.send(request).await?;
    }
    Ok(())
}

async fn every_route(s: &mut Scene, _a: Args) -> Check {
    let (host, fresh) = (s.slug("nobody"), s.slug("fresh"));
    let host = s.instance().await?.tenant_host(&host);
    begin(s);
    for what in [
        "status",
        "chat",
        "health",
        "GET /mp-no-such-route",
        "POST status",
    ] {
        let request = request_for(s, what, "").host(host.clone());
        s.send(request).await?;
    }
    let unknown = "00000000-0000-4000-8000-000000000000";
    for route in s.dialect().admin_routes(unknown, &fresh) {
        s.send(route.request()).await?;
    }
    Ok(())
}

/// Asserts the shape of one error. What is answered as if nothing were wrong shows none: that is for others to judge.
pub(super) fn shaped(s: &mut Scene, answer: &Exchange) -> Check {
    let what = format!("{} {}", answer.request.method, answer.request.path);
    // A redirect in place of an error has no envelope; whoever answers for it is told so.
    if answer.status < 400 && s.accept_refusal(answer) {
        s.checks += 1;
        return Ok(());
    }
    let is_refused = answer.status >= 400;
    expect_first(s, answer, is_refused, format!("an error for {what}"))?;
    let flaws = flaws(answer);
    let check = s.expect(
        flaws.is_empty(),
        format!("an error in the contract's shape for {what}"),
        || format!("{}; {}", flaws.join("; "), describe(answer)),
    );
    in_another_form(check)
}

/// Whether an answer says in status and body that all is well.
fn is_taken(answer: &Exchange) -> bool {
    let says_otherwise = answer.at("/error").is_some_and(|error| !error.is_null())
        || answer.at("/success") == Some(json!(false));
    answer.status < 300 && !says_otherwise
}

/// The answers since [`begin`] without those to what the backend has taken, where most were refused: a member that it does not know, for
/// one, it need not refuse.
pub(super) fn refusals_since_begin(s: &Scene) -> Vec<Arc<Exchange>> {
    let answers = since_begin(s);
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| !is_taken(answer))
        .cloned()
        .collect();
    if 2 * refused.len() > answers.len() {
        refused
    } else {
        answers
    }
}

/// The errors since [`begin`]; where there is none, what is promised elsewhere did not come.
fn errors_since_begin(s: &mut Scene, promised: &str) -> Result<Vec<Arc<Exchange>>, Stop> {
    let errors: Vec<_> = since_begin(s)
        .into_iter()
        .filter(|answer| is_error(answer))
        .collect();
    s.expect(!errors.is_empty(), "errors among the answers", || {
        "none".to_owned()
    })
    .or_unmet(promised)?;
    Ok(errors)
}

async fn all_shaped(s: &mut Scene) -> Check {
    let answers = refusals_since_begin(s);
    worst(answers.iter().map(|answer| shaped(s, answer)))
}

async fn last_shaped(s: &mut Scene) -> Check {
    let answer = s.last()?;
    shaped(s, &answer)
}

async fn ask_at_once(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let nobody = s.instance().await?.tenant_host(&s.slug("nobody"));
    begin(s);
    let mut requests = vec![s.status_request(&host); a.number(2)?];
    requests.extend(vec![s.status_request(&nobody); a.number(3)?]);
    let (answers, good) = (s.send_all(requests).await?, a.number(2)?);
    for answer in answers.iter().take(good) {
        expect_status_first(s, answer, 200)?;
    }
    Ok(())
}

async fn ask_two_instances(s: &mut Scene, a: Args) -> Check {
    begin(s);
    for (variant, group) in [(Variant::Production, 1), (Variant::SmallLimits, 2)] {
        s.use_variant(variant).await?;
        let nobody = s.instance().await?.tenant_host(&s.slug("nobody"));
        let requests = vec![s.status_request(&nobody); a.number(group)?];
        for answer in s.send_all(requests).await? {
            expect_status_first(s, &answer, 404)?;
        }
    }
    Ok(())
}

async fn ask_with_own_id(s: &mut Scene, a: Args) -> Check {
    let (name, value) = (a.text(2), filled(s, a.text(3)).await?);
    let host = s.tenant(a.text(1))?.host;
    let nobody = s.instance().await?.tenant_host(&s.slug("nobody"));
    begin(s);
    for host in [&host, &nobody, &host, &nobody] {
        let request = s.status_request(host).header(name, value.clone());
        s.send(request).await?;
    }
    for (answer, status) in since_begin(s).iter().zip([200, 404, 200, 404]) {
        expect_status_first(s, answer, status)?;
    }
    Ok(())
}

fn ids(answers: &[Arc<Exchange>]) -> Result<Vec<String>, Stop> {
    answers
        .iter()
        .map(|answer| {
            answer
                .header("x-request-id")
                .map(str::to_owned)
                .ok_or_else(|| {
                    crate::run::scene::breach("an X-Request-Id on every answer", answer.line())
                })
        })
        .collect()
}

async fn ids_differ(s: &mut Scene) -> Check {
    let ids = ids(&since_begin(s))?;
    let different: BTreeSet<&String> = ids.iter().collect();
    s.expect(
        different.len() == ids.len() && !ids.is_empty(),
        format!("{} different request ids", ids.len()),
        || format!("{}: {ids}", different.len(), ids = said(&ids)),
    )
}

/// Nobody promises that a stream which breaks off tells an error, so one that tells none is right as well. Where one is told, it is an error like any other.
async fn id_within_stream(s: &mut Scene) -> Check {
    let answer = s.last()?;
    let text = answer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let frames = data.filter_map(|data| serde_json::from_str::<Value>(data.trim()).ok());
    let told: Vec<String> = frames
        .filter_map(|frame| Some(frame.pointer("/meta/request_id")?.as_str()?.to_owned()))
        .collect();
    let id = answer.header("x-request-id").unwrap_or_default().to_owned();
    s.expect(
        told.iter().all(|told| *told == id),
        format!("the request id of the header, `{id}`, in each error of the stream"),
        || told.join(", "),
    )
}

async fn id_not_taken(s: &mut Scene, a: Args) -> Check {
    let value = filled(s, a.text(1)).await?;
    for id in ids(&since_begin(s))? {
        s.expect(
            !id.contains(&value),
            format!(
                "a request id of the backend's own, not `{}`",
                crate::evidence::cut(&value, 60)
            ),
            || format!("`{}`", crate::evidence::cut(&id, 120)),
        )?;
    }
    Ok(())
}

async fn ids_agree(s: &mut Scene) -> Check {
    for answer in errors_since_begin(s, "the refusal of an unknown host")? {
        let flaw = id_flaw(&answer);
        s.expect(
            flaw.is_none(),
            "the id of X-Request-Id in meta.request_id",
            || flaw.clone().unwrap_or_default(),
        )?;
    }
    Ok(())
}
