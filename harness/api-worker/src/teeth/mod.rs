//! An interceptor that stands before a target and breaks one promise: deviants without a line in any implementation.
//! Never changes what it does not name, so that whatever the judge finds is the deviant's doing.

mod addresses;
mod again;
mod alike;
mod answers;
pub mod bodies;
pub mod crashes;
mod deviants;
pub mod layers;
pub mod names;
mod remembering;
mod requests;
mod rights;
mod subtle;
pub mod told;

pub use deviants::deviants;

use crate::aspect::Aspect;
use crate::call::with_body;
use crate::outcome::Judged;
use crate::receiver::read;
use crate::subject::{Logs, Subject};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// What was said of a target by one sentence.
#[derive(Debug, Clone)]
pub struct Said {
    /// The sentence.
    pub aspect: &'static Aspect,
    /// What became of it.
    pub outcome: Judged,
}

/// Judges a target by these sentences, side by side as a run does.
pub async fn judge(
    subject: &Subject,
    sentences: impl IntoIterator<Item = &'static Aspect>,
) -> Vec<Said> {
    let judging = sentences.into_iter().map(|aspect| async move {
        let outcome = aspect.judge(subject).await;
        Said { aspect, outcome }
    });
    futures_util::future::join_all(judging).await
}

/// A target that breaks one promise.
#[derive(Clone, Copy)]
pub struct Deviant {
    /// Its name.
    pub name: &'static str,
    /// The criterion that it breaks.
    pub breaks: &'static str,
    pub(crate) on_request: fn(&mut Asked, &Memory) -> Instead,
    pub(crate) on_answer: fn(&Asked, &mut Answered, &Memory),
}

impl std::fmt::Debug for Deviant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deviant")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A request on its way to the target.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Instead {
    /// It goes on.
    Forward,
    /// It goes on twice; the second answer is told.
    Twice,
    /// It goes on; what it has set, if it was taken, is removed and set anew.
    Anew,
    /// It goes on, and then what was delivered at a second attempt is sent once more.
    SendAgain,
    /// It goes on, and then a second worker takes over what is under way when its claim has ended.
    TakeOver,
    /// It is answered here.
    Answer(Answered),
}

/// An answer on its way back.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// What a deviant remembers between requests.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pages: Mutex<BTreeMap<String, Value>>,
    /// Who is told of log lines as they are written.
    lines: Option<fn(&str)>,
}

impl Memory {
    fn pages(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        // Each change is one assignment: a panic elsewhere leaves it whole.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered under a name; null if nothing is.
    pub(crate) fn get(&self, name: &str) -> Value {
        self.pages().get(name).cloned().unwrap_or_default()
    }

    pub(crate) fn put(&self, name: impl Into<String>, value: Value) {
        self.pages().insert(name.into(), value);
    }

    /// Puts one more to what is remembered under a name.
    pub(crate) fn push(&self, name: &str, value: Value) {
        let mut pages = self.pages();
        let list = pages
            .entry(name.to_owned())
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Some(list) = list.as_array_mut() {
            list.push(value);
        }
    }

    /// Writes a log line.
    pub(crate) fn log(&self, line: &Value) {
        let line = line.to_string();
        if let Some(lines) = self.lines {
            lines(&line);
        }
        self.push(LOG, Value::String(line));
    }

    /// Everything that was put under a name.
    pub(crate) fn list(&self, name: &str) -> Vec<Value> {
        self.get(name).as_array().cloned().unwrap_or_default()
    }

    /// Counts up, and says how many there are.
    pub(crate) fn count(&self, name: impl Into<String>) -> u64 {
        let mut pages = self.pages();
        let count = pages.entry(name.into()).or_default();
        let next = count.as_u64().unwrap_or_default() + 1;
        *count = next.into();
        next
    }
}

/// Under which name log lines are remembered.
const LOG: &str = "log";

/// A running interceptor. Dropping it stops it.
pub struct Interceptor {
    base: String,
    way: Arc<Way>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Interceptor {
    /// Starts an interceptor before the target at `base`, on 127.0.0.1 and a free port.
    ///
    /// # Errors
    /// When a socket, a client or a thread cannot be had.
    pub fn start(base: &str, deviant: Deviant) -> io::Result<Self> {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_at(anywhere, base, deviant, None)
    }

    /// The same at an address. `lines` is told of what the deviant itself writes into the log.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_at(
        listen: SocketAddr,
        base: &str,
        deviant: Deviant,
        lines: Option<fn(&str)>,
    ) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let own = format!("http://{}", listener.local_addr()?);
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .map_err(io::Error::other)?;
        let way = Arc::new(Way {
            base: base.to_owned(),
            client,
            deviant,
            memory: Memory {
                lines,
                ..Memory::default()
            },
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let there = Arc::clone(&way);
        let thread = std::thread::Builder::new()
            .name("interceptor".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    tokio::select! {
                        () = serve(listener, there) => {}
                        _ = stopped => {}
                    }
                });
                runtime.shutdown_background();
            })?;
        Ok(Self {
            base: own,
            way,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it answers.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The log lines of a target that logs these, and what the deviant adds to them.
    #[must_use]
    pub fn logs(&self, logs: Logs) -> Logs {
        let way = Arc::clone(&self.way);
        Arc::new(move || {
            let own = way.memory.list(LOG).into_iter();
            let own = own.filter_map(|line| Some(line.as_str()?.to_owned()));
            logs().into_iter().chain(own).collect()
        })
    }
}

impl std::fmt::Debug for Interceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interceptor")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Drop for Interceptor {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told so already.
            drop(thread.join());
        }
    }
}

struct Way {
    base: String,
    client: reqwest::Client,
    deviant: Deviant,
    memory: Memory,
}

async fn serve(listener: std::net::TcpListener, way: Arc<Way>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        if let Ok((stream, _peer)) = listener.accept().await {
            let way = Arc::clone(&way);
            // A caller that goes away misses its answer, and nothing else.
            drop(tokio::spawn(async move { drop(one(stream, &way).await) }));
        }
    }
}

async fn one(mut stream: TcpStream, way: &Way) -> io::Result<()> {
    let Some(request) = read(&mut stream).await? else {
        return Ok(());
    };
    let mut asked = Asked {
        method: request.method,
        path: request.path,
        headers: request.headers,
        body: request.body,
    };
    let mut answered = match (way.deviant.on_request)(&mut asked, &way.memory) {
        Instead::Answer(answered) => answered,
        Instead::Forward => way.forward(&asked).await?,
        Instead::Anew => {
            let answered = way.forward(&asked).await?;
            if answered.status == 200 {
                way.forward(&asked.removal()).await?;
                way.forward(&asked).await?
            } else {
                answered
            }
        }
        Instead::SendAgain => {
            let answered = way.forward(&asked).await?;
            way.send_again(&asked).await?;
            answered
        }
        Instead::TakeOver => {
            let answered = way.forward(&asked).await?;
            way.take_over(&asked).await?;
            answered
        }
        Instead::Twice => {
            way.forward(&asked).await?;
            way.forward(&asked).await?
        }
    };
    (way.deviant.on_answer)(&asked, &mut answered, &way.memory);
    let mut head = format!("HTTP/1.1 {} Passed\r\n", answered.status);
    for (name, value) in &answered.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    let length = answered.body.len().to_string();
    head.extend(["content-length: ", &length, "\r\nconnection: close\r\n\r\n"]);
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&answered.body).await?;
    stream.shutdown().await
}

/// Bytes of the largest body that the contract lets a target read.
const BODY_MAX: usize = 1 << 20;

/// Headers that belong to a connection and not to what is said over it.
const OF_THE_CONNECTION: [&str; 4] = ["content-length", "transfer-encoding", "connection", "host"];

impl Way {
    async fn forward(&self, asked: &Asked) -> io::Result<Answered> {
        let method: reqwest::Method = asked.method.parse().map_err(io::Error::other)?;
        let mut request = self
            .client
            .request(method, format!("{}{}", self.base, asked.path));
        for (name, value) in &asked.headers {
            if !OF_THE_CONNECTION.contains(&name.as_str()) {
                request = request.header(name, value);
            }
        }
        if !asked.body.is_empty() {
            request = with_body(request, asked.body.clone().into());
        }
        let response = request.send().await.map_err(io::Error::other)?;
        let headers = response.headers().iter().filter_map(|(name, value)| {
            let is_kept = !OF_THE_CONNECTION.contains(&name.as_str());
            is_kept.then(|| Some((name.to_string(), value.to_str().ok()?.to_owned())))?
        });
        Ok(Answered {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: response.bytes().await.map_err(io::Error::other)?,
        })
    }
}

impl Asked {
    /// A header's first value; `name` in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Puts a header in place of another one of its name.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value));
    }

    /// Whether it is this request: method, and how the path begins.
    pub(crate) fn is(&self, method: &str, beginning: &str) -> bool {
        self.method == method && self.path.starts_with(beginning)
    }

    /// The request of the same caller that removes what this one sets.
    fn removal(&self) -> Self {
        Self {
            method: "DELETE".to_owned(),
            body: Vec::new(),
            ..self.clone()
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Changes the body, if it is a JSON object that a target would read.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Value)) {
        let mut body = self.json();
        if body.is_object() && self.body.len() <= BODY_MAX {
            change(&mut body);
            self.body = body.to_string().into_bytes();
        }
    }
}

impl Answered {
    /// A header's first value; `name` in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Changes the body, if it is a JSON object.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Value)) {
        let mut body = self.json();
        if body.is_object() {
            change(&mut body);
            self.body = body.to_string().into();
        }
    }

    /// Changes each element of a list in the body.
    pub(crate) fn each(&mut self, list: &str, mut change: impl FnMut(&mut Value)) {
        self.change(|body| {
            for one in body[list].as_array_mut().into_iter().flatten() {
                change(one);
            }
        });
    }
}
