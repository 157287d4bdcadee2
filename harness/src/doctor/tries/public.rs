//! The routes that are open to everybody. Never takes a page, or a server that answers 200 to everything, for the route.

use super::{Check, Trial, Tried, Unasked, is_ok, is_page, missing, short};
use crate::client::Request;
use crate::evidence::Exchange;
use crate::oracle::error_shape;
use std::sync::Arc;

/// An answer, and its control's.
type Pair = (Arc<Exchange>, Arc<Exchange>);

/// A path that nobody has.
const NOWHERE: &str = "/mp-doctor-no-such-route";

/// Asks for health, and for a path that nobody has.
pub(super) async fn health(trial: &mut Trial, tried: &mut Tried) {
    let request = trial.scene.health_request();
    let path = request.path.clone();
    let check = match asked_for_health(trial, request).await {
        Ok((answer, control)) => Some(judged_health(&path, &answer, &control)),
        Err(why) => why.check("health", "[dialect] health"),
    };
    tried.put(&["health"], check);
}

async fn asked_for_health(trial: &mut Trial, request: Request) -> Result<Pair, Unasked> {
    let answer = trial.ask(request).await?;
    Ok((answer, trial.ask(Request::new("GET", NOWHERE)).await?))
}

fn judged_health(path: &str, answer: &Arc<Exchange>, control: &Exchange) -> Check {
    let wrong = |saw: String| Check::wrong("health", saw);
    if let Some(names) = missing(answer) {
        let saw = format!(
            "GET {path} answers {}: the Worker says that it lacks {names}",
            answer.status
        );
        return wrong(saw).remedy("give it these: [launch.variables], or bindings in the wrangler configuration that is started");
    }
    if !is_ok(answer) {
        let saw = format!("GET {path} answers {}", short(answer));
        return wrong(saw).remedy("name the route of this Worker: [dialect] health");
    }
    if is_page(answer) {
        let saw = format!(
            "GET {path} answers an HTML page with status {}: static assets or another page answer, not a route of the Worker",
            answer.status
        );
        return wrong(saw).remedy("name the route of this Worker: [dialect] health; with static assets, `run_worker_first`");
    }
    if is_ok(control) {
        let saw = format!(
            "GET {NOWHERE}, which nobody has, is answered with {} as well: a 200 here proves nothing",
            control.status
        );
        return wrong(saw).remedy("look what answers at this address: an asset fallback, a proxy, or a Worker without a 404 ([dialect] health)");
    }
    let saw = format!(
        "GET {path} answers {}; a path that nobody has, {}",
        answer.status, control.status
    );
    Check::ok("health", saw)
}

/// Asks for the status of a tenant, and of nobody.
pub(super) async fn status(trial: &mut Trial, tried: &mut Tried) {
    let Some(tenant) = trial.tenant.clone() else {
        return;
    };
    let check = match asked_for_status(trial, &tenant.host).await {
        Ok((answer, control)) => {
            if let Some(flaw) = error_shape::flaws(&control).first() {
                let why =
                    format!("because of ERR-001: an error is not in the contract's shape, {flaw}");
                tried.lacks("because.ERR-001", why);
            }
            Some(judged_status(trial, &tenant.slug, &answer, &control))
        }
        Err(why) => why.check("status", "[dialect] status"),
    };
    tried.put(&["status"], check);
}

async fn asked_for_status(trial: &mut Trial, host: &str) -> Result<Pair, Unasked> {
    let request = trial.scene.status_request(host);
    let answer = trial.ask(request).await?;
    let nobody = trial.nobody().await?;
    let request = trial.scene.status_request(&nobody);
    Ok((answer, trial.ask(request).await?))
}

fn judged_status(trial: &Trial, slug: &str, answer: &Exchange, control: &Exchange) -> Check {
    let dialect = trial.target().dialect();
    let asked = format!("GET {} on a tenant's host", dialect.status);
    let wrong = |saw: String| Check::wrong("status", saw);
    if answer.status != 200 {
        let keys = "[dialect] status, read_status (credential, headers), and how hosts lead to tenants: app_domain, [seeding]";
        return wrong(format!("{asked} answers {}", short(answer))).remedy(remedy_of(answer, keys));
    }
    if is_page(answer) {
        return wrong(format!("{asked} answers an HTML page"))
            .remedy("name the route of this Worker: [dialect] status");
    }
    if control.status == 200 {
        let saw = format!(
            "{asked} answers 200, and so it does on a host that is nobody's: it does not tell tenants apart"
        );
        return wrong(saw).remedy(
            "name a route that needs a tenant: [dialect] status; if it does, the Worker breaks RES-012",
        );
    }
    let named = answer.text_at("/tenant");
    if !dialect.status_tenant.is_empty() && named.as_deref() != Some(slug) {
        let seen = named.map_or_else(|| short(answer), |named| format!("`{named}`"));
        return wrong(format!("{asked} names the tenant `{slug}` as {seen}")).remedy(
            "where the answer has the tenant's slug: [dialect] status_tenant (\"\" if nowhere)",
        );
    }
    let saw = format!("{asked} answers 200; nobody's, {}", control.status);
    Check::ok("status", saw)
}

/// The key that mends a refusal.
pub(super) fn remedy_of(answer: &Exchange, otherwise: &str) -> String {
    if let Some(names) = missing(answer) {
        return format!(
            "the Worker says that it lacks {names}: [launch.variables], or its bindings"
        );
    }
    match answer.status {
        401 | 403 => {
            format!("it wants a credential that the manifest does not give it; see {otherwise}")
        }
        status if status >= 500 => {
            format!("its log says why; see {otherwise}, and [launch.variables]")
        }
        _ => otherwise.to_owned(),
    }
}
