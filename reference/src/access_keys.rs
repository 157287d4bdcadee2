//! The key set of an Access team domain, fetched and cached. Never judges a token.

use crate::ports::{AccessKeys, Clock, KeySetUnavailable};
use async_trait::async_trait;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use url::Url;

/// A key set of Access has two keys and two certificates, under 10 KiB; what is larger is no key set.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// An answer takes some tens of milliseconds; an operator's request shall not wait longer than this for one that does not come.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the client of a key set could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The HTTP client refused its settings, or no root certificates could be loaded.
    #[error("http client cannot be built")]
    Client(#[source] reqwest::Error),
}

/// Why a key set was not had.
#[derive(Debug, Clone, thiserror::Error)]
enum FetchError {
    #[error("key set cannot be fetched")]
    Http(#[source] Arc<reqwest::Error>),
    #[error("key set was answered with status {0}")]
    Status(u16),
    #[error("key set is over {BODY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("key set is malformed")]
    Malformed(#[source] Arc<serde_json::Error>),
}

/// Fetched and cached keys. Looking up a cached one takes no lock that is held while anybody waits.
pub struct TeamDomainKeys {
    shared: Arc<Shared>,
}

struct Shared {
    client: reqwest::Client,
    certs_url: Url,
    cache: Duration,
    cooldown: Duration,
    clock: Arc<dyn Clock>,
    known: RwLock<Arc<Known>>,
    /// Held during a fetch, so that there is one at a time.
    fetching: tokio::sync::Mutex<()>,
}

/// What is known at one moment; replaced as a whole.
#[derive(Clone, Default)]
struct Known {
    set: Option<FetchedSet>,
    /// When the last fetch failed and why; `None` after one that succeeded. Times are the clock's monotonic ones.
    failure: Option<(Duration, FetchError)>,
    /// When an unknown key id last caused a fetch.
    unknown_at: Option<Duration>,
}

#[derive(Clone)]
struct FetchedSet {
    keys: Arc<HashMap<String, Arc<DecodingKey>>>,
    fetched_at: Duration,
}

/// What is to be done about a key id.
enum Verdict {
    Answer(Result<Option<Arc<DecodingKey>>, FetchError>),
    Fetch,
}

impl TeamDomainKeys {
    /// Keys published at `certs_url`, trusted for `cache`.
    /// `cooldown` is the least time between two fetches that unknown key ids cause, and between a failed fetch and the next one.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn new(
        certs_url: Url,
        cache: Duration,
        cooldown: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        let client = crate::upstream_client::client(|builder| builder.timeout(FETCH_TIMEOUT))
            .map_err(BuildError::Client)?;
        let shared = Shared {
            client,
            certs_url,
            cache,
            cooldown,
            clock,
            known: RwLock::default(),
            fetching: tokio::sync::Mutex::new(()),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

#[async_trait]
impl AccessKeys for TeamDomainKeys {
    async fn key(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        let known = self.shared.known();
        match self.shared.judge(&known, kid) {
            Verdict::Answer(answer) => answer.map_err(unavailable),
            Verdict::Fetch => {
                let shared = Arc::clone(&self.shared);
                let kid = kid.to_owned();
                // On a task of its own: callers who go away shall neither waste a fetch nor start one after the other.
                tokio::spawn(async move { shared.fetch_for(&kid).await })
                    .await
                    .map_err(|error| KeySetUnavailable(Box::new(error)))?
                    .map_err(unavailable)
            }
        }
    }
}

fn unavailable(error: FetchError) -> KeySetUnavailable {
    KeySetUnavailable(Box::new(error))
}

impl Shared {
    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, known: Known) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    fn judge(&self, known: &Known, kid: &str) -> Verdict {
        let now = self.clock.monotonic();
        let is_cooling =
            |since: Option<Duration>| since.is_some_and(|since| now < since + self.cooldown);
        let failed_lately = is_cooling(known.failure.as_ref().map(|(at, _)| *at));
        let Some(set) = &known.set else {
            return match &known.failure {
                Some((_, error)) if failed_lately => Verdict::Answer(Err(error.clone())),
                Some(_) | None => Verdict::Fetch,
            };
        };
        if now >= set.fetched_at + self.cache && !failed_lately {
            return Verdict::Fetch;
        }
        match set.keys.get(kid) {
            Some(key) => Verdict::Answer(Ok(Some(Arc::clone(key)))),
            None if failed_lately || is_cooling(known.unknown_at) => Verdict::Answer(Ok(None)),
            None => Verdict::Fetch,
        }
    }

    /// Waits for its turn and fetches, unless somebody else has done so meanwhile.
    async fn fetch_for(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, FetchError> {
        let _fetching = self.fetching.lock().await;
        let before = self.known();
        if let Verdict::Answer(answer) = self.judge(&before, kid) {
            return answer;
        }
        let fetched = self.fetch().await;
        let now = self.clock.monotonic();
        let mut known = Known::clone(&before);
        match fetched {
            Ok(keys) => {
                known.set = Some(FetchedSet {
                    keys: Arc::new(keys),
                    fetched_at: now,
                });
                known.failure = None;
            }
            Err(error) => known.failure = Some((now, error)),
        }
        let answer = match (&known.set, &known.failure) {
            (Some(set), _) => Ok(set.keys.get(kid).map(Arc::clone)),
            (None, Some((_, error))) => Err(error.clone()),
            (None, None) => Ok(None),
        };
        // Whoever asks for an id that even a fresh set does not list has caused a fetch by an unknown id.
        if matches!(answer, Ok(None)) {
            known.unknown_at = Some(now);
        }
        self.replace(known);
        answer
    }

    async fn fetch(&self) -> Result<HashMap<String, Arc<DecodingKey>>, FetchError> {
        let http = |error: reqwest::Error| FetchError::Http(Arc::new(error.without_url()));
        let request = self.client.get(self.certs_url.clone());
        let mut response = request.send().await.map_err(http)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(http)? {
            body.extend_from_slice(&part);
            if body.len() > BODY_BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
        }
        parse(&body)
    }
}

/// What of a key set matters here: `{"keys": [{"kid", "kty", "alg"?, "use"?, "n", "e"}, …]}`.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Key {
    kid: String,
    kty: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    n: String,
    e: String,
}

/// The RSA signing keys of a set. Others are left out: a team domain may publish what this backend has no use for.
fn parse(body: &[u8]) -> Result<HashMap<String, Arc<DecodingKey>>, FetchError> {
    let set: KeySet =
        serde_json::from_slice(body).map_err(|error| FetchError::Malformed(Arc::new(error)))?;
    Ok(set.keys.into_iter().filter_map(signing_key).collect())
}

fn signing_key(key: serde_json::Value) -> Option<(String, Arc<DecodingKey>)> {
    let Key {
        kid,
        kty,
        alg,
        usage,
        n,
        e,
    } = serde_json::from_value(key).ok()?;
    let is_for_signatures = kty == "RSA"
        && alg.is_none_or(|alg| alg == "RS256")
        && usage.is_none_or(|usage| usage == "sig");
    if !is_for_signatures {
        return None;
    }
    let key = DecodingKey::from_rsa_components(&n, &e).ok()?;
    Some((kid, Arc::new(key)))
}

#[cfg(test)]
#[path = "access_keys_tests.rs"]
mod tests;
