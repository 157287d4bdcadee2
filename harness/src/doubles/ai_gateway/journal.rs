//! Script book and journal of the gateway double, by marker. It never blocks on a reader and never polls.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{
    attempt::{Attempt, Outcome},
    reply::Reply,
    script::{Playback, Script},
};
use crate::doubles::clock::Stopwatch;

/// Names an attempt; numbers follow arrival.
pub(super) type AttemptId = u64;

/// The playing script's release: true once released; closed when script or marker are gone.
pub(super) type Release = watch::Receiver<bool>;

#[derive(Debug)]
pub(super) struct Journal {
    stopwatch: Stopwatch,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    attempts: BTreeMap<AttemptId, Attempt>,
    markers: BTreeMap<String, Marked>,
    next: AttemptId,
}

#[derive(Debug)]
struct Marked {
    playback: Playback,
    attempts: Vec<AttemptId>,
    released: watch::Sender<bool>,
    changed: watch::Sender<()>,
}

impl Default for Marked {
    fn default() -> Self {
        Self {
            playback: Playback::default(),
            attempts: Vec::new(),
            released: watch::Sender::new(false),
            changed: watch::Sender::new(()),
        }
    }
}

impl Journal {
    pub(super) fn new() -> Self {
        Self {
            stopwatch: Stopwatch::start(),
            book: Mutex::default(),
        }
    }

    pub(super) fn stopwatch(&self) -> Stopwatch {
        self.stopwatch
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Every change is one assignment or push: a panic elsewhere leaves the book whole.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn script(&self, marker: &str, script: Script) {
        let mut book = self.book();
        let entry = book.marked(marker);
        entry.playback = Playback::of(script);
        entry.released = watch::Sender::new(false);
    }

    pub(super) fn release(&self, marker: &str) {
        self.book().marked(marker).released.send_replace(true);
    }

    pub(super) fn forget(&self, marker: &str) {
        let mut book = self.book();
        if let Some(marked) = book.markers.remove(marker) {
            for id in marked.attempts {
                book.attempts.remove(&id);
            }
        }
    }

    /// Takes the next reply for a model and records the attempt that `record` makes of it.
    pub(super) fn play(
        &self,
        marker: &str,
        model: &str,
        record: impl FnOnce(&Reply) -> Attempt,
    ) -> (AttemptId, Reply) {
        let mut book = self.book();
        let reply = book.marked(marker).playback.next(model);
        let id = book.record(record(&reply));
        (id, reply)
    }

    /// Records an attempt that no script answers.
    pub(super) fn record(&self, attempt: Attempt) -> AttemptId {
        self.book().record(attempt)
    }

    pub(super) fn release_of(&self, marker: &str) -> Release {
        self.book().marked(marker).released.subscribe()
    }

    /// Changes an attempt, unless it was forgotten meanwhile.
    pub(super) fn change(&self, id: AttemptId, change: impl FnOnce(&mut Attempt)) {
        let mut book = self.book();
        let Some(attempt) = book.attempts.get_mut(&id) else {
            return;
        };
        change(attempt);
        let marker = attempt.marker.clone();
        book.notify(&marker);
    }

    /// Ends an attempt now; an outcome already decided stands.
    pub(super) fn finish(&self, id: AttemptId, outcome: Outcome, client_gone: bool) {
        let now = self.stopwatch.elapsed();
        self.change(id, |attempt| {
            if attempt.outcome == Outcome::InProgress {
                attempt.outcome = outcome;
            }
            attempt.client_gone = client_gone;
            attempt.finished_at = Some(now);
        });
    }

    pub(super) fn of_marker(&self, marker: &str) -> Vec<Attempt> {
        let book = self.book();
        let ids = book.markers.get(marker).map(|marked| &marked.attempts);
        ids.into_iter()
            .flatten()
            .filter_map(|id| book.attempts.get(id).cloned())
            .collect()
    }

    pub(super) fn all(&self) -> Vec<Attempt> {
        self.book().attempts.values().cloned().collect()
    }

    /// Resolves when the marker's journal next changes. Closed when the marker is forgotten.
    pub(super) fn changes(&self, marker: &str) -> watch::Receiver<()> {
        self.book().marked(marker).changed.subscribe()
    }
}

impl Book {
    fn marked(&mut self, marker: &str) -> &mut Marked {
        self.markers.entry(marker.to_owned()).or_default()
    }

    fn record(&mut self, attempt: Attempt) -> AttemptId {
        let id = self.next;
        self.next += 1;
        let marker = attempt.marker.clone();
        self.attempts.insert(id, attempt);
        self.marked(&marker).attempts.push(id);
        self.notify(&marker);
        id
    }

    fn notify(&mut self, marker: &str) {
        self.marked(marker).changed.send_replace(());
    }
}
