//! Backends that write usage for what a gate refuses, or before anything is known. Never breaks more than one thing at a time.

use super::{Draft, deviant};
use crate::clock;
use crate::reference::altered::Parts;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use moltworker_reference::domain::tenant::TenantId;
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{Registry, UsageStore};
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn all() -> Vec<Draft> {
    let billing = |id, breaks, expected, when: When| {
        deviant(id, breaks, expected).parts(move |parts| at_the_door(parts, when))
    };
    vec![
        billing(
            "usage-before-success-is-known",
            "A row is written when a request comes in",
            &["USG-002", "USG-013", "USG-001"],
            When::Asked,
        ),
        billing(
            "wrong-requests-billed",
            "A request that is refused with 400 writes a row",
            &["USG-013"],
            When::Answered(400),
        ),
        billing(
            "wrong-messages-billed",
            "A request that is refused for one of its messages writes a row",
            &["USG-013"],
            When::WrongMessage,
        ),
        billing(
            "limited-requests-billed",
            "A request that is refused with 429 writes a row",
            &["USG-013"],
            When::Answered(429),
        ),
        billing(
            "unconfigured-requests-billed",
            "A request that is refused with 503 writes a row",
            &["USG-013"],
            When::Answered(503),
        ),
        billing(
            "failed-requests-billed",
            "A request that ends with 502 writes a row",
            &["USG-002"],
            When::Answered(502),
        ),
    ]
}

#[derive(Clone, Copy)]
enum When {
    Asked,
    Answered(u16),
    WrongMessage,
}

fn at_the_door(parts: &mut Parts, when: When) {
    if let (Some(usage), Some(registry)) = (&parts.ports.usage, &parts.ports.registry) {
        parts.caller = Some(Arc::new(Door {
            usage: Arc::clone(usage),
            registry: Arc::clone(registry),
            when,
        }));
    }
}

struct Door {
    usage: Arc<dyn UsageStore>,
    registry: Arc<dyn Registry>,
    when: When,
}

impl Door {
    async fn write(&self, ask: &Ask) {
        let slug = ask.host().split('.').next().unwrap_or_default();
        let Ok(Some(tenant_id)) = self.registry.by_slug(slug).await else {
            return;
        };
        // A row that cannot be written is another deviant's part.
        drop(self.usage.insert(&row(tenant_id)).await);
    }
}

fn row(tenant_id: TenantId) -> UsageRow {
    UsageRow {
        id: Uuid::new_v4(),
        tenant_id,
        model: super::super::calls::SMALL.0.to_owned(),
        tokens_in: 0,
        tokens_out: 0,
        latency_ms: 0,
        created_at: clock::epoch_ms(),
    }
}

#[async_trait]
impl Tamper for Door {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let is_chat = ask.route() == "/v1/chat/completions";
        if is_chat && matches!(self.when, When::Asked) {
            self.write(&ask).await;
        }
        let told = upstream.send(&ask).await?;
        let has_messages = || ask.json()["messages"].get(0).is_some();
        let is_due = match self.when {
            When::Asked => false,
            When::Answered(status) => status == told.status,
            When::WrongMessage => told.status == 400 && has_messages(),
        };
        if is_chat && is_due {
            self.write(&ask).await;
        }
        Ok(told)
    }
}
