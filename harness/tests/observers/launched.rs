//! Whole runs against the reference, seen as a manifest says. Never in the reference's own process.

use crate::cloudflare::{Cloudflare, LogRow, TOKEN};
use crate::d1::database;
use crate::gateway_log::row_at;
use moltproof::doubles::{AiGatewayDouble, Attempt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PROGRAM: &str = env!("CARGO_BIN_EXE_moltproof");

/// How the reference is started.
const LAUNCH: &str = r#"
name = "reference"
app_domain = "moltworker.example"
[launch]
command = ["PROGRAM", "serve"]
[launch.environment]
LISTEN = "127.0.0.1:{port}"
[launch.variables]
TENANT_DB = "{state}/d1.sqlite"
TENANT_KV = "{state}/kv.sqlite"
MOLTBOT_BUCKET = "{state}/r2"
APP_DOMAIN = "{app_domain}"
CF_ACCESS_TEAM_DOMAIN = "{team_domain}"
CF_ACCESS_AUD = "{audience}"
AI_GATEWAY_BASE_URL = "<gateway>"
CLOUDFLARE_AI_GATEWAY_API_KEY = "{ai_gateway_key}"
[variants.production]
"#;

/// Verdict and reason of each criterion.
type Verdicts = BTreeMap<String, (String, String)>;

async fn verdicts(folder: &Path, manifest: &str, ids: &[&str]) -> Verdicts {
    let file = folder.join("target.toml");
    std::fs::write(&file, manifest.replace("PROGRAM", PROGRAM)).unwrap();
    let report = folder.join("report.json");
    let mut command = tokio::process::Command::new(PROGRAM);
    command
        .args(["run", "--target"])
        .arg(&file)
        .arg("--report")
        .arg(format!("json={}", report.display()))
        .env("MOLTPROOF_TEST_TOKEN", TOKEN);
    for id in ids {
        command.args(["--id", id]);
    }
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains(TOKEN), "{said}");
    let text = std::fs::read_to_string(report).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert!(!text.contains(TOKEN), "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let criteria = report["criteria"].as_array().unwrap().iter();
    let found: Verdicts = criteria
        .map(|one| {
            (
                word(&one["id"]),
                (word(&one["verdict"]), word(&one["reason"])),
            )
        })
        .collect();
    // A scenario may state a further criterion, which is then judged in part.
    assert!(ids.iter().all(|id| found.contains_key(*id)), "{said}");
    found
}

fn check(seen: &Verdicts, expected: &[(&str, &str, &str)]) {
    for (id, verdict, reason) in expected {
        let (seen_verdict, seen_reason) = &seen[*id];
        assert_eq!(seen_verdict, verdict, "{id}: {seen_reason}");
        assert!(seen_reason.contains(reason), "{id}: {seen_reason}");
    }
}

/// A gateway that is not the harness's, and its log, each row as `change` leaves it.
struct Foreign {
    gateway: Arc<AiGatewayDouble>,
    cloudflare: Cloudflare,
    folder: tempfile::TempDir,
}

impl Foreign {
    async fn start(change: fn(LogRow) -> LogRow) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gateway = Arc::new(AiGatewayDouble::start().unwrap());
        let cloudflare = Cloudflare::start(&database(folder.path())).await;
        let (began, journal) = (moltproof::clock::epoch_ms(), Arc::clone(&gateway));
        cloudflare.log_from(move || {
            let attempts = journal.journal_all();
            let rows = attempts.iter().enumerate();
            rows.map(|(number, attempt)| change(logged(began, number, attempt)))
                .collect()
        });
        Self {
            gateway,
            cloudflare,
            folder,
        }
    }

    async fn verdicts(&self, ids: &[&str]) -> Verdicts {
        let observe = format!(
            r#"
[control]
access = true
[observe]
d1 = {{ kind = "sqlite", file = "{{state}}/d1.sqlite" }}
ai_gateway = {{ kind = "logs-rest", account = "acct", gateway = "gw", api_token = "${{MOLTPROOF_TEST_TOKEN}}", base_url = "{}" }}
"#,
            self.cloudflare.base_url
        );
        let manifest = LAUNCH.replace("<gateway>", &self.gateway.base_url()) + &observe;
        verdicts(self.folder.path(), &manifest, ids).await
    }
}

/// What Cloudflare would log of a call, the same at each look.
fn logged(began: i64, number: usize, attempt: &Attempt) -> LogRow {
    let at = began + i64::try_from(attempt.at.as_millis()).unwrap();
    let number = i64::try_from(number).unwrap();
    let metadata = attempt
        .metadata_kept
        .clone()
        .map_or(Value::Null, Value::Object);
    let mut row = row_at(at, number, &attempt.model, &metadata);
    row.request = Some(attempt.body.clone());
    row
}

const JUDGED: [&str; 4] = ["AIG-001", "AIG-002", "AIG-004", "AIG-005"];

#[tokio::test]
async fn the_gateways_own_log_proves_models_and_metadata() {
    let seen = Foreign::start(|row| row).await.verdicts(&JUDGED).await;
    check(
        &seen,
        &[
            // Retries, fallbacks and what the platform drops are for a gateway that the harness plays.
            ("AIG-001", "passed", "[control] ai_gateway"),
            ("AIG-002", "not_verified", "cannot be seen there"),
            ("AIG-004", "passed", ""),
            ("AIG-005", "passed", "[control] ai_gateway"),
        ],
    );
    // The model of every further try is asked by scripted failures.
    assert!(seen["AIG-004"].1.contains("[control] ai_gateway"));
}

#[tokio::test]
async fn the_gateways_own_log_convicts_a_wrong_model_and_missing_metadata() {
    let worse = |mut row: LogRow| {
        row.row["model"] = json!("@cf/qwen/qwq-32b");
        row.row["metadata"] = Value::Null;
        row
    };
    let seen = Foreign::start(worse).await.verdicts(&JUDGED).await;
    check(
        &seen,
        &[
            ("AIG-001", "failed", "cf-aig-metadata"),
            ("AIG-002", "not_verified", "because of AIG-001"),
            ("AIG-004", "failed", "@cf/qwen/qwq-32b 200"),
            ("AIG-005", "failed", "@cf/qwen/qwq-32b 200"),
        ],
    );
}

#[tokio::test]
async fn calls_that_nobody_can_attribute_prove_nothing_and_convict_nobody() {
    let bare = |mut row: LogRow| {
        row.row["metadata"] = Value::Null;
        row.request = None;
        row
    };
    let seen = Foreign::start(bare)
        .await
        .verdicts(&["AIG-001", "AIG-004"])
        .await;
    check(
        &seen,
        &[
            ("AIG-001", "not_verified", "log payloads"),
            ("AIG-004", "not_verified", "log payloads"),
        ],
    );
}

#[tokio::test]
async fn a_real_upstream_that_fails_convicts_nobody() {
    let failing = |mut row: LogRow| {
        row.row["status_code"] = json!(500);
        row
    };
    let seen = Foreign::start(failing).await.verdicts(&["AIG-004"]).await;
    check(
        &seen,
        &[("AIG-004", "not_verified", "the real upstream failed")],
    );
}

/// A tail that shows the server's lines as `wrangler tail` does, from the file that they go to.
const TAIL: &str = r#"
[control]
access = true
ai_gateway = true
client_ip = true
[observe]
logs = { kind = "tail", command = ["sh", "SCRIPT", "{state}/out"] }
"#;
const TAIL_SCRIPT: &str = r#"echo "Connected to reference, waiting for logs..."
tail -n +1 -F "$1" 2>/dev/null | while read -r line; do
  case "$line" in
    "{"*) printf '{\n  "outcome": "ok", "exceptions": [],\n  "logs": [{ "message": [%s], "level": "log", "timestamp": 1 }]\n}\n' "$line" ;;
  esac
done
"#;

fn with_tail(folder: &Path, script: &str) -> String {
    let file = folder.join("tail.sh");
    std::fs::write(&file, script).unwrap();
    let serve = r#"["sh", "-c", "exec \"$0\" serve > \"$1\" 2>&1", "PROGRAM", "{state}/out"]"#;
    LAUNCH
        .replace(r#"["PROGRAM", "serve"]"#, serve)
        .replace("<gateway>", "{ai_gateway_base_url}")
        + &TAIL.replace("SCRIPT", &file.display().to_string())
}

#[tokio::test]
async fn a_tail_proves_what_is_there_and_never_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = with_tail(folder.path(), TAIL_SCRIPT);
    let seen = verdicts(folder.path(), &manifest, &["AIG-012", "RES-013", "SEC-003"]).await;
    check(
        &seen,
        &[
            ("AIG-012", "passed", ""),
            // Five of its eleven scenarios ask for no absence.
            ("RES-013", "passed", "6 of 11 scenarios"),
            ("SEC-003", "not_verified", "proves nothing"),
        ],
    );
    assert_eq!(seen["AIG-012"].1, "");
}

#[tokio::test]
async fn a_line_that_a_tail_does_not_show_convicts_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = with_tail(folder.path(), "echo Connected; exec cat\n");
    let seen = verdicts(folder.path(), &manifest, &["RES-013"]).await;
    check(&seen, &[("RES-013", "not_verified", "may lose events")]);
}

/// A D1 that both the reference and the double of Cloudflare's API have open.
#[tokio::test]
async fn rows_by_the_rest_api_prove_what_the_reference_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("shared.sqlite");
    let cloudflare = Cloudflare::start(&file).await;
    let observe = format!(
        r#"
[control]
access = true
ai_gateway = true
[observe]
d1 = {{ kind = "rest", account = "acct", database = "db", api_token = "${{MOLTPROOF_TEST_TOKEN}}", base_url = "{}" }}
"#,
        cloudflare.base_url
    );
    let manifest = LAUNCH
        .replace("{state}/d1.sqlite", &file.display().to_string())
        .replace("<gateway>", "{ai_gateway_base_url}")
        + &observe;
    let ids = ["USG-001", "USG-005", "AIG-006"];
    let seen = verdicts(folder.path(), &manifest, &ids).await;
    check(
        &seen,
        &[
            ("USG-001", "passed", ""),
            ("USG-005", "passed", ""),
            // Its other scenario writes the record, which this manifest does not allow.
            ("AIG-006", "passed", "[observe] d1, with `writable = true`"),
        ],
    );
    assert!(
        cloudflare
            .asked()
            .iter()
            .all(|asked| asked.ends_with("/query"))
    );
}
