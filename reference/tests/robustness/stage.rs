//! A backend with its surroundings, as production has them: stores, AI Gateway, team domain. Never shared between tests.

use crate::client::{Answer, Wire};
use crate::server::Server;
use crate::upstream::{Call, Upstream};
use crate::wait::{PROMPT, until, within};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::io;
use std::sync::LazyLock;
use std::time::Duration;

const AUDIENCE: &str = "audience-tag";
const KID: &str = "key-1";
/// 2100-01-01; no test runs then.
const FAR_FUTURE: u64 = 4_102_444_800;
/// The tenant that every test's backend has besides those that the test makes.
const BYSTANDER: &str = "bystander";
/// What its prompts say; scripts answer them with [`Call::success`].
pub(crate) const BYSTANDER_PROMPT: &str = "bystander";

/// The operator's signing key and what the team domain publishes of it.
static KEY: LazyLock<(EncodingKey, Value)> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = STANDARD.encode(pair.as_der().unwrap().as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let public = pair.public_key();
    let (n, e) = (
        public
            .modulus()
            .big_endian_without_leading_zero()
            .to_owned(),
        public
            .exponent()
            .big_endian_without_leading_zero()
            .to_owned(),
    );
    let set = json!({"keys": [{"kid": KID, "kty": "RSA", "alg": "RS256", "use": "sig", "n": part(&n), "e": part(&e)}]});
    (EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), set)
});

pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) gateway: Upstream,
    variables: Vec<(&'static str, String)>,
    token: String,
    /// Id of the tenant `acme`, whom the tests are about.
    acme: String,
    dir: tempfile::TempDir,
}

/// A usage row as it stands in D1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) tokens: (i64, i64),
    pub(crate) latency_ms: i64,
    pub(crate) created_at: i64,
}

impl Stage {
    /// A backend whose AI Gateway answers by the script; calls of the bystander are answered with success.
    pub(crate) fn start(
        script: impl Fn(Call<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let gateway = Upstream::start(move |call| {
            if call.prompt == BYSTANDER_PROMPT {
                call.success(1, 1)
            } else {
                script(call)
            }
        });
        let team = Upstream::start(|call| call.json(&KEY.1));
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let team_origin = format!("http://{}", team.address);
        let variables = vec![
            ("TENANT_DB", at("db")),
            ("TENANT_KV", at("kv")),
            ("MOLTBOT_BUCKET", at("bucket")),
            ("APP_DOMAIN", "app.test".to_owned()),
            ("CF_ACCESS_TEAM_DOMAIN", team_origin.clone()),
            ("CF_ACCESS_AUD", AUDIENCE.to_owned()),
            (
                "AI_GATEWAY_BASE_URL",
                format!("http://{}/v1/account/gateway", gateway.address),
            ),
            ("CLOUDFLARE_AI_GATEWAY_API_KEY", "the-key".to_owned()),
            ("PUBLIC_RATE_LIMIT_MAX", "1000000".to_owned()),
        ];
        let mut stage = Self {
            server: Server::start(&variables),
            gateway,
            variables,
            token: token(&team_origin),
            acme: String::new(),
            dir,
        };
        stage.create(BYSTANDER).expect(201);
        let acme = stage.create("acme").expect(201).json();
        acme["id"].as_str().unwrap().clone_into(&mut stage.acme);
        stage
    }

    /// Kills the backend and starts it again on the same stores.
    pub(crate) fn restart_after_kill(self) -> Self {
        self.restart(&[])
    }

    /// The stores once the backend, told to end, has done so in order.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        self.server.expect_end();
    }

    /// The same after a kill, with variables changed.
    pub(crate) fn restart(mut self, changed: &[(&'static str, String)]) -> Self {
        self.server.kill();
        for (name, value) in changed {
            let known = self.variables.iter_mut().find(|(known, _)| known == name);
            known.map(|(_, known)| known).unwrap().clone_from(value);
            if *name == "CF_ACCESS_TEAM_DOMAIN" {
                self.token = token(value);
            }
        }
        self.server = Server::start(&self.variables);
        self
    }

    /// A request to a tenant's host.
    pub(crate) fn public(&self, method: &str, target: &str, slug: &str) -> Wire {
        Wire::new(self.server.address, method, target).header("host", &format!("{slug}.app.test"))
    }

    /// A request of the operator.
    pub(crate) fn admin(&self, method: &str, target: &str) -> Wire {
        Wire::new(self.server.address, method, target)
            .header("host", "ops.test")
            .header("cf-access-jwt-assertion", &self.token)
    }

    /// Creates a free tenant.
    pub(crate) fn create(&self, slug: &str) -> Answer {
        self.admin("POST", "/api/admin/tenants")
            .body(json!({ "slug": slug }).to_string())
            .ask()
    }

    /// A chat of the tenant `acme`.
    pub(crate) fn chat(&self, prompt: &str) -> Wire {
        self.public("POST", "/v1/chat/completions", "acme")
            .body(chat_body(prompt, false))
    }

    /// Another tenant's chat and every other public route, each within a sane time.
    #[track_caller]
    pub(crate) fn expect_others_served(&self) {
        let chat = self
            .public("POST", "/v1/chat/completions", BYSTANDER)
            .body(chat_body(BYSTANDER_PROMPT, false));
        within(PROMPT, "another tenant's chat", || chat.ask().expect(200));
        let status = self.public("GET", "/api/status", BYSTANDER);
        within(PROMPT, "another tenant's status", || {
            let answer = status.ask().expect(200);
            assert_eq!(answer.json()["tenant"], BYSTANDER);
        });
        let health = self.public("GET", "/sandbox-health", "x");
        within(PROMPT, "the health route", || health.ask().expect(200));
    }

    /// A connection of our own to one of the stores (`db`, `kv`).
    pub(crate) fn open(&self, store: &str) -> Connection {
        let connection = Connection::open(self.dir.path().join(store)).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection
    }

    /// What stands in D1 of the tenant `acme`, in the order in which it was written.
    pub(crate) fn rows(&self) -> Vec<Row> {
        rows(&self.open("db"), &self.acme)
    }

    /// Id of the tenant `acme`.
    pub(crate) fn acme(&self) -> &str {
        &self.acme
    }

    /// Waits for the rows of these calls, and for no others.
    #[track_caller]
    pub(crate) fn expect_rows(&self, mut tokens: Vec<(i64, i64)>) {
        tokens.sort_unstable();
        let seen = || {
            let mut seen: Vec<_> = self.rows().iter().map(|row| row.tokens).collect();
            seen.sort_unstable();
            seen
        };
        until(&format!("usage rows {tokens:?}"), || {
            (seen().len() >= tokens.len()).then_some(())
        });
        assert_eq!(seen(), tokens);
    }

    /// What the team domain publishes.
    pub(crate) fn key_set() -> &'static Value {
        &KEY.1
    }

    /// Slugs of all tenants, as the operator sees them, in alphabetical order.
    pub(crate) fn slugs(&self) -> Vec<String> {
        let answer = self.admin("GET", "/api/admin/tenants").ask().expect(200);
        let slug = |tenant: &Value| tenant["slug"].as_str().unwrap().to_owned();
        let tenants = answer.json()["tenants"].as_array().unwrap().clone();
        let mut slugs: Vec<_> = tenants.iter().map(slug).collect();
        slugs.sort_unstable();
        slugs
    }

    /// Bytes of a store's write-ahead log.
    pub(crate) fn log_len(&self, store: &str) -> u64 {
        let log = self.dir.path().join(format!("{store}-wal"));
        std::fs::metadata(log).unwrap().len()
    }

    /// SQLite's own view of whether a store is whole.
    #[track_caller]
    pub(crate) fn expect_whole(&self, store: &str) {
        let check: String = self
            .open(store)
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok", "{store}");
    }
}

/// Usage rows of a tenant.
pub(crate) fn rows(connection: &Connection, tenant: &str) -> Vec<Row> {
    let mut select = connection
        .prepare_cached("SELECT id, model, tokens_in, tokens_out, latency_ms, created_at FROM usage WHERE tenant_id = ?1 ORDER BY rowid")
        .unwrap();
    let rows = select.query_map([tenant], |row| {
        Ok(Row {
            id: row.get(0)?,
            model: row.get(1)?,
            tokens: (row.get(2)?, row.get(3)?),
            latency_ms: row.get(4)?,
            created_at: row.get(5)?,
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Body of a chat request.
pub(crate) fn chat_body(prompt: &str, stream: bool) -> String {
    json!({"messages": [{"role": "user", "content": prompt}], "stream": stream}).to_string()
}

fn token(issuer: &str) -> String {
    let claims = json!({"aud": [AUDIENCE], "iss": issuer, "exp": FAR_FUTURE, "iat": 0, "type": "app", "email": "o@example.com"});
    let header = Header {
        kid: Some(KID.to_owned()),
        ..Header::new(Algorithm::RS256)
    };
    encode(&header, &claims, &KEY.0).unwrap()
}
