//! A Cloudflare Access team domain: a rotating key set and tokens, good and bad. It never verifies a token.

mod certificate;
mod console;
mod kept;
mod key_set;
mod keys;
mod mint;
mod server;
mod token;

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

pub use kept::{KeptTeam, Wish};
use serde_json::Value;
pub use server::Keeper;
pub use token::{Due, SHORT_NAMES, TokenKind};
use tokio::sync::watch;

use self::{
    key_set::{KeySet, NamedKey},
    mint::{EMAIL, Issuing},
    server::Shared,
};
use super::{clock, place::Place, thread::OwnThread, wire};

/// A cached token is used this long; the shortest-lived good one lives an hour.
const TOKEN_REUSE_SECONDS: u64 = 30 * 60;

/// Names a key of an issuer: its `kid`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(String);

impl KeyName {
    /// The key of this `kid`.
    #[must_use]
    pub fn of(kid: &str) -> Self {
        Self(kid.to_owned())
    }

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
pub struct AccessIssuer {
    shared: Arc<Shared>,
    authority: String,
    minted: Mutex<BTreeMap<(KeyName, TokenKind), Minted>>,
    users: Mutex<BTreeMap<(KeyName, String), Minted>>,
    thread: OwnThread,
}

struct Minted {
    token: String,
    at_seconds: u64,
}

impl fmt::Debug for AccessIssuer {
    /// Without keys and tokens: a world's debug text may be printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessIssuer")
            .field("origin", &self.shared.origin)
            .finish_non_exhaustive()
    }
}

impl AccessIssuer {
    /// Starts a team domain with two published keys on 127.0.0.1 and a free port.
    ///
    /// # Errors
    /// When a key, a socket or a thread cannot be had.
    pub fn start() -> io::Result<Self> {
        Self::start_at(&Place::default())
    }

    /// Starts a team domain with two published keys.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_at(place: &Place) -> io::Result<Self> {
        Self::open(place, None, None)
    }

    /// Starts a team domain that is to run alone, with kept keys if there are some. It is steered by addresses below
    /// `/__moltproof/`; `keeper` is given what to keep, now and after each change of keys.
    ///
    /// # Errors
    /// As [`Self::start`]; when kept keys are broken; whatever the keeper fails with.
    pub fn start_alone(place: &Place, kept: Option<&KeptTeam>, keeper: Keeper) -> io::Result<Self> {
        let started = Self::open(place, kept, Some(keeper))?;
        started.shared.keep()?;
        Ok(started)
    }

    fn open(place: &Place, kept: Option<&KeptTeam>, keeper: Option<Keeper>) -> io::Result<Self> {
        let taken = place.take()?;
        let keys = match kept {
            Some(kept) => KeySet::restore(&kept.keys, &taken.authority),
            None => KeySet::new(&taken.authority),
        };
        let shared = Arc::new(Shared {
            keys: Mutex::new(keys.map_err(io::Error::other)?),
            mode: watch::Sender::new(KeySetMode::Reachable),
            fetches: AtomicU64::new(0),
            requests: Mutex::default(),
            origin: taken.origin,
            audience: kept.map_or_else(key_set::hex_64, |kept| kept.audience.clone()),
            keeper,
        });
        let shared_there = Arc::clone(&shared);
        let (listener, acceptor) = (taken.listener, taken.acceptor);
        let thread = OwnThread::spawn("access-issuer-double", move || async move {
            wire::serve(listener, acceptor, move |connection| {
                server::serve(Arc::clone(&shared_there), connection)
            })
            .await;
        })?;
        Ok(Self {
            shared,
            authority: taken.authority,
            minted: Mutex::default(),
            users: Mutex::default(),
            thread,
        })
    }

    /// Whether it still serves: a double that has stopped is a fault of the harness, and no call or its absence shows anything then.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.thread.is_up()
    }

    /// Stops it for good while others still hold it: for tests of what depends on it.
    pub fn stop(&self) {
        self.thread.stop();
    }

    /// What a backend takes as `CF_ACCESS_TEAM_DOMAIN`, and the issuer of the tokens: such as `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn origin(&self) -> String {
        self.shared.origin.clone()
    }

    /// Host and port of [`Self::origin`], for a backend that puts `https://` before it.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What a backend takes as `CF_ACCESS_AUD`: 64 hex digits.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.shared.audience
    }

    /// A token of this kind, by the current key. Signed once, then reused while it is fresh.
    #[must_use]
    pub fn token(&self, kind: TokenKind) -> String {
        self.token_signed_with(&self.current_key(), kind)
    }

    /// A good token of another person than the operator, by the current key. Signed once, then reused while it is fresh.
    #[must_use]
    pub fn users_token(&self, email: &str) -> String {
        let (now, key) = (clock::epoch_seconds(), self.current_key());
        let slot = (key.clone(), email.to_owned());
        if let Some(minted) = lock(&self.users).get(&slot)
            && now.saturating_sub(minted.at_seconds) < TOKEN_REUSE_SECONDS
        {
            return minted.token.clone();
        }
        let token = self.issued(&self.pair(&key), TokenKind::Good, false, email, None);
        let minted = Minted {
            token: token.clone(),
            at_seconds: now,
        };
        lock(&self.users).insert(slot, minted);
        token
    }

    /// A service's token with what is wrong with this kind, by the current key.
    #[must_use]
    pub fn service_token(&self, kind: TokenKind) -> String {
        self.issued(&self.pair(&self.current_key()), kind, true, EMAIL, None)
    }

    /// A token of this kind, by a certain key, published or not.
    ///
    /// # Panics
    /// When the key is another issuer's.
    #[must_use]
    pub fn token_signed_with(&self, key: &KeyName, kind: TokenKind) -> String {
        let now = clock::epoch_seconds();
        let slot = (key.clone(), kind);
        // What is good in a moment may not be kept until it is, nor what is about this one.
        let is_of_the_moment = [
            TokenKind::OfThisSecond,
            TokenKind::ValidInHalfAMinute,
            TokenKind::ValidInFourMinutes,
        ]
        .contains(&kind);
        if !is_of_the_moment
            && let Some(minted) = lock(&self.minted).get(&slot)
            && now.saturating_sub(minted.at_seconds) < TOKEN_REUSE_SECONDS
        {
            return minted.token.clone();
        }
        let token = self.signed(&self.pair(key), kind);
        let minted = Minted {
            token: token.clone(),
            at_seconds: now,
        };
        lock(&self.minted).insert(slot, minted);
        token
    }

    /// The keys that the set lists, in its order.
    #[must_use]
    pub fn listed_keys(&self) -> Vec<KeyName> {
        let certs = self.certs_json();
        let keys = certs["keys"].as_array().into_iter().flatten();
        keys.filter_map(|key| key["kid"].as_str().map(KeyName::of))
            .collect()
    }

    /// A good token by one key that names another: each is listed, and the signature does not hold by the one that is named.
    ///
    /// # Panics
    /// When the key is another issuer's.
    #[must_use]
    pub fn token_under_another_name(&self, signer: &KeyName, named: &KeyName) -> String {
        self.signed(&self.pair(signer).called(named), TokenKind::Good)
    }

    fn pair(&self, key: &KeyName) -> NamedKey {
        match lock(&self.shared.keys).find(key) {
            Some(pair) => pair,
            None => panic!("{key} is no key of this issuer"),
        }
    }

    fn signed(&self, key: &NamedKey, kind: TokenKind) -> String {
        self.issued(key, kind, false, EMAIL, None)
    }

    /// A good token by the current key that is over at this time, in epoch seconds: another one at each call.
    #[must_use]
    pub fn token_until(&self, expires_at: u64) -> String {
        let key = self.pair(&self.current_key());
        self.issued(&key, TokenKind::Good, false, EMAIL, Some(expires_at))
    }

    fn issued(
        &self,
        key: &NamedKey,
        kind: TokenKind,
        is_service: bool,
        email: &str,
        expires_at: Option<u64>,
    ) -> String {
        let issuing = Issuing {
            origin: &self.origin(),
            audience: self.audience(),
            key,
            email,
            is_service,
            expires_at,
        };
        issuing
            .token(kind)
            .expect("a generated RSA key signs any claims")
    }

    /// The key that signs `token`.
    #[must_use]
    pub fn current_key(&self) -> KeyName {
        lock(&self.shared.keys).current()
    }

    /// The public half of a key as a PEM file holds it; `None` if it is another issuer's.
    #[must_use]
    pub fn public_key_pem(&self, key: &KeyName) -> Option<String> {
        let key = lock(&self.shared.keys).find(key)?;
        Some(key.material.public_pem())
    }

    /// Publishes a new key, which signs from now on; all others stay published.
    ///
    /// # Panics
    /// When no key can be generated.
    pub fn rotate_in(&self) -> KeyName {
        lock(&self.shared.keys)
            .rotate_in()
            .expect("a process that started an issuer can generate another key")
    }

    /// Takes a key out of the key set; it can still sign, as a stolen old key would. Says whether it was published.
    ///
    /// When it was the current one, the newest published key signs from now on.
    pub fn rotate_out(&self, key: &KeyName) -> bool {
        lock(&self.shared.keys).rotate_out(key)
    }

    /// A new key that the key set does not list yet.
    ///
    /// # Panics
    /// When no key can be generated.
    pub fn unpublished_key(&self) -> KeyName {
        let mut keys = lock(&self.shared.keys);
        let name = keys
            .rotate_in()
            .expect("a process that started an issuer can generate another key");
        keys.rotate_out(&name);
        name
    }

    /// Publishes a key that the key set does not list, behind all others. Says whether there was one.
    pub fn publish(&self, key: &KeyName) -> bool {
        lock(&self.shared.keys).publish(key)
    }

    /// Reachable, or connections closed without an answer.
    pub fn set_reachable(&self, reachable: bool) {
        self.set_mode(if reachable {
            KeySetMode::Reachable
        } else {
            KeySetMode::Closed
        });
    }

    /// How the key set answers from now on; requests left hanging are answered as the new mode says.
    pub fn set_mode(&self, mode: KeySetMode) {
        self.shared.mode.send_replace(mode);
    }

    /// How often the key set was asked for, unanswered requests included.
    #[must_use]
    pub fn fetches(&self) -> u64 {
        self.shared.fetches.load(Ordering::SeqCst)
    }

    /// The line of a request, whatever it asked for, in which this text was sent here: a header, the target or the body.
    #[must_use]
    pub fn was_sent(&self, text: &str) -> Option<String> {
        let requests = lock(&self.shared.requests);
        let mut lines = requests.iter().flatten();
        lines.find(|line| line.contains(text)).cloned()
    }

    /// The key set as published now.
    #[must_use]
    pub fn certs_json(&self) -> Value {
        lock(&self.shared.keys).document()
    }
}

/// Each change under these locks is one step, so a panic elsewhere leaves the state whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
