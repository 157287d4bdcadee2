//! Brings what is committed from the log of a file into the file, beside those who write. Never keeps a commit waiting.

use super::sqlite::{self, Dialect};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// How long a log becomes, in pages of 4 KiB.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// So many wait before they are brought into the file.
    waiting: i64,
    /// From so many on the writing thread itself brings in what is left, between two commits: the log begins anew only when all of it is in
    /// the file, which never comes about beside somebody who writes on and on.
    pages: i64,
}

/// SQLite's default of 1,000 makes every other full batch of usage rows rewrite the same index pages; 8,000 (32 MiB) spreads that out.
const LIMITS: Limits = Limits {
    waiting: 8_000,
    pages: 32_000,
};

/// Who does so for one file. Clones share it.
#[derive(Clone)]
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    dialect: Dialect,
    limits: Limits,
    /// Opened when it is first needed.
    connection: Mutex<Option<Connection>>,
    is_running: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The log as a connection sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Log {
    /// Pages that it has.
    pages: i64,
    /// Pages of these that are in the file.
    settled: i64,
}

/// What is done about a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// A checkpoint beside those who write.
    Beside,
    /// A checkpoint before the next commit.
    Now,
}

impl Log {
    fn need(self, limits: Limits) -> Need {
        if self.pages >= limits.pages {
            Need::Now
        } else if self.pages - self.settled >= limits.waiting {
            Need::Beside
        } else {
            Need::Nothing
        }
    }
}

impl Checkpoints {
    pub(super) fn of(path: &Path, dialect: Dialect) -> Self {
        Self::within(path, dialect, LIMITS)
    }

    fn within(path: &Path, dialect: Dialect, limits: Limits) -> Self {
        let shared = Shared {
            path: path.to_owned(),
            dialect,
            limits,
            connection: Mutex::default(),
            is_running: AtomicBool::new(false),
            thread: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Looks at the log after a commit of `writing`, whose callers have been answered, and does or begins what it needs.
    /// What fails is tried again after the next commit: until then the log is longer, and nothing else.
    pub(super) fn after_commit(&self, writing: &Connection) {
        let log = log_of(writing, "NOOP");
        match log.map(|log| log.need(self.shared.limits)) {
            Ok(Need::Now) => drop(log_of(writing, "PASSIVE")),
            Ok(Need::Beside) => self.begin(),
            Ok(Need::Nothing) | Err(_) => {}
        }
    }

    /// Begins a checkpoint on a thread of its own, unless one is under way.
    fn begin(&self) {
        if self.shared.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let checkpoint = move || {
            drop(shared.settle(0));
            shared.is_running.store(false, Ordering::Release);
        };
        let thread = std::thread::Builder::new().name("sqlite-checkpoint".to_owned());
        match thread.spawn(checkpoint) {
            // The one before has ended, or is about to.
            Ok(thread) => *lock(&self.shared.thread) = Some(thread),
            Err(_out_of_threads) => self.shared.is_running.store(false, Ordering::Release),
        }
    }

    /// Brings in what is committed now if so many pages of the log wait for it. Blocks for as long as that takes.
    pub(super) fn settle(&self, waiting: i64) -> rusqlite::Result<()> {
        self.shared.settle(waiting)
    }

    /// Waits for what is under way, and lets the file go.
    pub(super) fn close(&self) {
        let thread = lock(&self.shared.thread).take();
        if let Some(thread) = thread {
            // A panic has been reported by the panic hook.
            drop(thread.join());
        }
        drop(lock(&self.shared.connection).take());
    }
}

impl Shared {
    fn settle(&self, waiting: i64) -> rusqlite::Result<()> {
        let mut connection = lock(&self.connection);
        let connection = match &mut *connection {
            Some(connection) => connection,
            none => none.insert(sqlite::open_writing(&self.path, self.dialect)?),
        };
        let log = log_of(connection, "NOOP")?;
        if log.pages - log.settled < waiting {
            return Ok(());
        }
        log_of(connection, "PASSIVE").map(drop)
    }
}

/// Does a checkpoint of this mode; the log as it is then. `NOOP` only looks, and no mode that is used here waits for anybody.
fn log_of(connection: &Connection, mode: &str) -> rusqlite::Result<Log> {
    connection
        .prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?
        .query_row([], |row| {
            Ok(Log {
                pages: row.get("log")?,
                settled: row.get("checkpointed")?,
            })
        })
}

/// A panic leaves these as they were.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits {
        waiting: 20,
        pages: 50,
    };

    /// A file with an empty table, and who looks after its log.
    fn open(dir: &tempfile::TempDir) -> (Connection, Checkpoints) {
        let path = dir.path().join("file.sqlite");
        let writing = sqlite::open_writing(&path, Dialect::Plain).unwrap();
        writing.execute_batch("CREATE TABLE t (text)").unwrap();
        (writing, Checkpoints::within(&path, Dialect::Plain, SMALL))
    }

    /// Commits something that takes so many pages and some more, and looks at the log as the writing thread does.
    fn commit(writing: &Connection, checkpoints: &Checkpoints, pages: usize) -> Log {
        let text = "x".repeat(pages * 4_096);
        writing
            .execute("INSERT INTO t VALUES (?1)", [text])
            .unwrap();
        checkpoints.after_commit(writing);
        log_of(writing, "NOOP").unwrap()
    }

    #[test]
    fn a_log_that_few_pages_wait_in_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (writing, checkpoints) = open(&dir);
        commit(&writing, &checkpoints, 10);
        checkpoints.close();
        assert_eq!(log_of(&writing, "NOOP").unwrap().settled, 0);
    }

    #[test]
    fn what_waits_in_the_log_is_brought_into_the_file_beside_the_writing_thread() {
        let dir = tempfile::tempdir().unwrap();
        let (writing, checkpoints) = open(&dir);
        commit(&writing, &checkpoints, 20);
        checkpoints.close();
        let log = log_of(&writing, "NOOP").unwrap();
        assert!(log.pages >= 20);
        assert_eq!(log.settled, log.pages);
        assert_eq!(log.need(SMALL), Need::Nothing);
    }

    #[test]
    fn a_long_log_is_settled_between_two_commits_and_begins_anew_with_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let (writing, checkpoints) = open(&dir);
        let log = commit(&writing, &checkpoints, 60);
        assert!(log.pages >= 60);
        assert_eq!(log.settled, log.pages);
        let log = commit(&writing, &checkpoints, 1);
        assert!(log.pages < 20, "{log:?}");
        assert_eq!(log.settled, 0);
    }

    #[test]
    fn no_commit_brings_anything_into_the_file_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let (writing, _checkpoints) = open(&dir);
        let text = "x".repeat(2_000 * 4_096);
        writing
            .execute("INSERT INTO t VALUES (?1)", [text])
            .unwrap();
        let log = log_of(&writing, "NOOP").unwrap();
        assert!(log.pages >= 2_000);
        assert_eq!(log.settled, 0);
    }
}
