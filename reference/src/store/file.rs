//! One SQLite file in use: connections that read, and the queue to the one that writes. Never knows a table.

use super::OpenError;
use super::checkpoints::Checkpoints;
use super::sqlite::{self, Dialect};
use super::writer::{Durability, WriteQueue};
use crate::ports::StoreError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// Connections for point reads, which take some microseconds each: more than the cores of a small machine are never busy at once.
const POINT_READERS: usize = 4;

/// Clones share the file. The last one to go writes what is queued.
#[derive(Clone)]
pub struct SqliteFile {
    shared: Arc<Shared>,
}

struct Shared {
    point_readers: [Mutex<Connection>; POINT_READERS],
    // Apart from the others, so that no listing of a thousand rows is in a point read's way.
    list_reader: Mutex<Connection>,
    writes: WriteQueue,
    checkpoints: Checkpoints,
}

impl SqliteFile {
    /// Opens the file for use; `schema` runs first, on the writing connection.
    ///
    /// # Errors
    /// [`OpenError`] if the file cannot be opened or `schema` fails.
    pub fn open(
        path: &Path,
        dialect: Dialect,
        schema: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, OpenError> {
        let writing = sqlite::open_writing(path, dialect)?;
        schema(&writing)?;
        let reader = || sqlite::open_reading(path, dialect).map(Mutex::new);
        let checkpoints = Checkpoints::of(path, dialect);
        let shared = Shared {
            point_readers: [reader()?, reader()?, reader()?, reader()?],
            list_reader: reader()?,
            writes: WriteQueue::start(writing, checkpoints.clone())?,
            checkpoints,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Reads a row or two, on the calling thread.
    ///
    /// # Errors
    /// [`StoreError`], as SQLite says.
    pub fn read_point<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        read(&self.shared.free_reader()).map_err(sqlite::store_error)
    }

    /// Reads many rows, on a thread that may block.
    ///
    /// # Errors
    /// [`StoreError`], as SQLite says.
    pub async fn read_list<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || read(&locked(&shared.list_reader)))
            .await
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?
            .map_err(sqlite::store_error)
    }

    /// Runs `work` in the next transaction, which it may share with others, and returns once that is durable.
    ///
    /// `work` must leave nothing behind when it fails: it is one statement, or it opens a savepoint.
    /// It is carried out even if the caller goes away.
    ///
    /// # Errors
    /// [`StoreError`], as SQLite says.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.shared.writes.write(Durability::Flushed, work).await
    }

    /// As [`Self::write`], but returns once the transaction outlives this process: a power cut may undo it until a later write is durable.
    ///
    /// For what is worth less than the time of a flush, such as counts of requests.
    ///
    /// # Errors
    /// [`StoreError`], as SQLite says.
    pub async fn write_unflushed<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.shared.writes.write(Durability::Committed, work).await
    }

    /// Brings what is committed from the log into the file if so many pages (4 KiB) of it wait there, while others go on reading and writing.
    ///
    /// For whoever changes many pages: so that the disk has little to do at a time, and others come in between.
    ///
    /// # Errors
    /// [`StoreError`], as SQLite says.
    pub async fn settle(&self, waiting: i64) -> Result<(), StoreError> {
        let checkpoints = self.shared.checkpoints.clone();
        tokio::task::spawn_blocking(move || checkpoints.settle(waiting))
            .await
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?
            .map_err(sqlite::store_error)
    }

    /// Writes what is queued; later writes fail.
    pub fn close(&self) {
        self.shared.writes.close();
    }
}

impl Shared {
    /// A connection that nobody reads with; if there is none, the first one that comes free of them.
    fn free_reader(&self) -> MutexGuard<'_, Connection> {
        for reader in &self.point_readers {
            match reader.try_lock() {
                Ok(reader) => return reader,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        locked(&self.point_readers[0])
    }
}

/// A panic during a read leaves the connection as it was: its statement is reset when it is dropped.
fn locked(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_committed_is_brought_into_the_file_once_enough_of_it_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file.sqlite");
        let schema = |connection: &Connection| connection.execute_batch("CREATE TABLE t (id)");
        let file = SqliteFile::open(&path, Dialect::D1, schema).unwrap();
        file.write_unflushed(|connection| connection.execute("INSERT INTO t VALUES (1)", []))
            .await
            .unwrap();
        // The file without its log, as nobody should copy one.
        let rows = || {
            let copy = dir.path().join("copy.sqlite");
            std::fs::copy(&path, &copy).unwrap();
            let rows = Connection::open(copy).and_then(|connection| {
                connection.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
            });
            rows.unwrap_or(0)
        };
        assert_eq!(rows(), 0);
        file.settle(1_000).await.unwrap();
        assert_eq!(rows(), 0);
        file.settle(1).await.unwrap();
        assert_eq!(rows(), 1);
    }
}
