//! A backend on a socket: real stores, everything else under the test's control. Never shared between tests.

use crate::client::{Answer, Wire};
use crate::fakes::{Lines, OneKey, PromptClock, ScriptedGateway};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use moltworker_reference::backend::{Backend, Ports, ServeError};
use moltworker_reference::config::Config;
use moltworker_reference::limiter::SlidingWindow;
use moltworker_reference::ports::{Clock, LogSink};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const TEAM: &str = "https://team.cloudflareaccess.com";
pub(crate) const AUDIENCE: &str = "audience-tag";
pub(crate) const KID: &str = "key-1";
/// What the fake clock shows, epoch seconds.
pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const API_KEY: &str = "gateway-key-0815";

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

pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) ports: Ports,
    pub(crate) log: Arc<Lines>,
    pub(crate) clock: Arc<PromptClock>,
    pub(crate) gateway: Arc<ScriptedGateway>,
    pub(crate) keys: Arc<OneKey>,
    router: axum::Router,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ServeError>>,
    dir: tempfile::TempDir,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        Self::with(&[], |_ports| {}).await
    }

    /// With variables of its own (an empty one is unset) and ports wrapped.
    pub(crate) async fn with(vars: &[(&str, &str)], wrap: impl FnOnce(&mut Ports)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let config = Config::from_vars(|name| {
            if let Some((_, value)) = vars.iter().find(|(key, _)| *key == name) {
                return Some((*value).to_owned());
            }
            match name {
                "TENANT_DB" => Some(at("db")),
                "TENANT_KV" => Some(at("kv")),
                "MOLTBOT_BUCKET" => Some(at("bucket")),
                "APP_DOMAIN" => Some("app.test".to_owned()),
                "CF_ACCESS_TEAM_DOMAIN" => Some(TEAM.to_owned()),
                "CF_ACCESS_AUD" => Some(AUDIENCE.to_owned()),
                "AI_GATEWAY_BASE_URL" => Some("http://127.0.0.1:9/v1/a/g".to_owned()),
                "CLOUDFLARE_AI_GATEWAY_API_KEY" => Some(API_KEY.to_owned()),
                _ => None,
            }
        });
        let log = Arc::new(Lines::default());
        let mut backend =
            Backend::open(config.unwrap(), Arc::clone(&log) as Arc<dyn LogSink>).unwrap();
        let (clock, gateway) = (
            Arc::new(PromptClock::new()),
            Arc::new(ScriptedGateway::default()),
        );
        let keys = Arc::new(OneKey {
            kid: KID,
            key: Arc::clone(&KEY.1),
            reachable: AtomicBool::new(true),
        });
        let ports = &mut backend.ports;
        ports.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        ports.limiter = Arc::new(SlidingWindow::new(Arc::clone(&ports.clock)));
        ports.gateway = ports.gateway.take().map(|_real| Arc::clone(&gateway) as _);
        ports.keys = ports.keys.take().map(|_real| Arc::clone(&keys) as _);
        wrap(ports);
        let ports = ports.clone();
        let router = backend.router();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(backend.serve(listener, async move { drop(stopped.await) }));
        Self {
            address,
            ports,
            log,
            clock,
            gateway,
            keys,
            router,
            stop,
            served,
            dir,
        }
    }

    /// The same backend without a socket.
    pub(crate) fn router(&self) -> axum::Router {
        self.router.clone()
    }

    /// Ends the backend in order.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        drop(self.stop);
        self.served.await.unwrap().unwrap();
        self.dir
    }

    /// A public request to a host.
    pub(crate) fn public(&self, method: &str, target: &str, host: &str) -> Wire {
        Wire::new(self.address, method, target).header("host", host)
    }

    /// An admin request with a valid token.
    pub(crate) fn admin(&self, method: &str, target: &str) -> Wire {
        self.public(method, target, "ops.test")
            .header("cf-access-jwt-assertion", &token(&claims()))
    }

    /// Creates a tenant; gives its id.
    pub(crate) async fn tenant(&self, fields: Value) -> String {
        let answer = self
            .admin("POST", "/api/admin/tenants")
            .body(fields.to_string())
            .send()
            .await
            .expect(201);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn status_of(&self, host: &str) -> Answer {
        self.public("GET", "/api/status", host).send().await
    }

    pub(crate) fn chat(&self, host: &str) -> Wire {
        self.public("POST", "/v1/chat/completions", host)
    }

    /// Usage rows once everything in the background is written.
    pub(crate) async fn usage_of(&self, id: &str, count: usize) -> Vec<Value> {
        // The write follows the answer; it takes some milliseconds, and the test is over long before the last round.
        for _ in 0..2_000 {
            let answer = self
                .admin("GET", &format!("/api/admin/tenants/{id}/usage"))
                .send()
                .await
                .expect(200);
            let rows = answer.json()["usage"].as_array().unwrap().clone();
            if rows.len() >= count {
                return rows;
            }
        }
        panic!("{count} usage rows never came");
    }
}

pub(crate) fn claims() -> Value {
    json!({"aud": [AUDIENCE], "iss": TEAM, "exp": NOW + 600, "nbf": NOW - 60, "iat": NOW - 60, "type": "app", "email": "o@example.com"})
}

pub(crate) fn token(claims: &Value) -> String {
    token_of(claims, Some(KID))
}

pub(crate) fn token_of(claims: &Value, kid: Option<&str>) -> String {
    let header = Header {
        kid: kid.map(str::to_owned),
        ..Header::new(Algorithm::RS256)
    };
    encode(&header, claims, &KEY.0).unwrap()
}

pub(crate) fn messages() -> String {
    json!({"messages": [{"role": "user", "content": "hello"}]}).to_string()
}

pub(crate) fn stream_request() -> String {
    json!({"messages": [{"role": "user", "content": "hello"}], "stream": true}).to_string()
}
