//! What a manifest's `[observe]` means: which needs it meets, and what it looks at. Never starts a server.

use crate::d1::database;
use moltproof::client::Client;
use moltproof::contract::need::{Need, Variant};
use moltproof::subject::Target as _;
use moltproof::subject::launched::LaunchedTarget;
use moltproof::subject::manifest::Manifest;
use serde_json::json;
use std::path::{Path, PathBuf};

const PROGRAM: &str = env!("CARGO_BIN_EXE_moltproof");

fn target(folder: &Path, observe: &str) -> LaunchedTarget {
    let text = format!(
        "name = 'x'\napp_domain = 'a.example'\n[variants.production]\naddress = 'http://127.0.0.1:9'\n[observe]\n{observe}"
    );
    let file = folder.join("target.toml");
    std::fs::write(&file, text).unwrap();
    let manifest = Manifest::read(&file).unwrap();
    LaunchedTarget::start(manifest, PathBuf::from(PROGRAM), Client::new().unwrap()).unwrap()
}

fn met(observe: &str) -> Vec<Need> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "t").unwrap();
    let target = target(folder.path(), observe);
    let needs = [
        Need::D1,
        Need::D1Write,
        Need::Kv,
        Need::KvWrite,
        Need::R2,
        Need::Logs,
        Need::AiGatewayLog,
        Need::Tenants,
    ];
    let met = needs
        .into_iter()
        .filter(|need| target.lacks(*need).is_none());
    met.collect()
}

#[tokio::test]
async fn each_need_is_met_on_its_own() {
    use Need::{AiGatewayLog, D1, D1Write, Kv, KvWrite, Logs, R2, Tenants};
    let check = |observe: &str, expected: &[Need]| assert_eq!(met(observe), expected, "{observe}");
    check("", &[]);
    check("d1 = { kind = 'sqlite', file = 'd1' }", &[D1, D1Write]);
    check(
        "d1 = { kind = 'sqlite', file = 'd1', writable = false }",
        &[D1],
    );
    let rest = "kind = 'rest', account = 'a', api_token = '${file:token}'";
    check(&format!("d1 = {{ {rest}, database = 'd' }}"), &[D1]);
    check(&format!("kv = {{ {rest}, namespace = 'n' }}"), &[Kv]);
    check(
        &format!("kv = {{ {rest}, namespace = 'n', writable = true }}"),
        &[Kv, KvWrite],
    );
    check(
        "kv = { kind = 'command', get = ['g'], list = ['l'] }",
        &[Kv],
    );
    check("r2 = { kind = 'directory', path = 'r2' }", &[R2]);
    check("logs = { kind = 'tail', command = ['cat'] }", &[Logs]);
    check(
        "ai_gateway = { kind = 'logs-rest', account = 'a', gateway = 'g', api_token = '${file:token}' }",
        &[AiGatewayLog],
    );
    // Tenants can be written where both stores can.
    check(
        "d1 = { kind = 'sqlite', file = 'd1' }\nkv = { kind = 'explorer', path = '/x', namespace = 'n' }",
        &[D1, D1Write, Kv, KvWrite, Tenants],
    );
}

#[tokio::test]
async fn what_is_not_met_names_the_key_that_would_meet_it() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(
        folder.path(),
        "d1 = { kind = 'sqlite', file = 'd1', writable = false }",
    );
    for (need, key) in [
        (Need::D1Write, "[observe] d1, with `writable = true`"),
        (Need::Kv, "[observe] kv"),
        (Need::KvWrite, "[observe] kv, with `writable = true`"),
        (Need::R2, "[observe] r2"),
        (Need::Logs, "[observe] logs"),
        (Need::AiGatewayLog, "[observe] ai_gateway"),
        (Need::AiGateway, "[control] ai_gateway"),
    ] {
        let reason = target.lacks(need).unwrap();
        assert!(reason.contains(key), "{need}: {reason}");
    }
}

#[test]
fn a_token_in_plain_text_and_output_of_what_is_not_started_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let check = |observe: &str, words: &str| {
        let text = format!(
            "name = 'x'\n[variants.production]\naddress = 'http://127.0.0.1:9'\n[observe]\n{observe}"
        );
        let file = folder.path().join("target.toml");
        std::fs::write(&file, text).unwrap();
        let error = Manifest::read(&file).unwrap_err().to_string();
        assert!(
            error.contains(words) && !error.contains("abc123"),
            "{error}"
        );
    };
    check(
        "d1 = { kind = 'rest', account = 'a', database = 'd', api_token = 'abc123' }",
        "observe.d1.api_token is a secret",
    );
    check("logs = 'output'", "needs [launch]");
    check("output_is_log = true", "output_is_log");
}

#[tokio::test]
async fn a_folder_with_one_database_is_enough_and_with_two_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("state");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("metadata.sqlite"), "").unwrap();
    let observe = "d1 = { kind = 'sqlite', file = 'state' }";
    let seen = || async {
        target(folder.path(), observe)
            .instance(Variant::Production)
            .await
    };
    let error = seen().await.err().unwrap().to_string();
    assert!(
        error.contains("[observe] d1") && error.contains("state"),
        "{error}"
    );
    std::fs::rename(database(folder.path()), place.join("1f.sqlite")).unwrap();
    let d1 = seen().await.unwrap().d1.clone().unwrap();
    assert_eq!(
        d1.query("SELECT 1 AS one FROM duty", &[])
            .await
            .unwrap()
            .len(),
        0
    );
    std::fs::write(place.join("2f.sqlite"), "").unwrap();
    assert!(seen().await.is_err());
}

#[tokio::test]
async fn a_command_gets_the_statement_whole_and_without_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("d1.sh"),
        "printf %s \"$1\" > asked\necho noise >&2\nprintf '[{\"results\":[{\"n\":1}],\"success\":true,\"meta\":{}}]'\n",
    )
    .unwrap();
    let target = target(
        folder.path(),
        "d1 = { kind = 'command', run = ['sh', 'd1.sh', '{sql}'] }",
    );
    let instance = target.instance(Variant::Production).await.unwrap();
    let d1 = instance.d1.clone().unwrap();
    let text = json!("a'b\"$(touch x)`y`\n{state} \\ é");
    let rows = d1.query("SELECT ?1 AS n", &[text]).await.unwrap();
    assert_eq!(json!(rows), json!([{ "n": 1 }]));
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
    assert_eq!(asked, "SELECT 'a''b\"$(touch x)`y`\n{state} \\ é' AS n");
    assert!(!folder.path().join("x").exists());
    target.end().await;
}

#[tokio::test]
async fn a_command_that_fails_is_an_error_with_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let observe =
        "d1 = { kind = 'command', run = ['sh', '-c', 'echo no database >&2; exit 3', '{sql}'] }";
    let target = target(folder.path(), observe);
    let d1 = target
        .instance(Variant::Production)
        .await
        .unwrap()
        .d1
        .clone()
        .unwrap();
    let error = d1.query("SELECT 1", &[]).await.unwrap_err().to_string();
    assert!(error.contains("no database"), "{error}");
}

#[tokio::test]
async fn a_tail_ends_with_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"echo "{\"logs\":[{\"message\":[\"pid\",$$]}],\"exceptions\":[]}"; exec cat"#;
    std::fs::write(
        folder.path().join("tail.sh"),
        format!("{script} /dev/zero > /dev/null"),
    )
    .unwrap();
    let target = target(
        folder.path(),
        "logs = { kind = 'tail', command = ['sh', 'tail.sh'] }",
    );
    let instance = target.instance(Variant::Production).await.unwrap();
    let logs = instance.logs.clone().unwrap();
    assert!(logs.gaps().is_some());
    let seen = moltproof::wait::until(std::time::Duration::from_secs(10), || {
        let line = logs.since(0).first().map(|line| line.text.clone());
        async move {
            Ok::<_, std::convert::Infallible>(line.map_or_else(
                || moltproof::wait::Look::NotYet("no line".to_owned()),
                moltproof::wait::Look::Done,
            ))
        }
    });
    let line = seen.await.unwrap().unwrap();
    let process = Path::new("/proc").join(line.strip_prefix("pid ").unwrap());
    assert!(process.exists(), "{}", process.display());
    target.end().await;
    assert!(!process.exists(), "{} outlived the run", process.display());
}
