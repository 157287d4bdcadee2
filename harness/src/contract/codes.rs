//! The codes of errors. Never holds a code that the contract does not list.

/// Codes and their statuses, from the contract (ERR-003).
pub const CODES: [(&str, u16); 16] = [
    ("ACCESS_DENIED", 403),
    ("RATE_LIMIT_EXCEEDED", 429),
    ("TENANT_NOT_FOUND", 404),
    ("NOT_FOUND", 404),
    ("METHOD_NOT_ALLOWED", 405),
    ("INVALID_REQUEST", 400),
    ("INVALID_WORKLOAD", 400),
    ("PAYLOAD_TOO_LARGE", 413),
    ("CONFLICT", 409),
    ("SANDBOX_ID_CONFLICT", 409),
    ("CONFIGURATION_ERROR", 503),
    ("STORE_UNAVAILABLE", 503),
    ("AI_UPSTREAM_FAILED", 502),
    ("AI_UPSTREAM_TIMEOUT", 504),
    ("SANDBOX_ID_INVALID", 500),
    ("INTERNAL", 500),
];
