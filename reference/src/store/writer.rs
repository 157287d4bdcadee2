//! One writing thread per database file, with group commit. Never acknowledges a write before it is committed, and durable where that was asked.
//!
//! A commit costs a flush of the disk, whatever it holds. So the thread takes everything that queued up during the last commit into the next one:
//! a lone write is committed at once, and under load thousands share a flush. Writes that need no flush of their own go first, by themselves.

use super::checkpoints::Checkpoints;
use super::sqlite;
use crate::ports::StoreError;
use rusqlite::{Connection, ErrorCode};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Jobs in one transaction: above a thousand rows a commit the flush no longer counts (performance notes: 227,000 rows/s at 1,000),
/// and a batch of 4,096 still commits within some 30 ms.
const BATCH_MAX: usize = 4_096;

/// Jobs that wait: four batches. Beyond that callers wait in line for a place, so memory stays bounded.
const QUEUE_MAX: usize = 4 * BATCH_MAX;

/// The way to the writing thread of one file.
pub(super) struct WriteQueue {
    jobs: mpsc::Sender<Message>,
    closing: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    checkpoints: Checkpoints,
}

/// What must be on the disk before a write is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Its transaction.
    Flushed,
    /// Nothing yet: it outlives this process, and a power cut once any later flush has come.
    Committed,
}

impl Durability {
    fn pragma(self) -> &'static str {
        match self {
            Self::Flushed => "PRAGMA synchronous = FULL",
            Self::Committed => "PRAGMA synchronous = NORMAL",
        }
    }
}

enum Message {
    Job(Box<dyn Job>, Durability),
    /// Makes an idle thread look whether it shall end.
    Wake,
}

/// The writer has stopped: the database was closed, or its thread died.
#[derive(Debug, thiserror::Error)]
#[error("the database is closed")]
struct Closed;

/// Why a whole batch failed; shared by all of its jobs.
#[derive(Debug, Clone)]
struct BatchFailure(Arc<rusqlite::Error>);

impl fmt::Display for BatchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for BatchFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}

impl BatchFailure {
    fn is_busy(&self) -> bool {
        self.0.sqlite_error_code().is_some_and(sqlite::is_busy)
    }
}

impl From<BatchFailure> for StoreError {
    fn from(failure: BatchFailure) -> Self {
        if failure.is_busy() {
            Self::Busy(Box::new(failure))
        } else {
            Self::Unavailable(Box::new(failure))
        }
    }
}

impl WriteQueue {
    /// Starts the thread that owns `connection`.
    pub(super) fn start(connection: Connection, checkpoints: Checkpoints) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let closing = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn({
                let (closing, checkpoints) = (Arc::clone(&closing), checkpoints.clone());
                move || write_until_closed(connection, queue, &checkpoints, &closing)
            })?;
        Ok(Self {
            jobs,
            closing,
            thread: Mutex::new(Some(thread)),
            checkpoints,
        })
    }

    /// Runs `work` in the next transaction and returns once that is as durable as asked.
    ///
    /// `work` must leave nothing behind when it fails: it is one statement, or it opens a savepoint.
    /// It is carried out even if the caller goes away.
    pub(super) async fn write<T, F>(&self, durability: Durability, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            stage: Stage::Queued(work),
            reply,
        };
        let job = Message::Job(Box::new(task), durability);
        let closed = || StoreError::Unavailable(Box::new(Closed));
        self.jobs
            .send(job)
            .await
            .map_err(|_job_comes_back| closed())?;
        answer.await.map_err(|_thread_died| closed())?
    }

    /// Commits what is queued and ends the thread. Blocks for as long as that takes.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        // A full queue wakes the thread as well, a closed one has ended it.
        drop(self.jobs.try_send(Message::Wake));
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic of the thread has been reported by the panic hook; its callers saw `Closed`.
            drop(thread.join());
        }
        self.checkpoints.close();
    }
}

impl Drop for WriteQueue {
    fn drop(&mut self) {
        self.close();
    }
}

/// Something to do in a transaction.
trait Job: Send {
    /// Does it. An error concerns the whole batch; a refusal of this job alone is kept for the reply.
    fn execute(&mut self, connection: &mut Connection) -> rusqlite::Result<()>;
    /// Tells the caller.
    fn acknowledge(self: Box<Self>, batch: Result<(), BatchFailure>);
}

struct Task<T, F> {
    stage: Stage<T, F>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

enum Stage<T, F> {
    Queued(F),
    Done(T),
    Refused(rusqlite::Error),
    /// Taken for execution and not come back.
    Abandoned,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send,
{
    fn execute(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        let Stage::Queued(work) = std::mem::replace(&mut self.stage, Stage::Abandoned) else {
            return Ok(());
        };
        match work(connection) {
            Ok(value) => self.stage = Stage::Done(value),
            Err(error) if sqlite::is_refusal(&error) => self.stage = Stage::Refused(error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn acknowledge(self: Box<Self>, batch: Result<(), BatchFailure>) {
        let result = match (batch, self.stage) {
            (Err(failure), _) => Err(failure.into()),
            (Ok(()), Stage::Done(value)) => Ok(value),
            (Ok(()), Stage::Refused(error)) => Err(sqlite::store_error(error)),
            (Ok(()), Stage::Queued(_) | Stage::Abandoned) => {
                Err(StoreError::Unavailable(Box::new(Closed)))
            }
        };
        // A caller that went away does not want to know.
        drop(self.reply.send(result));
    }
}

fn write_until_closed(
    mut connection: Connection,
    mut queue: mpsc::Receiver<Message>,
    checkpoints: &Checkpoints,
    closing: &AtomicBool,
) {
    let mut messages = Vec::with_capacity(BATCH_MAX);
    while queue.blocking_recv_many(&mut messages, BATCH_MAX) > 0 {
        let (mut quick, mut flushed) = (Vec::new(), Vec::new());
        for message in messages.drain(..) {
            match message {
                Message::Job(job, Durability::Committed) => quick.push(job),
                Message::Job(job, Durability::Flushed) => flushed.push(job),
                Message::Wake => {}
            }
        }
        // Nobody waits for two writes of his own at once, so their order among each other is free.
        for (durability, mut batch) in [
            (Durability::Committed, quick),
            (Durability::Flushed, flushed),
        ] {
            if batch.is_empty() {
                continue;
            }
            let outcome = commit(&mut connection, durability, &mut batch);
            for job in batch {
                job.acknowledge(outcome.clone());
            }
        }
        checkpoints.after_commit(&connection);
        if closing.load(Ordering::Acquire) {
            // What is queued already is still received, then the loop ends.
            queue.close();
        }
    }
}

/// Runs the batch in one transaction. After an error nothing of it is in the database.
fn commit(
    connection: &mut Connection,
    durability: Durability,
    batch: &mut [Box<dyn Job>],
) -> Result<(), BatchFailure> {
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
        connection.execute_batch(durability.pragma())?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for job in batch {
            job.execute(connection)?;
        }
        connection.execute_batch("COMMIT")
    }));
    let outcome = outcome.unwrap_or_else(|_reported_by_the_panic_hook| Err(internal_failure()));
    if outcome.is_err() && !connection.is_autocommit() {
        // If even this fails the connection is broken, and the next `BEGIN` says so to its batch.
        drop(connection.execute_batch("ROLLBACK"));
    }
    outcome.map_err(|error| BatchFailure(Arc::new(error)))
}

fn internal_failure() -> rusqlite::Error {
    let error = rusqlite::ffi::Error {
        code: ErrorCode::InternalMalfunction,
        extended_code: 0,
    };
    rusqlite::Error::SqliteFailure(error, Some("a write panicked".to_owned()))
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
