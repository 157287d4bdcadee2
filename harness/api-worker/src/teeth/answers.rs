//! What deviants do to answers. Never to more than they name.

use super::{Answered, Asked, Memory};
use serde_json::{Value, json};

/// Nothing.
pub(super) fn none(_asked: &Asked, _answered: &mut Answered, _memory: &Memory) {}

/// Cost a micro-unit less than it is, as where a half is rounded down.
pub(super) fn cost_rounded_down(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.each("usage", |row| {
        if let Some(cost) = row["cost_micros"].as_u64().filter(|cost| *cost > 0) {
            row["cost_micros"] = json!(cost - 1);
        }
    });
}

/// Cost as a floating-point number would have it.
pub(super) fn cost_in_floating_point(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.each("usage", |row| {
        if let Some(cost) = row["cost_micros"].as_u64() {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "losing precision is what this deviant does"
            )]
            let lost = f64::from(cost as f32) as u64;
            row["cost_micros"] = json!(lost);
        }
    });
}

/// What has no cost costs 0.
pub(super) fn no_cost_is_zero(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.each("usage", |row| {
        if row["cost_micros"].is_null() {
            row["cost_micros"] = json!(0);
        }
    });
}

/// Every row costs what the newest one of its model costs, as where today's price is used.
pub(super) fn cost_of_today(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.change(|body| {
        let rows = body["usage"].as_array_mut();
        let mut newest = std::collections::BTreeMap::new();
        for row in rows.into_iter().flatten().rev() {
            let model = row["model"].to_string();
            let cost = newest
                .entry(model)
                .or_insert_with(|| row["cost_micros"].clone());
            row["cost_micros"] = cost.clone();
        }
    });
}

/// The history of prices shows the last one only.
pub(super) fn last_price_only(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.change(|body| {
        if let Some(prices) = body["prices"].as_array_mut() {
            let last = prices.pop();
            *prices = last.into_iter().collect();
        }
    });
}

/// A price that overlaps is said to be taken.
pub(super) fn overlap_taken(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    if asked.is("POST", "/api/admin/prices") && answered.status == 409 {
        answered.status = 201;
        answered.body = b"{\"id\":\"none\"}".to_vec().into();
    }
}

/// The last message of a conversation is missing.
pub(super) fn last_message_missing(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.change(|body| {
        if body["next_cursor"].is_null()
            && let Some(messages) = body["messages"].as_array_mut()
        {
            messages.pop();
        }
    });
}

/// Tool calls are not told.
pub(super) fn no_tool_calls(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.each("messages", |message| message["tool_calls"] = Value::Null);
}

/// Usage rows name no conversation.
pub(super) fn usage_without_conversation(
    _asked: &Asked,
    answered: &mut Answered,
    _memory: &Memory,
) {
    answered.each("usage", |row| row["conversation_id"] = Value::Null);
}

/// One usage row is told twice.
pub(super) fn usage_twice(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.change(|body| {
        if let Some(rows) = body["usage"].as_array_mut()
            && let Some(first) = rows.first().cloned()
        {
            rows.push(first);
        }
    });
}

/// An error tells the credential that it refuses.
pub(super) fn credential_in_errors(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    if answered.status >= 400
        && let Some(credential) = asked.header("authorization")
    {
        let credential = credential.to_owned();
        answered.change(|body| body["error"]["message"] = json!(format!("refused: {credential}")));
    }
}

/// A header echoes the credential in base64.
pub(super) fn credential_in_a_header(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    use base64::Engine as _;
    if let Some(credential) = asked.header("authorization") {
        let told = base64::engine::general_purpose::STANDARD.encode(credential);
        answered.headers.push(("x-debug".to_owned(), told));
    }
}

/// A key is shown whenever it is read.
pub(super) fn key_shown_again(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    let body = answered.json();
    if asked.is("POST", "/api/admin/keys") && body["key"].is_string() {
        memory.put(body["id"].as_str().unwrap_or_default(), body["key"].clone());
    }
    if asked.is("GET", "/api/admin/keys/") {
        let key = memory.get(body["id"].as_str().unwrap_or_default());
        answered.change(|body| body["key"] = key);
    }
}

/// Whoever was served once is served for ever.
pub(super) fn cached_for_ever(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    if !asked.is("GET", "/v1/usage") {
        return;
    }
    let name = asked.header("authorization").unwrap_or_default().to_owned();
    if answered.status == 200 {
        memory.put(name, answered.json());
    } else if answered.status == 401 && !memory.get(&name).is_null() {
        answered.status = 200;
        answered.body = memory.get(&name).to_string().into();
    }
}

/// Whoever was served is served once more after the end.
pub(super) fn one_request_more(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    let name = asked.header("authorization").unwrap_or_default();
    let is_late = answered.status == 401 && !memory.get(name).is_null();
    if !is_late || memory.count(format!("late {name}")) == 1 {
        cached_for_ever(asked, answered, memory);
    }
}

/// The wait is that of a minute, whatever is exceeded.
pub(super) fn wait_of_a_minute(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    for (name, value) in &mut answered.headers {
        if name == "retry-after" {
            *value = value
                .parse::<u64>()
                .map_or(1, |seconds| seconds % 60)
                .to_string();
        }
    }
}

/// The wait is one second too long.
pub(super) fn wait_too_long(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    for (name, value) in &mut answered.headers {
        if name == "retry-after" {
            *value = value
                .parse::<u64>()
                .map_or(1, |seconds| seconds + 1)
                .to_string();
        }
    }
}

/// Of the requests that a limit refuses every tenth is served.
pub(super) fn limit_leaks(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    if asked.is("GET", "/v1/usage")
        && answered.status == 429
        && memory.count("refused").is_multiple_of(10)
    {
        answered.status = 200;
    }
}

/// Statistics lose what has no tokens.
pub(super) fn statistics_without_nulls(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.each("days", |day| {
        if let Some(requests) = day["requests"].as_u64().filter(|requests| *requests > 1) {
            day["requests"] = json!(requests - 1);
        }
    });
}

/// After retention statistics are empty.
pub(super) fn statistics_go_with_the_rows(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    if asked.is("POST", "/api/admin/jobs/retention") {
        memory.put("retained", json!(true));
    }
    if !memory.get("retained").is_null() {
        answered.change(|body| {
            if body["days"].is_array() {
                body["days"] = json!([]);
            }
        });
    }
}

/// Retention is done after one batch.
pub(super) fn done_at_once(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    if asked.is("POST", "/api/admin/jobs/retention") {
        answered.change(|body| body["done"] = json!(true));
    }
}

/// No entry tells of a flag that was deleted.
pub(super) fn no_entry_of_a_deletion(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.change(|body| {
        if let Some(entries) = body["entries"].as_array_mut() {
            entries.retain(|entry| entry["action"] != json!("flag.delete"));
        }
    });
}

/// Every entry is told twice.
pub(super) fn entries_twice(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.change(|body| {
        if let Some(entries) = body["entries"].as_array_mut() {
            let again = entries.clone();
            entries.extend(again);
        }
    });
}

/// Entries tell nothing of what was before.
pub(super) fn no_before(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.each("entries", |entry| entry["before"] = Value::Null);
}

/// A flag is on and off by turns.
pub(super) fn flag_flips(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    if asked.is("GET", "/v1/flags") {
        let user = asked.header("authorization").unwrap_or_default().to_owned();
        if memory.count(user) > 8 {
            answered.change(|body| {
                if let Some(enabled) = body["enabled"].as_bool() {
                    body["enabled"] = json!(!enabled);
                }
                for enabled in body["flags"]
                    .as_object_mut()
                    .into_iter()
                    .flat_map(|flags| flags.values_mut())
                {
                    *enabled = json!(enabled != &json!(true));
                }
            });
        }
    }
}

/// A null preference is none.
pub(super) fn null_is_nothing(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    if asked.is("GET", "/v1/preferences") {
        answered.change(|body| {
            if let Some(all) = body["preferences"].as_object_mut() {
                all.retain(|_, value| !value.is_null());
            }
        });
    }
}

/// The secret that is shown is another one than deliveries are signed by.
pub(super) fn other_secret(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    if asked.is("POST", "/api/admin/webhooks") {
        answered.change(|body| {
            if body["secret"].is_string() {
                body["secret"] = json!("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
            }
        });
    }
}

/// A delivery that has failed is told as pending for ever.
pub(super) fn never_failed(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.each("deliveries", |one| {
        if one["state"] == json!("failed") {
            one["state"] = json!("pending");
        }
    });
}

/// A webhook whose endpoint is dead is told as active.
pub(super) fn always_active(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    if asked.is("GET", "/api/admin/webhooks/") {
        answered.change(|body| {
            if body["state"] == json!("failing") {
                body["state"] = json!("active");
            }
        });
    }
}

/// Deliveries are not recorded.
pub(super) fn no_records(_asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    answered.change(|body| {
        if body["deliveries"].is_array() {
            body["deliveries"] = json!([]);
        }
    });
}
