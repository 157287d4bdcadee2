//! Throughput of `GET /api/status` against a bare axum JSON route, in one run over loopback sockets. Never measures a store's set-up.
//!
//! Both servers stand on the same runtime and are loaded by the same raw keep-alive clients, in alternating rounds. What counts is answers
//! per second of this process's CPU time, client included: that is the throughput of a machine with nothing else to do, also on one
//! that has. Log lines are made in full and then dropped. Fails below a ratio of 0.5.
//!
//! `cargo bench -p moltworker-reference --bench status_route`

use axum::routing::get;
use moltworker_reference::backend::{Backend, Ports};
use moltworker_reference::config::Config;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantNames, TenantRecord};
use moltworker_reference::ports::{Level, LogSink};
use std::hint::black_box;
use std::io::ErrorKind;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

/// Connections, each of a tenant of its own.
const CONNECTIONS: usize = 64;
/// Alternating rounds; the median ratio counts.
const ROUNDS: usize = 7;
/// Length of one round.
const ROUND: Duration = Duration::from_secs(1);
/// What the contract's performance goal asks for.
const RATIO_MIN: f64 = 0.5;

struct DropLines;

impl LogSink for DropLines {
    fn line(&self, _level: Level, json: &str) {
        black_box(json);
    }
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(compare())
}

async fn compare() -> ExitCode {
    let dir = tempfile::tempdir().expect("a directory");
    let (bare, reference) = (serve_bare().await, serve_reference(dir.path()).await);
    let mut ratios = Vec::with_capacity(ROUNDS);
    let mut out = std::io::stdout();
    for round in 0..=ROUNDS {
        let bare_rate = load(bare).await;
        let reference_rate = load(reference).await;
        let ratio = reference_rate / bare_rate;
        // The first round warms up.
        if round > 0 {
            ratios.push(ratio);
        }
        let line = writeln!(
            out,
            "round {round}: bare {bare_rate:.0}, reference {reference_rate:.0} answers per CPU second, ratio {ratio:.2}"
        );
        line.expect("standard output");
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ROUNDS / 2];
    writeln!(
        out,
        "status_route: median ratio {median:.2} (goal {RATIO_MIN})"
    )
    .expect("standard output");
    if median >= RATIO_MIN {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn serve_bare() -> SocketAddr {
    let status = async || {
        axum::Json(serde_json::json!({"tenant": "tenant-0", "gateway": {"state": "stopped"}}))
    };
    let router = axum::Router::new().route("/api/status", get(status));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn serve_reference(dir: &std::path::Path) -> SocketAddr {
    let at = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let config = Config::from_vars(|name| match name {
        "TENANT_DB" => Some(at("db")),
        "TENANT_KV" => Some(at("kv")),
        "MOLTBOT_BUCKET" => Some(at("bucket")),
        "APP_DOMAIN" => Some("app.test".to_owned()),
        "PUBLIC_RATE_LIMIT_MAX" => Some("1000000".to_owned()),
        _ => None,
    });
    let backend =
        Backend::open(config.expect("a configuration"), Arc::new(DropLines)).expect("a backend");
    for index in 0..CONNECTIONS {
        add_tenant(&backend.ports, &format!("tenant-{index}")).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(backend.serve(listener, std::future::pending()));
    address
}

async fn add_tenant(ports: &Ports, slug: &str) {
    let id = TenantId::random();
    let record = TenantRecord {
        id,
        platform: "web".to_owned(),
        tier: "free".to_owned(),
        sandbox_id: SandboxId::derive(&id).to_string(),
        created_at: 0,
        updated_at: 0,
    };
    let names = TenantNames {
        slug: slug.to_owned(),
        domains: Vec::new(),
    };
    ports
        .tenants
        .as_ref()
        .expect("a store")
        .insert(&record)
        .await
        .expect("a row");
    ports
        .registry
        .as_ref()
        .expect("a registry")
        .claim(id, &names)
        .await
        .expect("an entry");
}

/// Requests answered per second of CPU time.
async fn load(address: SocketAddr) -> f64 {
    let spent = cpu_time();
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let until = Instant::now() + ROUND;
    let clients = (0..CONNECTIONS).map(|index| tokio::spawn(client(address, index, until)));
    let mut answered = 0_u32;
    for client in clients.collect::<Vec<_>>() {
        answered += client.await.expect("a client");
    }
    f64::from(answered) / cpu_time().saturating_sub(spent).as_secs_f64()
}

/// User and system time of this process, from `/proc` (in ticks of 10 ms).
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("a Linux system");
    let fields = stat.rsplit_once(')').expect("a command name").1;
    let ticks = fields.split_whitespace().skip(11).take(2);
    Duration::from_millis(
        10 * ticks
            .map(|ticks| ticks.parse::<u64>().expect("ticks"))
            .sum::<u64>(),
    )
}

async fn client(address: SocketAddr, index: usize, until: Instant) -> u32 {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    let request = format!("GET /api/status HTTP/1.1\r\nhost: tenant-{index}.app.test\r\n\r\n");
    let mut answer = Vec::new();
    let mut answered = 0;
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    while Instant::now() < until {
        // A request of some bytes always fits an empty socket buffer.
        stream.writable().await.expect("a socket");
        assert_eq!(
            stream.try_write(request.as_bytes()).expect("a write"),
            request.len()
        );
        read_answer(&stream, &mut answer).await;
        answered += 1;
    }
    answered
}

async fn read_answer(stream: &TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    while !is_complete(answer) {
        stream.readable().await.expect("a socket");
        match stream.try_read_buf(answer) {
            Ok(0) => panic!("the server closed the connection"),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(answer)
    );
}

/// Whether head and body are here, by the stated length.
fn is_complete(answer: &[u8]) -> bool {
    let text = std::str::from_utf8(answer).expect("an answer in ASCII");
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .split_once("content-length: ")
        .expect("a length")
        .1
        .split("\r\n");
    length.into_iter().next() == Some(body.len().to_string().as_str())
}
