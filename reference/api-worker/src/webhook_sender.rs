//! Webhooks over HTTP, to public addresses only. Never follows a redirect, never connects to an address that was not checked.

use crate::domain::address::{Endpoint, is_public};
use crate::webhook_names::Names;
use async_trait::async_trait;
use moltworker_reference::upstream_client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`, epoch seconds.
    pub timestamp_s: i64,
    /// `webhook-signature`.
    pub signature: String,
    /// JSON.
    pub body: String,
}

/// The way of webhooks into the world.
#[async_trait]
pub trait WebhookSender: Send + Sync {
    /// Sends; the status of the answer, `None` if none came in time.
    async fn send(&self, endpoint: &Endpoint, signed: &Signed) -> Option<u16>;
    /// Whether the endpoint's name leads to an address that no webhook may go to. A name that leads nowhere does not.
    async fn is_private(&self, endpoint: &Endpoint) -> bool;
}

/// Why the client could not be built.
#[derive(Debug, thiserror::Error)]
#[error("http client cannot be built")]
pub struct BuildError(#[source] reqwest::Error);

/// An endpoint's name leads to a private address.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to a private address")]
struct PrivateAddress;

/// Sends over HTTP.
pub struct HttpSender {
    /// For endpoints whose addresses are checked: it resolves names to public addresses or not at all.
    checked: reqwest::Client,
    /// For endpoints that are allowed by name.
    allowed: reqwest::Client,
    names: Names,
}

impl HttpSender {
    /// A sender that waits so long for an answer, and asks the resolver at this address for names, or the system's.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn new(timeout: Duration, resolver: Option<Url>) -> Result<Self, BuildError> {
        let names = Names::of(resolver, timeout).map_err(BuildError)?;
        let public = PublicOnly(names.clone());
        let checked = upstream_client::client(|builder| {
            let public = Arc::new(public.clone());
            builder.timeout(timeout).dns_resolver(public)
        });
        let allowed = upstream_client::client(|builder| builder.timeout(timeout));
        Ok(Self {
            checked: checked.map_err(BuildError)?,
            allowed: allowed.map_err(BuildError)?,
            names,
        })
    }
}

#[async_trait]
impl WebhookSender for HttpSender {
    async fn send(&self, endpoint: &Endpoint, signed: &Signed) -> Option<u16> {
        let client = if endpoint.is_checked {
            &self.checked
        } else {
            &self.allowed
        };
        let request = client
            .post(endpoint.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &signed.id)
            .header("webhook-timestamp", signed.timestamp_s)
            .header("webhook-signature", &signed.signature)
            .body(signed.body.clone());
        // Only the status counts; the body is dropped unread.
        request
            .send()
            .await
            .ok()
            .map(|response| response.status().as_u16())
    }

    async fn is_private(&self, endpoint: &Endpoint) -> bool {
        let Some(Host::Domain(name)) = endpoint.url.host() else {
            return false;
        };
        if !endpoint.is_checked {
            return false;
        }
        match (self.names.addresses(name).await, &self.names) {
            (Ok(addresses), _) => !all_public(&addresses),
            // The system's resolver tells nobody whether a name leads nowhere or was not looked up; the attempt looks again.
            (Err(_), Names::System) => false,
            // One that is asked by us says that a name leads nowhere: without its answer nobody knows where this one does.
            (Err(_), Names::Asked { .. }) => true,
        }
    }
}

fn all_public(addresses: &[IpAddr]) -> bool {
    addresses.iter().all(|address| is_public(*address))
}

/// Resolves a name, unless one of its addresses is private. The connection goes to what was resolved here, so that no second look-up
/// can lead elsewhere.
#[derive(Clone)]
struct PublicOnly(Names);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.0.clone();
        Box::pin(async move {
            let addresses = names.addresses(name.as_str()).await?;
            if !all_public(&addresses) {
                return Err(Box::new(PrivateAddress).into());
            }
            // The port of the address is the URL's.
            let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            let addresses: Addrs = Box::new(addresses);
            Ok(addresses)
        })
    }
}
