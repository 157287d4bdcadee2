//! A server that answers `GET /api/admin/schema` as it should, or with one mistake, and lets operators do nothing else. Never changes its database.

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What it does wrongly; the first is no mistake.
pub(super) const HABITS: [&str; 8] = [
    "none",
    "version of the first",
    "no history",
    "newest only",
    "newest first",
    "no environment",
    "checksums of nothing",
    "another time",
];

/// The server; it ends with the value.
pub(super) struct Route {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Route {
    pub(super) fn start(database: &Path, habit: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (database, ended) = (database.to_owned(), Arc::clone(&is_over));
        let thread = std::thread::Builder::new()
            .name("route".to_owned())
            .spawn(move || {
                for stream in listener.incoming() {
                    if ended.load(Ordering::SeqCst) {
                        break;
                    }
                    if let Ok(stream) = stream {
                        // Who hangs up gets no answer, and who asks for what cannot be read none either.
                        drop(answer(&stream, &database, habit));
                    }
                }
            })?;
        Ok(Self {
            address,
            is_over,
            thread: Some(thread),
        })
    }

    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // It waits for a connection: this is the last.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told so already.
            drop(thread.join());
        }
    }
}

fn answer(mut stream: &TcpStream, database: &Path, habit: &str) -> io::Result<()> {
    let mut request = Vec::new();
    let mut bytes = [0; 4_096];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(&bytes[..count]);
    }
    let is_schema = request.starts_with(b"GET /api/admin/schema ");
    let (status, body) = if is_schema {
        let told = schema(database, habit).map_err(io::Error::other)?;
        ("200 OK", told)
    } else {
        // It offers nothing else, so that nothing else is judged of it.
        ("403 Forbidden", json!({"error": {"code": "ACCESS_DENIED"}}))
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn schema(database: &Path, habit: &str) -> rusqlite::Result<Value> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let sql = "SELECT file, version, environment, sha256, applied_at FROM schema_metadata ORDER BY applied_at";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let time: i64 = row.get(4)?;
        let told = json!({
            "file": row.get::<_, String>(0)?,
            "sha256": if habit == "checksums of nothing" { "0".repeat(64) } else { row.get(3)? },
            "applied_at": if habit == "another time" { time + 1 } else { time },
        });
        Ok((row.get::<_, i64>(1)?, row.get::<_, String>(2)?, told))
    })?;
    let rows: Vec<(i64, String, Value)> = rows.collect::<Result<_, _>>()?;
    let mut history: Vec<Value> = rows.iter().map(|(.., told)| told.clone()).collect();
    match habit {
        "no history" => history.clear(),
        "newest only" => history = history.split_off(history.len().saturating_sub(1)),
        "newest first" => history.reverse(),
        _ => {}
    }
    let versions = rows.iter().map(|(version, ..)| *version);
    let version = if habit == "version of the first" {
        versions.min()
    } else {
        versions.max()
    };
    let mut told = json!({"version": version, "history": history});
    if habit != "no environment" {
        let first = rows.first().map(|(_, environment, _)| environment.clone());
        told["environment"] = first.into();
    }
    Ok(told)
}
