//! Which requests HTTP itself refuses, before any backend or route is asked. Never says how they ought to be answered.

use crate::evidence::{Exchange, SentRequest};
use regex::Regex;
use std::sync::LazyLock;

/// Bytes of headers that every HTTP server takes. Evidence: nginx takes 8 KiB a line and 32 KiB in all, Node 16 KiB, Cloudflare 32 KiB.
const HEADERS_LEN_MAX: usize = 8 * 1024;

/// Statuses with which HTTP libraries refuse what they cannot take.
const REFUSALS: [u16; 8] = [400, 408, 411, 413, 414, 417, 431, 501];

#[expect(
    clippy::expect_used,
    reason = "a constant pattern, compiled by this file's tests"
)]
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$")
        .expect("a constant pattern")
});

/// Methods that every HTTP library takes (RFC 9110, RFC 5789). Any other word, `CONNECT` among them, it may refuse by itself.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
];

/// Whether a request is one that an HTTP library may refuse by itself.
#[must_use]
pub fn is_doubtful(request: &SentRequest) -> bool {
    let method_ok = METHODS.contains(&request.method.as_str());
    let host_ok = HOST.captures(&request.host).is_some_and(|parts| {
        parts
            .get(1)
            .is_none_or(|port| port.as_str().parse::<u16>().is_ok())
    });
    let target_ok =
        request.path.starts_with('/') && request.path.bytes().all(|byte| byte.is_ascii_graphic());
    let headers_ok = request.headers.iter().all(|(name, value)| {
        let framing = ["content-length", "transfer-encoding", "host", "expect"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own));
        !framing
            && value
                .bytes()
                .all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
    });
    let len: usize = request
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum::<usize>()
        + request.host.len()
        + request.path.len();
    let many = request.headers.len() > 64;
    !(method_ok && host_ok && target_ok && headers_ok) || len > HEADERS_LEN_MAX || many
}

/// Whether an answer was given by HTTP itself, not by the backend: a doubtful request, refused without any body of the backend's.
/// `runtime_answers`: the target says that its runtime answers malformed requests, with a bare 500 too.
#[must_use]
pub fn answered_before_the_backend(answer: &Exchange, runtime_answers: bool) -> bool {
    let bare = answer.header("x-request-id").is_none() && answer.json().is_none();
    let refusal = REFUSALS.contains(&answer.status) || (runtime_answers && answer.status == 500);
    bare && refusal && is_doubtful(&answer.request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::samples::answer;

    fn request(host: &str, path: &str) -> SentRequest {
        let mut request = answer(200, "text/plain", "").request;
        host.clone_into(&mut request.host);
        path.clone_into(&mut request.path);
        request
    }

    #[test]
    fn plain_requests_are_not_doubtful() {
        for host in [
            "a.example",
            "a.example:8080",
            "127.0.0.1:80",
            "[::1]:80",
            "_x.a",
            "xn--a.b",
            "a.b.",
        ] {
            assert!(!is_doubtful(&request(host, "/api/status?x=%00")), "{host}");
        }
    }

    #[test]
    fn what_http_cannot_hold_is_doubtful() {
        for host in [
            "",
            "a b",
            "<script>",
            "a\u{1}b",
            "a:99999",
            "a:b",
            "a@b",
            "münchen.de",
            "a/b",
            "a,b",
        ] {
            assert!(is_doubtful(&request(host, "/")), "{host}");
        }
        assert!(is_doubtful(&request("a.example", "/a b")));
        for method in ["CONNECT", "get", "MOLT", ""] {
            let mut odd = request("a.example", "/");
            method.clone_into(&mut odd.method);
            assert!(is_doubtful(&odd), "{method}");
        }
        assert!(is_doubtful(&request(&"x".repeat(9000), "/")));
    }

    #[test]
    fn only_a_bare_refusal_of_a_doubtful_request_is_https_own() {
        let mut bare = answer(400, "text/plain", "");
        bare.request.host = "a b".to_owned();
        assert!(answered_before_the_backend(&bare, false));
        bare.status = 500;
        assert!(!answered_before_the_backend(&bare, false));
        assert!(answered_before_the_backend(&bare, true));
        bare.request.host = "a.example".to_owned();
        assert!(!answered_before_the_backend(&bare, true));
    }
}
