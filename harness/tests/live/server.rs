//! Servers for these tests: the reference as a process, a proxy before it, and a script that plays traps. It never asserts.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use moltproof::doubles::{AccessIssuer, TokenKind};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// The base domain of the tenants of these tests.
pub(crate) const APP_DOMAIN: &str = "moltworker.example";

/// One request as a server of these tests saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A server that answers as a script says; it keeps what it saw. It ends with the test process.
pub(crate) struct Played {
    pub(crate) base: String,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

type Script = dyn Fn(Seen) -> Answering + Send + Sync;
type Answering = std::pin::Pin<Box<dyn Future<Output = Response> + Send>>;

#[derive(Clone)]
struct Stage {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

async fn perform(State(stage): State<Stage>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let text =
        |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    let host = head.headers.get("host").map(text).unwrap_or_default();
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        host,
        headers,
        body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
    };
    stage.seen.lock().unwrap().push(seen.clone());
    (stage.script)(seen).await
}

/// Serves a script on a free port of loopback, on a thread and runtime of its own.
pub(crate) fn play<F, Fut>(script: F) -> Played
where
    F: Fn(Seen) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Response> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::<Mutex<Vec<Seen>>>::default();
    let stage = Stage {
        script: Arc::new(move |seen| Box::pin(script(seen)) as Answering),
        seen: Arc::clone(&seen),
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let router = Router::new().fallback(perform).with_state(stage);
            axum::serve(listener, router).await.unwrap();
        });
    });
    Played { base, seen }
}

/// An answer of these parts.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body.to_owned())).unwrap()
}

/// Passes a request on with further headers, and the answer back.
pub(crate) async fn pass_on(to: String, seen: Seen, more: Vec<(String, String)>) -> Response {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let method = reqwest::Method::from_bytes(seen.method.as_bytes()).unwrap();
    let mut request = client.request(method, format!("{to}{}", seen.path));
    for (name, value) in seen.headers.iter().chain(&more) {
        if !["content-length", "connection", "transfer-encoding"].contains(&name.as_str()) {
            request = request.header(name, value);
        }
    }
    let answered = request.body(seen.body).send().await.unwrap();
    let mut response = Response::builder().status(answered.status().as_u16());
    for (name, value) in answered.headers() {
        if !["content-length", "connection", "transfer-encoding"].contains(&name.as_str()) {
            response = response.header(name, value);
        }
    }
    response
        .body(Body::from(answered.bytes().await.unwrap()))
        .unwrap()
}

/// The reference as a process that the harness did not start, with a team domain of the test's own.
pub(crate) struct Deployment {
    pub(crate) base: String,
    pub(crate) issuer: AccessIssuer,
    child: Child,
    folder: tempfile::TempDir,
}

impl Deployment {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further variables.
    pub(crate) fn start_with(more: &[(&str, &str)]) -> Self {
        let issuer = AccessIssuer::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let mut child = Command::new(env!("CARGO_BIN_EXE_moltproof"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("TENANT_DB", file("d1.sqlite"))
            .env("TENANT_KV", file("kv.sqlite"))
            .env("MOLTBOT_BUCKET", file("r2"))
            .env("APP_DOMAIN", APP_DOMAIN)
            .env("CF_ACCESS_TEAM_DOMAIN", issuer.origin())
            .env("CF_ACCESS_AUD", issuer.audience())
            .envs(more.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let base = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Self {
            base,
            issuer,
            child,
            folder,
        }
    }

    /// The file of its D1.
    pub(crate) fn database(&self) -> std::path::PathBuf {
        self.folder.path().join("d1.sqlite")
    }

    /// Kills it, as a crash does.
    pub(crate) fn die(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn token(&self) -> String {
        self.issuer.token(TokenKind::Good)
    }

    /// Sends one request as operator; status and body.
    pub(crate) fn operate(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let request = reqwest::Client::new()
                .request(method, format!("{}{path}", self.base))
                .header("cf-access-jwt-assertion", self.token())
                .header("content-type", "application/json")
                .body(body.to_owned());
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    }

    /// The slugs of all tenants.
    pub(crate) fn slugs(&self) -> Vec<String> {
        let (status, text) = self.operate("GET", "/api/admin/tenants?limit=1000", "");
        assert_eq!(status, 200, "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let tenants = value["tenants"].as_array().unwrap();
        tenants
            .iter()
            .map(|tenant| tenant["slug"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Writes a manifest and returns the folder that holds it and its path.
pub(crate) fn manifest(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("target.toml");
    std::fs::write(&path, text).unwrap();
    let shown = path.display().to_string();
    (folder, shown)
}

/// A manifest of one address, and further lines.
pub(crate) fn at_address(base: &str, more: &str) -> (tempfile::TempDir, String) {
    manifest(&format!(
        "name = \"deployed\"\napp_domain = \"{APP_DOMAIN}\"\n[variants.production]\naddress = \"{base}\"\n{more}"
    ))
}

/// A manifest that starts the reference, and further lines.
pub(crate) fn launched(more: &str) -> (tempfile::TempDir, String) {
    manifest(&format!(
        "name = \"launched\"\napp_domain = \"{APP_DOMAIN}\"\n[launch]\ncommand = ['{}', 'serve', '--listen', '127.0.0.1:{{port}}']\n{LAUNCHED_REST}{more}",
        env!("CARGO_BIN_EXE_moltproof")
    ))
}

const LAUNCHED_REST: &str = r#"
[launch.variables]
TENANT_DB = "{state}/d1.sqlite"
TENANT_KV = "{state}/kv.sqlite"
MOLTBOT_BUCKET = "{state}/r2"
APP_DOMAIN = "{app_domain}"
CF_ACCESS_TEAM_DOMAIN = "{team_domain}"
CF_ACCESS_AUD = "{audience}"
AI_GATEWAY_BASE_URL = "{ai_gateway_base_url}"
CLOUDFLARE_AI_GATEWAY_API_KEY = "{ai_gateway_key}"
[variants.production]
[control]
access = true
ai_gateway = true
client_ip = true
[limits]
exact = true
"#;

/// How a command of ours ended: exit code, standard output, standard error.
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Told {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}\n{}", self.out, self.err))
    }
}

/// Runs `moltproof` to its end.
pub(crate) fn moltproof(args: &[&str], environment: &[(&str, &str)]) -> Told {
    let output = Command::new(env!("CARGO_BIN_EXE_moltproof"))
        .args(args)
        .env("MOLTPROOF_STORE", "none")
        .envs(environment.iter().copied())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .unwrap();
    Told {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The verdict, reason included, on a criterion of a report.
pub(crate) fn criterion<'a>(report: &'a serde_json::Value, id: &str) -> (&'a str, &'a str) {
    let criteria = report["criteria"].as_array().unwrap();
    let found = criteria
        .iter()
        .find(|criterion| criterion["id"] == id)
        .unwrap();
    (
        found["verdict"].as_str().unwrap(),
        found["reason"].as_str().unwrap(),
    )
}
