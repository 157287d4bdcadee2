//! The command line as a user meets it: what it says and how it exits. Never looks inside.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "command_line/addresses.rs"]
mod addresses;
#[path = "command_line/documents.rs"]
mod documents;
#[path = "command_line/killed.rs"]
mod killed;
#[path = "command_line/leaving.rs"]
mod leaving;
#[path = "command_line/meant.rs"]
mod meant;
#[path = "command_line/repeating.rs"]
mod repeating;
#[path = "command_line/reports.rs"]
mod reports;
#[path = "command_line/surroundings.rs"]
mod surroundings;
#[path = "command_line/untrusted.rs"]
mod untrusted;
#[path = "command_line/words.rs"]
mod words;
#[path = "command_line/written.rs"]
mod written;

use assert_cmd::Command;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

fn moltproof(args: &[&str]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("moltproof").unwrap().args(args).assert()
}

fn told(args: &[&str], code: i32) -> String {
    let done = moltproof(args).code(code);
    let output = done.get_output();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn an_unknown_id_is_a_usage_error_that_suggests_the_nearest() {
    let said = told(&["run", "--id", "res-1"], 2);
    assert!(said.contains("did you mean `RES-001`?"), "{said}");
    assert!(told(&["explain", "XYZ-001"], 2).contains("moltproof list"));
}

#[test]
fn an_unknown_tag_profile_or_report_kind_is_a_usage_error() {
    assert!(told(&["run", "--tags", "@nosuchtag"], 2).contains("no scenario carries the tag"));
    assert!(told(&["run", "--tags", "and or"], 2).contains("no tag expression"));
    assert!(told(&["run", "--profile", "nosuch"], 2).contains("the contract has: "));
    assert!(told(&["run", "--report", "pdf"], 2).contains(
        "use json, junit, markdown, html, badge, ctrf, messages, har, statement, in-toto or github"
    ));
    assert!(told(&["run", "--shard", "3/2"], 2).contains("K/N"));
    assert!(told(&["run", "--concurrency", "0"], 2).contains("1 to 1024"));
}

#[test]
fn a_wrong_value_of_a_variable_is_blamed_on_the_variable() {
    let run = |args: &[&str]| {
        let mut command = Command::cargo_bin("moltproof").unwrap();
        let done = command.env("MOLTPROOF_SEED", "abc").args(args).assert();
        let done = done.code(2);
        String::from_utf8_lossy(&done.get_output().stderr).into_owned()
    };
    let said = run(&["run"]);
    assert!(said.contains("'abc' for 'MOLTPROOF_SEED'"), "{said}");
    assert!(said.contains("stands for '--seed <"), "{said}");
    // An option that was given answers for itself.
    let said = run(&["run", "--seed", "xyz"]);
    assert!(said.contains("'xyz' for '--seed <"), "{said}");
    assert!(!said.contains("MOLTPROOF_SEED"), "{said}");
}

/// What bash proposes behind these words.
fn completed(words: &[&str]) -> String {
    let script = told(&["completions", "bash"], 0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("moltproof.bash");
    std::fs::write(&file, script).unwrap();
    std::fs::write(folder.path().join("staging.toml"), "").unwrap();
    std::fs::write(folder.path().join("staging.txt"), "").unwrap();
    let list = words.iter().map(|word| format!("'{word}'"));
    let ask = format!(
        "source '{}'; COMP_WORDS=({}); COMP_CWORD={}; _moltproof moltproof '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        file.display(),
        list.collect::<Vec<_>>().join(" "),
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let done = Command::new("bash")
        .args(["--norc", "-c", &ask])
        .current_dir(folder.path())
        .assert()
        .success();
    String::from_utf8_lossy(&done.get_output().stdout).into_owned()
}

#[test]
fn bash_completes_ids_report_kinds_and_targets() {
    let proposed = completed(&["moltproof", "run", "--id", "ACC-00"]);
    assert!(proposed.lines().any(|word| word == "ACC-009"), "{proposed}");
    assert!(!proposed.contains("RES-001"), "{proposed}");
    let proposed = completed(&["moltproof", "explain", "PAT-01"]);
    assert!(proposed.lines().any(|word| word == "PAT-019"), "{proposed}");
    let proposed = completed(&["moltproof", "run", "--report", "j"]);
    assert!(proposed.contains("json\njunit"), "{proposed}");
    let proposed = completed(&["moltproof", "run", "--target", ""]);
    let words: Vec<_> = proposed.lines().collect();
    assert!(words.contains(&"reference"), "{proposed}");
    assert!(words.contains(&"staging.toml"), "{proposed}");
    assert!(!words.contains(&"staging.txt"), "{proposed}");
}

#[test]
fn zsh_and_fish_know_ids_report_kinds_and_targets_too() {
    for shell in ["zsh", "fish"] {
        let script = told(&["completions", shell], 0);
        for word in ["ACC-009", "junit", "reference"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn a_selection_that_leaves_nothing_is_no_green_run() {
    let said = told(&["run", "--id", "RES-001", "--tags", "@ACC-001"], 2);
    assert!(said.contains("an empty run proves nothing"), "{said}");
}

#[test]
fn a_target_that_is_no_address_is_a_usage_error() {
    assert!(told(&["run", "--target", "nonsense"], 2).contains("http://127.0.0.1:8787"));
    assert!(told(&["run", "--target", "ftp://example.test"], 2).contains("neither http nor https"));
    assert!(told(&["run", "--target", "http://user:pw@example.test"], 2).contains("credentials"));
}

#[test]
fn an_unreachable_target_is_a_fault_that_says_what_to_do() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let said = told(&["run", "--target", &format!("http://{free}")], 3);
    assert!(said.contains("--wait 30s"), "{said}");
}

#[test]
fn one_criterion_conforms_and_its_reports_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().display().to_string();
    let args = [
        "run",
        "--quiet",
        "--id",
        "RES-001",
        "--format",
        "json",
        "--report",
        "json,junit",
        "--report-dir",
        &dir,
    ];
    let done = moltproof(&args).code(0);
    let printed: serde_json::Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert_eq!(printed["summary"]["verdict"], "conforms");
    assert_eq!(printed["summary"]["must"]["total"], 1);
    assert_eq!(printed["criteria"][0]["id"], "RES-001");
    assert_eq!(printed["target"], "reference");
    let written: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("moltproof.json")).unwrap())
            .unwrap();
    assert_eq!(written, printed);
    let schema = serde_json::from_str(&moltproof::cli::report_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&written)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let mut other = written.clone();
    other["summary"]["verdict"] = "fine".into();
    assert!(!validator.is_valid(&other), "the schema takes any verdict");
    let junit = std::fs::read_to_string(folder.path().join("moltproof.junit.xml")).unwrap();
    assert!(
        junit.contains("file=\"features/resolution/host.feature\""),
        "{junit}"
    );
}

#[test]
fn vectors_are_the_published_ones() {
    let said = told(&["vectors", "123E4567-E89B-12D3-A456-426614174000"], 0);
    assert_eq!(
        said.trim(),
        "123e4567-e89b-12d3-a456-426614174000  sk-986c0dc956dc822b"
    );
    assert!(told(&["vectors"], 0).contains("sk-986c0dc956dc822b"));
    assert!(told(&["vectors", "nonsense"], 2).contains("is no UUID"));
}

/// A server that gives every request the same answer, until the test ends.
fn null_server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            std::thread::spawn(move || {
                let mut request = [0; 16 * 1024];
                if stream.read(&mut request).is_ok_and(|count| count > 0) {
                    // The other side may have left; the next connection is answered all the same.
                    drop(stream.write_all(answer.as_bytes()));
                }
            });
        }
    });
    format!("http://{address}")
}

#[test]
fn a_server_that_always_says_the_same_passes_no_must() {
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "this is not HTTP",
    ];
    for answer in answers {
        let base = null_server(answer);
        let done = Command::cargo_bin("moltproof")
            .unwrap()
            .args(["run", "--quiet", "--format", "json", "--target", &base])
            .output()
            .unwrap();
        assert_ne!(done.status.code(), Some(0), "green for {answer:?}");
        if let Ok(report) = serde_json::from_slice::<serde_json::Value>(&done.stdout) {
            assert_eq!(
                report["summary"]["must"]["passed"], 0,
                "{answer:?} passed a MUST"
            );
            assert_ne!(report["summary"]["verdict"], "conforms");
        }
    }
}

#[test]
fn the_job_summary_of_github_holds_the_verdict_and_what_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.md");
    // Somebody wrote no line end: the summary begins on a line of its own all the same.
    std::fs::write(&summary, "before").unwrap();
    let args = ["run", "-q", "--id", "RES-001,SMK-002", "--report", "github"];
    Command::cargo_bin("moltproof")
        .unwrap()
        .args(args)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .assert()
        .code(0);
    let text = std::fs::read_to_string(&summary).unwrap();
    assert!(text.starts_with("before\n## reference conforms"), "{text}");
    assert!(text.contains("MUST: 2 of 2 passed"), "{text}");
    Command::cargo_bin("moltproof")
        .unwrap()
        .args(args)
        .env_remove("GITHUB_STEP_SUMMARY")
        .assert()
        .code(2);
}

/// What a command line prints in this environment, whatever stands in that of the test.
fn printed(args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = Command::cargo_bin("moltproof").unwrap();
    for name in ["NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    let done = command.args(args).envs(variables.iter().copied()).assert();
    String::from_utf8_lossy(&done.get_output().stdout).into_owned()
}

#[test]
fn colour_is_forced_by_variable_or_option_and_no_colour_is_heard_first() {
    let coloured =
        |variables: &[(&str, &str)], args: &[&str]| printed(args, variables).contains('\u{1b}');
    assert!(!coloured(&[], &["--help"]), "a pipe gets no colours");
    assert!(coloured(&[("FORCE_COLOR", "1")], &["--help"]));
    assert!(!coloured(
        &[("FORCE_COLOR", "0"), ("CLICOLOR_FORCE", "1")],
        &["--help"]
    ));
    assert!(!coloured(
        &[("FORCE_COLOR", "1"), ("NO_COLOR", "1")],
        &["--help"]
    ));
    assert!(coloured(
        &[("NO_COLOR", "1")],
        &["--color", "always", "--help"]
    ));
    assert!(!coloured(
        &[("FORCE_COLOR", "1")],
        &["--color=never", "--help"]
    ));
}

#[test]
fn columns_bound_a_listing_and_a_program_gets_whole_lines() {
    let lines = |variables: &[(&str, &str)]| {
        let text = printed(&["list", "--id", "ERR-003"], variables);
        text.lines()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or(0)
    };
    assert!(lines(&[("COLUMNS", "70")]) <= 70);
    assert!(lines(&[]) > 300);
}

#[test]
fn a_listing_is_narrowed_by_level_area_need_and_words() {
    let ids = |args: &[&str]| {
        let all: Vec<&str> = ["list", "--format", "json"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let value: serde_json::Value = serde_json::from_str(&printed(&all, &[])).unwrap();
        let list = value.as_array().unwrap().iter();
        list.map(|one| one["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&["--level", "may"]), ["ACC-021"]);
    assert_eq!(
        ids(&["--area", "smk"]),
        ["SMK-001", "SMK-002", "SMK-003", "SMK-004"]
    );
    assert_eq!(
        ids(&["--search", "RETRY-AFTER", "--level", "must"]),
        ["API-003", "RL-002", "RL-005"]
    );
    assert!(ids(&["--need", "variant.key-rotation"]).contains(&"ACC-015".to_owned()));
    assert!(told(&["list", "--need", "d1-writ"], 2).contains("did you mean `d1-write`?"));
    assert!(told(&["list", "--area", "RSE"], 2).contains("did you mean `RES`?"));
    assert!(
        told(&["list", "--area", "SMK", "--level", "may"], 2).contains("no criterion is all that")
    );
}

#[test]
fn an_explanation_has_reason_advice_and_the_backends_that_break_it() {
    let said = told(&["explain", "RES-002"], 0);
    for part in [
        "Why: ",
        "How to fix it",
        "tenant-override-in-production",
        "moltproof run --id RES-002",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let value: serde_json::Value =
        serde_json::from_str(&told(&["explain", "RES-002", "--format", "json"], 0)).unwrap();
    assert!(
        value["broken_by"]
            .as_array()
            .is_some_and(|list| list.len() >= 3)
    );
    assert!(
        value["fix"][0]
            .as_str()
            .is_some_and(|text| text.contains("DEV_MODE"))
    );
}

#[test]
fn the_options_in_effect_are_told_with_their_origin() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = "name = \"x\"\n[variants.production]\naddress = \"http://127.0.0.1:1\"\n[limits]\nconcurrency = 7\n";
    std::fs::write(folder.path().join("moltproof.toml"), manifest).unwrap();
    let done = Command::cargo_bin("moltproof")
        .unwrap()
        .current_dir(folder.path())
        .env("MOLTPROOF_SEED", "11")
        .args([
            "config",
            "show",
            "--origin",
            "--strict",
            "--ca-file",
            "https://me:s3cret@x.example",
        ])
        .assert()
        .code(0);
    let said = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    let line = |option: &str| {
        let own = said
            .lines()
            .find(|line| line.split(' ').next() == Some(option));
        own.unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("--strict"), "--strict true flag");
    assert_eq!(line("--seed"), "--seed 11 variable MOLTPROOF_SEED");
    assert!(
        line("--concurrency").starts_with("--concurrency 7 manifest "),
        "{said}"
    );
    assert_eq!(line("--wait"), "--wait 0s default");
    assert!(
        line("--target").ends_with("moltproof.toml found from this folder upwards"),
        "{said}"
    );
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn a_smoke_run_says_what_it_is_and_what_it_left_out() {
    let said = told(&["run", "--quiet", "--smoke"], 0);
    assert!(
        said.contains("a smoke run only: the smoke test, and one scenario of every other area"),
        "{said}"
    );
    assert!(said.contains("24 scenarios, "), "{said}");
    assert!(
        told(&["run", "--smoke", "--id", "RES-016"], 2).contains("an empty run proves nothing")
    );
}

#[test]
fn every_shell_gets_its_completions_and_every_verb_its_page() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            printed(&["completions", shell], &[]).contains("doctor"),
            "{shell}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    told(
        &["man", "--output", &folder.path().display().to_string()],
        0,
    );
    let page = std::fs::read_to_string(folder.path().join("moltproof-run.1")).unwrap();
    assert!(page.contains("MOLTPROOF_SEED"), "{page}");
    assert!(!folder.path().join("moltproof-supervise.1").exists());
    assert!(!folder.path().join("moltproof-help.1").exists());
}
