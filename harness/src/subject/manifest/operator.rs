//! How the harness is operator of a deployment whose team domain it does not play. Never holds a secret in plain text: the environment gives it.

use super::acts::Acts;
use crate::subject::operator::Operator;
use schemars::JsonSchema;
use serde::Deserialize;

/// The operator's credential, and what stands before the admin routes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorEntry {
    /// An Access token of an operator, sent as `Cf-Access-Jwt-Assertion`. Sent before a service token where both are given and no edge stands before the target.
    pub token: Option<String>,
    /// An Access service token, sent with admin requests: the edge exchanges it for an Access token.
    pub service_token: Option<ServiceToken>,
    /// What the operator does by SQL, KV or a command, where no route does it.
    #[serde(default)]
    pub acts: Acts,
    /// Access stands before the admin routes at the edge: a refusal there says nothing about the Worker's own lock.
    #[serde(default)]
    pub edge: bool,
    /// An address of the same Worker that no edge guards (such as its workers.dev address): the Worker's own lock is tried there.
    pub direct_address: Option<String>,
}

/// An Access service token.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceToken {
    /// `CF-Access-Client-Id`.
    pub client_id: String,
    /// `CF-Access-Client-Secret`.
    pub secret: String,
}

impl OperatorEntry {
    /// What the harness proves itself with.
    #[must_use]
    pub fn credential(&self) -> Option<Operator> {
        let token = self.token.clone().map(Operator::Token);
        let service = self
            .service_token
            .clone()
            .map(|service| Operator::ServiceToken {
                client_id: service.client_id,
                secret: service.secret,
            });
        let by_hand = (!self.acts.is_empty()).then_some(Operator::ByHand);
        // An edge lets nobody in by a token that it did not make for this request.
        let told = if self.edge {
            service.or(token)
        } else {
            token.or(service)
        };
        told.or(by_hand)
    }
}
