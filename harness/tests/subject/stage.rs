//! A contract of a few lines, a target that can be taken away, and a run of the one on the other. It never asserts.

use async_trait::async_trait;
use moltproof::contract::need::{Need, Variant};
use moltproof::contract::{Contract, Planned};
use moltproof::doubles::{AccessIssuer, AiGatewayDouble};
use moltproof::report::Report;
use moltproof::run::Options;
use moltproof::run::book::Book;
use moltproof::subject::dialect::Dialect;
use moltproof::subject::{Disposable, Fault, Instance, Limits, Migrated, Target};
use moltproof::suite::Suite;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs scenarios of a contract in the order of a seed, so many side by side.
pub(crate) fn judge(
    contract: &Contract,
    plan: Vec<Arc<Planned>>,
    target: &Arc<dyn Target>,
    book: Book,
    options: Options,
) -> Report {
    let suite = Suite::builder()
        .target(Arc::clone(target))
        .contract(contract.clone())
        .plan(plan)
        .book(Arc::new(book))
        .seed(options.seed)
        .concurrency(options.concurrency);
    suite.block().unwrap().report
}

/// A feature of one MUST criterion with one scenario.
pub(crate) fn one_scenario(steps: &[&str]) -> Contract {
    let steps = steps.join("\n      Then ");
    let text = format!(
        "@core\nFeature: One\n\n  @AAA-001 @must\n  Rule: AAA-001 one\n    It holds.\n\n    Scenario: one\n      Then {steps}\n"
    );
    Contract::parse(&[("one.feature", &text)]).unwrap()
}

/// A server on loopback that answers every request alike, until it is told to die.
pub(crate) struct Server {
    pub(crate) base: String,
    serves: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let serves = Arc::new(AtomicBool::new(true));
        let serving = Arc::clone(&serves);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if !serving.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    // A caller that only looks whether somebody is there sends nothing.
                    if stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
                        let answer =
                            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                        drop(stream.write_all(answer));
                    }
                });
            }
        });
        Self { base, serves }
    }

    /// From here on nobody listens there.
    pub(crate) fn die(&self) {
        self.serves.store(false, Ordering::SeqCst);
        let address = self.base.strip_prefix("http://").unwrap();
        // Wakes the listener, which then goes; whoever connects after that is refused.
        while TcpStream::connect(address).is_ok() {}
    }
}

/// A target of one instance, whose parts belong to the test.
pub(crate) struct Plain {
    instance: Arc<Instance>,
    dialect: Dialect,
    limits: Limits,
}

impl Plain {
    pub(crate) fn target(
        base: &str,
        gateway: Option<Arc<AiGatewayDouble>>,
        access: Option<Arc<AccessIssuer>>,
    ) -> Arc<dyn Target> {
        Arc::new(Self {
            instance: Arc::new(Instance {
                commands: None,
                who: None,
                variant: Variant::Production,
                base: base.to_owned(),
                d1: None,
                kv: None,
                r2: None,
                logs: None,
                gateway,
                model_calls: None,
                ai_gateway_key: None,
                access,
                credential: None,
                faults: None,
                app_domain: "moltworker.example".to_owned(),
            }),
            dialect: Dialect::default(),
            limits: Limits::default(),
        })
    }
}

#[async_trait]
impl Target for Plain {
    fn name(&self) -> String {
        "plain".to_owned()
    }

    fn lacks(&self, _need: Need) -> Option<String> {
        None
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn instance(&self, _variant: Variant) -> Result<Arc<Instance>, Fault> {
        Ok(Arc::clone(&self.instance))
    }

    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        Err(Fault("there is one instance only".to_owned()))
    }

    async fn migrate(&self, _folder: &Path, _database: &Path) -> Result<Migrated, Fault> {
        Err(Fault("there is nothing to migrate".to_owned()))
    }

    fn migrations(&self) -> Option<PathBuf> {
        None
    }
}
