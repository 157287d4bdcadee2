//! What migrations write and what defaults call, beyond the examples of the book. Never needs claims.

use crate::rule::tests::check;

const CARTS: &str = "CREATE TABLE carts (id INTEGER PRIMARY KEY, label TEXT NOT NULL);";

#[test]
fn a_copied_column_that_is_not_there_is_a_text() {
    let copy = |columns: &str| {
        format!(
            "{CARTS} CREATE TABLE carts_next (id INTEGER PRIMARY KEY, label TEXT, owner TEXT);
            INSERT INTO carts_next (\"id\", \"label\", \"owner\") SELECT {columns} FROM carts;"
        )
    };
    check(&copy("\"id\", \"label\", \"owner\""), &["QRY-04"]);
    let sorted = copy("\"id\", \"label\", NULL AS \"owner\"")
        .replace("FROM carts;", "FROM carts ORDER BY \"owner\";");
    check(&sorted, &[]);
    check(
        &format!("{CARTS} DELETE FROM carts WHERE label = \"old\";"),
        &["QRY-04"],
    );
    check(
        &format!("{CARTS} UPDATE carts SET \"label\" = \"Label\" || 'x' WHERE \"id\" = 1;"),
        &[],
    );
}

#[test]
fn a_default_may_call_what_d1_has_only() {
    let table = |default: &str| {
        format!(
            "CREATE TABLE keys (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT ({default}));"
        )
    };
    check(&table("gen_random_uuid()"), &["QRY-03"]);
    check(&table("lower(hex(randomblob(16)))"), &[]);
    check(&table("strftime('%Y', 'now')"), &[]);
}

#[test]
fn a_pattern_in_a_migration_may_be_50_bytes_long() {
    let delete = |length: usize| {
        let pattern = "x".repeat(length);
        format!("{CARTS} DELETE FROM carts WHERE label LIKE '{pattern}';")
    };
    check(&delete(50), &[]);
    check(&delete(51), &["LIM-05"]);
}
