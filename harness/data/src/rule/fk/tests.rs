//! References that are right by habits of their own, and wrong ones that are easily missed. Never needs claims.

use crate::finding::Level;
use crate::rule::judge;
use crate::rule::tests::{check, lint, subject};
use crate::source::Kind;

const USERS: &str = "CREATE TABLE users (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL);";

fn child(columns: &str, index: &str) -> String {
    format!("{USERS} CREATE TABLE posts (id INTEGER PRIMARY KEY, {columns}); {index}")
}

#[test]
fn an_index_for_rows_that_refer_at_all_serves() {
    let columns = "user_id TEXT REFERENCES users(id) ON DELETE CASCADE";
    check(
        &child(
            columns,
            "CREATE INDEX p ON posts (user_id) WHERE user_id IS NOT NULL;",
        ),
        &[],
    );
    check(
        &child(columns, "CREATE INDEX p ON posts (user_id) WHERE id > 9;"),
        &["FK-03"],
    );
}

#[test]
fn an_index_of_another_collation_does_not_serve() {
    let columns = "user_id TEXT REFERENCES users(id) ON DELETE CASCADE";
    check(
        &child(columns, "CREATE INDEX p ON posts (user_id COLLATE NOCASE);"),
        &["FK-03"],
    );
}

#[test]
fn the_columns_of_a_reference_may_stand_in_any_order_at_the_head_of_an_index() {
    let parent = "CREATE TABLE users (org TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (org, id));";
    let child = "CREATE TABLE posts (id INTEGER PRIMARY KEY, org TEXT NOT NULL, user_id TEXT NOT NULL, FOREIGN KEY (org, user_id) REFERENCES users ON DELETE CASCADE);";
    check(
        &format!("{parent} {child} CREATE INDEX p ON posts (user_id, org, id);"),
        &[],
    );
    check(&format!("{parent} {child}"), &["FK-03"]);
}

#[test]
fn a_unique_part_of_a_reference_serves_the_whole_of_it() {
    let parents = "CREATE TABLE orgs (id TEXT PRIMARY KEY NOT NULL);
        CREATE TABLE users (org_id TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (org_id, id));";
    let child = |org: &str| {
        format!(
            "{parents} CREATE TABLE posts (org_id TEXT {org}, user_id TEXT NOT NULL, FOREIGN KEY (org_id, user_id) REFERENCES users ON DELETE CASCADE);"
        )
    };
    // With the key of tenants declared, an index on it alone does not find the rows of one user.
    let claims = "tenants = 'orgs'\ntenant_key = 'org_id'";
    let found = |sql: &str| {
        let files = [("0001.sql".to_owned(), sql.to_owned())];
        let findings = judge(&subject(&files, claims, Kind::Migrations));
        findings.iter().filter(|one| one.rule == "FK-03").count()
    };
    let served = child("PRIMARY KEY NOT NULL");
    assert_eq!(found(&served), 0);
    let by_tenant = format!("{} CREATE INDEX p ON posts (org_id);", child("NOT NULL"));
    assert_eq!(found(&by_tenant), 1);
}

#[test]
fn a_key_that_is_a_reference_itself_serves() {
    check(
        "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY REFERENCES a(id) ON DELETE CASCADE);",
        &[],
    );
    check(
        "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY);
         CREATE TABLE ab (a_id INTEGER NOT NULL REFERENCES a(id) ON DELETE CASCADE, b_id INTEGER NOT NULL REFERENCES b(id) ON DELETE CASCADE, PRIMARY KEY (a_id, b_id));
         CREATE INDEX ab_by_b ON ab (b_id);",
        &[],
    );
}

#[test]
fn a_parent_unique_by_another_collation_is_not_found() {
    check(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL); CREATE UNIQUE INDEX u ON users (email COLLATE NOCASE);
         CREATE TABLE posts (id INTEGER PRIMARY KEY, email TEXT NOT NULL REFERENCES users(email) ON DELETE CASCADE); CREATE INDEX p ON posts (email);",
        &["FK-02"],
    );
}

#[test]
fn a_reference_to_a_view_and_one_to_a_missing_column_have_no_parent() {
    check(
        "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT id FROM a; CREATE TABLE b (id INTEGER PRIMARY KEY REFERENCES v(id));",
        &["FK-02"],
    );
    check(
        "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY REFERENCES a(uuid));",
        &["FK-02"],
    );
}

#[test]
fn a_trigger_that_removes_the_children_first_makes_set_null_on_not_null_a_warning() {
    let tables = child(
        "user_id TEXT NOT NULL REFERENCES users(id) ON DELETE SET NULL",
        "CREATE INDEX p ON posts (user_id);",
    );
    let trigger = "CREATE TRIGGER t BEFORE DELETE ON users BEGIN DELETE FROM posts WHERE user_id = OLD.id; END;";
    let level = |sql: &str| {
        lint(sql)
            .first()
            .map(|finding| (finding.rule, finding.level))
    };
    assert_eq!(level(&tables), Some(("FK-05", Level::Error)));
    assert_eq!(
        level(&format!("{tables} {trigger}")),
        Some(("FK-05", Level::Warning))
    );
}

#[test]
fn a_tree_in_one_table_is_neither_a_circle_nor_a_chain() {
    check(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER NOT NULL REFERENCES t(id) ON DELETE CASCADE); CREATE INDEX i ON t (up);",
        &[],
    );
}

#[test]
fn a_column_of_no_type_loses_nothing() {
    check(
        "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY, a_id REFERENCES a(id) ON DELETE CASCADE); CREATE INDEX i ON b (a_id);",
        &[],
    );
    check(
        "CREATE TABLE a (id BLOB PRIMARY KEY NOT NULL); CREATE TABLE b (id INTEGER PRIMARY KEY, a_id TEXT REFERENCES a(id) ON DELETE CASCADE); CREATE INDEX i ON b (a_id);",
        &["FK-07"],
    );
}

#[test]
fn a_parent_that_a_failed_statement_was_to_make_is_not_missing_for_a_reason_of_its_own() {
    let child =
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id BLOB NOT NULL REFERENCES users(id));
        CREATE INDEX p ON posts (user_id);";
    let failed = "CREATE TABLE users (id BLOB PRIMARY KEY NOT NULL CHECK (is_uuid(id)));";
    check(&format!("{child} {failed}"), &["MIG-01"]);
    let other = "CREATE TABLE teams (id BLOB PRIMARY KEY NOT NULL REFERENCES users(id), CHECK (is_uuid(id)));";
    check(&format!("{child} {other}"), &["FK-01", "MIG-01"]);
}

#[test]
fn a_view_over_what_a_failed_statement_was_to_make_is_not_broken_for_a_reason_of_its_own() {
    let made =
        "CREATE TABLE runs (id INTEGER PRIMARY KEY); CREATE VIEW quick AS SELECT id FROM runs;";
    let rebuilt = "CREATE TABLE runs_next (id INTEGER PRIMARY KEY); INSERT INTO runs_next SELECT id FROM runs;
        DROP TABLE runs; ALTER TABLE runs_next RENAME TO runs;";
    check(&format!("{made} {rebuilt}"), &["MIG-01"]);
    check(&format!("{made} DROP TABLE runs;"), &["TRG-02"]);
}
