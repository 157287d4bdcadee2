//! What a tenant is. Never talks to a store.

use super::sandbox_id::SandboxId;
use std::fmt;

/// A tenant's UUID in canonical form: lower-case, hyphenated, 36 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(uuid::Uuid);

/// The text is no UUID in any of the accepted forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct NotAUuid;

impl TenantId {
    /// Parses a UUID: canonical, upper-case, braced, `urn:uuid:` or without hyphens (ID-008).
    ///
    /// # Errors
    /// [`NotAUuid`] for any other text.
    pub fn parse(text: &str) -> Result<Self, NotAUuid> {
        uuid::Uuid::try_parse(text)
            .map(Self)
            .map_err(|_source| NotAUuid)
    }

    /// A fresh random id (version 4).
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4())
    }

    /// The canonical text, 36 ASCII bytes.
    #[must_use]
    pub fn canonical(&self) -> [u8; 36] {
        let mut text = [0; 36];
        self.0.hyphenated().encode_lower(&mut text);
        text
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for TenantId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.canonical()).unwrap_or_default())
    }
}

/// A service level. `Tier::effective` is the only way from stored text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Smallest model, no fallback.
    Free,
    /// Larger model with fallback.
    Premium,
    /// Routed as premium, larger quota.
    Enterprise,
}

impl Tier {
    /// The tier that a stored text stands for: unknown or empty means free (AIG-006).
    #[must_use]
    pub fn effective(stored: &str) -> Self {
        Self::parse(stored).unwrap_or(Self::Free)
    }

    /// The tier of exactly this name, as an operator may give it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "free" => Some(Self::Free),
            "premium" => Some(Self::Premium),
            "enterprise" => Some(Self::Enterprise),
            _ => None,
        }
    }

    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Premium => "premium",
            Self::Enterprise => "enterprise",
        }
    }
}

/// One row of `tenants`, as stored: `tier` and `sandbox_id` are texts, since the data may hold what the door would refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRecord {
    /// Primary key.
    pub id: TenantId,
    /// The product surface.
    pub platform: String,
    /// See [`Tier::effective`].
    pub tier: String,
    /// See [`TenantRecord::trusted_sandbox_id`].
    pub sandbox_id: String,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub updated_at: i64,
}

impl TenantRecord {
    /// The sandbox id, if the stored one is exactly the derived one (ID-007).
    #[must_use]
    pub fn trusted_sandbox_id(&self) -> Option<SandboxId> {
        let derived = SandboxId::derive(&self.id);
        (derived.as_str() == self.sandbox_id).then_some(derived)
    }
}

/// The names under which a tenant is found; kept in the registry (KV), not in D1.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TenantNames {
    /// The tenant's subdomain label.
    pub slug: String,
    /// Custom host names, lower-case ASCII.
    pub domains: Vec<String>,
}
