//! Serves the key set at `/cdn-cgi/access/certs`, or fails to, as set. It never serves a private key.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use super::{KeptTeam, KeySetMode, console, key_set::KeySet, lock};
use crate::{
    console::asked,
    wire::{Connection, Head, Received},
};

const CERTS_PATH: &str = "/cdn-cgi/access/certs";

/// So many requests are remembered. Evidence: a whole run asks a team domain some hundred times.
const REQUESTS_MAX: usize = 4096;

/// What issuer and server share.
pub(super) struct Shared {
    pub(super) keys: Mutex<KeySet>,
    pub(super) mode: watch::Sender<KeySetMode>,
    pub(super) fetches: AtomicU64,
    /// The last requests: a line for each header, one for the target, the body.
    pub(super) requests: Mutex<VecDeque<Vec<String>>>,
    pub(super) origin: String,
    pub(super) audience: String,
    /// Of a team domain that runs alone: it is steered by addresses of its own, and keeps its keys.
    pub(super) keeper: Option<Keeper>,
}

/// Keeps a team domain for the next start.
pub type Keeper = Box<dyn Fn(&KeptTeam) -> io::Result<()> + Send + Sync>;

impl Shared {
    fn remember(&self, request: &Received) {
        let headers = request.headers.iter();
        let mut lines: Vec<String> = headers
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        lines.push(format!("{} {}", request.method, request.target));
        lines.push(String::from_utf8_lossy(&request.body).into_owned());
        let mut requests = lock(&self.requests);
        if requests.len() == REQUESTS_MAX {
            requests.pop_front();
        }
        requests.push_back(lines);
    }

    /// Keeps address, audience and keys as they are now, if there is a keeper.
    pub(super) fn keep(&self) -> io::Result<()> {
        let Some(keeper) = &self.keeper else {
            return Ok(());
        };
        let keys = lock(&self.keys).kept();
        keeper(&KeptTeam {
            origin: self.origin.clone(),
            audience: self.audience.clone(),
            keys,
        })
    }
}

/// Serves one connection to its end.
pub(super) async fn serve(shared: Arc<Shared>, mut connection: Connection) {
    while let Ok(Some(request)) = connection.next_request().await {
        let path = request.target.split('?').next().unwrap_or_default();
        shared.remember(&request);
        let steered = asked(&request).filter(|_| shared.keeper.is_some());
        let answered = if let Some(own) = steered {
            let told = console::answer(&shared, own, &request);
            told.send(&mut connection).await
        } else if path == CERTS_PATH && request.method == "GET" {
            certs(&shared, &mut connection).await
        } else {
            let head = Head::new(404).header("content-type", b"text/plain");
            connection.answer(head, b"not found").await.is_ok()
        };
        if !answered || !request.keeps_alive {
            return;
        }
    }
}

/// Answers as the mode says; false to close the connection.
async fn certs(shared: &Shared, connection: &mut Connection) -> bool {
    shared.fetches.fetch_add(1, Ordering::SeqCst);
    let mut mode = shared.mode.subscribe();
    let left_hanging = async {
        // The sender lives as long as the server: an end means that nobody is left to answer for.
        match mode.wait_for(|mode| *mode != KeySetMode::Hanging).await {
            Ok(mode) => *mode,
            Err(_closed) => KeySetMode::Closed,
        }
    };
    let mode = tokio::select! {
        biased;
        mode = left_hanging => mode,
        () = connection.reader.closed() => KeySetMode::Closed,
    };
    match mode {
        KeySetMode::Reachable => {
            let body = lock(&shared.keys).document().to_string();
            let head = Head::new(200)
                .header("content-type", b"application/json")
                .header("cache-control", b"public, max-age=14400");
            connection.answer(head, body.as_bytes()).await.is_ok()
        }
        KeySetMode::Unavailable => {
            let head = Head::new(503).header("content-type", b"text/plain");
            connection.answer(head, b"unavailable").await.is_ok()
        }
        KeySetMode::Closed | KeySetMode::Hanging => false,
    }
}
