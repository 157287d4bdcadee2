//! A worker without a socket, its gateway, its operator and its webhooks. Never asserts.

use async_trait::async_trait;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use axum::body::Body;
use axum::http::{Request, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::StreamExt;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use moltworker_api_reference::app::App;
use moltworker_api_reference::backend::Backend;
use moltworker_api_reference::config::Config;
use moltworker_api_reference::domain::address::Endpoint;
use moltworker_api_reference::http::Entrance;
use moltworker_api_reference::webhook_sender::{Signed, WebhookSender};
use moltworker_reference::ports::{
    AccessKeys, AiGateway, KeySetUnavailable, Level, LogSink, UpstreamAnswer, UpstreamCall,
    UpstreamError,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex};

/// What requests say the time is, epoch milliseconds: a fixed instant, early in a minute, an hour and a day.
pub(crate) const NOW: i64 = 1_800_057_600_000;
const TEAM: &str = "https://team.cloudflareaccess.com";
const AUDIENCE: &str = "audience-tag";

/// Making a key takes a tenth of a second in a debug build.
static KEY: LazyLock<(EncodingKey, Arc<DecodingKey>)> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = STANDARD.encode(pair.as_der().unwrap().as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
    (
        EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
        Arc::new(public),
    )
});

struct OneKey;

#[async_trait]
impl AccessKeys for OneKey {
    async fn key(&self, _kid: &str) -> Result<Option<Arc<DecodingKey>>, KeySetUnavailable> {
        Ok(Some(Arc::clone(&KEY.1)))
    }
}

/// What the gateway does with one call.
pub(crate) enum Reply {
    Json(u16, Value),
    /// Parts of a stream; `Err` cuts it.
    Events(Vec<Result<&'static str, ()>>),
}

/// Answers calls from a script, then with a plain success.
#[derive(Default)]
pub(crate) struct Gateway {
    pub(crate) replies: Mutex<VecDeque<Reply>>,
    pub(crate) calls: Mutex<Vec<Value>>,
}

#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;

#[async_trait]
impl AiGateway for Gateway {
    async fn call(&self, call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamError> {
        let body = serde_json::from_slice(&call.body).unwrap();
        self.calls.lock().unwrap().push(body);
        let reply = self.replies.lock().unwrap().pop_front();
        let (status, content_type, parts) =
            match reply.unwrap_or_else(|| Reply::Json(200, completion())) {
                Reply::Json(status, value) => (
                    status,
                    "application/json",
                    vec![Ok(Bytes::from(value.to_string()))],
                ),
                Reply::Events(parts) => {
                    let part = |part: Result<&'static str, ()>| {
                        part.map(Bytes::from)
                            .map_err(|()| UpstreamError::Connection(Box::new(Cut)))
                    };
                    (
                        200,
                        "text/event-stream",
                        parts.into_iter().map(part).collect(),
                    )
                }
            };
        Ok(UpstreamAnswer {
            status,
            content_type: content_type.to_owned(),
            body: futures_util::stream::iter(parts).boxed(),
        })
    }
}

pub(crate) fn completion() -> Value {
    json!({
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    })
}

/// Answers deliveries from a script, then with 200.
#[derive(Default)]
pub(crate) struct Endpoints {
    pub(crate) statuses: Mutex<VecDeque<Option<u16>>>,
    pub(crate) sent: Mutex<Vec<Signed>>,
}

#[async_trait]
impl WebhookSender for Endpoints {
    async fn send(&self, _endpoint: &Endpoint, signed: &Signed) -> Option<u16> {
        self.sent.lock().unwrap().push(signed.clone());
        self.statuses
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Some(200))
    }

    async fn is_private(&self, endpoint: &Endpoint) -> bool {
        endpoint.url.host_str() == Some("private.example.test")
    }
}

/// Keeps log lines.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<String>);

impl LogSink for Lines {
    fn line(&self, _level: Level, json: &str) {
        self.0.lock().unwrap().push_str(json);
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
    /// Whether the body came whole.
    pub(crate) is_whole: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.text))
    }
}

pub(crate) struct Stage {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) log: Arc<Lines>,
    pub(crate) app: Arc<App>,
    folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("db").display().to_string();
        let variables = [
            ("API_DB", database.as_str()),
            ("TEST_CLOCK", "true"),
            ("CF_ACCESS_TEAM_DOMAIN", TEAM),
            ("CF_ACCESS_AUD", AUDIENCE),
            ("AI_GATEWAY_BASE_URL", "http://127.0.0.1:9/v1/a/g"),
            ("CLOUDFLARE_AI_GATEWAY_API_KEY", "gateway-key-0815"),
        ];
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let config = Config::from_vars(variable).unwrap();
        let log = Arc::new(Lines::default());
        let mut backend = Backend::open(config, Arc::clone(&log) as Arc<dyn LogSink>).unwrap();
        let (gateway, endpoints) = (Arc::new(Gateway::default()), Arc::new(Endpoints::default()));
        backend.ports.gateway = Some(Arc::clone(&gateway) as _);
        backend.ports.keys = Some(Arc::new(OneKey));
        backend.ports.sender = Arc::clone(&endpoints) as _;
        let app = Arc::new(App::new(backend.config, backend.ports));
        Self {
            gateway,
            endpoints,
            log,
            app,
            folder,
        }
    }

    /// One request at the stage's instant, moved by `later_ms`.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        credential: Option<&str>,
        later_ms: i64,
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-test-now", NOW + later_ms);
        if let Some(credential) = credential {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        if path.starts_with("/api/admin/") {
            request = request.header("cf-access-jwt-assertion", token());
        }
        let answer = self.answer(request.body(body.into()).unwrap()).await;
        self.app.settle().await;
        answer
    }

    /// One request as it is, while what it leaves to be done may go on.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Answer {
        let answer = Entrance::new(Arc::clone(&self.app)).answer(request).await;
        read(answer).await
    }

    /// Lets go of what the stage has seen.
    pub(crate) fn forget(&self) {
        self.gateway.calls.lock().unwrap().clear();
        self.endpoints.sent.lock().unwrap().clear();
        self.log.0.lock().unwrap().clear();
    }

    pub(crate) async fn operator(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask(method, path, None, 0, body.to_string()).await
    }

    pub(crate) async fn user(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        self.ask(method, path, Some(key), 0, body.to_string()).await
    }

    /// A key of a user with every permission.
    pub(crate) async fn key(&self, user: &str) -> String {
        let body = json!({"user_id": user, "permissions": ["chat", "read", "write"]});
        let answer = self.operator("POST", "/api/admin/keys", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["key"].as_str().unwrap().to_owned()
    }

    pub(crate) fn database(&self) -> Connection {
        Connection::open(self.folder.path().join("db")).unwrap()
    }

    /// How many rows each table has, but for those of rate limits.
    pub(crate) fn rows(&self) -> Vec<(String, i64)> {
        let database = self.database();
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name <> 'rate_limits'";
        let mut tables = database.prepare(sql).unwrap();
        let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let count = |table: String| {
            let rows = database
                .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                    row.get(0)
                })
                .unwrap();
            (table, rows)
        };
        tables.map(Result::unwrap).map(count).collect()
    }
}

pub(crate) fn token() -> String {
    let claims = json!({
        "aud": [AUDIENCE], "iss": TEAM, "exp": 4_000_000_000_u64, "type": "app", "email": "ops@example.test",
    });
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some("key-1".to_owned());
    encode(&header, &claims, &KEY.0).unwrap()
}

async fn read(answer: Response<Body>) -> Answer {
    let (head, body) = answer.into_parts();
    let mut parts = body.into_data_stream();
    let (mut bytes, mut is_whole) = (Vec::new(), true);
    while let Some(part) = parts.next().await {
        match part {
            Ok(part) => bytes.extend_from_slice(&part),
            Err(_cut) => is_whole = false,
        }
    }
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        text: String::from_utf8(bytes).unwrap(),
        is_whole,
    }
}
