//! SIGKILL in the middle of usage writes. Never a half row, never one twice, and what was acknowledged stays.

use crate::callers::Callers;
use crate::stage::{Row, Stage, rows};
use crate::upstream::Call;
use crate::wait::{cores, until};
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantRecord};
use moltworker_reference::domain::usage::UsageRow;
use moltworker_reference::ports::{TenantStore, UsageStore};
use moltworker_reference::store::{Database, migrations};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use uuid::Uuid;

/// Usage writes of one run.
const WRITES: u64 = 10_000;
/// The kill comes when this many are in D1.
const WRITTEN_AT_KILL: usize = 2_000;

/// The first word of this program's arguments that makes it a process which only writes rows.
pub(crate) const WRITE_ROWS: &str = "--write-usage-rows-into";

/// A model call that says by its tokens which chat it was.
pub(crate) fn numbered(call: Call<'_>) -> io::Result<()> {
    let number = call.prompt.parse().unwrap_or(0);
    call.success(number, 2 * number)
}

/// Every row is whole, and no chat has two.
#[track_caller]
pub(crate) fn expect_whole_rows(rows: &[Row]) -> BTreeSet<u64> {
    let mut numbers = BTreeSet::new();
    for row in rows {
        let (tokens_in, tokens_out) = row.tokens;
        let number = u64::try_from(tokens_in).unwrap();
        assert!(numbers.insert(number), "two rows of chat {number}");
        assert!(number > 0 && tokens_out == 2 * tokens_in, "{row:?}");
        assert!(Uuid::try_parse(&row.id).is_ok(), "{row:?}");
        assert_eq!(row.model, "@cf/meta/llama-3.1-8b-instruct-fp8-fast");
        assert!(
            row.latency_ms >= 0 && row.created_at > 1_700_000_000_000,
            "{row:?}"
        );
    }
    numbers
}

/// The whole backend, killed under load: what D1 had shown to anybody is still there, and it serves on.
pub(crate) fn a_killed_backend_keeps_every_row_that_was_seen_and_halves_or_doubles_none() {
    let _cores = cores();
    let stage = Stage::start(numbered);
    let callers = Callers::start(stage.server.address, WRITES);
    let reader = stage.open("db");
    let seen = until("usage rows", || {
        let seen = rows(&reader, stage.acme());
        (seen.len() >= WRITTEN_AT_KILL).then_some(seen)
    });
    drop(reader);
    let stage = stage.restart_after_kill();
    let answered = callers.join();
    assert!(
        answered.len() < usize::try_from(WRITES).unwrap(),
        "the kill came too late to be in the middle"
    );
    stage.expect_whole("db");
    let left = stage.rows();
    let numbers = expect_whole_rows(&left);
    let left: BTreeMap<&str, &Row> = left.iter().map(|row| (row.id.as_str(), row)).collect();
    for row in &seen {
        assert_eq!(
            left.get(row.id.as_str()),
            Some(&row),
            "was seen before the kill"
        );
    }
    let called = u64::try_from(stage.gateway.calls()).unwrap();
    assert!(
        numbers.iter().all(|number| *number <= called),
        "a row of a chat that nobody answered"
    );
    stage.expect_others_served();
    stage.chat("9999999").ask().expect(200);
    until("a row of the restarted backend", || {
        (stage.rows().len() > left.len()).then_some(())
    });
}

/// The store alone: each write that returned is there after the kill, and writing all of it again leaves each row once.
pub(crate) fn every_write_that_returned_before_a_kill_is_there_after_it() {
    let _cores = cores();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let mut writing = write_rows(&file);
    let mut acknowledged = BTreeSet::new();
    let lines = BufReader::new(writing.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        acknowledged.insert(line);
        if acknowledged.len() == WRITTEN_AT_KILL {
            writing.kill().unwrap();
        }
    }
    assert!(!writing.wait().unwrap().success());
    let all = usize::try_from(WRITES).unwrap();
    assert!(
        (WRITTEN_AT_KILL..all).contains(&acknowledged.len()),
        "the kill came after {} of {all} writes",
        acknowledged.len()
    );
    let ids = || -> BTreeSet<String> {
        let connection = rusqlite::Connection::open(&file).unwrap();
        let rows = rows(&connection, &tenant().to_string());
        assert_eq!(expect_whole_rows(&rows).len(), rows.len());
        rows.into_iter().map(|row| row.id).collect()
    };
    let lost: Vec<_> = acknowledged.difference(&ids()).cloned().collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(
        write_rows(&file)
            .wait_with_output()
            .unwrap()
            .status
            .success()
    );
    let expected: BTreeSet<String> = (1..=WRITES)
        .map(|number| row(number).id.to_string())
        .collect();
    assert_eq!(ids(), expected);
}

/// This program once more, as the process that writes rows.
fn write_rows(file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .arg(WRITE_ROWS)
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Writes all rows side by side, and prints the id of each when its write has returned.
pub(crate) fn write_all_rows(file: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let database = Arc::new(Database::open(file, &migrations::embedded()).unwrap());
    runtime.block_on(async {
        let record = TenantRecord {
            id: tenant(),
            platform: "web".to_owned(),
            tier: "free".to_owned(),
            sandbox_id: SandboxId::derive(&tenant()).to_string(),
            created_at: 0,
            updated_at: 0,
        };
        if TenantStore::by_id(&*database, tenant())
            .await
            .unwrap()
            .is_none()
        {
            TenantStore::insert(&*database, &record).await.unwrap();
        }
        let writers = (0..64).map(|writer| {
            let database = Arc::clone(&database);
            let mut stdout = io::stdout();
            tokio::spawn(async move {
                for number in (1..=WRITES).filter(|number| number % 64 == writer) {
                    let row = row(number);
                    UsageStore::insert(&*database, &row).await.unwrap();
                    writeln!(stdout, "{}", row.id).unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

fn tenant() -> TenantId {
    TenantId::parse("0190b6f0-0000-7000-8000-000000000001").unwrap()
}

fn row(number: u64) -> UsageRow {
    UsageRow {
        id: Uuid::from_u128(u128::from(number)),
        tenant_id: tenant(),
        model: "@cf/meta/llama-3.1-8b-instruct-fp8-fast".to_owned(),
        tokens_in: i64::try_from(number).unwrap(),
        tokens_out: i64::try_from(2 * number).unwrap(),
        latency_ms: 1,
        created_at: 1_800_000_000_000,
    }
}
