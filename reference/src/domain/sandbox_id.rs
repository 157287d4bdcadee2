//! The derivation of a sandbox id from a tenant id. Never looks at anything but the id.

use super::tenant::TenantId;
use sha2::{Digest, Sha256};
use std::fmt;

/// Length of a sandbox id: `sk-` and 16 hexadecimal digits (ID-002).
pub const SANDBOX_ID_LEN: usize = 19;

/// `sk-` and the first 16 hexadecimal digits of SHA-256 over the canonical UUID text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SandboxId([u8; SANDBOX_ID_LEN]);

impl SandboxId {
    /// Derives the id of a tenant (ID-001 to ID-005). Does not allocate.
    #[must_use]
    pub fn derive(tenant: &TenantId) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let hash = Sha256::digest(tenant.canonical());
        let mut text = *b"sk-0000000000000000";
        for (pair, byte) in text[3..].chunks_exact_mut(2).zip(hash.iter()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0x0f)];
        }
        Self(text)
    }

    /// The 19 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for SandboxId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
