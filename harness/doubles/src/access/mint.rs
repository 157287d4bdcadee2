//! Makes tokens: claims as Access writes them, then the one thing that is wrong. It never checks a token.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    TokenKind, certificate,
    key_set::{NamedKey, hex_64},
    keys::{self, KeyError},
};
use crate::clock;

/// Access's default session.
const SESSION_SECONDS: u64 = 24 * 60 * 60;
/// Far enough from now that no leeway for clock skew bridges it.
const OFF_SECONDS: u64 = 60 * 60;
/// A service token's life as captured live: a 1 h session and a second.
const SERVICE_SECONDS: u64 = 3601;
/// What the contract calls oversized.
const OVERSIZED_BYTES: usize = 64 * 1024;
/// Another team; reserved for examples, so it can never resolve.
const OTHER_TEAM: &str = "https://other-team.cloudflareaccess.example";
/// Another team as Access names them. Its name has one letter more than a name of a host may have: it can never resolve either.
const OTHER_ACCESS_TEAM: &str =
    "https://another-team-whose-name-is-one-letter-too-long-for-any-host-name.cloudflareaccess.com";

/// Just beyond any leeway: libraries grant none (jose), 60 s (jsonwebtoken) or, set by hand, up to some 2 minutes.
const MARGIN_SECONDS: u64 = 240;
/// A week.
const WEEK_SECONDS: u64 = 7 * 24 * 60 * 60;
/// How old a token is unless told otherwise.
const AGE_SECONDS: u64 = 60;
/// Within the leeway that libraries grant to clocks: jose none, jsonwebtoken 60 s.
const SKEW_SECONDS: u64 = 30;
/// Whom user tokens name unless told otherwise.
pub(super) const EMAIL: &str = "operator@example.com";

/// Who issues for whom.
pub(super) struct Issuing<'a> {
    pub(super) origin: &'a str,
    pub(super) audience: &'a str,
    pub(super) key: &'a NamedKey,
    pub(super) email: &'a str,
    /// Whether it is a service's token, where the kind does not say so itself.
    pub(super) is_service: bool,
    /// When tokens are over, in epoch seconds; without it they live as long as the platform's.
    pub(super) expires_at: Option<u64>,
}

impl Issuing<'_> {
    /// A token of this kind.
    pub(super) fn token(&self, kind: TokenKind) -> Result<String, KeyError> {
        let key_id = self.key.name.as_str();
        match kind {
            TokenKind::Good
            | TokenKind::GoodServiceToken
            | TokenKind::AudienceAsString
            | TokenKind::AudienceArrayOfTwo
            | TokenKind::OfALongSession
            | TokenKind::OfThisSecond
            | TokenKind::WithCustomClaims
            | TokenKind::Expired
            | TokenKind::NotYetValid
            | TokenKind::ExpiredFourMinutesAgo
            | TokenKind::ValidInFourMinutes
            | TokenKind::OfTheNextHour
            | TokenKind::WrongAudience
            | TokenKind::AudienceContainingOurs
            | TokenKind::AudiencePartOfOurs
            | TokenKind::EmptyAudience
            | TokenKind::NoAudience
            | TokenKind::WrongIssuer
            | TokenKind::IssuerBeginningWithOurs
            | TokenKind::IssuerWithAPath
            | TokenKind::IssuerOfAnotherScheme
            | TokenKind::IssuerOfAnotherAccessTeam
            | TokenKind::IssuerEndingWithOurs
            | TokenKind::IssuerOfAnotherPort
            | TokenKind::NoIssuer
            | TokenKind::NoExpiry
            | TokenKind::OrgType
            | TokenKind::ValidInHalfAMinute
            | TokenKind::ExpiredHalfAMinuteAgo
            | TokenKind::Oversized => self.signed(&rs256(Some(key_id)), &self.claims(kind)),
            TokenKind::UnknownKid => self.under(&hex_64(), kind),
            TokenKind::EmptyKid => self.under("", kind),
            TokenKind::KidInOtherCase => self.under(&in_other_case(key_id), kind),
            TokenKind::KidWithBlanks => self.under(&format!(" {key_id} "), kind),
            TokenKind::KidBeginningWithOurs => self.under(&format!("{key_id}0"), kind),
            TokenKind::KidPartOfOurs => self.under(first_half(key_id), kind),
            TokenKind::OversizedToTheLetter => self.of_length(OVERSIZED_BYTES),
            TokenKind::NoKid => self.signed(&rs256(None), &self.claims(kind)),
            TokenKind::AlgRs512 => {
                let mut header = rs256(Some(key_id));
                header.alg = Algorithm::RS512;
                self.signed(&header, &self.claims(kind))
            }
            TokenKind::Hs256WithPublicKey => {
                let mut header = rs256(Some(key_id));
                header.alg = Algorithm::HS256;
                let secret = EncodingKey::from_secret(self.key.material.public_pem().as_bytes());
                Ok(jsonwebtoken::encode(&header, &self.claims(kind), &secret)?)
            }
            TokenKind::BadSignature => Ok(with_signature(&self.good()?, flip_a_bit)),
            TokenKind::NoSignature => Ok(with_signature(&self.good()?, |_| String::new())),
            TokenKind::TamperedPayload => self.tampered(),
            TokenKind::AlgNone => Ok(self.unsigned("none")),
            TokenKind::AlgNoneMixedCase => Ok(self.unsigned("nOnE")),
            TokenKind::ForeignTeamKey
            | TokenKind::EmbeddedJwkOwnKid
            | TokenKind::EmbeddedCertificate => self.foreign(&hex_64(), kind),
            TokenKind::ForeignTeamKeyOurKid | TokenKind::EmbeddedJwk => self.foreign(key_id, kind),
            TokenKind::NotAJwt => Ok("not-a-jwt".to_owned()),
            TokenKind::Empty => Ok(String::new()),
        }
    }

    fn good(&self) -> Result<String, KeyError> {
        self.token(TokenKind::Good)
    }

    fn signed(&self, header: &Header, claims: &Map<String, Value>) -> Result<String, KeyError> {
        Ok(jsonwebtoken::encode(
            header,
            claims,
            &self.key.material.signing,
        )?)
    }

    /// Signed by our key, under this key id.
    fn under(&self, key_id: &str, kind: TokenKind) -> Result<String, KeyError> {
        self.signed(&rs256(Some(key_id)), &self.claims(kind))
    }

    /// A good token but for its length: the first that is not shorter than this, which is this long but where base64 knows no such length.
    fn of_length(&self, length: usize) -> Result<String, KeyError> {
        let header = rs256(Some(self.key.name.as_str()));
        let mut claims = self.claims(TokenKind::OversizedToTheLetter);
        claims.insert("custom".to_owned(), json!(""));
        let shortest = self.signed(&header, &claims)?.len();
        // Three bytes are four letters; what is left over is found by trying.
        let mut filling = length.saturating_sub(shortest + 4) / 4 * 3;
        loop {
            claims.insert("custom".to_owned(), json!("x".repeat(filling)));
            let token = self.signed(&header, &claims)?;
            if token.len() >= length {
                return Ok(token);
            }
            filling += 1;
        }
    }

    fn foreign(&self, key_id: &str, kind: TokenKind) -> Result<String, KeyError> {
        let foreign = keys::material(keys::FOREIGN)?;
        let mut header = rs256(Some(key_id));
        if kind == TokenKind::EmbeddedJwk || kind == TokenKind::EmbeddedJwkOwnKid {
            let mut jwk = Jwk::from_encoding_key(&foreign.signing, Algorithm::RS256)?;
            jwk.common.key_id = Some(key_id.to_owned());
            header.jwk = Some(jwk);
        }
        if kind == TokenKind::EmbeddedCertificate {
            let now = OffsetDateTime::UNIX_EPOCH + clock::since_epoch();
            let certificate = certificate::self_signed(&foreign, OTHER_TEAM, now)?;
            header.x5c = Some(vec![STANDARD.encode(certificate)]);
        }
        Ok(jsonwebtoken::encode(
            &header,
            &self.claims(kind),
            &foreign.signing,
        )?)
    }

    /// A good token's header and signature around the payload of somebody else.
    fn tampered(&self) -> Result<String, KeyError> {
        let good = self.good()?;
        let mut claims = self.claims(TokenKind::Good);
        claims.insert("email".to_owned(), json!("intruder@example.com"));
        let payload = base64url(&Value::Object(claims).to_string());
        let parts: Vec<&str> = good.split('.').collect();
        Ok([parts[0], &payload, parts[2]].join("."))
    }

    fn unsigned(&self, alg: &str) -> String {
        let header = json!({"alg": alg, "kid": self.key.name.as_str(), "typ": "JWT"});
        let claims = Value::Object(self.claims(TokenKind::AlgNone));
        format!(
            "{}.{}.",
            base64url(&header.to_string()),
            base64url(&claims.to_string())
        )
    }

    /// The claims of a kind: a user's, changed in what the kind is about.
    fn claims(&self, kind: TokenKind) -> Map<String, Value> {
        let now = clock::epoch_seconds();
        let other_audience = "0".repeat(64);
        let (removed, changed): (&[&str], Value) = match kind {
            TokenKind::GoodServiceToken => return self.service_claims(now),
            TokenKind::AudienceAsString => (&[], json!({"aud": self.audience})),
            TokenKind::AudienceArrayOfTwo => (&[], json!({"aud": [other_audience, self.audience]})),
            TokenKind::OfALongSession => (
                &[],
                json!({"iat": now - 3 * WEEK_SECONDS, "nbf": now - 3 * WEEK_SECONDS, "exp": now + WEEK_SECONDS}),
            ),
            TokenKind::OfThisSecond => (&[], json!({"iat": now, "nbf": now})),
            TokenKind::WithCustomClaims => (
                &[],
                json!({"custom": {"groups": ["ops", "on call"], "name": "Änne Ó Briain", "level": 7, "team": null}}),
            ),
            TokenKind::Expired => (&[], self.expired(now - OFF_SECONDS)),
            TokenKind::ExpiredFourMinutesAgo => (&[], self.expired(now - MARGIN_SECONDS)),
            TokenKind::NotYetValid => (&[], json!({"nbf": now + OFF_SECONDS})),
            TokenKind::ValidInFourMinutes => (&[], json!({"nbf": now + MARGIN_SECONDS})),
            TokenKind::OfTheNextHour => (
                &[],
                json!({"iat": now + OFF_SECONDS, "nbf": now + OFF_SECONDS, "exp": now + 2 * OFF_SECONDS}),
            ),
            TokenKind::WrongAudience => (&[], json!({"aud": [other_audience]})),
            TokenKind::AudienceContainingOurs => {
                (&[], json!({"aud": format!("not-{}-at-all", self.audience)}))
            }
            TokenKind::AudiencePartOfOurs => (&[], json!({"aud": [first_half(self.audience)]})),
            TokenKind::EmptyAudience => (&[], json!({"aud": []})),
            TokenKind::NoAudience => (&["aud"], json!({})),
            TokenKind::WrongIssuer => (&[], json!({"iss": OTHER_TEAM})),
            TokenKind::IssuerBeginningWithOurs => {
                (&[], json!({"iss": format!("{}.example", self.origin)}))
            }
            TokenKind::IssuerWithAPath => (&[], json!({"iss": format!("{}/other", self.origin)})),
            TokenKind::IssuerOfAnotherScheme => {
                (&[], json!({"iss": with_other_scheme(self.origin)}))
            }
            TokenKind::IssuerOfAnotherAccessTeam => (&[], json!({"iss": OTHER_ACCESS_TEAM})),
            TokenKind::IssuerEndingWithOurs => (
                &[],
                json!({"iss": self.origin.replacen("://", "://other-", 1)}),
            ),
            TokenKind::IssuerOfAnotherPort => (&[], json!({"iss": with_other_port(self.origin)})),
            TokenKind::NoIssuer => (&["iss"], json!({})),
            TokenKind::NoExpiry => (&["exp"], json!({})),
            TokenKind::OrgType => (&[], json!({"type": "org"})),
            TokenKind::Oversized => (&[], json!({"custom": "x".repeat(OVERSIZED_BYTES)})),
            TokenKind::ValidInHalfAMinute => (&[], json!({"nbf": now + SKEW_SECONDS})),
            TokenKind::ExpiredHalfAMinuteAgo => (&[], self.expired(now - SKEW_SECONDS)),
            TokenKind::Good
            | TokenKind::BadSignature
            | TokenKind::NoSignature
            | TokenKind::AlgNone
            | TokenKind::AlgNoneMixedCase
            | TokenKind::Hs256WithPublicKey
            | TokenKind::AlgRs512
            | TokenKind::UnknownKid
            | TokenKind::NoKid
            | TokenKind::EmptyKid
            | TokenKind::KidInOtherCase
            | TokenKind::KidWithBlanks
            | TokenKind::KidBeginningWithOurs
            | TokenKind::KidPartOfOurs
            | TokenKind::OversizedToTheLetter
            | TokenKind::TamperedPayload
            | TokenKind::ForeignTeamKey
            | TokenKind::ForeignTeamKeyOurKid
            | TokenKind::EmbeddedJwk
            | TokenKind::EmbeddedJwkOwnKid
            | TokenKind::EmbeddedCertificate
            | TokenKind::NotAJwt
            | TokenKind::Empty => (&[], json!({})),
        };
        let mut claims = if self.is_service {
            self.service_claims(now)
        } else {
            self.user_claims(now)
        };
        for name in removed {
            claims.remove(*name);
        }
        if let Value::Object(changed) = changed {
            claims.extend(changed);
        }
        claims
    }

    /// Times of a token that is over since then.
    fn expired(&self, at: u64) -> Value {
        let begin = at - OFF_SECONDS;
        if self.is_service {
            json!({"exp": at, "iat": begin})
        } else {
            json!({"exp": at, "iat": begin, "nbf": begin})
        }
    }

    /// From when on a token is good: a while ago, so that it is whatever the clocks say, or from now on where its end is stated; a token that
    /// is over already was good before.
    fn begin(&self, now: u64) -> u64 {
        match self.expires_at {
            Some(at) if at <= now => at - OFF_SECONDS,
            Some(_) => now,
            None => now - AGE_SECONDS,
        }
    }

    fn user_claims(&self, now: u64) -> Map<String, Value> {
        let begin = self.begin(now);
        object(json!({
            "aud": [self.audience],
            "email": self.email,
            "exp": self.expires_at.unwrap_or(begin + SESSION_SECONDS),
            "iat": begin,
            "nbf": begin,
            "iss": self.origin,
            "type": "app",
            "identity_nonce": &Uuid::new_v4().simple().to_string()[..16],
            "sub": Uuid::new_v4().to_string(),
            "country": "DE",
        }))
    }

    fn service_claims(&self, now: u64) -> Map<String, Value> {
        let begin = self.begin(now);
        object(json!({
            "aud": self.audience,
            "common_name": format!("{}.access", Uuid::new_v4().simple()),
            "exp": self.expires_at.unwrap_or(begin + SERVICE_SECONDS),
            "iat": begin,
            "iss": self.origin,
            "type": "app",
            "sub": "",
            "h_INTERNAL_DO_NOT_USE": "-",
        }))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

fn with_other_scheme(origin: &str) -> String {
    match origin.split_once("://") {
        Some(("https", rest)) => format!("http://{rest}"),
        Some((_http, rest)) => format!("https://{rest}"),
        None => format!("https://{origin}"),
    }
}

/// The same host at a port that nobody was told of.
fn with_other_port(origin: &str) -> String {
    const OTHER: &str = "8443";
    const THE_OTHER: &str = "8444";
    let authority = origin.rsplit('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((_host, port)) if port.parse::<u16>().is_ok() => {
            let other = if port == OTHER { THE_OTHER } else { OTHER };
            let kept = origin.strip_suffix(port).unwrap_or(origin);
            format!("{kept}{other}")
        }
        Some(_) | None => format!("{origin}:{OTHER}"),
    }
}

fn in_other_case(text: &str) -> String {
    let upper = text.to_ascii_uppercase();
    if upper == text {
        text.to_ascii_lowercase()
    } else {
        upper
    }
}

fn first_half(text: &str) -> &str {
    text.char_indices()
        .nth(text.chars().count() / 2)
        .map_or(text, |(middle, _)| &text[..middle])
}

fn rs256(key_id: Option<&str>) -> Header {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = key_id.map(str::to_owned);
    header
}

fn base64url(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn with_signature(token: &str, change: impl Fn(&str) -> String) -> String {
    match token.rsplit_once('.') {
        Some((signed, signature)) => format!("{signed}.{}", change(signature)),
        None => token.to_owned(),
    }
}

/// Flips a bit in the middle, so that it is still base64url of the right length.
fn flip_a_bit(signature: &str) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    URL_SAFE_NO_PAD.encode(bytes)
}
