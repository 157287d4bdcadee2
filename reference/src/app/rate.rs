//! The third gate of public routes: quotas by tenant, or by client ip where there is no tenant. Never counts an admin request.

use super::error::{Error, LimitType};
use super::resolve::Tenant;
use super::{App, Caller};
use crate::domain::tenant::Tier;
use crate::ports::RateDecision;
use std::io::Write;

/// Room for `t:` and a UUID, or `i:` and the longest IPv6 text.
const KEY_LEN_MAX: usize = 48;

impl App {
    /// Counts a request against its quota (RL-001 to RL-009).
    ///
    /// # Errors
    /// [`Error::RateLimited`] when the quota is used up; then nothing is counted.
    pub fn admit(&self, caller: &Caller, tenant: Option<&Tenant>) -> Result<RateDecision, Error> {
        let quotas = &self.config.quotas;
        let (limit_type, limit) = match tenant {
            None => (LimitType::ClientIp, quotas.free),
            Some(tenant) => match tenant.tier {
                Tier::Free => (LimitType::TenantQuota, quotas.free),
                Tier::Premium => (LimitType::TenantQuota, quotas.premium),
                Tier::Enterprise => (LimitType::TenantQuota, quotas.enterprise),
            },
        };
        let mut buffer = [0_u8; KEY_LEN_MAX];
        let mut rest = buffer.as_mut_slice();
        // Both texts fit: neither write can fail.
        match tenant {
            Some(tenant) => rest
                .write_all(b"t:")
                .and_then(|()| rest.write_all(&tenant.id.canonical())),
            None => write!(rest, "i:{}", caller.client_ip),
        }
        .unwrap_or_default();
        let unused = rest.len();
        let key = std::str::from_utf8(&buffer[..KEY_LEN_MAX - unused]).unwrap_or_default();
        let decision = self.ports.limiter.admit(key, limit, quotas.period);
        if decision.admitted {
            Ok(decision)
        } else {
            Err(Error::RateLimited {
                limit_type,
                decision,
                period: quotas.period,
            })
        }
    }
}
