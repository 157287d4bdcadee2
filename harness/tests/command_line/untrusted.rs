//! Manifests that may be a stranger's, runs that come to no verdict, and runs that judge too little. Never needs a network.

use assert_cmd::Command;
use std::net::TcpListener;
use std::path::Path;

/// A command whose surroundings are a CI job's, with a secret in them.
fn in_ci(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("moltproof").unwrap();
    command
        .current_dir(folder)
        .env("MOLTPROOF_STORE", "none")
        .env("DEPLOY_SECRET", "hunter2-of-the-job")
        .env("GITHUB_STEP_SUMMARY", folder.join("summary.md"))
        .args(["run", "--target", "moltproof.toml"])
        .args(["--report", "json,junit,github"]);
    command
}

fn said(done: &assert_cmd::assert::Assert) -> String {
    let output = done.get_output();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// Every command that a manifest can hold writes down the secret.
const HOSTILE: &str = r#"
name = "hostile"
app_domain = "app.example"
[launch]
prepare = [{ run = ["sh", "-c", "echo $DEPLOY_SECRET > {manifest}/stolen"] }]
setup = [["sh", "-c", "echo $DEPLOY_SECRET > {manifest}/stolen"]]
command = ["sh", "-c", "echo $DEPLOY_SECRET > {manifest}/stolen"]
ready_within_seconds = 1
[variants.production]
[control]
access = true
ai_gateway = true
[observe]
d1 = { kind = "command", run = ["sh", "-c", "echo $DEPLOY_SECRET > {manifest}/stolen", "{sql}"] }
kv = { kind = "command", get = ["sh", "{key}"], list = ["sh", "{prefix}"] }
logs = { kind = "tail", command = ["sh", "-c", "echo $DEPLOY_SECRET > {manifest}/stolen"] }
[migrations]
folder = "."
command = ["sh", "-c", "echo $DEPLOY_SECRET > {manifest}/stolen"]
database = "d"
"#;

fn hostile(folder: &Path) {
    let text = HOSTILE.replace("{manifest}", &folder.display().to_string());
    std::fs::write(folder.join("moltproof.toml"), text).unwrap();
}

#[test]
fn a_manifest_that_reads_a_secret_in_its_prepare_is_not_executed_without_launch() {
    let folder = tempfile::tempdir().unwrap();
    hostile(folder.path());
    // It would be: the same manifest steals the secret where it is executed.
    let _stolen = in_ci(folder.path())
        .args(["--id", "RES-001", "--repeat", "1"])
        .assert();
    assert_eq!(read(folder.path(), "stolen"), "hunter2-of-the-job\n");
    std::fs::remove_file(folder.path().join("stolen")).unwrap();

    let done = in_ci(folder.path())
        // What migrations say is read from their files, which are not executed.
        .args([
            "--no-launch",
            "--generate",
            "1",
            "--tags",
            "not @needs.migrations",
        ])
        .assert()
        .code(4);
    assert!(!folder.path().join("stolen").exists(), "{}", said(&done));
    let report: serde_json::Value =
        serde_json::from_str(&read(folder.path(), "moltproof.json")).unwrap();
    assert_eq!(report["no_launch"], true);
    let must = &report["summary"]["must"];
    assert_eq!(must["not_verified"], must["total"], "{must}");
    let reason = report["criteria"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("--no-launch"), "{reason}");
    assert!(said(&done).contains("--no-launch"), "{}", said(&done));
}

#[test]
fn a_manifest_names_only_the_variables_that_are_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let text = "name = 'x'\n[variants.production]\naddress = 'http://127.0.0.1:1/${DEPLOY_SECRET}'";
    let file = "name = 'x'\n[variants.production]\naddress = '${file:/proc/self/environ}'";
    for (text, allowed, word) in [
        (text, "none", "DEPLOY_SECRET"),
        (text, "OTHER,STAGING_URL", "DEPLOY_SECRET"),
        (file, "DEPLOY_SECRET", "file:/proc/self/environ"),
    ] {
        std::fs::write(folder.path().join("moltproof.toml"), text).unwrap();
        let done = in_ci(folder.path())
            .env("MOLTPROOF_ALLOW_ENV", allowed)
            .assert()
            .code(2);
        let told = said(&done);
        assert!(told.contains(&format!("--allow-env {word}")), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
        assert!(read(folder.path(), "moltproof.junit.xml").contains("--allow-env"));
    }
    std::fs::write(folder.path().join("moltproof.toml"), text).unwrap();
    let done = in_ci(folder.path())
        .args(["--allow-env", "DEPLOY_SECRET", "--allow-env", "OTHER"])
        .assert()
        .code(2);
    assert!(said(&done).contains("an address in it is wrong"));
}

/// What every run without a verdict leaves in the reports that were asked for.
fn left_behind(folder: &Path, done: &assert_cmd::assert::Assert, reason: &str) {
    let told = said(done);
    let annotations: Vec<_> = told
        .lines()
        .filter(|line| line.starts_with("::error "))
        .collect();
    assert_eq!(annotations.len(), 1, "{told}");
    assert!(annotations[0].contains(reason), "{told}");
    let summary = read(folder, "summary.md");
    assert!(summary.contains("inconclusive"), "{summary}");
    assert!(summary.contains("The run came to no verdict"), "{summary}");
    let junit = read(folder, "moltproof.junit.xml");
    assert!(junit.contains("errors=\"1\""), "{junit}");
    assert!(junit.contains(reason), "{junit}");
    let report: serde_json::Value = serde_json::from_str(&read(folder, "moltproof.json")).unwrap();
    assert_eq!(report["summary"]["verdict"], "inconclusive");
    assert_eq!(report["summary"]["must"]["passed"], 0);
    assert!(report["no_verdict"].as_str().unwrap().contains(reason));
}

#[test]
fn a_target_that_does_not_answer_leaves_every_report_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let done = in_ci(folder.path())
        .env_remove("MOLTPROOF_TARGET")
        .args(["--target", &address])
        .assert();
    // Given twice, an option is a mistake in the command line, of which no run can tell.
    done.code(2);
    std::fs::write(
        folder.path().join("moltproof.toml"),
        format!("name = 'staging'\n[variants.production]\naddress = '{address}'"),
    )
    .unwrap();
    let done = in_ci(folder.path()).assert().code(3);
    left_behind(folder.path(), &done, "the target does not answer");
    assert!(read(folder.path(), "summary.md").contains("## staging"));
}

#[test]
fn a_manifest_that_is_wrong_leaves_every_report_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("moltproof.toml"), "nome = 'x'").unwrap();
    let done = in_ci(folder.path()).assert().code(2);
    left_behind(folder.path(), &done, "unknown field `nome`");
}

#[test]
fn a_shard_without_a_verdict_is_no_green_part_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let run = |shard: &str, target: &str, code: i32| {
        let report = format!("json={}.json", shard.replace('/', "-"));
        Command::cargo_bin("moltproof")
            .unwrap()
            .current_dir(folder.path())
            .env("MOLTPROOF_STORE", "none")
            .args([
                "run",
                "-q",
                "--tags",
                "@RES-001 or @RES-002",
                "--shard",
                shard,
            ])
            .args(["--target", target, "--report", &report])
            .assert()
            .code(code);
    };
    run("1/2", "reference", 0);
    run("2/2", "http://127.0.0.1:9", 3);
    Command::cargo_bin("moltproof")
        .unwrap()
        .current_dir(folder.path())
        .args(["report", "merge", "1-2.json", "2-2.json"])
        .assert()
        .code(3);
}

#[test]
fn fewer_judged_criteria_than_the_floor_are_no_green_run() {
    let floor = |floor: &str, code: i32| {
        let done = Command::cargo_bin("moltproof")
            .unwrap()
            .env("MOLTPROOF_STORE", "none")
            .args([
                "run",
                "-q",
                "--id",
                "RES-001,RES-002",
                "--min-verified",
                floor,
            ])
            .assert()
            .code(code);
        said(&done)
    };
    assert!(floor("2", 0).contains("reference conforms"));
    let told = floor("3", 4);
    assert!(told.contains("reference inconclusive"), "{told}");
    assert!(
        told.contains("2 of 2 MUSTs could be judged, and --min-verified demands 3"),
        "{told}"
    );
    let done = Command::cargo_bin("moltproof").unwrap();
    let done = { done }
        .args(["run", "--shard", "1/2", "--min-verified", "3"])
        .assert()
        .code(2);
    assert!(said(&done).contains("report merge"));
}
