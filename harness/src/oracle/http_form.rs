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

/// Whether each percent sign begins an escape, and all together are a text. Evidence: nginx refuses others with 400.
fn has_whole_escapes(path: &str) -> bool {
    let mut parts = path.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part
            .get(..2)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(byte) = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return false;
        };
        decoded.push(byte);
        decoded.extend_from_slice(&part.as_bytes()[2..]);
    }
    str::from_utf8(&decoded).is_ok()
}

/// Whether an answer was given by HTTP itself, not by the backend: a doubtful request, refused without any body of the backend's.
/// `runtime_answers`: the target says that its runtime answers malformed requests, with a bare 500 too.
#[must_use]
pub fn answered_before_the_backend(answer: &Exchange, runtime_answers: bool) -> bool {
    let bare = answer.header("x-request-id").is_none() && answer.json().is_none();
    let is_refusal = REFUSALS.contains(&answer.status);
    let runtime_refuses = runtime_answers && answer.status == 500;
    let is_doubtful = is_doubtful(&answer.request);
    // A path that cannot be decoded every runtime hands to its backend: where that is what throws, the answer is the backend's.
    let is_undecodable = !has_whole_escapes(&answer.request.path);
    bare && (is_doubtful && (is_refusal || runtime_refuses) || is_undecodable && is_refusal)
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
    fn a_path_that_cannot_be_decoded_may_be_refused_by_http_but_not_break_off() {
        for (path, is_undecodable) in [
            ("/%", true),
            ("/a%2", true),
            ("/%zz", true),
            ("/%FF", true),
            ("/%E0%A4%A", true),
            ("/a?q=%FF", true),
            ("/%2f", false),
            ("/%C3%A4%25", false),
        ] {
            let refused = |status| {
                let mut refused = answer(status, "text/plain", "");
                path.clone_into(&mut refused.request.path);
                answered_before_the_backend(&refused, true)
            };
            assert_eq!(refused(400), is_undecodable, "{path}");
            assert!(!refused(500), "{path}");
        }
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
