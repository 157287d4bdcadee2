//! Healthy schemas with one edit that breaks one thing: just the aspects of that criterion turn red. Never an edit that breaks two.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use moltproof_data::check::{Outcome, aspects};
use moltproof_data::claims::Data;
use moltproof_data::source::open;
use moltproof_data::subject::Subject;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The criteria that are broken in a variant after an edit of one of its files.
fn broken(variant: &str, file: &str, from: &str, to: &str) -> BTreeSet<&'static str> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/data/correct")
        .join(variant);
    let copy = tempfile::tempdir().unwrap();
    let mut found = 0;
    for entry in fs::read_dir(root.join("migrations")).unwrap() {
        let path = entry.unwrap().path();
        let mut text = fs::read_to_string(&path).unwrap();
        if path.file_name().unwrap() == file {
            found = text.matches(from).count();
            text = text.replacen(from, to, 1);
        }
        fs::write(copy.path().join(path.file_name().unwrap()), text).unwrap();
    }
    assert!(found >= 1, "{variant}/{file} does not hold {from}");
    let claims = Data::parse(&fs::read_to_string(root.join("data.toml")).unwrap()).unwrap();
    let subject = Subject::of(open(copy.path()).unwrap(), claims, 7).unwrap();
    let is_broken = |aspect: &&moltproof_data::check::Aspect| {
        matches!((aspect.judge)(&subject), Outcome::Broken(_))
    };
    aspects()
        .iter()
        .filter(is_broken)
        .map(|aspect| aspect.criterion)
        .collect()
}

#[track_caller]
fn check(variant: &str, file: &str, from: &str, to: &str, criteria: &[&'static str]) {
    let expected: BTreeSet<&str> = criteria.iter().copied().collect();
    assert_eq!(
        broken(variant, file, from, to),
        expected,
        "{variant}: {from} → {to}"
    );
}

#[test]
fn a_tenant_key_that_may_be_null_leaves_rows_without_a_tenant() {
    check(
        "event_log_by_tenant",
        "0001_orgs.sql",
        "org_id INTEGER NOT NULL REFERENCES orgs (org_id) ON DELETE CASCADE",
        "org_id INTEGER REFERENCES orgs (org_id) ON DELETE CASCADE",
        &["PAT-001"],
    );
}

#[test]
fn a_tenant_key_that_does_not_cascade_keeps_tenants_from_being_deleted() {
    check(
        "event_log_by_tenant",
        "0001_orgs.sql",
        "REFERENCES orgs (org_id) ON DELETE CASCADE",
        "REFERENCES orgs (org_id)",
        &["PAT-001"],
    );
}

#[test]
fn a_reference_of_one_column_lets_a_row_name_another_tenants_row() {
    check(
        "crm_of_teams",
        "0002_contacts.sql",
        "FOREIGN KEY (team_id, company_id) REFERENCES companies (team_id, id)",
        "FOREIGN KEY (company_id) REFERENCES companies (id)",
        &["PAT-011", "PAT-012", "PAT-015"],
    );
}

#[test]
fn a_unique_key_without_the_tenant_blocks_the_second_one() {
    check(
        "crm_of_teams",
        "0002_contacts.sql",
        "ON companies (team_id, name) WHERE",
        "ON companies (name) WHERE",
        &["PAT-013"],
    );
}

#[test]
fn a_unique_key_over_deleted_rows_blocks_the_successor() {
    check(
        "crm_of_teams",
        "0002_contacts.sql",
        "ON companies (team_id, name) WHERE archived_at IS NULL",
        "ON companies (team_id, name)",
        &["PAT-013"],
    );
}

#[test]
fn a_list_that_nothing_checks_takes_any_value() {
    check(
        "crm_of_teams",
        "0001_teams.sql",
        " CHECK (plan IN ('free', 'pro', 'business'))",
        "",
        &["PAT-008"],
    );
}

#[test]
fn a_range_without_a_type_takes_fractions() {
    check(
        "drizzle_kit_tasks",
        "0003_lazy_puma.sql",
        "in (1, 2, 3, 4, 5)",
        "between 1 and 5",
        &["PAT-008"],
    );
}

#[test]
fn a_log_without_its_third_guard_is_replaced() {
    check(
        "crm_of_teams",
        "0005_activity_log.sql",
        "WHEN EXISTS (SELECT 1 FROM activity_log WHERE id = NEW.id)",
        "WHEN 0",
        &["PAT-005"],
    );
}

#[test]
fn a_log_that_no_deletion_reaches_misses_an_entry() {
    check(
        "crm_of_teams",
        "0005_activity_log.sql",
        "CREATE TRIGGER deals_log_ad AFTER DELETE ON deals BEGIN",
        "CREATE TRIGGER deals_log_ad AFTER DELETE ON deals WHEN 0 BEGIN",
        &["PAT-005"],
    );
}

#[test]
fn a_view_over_a_missing_table_fails_later() {
    check(
        "event_log_by_tenant",
        "0003_daily.sql",
        "FROM orgs AS o",
        "FROM organisations AS o",
        &["PAT-019"],
    );
}
