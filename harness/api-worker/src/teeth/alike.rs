//! Deviants that take for one what only looks so, and for two what is one: keys of one user, addresses, values, sessions, endpoints.
//! Never wrong where there is nothing alike.

use super::subtle::{remember_keys, text};
use super::{Answered, Asked, Deviant, Instead, Memory, answers, requests};
use serde_json::{Value, json};

/// Those of API-002, API-003, API-009 and API-010.
pub(super) const ALIKE: &[Deviant] = &[
    Deviant {
        breaks: "API-002",
        name: "a session is ended by the key that began it alone, whatever is told",
        on_request: ended_by_its_own_key,
        on_answer: remember_sessions,
    },
    Deviant {
        breaks: "API-002",
        name: "a rotated key's lifetime is counted anew",
        on_request: requests::none,
        on_answer: lives_longer,
    },
    Deviant {
        breaks: "API-002",
        name: "whoever asks for the head alone needs no permission",
        on_request: head_is_free,
        on_answer: answers::none,
    },
    Deviant {
        breaks: "API-003",
        name: "a session has no windows of its user",
        on_request: requests::none,
        on_answer: session_is_unlimited,
    },
    Deviant {
        breaks: "API-003",
        name: "where the limit is 0 the refusal fails",
        on_request: remember_zero,
        on_answer: zero_fails,
    },
    Deviant {
        breaks: "API-003",
        name: "an address is what True-Client-IP says",
        on_request: true_client_ip,
        on_answer: answers::none,
    },
    Deviant {
        breaks: "API-009",
        name: "a value that SQL holds for equal is not set",
        on_request: equal_values,
        on_answer: answers::none,
    },
    Deviant {
        breaks: "API-009",
        name: "members of the default's object shine through the user's",
        on_request: requests::none,
        on_answer: objects_are_merged,
    },
    Deviant {
        breaks: "API-009",
        name: "a rollout decides by the session",
        on_request: requests::none,
        on_answer: decided_by_session,
    },
    Deviant {
        breaks: "API-010",
        name: "a webhook whose endpoint never answered stays active",
        on_request: requests::none,
        on_answer: never_answered_is_active,
    },
];

fn credential(asked: &Asked) -> String {
    asked.header("authorization").unwrap_or_default().to_owned()
}

fn remember_sessions(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    remember_keys(asked, answered, memory);
    if asked.is("POST", "/v1/sessions") && answered.status == 201 {
        let id = answered.json()["id"].clone();
        memory.put(format!("began {}", text(&id)), json!(credential(asked)));
    }
}

fn ended_by_its_own_key(asked: &mut Asked, memory: &Memory) -> Instead {
    let Some(id) = asked.path.strip_prefix("/v1/sessions/") else {
        return Instead::Forward;
    };
    let (own, began) = (credential(asked), memory.get(&format!("began {id}")));
    let user = |of: &str| memory.get(&format!("user {of}"));
    let is_the_users = user(&own).is_string() && user(&own) == user(text(&began));
    let permissions = memory.get(&format!("permissions {own}"));
    let may_write = permissions
        .as_array()
        .is_some_and(|all| all.contains(&json!("write")));
    if asked.method == "DELETE" && is_the_users && may_write && text(&began) != own {
        return Instead::Answer(Answered {
            status: 204,
            headers: Vec::new(),
            body: Vec::new().into(),
        });
    }
    Instead::Forward
}

fn lives_longer(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    if asked.method == "POST" && asked.path.ends_with("/rotate") && answered.status == 201 {
        answered.change(|body| {
            // By as much as has passed since: an hour here, whatever it was.
            if let Some(ends) = body["expires_at"].as_i64() {
                body["expires_at"] = json!(ends + 3_600_000);
            }
        });
    }
}

fn head_is_free(asked: &mut Asked, _memory: &Memory) -> Instead {
    if asked.method == "HEAD" && asked.path.starts_with("/v1/") {
        return Instead::Answer(Answered {
            status: 200,
            headers: Vec::new(),
            body: Vec::new().into(),
        });
    }
    Instead::Forward
}

fn session_is_unlimited(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    let by = credential(asked);
    let is_session = !by.is_empty() && !by.starts_with("Bearer mpk_");
    let is_users = answered.json()["error"]["details"]["subject"] == json!("user");
    if asked.is("GET", "/v1/usage") && is_session && answered.status == 429 && is_users {
        answered.status = 200;
        answered.body = json!({"usage": [], "next_cursor": null}).to_string().into();
    }
}

fn remember_zero(asked: &mut Asked, memory: &Memory) -> Instead {
    if asked.is("PUT", "/api/admin/preferences/user/") && asked.json()["value"] == json!(0) {
        memory.put("a limit of 0", json!(true));
    }
    Instead::Forward
}

fn zero_fails(_asked: &Asked, answered: &mut Answered, memory: &Memory) {
    let is_zero = answered.json()["error"]["details"]["limit"] == json!(0);
    if memory.get("a limit of 0") == json!(true) && answered.status == 429 && is_zero {
        answered.status = 500;
        answered.change(|body| body["error"]["code"] = json!("INTERNAL"));
    }
}

fn true_client_ip(asked: &mut Asked, _memory: &Memory) -> Instead {
    if let Some(ip) = asked.header("true-client-ip").map(str::to_owned) {
        asked.set("cf-connecting-ip", ip);
    }
    Instead::Forward
}

/// A value as SQL has it when it is unpacked from JSON.
fn unpacked(value: &Value) -> String {
    match value {
        Value::Bool(flag) => i64::from(*flag).to_string(),
        Value::String(text) => text.clone(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn equal_values(asked: &mut Asked, memory: &Memory) -> Instead {
    if !asked.is("PUT", "/api/admin/preferences/") {
        return Instead::Forward;
    }
    let (page, body) = (format!("set {}", asked.path), asked.json());
    let (before, value) = (memory.get(&page), &body["value"]);
    let is_alike = !before.is_null() && before != *value && unpacked(&before) == unpacked(value);
    if is_alike {
        // Told as it was asked for, and left as it was.
        return requests::ok(&body);
    }
    memory.put(page, value.clone());
    Instead::Forward
}

fn objects_are_merged(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    let default = asked.path.strip_prefix("/api/admin/preferences/default/-/");
    if let Some(name) = default.filter(|_| asked.method == "PUT") {
        memory.put(format!("default {name}"), asked.json()["value"].clone());
    }
    if !asked.is("GET", "/v1/preferences") {
        return;
    }
    answered.change(|body| {
        let all = body["preferences"].as_object_mut();
        for (name, value) in all.into_iter().flatten() {
            let below = memory.get(&format!("default {name}"));
            if let (Some(own), Some(below)) = (value.as_object_mut(), below.as_object()) {
                for (member, value) in below {
                    own.entry(member).or_insert_with(|| value.clone());
                }
            }
        }
    });
}

fn decided_by_session(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    let credential = credential(asked);
    let is_session = !credential.starts_with("Bearer mpk_");
    let is_odd = credential.bytes().map(u32::from).sum::<u32>() % 2 == 1;
    if asked.is("GET", "/v1/flags/") && is_session && is_odd {
        answered.change(|body| {
            if let Some(enabled) = body["enabled"].as_bool() {
                body["enabled"] = json!(!enabled);
            }
        });
    }
}

fn never_answered_is_active(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    let Some(rest) = asked.path.strip_prefix("/api/admin/webhooks/") else {
        return;
    };
    let id = rest.split(['/', '?']).next().unwrap_or_default();
    let page = format!("never answered {id}");
    let is_silent = |record: &Value| record["state"] == "failed" && record["last_status"].is_null();
    if answered.json()["deliveries"]
        .as_array()
        .is_some_and(|records| records.iter().any(is_silent))
    {
        memory.put(page, json!(true));
    } else if asked.method == "GET" && !memory.get(&page).is_null() {
        answered.change(|body| {
            if body["state"] == "failing" {
                body["state"] = json!("active");
            }
        });
    }
}
