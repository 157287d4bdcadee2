//! Reports that cannot be written, found out before anything is judged or after. Never loses a verdict.

use super::repeating::{limitless, moltproof_in};
use super::told;

fn printed(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_report_that_cannot_be_written_ends_the_run_before_anything_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let below_a_file = format!("json={}", file.join("report.json").display());
    let a_folder = format!("junit={}", folder.path().display());
    for report in [below_a_file, a_folder] {
        let said = told(
            &["run", "--quiet", "--id", "RES-001", "--report", &report],
            2,
        );
        assert!(
            said.contains("cannot write the report") && said.contains("nothing was judged"),
            "{said}"
        );
        assert!(!said.contains("conforms"), "{said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_full_disk_keeps_neither_the_verdict_nor_the_other_reports_back() {
    let folder = tempfile::tempdir().unwrap();
    // Every write to this device fails as one to a full disk does.
    let done = moltproof_in(folder.path())
        .args(["run", "-q", "--id", "RES-001", "--target", "reference"])
        .args(["--report", "json=/dev/full,junit,markdown=/dev/full"])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(3));
    assert!(printed(&done.stdout).contains("reference conforms"));
    let said = printed(&done.stderr);
    assert_eq!(said.matches("cannot write /dev/full").count(), 2, "{said}");
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["moltproof.junit.xml"], "something half-written");
}

#[test]
fn a_violation_is_told_by_the_exit_code_though_its_report_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    limitless(folder.path());
    let done = moltproof_in(folder.path())
        .args(["run", "-q", "--repeat", "1", "--id", "RL-001"])
        .args(["--target", "limitless target.toml"])
        .args(["--report", "json=/dev/full"])
        .output()
        .unwrap();
    let said = printed(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write /dev/full"), "{said}");
    assert!(printed(&done.stdout).contains("limitless violates the contract"));
}
