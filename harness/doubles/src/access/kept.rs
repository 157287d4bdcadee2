//! A team domain as a file keeps it, so that its tokens outlive a restart. It never reads or writes the file.

use std::{fmt, io, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    KeyName, TokenKind,
    key_set::{KeptKeys, KeySet},
    mint::{EMAIL, Issuing},
};
use crate::clock;

/// Address, audience and keys of a team domain.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeptTeam {
    pub(super) origin: String,
    pub(super) audience: String,
    #[serde(flatten)]
    pub(super) keys: KeptKeys,
}

impl fmt::Debug for KeptTeam {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptTeam")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// What a token is to say other than usual.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Audience.
    pub audience: Option<String>,
    /// Issuer.
    pub issuer: Option<String>,
    /// Whom a user's token names.
    pub email: Option<String>,
    /// From now until it expires.
    pub life: Option<Duration>,
    /// The key that signs; by default the current one.
    pub key: Option<KeyName>,
}

impl KeptTeam {
    /// Issuer of its tokens.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Audience of its tokens.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// A token of a kind.
    ///
    /// # Errors
    /// When the key wished for is none of the team's, or a kept key is broken.
    pub fn token(&self, kind: TokenKind, wish: &Wish) -> io::Result<String> {
        let keys = KeySet::restore(&self.keys, &self.origin).map_err(io::Error::other)?;
        let name = wish.key.clone().unwrap_or_else(|| keys.current());
        let Some(key) = keys.find(&name) else {
            let known: Vec<String> = keys.list().iter().map(|(kid, _)| kid.to_string()).collect();
            return Err(io::Error::other(format!(
                "the team domain has no key `{name}`; it has: {}",
                known.join(", ")
            )));
        };
        let issuing = Issuing {
            origin: wish.issuer.as_ref().unwrap_or(&self.origin),
            audience: wish.audience.as_ref().unwrap_or(&self.audience),
            key: &key,
            email: wish.email.as_deref().unwrap_or(EMAIL),
            is_service: false,
            expires_at: wish
                .life
                .map(|life| clock::epoch_seconds() + life.as_secs()),
        };
        issuing.token(kind).map_err(io::Error::other)
    }
}
