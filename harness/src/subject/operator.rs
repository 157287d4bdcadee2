//! The operator's credential on a deployment whose team domain is not ours. Never shown: its debug text is empty.

use crate::client::{Request, SERVICE_SECRET_HEADER};
use std::fmt;

/// How the harness proves to be operator.
#[derive(Clone, PartialEq, Eq)]
pub enum Operator {
    /// An Access token, as `Cf-Access-Jwt-Assertion`.
    Token(String),
    /// A service token: the edge exchanges it for an Access token.
    ServiceToken {
        /// `CF-Access-Client-Id`.
        client_id: String,
        /// `CF-Access-Client-Secret`.
        secret: String,
    },
    /// None over HTTP: what the operator does, the manifest says how to do by hand.
    ByHand,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operator")
    }
}

impl Operator {
    /// The headers that carry it.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Token(token) => vec![("cf-access-jwt-assertion", token.as_str())],
            Self::ServiceToken { client_id, secret } => vec![
                ("cf-access-client-id", client_id.as_str()),
                (SERVICE_SECRET_HEADER, secret.as_str()),
            ],
            Self::ByHand => Vec::new(),
        }
    }

    /// What of it may appear nowhere.
    #[must_use]
    pub fn secret(&self) -> &str {
        match self {
            Self::Token(secret) | Self::ServiceToken { secret, .. } => secret,
            Self::ByHand => "",
        }
    }

    /// The request with the credential.
    #[must_use]
    pub fn on(&self, mut request: Request) -> Request {
        request.as_operator = true;
        self.headers()
            .into_iter()
            .fold(request, |request, (name, value)| {
                request.header(name, value)
            })
    }
}
