//! Stores locked for seconds by another process. Never keeps a caller waiting, never loses a row without a word.

use crate::kill::{expect_whole_rows, numbered};
use crate::stage::Stage;
use crate::wait::{PROMPT, cores, now, until, within};
use std::time::Duration;

/// Longer than the 1.7 s for which a usage row is tried (USG-009), so that some rows are lost and some are not.
const LOCKED: Duration = Duration::from_secs(3);

/// Chats go on for all of that time: each ends as one row or as one line of the log.
pub(crate) fn a_locked_d1_refuses_operators_serves_callers_and_accounts_for_every_row() {
    let _cores = cores();
    let stage = Stage::start(numbered);
    stage.chat("100000").ask().expect(200);
    stage.expect_rows(vec![(100_000, 200_000)]);
    let lock = stage.open("db");
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked_at = now();
    let mut chats = 0_u64;
    // The lock ends before the last chat's row is given up.
    while locked_at.elapsed() < LOCKED {
        chats += 1;
        let chat = stage.chat(&chats.to_string());
        within(PROMPT, "a chat with D1 locked", || chat.ask().expect(200));
        if chats % 10 == 1 {
            within(PROMPT, "a refusal with D1 locked", || {
                stage.create("late").expect_error(503, "STORE_UNAVAILABLE")
            });
            stage.expect_others_served();
        }
    }
    lock.execute_batch("ROLLBACK").unwrap();
    let lost = || {
        let mut lost = stage.server.events("usage_lost");
        lost.retain(|line| line["tenant_id"] == stage.acme());
        lost
    };
    until("every chat is a row or a line", || {
        let ended = stage.rows().len() - 1 + lost().len();
        (ended >= usize::try_from(chats).unwrap()).then_some(())
    });
    let lost = lost();
    let written = expect_whole_rows(&stage.rows());
    assert_eq!(
        written.len() - 1 + lost.len(),
        usize::try_from(chats).unwrap()
    );
    assert!(lost.iter().all(|line| line["attempts"] == 4), "{lost:?}");
    assert!(!lost.is_empty(), "the lock was too short to lose a row");
    assert!(
        written.contains(&chats),
        "the last chat's row was given up too early"
    );
    stage.create("late").expect(201);
    assert_eq!(stage.slugs(), ["acme", "bystander", "late"]);
}

/// The registry can be read while it is locked, and nothing half is left of what could not be written.
pub(crate) fn a_locked_kv_refuses_operators_and_leaves_no_half_tenant() {
    let stage = Stage::start(numbered);
    let lock = stage.open("kv");
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    within(PROMPT, "a refusal with KV locked", || {
        stage.create("late").expect_error(503, "STORE_UNAVAILABLE")
    });
    stage.expect_others_served();
    let tenants: i64 = (stage.open("db"))
        .query_row("SELECT count(*) FROM tenants", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tenants, 2, "a tenant without a name was left behind");
    lock.execute_batch("ROLLBACK").unwrap();
    stage.create("late").expect(201);
}
