//! Whether `Host` reaches the Worker as it was sent: all tenancy by host stands on it. Never takes silence for a yes.

use super::Check;
use crate::client::{Client, Request};
use crate::contract::need::Need;
use crate::evidence::Exchange;
use crate::subject::manifest::EchoProbe;
use crate::subject::seeding::{self, NotMade};
use crate::subject::tenant::Tenant;
use crate::subject::{Fault, Instance, Target};
use std::time::Duration;

/// Longest time for one probe.
const PROBE_MS_MAX: u64 = 10_000;

/// The trap and its remedy.
const REWRITTEN: &str = "`wrangler dev` rewrites Host when the configuration has `routes`, `route` or `custom_domain`, or with --host or --local-upstream: take these out of the configuration that is judged; a proxy in between must pass Host on";

/// Looks whether `Host` arrives.
pub(super) async fn check(client: &Client, target: &dyn Target, instance: &Instance) -> Check {
    if let Some(echo) = target.probe().echo {
        return echoed(client, instance, &echo).await;
    }
    if target.lacks(Need::Hosts).is_some() {
        return Check::unknown("host", "cannot tell: the app domain is not known")
            .remedy("name it (app_domain), and a route that repeats the host: [probe] echo");
    }
    // A tenant is made only where it goes with the run.
    if !target.standing().is_empty() || target.lacks(Need::Tenants).is_some() {
        return Check::unknown("host", "cannot tell: nothing repeats the host that it sees")
            .remedy("name a route that repeats it: [probe] echo");
    }
    match inferred(client, target, instance).await {
        Ok(check) => check,
        Err(fault) => Check::unknown("host", format!("cannot tell: {fault}"))
            .remedy("name a route that repeats it: [probe] echo"),
    }
}

async fn echoed(client: &Client, instance: &Instance, echo: &EchoProbe) -> Check {
    let domain = if instance.app_domain.is_empty() {
        "moltproof.example"
    } else {
        &instance.app_domain
    };
    let mut saw = Vec::new();
    for name in ["mp-host-one", "mp-host-two"] {
        let sent = format!("{name}.{domain}");
        let request = Request::new("GET", echo.path.clone())
            .host(sent.clone())
            .within(Duration::from_millis(PROBE_MS_MAX));
        let answer = match client.send(&instance.base, &request, 0).await {
            Ok(answer) => answer,
            Err(error) => {
                return Check::unknown("host", format!("cannot tell: {error}"));
            }
        };
        let seen = match &echo.pointer {
            Some(pointer) => answer.text_at(pointer),
            None => Some(answer.text().trim().to_owned()),
        };
        let Some(seen) = seen.filter(|seen| !seen.is_empty() && answer.status < 400) else {
            return Check::unknown(
                "host",
                format!(
                    "cannot tell: {} answers status {} and repeats no host",
                    echo.path, answer.status
                ),
            )
            .remedy("mend [probe] echo");
        };
        if !is_same_host(&sent, &seen) {
            return Check::wrong("host", format!("sent Host {sent}, the target saw {seen}"))
                .remedy(REWRITTEN);
        }
        saw.push(seen);
    }
    Check::ok("host", format!("arrives as sent ({})", saw.join(", ")))
}

/// Letter case, port and a trailing dot apart: servers canonicalise these.
fn is_same_host(sent: &str, seen: &str) -> bool {
    let plain = |host: &str| {
        let host = host.to_ascii_lowercase();
        let name = host.split(':').next().unwrap_or_default();
        name.trim_end_matches('.').to_owned()
    };
    plain(sent) == plain(seen)
}

/// Two tenants are asked for, and a host that is nobody's.
async fn inferred(
    client: &Client,
    target: &dyn Target,
    instance: &Instance,
) -> Result<Check, Fault> {
    let run: String = std::iter::repeat_with(|| fastrand::char('a'..='z'))
        .take(6)
        .collect();
    let mut answers = Vec::new();
    let mut tenants = Vec::new();
    for name in ["one", "two"] {
        let tenant = Tenant::new(instance, &format!("mp-{run}0000-{name}"), "free");
        tenants.push(
            match seeding::make(client, target, instance, &tenant).await {
                Ok(tenant) => tenant,
                Err(NotMade::Fault(fault)) => return Err(fault),
                Err(NotMade::NoWay(why)) => {
                    return Ok(Check::unknown("host", format!("cannot tell: {why}"))
                        .remedy("name a route that repeats the host: [probe] echo"));
                }
            },
        );
    }
    for tenant in &tenants {
        answers.push(ask(client, target, instance, &tenant.host).await?);
    }
    let nobody = instance.tenant_host(&format!("mp-{run}0000-nobody"));
    let unknown = ask(client, target, instance, &nobody).await?;
    let pointer = &target.dialect().status_tenant;
    let own = |(answer, tenant): (&Exchange, &Tenant)| {
        answer.status == 200
            && answer
                .text_at(pointer)
                .is_none_or(|slug| slug == tenant.slug)
    };
    if answers.iter().zip(&tenants).all(own) && unknown.status != 200 {
        return Ok(Check::ok(
            "host",
            "arrives: two tenants answer on their own hosts, and nobody on a third",
        ));
    }
    let face = |answer: &Exchange| (answer.status, answer.text_at("/error/code"));
    if answers.iter().all(|answer| face(answer) == face(&unknown)) {
        return Ok(Check::wrong(
            "host",
            format!(
                "two tenants that exist are answered like a host that is nobody's (status {})",
                unknown.status
            ),
        )
        .remedy(REWRITTEN));
    }
    Ok(Check::unknown(
        "host",
        format!(
            "cannot tell: two tenants on their own hosts are answered {} and {}, nobody's host {}",
            answers[0].status, answers[1].status, unknown.status
        ),
    )
    .remedy("name a route that repeats the host: [probe] echo"))
}

async fn ask(
    client: &Client,
    target: &dyn Target,
    instance: &Instance,
    host: &str,
) -> Result<Exchange, Fault> {
    let request = Request::new("GET", target.dialect().status.clone())
        .host(host)
        .within(Duration::from_millis(PROBE_MS_MAX));
    client
        .send(
            &instance.base,
            &target.dialect().spoken(request, instance),
            0,
        )
        .await
        .map_err(|error| Fault(error.to_string()))
}
