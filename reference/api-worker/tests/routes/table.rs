//! The table of routes, each with a body that is right. Never asks one.

use serde_json::{Value, json};

/// Every route with a body that is right; `{}` in a path stands for an id or a name.
pub(crate) fn routes() -> Vec<(&'static str, &'static str, Value)> {
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": false, "conversation_id": "c"});
    let key = json!({"user_id": "u", "name": "n", "permissions": ["read"], "expires_at": 4_000_000_000_000_i64, "quota_requests": 1});
    let price = json!({"model": "p", "input_micros_per_million": 1, "output_micros_per_million": 1, "valid_from": 4_000_000_000_000_i64});
    let flag = json!({"enabled": true, "rollout_percent": 5, "environments": {"staging": true}, "users": {"u": false}});
    let days = json!({"usage_logs_days": 5, "user_sessions_days": 5, "rate_limits_days": 5});
    let none = Value::Null;
    vec![
        ("POST", "/v1/chat/completions", chat),
        ("POST", "/v1/conversations", json!({"title": "x"})),
        ("GET", "/v1/conversations", none.clone()),
        ("GET", "/v1/conversations/{}", none.clone()),
        ("DELETE", "/v1/conversations/{}", none.clone()),
        ("GET", "/v1/conversations/{}/messages", none.clone()),
        ("GET", "/v1/usage", none.clone()),
        ("GET", "/v1/preferences", none.clone()),
        ("PUT", "/v1/preferences/{}", json!({"value": 1})),
        ("DELETE", "/v1/preferences/{}", none.clone()),
        ("GET", "/v1/flags", none.clone()),
        ("GET", "/v1/flags/{}", none.clone()),
        ("POST", "/v1/sessions", json!({"ttl_seconds": 60})),
        ("DELETE", "/v1/sessions/{}", none.clone()),
        ("POST", "/api/admin/keys", key),
        ("GET", "/api/admin/keys", none.clone()),
        ("GET", "/api/admin/keys/{}", none.clone()),
        ("POST", "/api/admin/keys/{}/rotate", json!({})),
        ("DELETE", "/api/admin/keys/{}", none.clone()),
        ("POST", "/api/admin/prices", price),
        ("GET", "/api/admin/prices", none.clone()),
        (
            "PUT",
            "/api/admin/preferences/{}/{}/{}",
            json!({"value": 1}),
        ),
        ("DELETE", "/api/admin/preferences/{}/{}/{}", none.clone()),
        ("PUT", "/api/admin/flags/{}", flag),
        ("GET", "/api/admin/flags", none.clone()),
        ("DELETE", "/api/admin/flags/{}", none.clone()),
        (
            "POST",
            "/api/admin/webhooks",
            json!({"url": "https://example.com/", "events": ["key.created"]}),
        ),
        ("GET", "/api/admin/webhooks", none.clone()),
        ("GET", "/api/admin/webhooks/{}", none.clone()),
        ("DELETE", "/api/admin/webhooks/{}", none.clone()),
        ("GET", "/api/admin/webhooks/{}/deliveries", none.clone()),
        ("GET", "/api/admin/audit", none.clone()),
        ("GET", "/api/admin/usage", none.clone()),
        ("GET", "/api/admin/statistics", none.clone()),
        ("PUT", "/api/admin/retention", days),
        ("POST", "/api/admin/jobs/statistics", json!({})),
        (
            "POST",
            "/api/admin/jobs/retention",
            json!({"batch_size": 5, "max_batches": 1}),
        ),
        ("POST", "/api/admin/jobs/deliveries", json!({})),
        ("GET", "/api/admin/schema", none.clone()),
        ("GET", "/api/admin/metrics", none),
    ]
}
