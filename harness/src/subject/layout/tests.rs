//! The layout against SQLite itself. Never needs a target.

use super::*;
use rusqlite::Connection;

fn layout() -> Layout {
    toml::from_str(
        "[tenants]\ntable = 'organisations'\nid = 'public_id'\ntier = 'plan'\nplatform = 'channel'\nsandbox_id = ''\n\
         created_at = 'created'\nupdated_at = 'changed'\n\
         [usage]\ntable = 'usage'\ntenant_id = 'organisation'\nrefers_to = 'id'\nid = 'number'",
    )
    .unwrap()
}

fn tiers() -> BTreeMap<String, String> {
    BTreeMap::from([("premium".to_owned(), "pro".to_owned())])
}

fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let sql = "CREATE TABLE organisations (id INTEGER PRIMARY KEY, public_id TEXT, plan TEXT, channel TEXT, created TEXT, changed TEXT);\
        CREATE TABLE usage (number INTEGER PRIMARY KEY, organisation INTEGER, model TEXT, tokens_in INTEGER, tokens_out INTEGER, latency_ms INTEGER, created_at TEXT);\
        INSERT INTO organisations VALUES (7, 'u-1', 'pro', 'web', 'then', 'now');\
        INSERT INTO usage VALUES (1, 7, 'm', 3, 4, 5, 'now'), (2, 8, 'm', 3, 4, 5, 'now');";
    connection.execute_batch(sql).unwrap();
    connection
}

#[test]
fn rows_are_read_as_the_contracts() {
    let database = database();
    let sql = layout().viewed("SELECT t.tier || ' ' || u.tokens_in FROM tenants t JOIN usage u ON u.tenant_id = t.id WHERE t.id = ?1", &tiers());
    let seen: String = database.query_row(&sql, ["u-1"], |row| row.get(0)).unwrap();
    assert_eq!(seen, "premium 3");
    let sql = layout().viewed(
        "SELECT sandbox_id FROM tenants WHERE id = ?1",
        &BTreeMap::new(),
    );
    let none: Option<String> = database.query_row(&sql, ["u-1"], |row| row.get(0)).unwrap();
    assert_eq!(none, None);
}

#[test]
fn a_row_of_nobody_is_still_an_orphan() {
    let sql = layout().viewed(
        "SELECT count(*) FROM usage WHERE tenant_id NOT IN (SELECT id FROM tenants)",
        &BTreeMap::new(),
    );
    let orphans: i64 = database().query_row(&sql, [], |row| row.get(0)).unwrap();
    assert_eq!(orphans, 1);
}

#[test]
fn what_is_written_has_the_targets_names() {
    let renamed = layout()
        .renamed("UPDATE tenants SET tier = ?1 WHERE id = ?2")
        .unwrap();
    assert_eq!(
        renamed,
        r#"UPDATE "organisations" SET "plan" = ?1 WHERE "public_id" = ?2"#
    );
    assert_eq!(database().execute(&renamed, ["basic", "u-1"]).unwrap(), 1);
    let gone = layout()
        .written("DELETE FROM usage WHERE tenant_id = ?1")
        .unwrap();
    assert_eq!(database().execute(&gone, ["u-1"]).unwrap(), 1);
    let text = layout()
        .renamed("UPDATE tenants SET tier = 'id of tenants'")
        .unwrap();
    assert!(text.ends_with("'id of tenants'"));
}

#[test]
fn what_has_no_column_is_told_with_its_key() {
    let why = layout()
        .renamed("UPDATE tenants SET sandbox_id = ?1 WHERE id = ?2")
        .unwrap_err();
    assert!(why.contains("layout.tenants.sandbox_id"), "{why}");
    assert!(
        layout()
            .lacks()
            .is_some_and(|why| why.contains("sandbox_id"))
    );
    assert_eq!(Layout::default().lacks(), None);
}

#[test]
fn the_contracts_layout_changes_nothing() {
    assert!(Layout::default().is_the_contracts());
    let own = Layout {
        usage: Usage {
            table: "a; DROP".to_owned(),
            ..Usage::default()
        },
        ..Layout::default()
    };
    assert!(own.flaw().is_some_and(|flaw| flaw.contains("layout.usage")));
    assert_eq!(layout().flaw(), None);
}
