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
use crate::clock::Stopwatch;

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
    /// More than this many attempts push the oldest out.
    attempts_max: Option<usize>,
    /// How far the faults that callers asked for have been played.
    asked: BTreeMap<String, usize>,
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
    /// Keeps every attempt until it is forgotten, or at most so many.
    pub(super) fn new(attempts_max: Option<usize>) -> Self {
        let book = Book {
            attempts_max,
            ..Book::default()
        };
        Self {
            stopwatch: Stopwatch::start(),
            book: Mutex::new(book),
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

    /// As [`Self::play`], by replies that the caller asked for; each `asker` goes through them once, and the last repeats.
    pub(super) fn play_asked(
        &self,
        asker: &str,
        replies: &[Reply],
        record: impl FnOnce(&Reply) -> Attempt,
    ) -> (AttemptId, Reply) {
        let mut book = self.book();
        let taken = book.asked.entry(asker.to_owned()).or_default();
        let reply = replies.get(*taken).or(replies.last()).cloned();
        *taken += 1;
        let reply = reply.unwrap_or_default();
        let id = book.record(record(&reply));
        (id, reply)
    }

    /// Forgets every attempt, and begins the faults that callers ask for anew. Says how many attempts there were.
    pub(super) fn clear(&self) -> usize {
        let mut book = self.book();
        book.asked.clear();
        // Those whose script may still hold a reply keep it.
        for marked in book.markers.values_mut() {
            marked.attempts.clear();
        }
        std::mem::take(&mut book.attempts).len()
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

    /// Looks at the attempts of every marker that begins so, in arrival order, without taking them out.
    pub(super) fn look<T>(&self, beginning: &str, mut look: impl FnMut(&Attempt) -> T) -> Vec<T> {
        let book = self.book();
        let theirs = book
            .markers
            .range(beginning.to_owned()..)
            .take_while(|(marker, _)| marker.starts_with(beginning));
        let mut ids: Vec<AttemptId> = theirs
            .flat_map(|(_, marked)| marked.attempts.iter().copied())
            .collect();
        ids.sort_unstable();
        let attempts = ids.into_iter().filter_map(|id| book.attempts.get(&id));
        attempts.map(&mut look).collect()
    }

    /// All attempts under their numbers, in arrival order.
    pub(super) fn numbered(&self) -> Vec<(AttemptId, Attempt)> {
        let book = self.book();
        let attempts = book.attempts.iter();
        attempts
            .map(|(id, attempt)| (*id, attempt.clone()))
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
        self.forget_oldest();
        id
    }

    fn forget_oldest(&mut self) {
        let Some(max) = self.attempts_max else {
            return;
        };
        while self.attempts.len() > max
            && let Some((id, attempt)) = self.attempts.pop_first()
        {
            let Some(marked) = self.markers.get_mut(&attempt.marker) else {
                continue;
            };
            marked.attempts.retain(|known| *known != id);
            if marked.attempts.is_empty() && !attempt.marker.is_empty() {
                self.markers.remove(&attempt.marker);
            }
        }
    }

    fn notify(&mut self, marker: &str) {
        self.marked(marker).changed.send_replace(());
    }
}
