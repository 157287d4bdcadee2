//! Runs scenarios against one altered reference, and many such trials side by side. Never decides what their outcomes mean.

use crate::client::{Client, ClientOptions};
use crate::contract::Planned;
use crate::reference::ReferenceTarget;
use crate::reference::altered::Alteration;
use crate::run::book::Book;
use crate::run::{Ended, Progress};
use crate::suite::Suite;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How trials are run.
#[derive(Clone)]
pub struct Manner {
    /// The `moltproof` executable, for backends in a process of their own.
    pub program: PathBuf,
    /// The words of the features.
    pub book: Arc<Book>,
    /// Decides the order of scenarios.
    pub seed: u64,
    /// Scenarios side by side within a trial.
    pub concurrency: usize,
    /// The longest time to wait for an answer; `None` as every request says.
    pub patience: Option<Duration>,
    /// Becomes true when everything is to end.
    pub ending: watch::Receiver<bool>,
}

/// A trial did not come to its end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Ruined {
    /// The altered reference could not be started.
    #[error("the backend cannot be started: {0}")]
    NotStarted(String),
    /// Somebody wanted everything to end.
    #[error("interrupted")]
    Interrupted,
}

/// Whether what has ended so far is all that must be known.
pub type Enough = Box<dyn Fn(&[Ended]) -> bool + Send + Sync>;

/// Collects how scenarios end until that is enough.
struct Seen {
    all: Mutex<Vec<Ended>>,
    is_enough: Enough,
    enough: Notify,
}

impl Seen {
    fn so_far(&self) -> Vec<Ended> {
        std::mem::take(&mut *self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Progress for Seen {
    fn ended(&self, ended: &Ended) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(ended.clone());
        if (self.is_enough)(&all) {
            self.enough.notify_one();
        }
    }
}

/// Runs the scenarios against the reference with `alteration` put in, on a thread and runtime of this call's own, until all have ended
/// or what is known `is_enough`.
///
/// # Errors
/// [`Ruined`]; then nothing can be said of the backend.
pub fn of(
    alteration: &Arc<Alteration>,
    plan: Vec<Arc<Planned>>,
    manner: &Manner,
    is_enough: Enough,
) -> Result<Vec<Ended>, Ruined> {
    let not_started = |why: String| Ruined::NotStarted(why);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| not_started(error.to_string()))?;
    let target = ReferenceTarget::altered(manner.program.clone(), Arc::clone(alteration))
        .map_err(|error| not_started(error.to_string()))?;
    let client = Client::with(ClientOptions {
        patience: manner.patience,
        ..ClientOptions::default()
    });
    let client = client.map_err(|error| not_started(error.to_string()))?;
    let mut ending = manner.ending.clone();
    let seen = Arc::new(Seen {
        all: Mutex::default(),
        is_enough,
        enough: Notify::new(),
    });
    let builder = Suite::builder()
        .target(Arc::new(target))
        .client(client)
        .plan(plan)
        .book(Arc::clone(&manner.book))
        .seed(manner.seed)
        .concurrency(manner.concurrency)
        .without_the_contract()
        .progress(Arc::clone(&seen) as _);
    runtime.block_on(async {
        let suite = builder.start().await;
        let suite = suite.map_err(|error| not_started(error.to_string()))?;
        let running = suite.scenarios();
        tokio::select! {
            ended = running => Ok(ended),
            () = seen.enough.notified() => Ok(seen.so_far()),
            _ = ending.wait_for(|ending| *ending) => Err(Ruined::Interrupted),
        }
    })
}

/// Files and sockets that trials side by side share. A trial that lacks one would take what it cannot open for the backend's doing.
pub struct OpenFiles {
    all: usize,
    free: Mutex<usize>,
    freed: Condvar,
}

/// What one trial may open, until it is dropped.
pub struct Taken<'a> {
    from: &'a OpenFiles,
    count: usize,
}

impl OpenFiles {
    /// So many for all of them.
    #[must_use]
    pub fn of(all: usize) -> Self {
        Self {
            all,
            free: Mutex::new(all),
            freed: Condvar::new(),
        }
    }

    /// Waits until so many are free; whoever wants more than there are gets all of them.
    #[must_use]
    pub fn take(&self, count: usize) -> Taken<'_> {
        let count = count.min(self.all);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.freed.wait_while(free, |free| *free < count);
        *free.unwrap_or_else(PoisonError::into_inner) -= count;
        Taken { from: self, count }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let free = self.from.free.lock();
        *free.unwrap_or_else(PoisonError::into_inner) += self.count;
        self.from.freed.notify_all();
    }
}

/// Does the work of every job, so many side by side, and returns the results in the order of the jobs.
pub fn side_by_side<J: Send, R: Send>(
    jobs: Vec<J>,
    threads: usize,
    work: impl Fn(J) -> R + Sync,
) -> Vec<R> {
    let waiting: Mutex<VecDeque<(usize, J)>> = Mutex::new(jobs.into_iter().enumerate().collect());
    let done = Mutex::new(Vec::new());
    let next = || {
        waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((place, job)) = next() {
                    let result = work(job);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}
