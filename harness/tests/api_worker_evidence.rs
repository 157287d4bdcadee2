//! What a finding about an API worker shows: the requests that led to it, and no credential of the run. Never judges an aspect.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use aho_corasick::AhoCorasick;
use async_trait::async_trait;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use moltproof::contract::need::{Need, Variant};
use moltproof::contract::profile::Profile;
use moltproof::contract::select::Selection;
use moltproof::reference::ReferenceTarget;
use moltproof::report::{Evidence, Kind, Report, ScenarioReport, text};
use moltproof::subject::api_worker::ApiWorker;
use moltproof::subject::dialect::Dialect;
use moltproof::subject::{Disposable, Fault, Instance, Limits, Migrated, Target};
use moltproof::suite::Suite;
use moltproof::verdict::{OutcomeKind, RunVerdict};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

const PROGRAM: &str = env!("CARGO_BIN_EXE_moltproof");

/// Letters of a credential that no report may show in a row, beyond those that are its name.
const PIECE: usize = 9;

/// What went over the wire, as the proxy saw it.
#[derive(Default)]
struct Seen {
    answers: usize,
    /// User and key, and other secrets under their fields.
    secrets: Vec<(String, String)>,
}

/// The reference behind a proxy that shows keys again, in four ways.
struct Leaking {
    inner: ReferenceTarget,
    seen: Arc<Mutex<Seen>>,
}

#[async_trait]
impl Target for Leaking {
    fn name(&self) -> String {
        "leaking".to_owned()
    }

    fn lacks(&self, need: Need) -> Option<String> {
        self.inner.lacks(need)
    }

    fn dialect(&self) -> &Dialect {
        self.inner.dialect()
    }

    fn profiles(&self) -> &[Profile] {
        &[Profile::ApiWorker]
    }

    fn limits(&self) -> &Limits {
        self.inner.limits()
    }

    async fn api_worker(&self) -> Result<Option<Arc<ApiWorker>>, Fault> {
        let worker = self.inner.api_worker().await?.unwrap();
        let mut subject = worker.subject.clone();
        subject.base = serve(Front {
            to: subject.base.clone(),
            client: subject.client.clone(),
            gateway: subject.gateway.base_url(),
            seen: Arc::clone(&self.seen),
        });
        Ok(Some(Arc::new(ApiWorker {
            subject,
            keep: Some(Box::new(worker)),
        })))
    }

    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        self.inner.instance(variant).await
    }

    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        self.inner.disposable().await
    }

    async fn migrate(&self, folder: &Path, database: &Path) -> Result<Migrated, Fault> {
        self.inner.migrate(folder, database).await
    }

    fn migrations(&self) -> Option<PathBuf> {
        self.inner.migrations()
    }
}

#[derive(Clone)]
struct Front {
    to: String,
    client: reqwest::Client,
    gateway: String,
    seen: Arc<Mutex<Seen>>,
}

impl Front {
    /// Calls the model that a chat is about once more, with the caller's key in whatever a report shows of a call.
    async fn call(&self, key: &str, chat: &[u8]) {
        let chat: Value = serde_json::from_slice(chat).unwrap_or_default();
        let prompt = &chat["messages"][0]["content"];
        let call = self
            .client
            .post(format!("{}/compat/chat/completions?caller={key}", self.gateway))
            .header("authorization", format!("Bearer {key}"))
            .header("x-plain", key)
            .header("cf-aig-metadata", json!({ "caller": key }).to_string())
            .json(&json!({"model": format!("model/{key}"), "messages": [{"role": "user", "content": prompt}]}));
        call.send().await.unwrap();
    }
}

/// Serves on a free port of loopback, on a thread of its own; it ends with the test process.
fn serve(front: Front) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let router = Router::new().fallback(pass).with_state(front);
            axum::serve(listener, router).await.unwrap();
        });
    });
    base
}

async fn pass(State(front): State<Front>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let wanted: Option<Value> = serde_json::from_slice(&body).ok();
    let mut headers = head.headers;
    let key = headers.get("authorization").cloned();
    let key = key
        .as_ref()
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if let (Some(key), "/v1/chat/completions") = (key, head.uri.path()) {
        front.call(key, &body).await;
    }
    headers.remove("host");
    headers.remove("transfer-encoding");
    let sent = front
        .client
        .request(head.method.clone(), format!("{}{}", front.to, head.uri))
        .headers(headers)
        .body(body);
    let answer = sent.send().await.unwrap();
    let mut changed = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != "content-length" && name != "transfer-encoding" {
            changed = changed.header(name, value);
        }
    }
    let status = answer.status();
    let mut body = answer.bytes().await.unwrap().to_vec();
    let mut seen = front.seen.lock().unwrap();
    seen.answers += 1;
    if status == 201 {
        let told: Value = serde_json::from_slice(&body).unwrap_or_default();
        let user = told["user_id"].as_str().or(wanted
            .as_ref()
            .and_then(|wanted| wanted["user_id"].as_str()));
        for field in ["key", "token", "secret"] {
            if let Some(secret) = told[field].as_str() {
                let user = user.unwrap_or(field).to_owned();
                seen.secrets.push((user, secret.to_owned()));
            }
        }
    }
    let query = head.uri.query().unwrap_or_default().to_owned();
    if head.uri.path() == "/api/admin/keys" && head.method == "GET" {
        for (user, key) in &seen.secrets {
            if query == format!("user_id={user}") {
                changed = changed
                    .header("x-plain", key)
                    .header("x-base64", STANDARD.encode(format!("a{key}")));
                let reversed: String = key.chars().rev().collect();
                let half = &key[key.len() / 2..];
                body.extend_from_slice(format!("{reversed} {half}").as_bytes());
            }
        }
    }
    changed.body(body.into()).unwrap()
}

/// A run that finds the leak, and what the proxy saw of it.
fn judged() -> &'static (Report, Mutex<Seen>) {
    static JUDGED: OnceLock<(Report, Mutex<Seen>)> = OnceLock::new();
    JUDGED.get_or_init(|| {
        let seen = Arc::new(Mutex::default());
        let inner = ReferenceTarget::start(PathBuf::from(PROGRAM))
            .unwrap()
            .claiming_api_worker(true);
        let target = Leaking {
            inner,
            seen: Arc::clone(&seen),
        };
        let judged = Suite::builder()
            .program(PROGRAM)
            .target(Arc::new(target))
            .select(Selection {
                ids: ["API-002", "API-009", "API-010"].map(str::to_owned).into(),
                ..Selection::default()
            })
            .block()
            .unwrap();
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        (judged.report, Mutex::new(seen))
    })
}

fn scenarios(report: &Report, outcome: OutcomeKind) -> Vec<(&ScenarioReport, &Evidence)> {
    let all = report.criteria.iter().flat_map(|one| &one.scenarios);
    all.filter(|one| one.outcome == outcome)
        .map(|one| (one, report.evidence_of(one).unwrap()))
        .collect()
}

fn rendered(report: &Report) -> Vec<(String, String)> {
    let mut all: Vec<_> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let bytes = kind.render(report, &[]).unwrap();
            (format!("{kind:?}"), String::from_utf8(bytes).unwrap())
        })
        .collect();
    all.push(("Text".to_owned(), text::render(report)));
    all
}

#[test]
fn a_finding_shows_the_requests_that_led_to_it_and_which_of_them_decided() {
    let (report, _) = judged();
    assert_eq!(report.summary.verdict, RunVerdict::Violates);
    let failed = scenarios(report, OutcomeKind::Failed);
    let (leak, evidence) = failed
        .iter()
        .find(|(one, _)| {
            one.seen
                .as_deref()
                .is_some_and(|seen| seen.contains("with the key in"))
        })
        .unwrap();
    let made = &evidence.exchanges[0];
    assert_eq!((made.method.as_str(), made.status), ("POST", 201));
    assert!(made.request_body.contains("\"permissions\""), "{made:?}");
    assert!(made.body.contains("[redacted]"), "{}", made.body);
    let decisive = evidence.decisive.unwrap();
    let decisive = evidence
        .exchanges
        .iter()
        .find(|one| one.number == decisive)
        .unwrap();
    assert!(
        decisive.path.starts_with("/api/admin/keys?user_id="),
        "{}: {}",
        leak.name,
        decisive.path
    );
    let token = decisive
        .request_headers
        .iter()
        .find(|(name, _)| name == "cf-access-jwt-assertion");
    assert_eq!(token.unwrap().1, "[redacted]");
    assert!(decisive.curl.starts_with("curl "), "{}", decisive.curl);
    let used = evidence
        .exchanges
        .iter()
        .find(|one| one.path == "/v1/usage");
    let key = used.unwrap().request_headers.iter();
    let key: Vec<_> = key.filter(|(name, _)| name == "authorization").collect();
    assert_eq!(key[0].1, "[redacted]");
    for (kind, told) in rendered(report) {
        if ["Json", "Html", "Har", "Text"].contains(&kind.as_str()) {
            assert!(
                told.contains(&decisive.path.replace('&', "&amp;")),
                "{kind}"
            );
        }
    }
}

#[test]
fn a_finding_shows_the_calls_of_models_that_its_chats_led_to() {
    let (report, _) = judged();
    let failed = scenarios(report, OutcomeKind::Failed);
    let calls = failed.iter().flat_map(|(_, one)| &one.model_calls);
    let calls: Vec<_> = calls.collect();
    let own = calls.iter().find(|call| {
        call.metadata
            .as_deref()
            .is_some_and(|told| told.contains("api_key_id"))
    });
    assert!(
        own.unwrap().model.starts_with("workers-ai/") || own.unwrap().model.starts_with("@cf/"),
        "{own:?}"
    );
    // The proxy's: of it only the key is taken out, but for the prefix by which people tell keys apart.
    let leaking = calls.iter().find(|call| call.path.contains("/compat/"));
    let leaking = leaking.unwrap_or_else(|| panic!("{calls:#?}"));
    let is_without = |text: &str, before: &str, behind: &str| {
        let key = text
            .strip_prefix(before)
            .and_then(|text| text.strip_suffix(behind));
        key.is_some_and(|key| {
            key.starts_with("mpk_") && key.ends_with("[redacted]") && key.len() == 22
        })
    };
    assert!(is_without(&leaking.model, "model/", ""), "{leaking:?}");
    let metadata = leaking.metadata.as_deref().unwrap_or_default();
    assert!(
        is_without(metadata, r#"{"caller":""#, r#""}"#),
        "{leaking:?}"
    );
    let (_, query) = leaking.path.split_once('?').unwrap();
    assert!(is_without(query, "caller=", ""), "{leaking:?}");
    let header = |wanted: &str| {
        leaking
            .headers
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(header("authorization"), Some("[redacted]"));
    assert!(
        is_without(header("x-plain").unwrap(), "", ""),
        "{leaking:?}"
    );
}

#[test]
fn the_headline_counts_every_answer_and_nothing_is_kept_of_what_passed() {
    let (report, seen) = judged();
    let answers = seen.lock().unwrap().answers;
    assert!(answers > 500, "{answers}");
    // The instance that one scenario kills is its own, and nothing stands in front of it here.
    let passed = scenarios(report, OutcomeKind::Passed);
    let with_its_own = passed.iter().filter(|(one, _)| one.name.contains("killed"));
    let from_its_own: usize = with_its_own.map(|(_, evidence)| evidence.unkept).sum();
    assert!(from_its_own > 0);
    assert_eq!(report.summary.exchanges, answers + from_its_own);
    // What was given up before it was answered was sent all the same.
    assert!(report.spent.requests >= answers);
    assert!(report.spent.model_calls > 0);
    assert!(passed.iter().any(|(_, evidence)| evidence.unkept > 0));
    for (scenario, evidence) in passed {
        assert!(evidence.exchanges.is_empty(), "{}", scenario.name);
        assert_eq!(scenario.checks, 1);
    }
}

/// Every piece of every credential, plain, backwards and in encodings.
fn pieces(secrets: &[(String, String)]) -> Vec<String> {
    let mut all = Vec::new();
    for (_, secret) in secrets {
        let known = if secret.starts_with("whsec_") { 6 } else { 12 };
        for piece in secret.as_bytes()[known..].windows(PIECE) {
            all.push(String::from_utf8(piece.to_vec()).unwrap());
            all.push(piece.iter().rev().map(|byte| char::from(*byte)).collect());
            all.push(STANDARD_NO_PAD.encode(piece));
            all.push(data_encoding::HEXLOWER.encode(piece));
        }
    }
    all
}

#[test]
fn no_report_of_a_run_with_a_finding_holds_a_credential_of_the_run() {
    let (report, seen) = judged();
    let secrets = seen.lock().unwrap().secrets.clone();
    for head in ["mpk_", "mps_", "whsec_"] {
        let own = secrets.iter().filter(|(_, one)| one.starts_with(head));
        assert!(own.count() > 0, "no {head} was made");
    }
    let pieces = pieces(&secrets);
    let finder = AhoCorasick::new(&pieces).unwrap();
    for (kind, told) in rendered(report) {
        let found = finder.find(&told);
        let found = found.map(|found| &told[found.range()]);
        assert_eq!(found, None, "{kind}");
    }
}
