//! A tenant as the harness expects it. Never takes an expectation from the target.

use super::{Instance, run_marks};
use crate::oracle::sandbox_id;
use serde_json::{Value, json};

/// A tenant that a scenario owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Canonical UUID text, chosen by the harness unless the target insists on its own.
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
