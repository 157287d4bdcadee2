//! The key set of an Access team domain. Never judges a token.

use crate::ports::{AccessKeys, Clock, KeySetUnavailable};
use async_trait::async_trait;
use jsonwebtoken::DecodingKey;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Why the client of a key set could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The HTTP client refused its settings, or no root certificates could be loaded.
    #[error("http client cannot be built")]
    Client(#[source] reqwest::Error),
}

/// Fetched and cached keys.
pub struct TeamDomainKeys {
    _clock: Arc<dyn Clock>,
}

impl TeamDomainKeys {
    /// Keys published at `certs_url`, trusted for `cache`; `cooldown` is the least time between fetches that unknown key ids or failures cause.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn new(
        _certs_url: Url,
        _cache: Duration,
        _cooldown: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        Ok(Self { _clock: clock })
    }
}

#[async_trait]
impl AccessKeys for TeamDomainKeys {
    async fn key(&self, _kid: &str) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        unimplemented!("follows")
    }
}
