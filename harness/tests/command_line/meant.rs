//! What somebody most likely meant and did not write. Never green in its place.

use super::repeating::moltproof_in;
use std::path::Path;
use std::process::Output;

const ONE: [&str; 4] = ["run", "--quiet", "--id", "RES-001"];

fn run(folder: &Path, more: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = moltproof_in(folder)
        .args(ONE)
        .args(more)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_mistyped_variable_ends_the_run_before_anything_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = run(folder.path(), &[], &[("MOLTPROOF_STRCIT", "true")]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("did you mean MOLTPROOF_STRICT?"), "{said}");
    assert!(!said.contains("conforms"), "{said}");
}

#[test]
fn a_variable_of_somebody_elses_is_told_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = run(folder.path(), &[], &[("MOLTPROOF_WEBHOOK", "x")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("warning: the environment sets MOLTPROOF_WEBHOOK"),
        "{said}"
    );
    // Empty, it is not set.
    let (code, said) = run(folder.path(), &[], &[("MOLTPROOF_STRCIT", "")]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_variable_that_the_manifest_names_is_nobodys_slip() {
    let folder = tempfile::tempdir().unwrap();
    let manifest =
        "name = \"${MOLTPROOF_TAG}\"\n[variants.production]\naddress = \"http://127.0.0.1:9\"\n";
    std::fs::write(folder.path().join("moltproof.toml"), manifest).unwrap();
    let (code, said) = run(folder.path(), &[], &[("MOLTPROOF_TAG", "mine")]);
    assert_eq!(code, Some(3), "nothing listens there: {said}");
    assert!(!said.contains("MOLTPROOF_TAG"), "{said}");
}

#[test]
fn where_a_worker_lies_the_reference_is_not_judged_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wrangler.jsonc"), "{}").unwrap();
    let below = folder.path().join("src");
    std::fs::create_dir(&below).unwrap();
    for place in [folder.path(), below.as_path()] {
        let (code, said) = run(place, &[], &[]);
        assert_eq!(code, Some(2), "{said}");
        for part in ["not your Worker", "moltproof init", "wrangler.jsonc"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("conforms"), "{said}");
        let (code, said) = run(place, &["--target", "reference"], &[]);
        assert_eq!(code, Some(0), "{said}");
    }
}
