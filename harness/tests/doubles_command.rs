//! `moltproof doubles` and `moltproof token` as people use them, and doubles over TLS in a run. Never looks inside.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "doubles_command/tls_target.rs"]
mod tls_target;
#[path = "doubles_command/tokens.rs"]
mod tokens;

use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;
use tokens::verify;

fn moltproof() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moltproof"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MOLTPROOF_") {
            command.env_remove(name);
        }
    }
    command
}

/// A state folder with keys in it. Making keys takes a debug build seconds, so all tests share those of the first.
fn state() -> TempDir {
    static MADE: OnceLock<Vec<u8>> = OnceLock::new();
    let folder = tempfile::tempdir().unwrap();
    let kept = MADE.get_or_init(|| {
        let first = tempfile::tempdir().unwrap();
        let (doubles, _facts) = Doubles::with_facts(first.path(), &[]);
        doubles.end("-TERM");
        std::fs::read(first.path().join("doubles.json")).unwrap()
    });
    std::fs::write(folder.path().join("doubles.json"), kept).unwrap();
    folder
}

fn told(arguments: &[&str], state: &Path) -> Output {
    let state = state.to_str().unwrap();
    moltproof()
        .args(arguments)
        .env("MOLTPROOF_STATE", state)
        .output()
        .unwrap()
}

fn complaint(arguments: &[&str], state: &Path) -> String {
    let output = told(arguments, state);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Running doubles; killed when the test ends in any other way than by asking them to end.
struct Doubles {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Doubles {
    fn start(state: &Path, arguments: &[&str]) -> Self {
        let mut child = moltproof()
            .args(["doubles", "--ai-gateway-port", "0"])
            .args(arguments)
            .env("MOLTPROOF_TEAM_DOMAIN_PORT", "0")
            .env("MOLTPROOF_STATE", state)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// Running doubles, and what they printed.
    fn with_facts(state: &Path, arguments: &[&str]) -> (Self, Value) {
        let mut doubles = Self::start(state, &[&["--format", "json"], arguments].concat());
        let mut line = String::new();
        doubles.stdout.read_line(&mut line).unwrap();
        let facts = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut said = String::new();
            let stderr = doubles.child.stderr.as_mut().unwrap();
            stderr.read_to_string(&mut said).unwrap();
            panic!("no facts but `{line}`; {said}")
        });
        (doubles, facts)
    }

    fn end(mut self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "after {signal}");
    }
}

impl Drop for Doubles {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn text<'a>(facts: &'a Value, pointer: &str) -> &'a str {
    let value = facts.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("no {pointer} in {facts}"))
}

fn client(ca_file: Option<&str>) -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    match ca_file {
        None => builder.build().unwrap(),
        Some(file) => {
            let ca = reqwest::Certificate::from_pem(&std::fs::read(file).unwrap()).unwrap();
            builder.tls_certs_only([ca]).build().unwrap()
        }
    }
}

async fn key_set(client: &reqwest::Client, facts: &Value) -> JwkSet {
    let answer = client
        .get(text(facts, "/team_domain/certs_url"))
        .send()
        .await;
    answer.unwrap().json().await.unwrap()
}

fn mint(arguments: &[&str], state: &Path) -> String {
    let output = told(&[&["token", "mint"], arguments].concat(), state);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let token = String::from_utf8(output.stdout).unwrap();
    token.trim_end().to_owned()
}

#[tokio::test]
async fn the_gateway_answers_at_the_address_printed_and_tells_its_calls() {
    let state = state();
    let (doubles, facts) = Doubles::with_facts(state.path(), &["--authenticated"]);
    let key = text(&facts, "/variables/CLOUDFLARE_AI_GATEWAY_API_KEY");
    let url = format!(
        "{}/compat/chat/completions",
        text(&facts, "/variables/AI_GATEWAY_BASE_URL")
    );
    let body = json!({"model": "workers-ai/@cf/meta/m", "messages": [{"role": "user", "content": "Hi [[fault:503,200]]"}]});
    let client = client(None);
    let ask = async |key: &str| {
        let request = client
            .post(&url)
            .header("cf-aig-authorization", format!("Bearer {key}"));
        request.json(&body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(
        (ask("wrong").await, ask(key).await, ask(key).await),
        (401, 503, 200)
    );
    let journal_url = text(&facts, "/ai_gateway/journal_url");
    let journal: Value = client
        .get(journal_url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let said: Vec<_> = journal["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| &call["authorization"])
        .collect();
    assert_eq!(said, ["(another value)", "(the key)", "(the key)"]);
    assert!(!journal.to_string().contains(key));
    doubles.end("-INT");
}

#[tokio::test]
async fn with_tls_the_printed_authority_is_what_a_client_needs() {
    let state = state();
    let (_doubles, facts) = Doubles::with_facts(state.path(), &["--tls"]);
    let file = text(&facts, "/environment/NODE_EXTRA_CA_CERTS");
    assert_eq!(file, text(&facts, "/ca_file"));
    let origin = text(&facts, "/variables/CF_ACCESS_TEAM_DOMAIN");
    assert_eq!(
        origin,
        format!("https://{}", text(&facts, "/team_domain/host"))
    );
    let keys = key_set(&client(Some(file)), &facts).await;
    assert!(verify(&mint(&[], state.path()), &keys, &facts).is_some());
    let certs = text(&facts, "/team_domain/certs_url");
    assert!(
        client(None).get(certs).send().await.is_err(),
        "the system does not trust it"
    );
}

#[test]
fn what_is_printed_can_be_pasted_into_dev_vars() {
    let state = state();
    let mut doubles = Doubles::start(state.path(), &["--tls"]);
    let mut lines = Vec::new();
    for line in doubles.stdout.by_ref().lines() {
        let line = line.unwrap();
        let is_last = line.contains("wrangler dev --var");
        lines.push(line);
        if is_last {
            break;
        }
    }
    let names: Vec<_> = lines
        .iter()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once("=\"").unwrap().0)
        .collect();
    let expected = [
        "CF_ACCESS_TEAM_DOMAIN",
        "CF_ACCESS_AUD",
        "AI_GATEWAY_BASE_URL",
        "CLOUDFLARE_AI_GATEWAY_API_KEY",
    ];
    assert_eq!(names, expected);
    let command = lines.last().unwrap();
    assert!(
        expected
            .iter()
            .all(|name| command.contains(&format!(" --var {name}:"))),
        "{command}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("export NODE_EXTRA_CA_CERTS=")),
        "{lines:?}"
    );
}

#[cfg(unix)]
#[test]
fn keys_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let state = parent.path().join("new/state");
    let (_doubles, _facts) = Doubles::with_facts(&state, &["--tls"]);
    let mode = |name: &str| {
        let metadata = std::fs::metadata(state.join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(
        (mode(""), mode("doubles.json"), mode("tls/server-key.pem")),
        (0o700, 0o600, 0o600)
    );
}

#[test]
fn without_a_state_folder_keys_are_kept_where_the_system_keeps_state() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = moltproof();
        command.args(arguments).env("XDG_STATE_HOME", home.path());
        command
    };
    let said = run(&["token", "mint"]).output().unwrap();
    let folder = home.path().join("moltproof/doubles");
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains(folder.to_str().unwrap()), "{said}");
    let ports = ["doubles", "--ai-gateway-port=0", "--team-domain-port=0"];
    let mut doubles = run(&ports);
    doubles.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = doubles.spawn().unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    let _doubles = Doubles { child, stdout };
    assert!(folder.join("doubles.json").is_file(), "{first}");
}

#[test]
fn a_port_or_a_state_in_use_is_told_with_the_way_out() {
    let state = state();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = complaint(&["doubles", "--ai-gateway-port", &port], state.path());
    assert!(
        said.contains("is in use") && said.contains("MOLTPROOF_AI_GATEWAY_PORT"),
        "{said}"
    );
    let said = complaint(
        &[
            "doubles",
            "--ai-gateway-port",
            "0",
            "--team-domain-port",
            &port,
        ],
        state.path(),
    );
    assert!(said.contains("--team-domain-port PORT"), "{said}");
    let (_doubles, _facts) = Doubles::with_facts(state.path(), &[]);
    let said = complaint(
        &[
            "doubles",
            "--ai-gateway-port",
            "0",
            "--team-domain-port",
            "0",
        ],
        state.path(),
    );
    assert!(said.contains("--state another folder"), "{said}");
}
