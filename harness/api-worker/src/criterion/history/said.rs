//! What rows of history say, and what else they could say. Never names a column that the contract does not.

/// What a row of history says, by table: columns of the contract, each with something else in its place.
pub(super) const HISTORY: [(&str, &[(&str, &str)]); 5] = [
    (
        "usage_logs",
        &[
            ("model", "model || 'x'"),
            ("request_id", "request_id || 'x'"),
            ("input_tokens", "coalesce(input_tokens, 0) + 1"),
            ("output_tokens", "coalesce(output_tokens, 0) + 1"),
            ("cost_micros", "coalesce(cost_micros, 0) + 1"),
            ("latency_ms", "latency_ms + 1"),
        ],
    ),
    (
        "messages",
        &[
            (
                "role",
                "CASE role WHEN 'user' THEN 'assistant' ELSE 'user' END",
            ),
            (
                "content",
                "CASE content WHEN '\"x\"' THEN '\"y\"' ELSE '\"x\"' END",
            ),
            ("position", "position + 1000"),
        ],
    ),
    (
        "model_pricing",
        &[
            ("model", "model || 'x'"),
            ("input_micros_per_million", "input_micros_per_million + 1"),
            ("output_micros_per_million", "output_micros_per_million + 1"),
            ("valid_from", "valid_from - 1"),
        ],
    ),
    (
        "daily_usage_stats",
        &[
            ("requests", "requests + 1"),
            ("input_tokens", "input_tokens + 1"),
            ("output_tokens", "output_tokens + 1"),
            ("cost_micros", "cost_micros + 1"),
        ],
    ),
    (
        "audit_logs",
        &[
            ("actor", "actor || 'x'"),
            (
                "action",
                "CASE action WHEN 'key.create' THEN 'key.revoke' ELSE 'key.create' END",
            ),
            ("resource", "resource || 'x'"),
            ("before", "'{\"x\":1}'"),
            ("after", "'{\"x\":1}'"),
            ("request_id", "request_id || 'x'"),
        ],
    ),
];
