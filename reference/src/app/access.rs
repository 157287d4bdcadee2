//! The gate of admin routes: Cloudflare Access tokens. Never tells a caller which check failed.

use super::error::{DenialReason, Error};
use super::{App, Caller};
use crate::config::AccessConfig;
use crate::log::Event;
use crate::ports::AccessKeys;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, crypto, decode_header};
use serde::Deserialize;

/// Longest token that is looked at; real ones have about 1 KiB, the contract's hostile one 64 KiB (ACC-012).
const TOKEN_LEN_MAX: usize = 16 * 1024;
/// Longest key id; real ones have 64 hexadecimal digits.
const KID_LEN_MAX: usize = 256;
/// Clocks of the team domain and of this host may differ by this much.
const LEEWAY_SECONDS: f64 = 10.0;

/// What a token must say. Built once.
pub struct AccessPolicy {
    issuer: String,
    audience: String,
    login_url: String,
}

#[derive(Deserialize)]
struct Claims {
    aud: Audience,
    iss: String,
    /// `NumericDate` may have a fraction.
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(rename = "type")]
    token_type: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    common_name: Option<String>,
}

/// Whom a valid token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The `email` of a person, or the `common_name` of a service token.
    pub name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn includes(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

impl AccessPolicy {
    /// Where an operator signs in.
    #[must_use]
    pub fn login_url(&self) -> &str {
        &self.login_url
    }

    /// The policy of a complete configuration.
    #[must_use]
    pub fn of(config: &AccessConfig) -> Option<Self> {
        let issuer = config.team_origin.as_ref()?.origin().ascii_serialization();
        Some(Self {
            login_url: format!("{issuer}/cdn-cgi/access/login"),
            issuer,
            audience: config.audience.clone()?,
        })
    }

    /// Verifies one token (ACC-002 to ACC-016).
    ///
    /// # Errors
    /// [`DenialReason`], for the log.
    pub async fn verify(
        &self,
        token: &str,
        keys: &dyn AccessKeys,
        now_ms: i64,
    ) -> Result<(), DenialReason> {
        self.identify(token, keys, now_ms).await.map(|_operator| ())
    }

    /// Verifies one token and says whose it is.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub async fn identify(
        &self,
        token: &str,
        keys: &dyn AccessKeys,
        now_ms: i64,
    ) -> Result<Operator, DenialReason> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(DenialReason("oversized"));
        }
        let header = decode_header(token).map_err(|_source| DenialReason("malformed"))?;
        if header.alg != Algorithm::RS256 {
            return Err(DenialReason("algorithm"));
        }
        let kid = header
            .kid
            .filter(|kid| kid.len() <= KID_LEN_MAX)
            .ok_or(DenialReason("no_key_id"))?;
        let key = keys
            .key(&kid)
            .await
            .map_err(|_source| DenialReason("key_set_unavailable"))?;
        let key = key.ok_or(DenialReason("unknown_key"))?;
        // Claims are read once and checked on the Clock port's time: the library would read them twice and ask the system.
        let parts = (token.rsplit_once('.')).and_then(|(message, signature)| {
            let (_header, claims) = message.split_once('.')?;
            Some((message, claims, signature))
        });
        let (message, claims, signature) = parts.ok_or(DenialReason("malformed"))?;
        let signed = crypto::verify(signature, message.as_bytes(), &key, Algorithm::RS256);
        if !signed.is_ok_and(|signed| signed) {
            return Err(DenialReason("signature"));
        }
        let claims = URL_SAFE_NO_PAD
            .decode(claims)
            .map_err(|_source| DenialReason("claims"))?;
        let claims: Claims =
            serde_json::from_slice(&claims).map_err(|_source| DenialReason("claims"))?;
        self.check_claims(&claims, now_ms)?;
        let named = |name: &String| !name.is_empty();
        let name = claims.email.filter(named);
        Ok(Operator {
            name: name.or_else(|| claims.common_name.filter(named)),
        })
    }

    fn check_claims(&self, claims: &Claims, now_ms: i64) -> Result<(), DenialReason> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "epoch milliseconds stay far below 2^52"
        )]
        let now = now_ms as f64 / 1000.0;
        let checks = [
            (claims.exp + LEEWAY_SECONDS > now, "expired"),
            (
                claims.nbf.is_none_or(|nbf| nbf - LEEWAY_SECONDS <= now),
                "not_yet_valid",
            ),
            (claims.iss == self.issuer, "issuer"),
            (claims.aud.includes(&self.audience), "audience"),
            (claims.token_type == "app", "type"),
        ];
        match checks.iter().find(|(holds, _)| !holds) {
            Some((_, reason)) => Err(DenialReason(reason)),
            None => Ok(()),
        }
    }
}

impl App {
    /// The Access gate. `token` is what the request carries, if anything.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], the same for every reason.
    pub async fn authorize(&self, caller: &Caller, token: Option<&str>) -> Result<(), Error> {
        let reason = match self.check_token(token).await {
            Ok(()) => return Ok(()),
            Err(reason) => reason,
        };
        if self.config.dev_mode {
            self.log.write(&Event::AccessRelaxed {
                reason: reason.0,
                request_id: caller.request_id,
            });
            return Ok(());
        }
        let login_url = self
            .access
            .as_ref()
            .map(|policy| policy.login_url.clone())
            .unwrap_or_default();
        Err(Error::AccessDenied { reason, login_url })
    }

    async fn check_token(&self, token: Option<&str>) -> Result<(), DenialReason> {
        let (Some(policy), Some(keys)) = (&self.access, &self.ports.keys) else {
            return Err(DenialReason("not_configured"));
        };
        let token = token.ok_or(DenialReason("no_token"))?;
        policy
            .verify(token, keys.as_ref(), self.ports.clock.now_ms())
            .await
    }
}
