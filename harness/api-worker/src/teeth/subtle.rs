//! Deviants that remember: wrong only the second time, after a rotation, of streams, of what is refused, when the clock goes back. Never wrong on a first, plain request.

use super::{Answered, Asked, Instead, Memory};
use serde_json::{Value, json};

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether it is a chat that streams.
fn is_stream(asked: &Asked) -> bool {
    asked.is("POST", "/v1/chat") && asked.json()["stream"] == json!(true)
}

/// The names of requests that were streams.
fn remember_stream(asked: &Asked, answered: &Answered, memory: &Memory) {
    if is_stream(asked)
        && let Some(id) = answered.header("x-request-id")
    {
        memory.put(format!("stream {id}"), json!(true));
    }
}

fn was_stream(row: &Value, memory: &Memory) -> bool {
    let id = text(&row["request_id"]);
    !memory.get(&format!("stream {id}")).is_null()
}

pub(super) fn no_usage_of_streams(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    remember_stream(asked, answered, memory);
    answered.change(|body| {
        if let Some(rows) = body["usage"].as_array_mut() {
            rows.retain(|row| !was_stream(row, memory));
        }
    });
}

pub(super) fn streams_cost_nothing(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    remember_stream(asked, answered, memory);
    answered.each("usage", |row| {
        if was_stream(row, memory) && row["cost_micros"].is_u64() {
            row["cost_micros"] = json!(0);
        }
    });
}

pub(super) fn positions_begin_anew(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.each("messages", |message| {
        if let Some(position) = message["position"]
            .as_u64()
            .filter(|position| *position > 20)
        {
            message["position"] = json!(position - 20);
        }
    });
}

pub(super) fn mended_titles(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/v1/conversations") {
        asked.body = String::from_utf8_lossy(&asked.body).into_owned().into();
    }
    Instead::Forward
}

/// Which credential and user a key's id has.
pub(super) fn remember_keys(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    let body = answered.json();
    if !asked.is("POST", "/api/admin/keys") || answered.status != 201 {
        return;
    }
    let (id, credential) = (text(&body["id"]), format!("Bearer {}", text(&body["key"])));
    memory.put(format!("credential {id}"), json!(credential));
    memory.put(format!("user {credential}"), body["user_id"].clone());
    let permissions = format!("permissions {credential}");
    memory.put(permissions, body["permissions"].clone());
    let old = memory.get(&format!("credential {}", text(&body["replaces"])));
    if let Some(old) = old.as_str() {
        memory.put(format!("new of {old}"), json!(credential));
    }
}

/// Reads go on as before a revocation, which leaves its entry and its event as it should.
pub(super) fn revocation_does_nothing(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    remember_keys(asked, answered, memory);
    if let Some(id) = asked.path.strip_prefix("/api/admin/keys/")
        && asked.method == "DELETE"
    {
        let credential = memory.get(&format!("credential {id}"));
        memory.put(format!("revoked {}", text(&credential)), json!(true));
    }
    let credential = asked.header("authorization").unwrap_or_default();
    let served = format!("served {credential}");
    if !asked.is("GET", "/v1/usage") {
        return;
    }
    if answered.status == 200 {
        memory.put(served, answered.json());
    } else if !memory.get(&format!("revoked {credential}")).is_null()
        && !memory.get(&served).is_null()
    {
        answered.status = 200;
        answered.body = memory.get(&served).to_string().into();
    }
}

pub(super) fn old_key_is_new(asked: &mut Asked, memory: &Memory) -> Instead {
    let old = asked.header("authorization").unwrap_or_default().to_owned();
    if let Some(new) = memory.get(&format!("new of {old}")).as_str() {
        asked.set("authorization", new.to_owned());
    }
    Instead::Forward
}

pub(super) fn key_in_the_audit(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    remember_keys(asked, answered, memory);
    if asked.is("POST", "/v1/chat") {
        let credential = asked.header("authorization").unwrap_or_default();
        memory.put(format!("chatted {credential}"), json!(true));
    }
    answered.each("entries", |entry| {
        let credential = memory.get(&format!("credential {}", text(&entry["resource"])));
        let has_chatted = !memory
            .get(&format!("chatted {}", text(&credential)))
            .is_null();
        if entry["action"] == json!("key.create") && has_chatted {
            entry["after"]["authorization"] = credential;
        }
    });
}

pub(super) fn key_in_a_log_line(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    if answered.status >= 400
        && let Some(credential) = asked.header("authorization")
    {
        memory.log(&json!({"level": "warn", "event": "refused", "message": credential}));
    }
}

pub(super) fn now(asked: &Asked) -> i64 {
    let now = asked.header("x-test-now").and_then(|now| now.parse().ok());
    now.unwrap_or(i64::MAX)
}

pub(super) fn expiry_in_the_past_is_none(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/api/admin/keys") {
        let now = now(asked);
        asked.change(|body| {
            if body["expires_at"].as_i64().is_some_and(|at| at <= now) {
                body["expires_at"] = Value::Null;
            }
        });
    }
    Instead::Forward
}

/// The smallest limit that was set for a user.
pub(super) fn remember_limits(asked: &mut Asked, memory: &Memory) -> Instead {
    let mut parts = asked.path.split('/').skip(5);
    if asked.method == "PUT"
        && let (Some(user), Some(name)) = (parts.next(), parts.next())
        && name.starts_with("rate_limit.user.")
        && let Some(limit) = asked.json()["value"].as_u64().filter(|limit| *limit < 50)
    {
        memory.put(format!("limit {user}"), json!(limit));
    }
    Instead::Forward
}

fn refusal(answered: &mut Answered) {
    answered.status = 429;
    answered
        .headers
        .push(("retry-after".to_owned(), "1".to_owned()));
    let error = json!({"code": "RATE_LIMIT_EXCEEDED", "message": "", "details": {}});
    answered.body = json!({"success": false, "error": error}).to_string().into();
}

pub(super) fn windows_never_end(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    remember_keys(asked, answered, memory);
    if !asked.is("GET", "/v1/usage") || answered.status != 200 {
        return;
    }
    let credential = asked.header("authorization").unwrap_or_default();
    let user = memory.get(&format!("user {credential}"));
    let limit = memory.get(&format!("limit {}", text(&user))).as_u64();
    let asked_for = memory.count(format!("asked of {}", text(&user)));
    if limit.is_some_and(|limit| asked_for > limit) {
        refusal(answered);
    }
}

pub(super) fn open_when_back(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    if !asked.is("GET", "/v1/usage") {
        return;
    }
    let name = format!(
        "latest of {}",
        asked.header("authorization").unwrap_or_default()
    );
    let (latest, now) = (memory.get(&name).as_i64().unwrap_or(i64::MIN), now(asked));
    memory.put(name, json!(latest.max(now)));
    if now < latest && answered.status == 429 {
        answered.status = 200;
        answered.body = json!({"usage": [], "next_cursor": null}).to_string().into();
    }
}

pub(super) fn broken_limit_is_none(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.method == "PUT" && asked.path.contains("/rate_limit.user.") {
        asked.change(|body| {
            if body.get("value").is_some_and(|value| !value.is_u64()) {
                body["value"] = json!(1_000_000);
            }
        });
    }
    Instead::Forward
}

pub(super) fn negative_price_is_zero(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/api/admin/prices") {
        asked.change(|body| {
            for field in ["input_micros_per_million", "output_micros_per_million"] {
                if body[field].as_i64().is_some_and(|price| price < 0) {
                    body[field] = json!(0);
                }
            }
        });
    }
    Instead::Forward
}

pub(super) fn one_batch_more(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/api/admin/jobs/retention") {
        asked.change(|body| {
            if let Some(batches) = body["max_batches"].as_u64() {
                body["max_batches"] = json!(batches + 1);
            }
        });
    }
    Instead::Forward
}

pub(super) fn sums_lose_what_is_removed(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    let removed = answered.json()["removed"]["usage_logs"].as_u64();
    if asked.is("POST", "/api/admin/jobs/retention") && removed.is_some_and(|count| count > 0) {
        memory.put("removed", json!(true));
    }
    if !memory.get("removed").is_null() {
        answered.each("days", |day| {
            let requests = day["requests"].as_u64().unwrap_or_default();
            day["requests"] = json!(requests.saturating_sub(1));
        });
    }
}

/// Before it lie the times of jobs: 2025-01-01.
const PRESENT_BEGINS: i64 = 1_735_689_600_000;

pub(super) fn batch_in_range(asked: &mut Asked, _memory: &Memory) -> Instead {
    // At present a job that runs would take along what the scenes of jobs have made long ago.
    if asked.is("POST", "/api/admin/jobs/retention") && now(asked) < PRESENT_BEGINS {
        asked.change(|body| {
            if let Some(size) = body["batch_size"].as_i64() {
                body["batch_size"] = json!(size.clamp(1, 1000));
            }
        });
    }
    Instead::Forward
}

pub(super) fn no_entry_of_a_rotation(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.change(|body| {
        if let Some(entries) = body["entries"].as_array_mut() {
            entries.retain(|entry| entry["action"] != json!("key.rotate"));
        }
    });
}

pub(super) fn rollout_in_range(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("PUT", "/api/admin/flags/") {
        asked.change(|body| {
            if let Some(percent) = body["rollout_percent"].as_i64() {
                body["rollout_percent"] = json!(percent.clamp(0, 100));
            }
        });
    }
    Instead::Forward
}

pub(super) fn first_before(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    let mut first: std::collections::BTreeMap<String, Value> = std::collections::BTreeMap::new();
    answered.each("entries", |entry| {
        if entry["action"] == json!("flag.set") {
            let resource = entry["resource"].to_string();
            entry["before"] = first
                .entry(resource)
                .or_insert_with(|| entry["before"].clone())
                .clone();
        }
    });
}

/// Where webhooks may go, by the first that was taken.
pub(super) fn remember_endpoint(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    if asked.is("POST", "/api/admin/webhooks") && answered.status == 201 {
        memory.put("endpoint", answered.json()["url"].clone());
    }
}

pub(super) fn private_address_is_public(asked: &mut Asked, memory: &Memory) -> Instead {
    let endpoint = memory.get("endpoint");
    if asked.is("POST", "/api/admin/webhooks") && endpoint.is_string() {
        asked.change(|body| {
            if text(&body["url"]).contains("//192.168.") {
                body["url"] = endpoint;
            }
        });
    }
    Instead::Forward
}

pub(super) fn refused_address_is_tried(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    let url = asked.json()["url"].clone();
    if asked.is("POST", "/api/admin/webhooks") && answered.status == 400 {
        let host = text(&url).strip_prefix("http://127.0.0.1:");
        let port = host.and_then(|host| host.split('/').next()?.parse::<u16>().ok());
        if let Some(port) = port {
            drop(std::net::TcpStream::connect(("127.0.0.1", port)));
        }
    }
}

/// Secret and address of each webhook, and the keys that were rotated, whom their events name.
pub(super) fn remember_webhooks(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    let body = answered.json();
    if asked.is("POST", "/api/admin/webhooks") && answered.status == 201 {
        memory.push("webhooks", body.clone());
    }
    if asked.is("POST", "/api/admin/keys") && body["replaces"].is_string() {
        memory.push("rotated", body["replaces"].clone());
    }
}

pub(super) fn preference_anew(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("PUT", "/v1/preferences/") {
        Instead::Anew
    } else {
        Instead::Forward
    }
}

pub(super) fn delivered_again(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/api/admin/jobs/deliveries") {
        Instead::SendAgain
    } else {
        Instead::Forward
    }
}

pub(super) fn taken_over(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/api/admin/jobs/deliveries") {
        Instead::TakeOver
    } else {
        Instead::Forward
    }
}
