//! The routes of an API worker as `fixtures/shapes.md` has them, with what each asks and tells. Never knows a target's own.

/// What a successful answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// Nothing that is read.
    Nothing,
    /// One object of this kind.
    One(&'static str),
    /// A list of this name, whose elements are of this kind.
    List(&'static str, &'static str),
}

/// One route.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// The status of its success.
    pub(super) success: u16,
    /// The kind of the object that its body is.
    pub(super) asks: Option<&'static str>,
    pub(super) tells: Tells,
}

const fn route(
    (method, path): (&'static str, &'static str),
    success: u16,
    asks: Option<&'static str>,
    tells: Tells,
) -> Route {
    Route {
        method,
        path,
        success,
        asks,
        tells,
    }
}

const fn read(path: &'static str, tells: Tells) -> Route {
    route(("GET", path), 200, None, tells)
}

const fn made(path: &'static str, kind: &'static str) -> Route {
    route(("POST", path), 201, Some(kind), Tells::One(kind))
}

const fn set(path: &'static str, kind: &'static str) -> Route {
    route(("PUT", path), 200, Some(kind), Tells::One(kind))
}

const fn gone(path: &'static str) -> Route {
    route(("DELETE", path), 204, None, Tells::Nothing)
}

const fn job(path: &'static str) -> Route {
    route(("POST", path), 200, Some("job"), Tells::One("job"))
}

/// All of them.
pub(super) const ROUTES: &[Route] = &[
    route(
        ("POST", "/v1/chat/completions"),
        200,
        Some("chat"),
        Tells::Nothing,
    ),
    made("/v1/conversations", "conversation"),
    read(
        "/v1/conversations",
        Tells::List("conversations", "conversation"),
    ),
    read("/v1/conversations/{id}", Tells::One("conversation")),
    gone("/v1/conversations/{id}"),
    read(
        "/v1/conversations/{id}/messages",
        Tells::List("messages", "message"),
    ),
    read("/v1/usage", Tells::List("usage", "usage")),
    read("/v1/preferences", Tells::One("preferences")),
    set("/v1/preferences/{name}", "preference"),
    gone("/v1/preferences/{name}"),
    read("/v1/flags", Tells::One("flags")),
    read("/v1/flags/{name}", Tells::One("decision")),
    made("/v1/sessions", "session"),
    gone("/v1/sessions/{id}"),
    made("/api/admin/keys", "key"),
    read("/api/admin/keys", Tells::List("keys", "key")),
    read("/api/admin/keys/{id}", Tells::One("key")),
    route(
        ("POST", "/api/admin/keys/{id}/rotate"),
        201,
        None,
        Tells::One("key"),
    ),
    gone("/api/admin/keys/{id}"),
    made("/api/admin/prices", "price"),
    read("/api/admin/prices", Tells::List("prices", "price")),
    set(
        "/api/admin/preferences/{scope}/{subject}/{name}",
        "preference",
    ),
    gone("/api/admin/preferences/{scope}/{subject}/{name}"),
    set("/api/admin/flags/{name}", "flag"),
    read("/api/admin/flags", Tells::List("flags", "flag")),
    gone("/api/admin/flags/{name}"),
    made("/api/admin/webhooks", "webhook"),
    read("/api/admin/webhooks", Tells::List("webhooks", "webhook")),
    read("/api/admin/webhooks/{id}", Tells::One("webhook")),
    gone("/api/admin/webhooks/{id}"),
    read(
        "/api/admin/webhooks/{id}/deliveries",
        Tells::List("deliveries", "delivery"),
    ),
    read("/api/admin/audit", Tells::List("entries", "entry")),
    read("/api/admin/usage", Tells::List("usage", "usage")),
    read("/api/admin/statistics", Tells::List("days", "day")),
    set("/api/admin/retention", "retention"),
    job("/api/admin/jobs/statistics"),
    job("/api/admin/jobs/retention"),
    job("/api/admin/jobs/deliveries"),
    read("/api/admin/schema", Tells::One("schema")),
    read("/api/admin/metrics", Tells::List("metrics", "metric")),
];

/// The kinds of objects, with their fields. `query` is what stands behind the question mark, `refusal` the details of a refused request.
pub(super) const KINDS: &[(&str, &[&str])] = &[
    ("chat", &["conversation_id"]),
    (
        "conversation",
        &["id", "title", "created_at", "updated_at", "message_count"],
    ),
    (
        "message",
        &[
            "id",
            "position",
            "role",
            "content",
            "tool_calls",
            "tool_call_id",
            "created_at",
        ],
    ),
    (
        "usage",
        &[
            "id",
            "request_id",
            "user_id",
            "api_key_id",
            "conversation_id",
            "model",
            "input_tokens",
            "output_tokens",
            "cost_micros",
            "latency_ms",
            "created_at",
        ],
    ),
    ("preferences", &["preferences"]),
    ("preference", &["scope", "subject", "name", "value"]),
    ("flags", &["flags"]),
    ("decision", &["name", "enabled", "source"]),
    (
        "session",
        &["id", "token", "ttl_seconds", "expires_at", "created_at"],
    ),
    (
        "key",
        &[
            "id",
            "key",
            "user_id",
            "name",
            "prefix",
            "permissions",
            "expires_at",
            "quota_requests",
            "requests_used",
            "replaces",
            "revoked_at",
            "created_at",
        ],
    ),
    (
        "price",
        &[
            "id",
            "model",
            "input_micros_per_million",
            "output_micros_per_million",
            "valid_from",
            "valid_to",
            "created_at",
        ],
    ),
    (
        "flag",
        &[
            "name",
            "enabled",
            "rollout_percent",
            "environments",
            "users",
        ],
    ),
    (
        "webhook",
        &["id", "url", "secret", "events", "state", "created_at"],
    ),
    (
        "delivery",
        &[
            "id",
            "event_id",
            "event",
            "state",
            "attempts",
            "last_status",
            "next_attempt_at",
            "delivered_at",
            "created_at",
        ],
    ),
    (
        "entry",
        &[
            "id",
            "actor",
            "action",
            "resource",
            "before",
            "after",
            "request_id",
            "created_at",
        ],
    ),
    (
        "day",
        &[
            "date",
            "user_id",
            "model",
            "requests",
            "input_tokens",
            "output_tokens",
            "cost_micros",
        ],
    ),
    (
        "retention",
        &["usage_logs_days", "user_sessions_days", "rate_limits_days"],
    ),
    (
        "job",
        &[
            "batch_size",
            "max_batches",
            "days",
            "removed",
            "done",
            "attempted",
            "delivered",
            "failed",
            "pending",
        ],
    ),
    ("schema", &["version", "environment", "history"]),
    ("applied", &["file", "sha256", "applied_at"]),
    ("metric", &["name", "value", "created_at"]),
    (
        "query",
        &["from", "to", "limit", "cursor", "user_id", "model", "name"],
    ),
    ("refusal", &["subject", "window", "limit"]),
];

/// Fields that name something by a word of the contract.
pub(super) const WORDED: &[&str] = &[
    "action",
    "environment",
    "event",
    "events",
    "permissions",
    "resource",
    "scope",
    "source",
    "state",
    "subject",
    "window",
];

/// Whether any kind of object has this field.
pub(super) fn is_field(name: &str) -> bool {
    KINDS.iter().any(|(_, fields)| fields.contains(&name))
}

/// The fields of a kind of object; none of a kind that there is not.
pub(super) fn fields(kind: &str) -> &'static [&'static str] {
    let found = KINDS.iter().find(|(name, _)| *name == kind);
    found.map_or(&[], |(_, fields)| fields)
}

/// The segments of a path that stand for the placeholders of a route's, by name; `None` if it is no path of that route.
pub(super) fn filled<'p>(
    route: &'static str,
    path: &'p str,
) -> Option<Vec<(&'static str, &'p str)>> {
    let (mut wanted, mut given) = (route.split('/'), path.split('/'));
    let mut all = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(all),
            (Some(name), Some(segment)) if name.starts_with('{') => {
                all.push((name, segment));
            }
            (Some(word), Some(segment)) if word == segment => {}
            (None | Some(_), None | Some(_)) => return None,
        }
    }
}

/// The route of a request. One that asks for the head of an answer alone is that of the answer.
pub(super) fn of(method: &str, path: &str) -> Option<&'static Route> {
    let method = if method == "HEAD" { "GET" } else { method };
    let mut routes = ROUTES.iter();
    routes.find(|route| route.method == method && filled(route.path, path).is_some())
}
