//! What both doubles' own addresses below `/__moltproof/` have in common. It never does what an address asks for.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::wire::{Connection, Head, Received};

/// Where a double that runs alone is looked at and steered; no Worker has a reason to call it.
pub(super) const PREFIX: &str = "/__moltproof/";

/// What an address answers.
#[derive(Debug)]
pub(super) struct Told {
    status: u16,
    body: Value,
}

impl Told {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    /// No such address, or not that way.
    pub(super) fn unknown(known: &[&str]) -> Self {
        let body = json!({"error": "nothing here answers that", "known": known});
        Self { status: 404, body }
    }

    pub(super) fn invalid(why: impl Into<String>) -> Self {
        let body = json!({"error": why.into()});
        Self { status: 400, body }
    }

    pub(super) fn failed(why: impl Into<String>) -> Self {
        let body = json!({"error": why.into()});
        Self { status: 500, body }
    }

    /// Answers; whether the connection goes on.
    pub(super) async fn send(self, connection: &mut Connection) -> bool {
        let head = Head::new(self.status)
            .header("content-type", b"application/json")
            .header("cache-control", b"no-store");
        let body = format!("{}\n", self.body);
        connection.answer(head, body.as_bytes()).await.is_ok()
    }
}

/// The rest of the path, if a request is for such an address.
pub(super) fn asked(received: &Received) -> Option<&str> {
    let path = received.target.split('?').next()?;
    path.strip_prefix(PREFIX)
}

/// First value of a query parameter.
pub(super) fn parameter(received: &Received, name: &str) -> Option<String> {
    let (_, query) = received.target.split_once('?')?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}
