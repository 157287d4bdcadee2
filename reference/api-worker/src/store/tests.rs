//! What the database itself refuses, and what is exact under parallel load. Never mocks SQLite.

use super::gate::{Arrival, Passage};
use super::schema::{self, SchemaError};
use super::{Act, Store};
use crate::domain::credential::{Credential, Kind};
use crate::domain::environment::Environment;
use crate::domain::records::{Key, ModelPrice};
use rusqlite::Connection;
use std::path::PathBuf;
use tempfile::TempDir;

const NOW: i64 = 1_800_000_000_000;

struct Scene {
    folder: TempDir,
    store: Store,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db"), Environment::Production, NOW).unwrap();
        Self { folder, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    /// Runs SQL as somebody who has the file.
    fn sql(&self, sql: &str) -> rusqlite::Result<()> {
        let connection = Connection::open(self.path())?;
        connection.execute_batch("PRAGMA foreign_keys = ON")?;
        connection.execute_batch(sql)
    }

    fn count(&self, of: &str) -> i64 {
        let connection = Connection::open(self.path()).unwrap();
        connection
            .query_row(&format!("SELECT count(*) FROM {of}"), [], |row| row.get(0))
            .unwrap()
    }

    async fn key(&self, user: &str) -> String {
        let credential = Credential::random(Kind::Key).unwrap();
        let key = Key {
            id: uuid::Uuid::now_v7().to_string(),
            user_id: user.to_owned(),
            name: None,
            prefix: credential.prefix().to_owned(),
            permissions: vec!["chat".to_owned()],
            expires_at: None,
            quota_requests: Some(7),
            requests_used: 0,
            replaces: None,
            revoked_at: None,
            created_at: NOW,
        };
        let shown = credential.expose().to_owned();
        self.store.create_key(act(), key, credential).await.unwrap();
        shown
    }
}

fn act() -> Act {
    Act {
        actor: "ops@example.test".to_owned(),
        request_id: "r".to_owned(),
        now: NOW,
    }
}

fn arrival(key: &str, ip: &str) -> Arrival {
    Arrival {
        now: NOW,
        environment: Environment::Production,
        ip: ip.to_owned(),
        credential: Credential::parse(key),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_requests_at_once_exactly_the_limit_is_admitted_and_counted() {
    let scene = Scene::new();
    let key = scene.key("alice").await;
    let requests = (0..150).map(|number| {
        let (store, arrival) = (
            scene.store.clone(),
            arrival(&key, &format!("10.0.0.{number}")),
        );
        tokio::spawn(async move { store.admit(arrival).await.unwrap() })
    });
    let passed = futures_util::future::join_all(requests).await;
    let admitted = passed
        .into_iter()
        .filter(|passage| matches!(passage, Ok(Passage::Admitted(_))))
        .count();
    assert_eq!(admitted, 60);
    let counted = "rate_limits WHERE subject = 'alice' AND window_kind = 'day' AND requests = 60";
    assert_eq!(scene.count(counted), 1);
    // What the user's limit refused does not count for its ip.
    assert_eq!(
        scene.count("rate_limits WHERE subject_kind = 'ip' AND window_kind = 'day'"),
        60
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_chats_at_once_exactly_the_quota_is_counted() {
    let scene = Scene::new();
    let key = scene.key("alice").await;
    let passage = scene.store.admit(arrival(&key, "10.0.0.1")).await.unwrap();
    let Passage::Admitted(principal) = passage else {
        panic!("the key is valid");
    };
    let id = principal.key_id;
    let chats = (0..40).map(|_number| {
        let (store, id) = (scene.store.clone(), id.clone());
        tokio::spawn(async move { store.use_quota(id).await.unwrap() })
    });
    let counted = futures_util::future::join_all(chats).await;
    assert_eq!(
        counted
            .into_iter()
            .filter(|counted| *counted.as_ref().unwrap())
            .count(),
        7
    );
}

#[tokio::test]
async fn the_audit_log_is_changed_removed_and_replaced_by_no_statement() {
    let scene = Scene::new();
    scene.key("alice").await;
    assert_eq!(scene.count("audit_logs"), 1);
    for statement in [
        "UPDATE audit_logs SET actor = 'x'",
        "UPDATE OR REPLACE audit_logs SET id = id + 1",
        "DELETE FROM audit_logs",
        "REPLACE INTO audit_logs (id, actor, action, resource, request_id, created_at) VALUES (1, 'x', 'key.create', 'x', 'x', 1)",
        "REPLACE INTO audit_logs (rowid, actor, action, resource, request_id, created_at) VALUES (1, 'x', 'key.create', 'x', 'x', 1)",
        "INSERT INTO audit_logs (id, actor, action, resource, request_id, created_at) VALUES (1, 'x', 'key.create', 'x', 'x', 1)
         ON CONFLICT (id) DO UPDATE SET actor = 'x'",
    ] {
        assert!(scene.sql(statement).is_err(), "{statement}");
    }
    assert_eq!(
        scene.count("audit_logs WHERE actor = 'ops@example.test' AND id = 1"),
        1
    );
    // The control: an entry of its own is taken.
    scene
        .sql("INSERT INTO audit_logs (actor, action, resource, request_id, created_at) VALUES ('x', 'key.create', 'x', 'x', 1)")
        .unwrap();
}

#[tokio::test]
async fn history_is_not_rewritten_by_any_statement() {
    let scene = Scene::new();
    schema_seed(&scene);
    for statement in [
        "UPDATE usage_logs SET cost_micros = 1",
        "REPLACE INTO usage_logs (id, request_id, user_id, api_key_id, model, latency_ms, created_at)
         SELECT id, request_id, user_id, api_key_id, model, latency_ms, 5 FROM usage_logs",
        "UPDATE messages SET created_at = 5",
        "UPDATE conversations SET created_at = 5",
        "UPDATE api_keys SET created_at = 5",
        "UPDATE api_keys SET permissions = '[\"write\"]' WHERE user_id = 'bob'",
        "DELETE FROM api_keys",
        "UPDATE model_pricing SET input_micros_per_million = 1 WHERE valid_to IS NULL",
        "UPDATE model_pricing SET valid_to = NULL",
        "DELETE FROM model_pricing",
        "INSERT INTO model_pricing VALUES ('x', 'gpt-4o', 1, 1, 1767225600001, 1767225600002, 1)",
        "DELETE FROM schema_metadata",
        "UPDATE schema_metadata SET sha256 = replace(sha256, 'a', 'b')",
        // References hold the user beside the id: nothing of bob's names what is alice's.
        "INSERT INTO messages (id, conversation_id, user_id, position, role, content, created_at)
         SELECT 'x', id, 'bob', 1, 'user', '\"\"', 1 FROM conversations",
        "INSERT INTO usage_logs (id, request_id, user_id, api_key_id, conversation_id, model, latency_ms, created_at)
         SELECT 'x', 'x', 'bob', api_keys.id, conversations.id, 'm', 1, 1 FROM api_keys, conversations WHERE api_keys.user_id = 'bob'",
    ] {
        assert!(scene.sql(statement).is_err(), "{statement}");
    }
    scene
        .sql("UPDATE model_pricing SET valid_to = valid_from + 1 WHERE valid_to IS NULL")
        .unwrap();
}

fn schema_seed(scene: &Scene) {
    schema::set_up(
        &scene.path(),
        &schema::development_seed(),
        Environment::Development,
        NOW,
    )
    .unwrap();
}

#[test]
fn seeds_apply_twice_to_one_state_and_never_over_each_other() {
    let dump = |scene: &Scene| {
        let tables = [
            "deployment",
            "api_keys",
            "model_pricing",
            "usage_logs",
            "user_preferences",
            "feature_flags",
            "retention_policies",
            "messages",
            "schema_metadata",
        ];
        tables.map(|table| scene.count(table))
    };
    let (development, production) = (schema::development_seed(), schema::production_set_up());
    for (first, other) in [(&development, &production), (&production, &development)] {
        let scene = Scene::new();
        let apply = |file| schema::set_up(&scene.path(), file, Environment::Production, NOW);
        let empty = dump(&scene);
        apply(first).unwrap();
        let once = dump(&scene);
        assert_ne!(once, empty);
        apply(first).unwrap();
        assert_eq!(dump(&scene), once, "{}", first.name);
        assert!(matches!(apply(other), Err(SchemaError::Migration(_))));
        assert_eq!(dump(&scene), once, "{} over {}", other.name, first.name);
        // Neither does a shell that goes on after an error leave anything of it.
        for statement in other.sql.split_inclusive(";\n") {
            scene.sql(statement).unwrap_or_default();
        }
        assert_eq!(
            dump(&scene),
            once,
            "{} piece by piece over {}",
            other.name,
            first.name
        );
    }
}

#[test]
fn an_edited_file_stops_the_runner_before_anything_is_applied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut files = schema::embedded();
    let last = files.pop().unwrap();
    schema::migrate(&path, &files, Environment::Staging, NOW).unwrap();
    files[1].sql.push_str("-- edited\n");
    files.push(last);
    let edited = schema::migrate(&path, &files, Environment::Staging, NOW);
    assert!(matches!(edited, Err(SchemaError::Edited { file }) if file == files[1].name));
    let connection = Connection::open(&path).unwrap();
    let applied: i64 = connection
        .query_row("SELECT count(*) FROM schema_metadata", [], |row| row.get(0))
        .unwrap();
    assert_eq!(applied, 6);
}

#[test]
fn every_migration_of_the_folder_is_compiled_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/api-worker");
    let in_folder = moltworker_reference::store::migrations::from_dir(folder.as_ref()).unwrap();
    assert_eq!(schema::embedded(), in_folder);
}

#[test]
fn every_query_of_the_folder_runs_and_reads_by_an_index() {
    let scene = Scene::new();
    schema_seed(&scene);
    let connection = Connection::open(scene.path()).unwrap();
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../migrations/api-worker/queries"
    );
    let mut queries = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let sql = std::fs::read_to_string(&path).unwrap();
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
        let plan = statement
            .query_map(rusqlite::params_from_iter(nulls), |row| {
                row.get::<_, String>("detail")
            })
            .unwrap();
        for line in plan.map(Result::unwrap) {
            // A view that was computed is read once, the list of the schema has no index, and the newest file is the first of its own.
            let meant = [
                "SCAN user_usage_summary",
                "SCAN model_usage_stats",
                "SCAN daily_usage_trends",
                "SCAN sqlite_schema",
                "SCAN schema_metadata USING INDEX schema_metadata_newest",
            ];
            let scans = line.starts_with("SCAN") && !meant.contains(&line.as_str());
            assert!(!scans, "{}: {line}", path.display());
        }
        queries += 1;
    }
    assert_eq!(queries, 10);
}

#[test]
fn the_manual_shows_every_query_as_it_stands_in_its_file() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let manual = std::fs::read_to_string(format!("{root}/docs/api-worker.md")).unwrap();
    let mut shown: Vec<&str> = manual
        .split("```sql\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let folder = format!("{root}/migrations/api-worker/queries");
    let mut written: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .map(|text| {
            let lines = text.split_inclusive('\n');
            lines.filter(|line| !line.starts_with("--")).collect()
        })
        .collect();
    shown.sort_unstable();
    written.sort_unstable();
    assert_eq!(shown, written);
}

#[tokio::test]
async fn the_price_of_an_instant_is_the_one_that_is_valid_then() {
    let scene = Scene::new();
    let price = |valid_from: i64| ModelPrice {
        id: format!("p{valid_from}"),
        model: "m".to_owned(),
        input_micros_per_million: valid_from,
        output_micros_per_million: 0,
        valid_from,
        valid_to: None,
        created_at: NOW,
    };
    for valid_from in [100, 200] {
        scene
            .store
            .create_price(act(), price(valid_from))
            .await
            .unwrap()
            .unwrap();
    }
    assert!(
        scene
            .store
            .create_price(act(), price(200))
            .await
            .unwrap()
            .is_err()
    );
    assert!(
        scene
            .store
            .create_price(act(), price(150))
            .await
            .unwrap()
            .is_err()
    );
    let connection = Connection::open(scene.path()).unwrap();
    let at = |now| {
        super::prices::at(&connection, "m", now)
            .unwrap()
            .map(|price| price.valid_from)
    };
    assert_eq!(
        [99, 100, 199, 200, i64::MAX].map(at),
        [None, Some(100), Some(100), Some(200), Some(200)]
    );
}
