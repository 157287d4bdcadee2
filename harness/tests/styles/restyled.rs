//! The reference behind a layer that renames paths, fields and statuses, and can break a rule. Never decides what is right.

#![expect(clippy::unwrap_used, reason = "a test ends where its own setup fails")]

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use moltproof::contract::need::{Need, Variant};
use moltproof::doubles::TokenKind;
use moltproof::observe::{CannotObserve, Kv};
use moltproof::reference::ReferenceTarget;
use moltproof::subject::dialect::Dialect;
use moltproof::subject::manifest::{Accept, Seeding};
use moltproof::subject::{Disposable, Fault, Instance, Limits, Migrated, Target};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// A rule that the layer breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// None.
    Nothing,
    /// `X-Tenant-Override` names the tenant in production.
    HonoursOverride,
    /// The operators' reading routes open without a token.
    OpensReading,
    /// What is asked of one tenant is answered by its neighbour.
    MixesUpTenants,
    /// Unknown tenants get 200.
    WelcomesAnybody,
}

/// How the layer's own codes are called.
const CODES: [(&str, &str); 6] = [
    ("TENANT_NOT_FOUND", "unknown_customer"),
    ("ACCESS_DENIED", "sign_in"),
    ("INVALID_REQUEST", "bad_request"),
    ("INVALID_WORKLOAD", "unknown_task"),
    ("NOT_FOUND", "no_such_page"),
    ("METHOD_NOT_ALLOWED", "wrong_method"),
];

/// The layer in front of one instance of the reference.
struct Layer {
    inner: Arc<Instance>,
    http: reqwest::Client,
    broken: Break,
}

/// The reference in other words.
pub(crate) struct Restyled {
    reference: ReferenceTarget,
    pub(crate) dialect: Dialect,
    pub(crate) accepts: Vec<Accept>,
    pub(crate) seeding: Option<Seeding>,
    pub(crate) broken: Break,
    /// The reference in its own words; two tenants of the manifest are made in it.
    pub(crate) plain: bool,
    /// Whether its stores and its log can be looked at.
    pub(crate) is_seen: bool,
    /// Whether its registry's values are JSON about an account.
    pub(crate) keeps_json: bool,
    production: OnceCell<Arc<Instance>>,
}

impl Restyled {
    /// Described by the parts of a manifest, as text.
    pub(crate) fn described(dialect: &str, broken: Break) -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_moltproof"));
        Self {
            reference: ReferenceTarget::start(program).unwrap(),
            dialect: toml::from_str(dialect).unwrap(),
            accepts: Vec::new(),
            seeding: Some(Seeding::Admin),
            broken,
            plain: false,
            is_seen: false,
            keeps_json: false,
            production: OnceCell::new(),
        }
    }

    async fn open(&self) -> Result<Arc<Instance>, Fault> {
        let inner = self.reference.instance(Variant::Production).await?;
        if let (true, Some(Seeding::Fixed { tenants })) = (self.plain, &self.seeding) {
            // Made by its owner before anybody judges it.
            let client = moltproof::client::Client::new().unwrap();
            for there in tenants {
                let tenant = moltproof::subject::seeding::fixed(&inner, there);
                moltproof::subject::seeding::make(&client, &self.reference, &inner, &tenant)
                    .await
                    .ok()
                    .unwrap();
            }
            return Ok(inner);
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let layer = Arc::new(Layer {
            inner: Arc::clone(&inner),
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            broken: self.broken,
        });
        let router = Router::new().fallback(pass).with_state(layer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Arc::new(Instance {
            commands: None,
            who: None,
            variant: Variant::Production,
            base,
            d1: self.is_seen.then(|| inner.d1.clone()).flatten(),
            kv: self.is_seen.then(|| self.kv_of(&inner)).flatten(),
            r2: self.is_seen.then(|| inner.r2.clone()).flatten(),
            logs: self.is_seen.then(|| inner.logs.clone()).flatten(),
            gateway: inner.gateway.clone(),
            model_calls: inner.model_calls.clone(),
            ai_gateway_key: inner.ai_gateway_key.clone(),
            access: inner.access.clone(),
            credential: inner.credential.clone(),
            faults: None,
            app_domain: inner.app_domain.clone(),
        }))
    }
}

impl Restyled {
    fn kv_of(&self, inner: &Instance) -> Option<Arc<dyn Kv>> {
        let kv = inner.kv.clone()?;
        Some(if self.keeps_json {
            Arc::new(InJson(kv))
        } else {
            kv
        })
    }
}

/// A registry whose values are `{"account": id}`; what is anything else leads nowhere.
struct InJson(Arc<dyn Kv>);

impl InJson {
    fn is_leading(key: &str) -> bool {
        key.starts_with("slug:") || key.starts_with("host:")
    }
}

#[async_trait]
impl Kv for InJson {
    async fn get(&self, key: &str) -> Result<Option<String>, CannotObserve> {
        let value = self.0.get(key).await?;
        Ok(if Self::is_leading(key) {
            value.map(|id| json!({ "account": id }).to_string())
        } else {
            value
        })
    }

    async fn metadata(&self, key: &str) -> Result<Option<Value>, CannotObserve> {
        self.0.metadata(key).await
    }

    async fn put_with_metadata(
        &self,
        key: &str,
        value: &str,
        metadata: &Value,
    ) -> Result<(), CannotObserve> {
        self.0.put_with_metadata(key, value, metadata).await
    }

    async fn put(&self, key: &str, value: &str) -> Result<(), CannotObserve> {
        if !Self::is_leading(key) {
            return self.0.put(key, value).await;
        }
        let read: Value = serde_json::from_str(value).unwrap_or_default();
        let id = read["account"].as_str().unwrap_or("unreadable");
        self.0.put(key, id).await
    }

    async fn delete(&self, key: &str) -> Result<(), CannotObserve> {
        self.0.delete(key).await
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve> {
        self.0.keys(prefix).await
    }
}

#[async_trait]
impl Target for Restyled {
    fn name(&self) -> String {
        "restyled".to_owned()
    }

    fn lacks(&self, need: Need) -> Option<String> {
        let met = matches!(
            need,
            Need::Hosts
                | Need::Tenants
                | Need::Admin
                | Need::Access
                | Need::AiGateway
                | Need::ClientIp
                | Need::Variant(Variant::Production)
        );
        let is_look = matches!(
            need,
            Need::D1 | Need::Kv | Need::KvWrite | Need::R2 | Need::Logs
        );
        let is_met = met || is_look && self.is_seen;
        (!is_met).then(|| need.remedy())
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn limits(&self) -> &Limits {
        self.reference.limits()
    }

    fn seeding(&self) -> Option<&Seeding> {
        self.seeding.as_ref()
    }

    fn accepts(&self) -> &[Accept] {
        &self.accepts
    }

    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        assert_eq!(variant, Variant::Production, "the only one");
        let instance = self.production.get_or_try_init(|| self.open()).await?;
        Ok(Arc::clone(instance))
    }

    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        Err(Fault(Need::Restart.remedy()))
    }

    async fn migrate(&self, _folder: &Path, _database: &Path) -> Result<Migrated, Fault> {
        Err(Fault(Need::Migrations.remedy()))
    }

    fn migrations(&self) -> Option<PathBuf> {
        None
    }
}

/// A request in the layer's words, put into the reference's; `None` where the layer has no such route.
fn translated(method: &Method, path: &str, body: Option<Value>) -> (Method, String, Option<Value>) {
    let same = |path: &str| (method.clone(), path.to_owned(), body.clone());
    match path {
        "/up" => return same("/sandbox-health"),
        "/me" => return same("/api/status"),
        "/assist" => return same("/v1/chat/completions"),
        _ => {}
    }
    let Some(rest) = path.strip_prefix("/ops") else {
        return same(&format!("/none{path}"));
    };
    let rest = rest.replace("/customers", "/tenants");
    let fields = |body: Option<Value>| -> Option<Value> {
        let customer = body?.get("customer")?.as_object()?.clone();
        let names = [
            ("plan", "tier"),
            ("channel", "platform"),
            ("hosts", "domains"),
            ("key", "slug"),
        ];
        let rename = |key: &str| {
            names
                .iter()
                .find(|(own, _)| *own == key)
                .map_or(key, |(_, name)| *name)
                .to_owned()
        };
        let plans = |value: Value| {
            if value == "basic" {
                json!("free")
            } else {
                value
            }
        };
        Some(Value::Object(
            customer
                .into_iter()
                .map(|(key, value)| (rename(&key), plans(value)))
                .collect(),
        ))
    };
    match (method, rest.split('/').collect::<Vec<_>>().as_slice()) {
        (&Method::PUT, ["", "tenants", slug]) => {
            let mut fields = fields(body).unwrap_or_else(|| json!({}));
            fields["slug"] = json!(slug);
            (Method::POST, "/api/admin/tenants".to_owned(), Some(fields))
        }
        (&Method::PUT, ["", "tenants", id, "gateway"]) => (
            Method::POST,
            format!("/api/admin/tenants/{id}/gateway/start"),
            None,
        ),
        (&Method::POST, ["", "tenants", id]) => (
            Method::PATCH,
            format!("/api/admin/tenants/{id}"),
            fields(body),
        ),
        _ => same(&format!("/api/admin{rest}")),
    }
}

async fn pass(State(layer): State<Arc<Layer>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let (path, query) = (head.uri.path().to_owned(), query_of(&head.uri));
    let sent = serde_json::from_slice(&bytes).ok();
    let is_json = sent.is_some();
    let (method, to, told) = translated(&head.method, &path, sent);
    let mut outgoing = layer
        .http
        .request(method, format!("{}{to}{query}", layer.inner.base))
        .body(match told {
            Some(told) if is_json => Bytes::from(told.to_string()),
            _ => bytes,
        });
    for (name, value) in &head.headers {
        if !["host", "content-length", "x-tenant-override"].contains(&name.as_str()) {
            outgoing = outgoing.header(name, value);
        }
    }
    outgoing = outgoing.header("host", host(&layer, &head.headers));
    if layer.broken == Break::OpensReading
        && head.method == Method::GET
        && path.starts_with("/ops/")
        && !head.headers.contains_key("cf-access-jwt-assertion")
        && let Some(access) = &layer.inner.access
    {
        outgoing = outgoing.header("cf-access-jwt-assertion", access.token(TokenKind::Good));
    }
    let answer = outgoing.send().await.unwrap();
    restyled(&layer, &path, answer).await
}

fn query_of(uri: &Uri) -> String {
    uri.query()
        .map_or_else(String::new, |query| format!("?{query}"))
}

fn host(layer: &Layer, headers: &HeaderMap) -> String {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let (own, named) = (text("host"), text("x-tenant-override"));
    match layer.broken {
        Break::HonoursOverride if !named.is_empty() => {
            format!("{named}.{}", layer.inner.app_domain)
        }
        Break::MixesUpTenants => own.replacen("-b.", "-a.", 1),
        Break::Nothing | Break::HonoursOverride | Break::OpensReading | Break::WelcomesAnybody => {
            own
        }
    }
}

async fn restyled(layer: &Layer, path: &str, answer: reqwest::Response) -> Response<Body> {
    let (mut status, headers) = (answer.status(), answer.headers().clone());
    let is_json = headers
        .get("content-type")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let bytes = answer.bytes().await.unwrap_or_default();
    let body: Option<Value> = serde_json::from_slice(&bytes).ok().filter(|_| is_json);
    let shown = body.map(|body| {
        if status.as_u16() >= 400 {
            envelope(&body)
        } else {
            in_own_words(path, body)
        }
    });
    if layer.broken == Break::WelcomesAnybody && status == StatusCode::NOT_FOUND {
        status = StatusCode::OK;
    }
    if status == StatusCode::FORBIDDEN {
        status = StatusCode::UNAUTHORIZED;
    }
    let mut out = Response::builder().status(status);
    for (name, value) in &headers {
        if !["content-length", "transfer-encoding"].contains(&name.as_str()) {
            out = out.header(name, value);
        }
    }
    let body = shown.map_or_else(|| Body::from(bytes), |shown| Body::from(shown.to_string()));
    out.body(body).unwrap()
}

fn envelope(body: &Value) -> Value {
    let code = body["error"]["code"].as_str().unwrap_or_default();
    let own = CODES
        .iter()
        .find(|(name, _)| *name == code)
        .map_or(code, |(_, own)| *own);
    json!({
        "code": own, "message": body["error"]["message"], "info": body["error"]["details"],
        "ref": body["meta"]["request_id"], "at": body["meta"]["timestamp"],
    })
}

fn in_own_words(path: &str, body: Value) -> Value {
    if path == "/me" {
        return json!({ "ok": true, "runtime": body["gateway"] });
    }
    if path == "/assist" {
        return json!({ "data": { "answer": body["choices"][0]["message"]["content"], "usage": body["usage"] } });
    }
    if path.ends_with("/gateway") {
        let phase = if body["state"] == "running" {
            json!("up")
        } else {
            json!("cold")
        };
        return json!({ "unit": { "phase": phase, "run": body["instance_id"] } });
    }
    let Some(tenant) = body
        .as_object()
        .filter(|fields| fields.contains_key("slug"))
    else {
        return body;
    };
    let plan = |value: &Value| {
        if value == "free" {
            json!("basic")
        } else {
            value.clone()
        }
    };
    let mut customer = Map::new();
    customer.insert("uuid".to_owned(), tenant["id"].clone());
    customer.insert("key".to_owned(), tenant["slug"].clone());
    customer.insert("plan".to_owned(), plan(&tenant["tier"]));
    customer.insert("channel".to_owned(), tenant["platform"].clone());
    customer.insert("hosts".to_owned(), tenant["domains"].clone());
    json!({ "customer": customer })
}
