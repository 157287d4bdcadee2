//! The gates before every route. Never lets a request past one that refuses it.

use super::error::Error;
use super::{App, Caller};
use crate::domain::credential::Credential;
use crate::domain::fields::Permission;
use crate::store::gate::{Arrival, Passage, Principal};
use moltworker_reference::app::error::DenialReason;

/// Which gates a route stands behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// An operator's.
    Admin,
    /// The chat.
    Chat,
    /// Any other route of users.
    User,
    /// No route at all: counted for its ip, and not found.
    Other,
}

impl Class {
    /// All.
    pub const ALL: &'static [Self] = &[Self::Admin, Self::Chat, Self::User, Self::Other];
}

impl App {
    /// What these classes need and is not configured, in alphabetical order.
    pub(super) fn missing_in(&self, classes: &[Class]) -> Vec<&'static str> {
        let has = |class| classes.contains(&class);
        let needs = [
            (
                has(Class::Chat),
                self.config.ai_gateway.base_url.is_some(),
                "AI_GATEWAY_BASE_URL",
            ),
            (true, self.ports.store.is_some(), "API_DB"),
            (
                has(Class::Admin),
                self.config.access.audience.is_some(),
                "CF_ACCESS_AUD",
            ),
            (
                has(Class::Admin),
                self.config.access.team_origin.is_some(),
                "CF_ACCESS_TEAM_DOMAIN",
            ),
            (
                has(Class::Chat),
                self.config.ai_gateway.api_key.is_some(),
                "CLOUDFLARE_AI_GATEWAY_API_KEY",
            ),
        ];
        let missing = needs
            .into_iter()
            .filter(|(needed, is_there, _)| *needed && !is_there);
        missing.map(|(_, _, name)| name).collect()
    }

    /// The gate of bindings.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn require(&self, class: Class) -> Result<(), Error> {
        let missing = self.missing_in(&[class]);
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Error::Configuration { missing })
        }
    }

    /// The gate of operators: who it is.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], the same for every reason.
    pub async fn authorize(&self, token: Option<&str>) -> Result<String, Error> {
        let denied = |reason| {
            let login_url = self
                .access
                .as_ref()
                .map(|policy| policy.login_url().to_owned());
            Error::AccessDenied {
                reason,
                login_url: login_url.unwrap_or_default(),
            }
        };
        let (Some(policy), Some(keys)) = (&self.access, &self.ports.keys) else {
            return Err(denied(DenialReason("not_configured")));
        };
        let token = token.ok_or_else(|| denied(DenialReason("no_token")))?;
        // Tokens are judged by the real time: a request that tells another one must not revive an old token.
        let operator = policy
            .identify(token, keys.as_ref(), self.ports.clock.now_ms())
            .await;
        let operator = operator.map_err(denied)?;
        // Whoever changes something must have a name in the log.
        operator.name.ok_or_else(|| denied(DenialReason("no_name")))
    }

    /// The gates of users: limits of the ip, credential, limits of the user, permission, quota.
    ///
    /// # Errors
    /// What the first gate says that refuses.
    pub async fn admit(
        &self,
        caller: &Caller,
        credential: Option<Credential>,
        needs: Permission,
    ) -> Result<Principal, Error> {
        let principal = self.arrive(caller, credential).await?;
        let needed = match needs {
            Permission::Chat => "chat",
            Permission::Read => "read",
            Permission::Write => "write",
        };
        if !principal
            .permissions
            .iter()
            .any(|permission| permission == needed)
        {
            return Err(Error::Forbidden {
                permission: Some(needed),
            });
        }
        let used_up = principal
            .quota_requests
            .is_some_and(|quota| principal.requests_used >= quota);
        if needs == Permission::Chat && used_up {
            return Err(Error::QuotaExceeded);
        }
        Ok(principal)
    }

    /// The first three of these gates.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub async fn arrive(
        &self,
        caller: &Caller,
        credential: Option<Credential>,
    ) -> Result<Principal, Error> {
        let arrival = Arrival {
            now: caller.now(),
            environment: self.config.environment,
            ip: caller.client_ip.to_string(),
            credential,
        };
        match self.store()?.admit(arrival).await? {
            Passage::Exceeded(exceeded) => Err(Error::RateLimited(exceeded)),
            Passage::Unauthenticated => Err(Error::Unauthenticated),
            Passage::Admitted(principal) => Ok(principal),
        }
    }
}
