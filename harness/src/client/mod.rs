//! Requests to the target: one shared client, one exchange kept for each. Never judges an answer.

mod connect;
pub mod meter;
pub mod not_the_worker;
pub(crate) mod place;
pub mod raw;
mod received;
mod stalls;
pub mod stream;
pub(crate) mod trust;

use crate::clock;
use crate::evidence::{BODY_KEPT_MAX, Exchange, Interpreter, SentRequest, redact, sent_body};
use crate::lag::progress::moved;
use crate::lag::{Patience, TooSlow};
use crate::said::chain;
use crate::scrub;
use futures_util::StreamExt as _;
use meter::Meter;
use not_the_worker::Impostor;
use stalls::Stalls;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use place::Whereabouts;

/// How long one exchange may take unless its request says otherwise.
/// Evidence: the longest legitimate answer of the contract is a premium call that times out twice and falls back: 20 + 20 + 8 s.
pub const ANSWER_MS_MAX: u64 = 60_000;

/// Header that carries a service token's secret. With it a request is meant for the edge, not for the Worker's own lock.
pub const SERVICE_SECRET_HEADER: &str = "cf-access-client-secret";

/// How long an idle connection is used again, where connections are.
/// Evidence: the servers of users close idle connections after 5 s (Node, workerd) to 400 s (Cloudflare's edge).
const IDLE_MS_MAX: u64 = 3_000;

/// An answer that is longer has no end. Evidence: the longest of an honest target are some megabytes.
const BODY_LEN_MAX: usize = 64 * 1024 * 1024;

/// One request to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path and query, sent as they stand.
    pub path: String,
    /// The `Host` header; `None` sends the connection's own authority.
    pub host: Option<String>,
    /// Further headers, in order.
    pub headers: Vec<(String, String)>,
    /// Body bytes; empty sends none.
    pub body: bytes::Bytes,
    /// Longest time to the last byte of the answer.
    pub deadline: Duration,
    /// Whether its sender leaves by the clock, on purpose; else time in which the machine was late does not count.
    pub leaves: bool,
    /// Whether its sender is the operator, by whatever credential.
    pub as_operator: bool,
    /// Whether it is in the target's own words already, and is put into no others.
    pub as_it_stands: bool,
    /// How the answer is read; `None` where the target speaks as `shapes.md` does.
    pub reading: Option<Arc<dyn Interpreter>>,
}

impl Request {
    /// A request without host, headers and body.
    #[must_use]
    pub fn new(method: &str, path: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            path: path.into(),
            host: None,
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            deadline: Duration::from_millis(ANSWER_MS_MAX),
            leaves: false,
            as_operator: false,
            as_it_stands: false,
            reading: None,
        }
    }

    /// Sets the `Host` header.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets a JSON body and its content type.
    #[must_use]
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.header("content-type", "application/json")
            .bytes(body.to_string())
    }

    /// Sets the body bytes.
    #[must_use]
    pub fn bytes(mut self, body: impl Into<bytes::Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The status of its answer as `shapes.md` has it.
    #[must_use]
    pub fn status(&self, sent: u16) -> u16 {
        self.reading
            .as_ref()
            .map_or(sent, |reading| reading.status(sent))
    }

    /// Sets the longest time to the last byte.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Its sender does not wait any longer, and that is no fault of anybody's.
    #[must_use]
    pub fn leaving_after(mut self, deadline: Duration) -> Self {
        self.leaves = true;
        self.within(deadline)
    }
}

/// Why there is no answer to judge.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody listens: the target is down. A fault of the run, no finding.
    #[error("cannot connect to {base}: {reason}; is the target running?")]
    Unreachable {
        /// Scheme and authority.
        base: String,
        /// The operating system's reason.
        reason: String,
    },
    /// The connection was accepted and no valid, complete answer came: the target's doing.
    #[error("no complete HTTP answer: {0}")]
    Broken(String),
    /// No complete answer came in time, and the machine may be the reason.
    #[error(transparent)]
    TooSlow(TooSlow),
    /// The request cannot be built: a fault of the harness.
    #[error("request cannot be sent: {0}")]
    Unsendable(String),
    /// The harness may not send it: a budget, or a read-only run. Nothing was sent.
    #[error("{0}")]
    Withheld(String),
    /// The target leaves answers without an end: it was not asked, or not waited for to the end of its time.
    #[error("{0}")]
    GivenUp(String),
    /// Something around the Worker answered in its place.
    #[error("{0}")]
    NotTheWorker(Box<Impostor>),
    /// The lock at the edge refused the request before the Worker saw it.
    #[error(
        "refused by the edge's lock, which says nothing about the Worker's: give [operator] direct_address, an address of the Worker that no edge guards ({})",
        .0.saw
    )]
    LockedAtTheEdge(Box<Impostor>),
}

impl NoAnswer {
    /// Nothing came within the deadline.
    fn none_in(patience: &Patience, what: &str) -> Self {
        let seen = format!("{what} within {} ms", patience.given().as_millis());
        let blame = patience.blame(|| format!("no complete HTTP answer: {seen}"));
        blame.map_or_else(Self::TooSlow, |()| Self::Broken(seen))
    }
}

/// How a client is set up.
#[derive(Debug, Default)]
pub struct ClientOptions {
    /// Counts, admits and withholds.
    pub meter: Meter,
    /// Further certificates to trust, PEM.
    pub certificates: Vec<u8>,
    /// The longest time to wait for an answer, whatever a request says; `None` as each request says.
    pub patience: Option<Duration>,
}

/// Sends requests to any instance of a target.
///
/// A connection to a plain `http://` server is used once only, unless the target is known to end connections in order.
/// workerd closes one without notice when a body was not read to its end, or after 5 s of idleness by its own, perhaps late, clock;
/// the next request on it would be lost, and that would look like the target's doing.
#[derive(Debug, Clone)]
pub struct Client {
    pooled: reqwest::Client,
    single: reqwest::Client,
    reuses: bool,
    patience: Duration,
    /// Counts, admits and withholds.
    pub meter: Arc<Meter>,
    stalls: Arc<Stalls>,
    places: Arc<Mutex<HashMap<String, Whereabouts>>>,
}

impl Client {
    /// A client that follows no redirect, keeps no cookie, uses no proxy.
    ///
    /// # Errors
    /// What reqwest says if TLS cannot be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        Self::with(ClientOptions::default())
    }

    /// As [`Self::new`], with budgets and further certificates.
    ///
    /// # Errors
    /// What reqwest says if TLS cannot be set up or a certificate is none.
    pub fn with(options: ClientOptions) -> Result<Self, reqwest::Error> {
        Ok(Self {
            pooled: built(&options.certificates, 256)?,
            single: built(&options.certificates, 0)?,
            reuses: false,
            patience: options.patience.unwrap_or(Duration::MAX),
            meter: Arc::new(options.meter),
            stalls: Arc::default(),
            places: Arc::default(),
        })
    }

    /// The same client, but that each request has a connection of its own: what is asked again reaches another machine of a rollout.
    #[must_use]
    pub fn unpooled(&self) -> Self {
        Self {
            pooled: self.single.clone(),
            ..self.clone()
        }
    }

    /// The same client for a target that ends connections in order: it uses them again.
    #[must_use]
    pub fn reusing_connections(mut self) -> Self {
        self.reuses = true;
        self
    }

    /// The same client for taking leave: what a run has made is removed even if its budget is spent.
    #[must_use]
    pub fn for_cleaning(&self) -> Self {
        Self {
            meter: Arc::new(self.meter.for_cleaning()),
            ..self.clone()
        }
    }

    /// Whether an answer that does not come says something of the target: nobody leaves earlier, and no shorter time is meant.
    fn is_awaited(&self, request: &Request) -> bool {
        let whole = Duration::from_millis(ANSWER_MS_MAX);
        !request.leaves && request.deadline >= whole && self.patience >= whole
    }

    /// How long an answer to a request is waited for.
    fn deadline_of(&self, request: &Request) -> Duration {
        if self.is_awaited(request) {
            return self.stalls.deadline(request.deadline);
        }
        request.deadline.min(self.patience)
    }

    /// Lets a request pass, if it may be sent and the target is still asked.
    async fn admit(&self, base: &str, request: &Request) -> Result<(), NoAnswer> {
        self.stalls.admit()?;
        self.meter.admit(base, request).await
    }

    /// That no answer to a request of `sent_at` came in time.
    fn gave_up(
        &self,
        request: &Request,
        sent_at: Instant,
        patience: &Patience,
        what: &str,
    ) -> NoAnswer {
        if !self.is_awaited(request) {
            return NoAnswer::none_in(patience, what);
        }
        self.stalls.waited(sent_at);
        if patience.given() < request.deadline {
            return stalls::cut_short();
        }
        NoAnswer::none_in(patience, what)
    }

    /// From now on.
    fn patience_for(&self, request: &Request) -> Patience {
        let deadline = self.deadline_of(request);
        if request.leaves || self.patience < request.deadline {
            Patience::by_the_clock(deadline)
        } else {
            Patience::of(deadline)
        }
    }

    /// Sends a request and reads the whole answer. `number` is the exchange's place in its scenario.
    ///
    /// # Errors
    /// [`NoAnswer`] when there is no complete answer.
    pub async fn send(
        &self,
        base: &str,
        request: &Request,
        number: usize,
    ) -> Result<Exchange, NoAnswer> {
        let base = &self.way(base, request);
        self.admit(base, request).await?;
        let sent_at = clock::now();
        let sent_at_ms = clock::epoch_ms();
        let work = async {
            let (begun, stood) = connect::timed(self.begin(base, request)).await;
            let response = begun?;
            let head_after = sent_at.elapsed();
            let status = request.status(response.status().as_u16());
            let headers = header_list(response.headers());
            let (body, body_len) = self.read_body(response).await?;
            Ok(Exchange {
                number,
                request: sent(base, request),
                status,
                headers,
                body,
                body_len,
                sent_at,
                sent_at_ms,
                connected_after: stood.map(|at| at.saturating_duration_since(sent_at)),
                head_after,
                done_after: sent_at.elapsed(),
                reading: request.reading.clone(),
                told_later: None,
            })
        };
        let patience = self.patience_for(request);
        let done = patience.with(work).await;
        moved();
        match done {
            Some(done) => {
                let done = done?;
                self.stalls.completed();
                self.own_answer(base, request, done)
            }
            None => Err(self.gave_up(request, sent_at, &patience, "nothing complete")),
        }
    }

    /// Sends a request and returns at the response head; the body is read by the caller, who has asked the meter before.
    ///
    /// # Errors
    /// [`NoAnswer`] when there is no head.
    async fn begin(&self, base: &str, request: &Request) -> Result<reqwest::Response, NoAnswer> {
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|error| NoAnswer::Unsendable(error.to_string()))?;
        let http = if self.reuses || base.starts_with("https://") {
            &self.pooled
        } else {
            &self.single
        };
        let mut builder = http.request(method, format!("{base}{}", request.path));
        if let Some(host) = &request.host {
            builder = builder.header("host", host);
        }
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if !request.body.is_empty() {
            builder = builder.body(request.body.clone());
        }
        builder
            .send()
            .await
            .map_err(|error| no_answer(base, &error))
    }

    /// Reads a body to its end; keeps the beginning.
    async fn read_body(
        &self,
        response: reqwest::Response,
    ) -> Result<(bytes::Bytes, usize), NoAnswer> {
        let mut kept = bytes::BytesMut::new();
        let mut len = 0;
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| {
                NoAnswer::Broken(format!("body cut after {len} bytes: {}", chain(&error)))
            })?;
            len += chunk.len();
            if len > BODY_LEN_MAX {
                self.stalls.endless();
                return Err(NoAnswer::Broken(endless_body()));
            }
            let room = BODY_KEPT_MAX - kept.len();
            kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        Ok((kept.freeze(), len))
    }
}

/// A client that trusts these certificates besides the usual authorities.
fn built(certificates: &[u8], idle_max: usize) -> Result<reqwest::Client, reqwest::Error> {
    builder(certificates, idle_max)?
        .build()
        .or_else(|_no_certificates| {
            let mut trusted = trust::mozilla()?;
            trusted.extend(reqwest::Certificate::from_pem_bundle(certificates)?);
            builder(&[], idle_max)?.tls_certs_only(trusted).build()
        })
}

/// What every client of ours has: no redirect, no cookie, no proxy.
fn builder(certificates: &[u8], idle_max: usize) -> Result<reqwest::ClientBuilder, reqwest::Error> {
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .tcp_nodelay(true)
        .connector_layer(connect::Timing)
        .connect_timeout(Duration::from_secs(5))
        .pool_max_idle_per_host(idle_max)
        .pool_idle_timeout(Duration::from_millis(IDLE_MS_MAX));
    if certificates.is_empty() {
        return Ok(builder);
    }
    Ok(builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(certificates)?))
}

/// The request half of an exchange, redacted.
#[must_use]
pub fn sent(base: &str, request: &Request) -> SentRequest {
    let (body, whole) = sent_body(&request.body);
    SentRequest {
        method: request.method.clone(),
        base: base.to_owned(),
        path: scrub::clean_report(&request.path),
        host: request
            .host
            .clone()
            .unwrap_or_else(|| authority(base).to_owned()),
        headers: request
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), scrub::clean_report(&redact(name, value))))
            .collect(),
        body,
        body_len: request.body.len(),
        whole,
    }
}

/// The authority of a base address.
#[must_use]
pub fn authority(base: &str) -> &str {
    base.split_once("://").map_or(base, |(_scheme, rest)| rest)
}

pub(crate) fn header_list(headers: &reqwest::header::HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect()
}

fn endless_body() -> String {
    format!(
        "more than {} MiB of a body, and no end",
        BODY_LEN_MAX / (1024 * 1024)
    )
}

fn no_answer(base: &str, error: &reqwest::Error) -> NoAnswer {
    if let Some(why) = place::no_port_left(error) {
        NoAnswer::Unsendable(why)
    } else if error.is_connect() {
        NoAnswer::Unreachable {
            base: base.to_owned(),
            reason: chain(error),
        }
    } else if error.is_builder() {
        NoAnswer::Unsendable(chain(error))
    } else {
        NoAnswer::Broken(chain(error))
    }
}
