//! What is printed can be pasted: the lines that repeat a finding judge the same target, from any folder and without a store.

use assert_cmd::cargo::cargo_bin;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A backend that never refuses, started by the harness.
pub(crate) const LIMITLESS: &str = r#"
name = "limitless"
app_domain = "moltworker.example"
[launch]
command = ["PROGRAM", "serve-altered", "limiter-never-refuses"]
[launch.environment]
LISTEN = "127.0.0.1:{port}"
[launch.variables]
TENANT_DB = "{state}/d1.sqlite"
TENANT_KV = "{state}/kv.sqlite"
MOLTBOT_BUCKET = "{state}/r2"
APP_DOMAIN = "{app_domain}"
CF_ACCESS_TEAM_DOMAIN = "{team_domain}"
CF_ACCESS_AUD = "{audience}"
AI_GATEWAY_BASE_URL = "{ai_gateway_base_url}"
CLOUDFLARE_AI_GATEWAY_API_KEY = "{ai_gateway_key}"
[variants.production]
[control]
access = true
ai_gateway = true
client_ip = true
[limits]
exact = true
"#;

/// Writes that manifest into a folder.
pub(crate) fn limitless(folder: &Path) -> String {
    let file = folder.join("limitless target.toml");
    let program = cargo_bin("moltproof").display().to_string();
    std::fs::write(&file, LIMITLESS.replace("PROGRAM", &program)).unwrap();
    file.display().to_string()
}

/// This program in a folder, keeping nothing.
pub(crate) fn moltproof_in(folder: &Path) -> Command {
    let mut command = Command::new(cargo_bin("moltproof"));
    command.current_dir(folder).env("MOLTPROOF_STORE", "none");
    command
}

/// A line as somebody pastes it, in a folder that has nothing to do with the run.
fn pasted(line: &str) -> Output {
    let elsewhere = tempfile::tempdir().unwrap();
    let program = cargo_bin("moltproof");
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    Command::new("sh")
        .args(["-c", line])
        .current_dir(elsewhere.path())
        .env("PATH", path)
        .env("MOLTPROOF_STORE", "none")
        .env("MOLTPROOF_REPEAT", "1")
        .output()
        .unwrap()
}

/// The first line that begins with these words, without its indentation.
fn line<'a>(text: &'a str, words: &str) -> &'a str {
    let found = text.lines().map(str::trim_start);
    found
        .into_iter()
        .find(|line| line.starts_with(words))
        .unwrap_or_else(|| panic!("no line `{words}` in\n{text}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Pastes the line under a finding, and demands the same finding.
fn check_the_same_red(printed: &str, target: &str) {
    let repeating = line(printed, "moltproof run ");
    assert!(repeating.contains(target), "{repeating}");
    let again = pasted(repeating);
    let said = text(&again.stdout);
    assert_eq!(again.status.code(), Some(1), "{repeating}\n{said}");
    for words in ["features/", "expected ", "criterion "] {
        assert_eq!(line(&said, words), line(printed, words));
    }
}

#[test]
fn a_finding_at_an_address_is_repeated_at_that_address() {
    let base =
        super::null_server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let folder = tempfile::tempdir().unwrap();
    let done = moltproof_in(folder.path())
        .args(["run", "-q", "--repeat", "1", "--id", "RL-011", "--target"])
        .arg(&base)
        .output()
        .unwrap();
    let printed = text(&done.stdout);
    assert_eq!(done.status.code(), Some(1), "{printed}");
    check_the_same_red(&printed, &base);
    // What answers there lives on: the line of the request is as it was sent.
    assert!(line(&printed, "curl ").contains(&base), "{printed}");
}

#[test]
fn a_finding_of_a_launched_target_is_repeated_by_starting_it_again() {
    let folder = tempfile::tempdir().unwrap();
    limitless(folder.path());
    let report = folder.path().join("report.json");
    let done = moltproof_in(folder.path())
        .args(["run", "-q", "--repeat", "1", "--id", "RL-001"])
        .args(["--target", "limitless target.toml", "--report"])
        .arg(format!("json={}", report.display()))
        .output()
        .unwrap();
    let printed = text(&done.stdout);
    assert_eq!(done.status.code(), Some(1), "{printed}");
    check_the_same_red(&printed, "limitless target.toml");

    // Its port is gone, and the line of the request says so.
    let curl = pasted(line(&printed, "curl "));
    let said = text(&curl.stderr);
    assert!(!curl.status.success(), "{said}");
    assert!(said.contains("TARGET_URL: its port is gone"), "{said}");
    assert!(
        said.contains("moltproof up --target MANIFEST --variant production"),
        "{said}"
    );

    // A report that is read on another machine names the manifest as the run did.
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(
        kept["options"],
        serde_json::json!(["--target", "limitless target.toml"])
    );
}

/// `moltproof up`, and the first line that it prints.
struct Up {
    child: Child,
    line: String,
}

impl Up {
    fn start(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = moltproof_in(folder.path())
            .arg("up")
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self { child, line }
    }

    /// Ends it; returns its exit code and what it said.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
        let mut said = String::new();
        let mut errors = self.child.stderr.take().unwrap();
        errors.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

/// The status line and headers that somebody gets there.
fn get(address: &str, host: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET /api/status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn up_keeps_a_launched_target_with_its_tenants_until_it_is_ended_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = limitless(folder.path());
    let up = Up::start(&["--target", &manifest, "--tenant", "acme"]);
    let address = up.line.trim().strip_prefix("http://").unwrap().to_owned();
    let answer = get(&address, "acme.moltworker.example").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (code, said) = up.end("-TERM");
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "AI Gateway",
        "team domain",
        "acme.moltworker.example (free)",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(
        get(&address, "acme.moltworker.example").is_err(),
        "it still runs"
    );
}

#[test]
fn up_tells_a_program_everything_about_the_reference_in_one_line() {
    let up = Up::start(&["--target", "reference", "--format", "json"]);
    let facts: serde_json::Value = serde_json::from_str(&up.line).unwrap();
    assert_eq!(facts["variant"], "production");
    for pointer in [
        "/address",
        "/ai_gateway/base_url",
        "/team_domain/origin",
        "/operator_token",
    ] {
        assert!(facts.pointer(pointer).unwrap().is_string(), "{facts}");
    }
    let (code, said) = up.end("-INT");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn up_starts_neither_what_runs_already_nor_a_variant_that_there_is_not() {
    let said = super::told(&["up", "--target", "http://127.0.0.1:9"], 2);
    assert!(said.contains("runs already"), "{said}");
    let said = super::told(&["up", "--target", "reference", "--variant", "dev-mod"], 2);
    assert!(said.contains("did you mean `dev-mode`?"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let manifest = limitless(folder.path());
    let said = super::told(&["up", "--target", &manifest, "--variant", "dev-mode"], 2);
    assert!(said.contains("no variant `dev-mode`"), "{said}");
}
