//! Tenants for scenarios: how they are made and what the harness expects of them. Never takes an expectation from the target.

use super::manifest::{FixedTenant, Seeding};
use super::registry;
use super::templates::{Told, written};
use super::tenant::Tenant;
use super::{Fault, Instance, Target};
use crate::client::{Client, NoAnswer, Request};
use crate::oracle::sandbox_id;
use crate::subject::dialect::Dialect;
use crate::subject::dialect::reading::Reading;
use crate::subject::operator::Operator;
use serde_json::json;
use std::sync::Arc;

/// Why there is no such tenant.
#[derive(Debug)]
pub enum NotMade {
    /// The target has no way to make it: reason and remedy.
    NoWay(String),
    /// It should have been made.
    Fault(Fault),
}

impl From<Fault> for NotMade {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Makes the tenant as the target is seeded: by the admin route, or by writing D1 and KV.
/// What is returned has the id that the target gave it, where the target chooses ids.
///
/// # Errors
/// [`NotMade`] when there is no way or the target refuses: the scenario cannot be judged.
pub async fn make(
    client: &Client,
    target: &dyn Target,
    instance: &Instance,
    tenant: &Tenant,
) -> Result<Tenant, NotMade> {
    let by_stores = matches!(target.seeding(), Some(Seeding::Stores { .. }));
    if matches!(target.seeding(), Some(Seeding::Fixed { .. })) {
        return Err(NotMade::NoWay(
            "the target's tenants are fixed: no other can be made".to_owned(),
        ));
    }
    match instance.operator() {
        Some(operator) if !by_stores => {
            create(client, target.dialect(), instance, tenant, &operator).await
        }
        Some(_) | None => {
            if instance.d1.is_none() || instance.kv.is_none() {
                let variant = instance.variant.name();
                return Err(NotMade::NoWay(format!(
                    "no way to create a tenant on variant `{variant}`: {}",
                    crate::contract::need::Need::Tenants.remedy()
                )));
            }
            plant(target, instance, tenant).await?;
            Ok(tenant.clone())
        }
    }
}

async fn create(
    client: &Client,
    dialect: &Dialect,
    instance: &Instance,
    tenant: &Tenant,
    operator: &Operator,
) -> Result<Tenant, NotMade> {
    let request = operator
        .on(Request::new("POST", dialect.tenants.clone()))
        .json(&tenant.creation());
    let mut spoken = dialect.speak(request);
    let about = spoken.about_new(instance);
    let furnished = dialect.furnish(&mut spoken, instance, &about);
    furnished.map_err(NotMade::NoWay)?;
    if let Some(field) = spoken.unsaid.iter().find(|field| needs(tenant, field)) {
        return Err(NotMade::NoWay(format!(
            "the target's creating request takes no {field} (manifest: dialect.create_tenant body has no {{{field}}})"
        )));
    }
    let missed = Arc::default();
    let mut request = spoken.request;
    request.reading = Reading::of(dialect, spoken.operation, &missed);
    let answer = client
        .send(&instance.base, &request, 0)
        .await
        .map_err(|error| match error {
            NoAnswer::Withheld(why) | NoAnswer::GivenUp(why) => NotMade::NoWay(why),
            NoAnswer::Unreachable { .. }
            | NoAnswer::Broken(_)
            | NoAnswer::TooSlow(_)
            | NoAnswer::Unsendable(_)
            | NoAnswer::NotTheWorker(_)
            | NoAnswer::LockedAtTheEdge(_) => NotMade::Fault(Fault(error.to_string())),
        })?;
    // Whoever reports what is missing on every route reports it to operators too: no scenario has a tenant there.
    if answer.status == 503 && answer.has_code("CONFIGURATION_ERROR") {
        return Err(NotMade::NoWay(format!(
            "operators cannot make a tenant on variant `{}`, where every route reports what is missing: {}",
            instance.variant.name(),
            answer.text()
        )));
    }
    if answer.status != 201 {
        return Err(NotMade::Fault(Fault(format!(
            "cannot create tenant `{}` by {} {}: {} {}",
            tenant.slug,
            answer.request.method,
            answer.request.path,
            answer.status,
            answer.text()
        ))));
    }
    if !spoken.unsaid.iter().any(|field| field == "id") {
        return Ok(tenant.clone());
    }
    let in_body = answer.text_at("/id");
    let id = in_body.or_else(|| dialect.id_in_location(&answer));
    let id = id.ok_or_else(|| {
        NotMade::NoWay(
            "the target chooses tenant ids and does not show them in the answer to the creating request (manifest: dialect.tenant_id)".to_owned(),
        )
    })?;
    Ok(Tenant {
        sandbox_id: sandbox_id::expected(&id),
        id,
        ..tenant.clone()
    })
}

/// Whether the tenant cannot do without a field.
fn needs(tenant: &Tenant, field: &str) -> bool {
    match field {
        "slug" => true,
        "tier" => tenant.tier != "free",
        "platform" => tenant.platform != "web",
        "domains" => !tenant.domains.is_empty(),
        _ => false,
    }
}

/// Writes the tenant behind the target's back into those of D1 and KV that the harness can write there.
///
/// # Errors
/// [`Fault`] when a store refuses.
pub async fn plant(target: &dyn Target, instance: &Instance, tenant: &Tenant) -> Result<(), Fault> {
    let fault = |error: crate::observe::CannotObserve| Fault(error.to_string());
    if let Some(Seeding::Stores { sql, .. }) = target.seeding() {
        return plant_by_templates(target, instance, tenant, sql)
            .await
            .map_err(fault);
    }
    let dialect = target.dialect();
    // The slug goes first and the row last: whatever a killed run leaves, its slug or its id tells whose it is.
    if let Some(kv) = &instance.kv {
        for entry in registry::entries_of(target, tenant) {
            entry.put(kv.as_ref()).await.map_err(fault)?;
        }
    }
    if let Some(d1) = &instance.d1 {
        let now = crate::clock::epoch_ms();
        let sql = "INSERT INTO tenants (id, platform, tier, sandbox_id, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
        let params = [
            json!(tenant.id),
            json!(tenant.platform),
            json!(dialect.tier(&tenant.tier)),
            json!(tenant.sandbox_id),
            json!(now),
        ];
        d1.execute(sql, &params).await.map_err(fault)?;
    }
    Ok(())
}

async fn plant_by_templates(
    target: &dyn Target,
    instance: &Instance,
    tenant: &Tenant,
    sql: &[String],
) -> Result<(), crate::observe::CannotObserve> {
    let quoted = |text: &str| text.replace('\'', "''");
    let told = Told {
        dialect: target.dialect(),
        tenant,
        former: None,
    };
    if let Some(store) = &instance.kv {
        for entry in registry::entries_of(target, tenant) {
            entry.put(store.as_ref()).await?;
        }
    }
    if let Some(d1) = &instance.d1 {
        for template in sql {
            for statement in written(&[template], &told, quoted) {
                d1.execute_own(&statement[0], &[]).await?;
            }
        }
    }
    Ok(())
}

/// A tenant that the manifest names, as a scenario's own.
#[must_use]
pub fn fixed(instance: &Instance, there: &FixedTenant) -> Tenant {
    let host = there.host.clone();
    Tenant {
        id: there.id.clone(),
        host: host.unwrap_or_else(|| instance.tenant_host(&there.slug)),
        slug: there.slug.clone(),
        tier: there.tier.clone(),
        platform: there.platform.clone(),
        domains: there.domains.clone(),
        sandbox_id: sandbox_id::expected(&there.id),
    }
}
