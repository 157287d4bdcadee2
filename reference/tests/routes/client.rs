//! A client that checks every answer against what all answers must keep. Never follows or retries anything.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Headers that an answer may carry; anything else may have leaked from somewhere.
const HEADERS_ALLOWED: [&str; 13] = [
    "allow",
    "cache-control",
    "cf-aig-step",
    "connection",
    "content-length",
    "content-type",
    "date",
    "retry-after",
    "transfer-encoding",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
];

/// The longest answer that a test waits for takes 24 s: a free tenant's three attempts at a gateway that stalls.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// A request as it goes over the wire.
#[derive(Clone)]
pub(crate) struct Wire {
    address: SocketAddr,
    head: String,
    body: Vec<u8>,
    is_head: bool,
}

/// An answer that kept the rules.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Wire {
    pub(crate) fn new(address: SocketAddr, method: &str, target: &str) -> Self {
        let head = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
        Self {
            address,
            head,
            body: Vec::new(),
            is_head: method == "HEAD",
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.head.extend([name, ": ", value, "\r\n"]);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let len = self.body.len();
        self.header("content-length", &len.to_string())
    }

    /// One chunk of this many bytes, and no end.
    pub(crate) fn endless_chunk(mut self, len: usize) -> Self {
        self.body = format!("{len:x}\r\n").into_bytes();
        self.body.resize(self.body.len() + len, b' ');
        self.header("transfer-encoding", "chunked")
    }

    /// Sends it, takes the whole answer, and checks it.
    pub(crate) async fn send(self) -> Answer {
        tokio::task::spawn_blocking(move || self.ask())
            .await
            .unwrap()
    }

    /// The same for a test that has its thread to itself.
    pub(crate) fn ask(self) -> Answer {
        let is_head = self.is_head;
        let answer = Answer::parse(&self.exchange());
        answer.check(is_head);
        answer
    }

    fn exchange(self) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(ANSWER_DEADLINE)).unwrap();
        let mut request = self.head.into_bytes();
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(&self.body);
        // A server that refuses early may stop reading; what it answers still counts.
        drop(stream.write_all(&request));
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        drop(stream.shutdown(Shutdown::Both));
        answer
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no head in {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok())
            .unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let chunked = headers.iter().any(|(name, _)| name == "transfer-encoding");
        let text = if chunked {
            unchunk(body)
        } else {
            body.to_owned()
        };
        Self {
            status,
            headers,
            text,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, code: &str) -> Value {
        let answer = self.expect(status);
        let body = answer.json();
        assert_eq!(body["error"]["code"], code, "{body}");
        body["error"]["details"].clone()
    }

    /// What holds for every answer of every route.
    fn check(&self, is_head: bool) {
        for (index, (name, _)) in self.headers.iter().enumerate() {
            assert!(HEADERS_ALLOWED.contains(&name.as_str()), "header {name}");
            assert!(
                !self.headers[..index].iter().any(|(other, _)| other == name),
                "{name} given twice"
            );
        }
        let id = self.header("x-request-id").expect("X-Request-Id");
        assert_eq!(uuid::Uuid::parse_str(id).unwrap().to_string(), id);
        let cache = self.header("cache-control").expect("Cache-Control");
        assert!(
            cache == "no-store" || (cache == "public, max-age=10" && self.status == 200),
            "{cache}"
        );
        if self.status >= 400 && !is_head {
            self.check_envelope(id);
        }
    }

    fn check_envelope(&self, id: &str) {
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json();
        let keys = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&body), ["error", "meta", "success"]);
        assert_eq!(body["success"], false);
        assert_eq!(keys(&body["error"]), ["code", "details", "message"]);
        assert!(
            body["error"]["details"].is_object() && body["error"]["message"].is_string(),
            "{body}"
        );
        assert_eq!(keys(&body["meta"]), ["request_id", "timestamp"]);
        assert_eq!(body["meta"]["request_id"], id);
        let timestamp =
            OffsetDateTime::parse(body["meta"]["timestamp"].as_str().unwrap(), &Rfc3339).unwrap();
        assert!(timestamp.offset().is_utc());
        assert_eq!(self.header("retry-after").is_some(), self.status == 429);
        assert_eq!(self.header("allow").is_some(), self.status == 405);
    }
}

fn unchunk(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        let Some(chunk) = rest.get(..size).filter(|_| size > 0) else {
            break;
        };
        text += chunk;
        body = rest[size..].strip_prefix("\r\n").unwrap_or_default();
    }
    text
}
