//! Tells a target's stores what shall go wrong: they ask over HTTP before each operation. Never decides by itself: it looks the faults up.

use crate::lag;
use crate::subject::faults::{Calls, LOST, StoreFault, StoreFaults};
use crate::subject::layout::{Layout, Table};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

/// The server that stores ask, on a thread of its own. Dropping it stops it.
#[derive(Debug)]
pub(super) struct FaultControl {
    /// Where stores ask.
    pub(super) url: String,
    /// What they are told.
    pub(super) faults: Arc<StoreFaults>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

/// One operation, as a store describes it.
#[derive(Debug, Deserialize)]
#[serde(tag = "store", rename_all = "lowercase")]
enum Operation {
    D1 {
        sql: String,
        #[serde(default)]
        params: Vec<Value>,
    },
    Kv {
        op: String,
        key: Option<String>,
    },
}

impl FaultControl {
    /// Starts it on 127.0.0.1, a free port. The layout tells which statements are about tenants and which about usage.
    pub(super) fn start(layout: &Layout) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}/", listener.local_addr()?);
        let faults = Arc::new(StoreFaults::default());
        let router = Router::new()
            .route("/", post(answer))
            .with_state((Arc::clone(&faults), layout.clone()));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("fault-control".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                        let serving = axum::serve(listener, router)
                            .with_graceful_shutdown(async move { drop(stopped.await) });
                        // It ends with the run; there is nobody to tell.
                        tokio::select! {
                            _ended = serving.into_future() => {}
                            () = lag::serving() => {}
                        }
                    }
                });
            })?;
        Ok(Self {
            url,
            faults,
            _stop: stop,
        })
    }
}

async fn answer(
    State((faults, layout)): State<(Arc<StoreFaults>, Layout)>,
    Json(operation): Json<Operation>,
) -> Json<Value> {
    Json(order(met(&faults, &layout, &operation)))
}

/// The first fault whose scope one of the operation's values is, or stands in the statement or the key.
fn met(faults: &StoreFaults, layout: &Layout, operation: &Operation) -> Option<StoreFault> {
    match operation {
        Operation::D1 { sql, params } => {
            let values = params.iter().filter_map(Value::as_str);
            faults.hear(sql, values.clone());
            let calls = calls_of(sql, layout)?;
            faults.meet_in(calls, values.chain([sql.as_str()]))
        }
        Operation::Kv { op, key } => {
            let key = key.as_deref()?;
            let scope = key.split_once(':').map_or(key, |(_kind, scope)| scope);
            op.starts_with("get")
                .then(|| faults.meet_in(Calls::RegistryRead, [scope]))
                .flatten()
        }
    }
}

fn calls_of(sql: &str, layout: &Layout) -> Option<Calls> {
    let sql = sql.trim_start().to_ascii_lowercase();
    let names = |table| sql.contains(&layout.table(table).to_ascii_lowercase());
    if sql.starts_with("insert") && names(Table::Usage) {
        Some(Calls::UsageWrite)
    } else if sql.starts_with("select") && names(Table::Tenants) {
        Some(Calls::TenantRead)
    } else {
        None
    }
}

fn order(fault: Option<StoreFault>) -> Value {
    match fault {
        None => json!({ "action": "pass" }),
        Some(StoreFault::Slow(delay)) => json!({ "action": "delay", "ms": delay.as_millis() }),
        Some(StoreFault::Busy) => {
            json!({ "action": "fail", "message": "D1 DB is overloaded. Requests queued for too long." })
        }
        Some(StoreFault::BusySaying(message)) => json!({ "action": "fail", "message": message }),
        Some(StoreFault::Unavailable) => {
            json!({ "action": "fail", "message": LOST })
        }
        Some(StoreFault::AnswerLost(message)) => {
            json!({ "action": "fail_after", "message": message })
        }
    }
}
