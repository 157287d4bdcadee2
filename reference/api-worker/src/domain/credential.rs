//! API keys and session tokens: how they are made, read and compared. Never keeps one in plain longer than it must.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// What a credential begins with, which says its kind.
const KEY_MARK: &str = "mpk_";
const SESSION_MARK: &str = "mps_";
/// Bytes of randomness.
const RANDOM_BYTES: usize = 32;
/// Characters of a credential after its mark: base64url of the randomness.
const BODY_CHARS: usize = 43;
/// Characters by which people tell credentials apart.
const PREFIX_CHARS: usize = 12;

/// The two kinds of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An API key.
    Key,
    /// A session token.
    Session,
}

/// No randomness could be had.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no randomness")]
pub struct NoRandomness;

/// SHA-256 of a whole credential, in lower-case hexadecimal: all that a store keeps of it.
/// No slow hash is needed: it makes guessing slow, and nobody guesses 256 random bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash(String);

impl Hash {
    /// The 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a stored hash is this one, in a time that does not tell where they differ.
    #[must_use]
    pub fn is(&self, stored: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), stored.as_bytes()).is_ok()
    }
}

/// Lower-case hexadecimal SHA-256 of a text.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // By a table: formatting each byte would take longer than the hash.
    Sha256::digest(bytes)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|half| char::from(DIGITS[usize::from(half)]))
        .collect()
}

/// A well-formed credential. It has no `Debug` output, so that none can reach a log.
pub struct Credential {
    text: String,
    kind: Kind,
}

impl Credential {
    /// A fresh one.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn random(kind: Kind) -> Result<Self, NoRandomness> {
        let mut bytes = [0_u8; RANDOM_BYTES];
        rand::fill(&mut bytes).map_err(|_unspecified| NoRandomness)?;
        let mark = match kind {
            Kind::Key => KEY_MARK,
            Kind::Session => SESSION_MARK,
        };
        Ok(Self {
            text: format!("{mark}{}", URL_SAFE_NO_PAD.encode(bytes)),
            kind,
        })
    }

    /// Reads what follows `Bearer`; `None` if it is no credential at all.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let marks = [(KEY_MARK, Kind::Key), (SESSION_MARK, Kind::Session)];
        let (body, kind) = marks
            .iter()
            .find_map(|(mark, kind)| text.strip_prefix(mark).map(|body| (body, *kind)))?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (body.len() == BODY_CHARS && body.bytes().all(allowed)).then(|| Self {
            text: text.to_owned(),
            kind,
        })
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The whole credential, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Its first characters.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.text[..PREFIX_CHARS]
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash(sha256_hex(self.text.as_bytes()))
    }
}

/// The secret of a webhook: `whsec_` and the base64 of 32 random bytes.
///
/// # Errors
/// [`NoRandomness`].
pub fn webhook_secret() -> Result<String, NoRandomness> {
    let mut bytes = [0_u8; RANDOM_BYTES];
    rand::fill(&mut bytes).map_err(|_unspecified| NoRandomness)?;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    Ok(format!("whsec_{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_credential_is_read_again_and_is_never_the_same() {
        for kind in [Kind::Key, Kind::Session] {
            let (one, other) = (
                Credential::random(kind).unwrap(),
                Credential::random(kind).unwrap(),
            );
            assert_ne!(one.expose(), other.expose());
            let read = Credential::parse(one.expose()).unwrap();
            assert_eq!((read.kind(), one.expose().len()), (kind, 47));
            assert!(read.hash().is(one.hash().as_str()) && !read.hash().is(other.hash().as_str()));
        }
    }

    #[test]
    fn what_is_no_credential_is_not_read() {
        let good = Credential::random(Kind::Key).unwrap();
        for text in [
            "",
            "mpk_",
            &good.expose()[1..],
            &format!("{}x", good.expose()),
            &good.expose().replace("mpk_", "mpx_"),
            &format!("mpk_{}", "é".repeat(22)),
            &format!("mpk_{}=", "a".repeat(42)),
        ] {
            assert!(Credential::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_hash_is_sha_256_of_the_whole_credential() {
        // The key of the development seed: what the file says of it must be so.
        let key = Credential::parse("mpk_alice_development_key_which_is_no_secret_AA").unwrap();
        let seed = include_str!("../../../../migrations/api-worker/seeds/dev_seed.sql");
        assert!(seed.contains(key.hash().as_str()) && seed.contains(key.prefix()));
    }
}
