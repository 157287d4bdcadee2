//! What the machine lacks is told as what it is. Never judges the contract as a whole.

use super::moltproof;
use assert_cmd::Command;
use regex::Regex;
use std::collections::BTreeSet;

const ONE_CRITERION: [&str; 5] = ["run", "--quiet", "--id", "RES-002", "--store"];

fn with_limit_of_open_files(limit: &str) -> Command {
    let store = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\"")])
        .arg(assert_cmd::cargo::cargo_bin("moltproof"))
        .args(ONE_CRITERION)
        .arg(store.path());
    shell
}

#[test]
fn too_few_open_files_are_a_fault_of_the_machine_and_no_verdict() {
    for limit in ["-n 256", "-n 512", "-n 1024"] {
        let done = with_limit_of_open_files(limit).assert().code(3);
        let output = done.get_output();
        let said = String::from_utf8_lossy(&output.stderr);
        let number = limit.trim_start_matches("-n ");
        assert!(said.contains(&format!("{number} files open")), "{said}");
        assert!(output.stdout.is_empty(), "a report without a verdict");
    }
}

#[test]
fn a_soft_limit_of_open_files_is_raised() {
    with_limit_of_open_files("-S -n 256").assert().code(0);
}

#[test]
fn a_machine_without_certificate_authorities_judges_the_reference() {
    let store = tempfile::tempdir().unwrap();
    let nowhere = store.path().join("none");
    Command::cargo_bin("moltproof")
        .unwrap()
        .env("SSL_CERT_FILE", &nowhere)
        .env("SSL_CERT_DIR", &nowhere)
        .args(ONE_CRITERION)
        .arg(store.path())
        .assert()
        .code(0);
}

#[test]
fn an_empty_variable_is_a_variable_that_is_not_set() {
    let help = moltproof(&["run", "--help"]).code(0);
    let help = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
    let variable = Regex::new(r"\[env: (MOLTPROOF_[A-Z_]+)=").unwrap();
    let names: BTreeSet<&str> = variable
        .captures_iter(&help)
        .filter_map(|found| found.get(1))
        .map(|name| name.as_str())
        .collect();
    assert!(names.len() > 15, "{names:?}");
    let store = tempfile::tempdir().unwrap();
    let empty = names.into_iter().map(|name| (name, ""));
    Command::cargo_bin("moltproof")
        .unwrap()
        .envs(empty)
        .args(ONE_CRITERION)
        .arg(store.path())
        .assert()
        .code(0);
}

#[test]
fn the_long_version_tells_what_was_built_and_the_short_one_its_number_alone() {
    let number = env!("CARGO_PKG_VERSION");
    let short = moltproof(&["-V"]).code(0);
    let short = String::from_utf8_lossy(&short.get_output().stdout).into_owned();
    assert_eq!(short, format!("moltproof {number}\n"));

    let long = moltproof(&["--version"]).code(0);
    let long = String::from_utf8_lossy(&long.get_output().stdout).into_owned();
    let lines = Regex::new(concat!(
        r"^commit:   (unknown|[0-9a-f]{40}(-dirty)?)\n",
        r"contract: [0-9]+\.[0-9]+, sha256:[0-9a-f]{64}\n",
        r"target:   [a-z0-9_]+(-[a-z0-9_]+)+\n$"
    ));
    let rest = long.strip_prefix(&short);
    assert!(
        rest.is_some_and(|rest| lines.unwrap().is_match(rest)),
        "{long}"
    );
}
