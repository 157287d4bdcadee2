//! The reference with something between it and the harness that breaks one rule. It never asserts.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::response::Response;
use moltproof::contract::need::{Need, Variant};
use moltproof::reference::ReferenceTarget;
use moltproof::subject::dialect::Dialect;
use moltproof::subject::{Disposable, Fault, Instance, Limits, Migrated, Target};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Nothing: the way through changes no verdict.
    Nothing,
    /// `X-Forwarded-Host` names the tenant.
    BelievesForwardedHost,
    /// A path with a slash at its end needs no token.
    OpensWithTrailingSlash,
    /// A body with many lists in each other is a 500.
    CrashesOnDeepBodies,
    /// A body that is no JSON goes upstream as an empty chat.
    RepairsBodies,
    /// Every usage row is written twice.
    BillsTwice,
    /// What a host has answered once it goes on answering.
    RemembersTenants,
    /// A metadata header of the caller's names who is billed.
    BelievesTenantId,
    /// A store that cannot be read makes its tenants unknown.
    TakesOutagesForAbsence,
    /// Whoever asks for a host in capitals is nobody.
    MindsCapitals,
}

/// The reference behind a proxy.
pub(crate) struct Tampered {
    inner: ReferenceTarget,
    rule: Rule,
    lacking: Option<Need>,
    is_down: bool,
    fronts: Mutex<HashMap<String, Arc<Instance>>>,
}

impl Tampered {
    pub(crate) fn by(rule: Rule) -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_moltproof"));
        Self {
            inner: ReferenceTarget::start(program).unwrap(),
            rule,
            lacking: None,
            is_down: false,
            fronts: Mutex::default(),
        }
    }

    /// The same, but that it says to lack a need.
    pub(crate) fn lacking(mut self, need: Need) -> Self {
        self.lacking = Some(need);
        self
    }

    /// The same, but that its instances cannot be had.
    pub(crate) fn down(mut self) -> Self {
        self.is_down = true;
        self
    }

    async fn behind(&self, instance: Arc<Instance>) -> Result<Arc<Instance>, Fault> {
        if self.is_down {
            return Err(Fault("it is down".to_owned()));
        }
        if let Some(known) = self.fronts.lock().unwrap().get(&instance.base) {
            return Ok(Arc::clone(known));
        }
        if self.rule == Rule::BillsTwice
            && let Some(d1) = &instance.d1
        {
            // Once more under another id: a trigger does not set itself off.
            let twice = "CREATE TRIGGER twice AFTER INSERT ON usage BEGIN INSERT INTO usage SELECT \
                 lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4000-8000-' || hex(randomblob(6))), \
                 NEW.tenant_id, NEW.model, NEW.tokens_in, NEW.tokens_out, NEW.latency_ms, NEW.created_at; END";
            d1.execute(twice, &[]).await?;
        }
        let front = Front {
            to: instance.base.clone(),
            rule: self.rule,
            token: instance
                .operator()
                .map(|operator| operator.secret().to_owned()),
            remembered: Arc::default(),
            client: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .build()
                .unwrap(),
        };
        let tampered = Arc::new(Instance {
            base: serve(front),
            ..(*instance).clone()
        });
        let mut fronts = self.fronts.lock().unwrap();
        fronts.insert(instance.base.clone(), Arc::clone(&tampered));
        Ok(tampered)
    }
}

#[async_trait]
impl Target for Tampered {
    fn name(&self) -> String {
        format!("{:?}", self.rule)
    }

    fn lacks(&self, need: Need) -> Option<String> {
        (self.lacking == Some(need)).then(|| "as the test has it".to_owned())
    }

    fn dialect(&self) -> &Dialect {
        self.inner.dialect()
    }

    fn limits(&self) -> &Limits {
        self.inner.limits()
    }

    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        self.behind(self.inner.instance(variant).await?).await
    }

    async fn fresh(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        self.behind(self.inner.fresh(variant).await?).await
    }

    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        Err(Fault("not for these tests".to_owned()))
    }

    async fn migrate(&self, folder: &Path, database: &Path) -> Result<Migrated, Fault> {
        self.inner.migrate(folder, database).await
    }

    fn migrations(&self) -> Option<PathBuf> {
        self.inner.migrations()
    }
}

/// One proxy.
#[derive(Clone)]
struct Front {
    to: String,
    rule: Rule,
    token: Option<String>,
    remembered: Arc<Mutex<HashMap<String, bytes::Bytes>>>,
    client: reqwest::Client,
}

/// Serves a proxy on a free port of loopback, on a thread and runtime of its own; it ends with the test process.
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

/// A request as it goes on.
struct Bent {
    headers: axum::http::HeaderMap,
    path: String,
    body: bytes::Bytes,
}

/// Breaks the rule in a request; an answer where it goes nowhere.
async fn bend(front: &Front, bent: &mut Bent) -> Option<Response> {
    let Bent {
        headers,
        path,
        body,
    } = bent;
    match front.rule {
        Rule::BelievesForwardedHost => {
            if let Some(other) = headers.get("x-forwarded-host").cloned() {
                headers.insert("host", other);
            }
        }
        Rule::BelievesTenantId => {
            if let Some(id) = headers.get("x-tenant-id").cloned()
                && let Some(token) = &front.token
                && path.ends_with("/chat/completions")
            {
                let own = format!("{}/api/admin/tenants/{}", front.to, id.to_str().unwrap());
                let asked = front
                    .client
                    .get(own)
                    .header("cf-access-jwt-assertion", token);
                let record: serde_json::Value = asked.send().await.unwrap().json().await.unwrap();
                let slug = record["slug"].as_str().unwrap_or("nobody");
                let host = format!("{slug}.moltworker.example");
                headers.insert("host", host.parse().unwrap());
            }
        }
        Rule::OpensWithTrailingSlash => {
            if let (Some(token), true) = (&front.token, path.ends_with('/')) {
                *path = path.trim_end_matches('/').to_owned();
                headers.insert("cf-access-jwt-assertion", token.parse().unwrap());
            }
        }
        Rule::CrashesOnDeepBodies => {
            if String::from_utf8_lossy(body).contains(&"[".repeat(30)) {
                return Some(plain(500, "RangeError: Maximum call stack size exceeded"));
            }
        }
        Rule::RepairsBodies => {
            if path.ends_with("/chat/completions")
                && serde_json::from_slice::<serde_json::Value>(body).is_err()
            {
                let repaired = r#"{"messages":[{"role":"user","content":"Hello"}]}"#;
                *body = bytes::Bytes::from_static(repaired.as_bytes());
            }
        }
        Rule::MindsCapitals => {
            let host = headers.get("host").cloned();
            if host.is_some_and(|host| host.as_bytes().iter().any(u8::is_ascii_uppercase)) {
                headers.insert("host", HeaderValue::from_static("nobody.example"));
            }
        }
        Rule::Nothing
        | Rule::BillsTwice
        | Rule::RemembersTenants
        | Rule::TakesOutagesForAbsence => {}
    }
    None
}

async fn pass(State(front): State<Front>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut bent = Bent {
        headers: head.headers,
        path: head.uri.to_string(),
        body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
    };
    let host = bent.headers.get("host").cloned();
    if let Some(answer) = bend(&front, &mut bent).await {
        return answer;
    }
    let Bent {
        headers,
        path,
        body,
    } = bent;
    let place = format!("{} {path} at {host:?}", head.method);
    let mut sent = front
        .client
        .request(head.method, format!("{}{path}", front.to));
    for (name, value) in &headers {
        if !["content-length", "connection", "transfer-encoding"].contains(&name.as_str()) {
            sent = sent.header(name, value);
        }
    }
    let Ok(answered) = sent.body(body).send().await else {
        return plain(400, "");
    };
    let is_status = path == "/api/status" && front.rule == Rule::RemembersTenants;
    if is_status && answered.status() == 404 {
        let known = front.remembered.lock().unwrap().get(&place).cloned();
        if let Some(body) = known {
            return Response::builder()
                .header("content-type", "application/json")
                .body(Body::from(body))
                .unwrap();
        }
    }
    if front.rule == Rule::TakesOutagesForAbsence && answered.status() == 503 {
        let body = answered.text().await.unwrap();
        let body = body.replace("STORE_UNAVAILABLE", "TENANT_NOT_FOUND");
        return Response::builder()
            .status(404)
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
    }
    let mut response = Response::builder().status(answered.status().as_u16());
    for (name, value) in answered.headers() {
        if !["content-length", "connection", "transfer-encoding"].contains(&name.as_str()) {
            response = response.header(name, value);
        }
    }
    if is_status && answered.status() == 200 {
        let body = answered.bytes().await.unwrap();
        front.remembered.lock().unwrap().insert(place, body.clone());
        return response.body(Body::from(body)).unwrap();
    }
    // Streamed through, so that a caller who leaves is seen to have left.
    response
        .body(Body::from_stream(answered.bytes_stream()))
        .unwrap()
}

fn plain(status: u16, text: &'static str) -> Response {
    Response::builder()
        .status(status)
        .body(Body::from(text))
        .unwrap()
}
