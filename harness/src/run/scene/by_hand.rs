//! What a scenario's operator does by hand, as the answer that a route would have given. Never does what is not a plain act of an operator.

use super::Scene;
use crate::client::{self, Request};
use crate::clock;
use crate::evidence::Exchange;
use crate::subject::dialect::operation::Operation;
use crate::subject::manifest::acts::Acts;
use crate::subject::tenant::Tenant;
use crate::verdict::Stop;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Why an operator's request is not done by hand.
fn not_plain() -> Stop {
    Stop::NotVerified(
        "the operator acts by hand ([operator.acts]): what the Worker makes of such a request is not seen"
            .to_owned(),
    )
}

fn no_act(what: &str) -> Stop {
    Stop::NotVerified(format!(
        "the operator has no way to do this: give the route under [dialect], or [operator.acts] {what}"
    ))
}

impl Scene {
    /// Does an operator's request by hand, if the manifest says how; `None` for what a route does.
    pub(super) async fn by_hand(
        &mut self,
        request: &Request,
    ) -> Result<Option<Arc<Exchange>>, Stop> {
        let target = Arc::clone(&self.run.target);
        let acts = target.acts();
        if acts.is_empty() || !request.as_operator {
            return Ok(None);
        }
        let dialect = target.dialect();
        let Some((operation, id)) = dialect.operation(&request.method, &request.path) else {
            return Ok(None);
        };
        if !operation.alters_tenants() {
            return Ok(None);
        }
        let fields: Map<String, Value> = serde_json::from_slice(&request.body).unwrap_or_default();
        let begun = (clock::now(), clock::epoch_ms());
        let shown = match operation {
            Operation::CreateTenant if acts.create.is_some() => self.create(acts, &fields).await?,
            Operation::DeleteTenant if acts.delete.is_some() => {
                self.delete(acts, id.as_deref()).await?
            }
            Operation::ChangeTenant => match self.change(acts, id.as_deref(), &fields).await? {
                Some(shown) => shown,
                None => return Ok(None),
            },
            Operation::CreateTenant
            | Operation::DeleteTenant
            | Operation::Health
            | Operation::Status
            | Operation::Chat
            | Operation::ListTenants
            | Operation::ReadTenant
            | Operation::Routing
            | Operation::Usage
            | Operation::StartGateway
            | Operation::Gateway => return Ok(None),
        };
        let body = bytes::Bytes::from(shown.to_string());
        let exchange = Arc::new(Exchange {
            number: self.exchanges.len() + 1,
            request: client::sent("by hand", request),
            status: operation.success(),
            headers: Vec::new(),
            body_len: body.len(),
            body,
            sent_at: begun.0,
            sent_at_ms: begun.1,
            connected_after: None,
            head_after: begun.0.elapsed(),
            done_after: begun.0.elapsed(),
            reading: None,
            told_later: None,
        });
        // It is no exchange with the target: what is judged over all of them never sees it.
        self.exchanges.push(Arc::clone(&exchange));
        Ok(Some(exchange))
    }

    async fn create(&mut self, acts: &Acts, fields: &Map<String, Value>) -> Result<Value, Stop> {
        let act = acts.create.as_ref().ok_or_else(|| no_act("create"))?;
        let slug = fields.get("slug").and_then(Value::as_str);
        let slug = slug.ok_or_else(not_plain)?.to_owned();
        let instance = self.instance().await?;
        let mut tenant = Tenant::new(&instance, &slug, "free");
        let id = fields.get("id").map(|id| id.as_str().map(str::to_owned));
        if let Some(id) = id {
            let id = id.ok_or_else(not_plain)?;
            let is_canonical =
                uuid::Uuid::try_parse(&id).is_ok_and(|uuid| uuid.hyphenated().to_string() == id);
            if !is_canonical || self.tenants.values().any(|other| other.id == id) {
                return Err(not_plain());
            }
            tenant.sandbox_id = crate::oracle::sandbox_id::expected(&id);
            tenant.id = id;
        }
        let mut rest = fields.clone();
        rest.remove("id");
        self.put(&mut tenant, &rest)?;
        let target = Arc::clone(&self.run.target);
        act.perform(target.as_ref(), &instance, &tenant, &tenant)
            .await?;
        Ok(tenant.creation())
    }

    async fn change(
        &mut self,
        acts: &Acts,
        id: Option<&str>,
        fields: &Map<String, Value>,
    ) -> Result<Option<Value>, Stop> {
        let has_route = self.run.target.dialect().has(Operation::ChangeTenant);
        let known = fields.keys().all(|field| acts.of_field(field).is_some());
        if has_route && !known {
            return Ok(None);
        }
        let mut tenant = self.known(id)?;
        let former = tenant.clone();
        self.put(&mut tenant, fields)?;
        tenant.host = self.instance().await?.tenant_host(&tenant.slug);
        let (target, instance) = (Arc::clone(&self.run.target), self.instance().await?);
        for field in fields.keys() {
            let act = acts.of_field(field).ok_or_else(|| no_act(field))?;
            act.perform(target.as_ref(), &instance, &tenant, &former)
                .await?;
        }
        Ok(Some(tenant.creation()))
    }

    async fn delete(&mut self, acts: &Acts, id: Option<&str>) -> Result<Value, Stop> {
        let act = acts.delete.as_ref().ok_or_else(|| no_act("delete"))?;
        let tenant = self.known(id)?;
        let (target, instance) = (Arc::clone(&self.run.target), self.instance().await?);
        act.perform(target.as_ref(), &instance, &tenant, &tenant)
            .await?;
        Ok(json!({}))
    }

    fn known(&self, id: Option<&str>) -> Result<Tenant, Stop> {
        let known = self.tenants.values();
        let mut own = known.filter(|tenant| Some(tenant.id.as_str()) == id);
        own.next().cloned().ok_or_else(not_plain)
    }

    /// Puts fields into a tenant, if each is one that an operator would give by hand and nobody else has.
    fn put(&self, tenant: &mut Tenant, fields: &Map<String, Value>) -> Result<(), Stop> {
        let others: Vec<&Tenant> = self
            .tenants
            .values()
            .filter(|other| other.id != tenant.id)
            .collect();
        let is_label = |text: &str| {
            !text.is_empty()
                && text.len() <= 63
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        for (field, value) in fields {
            match (field.as_str(), value) {
                ("slug", Value::String(slug))
                    if is_label(slug) && !others.iter().any(|other| other.slug == *slug) =>
                {
                    tenant.slug.clone_from(slug);
                }
                ("tier", Value::String(tier))
                    if ["free", "premium", "enterprise"].contains(&tier.as_str()) =>
                {
                    tenant.tier.clone_from(tier);
                }
                ("platform", Value::String(platform)) => tenant.platform.clone_from(platform),
                ("domains", Value::Array(list)) => {
                    tenant.domains.clear();
                    for domain in list {
                        let domain = domain.as_str().ok_or_else(not_plain)?;
                        let is_taken = others
                            .iter()
                            .any(|other| other.domains.iter().any(|own| own == domain));
                        if is_taken {
                            return Err(not_plain());
                        }
                        tenant.domains.push(domain.to_owned());
                    }
                }
                _ => return Err(not_plain()),
            }
        }
        Ok(())
    }
}
