//! Deviants of what a key may do, for how long, and who is told of it, and of streams that tell their usage again. Never wrong where a key is new and a stream tells it once.

use super::subtle::{now, remember_keys, text};
use super::{Answered, Asked, Deviant, Instead, Memory, requests};
use serde_json::{Value, json};

/// Those of API-001 and API-002.
pub(super) const RIGHTS: &[Deviant] = &[
    Deviant {
        breaks: "API-001",
        name: "of a stream that tells its usage again the first counts",
        on_request: requests::none,
        on_answer: first_usage_counts,
    },
    Deviant {
        breaks: "API-001",
        name: "what a stream tells of its usage is added up",
        on_request: requests::none,
        on_answer: usage_is_added_up,
    },
    Deviant {
        breaks: "API-002",
        name: "a rotation forgets the expiry",
        on_request: requests::none,
        on_answer: rotation_without_expiry,
    },
    Deviant {
        breaks: "API-002",
        name: "a key that replaces another outlives its expiry",
        on_request: before_its_expiry,
        on_answer: remember_expiry,
    },
    Deviant {
        breaks: "API-002",
        name: "whoever may read may delete",
        on_request: requests::none,
        on_answer: reader_deletes,
    },
    Deviant {
        breaks: "API-002",
        name: "whoever has a key may read flags",
        on_request: requests::none,
        on_answer: everybody_reads_flags,
    },
    Deviant {
        breaks: "API-002",
        name: "a session may read whatever its key may",
        on_request: requests::none,
        on_answer: sessions_read,
    },
    Deviant {
        breaks: "API-002",
        name: "a log line tells the key that a rotation made",
        on_request: requests::none,
        on_answer: new_key_in_a_log_line,
    },
    Deviant {
        breaks: "API-002",
        name: "the audit tells the key that replaces another",
        on_request: requests::none,
        on_answer: new_key_in_the_audit,
    },
    Deviant {
        breaks: "API-002",
        name: "the record of a delivery tells the key that its event made",
        on_request: requests::none,
        on_answer: new_keys_in_deliveries,
    },
];

/// What the frames of a stream tell of usage, in order: tokens in and out.
fn usage_told(asked: &Asked, answered: &Answered) -> Vec<[u64; 2]> {
    if !asked.is("POST", "/v1/chat") {
        return Vec::new();
    }
    let body = String::from_utf8_lossy(&answered.body);
    let frames = body.lines().filter_map(|line| line.strip_prefix("data: "));
    let frames = frames.filter_map(|frame| serde_json::from_str::<Value>(frame).ok());
    let counts = frames.filter_map(|frame| {
        let count = |name: &str| frame["usage"][name].as_u64();
        Some([count("prompt_tokens")?, count("completion_tokens")?])
    });
    counts.collect()
}

/// Lets usage rows of streams tell these counts.
fn counts_of_streams(
    asked: &Asked,
    answered: &mut Answered,
    memory: &Memory,
    count: fn(&[[u64; 2]]) -> [u64; 2],
) {
    let told = usage_told(asked, answered);
    if let Some(id) = answered.header("x-request-id")
        && told.len() > 1
    {
        memory.put(format!("counts {id}"), json!(count(&told)));
    }
    answered.each("usage", |row| {
        let counts = memory.get(&format!("counts {}", text(&row["request_id"])));
        if let Some([tokens_in, tokens_out]) = counts.as_array().map(Vec::as_slice) {
            row["input_tokens"] = tokens_in.clone();
            row["output_tokens"] = tokens_out.clone();
        }
    });
}

fn first_usage_counts(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    counts_of_streams(asked, answered, memory, |told| {
        told.first().copied().unwrap_or_default()
    });
}

fn usage_is_added_up(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    counts_of_streams(asked, answered, memory, |told| {
        [0, 1].map(|at| told.iter().map(|counts| counts[at]).sum())
    });
}

/// Whether a rotation was answered with its new key.
fn is_rotated(asked: &Asked, answered: &Answered) -> bool {
    asked.is("POST", "/api/admin/keys/") && answered.status == 201
}

fn rotation_without_expiry(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    if is_rotated(asked, answered) {
        answered.change(|key| key["expires_at"] = Value::Null);
    }
}

fn remember_expiry(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    if is_rotated(asked, answered) {
        let key = answered.json();
        let credential = format!("Bearer {}", text(&key["key"]));
        memory.put(format!("ends {credential}"), key["expires_at"].clone());
    }
}

fn before_its_expiry(asked: &mut Asked, memory: &Memory) -> Instead {
    let credential = asked.header("authorization").unwrap_or_default();
    let ends = memory.get(&format!("ends {credential}")).as_i64();
    if let Some(ends) = ends.filter(|ends| *ends <= now(asked)) {
        asked.set("x-test-now", (ends - 1).to_string());
    }
    Instead::Forward
}

/// Lets a request pass that was refused for want of a permission.
fn let_pass(answered: &mut Answered, status: u16, body: &Value) {
    if answered.status == 403 {
        answered.status = status;
        answered.body = if status == 204 {
            Vec::new().into()
        } else {
            body.to_string().into()
        };
    }
}

fn reader_deletes(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    remember_keys(asked, answered, memory);
    let credential = asked.header("authorization").unwrap_or_default();
    let permissions = memory.list(&format!("permissions {credential}"));
    if asked.is("DELETE", "/v1/") && permissions.contains(&json!("read")) {
        let is_no_limit = !asked.path.contains("/rate_limit.");
        if is_no_limit {
            let_pass(answered, 204, &Value::Null);
        }
    }
}

fn everybody_reads_flags(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    if asked.is("GET", "/v1/flags") {
        let_pass(answered, 200, &json!({"flags": {}}));
    }
}

fn sessions_read(asked: &Asked, answered: &mut Answered, _memory: &Memory) {
    let credential = asked.header("authorization").unwrap_or_default();
    if asked.is("GET", "/v1/") && credential.starts_with("Bearer mps_") {
        let_pass(answered, 200, &json!({}));
    }
}

fn new_key_in_a_log_line(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    if is_rotated(asked, answered) {
        let key = answered.json();
        memory.log(&json!({"level": "info", "event": "key_rotated", "message": key["key"]}));
    }
}

fn new_key_in_the_audit(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    remember_keys(asked, answered, memory);
    answered.each("entries", |entry| {
        let new = memory.get(&format!("credential {}", text(&entry["after"]["id"])));
        if entry["action"] == json!("key.rotate") && new.is_string() {
            entry["after"]["key"] = new;
        }
    });
}

fn new_keys_in_deliveries(asked: &Asked, answered: &mut Answered, memory: &Memory) {
    if is_rotated(asked, answered) {
        memory.push("made by rotations", answered.json()["key"].clone());
    }
    answered.each("deliveries", |record| {
        if record["event"] == json!("key.rotated") {
            record["keys"] = memory.get("made by rotations");
        }
    });
}
