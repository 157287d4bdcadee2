//! What an error must not show: signs of the inside. Never knows which backend it looks at.

use crate::evidence::Exchange;
use regex::{Regex, RegexBuilder};
use std::sync::LazyLock;

/// Kinds of signs, and how each is recognised. Every pattern names something that no caller of an API needs to read.
const SIGNS: [(&str, &str); 14] = [
    (
        "a stack frame of JavaScript",
        r"\bat [^\n]{0,120}\.(js|mjs|cjs|ts|tsx|jsx):\d+:\d+|\bat [^\n]{0,80}\([^\s()]+:\d+:\d+\)",
    ),
    (
        "a stack trace",
        r"stack ?backtrace|Traceback \(most recent|thread '[^']*' panicked|panicked at|\bgoroutine \d+",
    ),
    (
        "a place in source code",
        r"\b[\w./-]+\.(rs|tsx?|jsx?|mjs|cjs|py|go|java):\d+",
    ),
    (
        "a file path",
        r"(?:^|[\s\x22'`(=:])/(home|usr|var|tmp|etc|root|opt|srv|proc|dev|mnt|Users|private|workspace|app/src|bundle)/[\w.-]",
    ),
    (
        "a file path",
        r"\b[A-Z]:\\{1,2}(Users|Windows|Program|src|app|work)|file:///|node_modules|\.cargo/registry|\.wrangler",
    ),
    (
        "SQL",
        r"(?-i:\b(SELECT\s.{1,200}\sFROM|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE|DROP\s+TABLE)\b)|\bselect\s+(\*|count\()|\binsert\s+(or\s+\w+\s+)?into\s+\w+\s*\(",
    ),
    (
        "an error of the database",
        r"SQLITE_?\w*|\bD1_\w*ERROR|\bD1 DB\b|no such (table|column)|constraint failed|syntax error near|database is locked|rusqlite|sqlx",
    ),
    (
        "an error of the connection",
        r"Network connection lost|ECONNREFUSED|ECONNRESET|Connection refused|os error \d+|reqwest|hyper::",
    ),
    (
        "a JSON Web Token",
        r"(?-i:\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})",
    ),
    ("a bearer token", r"Bearer\s+[A-Za-z0-9._~+/-]{16,}"),
    ("a private key", r"-----BEGIN [A-Z ]+-----"),
    (
        "an API key",
        r"(?-i:\b(sk-[A-Za-z]{2,}-[A-Za-z0-9-]{16,}|mpk-[a-f0-9]{16,}|AKIA[0-9A-Z]{16}|xox[bp]-[\w-]{10,}|gh[pousr]_\w{20,}))",
    ),
    (
        "the name of an exception",
        r"(?-i:\b(TypeError|ReferenceError|SyntaxError|RangeError|AiGatewayError|InferenceUpstreamError|NullPointerException)\b)",
    ),
    (
        "a debug rendering",
        r"(?-i:\b(Some|Ok|Err)\(|Error \{ |\bkind: [A-Z]\w+,)",
    ),
];

static PATTERNS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "patterns are constants of this file, compiled by its tests"
    )]
    let compile = |pattern: &str| {
        RegexBuilder::new(pattern)
            .case_insensitive(true)
            .dot_matches_new_line(true)
            .build()
            .expect("a sign is a regular expression")
    };
    SIGNS
        .iter()
        .map(|(kind, pattern)| (*kind, compile(pattern)))
        .collect()
});

/// What an error tells of the inside: kind and text of each sign.
/// A text that the caller sent itself, in path, host, headers or body, is no sign: it tells nothing new.
#[must_use]
pub fn signs(answer: &Exchange) -> Vec<String> {
    let sent = sent_by_caller(answer);
    let shown = std::iter::once(plain(&answer.text()))
        .chain(answer.headers.iter().map(|(_, value)| value.clone()));
    let mut found = Vec::new();
    for text in shown {
        for (kind, pattern) in &*PATTERNS {
            found.extend(
                pattern
                    .find_iter(&text)
                    .map(|hit| hit.as_str().trim())
                    .filter(|hit| !sent.contains(&hit.to_lowercase()))
                    .map(|hit| format!("{kind}: `{}`", crate::evidence::cut(hit, 120))),
            );
        }
    }
    found
}

/// A JSON body's texts without their escapes, else the body as it is.
fn plain(body: &str) -> String {
    body.replace("\\n", "\n").replace("\\\"", "\"")
}

fn sent_by_caller(answer: &Exchange) -> String {
    let sent = &answer.request;
    let path = percent_decoded(&sent.path);
    let headers = sent.headers.iter().map(|(_, value)| value.as_str());
    let parts: Vec<&str> = [&sent.host, &sent.path, &path, &sent.body]
        .into_iter()
        .map(String::as_str)
        .chain(headers)
        .collect();
    parts.join("\n").to_lowercase()
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = text
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::samples::{answer, answer_to};

    fn signs_in(text: &str) -> Vec<String> {
        signs(&answer(500, "text/plain", text))
    }

    #[test]
    fn each_sign_of_the_inside_is_found() {
        let telling = [
            "TypeError: x is undefined\\n    at fetch (file:///w/src/index.ts:12:7)",
            "at async Object.fetch (index.js:100:22)",
            "thread 'tokio-runtime-worker' panicked at reference/src/app/resolve.rs:42:9",
            "failed in src/app/resolve.rs:42",
            "cannot open /var/lib/d1/tenants.sqlite",
            "\\\"/tmp/state.json\\\" not found",
            "C:\\\\Users\\\\x",
            "SELECT * FROM tenants WHERE id = ?1",
            "insert into usage (id) values",
            "D1_ERROR: UNIQUE constraint failed: tenants.id: SQLITE_CONSTRAINT",
            "no such table: tenants",
            "D1 DB is overloaded. Requests queued for too long.",
            "Network connection lost.",
            "error trying to connect: tcp connect error: Connection refused (os error 111)",
            "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOlsiYSJdfQ.c2ln",
            "Bearer abcdefghijklmnopqrst",
            "Incorrect API key provided: sk-proj-abcdefghijklmnopqrstuvwx",
            "Unavailable(Some(\\\"x\\\"))",
        ];
        for text in telling {
            assert_ne!(signs_in(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn an_error_of_the_contract_tells_nothing() {
        let harmless = [
            r#"{"success":false,"error":{"code":"TENANT_NOT_FOUND","message":"No such tenant.","details":{}},"meta":{"request_id":"0191d4b2-7c3e-7f00-8000-000000000000","timestamp":"2026-01-01T00:00:00.123Z"}}"#,
            r#"{"details":{"login_url":"https://team.cloudflareaccess.com/cdn-cgi/access/login/app.example","required_scope":"admin"}}"#,
            r#"{"details":{"login_url":"http://127.0.0.1:40123/cdn-cgi/access/login"}}"#,
            r#"{"details":{"missing":["MOLTBOT_BUCKET","TENANT_DB"]}}"#,
            r#"{"message":"The sandbox id sk-0123456789abcdef is already in use."}"#,
            r#"{"message":"Send a Bearer token in Cf-Access-Jwt-Assertion, or update the tier."}"#,
            r#"{"message":"No route GET /api/admin/tenants/x; select one from the list."}"#,
            r#"{"message":"error: an internal error occurred"}"#,
            r#"{"message":"The window ends at 2026-01-01T10:20:30Z; update the set, delete from the list."}"#,
        ];
        for text in harmless {
            assert_eq!(signs_in(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn what_the_caller_sent_is_no_sign() {
        let repeated = answer_to("/api/%2fetc%2fpasswd", 404, "No route /api//etc/passwd");
        assert_eq!(signs(&repeated), Vec::<String>::new());
        let own = answer_to("/api/x", 404, "cannot open /etc/passwd");
        assert_eq!(signs(&own).len(), 1);
    }
}
