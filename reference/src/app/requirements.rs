//! The first gate: which configuration a route needs and what of it is missing. Never shows a value.

use super::error::Error;
use super::{App, Ports};
use crate::config::Config;

/// What a request is about to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteClass {
    /// `/sandbox-health`.
    Health,
    /// Any other public route.
    Public,
    /// The chat route.
    Chat,
    /// Admin routes.
    Admin,
}

/// The missing names, sorted, per kind of requirement.
#[derive(Debug, Clone)]
pub struct Requirements {
    bindings: Vec<&'static str>,
    app_domain: Vec<&'static str>,
    access: Vec<&'static str>,
    ai_gateway: Vec<&'static str>,
}

impl Requirements {
    /// Looks at configuration and ports.
    #[must_use]
    pub fn of(config: &Config, ports: &Ports) -> Self {
        let named = |pairs: &[(&'static str, bool)]| -> Vec<&'static str> {
            pairs
                .iter()
                .filter(|(_, missing)| *missing)
                .map(|(name, _)| *name)
                .collect()
        };
        let bindings = named(&[
            ("MOLTBOT_BUCKET", ports.bucket.is_none()),
            (
                "TENANT_DB",
                ports.tenants.is_none() || ports.usage.is_none(),
            ),
            (
                "TENANT_KV",
                ports.registry.is_none() || ports.sandbox_kv.is_none(),
            ),
        ]);
        let app_domain = named(&[("APP_DOMAIN", config.app_domain.is_none())]);
        let access = named(&[
            ("CF_ACCESS_AUD", config.access.audience.is_none()),
            (
                "CF_ACCESS_TEAM_DOMAIN",
                config.access.team_origin.is_none() || ports.keys.is_none(),
            ),
        ]);
        let no_key = config.ai_gateway.api_key.is_none();
        let no_base = config.ai_gateway.base_url.is_none() || (ports.gateway.is_none() && !no_key);
        let ai_gateway = named(&[
            ("AI_GATEWAY_BASE_URL", no_base),
            ("CLOUDFLARE_AI_GATEWAY_API_KEY", no_key),
        ]);
        Self {
            bindings,
            app_domain,
            access,
            ai_gateway,
        }
    }

    /// Everything that is missing for any route.
    #[must_use]
    pub fn everything(&self) -> Vec<&'static str> {
        sorted(&[
            &self.bindings,
            &self.app_domain,
            &self.access,
            &self.ai_gateway,
        ])
    }

    /// What is missing for one class of routes.
    #[must_use]
    pub fn missing_for(&self, class: RouteClass) -> Vec<&'static str> {
        match class {
            RouteClass::Health => self.bindings.clone(),
            RouteClass::Public => sorted(&[&self.bindings, &self.app_domain]),
            RouteClass::Chat => sorted(&[&self.bindings, &self.app_domain, &self.ai_gateway]),
            RouteClass::Admin => sorted(&[&self.bindings, &self.access]),
        }
    }

    /// For a port that turns out to be absent in development.
    #[must_use]
    pub fn missing_bindings(&self) -> Error {
        Error::Configuration {
            missing: self.bindings.clone(),
        }
    }

    /// For an AI Gateway that turns out to be absent in development.
    #[must_use]
    pub fn missing_ai_gateway(&self) -> Error {
        Error::Configuration {
            missing: self.ai_gateway.clone(),
        }
    }
}

fn sorted(lists: &[&[&'static str]]) -> Vec<&'static str> {
    let mut names = lists.concat();
    names.sort_unstable();
    names
}

impl App {
    /// The bindings gate: in production nothing happens while something is missing (BND-001 to BND-005, BND-008 to BND-010).
    ///
    /// # Errors
    /// [`Error::Configuration`] with every missing name.
    pub fn require(&self, class: RouteClass) -> Result<(), Error> {
        // Development serves what it can; what it cannot is refused where it is needed.
        if self.config.dev_mode {
            return Ok(());
        }
        let missing = self.requirements.missing_for(class);
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Error::Configuration { missing })
        }
    }
}
