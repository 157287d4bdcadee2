//! Limits that count those who have no part in them. Never limits a tenant.

use super::super::layer::before;
use super::super::{Draft, deviant};
use super::keyed::{Known, Limits, When};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which admin requests use the quota of their client ip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charged {
    All,
    Refused,
    OfGateways,
    OfNoRoute,
}

pub(super) fn all() -> Vec<Draft> {
    let all: [(&'static str, &'static str, Charged, bool); 5] = [
        (
            "admin-requests-about-gateways-counted",
            "Admin requests about a tenant's gateway use the public quota of their client ip",
            Charged::OfGateways,
            false,
        ),
        (
            "admin-requests-without-a-route-counted",
            "Admin requests for what there is not use the public quota of their client ip",
            Charged::OfNoRoute,
            false,
        ),
        (
            "admin-requests-counted",
            "Admin requests use the public quota of their client ip",
            Charged::All,
            false,
        ),
        (
            "refused-admin-requests-counted",
            "Admin requests without a token use the public quota of their client ip",
            Charged::Refused,
            false,
        ),
        (
            "admin-requests-limited",
            "Operators whose client ip has used up its public quota are refused",
            Charged::All,
            true,
        ),
    ];
    let mut all: Vec<Draft> = all
        .into_iter()
        .map(|(id, breaks, charged, refuses)| {
            deviant(id, breaks, &["RL-012"]).parts(move |parts| {
                parts.caller = Some(Arc::new(Operators { charged, refuses }));
            })
        })
        .collect();
    all.push(
        deviant(
            "hosts-of-nobody-not-counted",
            "Hosts that can be nobody's are answered before the quota of their client ip is looked at",
            &["RL-007"],
        )
        .parts(|parts| {
            let app_domain = parts.config.app_domain.as_ref();
            let app_domain = app_domain.map_or(String::new(), ToString::to_string);
            let asked = AtomicU64::new(0);
            // Each such request comes from a client ip that nobody has.
            parts.caller = before(move |ask| {
                let label = ask.host().strip_suffix(app_domain.as_str());
                let is_nobodys = label.is_some_and(|label| label.trim_end_matches('.').contains('.'));
                if is_nobodys {
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    ask.set("cf-connecting-ip", &format!("2001:db8:dead::{number:x}"));
                }
            });
        }),
    );
    all.push(
        deviant(
            "misconfigured-requests-counted",
            "Requests are limited before the configuration is looked at",
            &["RL-007"],
        )
        .parts(|parts| {
            let period = parts.config.quotas.period;
            parts.caller = Some(Arc::new(CountedFirst {
                limit: parts.config.quotas.free,
                limits: Limits::new(|_ask, known| known.owner(), When::Before, period),
            }));
        }),
    );
    all
}

struct Operators {
    charged: Charged,
    refuses: bool,
}

#[async_trait]
impl Tamper for Operators {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let told = upstream.send(&ask).await?;
        let is_admin = ask.route().starts_with("/api/admin");
        let is_charged = match self.charged {
            Charged::All => true,
            Charged::Refused => told.status == 403,
            Charged::OfGateways => ask.route().contains("/gateway"),
            Charged::OfNoRoute => {
                told.status == 404 && !ask.route().starts_with("/api/admin/tenants")
            }
        };
        if is_admin && is_charged {
            let mut counted = ask.clone();
            counted.method = hyper::Method::GET;
            "/sandbox-health".clone_into(&mut counted.path);
            counted.body = bytes::Bytes::new();
            let limited = upstream.send(&counted).await?;
            if self.refuses && limited.status == 429 {
                return Ok(limited);
            }
        }
        Ok(told)
    }
}

/// Counts what the backend then refuses for its configuration.
struct CountedFirst {
    limit: u32,
    limits: Limits,
}

#[async_trait]
impl Tamper for CountedFirst {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let told = upstream.send(&ask).await?;
        if told.status != 503 {
            return Ok(told);
        }
        let ip = ask
            .header("cf-connecting-ip")
            .unwrap_or("127.0.0.1")
            .to_owned();
        let known = Known { tenant: None, ip };
        let before = self.limits.look(&known.owner(), self.limit);
        if before.is_used_up() {
            return Ok(self.limits.refused(&known, &before));
        }
        Ok(told)
    }
}
