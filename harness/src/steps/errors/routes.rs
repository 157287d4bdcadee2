//! Unknown routes and wrong methods, before and behind the gates. Never asks for a route that some backend may have.

use crate::evidence::Exchange;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::said::said;
use crate::steps::operating::{expect_first, expect_status_first};
use crate::steps::rate_limits::{span, too_slow};
use crate::steps::resolution::ask::{about, request_for};
use crate::steps::words::filled;
use crate::subject::dialect::Dialect;
use crate::subject::manifest::Seeding;
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"these requests at host "([^"]*)" find no (route|tenant):"#,
        |s, a| Box::pin(find_none(s, a)),
    );
    book.step(
        r#"these requests at host "([^"]*)" are not allowed:"#,
        |s, a| Box::pin(not_allowed(s, a)),
    );
    book.step(r"the operator's requests find no route:", |s, a| {
        Box::pin(operator_finds_none(s, a))
    });
    book.step(r"the operator's requests are not allowed:", |s, a| {
        Box::pin(operator_not_allowed(s, a))
    });
    book.step(
        r"without a token these requests are denied alike:",
        |s, a| Box::pin(denied_alike(s, a)),
    );
    book.step(
        r#"once tenant "([^"]+)" has used up its quota, all of these requests at its host are limited:"#,
        |s, a| Box::pin(limited_first(s, a)),
    );
    book.step(
        r#"these requests are refused with (\d+) "([A-Z_]+)":"#,
        |s, a| Box::pin(refused_with(s, a)),
    );
}

/// Asserts the status of a refusal. Its code is promised elsewhere (ERR-003), and so is the quota.
fn expect_refused(s: &mut Scene, answer: &Exchange, status: u16, code: &str) -> Check {
    if answer.status == status {
        s.checks += 1;
        return Ok(());
    }
    let is_quota = answer.status == 429;
    expect_first(s, answer, !is_quota, format!("status {status}"))?;
    s.expect_error(answer, status, code)
}

async fn find_none(s: &mut Scene, a: Args) -> Check {
    let host = filled(s, a.text(1)).await?;
    if a.text(2) == "tenant" {
        knows_no_tenant(s, &host).await?;
    }
    for row in a.rows() {
        let request = request_for(s, &row[0], "").host(host.clone());
        let answer = s.send(request).await?;
        let check = if a.text(2) == "tenant" {
            no_tenant(s, &answer)
        } else {
            expect_refused(s, &answer, 404, "NOT_FOUND")
        };
        about(&row[0], check)?;
    }
    Ok(())
}

/// Shows that this host is told to be no tenant's on a route that there is, by the code that tells it from an unknown route.
async fn knows_no_tenant(s: &mut Scene, host: &str) -> Check {
    let request = s.status_request(host);
    let answer = s.send(request).await?;
    let is_told = answer.status == 404 && answer.has_code("TENANT_NOT_FOUND");
    s.expect(
        is_told,
        "404 TENANT_NOT_FOUND for a route that there is",
        || describe(&answer),
    )
    .or_unmet("RES-012")
}

/// Asserts that it is the tenant which is not found. Only its code tells that from a route which is not.
fn no_tenant(s: &mut Scene, answer: &Exchange) -> Check {
    let is_another = answer.status == 404
        && !answer.has_code("NOT_FOUND")
        && !answer.has_code("TENANT_NOT_FOUND");
    if is_another {
        return s
            .expect_error(answer, 404, "TENANT_NOT_FOUND")
            .or_unmet("ERR-003");
    }
    let is_quota = answer.status == 429;
    expect_first(s, answer, !is_quota, "status 404")?;
    s.expect_error(answer, 404, "TENANT_NOT_FOUND")
}

/// Asserts 405, and that `Allow` lists these methods and not the one that was sent.
fn has_no_such_method(s: &mut Scene, answer: &Exchange, allowed: &str) -> Check {
    expect_refused(s, answer, 405, "METHOD_NOT_ALLOWED")?;
    // Refused in another form that somebody answers for: it lists nothing.
    if answer.status != 405 {
        return Ok(());
    }
    let listed: Vec<String> = answer
        .header_all("allow")
        .join(",")
        .split(',')
        .map(|method| method.trim().to_ascii_uppercase())
        .filter(|method| !method.is_empty())
        .collect();
    for method in allowed.split(',').map(str::trim) {
        if is_elsewhere(s, method, &answer.request.path) {
            continue;
        }
        s.expect(
            listed.iter().any(|known| known == method),
            format!("`Allow` with {method}"),
            || format!("Allow: {}", listed.join(", ")),
        )?;
    }
    let sent = &answer.request.method;
    s.expect(
        !listed.contains(sent),
        format!("`Allow` without {sent}, which is refused"),
        || format!("Allow: {}", listed.join(", ")),
    )
}

/// Whether the target does elsewhere, or not at all, what `shapes.md` does by this method on this path.
fn is_elsewhere(s: &Scene, method: &str, path: &str) -> bool {
    let target = &s.run.target;
    let Some((operation, _id)) = target.dialect().operation(method, path) else {
        return false;
    };
    let moved = target
        .dialect()
        .spelling(operation)
        .is_some_and(|spelling| spelling.method.is_some() || spelling.path.is_some());
    let is_fixed = matches!(target.seeding(), Some(Seeding::Fixed { .. }));
    // Nor does a route list what the target has no route for.
    let is_nowhere = target.dialect().without.contains(&operation);
    moved || is_nowhere || (is_fixed && operation.alters_tenants())
}

/// Whether the target has none of the operations that these methods are on a path: then there is no route to refuse another method.
fn is_nowhere(dialect: &Dialect, path: &str, methods: &str) -> bool {
    let mut operations = methods
        .split(',')
        .filter_map(|method| dialect.operation(method.trim(), path))
        .peekable();
    operations.peek().is_some()
        && operations.all(|(operation, _id)| dialect.without.contains(&operation))
}

/// Whether the target does something by this method on this path, in its own words or in those of `shapes.md`, such as a look on the path
/// of a start: that is no method which the route does not have.
fn is_offered(dialect: &Dialect, method: &str, path: &str) -> bool {
    dialect.offers(method, path) || dialect.operation(method, path).is_some()
}

async fn not_allowed(s: &mut Scene, a: Args) -> Check {
    let host = filled(s, a.text(1)).await?;
    for row in a.rows() {
        let request = request_for(s, &row[0], "").host(host.clone());
        if is_offered(s.run.target.dialect(), &request.method, &request.path) {
            continue;
        }
        let answer = s.send(request).await?;
        about(&row[0], has_no_such_method(s, &answer, &row[1]))?;
    }
    Ok(())
}

async fn as_operator(s: &mut Scene, what: &str) -> Result<Arc<Exchange>, Stop> {
    let id = s.tenant("a")?.id;
    let plain = request_for(s, what, &id);
    let request = s.operator_request(&plain.method, &plain.path).await?;
    s.send(request).await
}

/// Shows that the operator is let in: without that a refusal tells nothing of routes.
async fn operator_is_let_in(s: &mut Scene) -> Check {
    let answer = as_operator(s, "GET tenant").await?;
    expect_status_first(s, &answer, 200)
}

async fn operator_finds_none(s: &mut Scene, a: Args) -> Check {
    operator_is_let_in(s).await?;
    for row in a.rows() {
        let answer = as_operator(s, &row[0]).await?;
        about(&row[0], expect_refused(s, &answer, 404, "NOT_FOUND"))?;
    }
    Ok(())
}

async fn operator_not_allowed(s: &mut Scene, a: Args) -> Check {
    operator_is_let_in(s).await?;
    for row in a.rows() {
        let id = s.tenant("a")?.id;
        let plain = request_for(s, &row[0], &id);
        let dialect = s.run.target.dialect();
        if is_offered(dialect, &plain.method, &plain.path)
            || is_nowhere(dialect, &plain.path, &row[1])
        {
            continue;
        }
        let answer = as_operator(s, &row[0]).await?;
        // Who is let in with one method and denied with another has met the gate, not the route.
        let check = has_no_such_method(s, &answer, &row[1]);
        let is_denied = answer.status == 403 && answer.has_code("ACCESS_DENIED");
        let check = if is_denied {
            check.or_unmet("ACC-002")
        } else {
            check
        };
        about(&row[0], check)?;
    }
    Ok(())
}

/// The first request is for a route that there is: how it is denied is promised elsewhere (ACC-001). All others must be denied as it is.
async fn denied_alike(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant("a")?.id;
    let mut first: Option<(u16, Value)> = None;
    for row in a.rows() {
        let request = request_for(s, &row[0], &id);
        let answer = s.send(request).await?;
        let message = answer.at("/error/message").unwrap_or_default();
        let Some((status, expected)) = first.clone() else {
            let is_denied =
                (300..500).contains(&answer.status) && ![404, 405, 429].contains(&answer.status);
            expect_first(s, &answer, is_denied, "a refusal without a token")?;
            if answer.status != 403 {
                s.accept_refusal(&answer);
            }
            first = Some((answer.status, message));
            continue;
        };
        let is_denied = answer.status == status;
        let expected_status = format!("{}: status {status}, as a route that there is", row[0]);
        s.expect(is_denied, expected_status, || describe(&answer))?;
        let allow = answer.header("allow").map(str::to_owned);
        s.expect(
            allow.is_none(),
            format!("{}: no `Allow`, which would tell of the route", row[0]),
            || said(&allow),
        )?;
        s.expect_eq(&format!("{}: the message", row[0]), &expected, &message)?;
    }
    Ok(())
}

/// Three attempts: a window of the limiter may end between using up the quota and the requests that come after.
async fn limited_first(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let (limit, period) = s.run.target.limits().small_quota;
    let period = Duration::from_secs(period);
    let mut last = breach("requests beyond the quota are limited", "none was");
    for _attempt in 0..3 {
        let used_up = vec![s.status_request(&host); limit as usize + 1];
        let used_up = s.send_all(used_up).await?;
        let limited = s.expect(
            used_up.iter().any(|answer| answer.status == 429),
            format!("429 for one of {} requests", used_up.len()),
            || "none".to_owned(),
        );
        if let Err(unlimited) = limited.or_unmet("RL-001") {
            last = unlimited;
            continue;
        }
        let requests = a
            .rows()
            .iter()
            .map(|row| request_for(s, &row[0], "").host(host.clone()))
            .collect();
        let answers = s.send_all(requests).await?;
        let open = answers.iter().find(|answer| answer.status != 429).cloned();
        let Some(open) = open else {
            s.checks += 1;
            return Ok(());
        };
        // A window that is a clock's may end at any time: what is asked last shows whether this one still lasts.
        let control = s.status_request(&host);
        if s.send(control).await?.status != 429 {
            let took = span(&[used_up, answers].concat());
            last = too_slow(took, period);
            continue;
        }
        // By then the quota may be there again.
        let took = span(&[used_up, answers].concat());
        if took >= period {
            last = too_slow(took, period);
            continue;
        }
        // Where each route has a quota of its own, the limit may well come before the route.
        let itself = request_for(
            s,
            &format!("{} {}", open.request.method, open.request.path),
            "",
        );
        let again = vec![itself.host(host.clone()); limit as usize + 1];
        let counted_by_route = s.send_all(again).await?;
        if counted_by_route.iter().any(|answer| answer.status == 429) {
            let expected = "one quota for all routes of a tenant";
            return Err(breach(expected, describe(&open)).or_unmet("RL-001"));
        }
        last = breach(
            format!(
                "429 for {} {} when the quota is used up: the limit comes before the route",
                open.request.method, open.request.path
            ),
            describe(&open),
        );
    }
    Err(last)
}

/// The first request is for a route that there is: that it is refused is promised elsewhere.
async fn refused_with(s: &mut Scene, a: Args) -> Check {
    let id = "00000000-0000-4000-8000-000000000000";
    let status = a.number(1)?;
    for (number, row) in a.rows().iter().enumerate() {
        let request = request_for(s, &row[0], id);
        let answer = s.send(request).await?;
        if number == 0 {
            let is_refused = answer.status == status || s.accept_refusal(&answer);
            expect_first(s, &answer, is_refused, format!("status {status}"))?;
        }
        about(&row[0], expect_refused(s, &answer, status, a.text(2)))?;
    }
    Ok(())
}
