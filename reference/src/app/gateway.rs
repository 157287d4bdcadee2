//! Sandbox gateways: their state, and starting them. Never uses a sandbox id that it did not derive.

use super::App;
use super::error::{Error, Store};
use super::resolve::Tenant;
use crate::domain::sandbox_id::SandboxId;
use crate::domain::tenant::TenantId;
use crate::ports::{GatewayState, GatewayStatus};

impl App {
    /// How a tenant's gateway stands.
    ///
    /// # Errors
    /// [`Error::Store`], in development [`Error::Configuration`].
    pub async fn gateway_status(&self, sandbox: SandboxId) -> Result<GatewayStatus, Error> {
        self.runtime()?
            .status(sandbox)
            .await
            .map_err(Error::store(Store::R2))
    }

    /// Starts a gateway unless it runs: a cold request (SMK-004).
    ///
    /// # Errors
    /// [`Error::Store`], in development [`Error::Configuration`].
    pub async fn ensure_gateway(&self, sandbox: SandboxId) -> Result<GatewayStatus, Error> {
        let status = self.gateway_status(sandbox).await?;
        match status.state {
            GatewayState::Running => Ok(status),
            GatewayState::Stopped | GatewayState::Starting => self
                .runtime()?
                .start(sandbox)
                .await
                .map_err(Error::store(Store::R2)),
        }
    }

    /// Starts a tenant's gateway for the operator.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`], [`Error::SandboxIdInvalid`], [`Error::Store`].
    pub async fn start_gateway_of(
        &self,
        tenant: TenantId,
    ) -> Result<(SandboxId, GatewayStatus), Error> {
        let sandbox = Tenant::trust(self.tenant_record(tenant).await?)?.sandbox;
        Ok((sandbox, self.ensure_gateway(sandbox).await?))
    }

    /// How a tenant's gateway stands, for the operator.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`], [`Error::SandboxIdInvalid`], [`Error::Store`].
    pub async fn gateway_of(&self, tenant: TenantId) -> Result<(SandboxId, GatewayStatus), Error> {
        let sandbox = Tenant::trust(self.tenant_record(tenant).await?)?.sandbox;
        Ok((sandbox, self.gateway_status(sandbox).await?))
    }
}
