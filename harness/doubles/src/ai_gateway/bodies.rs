//! The bodies AI Gateway and Workers AI send, as documented or captured. It never reads a request.

use serde_json::{Value, json};

use super::reply::ErrorDialect;

pub(super) fn usage(tokens_in: u64, tokens_out: u64) -> Value {
    json!({
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in.saturating_add(tokens_out),
    })
}

/// An `OpenAI` chat completion; the empty `model` is filled in when the request is known.
pub(super) fn chat(text: &str, finish_reason: &str, tokens_in: u64, tokens_out: u64) -> Value {
    let mut body = chat_with_usage(usage(tokens_in, tokens_out));
    body["choices"][0]["message"]["content"] = text.into();
    body["choices"][0]["finish_reason"] = finish_reason.into();
    body
}

pub(super) fn chat_with_usage(usage: Value) -> Value {
    let mut body = chat_without_usage();
    body["usage"] = usage;
    body
}

pub(super) fn chat_without_usage() -> Value {
    json!({
        "id": "chatcmpl-double",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "Hello."},
            "finish_reason": "stop",
        }],
    })
}

/// The native body in its envelope.
pub(super) fn native(text: &str, tokens_in: u64, tokens_out: u64) -> Value {
    json!({
        "result": native_result(text, tokens_in, tokens_out),
        "success": true,
        "errors": [],
        "messages": [],
    })
}

/// The native body as the binding gives it.
pub(super) fn native_result(text: &str, tokens_in: u64, tokens_out: u64) -> Value {
    json!({"response": text, "usage": usage(tokens_in, tokens_out)})
}

pub(super) fn success_false() -> Value {
    let mut body = native("", 7, 3);
    body["success"] = false.into();
    body
}

pub(super) fn error_payload(dialect: ErrorDialect) -> Value {
    let (key, error) = match dialect {
        ErrorDialect::ErrorObject => (
            "error",
            json!({"message": "Inference failed", "type": "server_error", "code": "inference_failed"}),
        ),
        ErrorDialect::ErrorArray => (
            "error",
            json!([{"code": 2002, "message": "Failed to parse model output"}]),
        ),
        ErrorDialect::Errors => (
            "errors",
            json!([{"code": 3043, "message": "Internal server error"}]),
        ),
    };
    let mut body = chat("", "stop", 7, 3);
    body[key] = error;
    body
}

/// The gateway's own error: `error`, singular, an array.
pub(super) fn gateway_error(code: u32, http: u16, message: &str) -> Value {
    let mut body = gateway_error_short(code, message);
    body["name"] = "AiGatewayError".into();
    body["httpCode"] = http.into();
    body["internalCode"] = code.into();
    body["message"] = message.into();
    body["description"] = message.into();
    body
}

pub(super) fn gateway_error_short(code: u32, message: &str) -> Value {
    json!({
        "success": false,
        "result": [],
        "messages": [],
        "error": [{"code": code, "message": message}],
    })
}

pub(super) fn provider_error(code: u32, message: &str) -> Value {
    json!({
        "result": null,
        "success": false,
        "errors": [{"code": code, "message": message}],
        "messages": [],
    })
}

/// The Workers AI error that fits a status; codes from its error table.
pub(super) fn provider_error_for(status: u16) -> (u32, &'static str) {
    match status {
        400 => (5006, "Error: required properties at '/' are 'messages'"),
        401 | 403 => (10_000, "Authentication error"),
        404 => (3042, "Model not found"),
        408 => (3007, "Timeout"),
        413 => (3006, "Request too large"),
        429 => (3040, "Capacity temporarily exceeded, please try again."),
        _ => (3043, "Internal server error"),
    }
}
