//! Calls to Cloudflare AI Gateway. Never retries, never follows a redirect, never passes a caller's header on.

use crate::ports::{AiGateway, UpstreamAnswer, UpstreamCall, UpstreamError};
use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

/// Why a client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The HTTP client refused its settings, or no root certificates could be loaded.
    #[error("http client cannot be built")]
    Client(#[source] reqwest::Error),
    /// The address cannot carry a path.
    #[error("not an http address")]
    Address,
    /// The key holds characters that no header can.
    #[error("the key cannot be sent in a header")]
    Key,
}

/// AI Gateway over HTTP.
pub struct HttpAiGateway {
    _key: SecretString,
}

impl HttpAiGateway {
    /// A client of the gateway at `base`.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn new(_base: Url, key: SecretString) -> Result<Self, BuildError> {
        Ok(Self { _key: key })
    }
}

#[async_trait]
impl AiGateway for HttpAiGateway {
    async fn call(&self, _call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamError> {
        unimplemented!("follows")
    }
}
