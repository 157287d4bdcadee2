//! SIGTERM with usage rows still to be written. Never loses one.

use crate::callers::Callers;
use crate::kill::{expect_whole_rows, numbered};
use crate::stage::Stage;
use crate::wait::{PROMPT, cores, now, until, until_by, within};
use std::collections::BTreeSet;
use std::time::Duration;

/// Chats whose rows are pending; few, so that all are answered long before the first write gives up (USG-009: after 1.7 s).
const PENDING: u64 = 8;

/// Longer than the first attempt of a row, which waits 250 ms for the lock, and shorter than the last one of any.
const LOCKED: Duration = Duration::from_millis(700);

/// Another process holds D1's write lock while chats are answered and until the shutdown has begun.
pub(crate) fn rows_held_up_by_a_lock_are_written_before_an_orderly_end() {
    let _cores = cores();
    let mut stage = Stage::start(numbered);
    // Made warm, so that the chats below have nothing to wait for.
    stage.chat("100").ask().expect(200);
    stage.expect_rows(vec![(100, 200)]);
    let lock = stage.open("db");
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked_at = now();
    for number in 1..=PENDING {
        let chat = stage.chat(&number.to_string());
        within(PROMPT, "a chat with D1 locked", || chat.ask().expect(200));
    }
    assert_eq!(stage.rows().len(), 1, "the lock holds back every write");
    stage.server.terminate();
    until_by(LOCKED * 2, "the lock has lasted", || {
        (locked_at.elapsed() >= LOCKED).then_some(())
    });
    assert_eq!(
        stage.rows().len(),
        1,
        "shutdown has begun, the rows are pending"
    );
    lock.execute_batch("ROLLBACK").unwrap();
    stage.expect_end();
    let expected: BTreeSet<u64> = (1..=PENDING).chain([100]).collect();
    assert_eq!(expect_whole_rows(&stage.rows()), expected);
    stage.expect_whole("db");
}

/// Under full load: each chat that was answered in full has its row.
pub(crate) fn an_end_under_load_leaves_one_row_for_every_answer() {
    let _cores = cores();
    let mut stage = Stage::start(numbered);
    let callers = Callers::start(stage.server.address, 10_000);
    until("answers", || (callers.answered() >= 500).then_some(()));
    stage.server.terminate();
    stage.expect_end();
    let answered: BTreeSet<u64> = callers.join().into_iter().collect();
    assert!(answered.len() < 10_000, "the end came too late");
    let written = expect_whole_rows(&stage.rows());
    let lost: Vec<_> = answered.difference(&written).collect();
    assert!(lost.is_empty(), "answered and not written: {lost:?}");
}
