//! Steps of missing configuration: every route, what is named, and what may not happen. Never takes a name from the answer.

mod banner;
mod names;
mod routes;
mod traces;
mod variables;

use crate::contract::need::{Need, Variant};
use crate::doubles::AiGatewayDouble;
use crate::run::book::Book;
use crate::run::scene::Scene;
use crate::subject::seeding;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use std::sync::Arc;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    banner::register(book);
    names::register(book);
    routes::register(book);
    traces::register(book);
    variables::register(book);
}

/// The AI Gateway double of the instance, else of production: a backend without its address may still know one.
async fn any_gateway(s: &mut Scene) -> Result<Arc<AiGatewayDouble>, Stop> {
    if let Some(gateway) = s.instance().await?.gateway.clone() {
        return Ok(gateway);
    }
    let production = s.run.target.instance(Variant::Production).await?;
    production
        .gateway
        .clone()
        .ok_or_else(|| Stop::NotVerified(Need::AiGateway.remedy()))
}

/// The base domain of tenant subdomains, as production has it.
async fn app_domain(s: &mut Scene) -> Result<String, Stop> {
    let own = s.instance().await?.app_domain.clone();
    if !own.is_empty() {
        return Ok(own);
    }
    let production = s.run.target.instance(Variant::Production).await?;
    Ok(production.app_domain.clone())
}

/// A tenant to be, under production's app domain.
async fn tenant_to_be(s: &mut Scene, name: &str) -> Result<Tenant, Stop> {
    let mut tenant = s.new_tenant(name, "free").await?;
    tenant.host = format!("{}.{}", tenant.slug, app_domain(s).await?);
    Ok(tenant)
}

/// Writes a tenant into those of the instance's D1 and KV that are there.
async fn plant(s: &mut Scene, name: &str) -> Check {
    let tenant = tenant_to_be(s, name).await?;
    plant_this(s, name, tenant).await
}

async fn plant_this(s: &mut Scene, name: &str, tenant: Tenant) -> Check {
    let instance = s.instance().await?;
    seeding::plant(s.run.target.as_ref(), &instance, &tenant).await?;
    s.know_tenant(name, tenant);
    Ok(())
}
