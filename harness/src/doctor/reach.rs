//! Whether the target is reached, by whom it is answered, and what its clock says. Never sends anything that changes something.

use super::{Check, State};
use crate::client::{Client, NoAnswer, Request};
use crate::contract::need::Variant;
use crate::evidence::{Exchange, cut};
use crate::subject::launched::why;
use crate::subject::{Instance, Target};
use crate::wait::{self, Look};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Longest time for one probe.
const PROBE_MS_MAX: u64 = 10_000;

/// Clocks may differ by this much. Evidence: tokens are minted with `nbf` now and checked to the second; half a minute is what libraries commonly allow.
const SKEW_SECONDS_MAX: i64 = 30;

/// Starts the target, if it is to be started.
pub(super) async fn instance(
    target: &dyn Target,
    checks: &mut Vec<Check>,
) -> Option<Arc<Instance>> {
    match target.instance(Variant::Production).await {
        Ok(instance) => Some(instance),
        Err(fault) => {
            let said = fault.to_string();
            let sign = why::sign(&said);
            let remedy = sign.map_or(
                "look at [launch]: what the server said stands above",
                |sign| sign.remedy,
            );
            let id = sign.map_or("address", |sign| sign.id);
            checks.push(Check::new(id, State::Unreachable, said).remedy(remedy));
            None
        }
    }
}

/// Asks the public and the locked routes.
pub(super) async fn check(
    client: &Client,
    target: &dyn Target,
    instance: &Instance,
    patience: Duration,
) -> Vec<Check> {
    let health = probe(&target.dialect().health);
    let answered = wait::until::<_, Infallible, _, _>(patience, || async {
        Ok(match client.send(&instance.base, &health, 0).await {
            Err(NoAnswer::Unreachable { reason, .. }) => Look::NotYet(reason),
            other => Look::Done(other),
        })
    })
    .await;
    let answer = match answered {
        Ok(Ok(Ok(answer))) => answer,
        Ok(Ok(Err(error))) => return vec![unanswered(&instance.base, &error)],
        Ok(Err(timed_out)) => return vec![unreached(&instance.base, &timed_out.last)],
        Err(never) => match never {},
    };
    let mut checks = vec![Check::ok(
        "address",
        format!("{} is reached, and answers HTTP", instance.base),
    )];
    checks.push(clock(&answer));
    let status = probe(&target.dialect().status).host(instance.tenant_host("mp-doctor-nobody"));
    checks.push(worker(client, instance, &answer, &status).await);
    checks.extend(locks(client, target, instance).await);
    checks
}

fn probe(path: &str) -> Request {
    // An address set aside for documentation: a look must not spend anybody's quota.
    Request::new("GET", path)
        .header("cf-connecting-ip", "192.0.2.1")
        .within(Duration::from_millis(PROBE_MS_MAX))
}

fn unanswered(base: &str, error: &NoAnswer) -> Check {
    match error {
        NoAnswer::NotTheWorker(impostor) | NoAnswer::LockedAtTheEdge(impostor) => Check::wrong(
            "worker",
            format!(
                "{} answers at {base}, not the Worker: {}",
                impostor.who, impostor.saw
            ),
        )
        .remedy(impostor.remedy),
        NoAnswer::Unreachable { reason, .. } => unreached(base, reason),
        NoAnswer::Broken(_)
        | NoAnswer::TooSlow(_)
        | NoAnswer::Unsendable(_)
        | NoAnswer::GivenUp(_)
        | NoAnswer::Withheld(_) => {
            Check::new("address", State::Unreachable, format!("{base}: {error}"))
                .remedy("something listens there and does not answer HTTP: look whether the address is the Worker's")
        }
    }
}

/// Why a connection does not come about.
fn unreached(base: &str, reason: &str) -> Check {
    let lower = reason.to_ascii_lowercase();
    let unreachable = |id: &'static str, saw: String| Check::new(id, State::Unreachable, saw);
    if lower.contains("certificate") || lower.contains("unknownissuer") {
        return unreachable("certificate", format!("{base} is not trusted: {reason}")).remedy(
            "name the authority's file: --ca-file FILE; Node (and so wrangler) takes it by NODE_EXTRA_CA_CERTS",
        );
    }
    if lower.contains("corrupt message") {
        return unreachable("certificate", format!("{base} speaks no TLS: {reason}"))
            .remedy("the server there speaks plain HTTP: write http:// in the address");
    }
    if lower.contains("dns") || lower.contains("lookup") {
        return unreachable("address", format!("{base} has no address: {reason}"))
            .remedy("the host name does not exist: look at its DNS record or custom domain");
    }
    if lower.contains("refused") {
        return unreachable("address", format!("nothing listens at {base}: {reason}"))
            .remedy("start the Worker, correct the port, or let --wait 30s wait for it");
    }
    unreachable("address", format!("{base} cannot be reached: {reason}"))
        .remedy("look at address, network and firewall; --wait 30s waits for it")
}

/// Whether it is the Worker that answers, and not its crash.
async fn worker(
    client: &Client,
    instance: &Instance,
    health: &Exchange,
    status: &Request,
) -> Check {
    match client.send(&instance.base, status, 0).await {
        Ok(answer) => [health, &answer]
            .into_iter()
            .find_map(crash)
            .unwrap_or_else(|| Check::ok("worker", "the Worker's own answers")),
        // An unknown host may never get as far as a TLS handshake or the Worker at a real edge; the health route did.
        Err(NoAnswer::NotTheWorker(impostor)) if instance.app_domain.is_empty() => Check::unknown(
            "worker",
            format!("on an unknown host {} answers", impostor.who),
        ),
        Err(error) => unanswered(&instance.base, &error),
    }
}

/// A page that workerd or the edge writes when the Worker throws.
fn crash(answer: &Exchange) -> Option<Check> {
    let text = answer.text();
    let local = answer.status == 500
        && answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain"))
        && text.lines().skip(1).any(|line| line.starts_with("    at "));
    let edge = text.trim() == "error code: 1101";
    (local || edge).then(|| {
        Check::wrong(
            "crash",
            format!(
                "{} ends in an exception that nobody caught: {}",
                answer.request.path,
                cut(text.lines().next().unwrap_or_default(), 200)
            ),
        )
        .remedy("the page is the runtime's, not the Worker's: mend the exception first, such as a binding that is not there")
    })
}

/// What stands before the admin routes.
async fn locks(client: &Client, target: &dyn Target, instance: &Instance) -> Vec<Check> {
    let mut checks = Vec::new();
    if target.dialect().tenants.is_empty() {
        return checks;
    }
    let anonymous = probe(&target.dialect().tenants);
    if let Err(NoAnswer::LockedAtTheEdge(impostor)) =
        client.send(&instance.base, &anonymous, 0).await
    {
        checks.push(
            Check::warning(
                "edge",
                format!("the edge locks the admin routes: {}", impostor.saw),
            )
            .remedy("what it refuses says nothing about the Worker's own lock: give [operator] direct_address, an address of the Worker that no edge guards"),
        );
    }
    checks
}

/// The target's clock against ours.
fn clock(answer: &Exchange) -> Check {
    let Some(skew) = answer.skew_seconds() else {
        return Check::unknown("clock", "no answer tells the time (header Date)");
    };
    if skew.abs() > SKEW_SECONDS_MAX {
        let word = if skew > 0 { "ahead of" } else { "behind" };
        return Check::warning(
            "clock",
            format!("its clock is {} s {word} ours", skew.abs()),
        )
        .remedy("tokens carry times (`nbf`, `exp`): set this machine's clock, or the target's");
    }
    Check::ok("clock", format!("within {SKEW_SECONDS_MAX} s of ours"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reason: &str, id: &str, remedy: &str) {
        let found = unreached("https://a.example", reason);
        assert_eq!(
            (found.id, found.state),
            (id, State::Unreachable),
            "{reason}"
        );
        assert!(found.remedy.contains(remedy), "{found:?}");
    }

    #[test]
    fn each_reason_of_a_missing_connection_has_its_remedy() {
        let tls = "client error (Connect): invalid peer certificate: ";
        check(&format!("{tls}UnknownIssuer"), "certificate", "--ca-file");
        check(
            &format!("{tls}certificate not valid for name \"a\""),
            "certificate",
            "NODE_EXTRA_CA_CERTS",
        );
        check(
            "received corrupt message of type InvalidContentType",
            "certificate",
            "http://",
        );
        check(
            "dns error: failed to lookup address information",
            "address",
            "DNS record",
        );
        check(
            "tcp connect error: Connection refused (os error 111)",
            "address",
            "--wait 30s",
        );
        check(
            "tcp connect error: deadline has elapsed",
            "address",
            "firewall",
        );
    }
}
