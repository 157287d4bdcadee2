//! A token as a whole check reads it, with everything that is wrong with it. Never decides who is let in.

use crate::clock;
use crate::doubles::AccessIssuer;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::Value;
use std::collections::BTreeSet;

/// Longer tokens are no tokens of Access. Evidence: the reference looks at none beyond it.
const TOKEN_LEN_MAX: usize = 16 * 1024;

/// One thing that is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flaw {
    /// Not three parts of which the first two are JSON.
    Malformed,
    /// Far longer than any.
    Size,
    /// Not RS256.
    Algorithm,
    /// Names no listed key.
    KeyId,
    /// Not signed by the key that it names; by none at all if it names no listed key.
    Signature,
    /// No `exp`.
    NoExpiry,
    /// `exp` gone by.
    Expired,
    /// `nbf` ahead.
    NotYetValid,
    /// Another `iss`, or none.
    Issuer,
    /// Another `aud`, or none.
    Audience,
    /// Not of type `app`.
    Kind,
}

/// A token, read.
pub(super) struct Token {
    pub(super) header: Value,
    pub(super) claims: Value,
    pub(super) flaws: BTreeSet<Flaw>,
    pub(super) signature: String,
    /// Its letters, all together.
    pub(super) length: usize,
    /// Header and payload as they are signed.
    pub(super) message: String,
    /// Ids of the listed keys that did sign it.
    pub(super) signed_by: Vec<String>,
    /// The first key of the set.
    pub(super) first_listed: Option<String>,
    /// What the backend's own configuration says.
    pub(super) audience: String,
    pub(super) issuer: String,
}

impl Token {
    /// Reads a token and checks it in every respect, its signature by the key set as it is listed now.
    pub(super) fn read(text: &str, access: &AccessIssuer) -> Self {
        let parts: Vec<&str> = text.split('.').collect();
        let part = |at: usize| parts.get(at).copied().unwrap_or_default();
        let mut token = Self {
            header: decoded(part(0)),
            claims: decoded(part(1)),
            flaws: BTreeSet::new(),
            signature: part(2).to_owned(),
            length: text.len(),
            message: format!("{}.{}", part(0), part(1)),
            signed_by: Vec::new(),
            first_listed: None,
            audience: access.audience().to_owned(),
            issuer: access.origin(),
        };
        if parts.len() != 3 || token.header.is_null() || token.claims.is_null() {
            token.flaws.insert(Flaw::Malformed);
            return token;
        }
        let flaws = [
            (text.len() > TOKEN_LEN_MAX, Flaw::Size),
            (token.header["alg"] != "RS256", Flaw::Algorithm),
        ];
        token.note(&flaws);
        token.check_signature(&access.certs_json());
        token.check_claims();
        token
    }

    fn note(&mut self, found: &[(bool, Flaw)]) {
        let found = found.iter().filter(|(is_there, _)| *is_there);
        self.flaws.extend(found.map(|(_, flaw)| *flaw));
    }

    fn check_signature(&mut self, certs: &Value) {
        let listed = certs["keys"].as_array().cloned().unwrap_or_default();
        self.first_listed = listed.first().map(|key| text(&key["kid"]));
        for key in &listed {
            if rsa_key(key).is_some_and(|key| self.is_signed_by(&key, Algorithm::RS256)) {
                self.signed_by.push(text(&key["kid"]));
            }
        }
        let names = text(&self.header["kid"]);
        let is_listed = listed.iter().any(|key| text(&key["kid"]) == names);
        let fits = if is_listed {
            self.signed_by.contains(&names)
        } else {
            !self.signed_by.is_empty()
        };
        self.note(&[(!is_listed, Flaw::KeyId), (!fits, Flaw::Signature)]);
    }

    fn check_claims(&mut self) {
        let claims = &self.claims;
        let now = now_seconds();
        let (exp, nbf) = (claims["exp"].as_f64(), claims["nbf"].as_f64());
        let audience = self.audiences().contains(&self.audience.as_str());
        let flaws = [
            (exp.is_none(), Flaw::NoExpiry),
            (exp.is_some_and(|exp| exp <= now), Flaw::Expired),
            (nbf.is_some_and(|nbf| nbf > now), Flaw::NotYetValid),
            (claims["iss"] != self.issuer, Flaw::Issuer),
            (!audience, Flaw::Audience),
            (claims["type"] != "app", Flaw::Kind),
        ];
        self.note(&flaws);
    }

    /// Whether a key did sign it.
    pub(super) fn is_signed_by(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        crypto::verify(&self.signature, self.message.as_bytes(), key, algorithm)
            .is_ok_and(|holds| holds)
    }

    /// Whether nothing is wrong with it but these.
    pub(super) fn has_only(&self, flaws: &[Flaw]) -> bool {
        self.flaws.iter().all(|flaw| flaws.contains(flaw))
    }

    /// Every text in `aud`.
    pub(super) fn audiences(&self) -> Vec<&str> {
        let aud = &self.claims["aud"];
        let listed = aud.as_array().into_iter().flatten();
        listed
            .chain(aud.is_string().then_some(aud))
            .filter_map(Value::as_str)
            .collect()
    }
}

/// Now, as tokens count time.
pub(super) fn now_seconds() -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "epoch milliseconds stay far below 2^52"
    )]
    let ms = clock::epoch_ms() as f64;
    ms / 1000.0
}

/// The public key of an entry of a key set.
pub(super) fn rsa_key(entry: &Value) -> Option<DecodingKey> {
    DecodingKey::from_rsa_components(entry["n"].as_str()?, entry["e"].as_str()?).ok()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A part of a token as JSON; null if it is none.
fn decoded(part: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}
