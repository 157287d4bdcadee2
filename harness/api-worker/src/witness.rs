//! Who is told of every request and its answer while an aspect is judged. Never judges one, and keeps nothing by itself.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One request and its whole answer, as they went over the wire: secrets included.
#[derive(Clone)]
pub struct Exchanged {
    /// Where it was sent: scheme, host and port.
    pub base: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers of the request, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body of the request; empty if it had none.
    pub body: Bytes,
    /// The status of the answer.
    pub status: u16,
    /// The headers of the answer.
    pub answer_headers: HeaderMap,
    /// The body of the answer.
    pub answer_body: Bytes,
    /// When the request was sent.
    pub sent_at: Instant,
    /// Wall time of that, epoch milliseconds.
    pub sent_at_ms: i64,
    /// From sending to the head of the answer.
    pub head_after: Duration,
    /// From sending to the last byte of the answer.
    pub done_after: Duration,
}

impl fmt::Debug for Exchanged {
    /// Without headers and bodies, which hold credentials: a debug text may be printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchanged")
            .field("method", &self.method)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Is asked before each request and told of each answer. Its methods return at once, but for the wait until one more may be sent.
pub trait Witness: Send + Sync {
    /// Whether a request may be sent, once the target may take one more; why it may not, if it may not.
    fn admit<'w>(&'w self, method: &'w str, path: &'w str) -> BoxFuture<'w, Result<(), String>>;

    /// A request was answered.
    fn count(&self);

    /// An answer that may have decided. Gives the number by which it can be pointed at.
    fn keep(&self, exchanged: Exchanged) -> usize;

    /// The answer of this number is about to be told of: the last one that was, before the aspect ends, is what a finding is about.
    fn point_at(&self, number: usize);
}

/// Where an answer is kept, so that whoever tells of it points at it.
#[derive(Clone)]
pub(crate) struct Kept(pub(crate) Option<(Arc<dyn Witness>, usize)>);

impl Kept {
    pub(crate) fn point(&self) {
        if let Some((witness, number)) = &self.0 {
            witness.point_at(*number);
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

/// Keeps what one of several attempts exchanged, until it is known which of them counts.
pub(crate) struct Tape {
    behind: Option<Arc<dyn Witness>>,
    exchanged: Mutex<Vec<Exchanged>>,
}

impl Tape {
    /// In front of whoever else is told.
    pub(crate) fn before(behind: Option<Arc<dyn Witness>>) -> Self {
        Self {
            behind,
            exchanged: Mutex::default(),
        }
    }

    fn list(&self) -> MutexGuard<'_, Vec<Exchanged>> {
        self.exchanged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What was exchanged since it was asked last.
    pub(crate) fn take(&self) -> Vec<Exchanged> {
        std::mem::take(&mut *self.list())
    }
}

impl Witness for Tape {
    fn admit<'w>(&'w self, method: &'w str, path: &'w str) -> BoxFuture<'w, Result<(), String>> {
        match &self.behind {
            Some(behind) => behind.admit(method, path),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }

    fn count(&self) {
        if let Some(behind) = &self.behind {
            behind.count();
        }
    }

    fn keep(&self, exchanged: Exchanged) -> usize {
        let mut list = self.list();
        list.push(exchanged);
        list.len()
    }

    fn point_at(&self, _number: usize) {}
}
