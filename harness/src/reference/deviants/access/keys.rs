//! Key sets that are kept too long, too short, or asked for too often. Never judges a token but where the set is out of reach.

use super::super::{Draft, deviant};
use super::token::rsa_key;
use super::{TOKEN, good_token, turns_away};
use crate::client::trust;
use crate::clock;
use crate::doubles::AccessIssuer;
use crate::reference::altered::Parts;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use jsonwebtoken::{DecodingKey, decode_header};
use moltworker_reference::ports::{AccessKeys, KeySetUnavailable};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A time that no scenario waits for.
const FOR_EVER_SECONDS: &str = "86400";
/// Between two fetches of a check that fetches no more often than it should.
const COOLDOWN: Duration = Duration::from_secs(1);
/// How long such a check keeps a set. Evidence: so does the variant whose keys change.
const CACHE: Duration = Duration::from_secs(2);

pub(super) fn all() -> Vec<Draft> {
    let mut all = by_configuration();
    all.extend(kept_otherwise());
    all.extend([
        deviant(
            "key-set-fetched-with-the-gateways-key",
            "What the backend asks of other servers carries the key of the AI Gateway, the key set as well",
            &["AIG-021"],
        )
        .parts(|parts| {
            let key = parts.config.ai_gateway.api_key.as_ref();
            let key = key.map(|key| key.expose_secret().to_owned());
            let origin = parts.config.access.team_origin.clone();
            let inner = parts.ports.keys.take();
            parts.ports.keys = inner.map(|inner| match (key, origin) {
                (Some(key), Some(origin)) => {
                    let source = Source::of(&origin.origin().ascii_serialization());
                    Arc::new(SeenFirst { inner, source, key, seen: AtomicBool::new(false) }) as _
                }
                _ => inner,
            });
        }),
        deviant(
            "key-set-fetched-once",
            "The key set is fetched when the first token comes, and never again",
            &["ACC-015"],
        )
        .parts(|parts| fetching(parts, Manner::Once)),
        deviant(
            "key-set-fetched-at-each-request",
            "The key set is fetched anew for each token, and nobody gets in while it is out of reach",
            &["ACC-016"],
        )
        .parts(|parts| fetching(parts, Manner::AtEachRequest)),
        deviant(
            "first-failure-kept",
            "A key set that could not be had at first is not asked for again before a restart",
            &["ACC-016"],
        )
        .parts(|parts| given_up_after(parts, 1)),
        deviant(
            "key-set-given-up-after-eight-failures",
            "A key set that could not be had eight times is not asked for again before a restart",
            &["ACC-016"],
        )
        .parts(|parts| given_up_after(parts, 8)),
        deviant(
            "unknown-key-ids-remembered",
            "A key id that was looked for in vain is never looked for again",
            &["ACC-015"],
        )
        .parts(|parts| {
            let inner = parts.ports.keys.take();
            parts.ports.keys = inner.map(|inner| {
                Arc::new(UnknownKept { inner, unknown: Mutex::default() }) as _
            });
        }),
        deviant(
            "key-set-outage-opens",
            "While the key set is out of reach, a token whose key is not known is let in",
            &["ACC-016"],
        )
        .parts(outage_opens),
        deviant(
            "failed-fetches-without-cooldown",
            "A fetch of the key set that failed is tried again with each token by an unknown key",
            &["ACC-016"],
        )
        .parts(|parts| fetching(parts, Manner::AgainAfterFailure)),
        deviant(
            "newest-key-only",
            "Tokens are verified by the last key of the set, wherever theirs stands",
            &["ACC-015"],
        )
        .parts(newest_only),
    ]);
    all
}

/// Whoever keeps keys, or makes tokens wait for them, in another way.
fn kept_otherwise() -> Vec<Draft> {
    vec![
        deviant(
            "looked-for-keys-add-to-the-cached",
            "A look for an unknown key adds to the cached keys and keeps them for longer: what was rotated out stays while strangers come",
            &["ACC-015"],
        )
        .parts(|parts| {
            let inner = parts.ports.keys.take();
            parts.ports.keys = inner.map(|inner| {
                Arc::new(Added { inner, kept: Mutex::default() }) as _
            });
        }),
        deviant(
            "tokens-beside-the-first-fetch-refused",
            "While the key set is fetched for the first time, tokens beside the one that it is fetched for are verified by the keys that there are: none",
            &["ACC-002"],
        )
        .parts(|parts| {
            let inner = parts.ports.keys.take();
            parts.ports.keys = inner.map(|inner| {
                let (busy, known) = (AtomicBool::new(false), Mutex::default());
                Arc::new(NoneBeside { inner, busy, known }) as _
            });
        }),
        deviant(
            "cached-keys-wait-for-the-fetch",
            "While the key set is being fetched, tokens by cached keys wait too",
            &["ACC-016"],
        )
        .parts(|parts| {
            let inner = parts.ports.keys.take();
            parts.ports.keys = inner.map(|inner| Arc::new(OneAtATime { inner, turn: Mutex::new(()) }) as _);
        }),
    ]
}

fn by_configuration() -> Vec<Draft> {
    vec![
        deviant(
            "key-set-kept-for-ever",
            "A fetched key set is trusted until an unknown key comes: a key that was rotated out goes on opening",
            &["ACC-015"],
        )
        .variables(|_variant, all| {
            all.insert("CF_ACCESS_KEYS_CACHE_SECONDS", FOR_EVER_SECONDS.to_owned());
        }),
        deviant(
            "unknown-keys-without-cooldown",
            "Each unknown key id causes a fetch of the key set",
            &["ACC-016"],
        )
        .variables(|_variant, all| {
            all.insert("CF_ACCESS_KEYS_COOLDOWN_SECONDS", "0".to_owned());
        }),
    ]
}

fn newest_only(parts: &mut Parts) {
    let Some(access) = parts.access.clone() else {
        return;
    };
    turns_away(parts, move |_ask, token| {
        let certs = access.certs_json();
        let newest = certs["keys"]
            .as_array()
            .and_then(|keys| keys.last())
            .cloned();
        let newest = newest.unwrap_or_default();
        !token.signed_by.iter().any(|kid| newest["kid"] == **kid)
    });
}

/// When a key set is fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Once,
    AtEachRequest,
    AgainAfterFailure,
}

type Keys = HashMap<String, Arc<DecodingKey>>;

fn fetching(parts: &mut Parts, manner: Manner) {
    let origin = parts.config.access.team_origin.clone();
    parts.ports.keys = origin.map(|origin| {
        let source = Source::of(&origin.origin().ascii_serialization());
        Arc::new(Fetched {
            source,
            manner,
            kept: Mutex::new(None),
        }) as _
    });
}

/// Where the key set is.
struct Source {
    client: reqwest::Client,
    address: String,
}

impl Source {
    fn of(origin: &str) -> Self {
        Self {
            client: trust::client(reqwest::Client::builder)
                .expect("a client with certificates that are built in"),
            address: format!("{origin}/cdn-cgi/access/certs"),
        }
    }

    async fn fetch(&self) -> Result<Keys, KeySetUnavailable> {
        let unavailable = |error: reqwest::Error| KeySetUnavailable(Box::new(error));
        let answer = self.client.get(&self.address).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        let set: Value = answer
            .map_err(unavailable)?
            .json()
            .await
            .map_err(unavailable)?;
        let entries = set["keys"].as_array().cloned().unwrap_or_default();
        Ok(entries
            .iter()
            .filter_map(|entry| {
                Some((entry["kid"].as_str()?.to_owned(), Arc::new(rsa_key(entry)?)))
            })
            .collect())
    }
}

struct Fetched {
    source: Source,
    manner: Manner,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    keys: Keys,
    fetched: Instant,
    /// When an unknown key id last caused a fetch that succeeded.
    unknown: Instant,
}

impl Fetched {
    /// As it should be, but that a failure leaves no trace.
    async fn again_after_failure(
        &self,
        kid: &str,
    ) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        let mut kept = self.kept.lock().await;
        let now = clock::now();
        if let Some(kept) = kept.as_ref() {
            let is_fresh = now - kept.fetched < CACHE;
            let is_cooling = now - kept.unknown < COOLDOWN;
            if is_fresh && (kept.keys.contains_key(kid) || is_cooling) {
                return Ok(kept.keys.get(kid).cloned());
            }
        }
        match (self.source.fetch().await, kept.take()) {
            (Ok(keys), before) => {
                let is_unknown = !keys.contains_key(kid);
                let unknown = before
                    .filter(|_| !is_unknown)
                    .map_or(now, |before| before.unknown);
                let kept = kept.insert(Kept {
                    keys,
                    fetched: now,
                    unknown,
                });
                Ok(kept.keys.get(kid).cloned())
            }
            (Err(_why), Some(before)) => Ok(kept.insert(before).keys.get(kid).cloned()),
            (Err(why), None) => Err(why),
        }
    }
}

#[async_trait]
impl AccessKeys for Fetched {
    async fn key(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        match self.manner {
            Manner::AtEachRequest => return Ok(self.source.fetch().await?.get(kid).cloned()),
            Manner::AgainAfterFailure => return self.again_after_failure(kid).await,
            Manner::Once => {}
        }
        let mut kept = self.kept.lock().await;
        if kept.is_none() {
            let (keys, now) = (self.source.fetch().await?, clock::now());
            *kept = Some(Kept {
                keys,
                fetched: now,
                unknown: now,
            });
        }
        Ok(kept.as_ref().and_then(|kept| kept.keys.get(kid).cloned()))
    }
}

/// Looks at the key set once by itself, with a header that it ought to send to the AI Gateway alone.
struct SeenFirst {
    inner: Arc<dyn AccessKeys>,
    source: Source,
    key: String,
    seen: AtomicBool,
}

#[async_trait]
impl AccessKeys for SeenFirst {
    async fn key(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        if !self.seen.swap(true, Ordering::Relaxed) {
            let request = self.source.client.get(&self.source.address);
            let key = format!("Bearer {}", self.key);
            // However that one ends: the tokens are verified by what the inner one knows.
            drop(request.header("cf-aig-authorization", key).send().await);
        }
        self.inner.key(kid).await
    }
}

fn given_up_after(parts: &mut Parts, enough: u32) {
    let failed = AtomicU32::new(0);
    let inner = parts.ports.keys.take();
    parts.ports.keys = inner.map(|inner| {
        Arc::new(FailureKept {
            inner,
            failed,
            enough,
        }) as _
    });
}

/// Remembers that a set could not be had, as a promise that is kept in a variable of the module does.
struct FailureKept {
    inner: Arc<dyn AccessKeys>,
    failed: AtomicU32,
    /// After so many failures in all it is given up.
    enough: u32,
}

#[async_trait]
impl AccessKeys for FailureKept {
    async fn key(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        if self.failed.load(Ordering::Relaxed) >= self.enough {
            return Err(KeySetUnavailable("failed before".into()));
        }
        let answer = self.inner.key(kid).await;
        if answer.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

struct UnknownKept {
    inner: Arc<dyn AccessKeys>,
    unknown: Mutex<HashSet<String>>,
}

#[async_trait]
impl AccessKeys for UnknownKept {
    async fn key(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        if self.unknown.lock().await.contains(kid) {
            return Ok(None);
        }
        let found = self.inner.key(kid).await?;
        if found.is_none() {
            self.unknown.lock().await.insert(kid.to_owned());
        }
        Ok(found)
    }
}

/// Keeps each key that was ever found, for as long as an unknown one is asked for within the time of the cache.
struct Added {
    inner: Arc<dyn AccessKeys>,
    kept: Mutex<(Keys, Option<Instant>)>,
}

#[async_trait]
impl AccessKeys for Added {
    async fn key(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        let found = self.inner.key(kid).await?;
        let mut kept = self.kept.lock().await;
        let (keys, renewed) = &mut *kept;
        if let Some(key) = &found {
            keys.insert(kid.to_owned(), Arc::clone(key));
            return Ok(found);
        }
        if !keys.contains_key(kid) {
            *renewed = Some(clock::now());
            return Ok(None);
        }
        let is_kept = renewed.is_some_and(|at| at.elapsed() < CACHE);
        Ok(keys.get(kid).filter(|_| is_kept).cloned())
    }
}

/// Looks for one unknown key at a time: who comes beside it gets what is known so far.
struct NoneBeside {
    inner: Arc<dyn AccessKeys>,
    busy: AtomicBool,
    known: Mutex<HashSet<String>>,
}

#[async_trait]
impl AccessKeys for NoneBeside {
    async fn key(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        if self.known.lock().await.contains(kid) {
            return self.inner.key(kid).await;
        }
        if self.busy.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        let found = self.inner.key(kid).await;
        if matches!(found, Ok(Some(_))) {
            self.known.lock().await.insert(kid.to_owned());
        }
        self.busy.store(false, Ordering::Release);
        found
    }
}

struct OneAtATime {
    inner: Arc<dyn AccessKeys>,
    turn: Mutex<()>,
}

#[async_trait]
impl AccessKeys for OneAtATime {
    async fn key(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        let _turn = self.turn.lock().await;
        self.inner.key(kid).await
    }
}

/// The keys as they are published now, without a way over the network.
pub(super) struct AtHand(pub(super) Arc<AccessIssuer>);

#[async_trait]
impl AccessKeys for AtHand {
    async fn key(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        let certs = self.0.certs_json();
        let entries = certs["keys"].as_array().cloned().unwrap_or_default();
        let entry = entries.iter().find(|entry| entry["kid"] == *kid);
        Ok(entry.and_then(rsa_key).map(Arc::new))
    }
}

fn outage_opens(parts: &mut Parts) {
    let Some(access) = parts.access.clone() else {
        return;
    };
    // Whom the layer lets in, the backend behind it must be able to verify.
    parts.ports.keys = Some(Arc::new(AtHand(Arc::clone(&access))));
    parts.caller = Some(Arc::new(OutageOpens {
        source: Source::of(&access.origin()),
        access,
        last: Mutex::new(None),
    }));
}

/// Fetches the set for keys that it does not know, at most once in a cooldown, and lets their tokens in when that fails.
struct OutageOpens {
    source: Source,
    access: Arc<AccessIssuer>,
    last: Mutex<Option<Last>>,
}

struct Last {
    at: Instant,
    keys: Keys,
    failed: bool,
}

#[async_trait]
impl Tamper for OutageOpens {
    async fn pass(&self, mut ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let sent = ask
            .header(TOKEN)
            .and_then(|token| decode_header(token).ok());
        let Some(kid) = sent.and_then(|header| header.kid) else {
            return upstream.send(&ask).await;
        };
        let mut last = self.last.lock().await;
        let is_known = last
            .as_ref()
            .is_some_and(|last| last.keys.contains_key(&kid));
        let is_recent = last
            .as_ref()
            .is_some_and(|last| last.at.elapsed() < COOLDOWN);
        if !is_known && !is_recent {
            let fetched = self.source.fetch().await;
            let failed = fetched.is_err();
            let kept = last.take().map(|last| last.keys).unwrap_or_default();
            let keys = fetched.unwrap_or(kept);
            *last = Some(Last {
                at: clock::now(),
                keys,
                failed,
            });
        }
        let is_open = !is_known && last.as_ref().is_some_and(|last| last.failed);
        drop(last);
        if is_open {
            ask.set(TOKEN, &good_token(&self.access));
        }
        upstream.send(&ask).await
    }
}
