//! What deviants do to requests. Never to more than they name.

use super::{Answered, Asked, Instead, Memory};
use serde_json::{Value, json};

/// Nothing.
pub(super) fn none(_asked: &mut Asked, _memory: &Memory) -> Instead {
    Instead::Forward
}

pub(super) fn ok(body: &Value) -> Instead {
    Instead::Answer(Answered {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into(),
    })
}

fn shift(asked: &mut Asked, ms: i64) {
    let now = asked
        .header("x-test-now")
        .and_then(|now| now.parse::<i64>().ok());
    if let Some(now) = now {
        asked.set("x-test-now", (now + ms).to_string());
    }
}

/// Whether the time of a request is a whole number of these units, as the ends of windows are and those of keys hardly ever.
fn is_whole(asked: &Asked, unit: i64) -> bool {
    let now = asked.header("x-test-now");
    now.and_then(|now| now.parse::<i64>().ok())
        .is_some_and(|now| now % unit == 0)
}

/// Users' reading requests come one millisecond early, but not at a whole second, where waits for windows change: whatever else ends at an instant ends after it.
pub(super) fn key_ends_late(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("GET", "/v1/") && !is_whole(asked, 1_000) {
        shift(asked, -1);
    }
    Instead::Forward
}

/// Users' reading requests at the end of a window come one millisecond early: they are still within it.
pub(super) fn window_ends_late(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("GET", "/v1/") && is_whole(asked, 60_000) {
        shift(asked, -1);
    }
    Instead::Forward
}

/// A message's content is sent in capitals.
pub(super) fn system_message_lost(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/v1/chat") {
        asked.change(|body| {
            if let Some(messages) = body["messages"].as_array_mut()
                && messages.len() > 1
            {
                messages.swap(0, 1);
            }
        });
    }
    Instead::Forward
}

/// Every chat of a conversation goes on twice; others do not, since quotas, sums and events would tell of them, too.
pub(super) fn chats_twice(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/v1/chat") && asked.json()["conversation_id"].is_string() {
        Instead::Twice
    } else {
        Instead::Forward
    }
}

/// The conversation of a chat is forgotten.
pub(super) fn conversation_forgotten(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/v1/chat") {
        asked.change(|body| {
            if let Some(body) = body.as_object_mut() {
                body.remove("conversation_id");
            }
        });
    }
    Instead::Forward
}

/// A key gets all permissions.
pub(super) fn all_permissions(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/api/admin/keys") {
        asked.change(|body| {
            if body["permissions"].is_array() {
                body["permissions"] = json!(["chat", "read", "write"]);
            }
        });
    }
    Instead::Forward
}

/// A quota is one too large.
pub(super) fn quota_one_too_large(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/api/admin/keys") {
        asked.change(|body| {
            if let Some(quota) = body["quota_requests"].as_u64() {
                body["quota_requests"] = json!(quota + 1);
            }
        });
    }
    Instead::Forward
}

/// Limits are one larger than they were set.
pub(super) fn limit_one_too_large(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.method == "PUT" && asked.path.contains("/rate_limit.") {
        asked.change(|body| {
            if let Some(limit) = body["value"].as_i64() {
                body["value"] = json!(limit + 1);
            }
        });
    }
    Instead::Forward
}

/// Every second reading request comes from another address.
pub(super) fn address_forgotten(asked: &mut Asked, memory: &Memory) -> Instead {
    if asked.is("GET", "/v1/") {
        let nth = memory.count("requests");
        asked.set("cf-connecting-ip", format!("198.51.100.{}", nth % 250));
    }
    Instead::Forward
}

/// The day's limit is one that nobody reaches.
pub(super) fn no_day(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.method == "PUT" && asked.path.ends_with("/rate_limit.user.day") {
        asked.change(|body| {
            if body["value"].is_i64() {
                body["value"] = json!(1_000_000);
            }
        });
    }
    Instead::Forward
}

/// A new price counts an hour early.
pub(super) fn price_early(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/api/admin/prices") {
        asked.change(|body| {
            if let Some(from) = body["valid_from"].as_i64() {
                body["valid_from"] = json!(from + 1);
            }
        });
    }
    Instead::Forward
}

/// Moves the time of retention, where usage is kept for less than a month: elsewhere it is the audit that would tell of another time.
fn shift_retention(asked: &mut Asked, memory: &Memory, ms: i64) -> Instead {
    if asked.is("PUT", "/api/admin/retention") {
        memory.put("days kept", asked.json()["usage_logs_days"].clone());
    }
    let days = memory.get("days kept").as_u64();
    if asked.is("POST", "/api/admin/jobs/retention") && days.is_some_and(|days| days < 30) {
        shift(asked, ms);
    }
    Instead::Forward
}

/// Retention has a boundary one millisecond later.
pub(super) fn retention_one_instant_more(asked: &mut Asked, memory: &Memory) -> Instead {
    shift_retention(asked, memory, 1)
}

/// Retention has a boundary one millisecond earlier.
pub(super) fn retention_one_instant_less(asked: &mut Asked, memory: &Memory) -> Instead {
    shift_retention(asked, memory, -1)
}

/// Retention knows no batches. What is refused for its batches is refused still: run at present, it would take along what is of long ago.
pub(super) fn no_batches(asked: &mut Asked, _memory: &Memory) -> Instead {
    let size = asked.json()["batch_size"].as_u64();
    if asked.is("POST", "/api/admin/jobs/retention") && size.is_some_and(|size| size > 0) {
        asked.body = b"{}".to_vec();
    }
    Instead::Forward
}

/// Days are summed on which somebody still chats; on others the audit would tell of another time.
pub(super) fn statistics_of_today(asked: &mut Asked, memory: &Memory) -> Instead {
    let now = asked.header("x-test-now").and_then(|now| now.parse().ok());
    let day = format!("chatted on {}", now.unwrap_or(0_i64).div_euclid(86_400_000));
    if asked.is("POST", "/v1/chat") {
        memory.put(day, json!(true));
    } else if asked.is("POST", "/api/admin/jobs/statistics") && !memory.get(&day).is_null() {
        shift(asked, 86_400_000);
    }
    Instead::Forward
}

/// A flag is stored without its environments.
pub(super) fn no_environments(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("PUT", "/api/admin/flags/") {
        asked.change(|body| {
            if let Some(body) = body.as_object_mut() {
                body.remove("environments");
            }
        });
    }
    Instead::Forward
}

/// A rollout is one percent larger.
pub(super) fn rollout_one_too_large(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("PUT", "/api/admin/flags/") {
        asked.change(|body| {
            if let Some(percent) = body["rollout_percent"].as_u64() {
                body["rollout_percent"] = json!((percent + 1).min(100));
            }
        });
    }
    Instead::Forward
}

/// The environment's preferences are the default's.
pub(super) fn environment_is_default(asked: &mut Asked, _memory: &Memory) -> Instead {
    asked.path = asked.path.replace(
        "/preferences/environment/production/",
        "/preferences/default/-/",
    );
    Instead::Forward
}

/// Due deliveries are tried thirty seconds early.
pub(super) fn deliveries_early(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/api/admin/jobs/deliveries") {
        shift(asked, 1);
    }
    Instead::Forward
}

/// The job of deliveries does nothing.
pub(super) fn deliveries_never(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/api/admin/jobs/deliveries") {
        return ok(&json!({"attempted": 0, "delivered": 0, "failed": 0, "pending": 0}));
    }
    Instead::Forward
}

/// A webhook hears of every event.
pub(super) fn every_event(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.is("POST", "/api/admin/webhooks") {
        asked.change(|body| {
            if body["events"].is_array() {
                body["events"] = json!([
                    "key.created",
                    "key.rotated",
                    "key.revoked",
                    "chat.completed",
                    "price.created"
                ]);
            }
        });
    }
    Instead::Forward
}
