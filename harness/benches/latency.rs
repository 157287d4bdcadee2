//! What a distant target costs: the contract with 50 ms more on every request, beside the longest chain of dependent requests in one scenario.
//! Never judges: it prints the ratio beside its goal.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot set itself up has failed; printing is its purpose"
)]

use async_trait::async_trait;
use moltproof::client::Client;
use moltproof::clock;
use moltproof::contract::Contract;
use moltproof::contract::need::{Need, Variant};
use moltproof::contract::select::{Selection, select};
use moltproof::evidence::Exchange;
use moltproof::reference::ReferenceTarget;
use moltproof::run::scene::Run;
use moltproof::run::{self, Ended, Options, Progress};
use moltproof::steps;
use moltproof::subject::dialect::Dialect;
use moltproof::subject::{Disposable, Fault, Instance, Limits, Migrated, Target};
use moltproof::verdict::Outcome;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// Added to every request, on its way to the target.
const LATENCY: Duration = Duration::from_millis(50);
/// As a run has it by default.
const SIDE_BY_SIDE: usize = 64;

struct Silent;

impl Progress for Silent {
    fn ended(&self, _ended: &Ended) {}
}

/// The reference, far away.
struct Distant {
    near: Arc<ReferenceTarget>,
    fronts: tokio::runtime::Handle,
    addresses: Mutex<HashMap<String, String>>,
}

impl Distant {
    /// The same instance behind a front that delays what goes to it.
    async fn far(&self, near: Arc<Instance>) -> Arc<Instance> {
        let mut addresses = self.addresses.lock().await;
        if !addresses.contains_key(&near.base) {
            let to: SocketAddr = near.base.strip_prefix("http://").unwrap().parse().unwrap();
            let front = self.fronts.spawn(front(to)).await.unwrap();
            addresses.insert(near.base.clone(), format!("http://{front}"));
        }
        let base = addresses[&near.base].clone();
        let mut far = Instance::clone(&near);
        far.base = base;
        Arc::new(far)
    }
}

/// Listens in front of `to`; whatever a client sends arrives there [`LATENCY`] later.
async fn front(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, to));
        }
    });
    address
}

#[expect(
    clippy::disallowed_methods,
    reason = "the delay is what is measured here"
)]
async fn carry(client: TcpStream, to: SocketAddr) {
    let Ok(server) = TcpStream::connect(to).await else {
        return;
    };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move {
        // Whoever goes away ends the other half: nobody is left to tell.
        drop(tokio::io::copy(&mut from_server, &mut to_client).await);
    });
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(len) = from_client.read(&mut bytes).await {
        tokio::time::sleep(LATENCY).await;
        if len == 0 || to_server.write_all(&bytes[..len]).await.is_err() {
            break;
        }
    }
}

#[async_trait]
impl Target for Distant {
    fn keeps_connections(&self) -> bool {
        self.near.keeps_connections()
    }
    fn name(&self) -> String {
        self.near.name()
    }
    fn lacks(&self, need: Need) -> Option<String> {
        self.near.lacks(need)
    }
    fn dialect(&self) -> &Dialect {
        self.near.dialect()
    }
    fn limits(&self) -> &Limits {
        self.near.limits()
    }
    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        Ok(self.far(self.near.instance(variant).await?).await)
    }
    async fn faulty_instance(&self) -> Result<Arc<Instance>, Fault> {
        Ok(self.far(self.near.faulty_instance().await?).await)
    }
    async fn fresh(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        Ok(self.far(self.near.fresh(variant).await?).await)
    }
    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        self.near.disposable().await
    }
    async fn migrate(&self, folder: &Path, database: &Path) -> Result<Migrated, Fault> {
        self.near.migrate(folder, database).await
    }
    fn migrations(&self) -> Option<PathBuf> {
        self.near.migrations()
    }
    async fn end(&self) {
        self.near.end().await;
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let far_side = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let near = || Arc::new(ReferenceTarget::start(program()).unwrap());
        let (near_wall, at_home) = run_on(near()).await;
        let distant = Distant {
            near: near(),
            fronts: far_side.handle().clone(),
            addresses: Mutex::default(),
        };
        let (wall, away) = run_on(Arc::new(distant)).await;
        // What is not met at this distance is named: the figure is worth nothing if scenarios ended early.
        for one in away.iter().filter(|one| one.outcome != Outcome::Passed) {
            println!("not passed: {} {:?}", one.planned.name, one.outcome);
        }
        let bound = longest(&at_home, &away, false) + longest(&at_home, &away, true);
        println!(
            "50 ms more on every request: {:.2} x the longest chain of dependent requests (goal at most 1.5; {:.1} s against {:.1} s; {:.1} s without them)",
            wall.as_secs_f64() / bound.as_secs_f64(),
            wall.as_secs_f64(),
            bound.as_secs_f64(),
            near_wall.as_secs_f64(),
        );
    });
}

/// The program that supervises servers, beside this bench.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().join("moltproof")
}

async fn run_on(target: Arc<dyn Target>) -> (Duration, Vec<Ended>) {
    let contract = Contract::embedded().unwrap();
    let selection = Selection {
        tags: Some("not @slow".to_owned()),
        ..Selection::default()
    };
    let plan = select(&contract, &selection).unwrap();
    let shared = Run::new(
        Arc::clone(&target),
        Client::new().unwrap(),
        "bench0".to_owned(),
    );
    let options = Options {
        concurrency: SIDE_BY_SIDE,
        seed: 1,
    };
    let began = clock::now();
    let book = Arc::new(steps::all());
    let ended = run::run(Arc::new(shared), plan, book, options, Arc::new(Silent)).await;
    let wall = began.elapsed();
    target.end().await;
    (wall, ended)
}

/// The longest that one scenario of a phase must take: what it takes without latency, and the latency of every request that waits for another.
fn longest(at_home: &[Ended], away: &[Ended], whole_run: bool) -> Duration {
    let pairs = at_home.iter().zip(away);
    pairs
        .filter(|(home, _)| home.planned.is_whole_run() == whole_run)
        .map(|(home, away)| home.duration + LATENCY * dependent(&away.exchanges))
        .max()
        .unwrap_or_default()
}

/// How many of the exchanges began only after another of them had ended.
fn dependent(exchanges: &[Arc<Exchange>]) -> u32 {
    let mut spans: Vec<_> = exchanges
        .iter()
        .map(|one| (one.sent_at + one.done_after, one.sent_at))
        .collect();
    spans.sort_unstable();
    let mut count = 0;
    let mut free = None;
    for (end, begin) in spans {
        if free.is_none_or(|free| begin >= free) {
            count += 1;
            free = Some(end);
        }
    }
    count
}
