//! A Cloudflare Access team domain: a rotating key set and tokens, good and bad. It never verifies a token.

mod token;

use std::{fmt, io};

use serde_json::Value;
pub use token::TokenKind;

/// Names a key of an issuer: its `kid`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(String);

impl KeyName {
    /// The `kid`, 64 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the key set answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySetMode {
    /// 200 with the keys.
    Reachable,
    /// The connection is closed without an answer.
    Closed,
    /// 503.
    Unavailable,
    /// No answer until the mode changes or the client goes away.
    Hanging,
}

/// A running team domain double. Dropping it stops it.
#[derive(Debug)]
pub struct AccessIssuer {}

impl AccessIssuer {
    /// Starts a team domain with two published keys on 127.0.0.1 and a free port.
    ///
    /// # Errors
    /// When a key, a socket or a thread cannot be had.
    pub fn start() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What a backend takes as `CF_ACCESS_TEAM_DOMAIN`: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn origin(&self) -> String {
        String::new()
    }

    /// What a backend takes as `CF_ACCESS_AUD`: 64 hex digits.
    #[must_use]
    pub fn audience(&self) -> &str {
        ""
    }

    /// A token of this kind, by the current key.
    #[must_use]
    pub fn token(&self, _kind: TokenKind) -> String {
        String::new()
    }

    /// A token of this kind, by a certain key, published or not. `None` for a key this issuer never had.
    #[must_use]
    pub fn token_signed_with(&self, _key: &KeyName, _kind: TokenKind) -> Option<String> {
        None
    }

    /// The key that signs `token`.
    #[must_use]
    pub fn current_key(&self) -> KeyName {
        KeyName(String::new())
    }

    /// Publishes a new key, which signs from now on; all others stay published.
    #[must_use]
    pub fn rotate_in(&self) -> KeyName {
        KeyName(String::new())
    }

    /// Takes a key out of the key set; it can still sign, as a stolen old key would. Says whether it was published.
    pub fn rotate_out(&self, _key: &KeyName) -> bool {
        false
    }

    /// Reachable, or connections closed without an answer.
    pub fn set_reachable(&self, reachable: bool) {
        self.set_mode(if reachable {
            KeySetMode::Reachable
        } else {
            KeySetMode::Closed
        });
    }

    /// How the key set answers from now on.
    pub fn set_mode(&self, _mode: KeySetMode) {}

    /// How often the key set was asked for, unanswered requests included.
    #[must_use]
    pub fn fetches(&self) -> u64 {
        0
    }

    /// The key set as published now.
    #[must_use]
    pub fn certs_json(&self) -> Value {
        Value::Null
    }
}
