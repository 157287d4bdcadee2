//! A double of Cloudflare's REST API and of wrangler's local explorer, on real SQLite. Never more lenient than they are.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use rusqlite::types::{ToSqlOutput, Value as Sql, ValueRef};
use rusqlite::{Connection, ToSql};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The token that is good here.
pub(crate) const TOKEN: &str = "cf-token-0123456789";
/// Keys per page: so few that every list has pages.
const PAGE: usize = 2;

/// The running double.
pub(crate) struct Cloudflare {
    /// What a manifest takes as `base_url`.
    pub(crate) base_url: String,
    /// The local explorer's root: address and path.
    pub(crate) explorer: String,
    world: Arc<World>,
}

/// What it has.
struct World {
    database: Mutex<Connection>,
    entries: Mutex<BTreeMap<String, String>>,
    metadata: Mutex<BTreeMap<String, Value>>,
    rows: Mutex<Vec<LogRow>>,
    /// Where rows come from, if they are made as they are asked for.
    source: Mutex<Option<Source>>,
    /// Answers to give instead of the true ones, in order.
    faults: Mutex<VecDeque<(u16, Value)>>,
    /// Method, path and query of every request.
    asked: Mutex<Vec<String>>,
}

type Source = Box<dyn Fn() -> Vec<LogRow> + Send>;

/// A row of the gateway's log.
#[derive(Clone)]
pub(crate) struct LogRow {
    /// As the API gives it.
    pub(crate) row: Value,
    /// What `/request` answers: `None` when payloads are not logged.
    pub(crate) request: Option<Value>,
    /// How many looks it stays away.
    pub(crate) late: usize,
}

impl Cloudflare {
    /// Starts it on a free port, with this file as D1.
    pub(crate) async fn start(database: &Path) -> Self {
        let world = Arc::new(World {
            database: Mutex::new(Connection::open(database).unwrap()),
            entries: Mutex::default(),
            metadata: Mutex::default(),
            rows: Mutex::default(),
            source: Mutex::default(),
            faults: Mutex::default(),
            asked: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&world));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            base_url: format!("{origin}/client/v4"),
            explorer: format!("{origin}/cdn-cgi/explorer/api"),
            world,
        }
    }

    /// The next requests are answered like this, in order.
    pub(crate) fn fail_with(&self, faults: &[(u16, Value)]) {
        self.world.faults.lock().unwrap().extend(faults.to_vec());
    }

    /// Method, path and query of every request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.world.asked.lock().unwrap().clone()
    }

    /// Adds a row to the gateway's log.
    pub(crate) fn log(&self, row: LogRow) {
        self.world.rows.lock().unwrap().push(row);
    }

    /// Lets the gateway's log be what this makes of it at each look.
    pub(crate) fn log_from(&self, source: impl Fn() -> Vec<LogRow> + Send + 'static) {
        *self.world.source.lock().unwrap() = Some(Box::new(source));
    }

    /// Puts an entry there without a request.
    pub(crate) fn entry(&self, key: &str, value: &str) {
        let mut entries = self.world.entries.lock().unwrap();
        entries.insert(key.to_owned(), value.to_owned());
    }
}

/// The envelope of a failure.
pub(crate) fn failure(code: u64, message: &str) -> Value {
    json!({ "result": null, "success": false, "errors": [{ "code": code, "message": message }], "messages": [] })
}

fn success(result: &Value) -> Value {
    json!({ "result": result, "success": true, "errors": [], "messages": [] })
}

fn reply(status: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

async fn answer(State(world): State<Arc<World>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let target = head.uri.to_string();
    world
        .asked
        .lock()
        .unwrap()
        .push(format!("{} {target}", head.method));
    if let Some((status, body)) = world.faults.lock().unwrap().pop_front() {
        return reply(status, &body);
    }
    let path = head.uri.path().to_owned();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let method = head.method.as_str();
    if let Some(rest) = path.strip_prefix("/cdn-cgi/explorer/api/") {
        return match rest.strip_prefix("d1/database/db/") {
            Some("raw") => raw(&world, &body),
            // The real one hangs after a POST to a route it does not know.
            Some(_) => reply(404, &failure(10_000, "hang")),
            None => kv(&world, method, rest, &query, &body),
        };
    }
    let bearer = head.headers.get("authorization");
    if bearer.is_none_or(|value| value != &format!("Bearer {TOKEN}")) {
        return reply(401, &failure(10_000, "Authentication error"));
    }
    let Some(rest) = path.strip_prefix("/client/v4/accounts/acct/") else {
        return reply(404, &failure(7003, "Could not route to /client/v4"));
    };
    match rest {
        "d1/database/db/query" => query_d1(&world, &body),
        _ if rest.starts_with("d1/") => {
            reply(404, &failure(7404, "The database could not be found"))
        }
        _ if rest.starts_with("ai-gateway/gateways/gw/logs") => logs(&world, rest, &query),
        _ => kv(&world, method, rest, &query, &body),
    }
}

/// A parameter as D1 binds it: a JavaScript number is REAL.
struct Bound(Value);

impl ToSql for Bound {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(match &self.0 {
            Value::String(text) => Sql::Text(text.clone()),
            Value::Number(number) => Sql::Real(number.as_f64().unwrap()),
            Value::Bool(flag) => Sql::Real(f64::from(u8::from(*flag))),
            Value::Null | Value::Array(_) | Value::Object(_) => Sql::Null,
        }))
    }
}

struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    changes: u64,
}

fn perform(world: &World, body: &Value) -> rusqlite::Result<Table> {
    let database = world.database.lock().unwrap();
    let before = database.total_changes();
    let mut statement = database.prepare(body["sql"].as_str().unwrap())?;
    let columns: Vec<String> = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let params = body["params"].as_array().cloned().unwrap_or_default();
    let params = params.into_iter().map(Bound);
    let rows = statement
        .query_map(rusqlite::params_from_iter(params), |row| {
            (0..columns.len())
                .map(|at| Ok(read(row.get_ref(at)?)))
                .collect()
        })?
        .collect::<rusqlite::Result<Vec<Vec<Value>>>>()?;
    drop(statement);
    Ok(Table {
        columns,
        rows,
        changes: database.total_changes() - before,
    })
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => json!(bytes),
    }
}

fn query_d1(world: &World, body: &[u8]) -> Response<Body> {
    let body: Value = serde_json::from_slice(body).unwrap();
    match perform(world, &body) {
        Ok(table) => {
            let row = |row: Vec<Value>| {
                let cells = table.columns.iter().cloned().zip(row);
                Value::Object(cells.collect())
            };
            let results: Vec<Value> = table.rows.into_iter().map(row).collect();
            let meta = json!({ "served_by": "v3-prod", "duration": 0.2, "changes": table.changes, "rows_read": 1 });
            reply(
                200,
                &success(&json!([{ "results": results, "success": true, "meta": meta }])),
            )
        }
        Err(error) => reply(400, &failure(7500, &format!("{error}: SQLITE_ERROR"))),
    }
}

fn raw(world: &World, body: &[u8]) -> Response<Body> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let texts = body["params"]
        .as_array()
        .into_iter()
        .flatten()
        .all(Value::is_string);
    if !texts {
        return reply(400, &failure(10_001, "params must be strings"));
    }
    match perform(world, &body) {
        Ok(table) => {
            // What it found nothing of has no columns.
            let columns = if table.rows.is_empty() {
                Vec::new()
            } else {
                table.columns
            };
            let results = json!({ "columns": columns, "rows": table.rows });
            let meta =
                json!({ "served_by": "miniflare.db", "duration": 1, "changes": table.changes });
            reply(
                200,
                &success(&json!([{ "results": results, "success": true, "meta": meta }])),
            )
        }
        Err(error) => reply(500, &failure(10_001, &error.to_string())),
    }
}

fn kv(
    world: &World,
    method: &str,
    rest: &str,
    query: &BTreeMap<String, String>,
    body: &[u8],
) -> Response<Body> {
    let Some(rest) = rest.strip_prefix("storage/kv/namespaces/ns/") else {
        return reply(404, &failure(10_013, "namespace not found"));
    };
    let mut entries = world.entries.lock().unwrap();
    if rest == "keys" {
        return keys(&entries, &world.metadata.lock().unwrap(), query);
    }
    let key = decoded(rest.strip_prefix("values/").unwrap());
    match method {
        "GET" => match entries.get(&key) {
            Some(value) => Response::new(Body::from(value.clone())),
            None => reply(404, &failure(10_009, "key not found")),
        },
        "PUT" => {
            let body = String::from_utf8(body.to_vec()).unwrap();
            let mut kept = world.metadata.lock().unwrap();
            kept.remove(&key);
            let value = match part(&body, "value") {
                Some(value) => {
                    let metadata = part(&body, "metadata").unwrap();
                    kept.insert(key.clone(), serde_json::from_str(metadata).unwrap());
                    value.to_owned()
                }
                None => body,
            };
            entries.insert(key, value);
            reply(200, &success(&json!({})))
        }
        "DELETE" => {
            entries.remove(&key);
            world.metadata.lock().unwrap().remove(&key);
            reply(200, &success(&json!({})))
        }
        _ => reply(405, &failure(10_405, "method not allowed")),
    }
}

/// A field of a form that is sent in parts.
fn part<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let boundary = body.lines().next().filter(|line| line.starts_with("--"))?;
    let head = format!("form-data; name=\"{name}\"\r\n\r\n");
    let part = body.split(boundary).find(|part| part.contains(&head))?;
    part.split_once(&head)?.1.strip_suffix("\r\n")
}

/// A page of keys. The first is empty although more follow, as it is when what it would hold was deleted a moment ago.
fn keys(
    entries: &BTreeMap<String, String>,
    metadata: &BTreeMap<String, Value>,
    query: &BTreeMap<String, String>,
) -> Response<Body> {
    let prefix = query.get("prefix").map_or("", String::as_str);
    let all: Vec<&String> = entries
        .keys()
        .filter(|key| key.starts_with(prefix))
        .collect();
    let (names, next): (Vec<_>, _) = match query.get("cursor") {
        None => (Vec::new(), Some(0)),
        Some(cursor) => {
            let from: usize = cursor.strip_prefix("at-").unwrap().parse().unwrap();
            let next = from + PAGE;
            let names = all
                .iter()
                .skip(from)
                .take(PAGE)
                .map(|name| match metadata.get(*name) {
                    Some(metadata) => json!({ "name": name, "metadata": metadata }),
                    None => json!({ "name": name }),
                });
            (names.collect(), (next < all.len()).then_some(next))
        }
    };
    let cursor = next.map_or_else(String::new, |next| format!("at-{next}"));
    let mut page = success(&json!(names));
    page["result_info"] = json!({ "count": names.len(), "cursor": cursor });
    reply(200, &page)
}

fn decoded(segment: &str) -> String {
    let pair = format!("k={}", segment.replace('+', "%2B"));
    let (_k, value) = url::form_urlencoded::parse(pair.as_bytes()).next().unwrap();
    value.into_owned()
}

fn logs(world: &World, rest: &str, query: &BTreeMap<String, String>) -> Response<Body> {
    let mut rows = world.rows.lock().unwrap();
    if let Some(source) = world.source.lock().unwrap().as_ref() {
        *rows = source();
    }
    if let Some(id) = rest.strip_suffix("/request") {
        let id = id.rsplit('/').next().unwrap();
        let found = rows.iter().find(|row| row.row["id"] == id);
        return match found.and_then(|row| row.request.clone()) {
            Some(request) => reply(200, &request),
            None => reply(404, &failure(7002, "Log not found")),
        };
    }
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let (page, per_page) = (
        number("page").unwrap_or(1),
        number("per_page").unwrap_or(20),
    );
    if per_page > 50 {
        return reply(400, &failure(7001, "per_page is at most 50"));
    }
    let mut there: Vec<Value> = Vec::new();
    for row in rows.iter_mut() {
        if row.late == 0 {
            there.push(row.row.clone());
        } else if page == 1 {
            row.late -= 1;
        }
    }
    there.sort_by_key(|row| std::cmp::Reverse(row["created_at"].as_str().unwrap().to_owned()));
    let total = there.len();
    let shown: Vec<Value> = there
        .into_iter()
        .skip((page - 1) * per_page)
        .take(per_page)
        .collect();
    let mut body = success(&json!(shown));
    body["result_info"] =
        json!({ "count": shown.len(), "page": page, "per_page": per_page, "total_count": total });
    reply(200, &body)
}
