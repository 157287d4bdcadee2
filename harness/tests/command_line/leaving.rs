//! Runs that are ended before they are through. Never green, and nothing that was found is lost.

use super::repeating::{limitless, moltproof_in};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// How a run ended, and what it said.
struct Left {
    code: Option<i32>,
    printed: String,
}

/// Starts a run in this folder, and ends it as soon as it has said a line with these words.
fn left(folder: &Path, args: &[&str], at: &str, signal: &str) -> Left {
    let mut child = moltproof_in(folder)
        .arg("run")
        .args(args)
        .args([
            "--report",
            "json,junit,markdown,html,badge,github=summary.md",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(at) {
        line.clear();
        let read = errors.read_line(&mut line).unwrap();
        assert!(read > 0, "it ended and never said `{at}`");
    }
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status().unwrap();
    assert!(sent.success(), "it has ended already");
    let (mut said, mut printed) = (String::new(), String::new());
    errors.read_to_string(&mut said).unwrap();
    let mut output = child.stdout.take().unwrap();
    output.read_to_string(&mut printed).unwrap();
    Left {
        code: child.wait().unwrap().code(),
        printed,
    }
}

/// Enough scenarios to be ended amidst, none of which a busy machine can make red.
const CALM: [&str; 6] = [
    "--target",
    "reference",
    "--id",
    "ACC-001,ACC-002,ACC-003,ACC-009,RES-001,RES-002,RES-006,RES-010,ERR-003",
    "--concurrency",
    "2",
];

fn report(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("moltproof.json")).unwrap()).unwrap()
}

#[test]
fn ctrl_c_keeps_what_was_found_and_no_kind_of_report_is_green() {
    let folder = tempfile::tempdir().unwrap();
    let Left { code, printed } = left(folder.path(), &CALM, "[25/", "-INT");
    assert_eq!(code, Some(130), "{printed}");
    assert!(printed.contains("reference inconclusive"), "{printed}");
    let told = "incomplete: the run was ended by Ctrl-C (SIGINT) when";
    assert!(printed.contains(told), "{printed}");
    let report = report(folder.path());
    assert_eq!(report["interrupted"], "SIGINT");
    assert_eq!(report["summary"]["verdict"], "inconclusive");
    let number = |name: &str| report["summary"][name].as_u64().unwrap();
    assert!(number("scenarios_run") > 0, "{}", report["summary"]);
    assert!(number("scenarios_run") < number("scenarios_selected"));
    assert!(report.to_string().contains("before this was seen through"));
    for (name, words) in [
        ("moltproof.junit.xml", "errors=\"1\""),
        ("moltproof.junit.xml", told),
        ("moltproof.md", told),
        ("summary.md", told),
        ("moltproof.html", "this report is incomplete"),
        ("moltproof.svg", "incomplete"),
    ] {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(text.contains(words), "{name} does not say: {words}");
        assert!(!text.contains("reference conforms"), "{name} is green");
    }
}

#[test]
fn a_run_that_is_ended_before_anything_is_judged_names_the_signal_in_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    let mut run = moltproof_in(folder.path())
        .args(["run", "--quiet", "--target", &address, "--report", "json"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It waits for an answer that never comes.
    let _asked = nobody.accept().unwrap();
    let id = run.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(sent.success(), "it has ended already");
    assert_eq!(run.wait().unwrap().code(), Some(143));
    let report = report(folder.path());
    let why = "ended by SIGTERM before anything was judged";
    assert_eq!(report["no_verdict"], why);
    assert_eq!(report["interrupted"], "SIGTERM");
    assert_eq!(report["summary"]["verdict"], "inconclusive");
}

#[test]
fn a_violation_that_was_found_is_not_hidden_behind_the_signal() {
    let folder = tempfile::tempdir().unwrap();
    limitless(folder.path());
    let args = [
        "--target",
        "limitless target.toml",
        "--id",
        "RL-001,RL-002,RL-005",
        "--concurrency",
        "1",
        "--seed",
        "7",
    ];
    let Left { code, printed } = left(folder.path(), &args, "FAILED", "-TERM");
    assert_eq!(code, Some(1), "{printed}");
    assert!(
        printed.contains("limitless violates the contract"),
        "{printed}"
    );
    assert!(printed.contains("ended by SIGTERM"), "{printed}");
    assert_eq!(report(folder.path())["interrupted"], "SIGTERM");
}

#[test]
fn sigterm_without_a_violation_gives_143() {
    let folder = tempfile::tempdir().unwrap();
    let Left { code, printed } = left(folder.path(), &CALM, "[25/", "-TERM");
    assert_eq!(code, Some(143), "{printed}");
    assert!(printed.contains("reference inconclusive"), "{printed}");
}
