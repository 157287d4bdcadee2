//! Senders of webhooks that do not heed where names lead, or what they signed. Never connects to what a name leads to unless that is why it is there.

use async_trait::async_trait;
use moltproof_api_worker::resolver::Resolver;
use moltproof_api_worker::teeth::bodies::Alter;
use moltproof_api_worker::teeth::names::Misled;
use moltworker_api_reference::domain::address::Endpoint;
use moltworker_api_reference::webhook_sender::{Signed, WebhookSender};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a connection may take. Evidence: it goes to a listener of this machine.
const CONNECTED_WITHIN: Duration = Duration::from_secs(1);

/// In the place of the reference's own sender.
pub(super) struct Careless {
    pub(super) sender: Arc<dyn WebhookSender>,
    pub(super) misled: Misled,
    pub(super) resolver: Arc<Resolver>,
}

/// The name of an endpoint whose addresses are to be checked.
fn name_of(endpoint: &Endpoint) -> Option<&str> {
    endpoint.url.domain().filter(|_| endpoint.is_checked)
}

#[async_trait]
impl WebhookSender for Careless {
    async fn send(&self, endpoint: &Endpoint, signed: &Signed) -> Option<u16> {
        let Some(name) = name_of(endpoint) else {
            return self.sender.send(endpoint, signed).await;
        };
        match self.misled {
            Misled::Sees(_) | Misled::NotWhenMade => self.sender.send(endpoint, signed).await,
            Misled::Once => None,
            Misled::NotAtAttempts => {
                let port = endpoint.url.port_or_known_default()?;
                for address in self.resolver.addresses(name) {
                    let connecting = TcpStream::connect((address, port));
                    drop(tokio::time::timeout(CONNECTED_WITHIN, connecting).await);
                }
                None
            }
        }
    }

    async fn is_private(&self, endpoint: &Endpoint) -> bool {
        match self.misled {
            Misled::NotWhenMade => false,
            Misled::Sees(_) | Misled::NotAtAttempts | Misled::Once => {
                self.sender.is_private(endpoint).await
            }
        }
    }
}

/// In the place of the reference's own sender: it sends other bytes than were signed.
pub(super) struct Altering {
    pub(super) sender: Arc<dyn WebhookSender>,
    pub(super) alter: Alter,
}

#[async_trait]
impl WebhookSender for Altering {
    async fn send(&self, endpoint: &Endpoint, signed: &Signed) -> Option<u16> {
        let altered = Signed {
            body: (self.alter)(&signed.body),
            ..signed.clone()
        };
        self.sender.send(endpoint, &altered).await
    }

    async fn is_private(&self, endpoint: &Endpoint) -> bool {
        self.sender.is_private(endpoint).await
    }
}
