//! What is read out of AI Gateway's own log, and what it cannot tell. Never trusts the API's filters.

use crate::cloudflare::{Cloudflare, LogRow, TOKEN, failure};
use crate::d1::database;
use moltproof::doubles::Outcome;
use moltproof::observe::ai_gateway_logs::{AiGatewayLogs, Pace};
use moltproof::observe::model_calls::{ModelCalls as _, SeenCalls, Whose};
use serde_json::{Value, json};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const PACE: Pace = Pace {
    every: Duration::from_millis(5),
    late: Duration::from_secs(5),
    quiet: Duration::from_millis(20),
};

struct Stage {
    cloudflare: Cloudflare,
    log: AiGatewayLogs,
    _folder: tempfile::TempDir,
}

async fn stage() -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let cloudflare = Cloudflare::start(&database(folder.path())).await;
    let http = reqwest::Client::new();
    let log = AiGatewayLogs::new(&http, &cloudflare.base_url, "acct", "gw", TOKEN).paced(PACE);
    Stage {
        cloudflare,
        log,
        _folder: folder,
    }
}

fn ours() -> Whose {
    Whose {
        marker: "abcdef0001".to_owned(),
        ids: vec!["tenant-a".to_owned(), "sk-a".to_owned()],
    }
}

/// A row as captured from the live API, `number` milliseconds after now.
fn row(number: i64, model: &str, metadata: &Value) -> LogRow {
    row_at(
        moltproof::clock::epoch_ms() + number,
        number,
        model,
        metadata,
    )
}

/// A row as captured from the live API, made at that epoch millisecond.
pub(crate) fn row_at(at_ms: i64, number: i64, model: &str, metadata: &Value) -> LogRow {
    let at = i128::from(at_ms) * 1_000_000;
    let created = OffsetDateTime::from_unix_timestamp_nanos(at).unwrap();
    let row = json!({
        "id": format!("01K{number:023}"), "created_at": created.format(&Rfc3339).unwrap(), "provider": "workers-ai", "model": model,
        "model_type": "", "path": model, "duration": 612, "request_type": "", "status_code": 200, "success": true, "cached": false,
        "step": 0, "tokens_in": 12, "tokens_out": 7, "cost": 0.0, "custom_cost": false, "metadata": metadata,
        "wholesale": false, "byok": false, "authentication": true, "timings": { "latency": 600 }, "usage_metadata": {},
    });
    LogRow {
        row,
        request: None,
        late: 0,
    }
}

fn named(tenant: &str) -> Value {
    json!({ "platform": "web", "tier": "free", "workload": "chat", "tenant_id": tenant, "sandbox_id": "sk-x" })
}

fn models(seen: &SeenCalls) -> Vec<&str> {
    seen.calls.iter().map(|call| call.model.as_str()).collect()
}

#[tokio::test]
async fn calls_are_known_by_the_tenant_in_their_metadata() {
    let stage = stage().await;
    stage
        .cloudflare
        .log(row(1, "@cf/first", &named("tenant-a")));
    stage
        .cloudflare
        .log(row(2, "@cf/not-ours", &named("tenant-b")));
    stage
        .cloudflare
        .log(row(3, "workers-ai/@cf/second", &named("tenant-a")));
    // The schema says that it is a text.
    stage.cloudflare.log(row(
        4,
        "@cf/third",
        &json!(json!({ "sandbox_id": "sk-a" }).to_string()),
    ));
    let seen = stage.log.of(&ours(), 1).await.unwrap();
    assert_eq!(models(&seen), ["@cf/first", "@cf/second", "@cf/third"]);
    assert_eq!(seen.unattributed, 0);
    let first = &seen.calls[0];
    assert_eq!((first.outcome, first.kept), (Outcome::Answered(200), 5));
    let metadata: Value = serde_json::from_str(first.metadata.as_deref().unwrap()).unwrap();
    assert_eq!(metadata, named("tenant-a"));
    // At the API key and value of a filter may match different entries: it is never asked to filter.
    assert!(
        stage
            .cloudflare
            .asked()
            .iter()
            .all(|asked| !asked.contains("filter"))
    );
}

#[tokio::test]
async fn calls_whose_metadata_names_nobody_are_known_by_their_prompt() {
    let stage = stage().await;
    let prompt = |text: &str| Some(json!({ "messages": [{ "role": "user", "content": text }] }));
    let bare = |number, model: &str, request| LogRow {
        request,
        ..row(number, model, &Value::Null)
    };
    stage
        .cloudflare
        .log(bare(1, "@cf/ours", prompt("hello [[mp-abcdef0001]]")));
    stage.cloudflare.log(bare(
        2,
        "@cf/other-scenario",
        prompt("hello [[mp-abcdef0002]]"),
    ));
    stage
        .cloudflare
        .log(bare(3, "@cf/stranger", prompt("hello")));
    let seen = stage.log.of(&ours(), 1).await.unwrap();
    assert_eq!(models(&seen), ["@cf/ours"]);
    assert_eq!(seen.calls[0].metadata, None);
    assert_eq!(seen.unattributed, 0);
}

#[tokio::test]
async fn a_call_that_nothing_attributes_is_told() {
    let stage = stage().await;
    stage.cloudflare.log(row(1, "@cf/ours", &named("tenant-a")));
    // Payloads are not logged, or are empty.
    stage
        .cloudflare
        .log(row(2, "@cf/bare", &json!({ "platform": "web" })));
    let empty = LogRow {
        request: Some(json!({})),
        ..row(3, "@cf/bare", &Value::Null)
    };
    stage.cloudflare.log(empty);
    let seen = stage.log.of(&ours(), 1).await.unwrap();
    assert_eq!((models(&seen), seen.unattributed), (vec!["@cf/ours"], 2));
}

#[tokio::test]
async fn rows_that_come_late_are_waited_for() {
    let stage = stage().await;
    let late = |number, late| LogRow {
        late,
        ..row(number, "@cf/late", &named("tenant-a"))
    };
    stage.cloudflare.log(late(1, 4));
    // A retry that is logged when the first call has been seen.
    stage.cloudflare.log(late(2, 5));
    let seen = stage.log.of(&ours(), 1).await.unwrap();
    assert_eq!(seen.calls.len(), 2);
}

#[tokio::test]
async fn rows_that_never_come_are_no_calls() {
    let stage = stage().await;
    let soon = Pace {
        late: Duration::from_millis(30),
        ..PACE
    };
    let log = stage.log.paced(soon);
    assert_eq!(log.of(&ours(), 1).await.unwrap(), SeenCalls::default());
}

#[tokio::test]
async fn every_page_since_the_run_began_is_read_and_nothing_older() {
    let stage = stage().await;
    for number in 0..120 {
        stage
            .cloudflare
            .log(row(number, &format!("@cf/{number}"), &named("tenant-a")));
    }
    for number in 0..200 {
        stage
            .cloudflare
            .log(row(number - 3_600_000, "@cf/yesterday", &named("tenant-a")));
    }
    let seen = stage.log.of(&ours(), 120).await.unwrap();
    assert_eq!(seen.calls.len(), 120);
    assert_eq!((models(&seen)[0], models(&seen)[119]), ("@cf/0", "@cf/119"));
    let pages: Vec<String> = stage.cloudflare.asked();
    assert!(
        !pages.iter().any(|page| page.ends_with("&page=4")),
        "{pages:?}"
    );
}

#[tokio::test]
async fn scenarios_that_ask_at_the_same_time_share_their_looks() {
    let stage = stage().await;
    stage.cloudflare.log(row(1, "@cf/ours", &named("tenant-a")));
    let ours = ours();
    let asking = (0..20).map(|_| stage.log.of(&ours, 1));
    for seen in futures_util::future::join_all(asking).await {
        assert_eq!(models(&seen.unwrap()), ["@cf/ours"]);
    }
    let looks = stage.cloudflare.asked().len();
    assert!(looks <= 10, "{looks} looks for 20 scenarios");
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_an_error() {
    let stage = stage().await;
    stage
        .cloudflare
        .fail_with(&[(403, failure(10_000, "Authentication error"))]);
    let error = stage.log.of(&ours(), 1).await.unwrap_err().to_string();
    assert!(
        error.contains("AI Gateway") && error.contains("api_token is refused"),
        "{error}"
    );
    let mut broken = row(1, "@cf/x", &named("tenant-a"));
    broken.row["created_at"] = json!("soon");
    stage.cloudflare.log(broken);
    let error = stage.log.of(&ours(), 1).await.unwrap_err().to_string();
    assert!(error.contains("created_at \"soon\""), "{error}");
}

#[tokio::test]
async fn the_platforms_log_admits_what_it_does_not_show() {
    assert!(stage().await.log.blind_spot().is_some());
}
