//! SCH-005 on a target that only tells where its database and its migrations are. Never starts the target's own tool.

use crate::server::{Deployment, at_address, moltproof};
use std::path::Path;

/// The target's own migration, and a further line.
fn folder_with(place: &Path, line: &str) {
    let own =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/0001_tenants_and_usage.sql");
    let sql = std::fs::read_to_string(own).unwrap();
    std::fs::create_dir_all(place).unwrap();
    std::fs::write(
        place.join("0001_tenants_and_usage.sql"),
        format!("{sql}\n{line}\n"),
    )
    .unwrap();
}

/// How the two scenarios of SCH-005 ended: outcome and reason. The first needs a folder and a database, the second the target's tool too.
fn judged(deployment: &Deployment, line: &str) -> [(String, String); 2] {
    let place = tempfile::tempdir().unwrap();
    folder_with(place.path(), line);
    let (_folder, path) = at_address(
        &deployment.base,
        &format!(
            "[observe]\nd1 = {{ kind = 'sqlite', file = '{}' }}\n[migrations]\nfolder = '{}'\ncommand = ['false']\ndatabase = 'd1'\n",
            deployment.database().display(),
            place.path().display(),
        ),
    );
    let args = [
        "run", "--format", "json", "--store", "none", "--repeat", "1", "--id", "SCH-005",
        "--target", &path,
    ];
    let report = moltproof(&args, &[]).json();
    let scenarios = report["criteria"][0]["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), 2, "{report:#}");
    [0, 1].map(|number| {
        let text = |key: &str| {
            scenarios[number][key]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        (text("outcome"), text("reason"))
    })
}

#[test]
fn lines_that_d1_takes_pass_and_lines_that_it_refuses_are_found() {
    let deployment = Deployment::start();
    for (line, outcome) in [
        ("", "passed"),
        ("PRAGMA foreign_key_check;", "passed"),
        ("PRAGMA legacy_alter_table=ON;", "passed"),
        ("PRAGMA index_list(tenants);", "passed"),
        ("SELECT json_pretty(json_array(1));", "failed"),
        ("SELECT sqlite_version();", "failed"),
        ("CREATE TABLE _cf_x(a); DROP TABLE _cf_x;", "failed"),
        // The newest wrangler takes it, and the older one does not.
        (
            "CREATE VIRTUAL TABLE r USING rtree(id, low, high); DROP TABLE r;",
            "passed",
        ),
    ] {
        let [by_rules, _] = judged(&deployment, line);
        assert_eq!(by_rules.0, outcome, "{line}: {}", by_rules.1);
    }
}

#[test]
fn without_a_launch_the_targets_own_tool_is_not_verified_and_no_error() {
    let [_, by_tool] = judged(&Deployment::start(), "");
    assert_eq!(by_tool.0, "not_verified", "{}", by_tool.1);
    assert!(by_tool.1.contains("(manifest: [launch])"), "{}", by_tool.1);
}
