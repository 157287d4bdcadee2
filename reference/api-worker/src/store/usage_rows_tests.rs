//! Usage that is written together: what each row costs, and who hears of a refusal. Never needs two writes to meet by chance.

use super::*;
use crate::domain::environment::Environment;
use tempfile::TempDir;

const NOW: i64 = 1_800_000_000_000;

/// A store with a user `alice`, her key, and a price of `m` that changed at [`NOW`].
fn open() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let store = Store::open(&path, Environment::Production, NOW).unwrap();
    let set_up = format!(
        "INSERT INTO api_keys (id, user_id, prefix, hash, permissions, created_at)
         VALUES ('key', 'alice', 'mpk_00000000', '{:064x}', '[\"chat\"]', 0);
         INSERT INTO model_pricing VALUES ('old', 'm', 1000000, 0, 1000, {NOW}, 0), ('new', 'm', 3000000, 0, {NOW}, NULL, 0)",
        0
    );
    Connection::open(&path)
        .unwrap()
        .execute_batch(&set_up)
        .unwrap();
    (folder, store)
}

/// Usage of one token.
fn usage(id: &str, key: &str, model: &str, created_at: i64) -> Usage {
    Usage {
        id: id.to_owned(),
        request_id: "r".to_owned(),
        user_id: "alice".to_owned(),
        api_key_id: key.to_owned(),
        conversation_id: None,
        model: model.to_owned(),
        input_tokens: Some(1),
        output_tokens: Some(0),
        cost_micros: None,
        latency_ms: 1,
        created_at,
    }
}

/// Writes usage as one job.
async fn written(store: &Store, usages: Vec<Usage>) -> Vec<Outcome> {
    let job = store
        .file
        .write(move |connection| write(connection, usages));
    job.await.unwrap()
}

fn count(folder: &TempDir, of: &str) -> i64 {
    Connection::open(folder.path().join("db"))
        .unwrap()
        .query_row(&format!("SELECT count(*) FROM {of}"), [], |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn each_row_costs_the_price_of_its_own_instant_whatever_was_looked_up_before_it() {
    let (folder, store) = open();
    let instants = [
        (NOW, Some(3)),
        (NOW - 1, Some(1)),
        (NOW + 1, Some(3)),
        (1_000, Some(1)),
        (999, None),
        (NOW - 1, Some(1)),
    ];
    let rows = instants.iter().enumerate();
    let rows = rows.map(|(number, (at, _))| usage(&number.to_string(), "key", "m", *at));
    let mut rows: Vec<_> = rows.collect();
    rows.push(usage("unpriced", "key", "other", NOW));
    let outcomes = written(&store, rows).await;
    let costs: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap().value.cost_micros)
        .collect();
    let wanted: Vec<_> = instants.iter().map(|(_, cost)| *cost).collect();
    assert_eq!(costs[..instants.len()], wanted);
    assert_eq!(costs[instants.len()], None);
    assert_eq!(count(&folder, "usage_logs WHERE cost_micros = 1"), 3);
    assert_eq!(count(&folder, "usage_logs WHERE cost_micros = 3"), 2);
    assert_eq!(count(&folder, "usage_logs WHERE cost_micros IS NULL"), 2);
}

#[tokio::test]
async fn a_refused_row_fails_alone_among_those_of_its_statement() {
    let (folder, store) = open();
    let rows = (0..40).map(|number| {
        let key = if number == 4 { "nobodys" } else { "key" };
        // Two of one id.
        let id = if number == 21 { 20 } else { number };
        usage(&format!("{id:02}"), key, "m", NOW)
    });
    let outcomes = written(&store, rows.collect()).await;
    let refused: Vec<_> = (0..)
        .zip(&outcomes)
        .filter(|(_, one)| one.is_err())
        .collect();
    assert!(
        matches!(
            refused[..],
            [
                (4, Err(StoreError::MissingReference)),
                (21, Err(StoreError::Unavailable(_)))
            ]
        ),
        "{refused:?}"
    );
    assert_eq!(count(&folder, "usage_logs"), 38);
    assert_eq!(count(&folder, "usage_logs WHERE id = '20'"), 1);
}

#[tokio::test]
async fn where_a_webhook_hears_of_chats_each_row_has_its_event() {
    let (folder, store) = open();
    Connection::open(folder.path().join("db"))
        .unwrap()
        .execute_batch(
            &format!(
            "INSERT INTO webhooks VALUES ('hook', 'https://hooks.example/', 'whsec_{}=', '[\"chat.completed\"]', 'active', 0)",
            "A".repeat(43)
        ),
        )
        .unwrap();
    let rows = (0..12).map(|number| {
        let key = if number == 3 { "nobodys" } else { "key" };
        usage(&format!("{number:02}"), key, "m", NOW)
    });
    let outcomes = written(&store, rows.collect()).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        let deliveries = outcome.as_ref().map(|told| told.deliveries.len());
        assert_eq!(deliveries.ok(), (number != 3).then_some(1), "row {number}");
    }
    assert_eq!(count(&folder, "usage_logs WHERE cost_micros = 3"), 11);
    assert_eq!(count(&folder, "webhook_events"), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_callers_at_once_each_is_told_of_its_own_row_once_it_is_there() {
    let (folder, store) = open();
    let callers = (0..200).map(|number| {
        let store = store.clone();
        let key = if number % 50 == 7 { "nobodys" } else { "key" };
        let row = usage(&format!("{number:03}"), key, "m", NOW - number);
        tokio::spawn(async move { store.keep_usage(row).await })
    });
    let outcomes = futures_util::future::join_all(callers).await;
    for (number, outcome) in (0..).zip(outcomes) {
        match outcome.unwrap() {
            Ok(told) => {
                assert_eq!(told.value.id, format!("{number:03}"));
                assert_eq!(
                    told.value.cost_micros,
                    Some(if number == 0 { 3 } else { 1 })
                );
            }
            Err(StoreError::MissingReference) => assert_eq!(number % 50, 7),
            Err(other) => panic!("row {number}: {other}"),
        }
    }
    assert_eq!(count(&folder, "usage_logs"), 196);
}

#[tokio::test]
async fn usage_of_a_closed_store_is_refused_and_nobody_waits_for_ever() {
    let (_folder, store) = open();
    store.close();
    let callers =
        (0..3).map(|number| store.keep_usage(usage(&number.to_string(), "key", "m", NOW)));
    for outcome in futures_util::future::join_all(callers).await {
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))));
    }
}
