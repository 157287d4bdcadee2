//! Group commit: who shares a transaction shares its fate, and no other's. Never needs two threads to show it.

use super::*;
use crate::store::sqlite::{Dialect, open_writing};

type Answer = oneshot::Receiver<Result<usize, StoreError>>;

fn open(dir: &tempfile::TempDir) -> Connection {
    let connection = open_writing(&dir.path().join("file.sqlite"), Dialect::D1).unwrap();
    connection
        .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        .unwrap();
    connection
}

fn insert(id: i64) -> (Box<dyn Job>, Answer) {
    job(move |connection| connection.execute("INSERT INTO t (id) VALUES (?1)", [id]))
}

fn job(
    work: impl FnOnce(&mut Connection) -> rusqlite::Result<usize> + Send + 'static,
) -> (Box<dyn Job>, Answer) {
    let (reply, answer) = oneshot::channel();
    (
        Box::new(Task {
            stage: Stage::Queued(work),
            reply,
        }),
        answer,
    )
}

/// Runs the jobs as one batch and returns their answers.
fn run(
    connection: &mut Connection,
    jobs: impl IntoIterator<Item = (Box<dyn Job>, Answer)>,
) -> Vec<Result<usize, StoreError>> {
    let (mut batch, answers): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
    let outcome = commit(connection, Durability::Flushed, &mut batch);
    for job in batch {
        job.acknowledge(outcome.clone());
    }
    answers
        .into_iter()
        .map(|answer| answer.blocking_recv().unwrap())
        .collect()
}

fn ids(connection: &Connection) -> Vec<i64> {
    let mut statement = connection.prepare("SELECT id FROM t ORDER BY id").unwrap();
    statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[tokio::test]
async fn a_write_is_flushed_unless_it_needs_none_whatever_came_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::of(&dir.path().join("file.sqlite"), Dialect::D1);
    let queue = WriteQueue::start(open(&dir), checkpoints).unwrap();
    for (durability, synchronous) in [
        (Durability::Flushed, 2),
        (Durability::Committed, 1),
        (Durability::Committed, 1),
        (Durability::Flushed, 2),
    ] {
        let seen = queue.write(durability, |connection| {
            connection.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0))
        });
        assert_eq!(seen.await.unwrap(), synchronous, "{durability:?}");
    }
}

#[test]
fn a_refused_job_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut connection = open(&dir);
    let answers = run(&mut connection, [insert(1), insert(1), insert(2)]);
    assert!(
        matches!(&answers[..], [Ok(1), Err(StoreError::Conflict { column }), Ok(1)] if column == "t.id")
    );
    assert_eq!(ids(&connection), [1, 2]);
}

#[test]
fn a_full_disk_fails_the_batch_whole_and_the_next_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut connection = open(&dir);
    let pages: i64 = connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    connection
        .pragma_update(None, "max_page_count", pages)
        .unwrap();
    let large =
        job(|connection| connection.execute("INSERT INTO t VALUES (2, ?1)", ["x".repeat(100_000)]));
    let answers = run(&mut connection, [insert(1), large, insert(3)]);
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))),
        "{answers:?}"
    );
    assert_eq!(ids(&connection), [0; 0]);
    connection
        .pragma_update(None, "max_page_count", 1_000_000)
        .unwrap();
    assert!(matches!(run(&mut connection, [insert(4)])[..], [Ok(1)]));
    assert_eq!(ids(&connection), [4]);
}

#[test]
fn a_job_that_panics_fails_its_batch_and_not_the_thread() {
    let dir = tempfile::tempdir().unwrap();
    let mut connection = open(&dir);
    let answers = run(&mut connection, [insert(1), job(|_| panic!("of a test"))]);
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))),
        "{answers:?}"
    );
    assert!(matches!(run(&mut connection, [insert(2)])[..], [Ok(1)]));
    assert_eq!(ids(&connection), [2]);
}
