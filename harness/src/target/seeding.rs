//! Tenants for scenarios: how they are made and what the harness expects of them. Never takes an expectation from the target.

use super::{Fault, Instance, run_marks};
use crate::client::{Client, Request};
use crate::oracle::sandbox_id;
use crate::target::dialect::Dialect;
use serde_json::{Value, json};

/// A tenant that a scenario owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Canonical UUID text, chosen by the harness.
    pub id: String,
    /// Subdomain label.
    pub slug: String,
    /// Host of its subdomain.
    pub host: String,
    /// Tier name as stored.
    pub tier: String,
    /// Platform as stored.
    pub platform: String,
    /// Custom host names.
    pub domains: Vec<String>,
    /// The sandbox id that the contract demands, by the harness's own oracle.
    pub sandbox_id: String,
}

impl Tenant {
    /// A tenant yet to be made, with a fresh id.
    #[must_use]
    pub fn new(instance: &Instance, slug: &str, tier: &str) -> Self {
        let id = run_marks::tenant_id(slug);
        Self {
            sandbox_id: sandbox_id::expected(&id),
            host: instance.tenant_host(slug),
            id,
            slug: slug.to_owned(),
            tier: tier.to_owned(),
            platform: "web".to_owned(),
            domains: Vec::new(),
        }
    }

    /// The body of the creating request.
    #[must_use]
    pub fn creation(&self) -> Value {
        json!({ "id": self.id, "slug": self.slug, "tier": self.tier, "platform": self.platform, "domains": self.domains })
    }
}

/// Makes the tenant: by the admin route where the harness can be operator, else by writing D1 and KV.
///
/// # Errors
/// [`Fault`] when neither way is there or the target refuses: the scenario cannot be judged.
pub async fn make(
    client: &Client,
    dialect: &Dialect,
    instance: &Instance,
    tenant: &Tenant,
) -> Result<(), Fault> {
    match instance.operator() {
        Some(operator) => {
            let request = operator
                .on(Request::new("POST", dialect.tenants.clone()))
                .json(&tenant.creation());
            let answer = client
                .send(&instance.base, &request, 0)
                .await
                .map_err(|error| Fault(error.to_string()))?;
            if answer.status == 201 {
                return Ok(());
            }
            Err(Fault(format!(
                "cannot create tenant `{}`: {} {}",
                tenant.slug,
                answer.status,
                answer.text()
            )))
        }
        None => write(dialect, instance, tenant).await,
    }
}

async fn write(dialect: &Dialect, instance: &Instance, tenant: &Tenant) -> Result<(), Fault> {
    if instance.d1.is_none() || instance.kv.is_none() {
        return Err(Fault(format!(
            "no way to create a tenant on variant `{}`",
            instance.variant.name()
        )));
    }
    plant(dialect, instance, tenant).await
}

/// Writes the tenant behind the target's back into those of D1 and KV that the harness can write there.
///
/// # Errors
/// [`Fault`] when a store refuses.
pub async fn plant(dialect: &Dialect, instance: &Instance, tenant: &Tenant) -> Result<(), Fault> {
    let fault = |error: crate::observe::CannotObserve| Fault(error.to_string());
    // The slug goes first and the row last: whatever a killed run leaves, its slug or its id tells whose it is.
    if let Some(kv) = &instance.kv {
        kv.put(&dialect.kv_slug.replace("{slug}", &tenant.slug), &tenant.id)
            .await
            .map_err(fault)?;
        let names = json!({ "slug": tenant.slug, "domains": tenant.domains }).to_string();
        kv.put(&dialect.kv_names.replace("{id}", &tenant.id), &names)
            .await
            .map_err(fault)?;
        for domain in &tenant.domains {
            kv.put(&dialect.kv_host.replace("{host}", domain), &tenant.id)
                .await
                .map_err(fault)?;
        }
    }
    let Some(d1) = &instance.d1 else {
        return Ok(());
    };
    let now = crate::clock::epoch_ms();
    let sql = "INSERT INTO tenants (id, platform, tier, sandbox_id, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
    let params = [
        json!(tenant.id),
        json!(tenant.platform),
        json!(tenant.tier),
        json!(tenant.sandbox_id),
        json!(now),
    ];
    d1.execute(sql, &params).await.map_err(fault).map(drop)
}
