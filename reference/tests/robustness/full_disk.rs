//! A disk without room. Never ends the backend, never leaves a half row or tenant, and needs no restart when there is room again.

use crate::kill::{expect_whole_rows, numbered};
use crate::stage::Stage;
use crate::wait::{PROMPT, until, within};
use std::collections::BTreeSet;

/// No file can grow: what is asked of the stores is refused, what can be served is, and each lost row is told.
pub(crate) fn without_room_writes_are_refused_reads_served_and_lost_rows_told() {
    let mut stage = Stage::start(numbered);
    stage.chat("1").ask().expect(200);
    stage.expect_rows(vec![(1, 2)]);
    stage.server.limit_files(Some(0));
    within(PROMPT, "a refusal without room", || {
        stage.create("late").expect_error(503, "STORE_UNAVAILABLE")
    });
    let cold = stage.public("POST", "/v1/chat/completions", "bystander");
    // The state of a gateway that starts has to be saved.
    within(PROMPT, "a cold start without room", || {
        let body = crate::stage::chat_body("7", false);
        cold.body(body).ask().expect_error(503, "STORE_UNAVAILABLE")
    });
    for number in 2..=5 {
        let chat = stage.chat(&number.to_string());
        within(PROMPT, "a chat without room", || chat.ask().expect(200));
    }
    let status = stage.public("GET", "/api/status", "bystander");
    within(PROMPT, "a status without room", || status.ask().expect(200));
    let lost = until("four lost rows", || {
        let lost = stage.server.events("usage_lost");
        (lost.len() >= 4).then_some(lost)
    });
    assert_eq!(lost.len(), 4, "{lost:?}");
    // What the operating system said: "disk I/O error" for a file that may not grow.
    for line in lost {
        let cause = line["cause"].as_str().unwrap();
        assert!(
            cause.contains("disk"),
            "an operator has to know why: {cause}"
        );
    }
    assert!(stage.server.is_alive());
    assert_eq!(expect_whole_rows(&stage.rows()), BTreeSet::from([1]));
    stage.server.limit_files(None);
    stage.create("late").expect(201);
    stage.chat("6").ask().expect(200);
    stage.expect_rows(vec![(1, 2), (6, 12)]);
    stage.expect_others_served();
    assert_eq!(stage.slugs(), ["acme", "bystander", "late"]);
    stage.server.terminate();
    stage.expect_end();
    stage.expect_whole("db");
    stage.expect_whole("kv");
}

/// The disk fills up in the middle of a row of writes, at whatever byte: each chat is one whole row or one line of the log.
pub(crate) fn a_disk_that_fills_up_in_the_middle_of_writes_halves_no_row() {
    let mut stage = Stage::start(numbered);
    stage.chat("100000").ask().expect(200);
    stage.expect_rows(vec![(100_000, 200_000)]);
    // Room for the first few transactions, of which each takes some pages of the write-ahead log; no page ends here.
    stage.server.limit_files(Some(stage.log_len("db") + 50_001));
    let mut chats = 0;
    until("rows are lost", || {
        chats += 1;
        stage.chat(&chats.to_string()).ask().expect(200);
        (!stage.server.events("usage_lost").is_empty()).then_some(())
    });
    until("every chat is a row or a line", || {
        let ended = stage.rows().len() - 1 + stage.server.events("usage_lost").len();
        (ended >= chats).then_some(())
    });
    let written = expect_whole_rows(&stage.rows());
    let lost = stage.server.events("usage_lost").len();
    assert_eq!(written.len() - 1 + lost, chats);
    assert!(written.len() > 1, "there was room for some rows");
    stage.server.limit_files(None);
    stage.chat("99999").ask().expect(200);
    until("a row again", || {
        stage
            .rows()
            .iter()
            .any(|row| row.tokens.0 == 99_999)
            .then_some(())
    });
    stage.server.kill();
    stage.expect_whole("db");
    assert_eq!(expect_whole_rows(&stage.rows()).len(), written.len() + 1);
}
