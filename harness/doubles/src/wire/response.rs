//! Writes HTTP/1.1 response heads. It never adds a header nobody asked for but the framing.

use bytes::{BufMut, BytesMut};

/// Status line and headers of an answer, before its framing is known.
#[derive(Debug)]
pub(crate) struct Head(BytesMut);

impl Head {
    pub(crate) fn new(status: u16) -> Self {
        let mut head = BytesMut::with_capacity(512);
        head.put_slice(format!("HTTP/1.1 {status} {}\r\n", reason(status)).as_bytes());
        Self(head)
    }

    pub(crate) fn header(mut self, name: &str, value: &[u8]) -> Self {
        self.push(name, value);
        self
    }

    pub(crate) fn push(&mut self, name: &str, value: &[u8]) {
        self.0.put_slice(name.as_bytes());
        self.0.put_slice(b": ");
        self.0.put_slice(value);
        self.0.put_slice(b"\r\n");
    }

    /// The head of a body of known length.
    pub(crate) fn with_length(self, length: usize) -> BytesMut {
        let mut head = self.header("content-length", length.to_string().as_bytes());
        head.0.put_slice(b"\r\n");
        head.0
    }

    /// The head of a body that ends with an empty chunk.
    pub(crate) fn chunked(self) -> BytesMut {
        let mut head = self.header("transfer-encoding", b"chunked");
        head.0.put_slice(b"\r\n");
        head.0
    }

    /// The head of an answer that has no body by definition.
    pub(crate) fn without_body(mut self) -> BytesMut {
        self.0.put_slice(b"\r\n");
        self.0
    }
}

/// Reason phrase of the statuses that doubles send; clients ignore it.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Payload Too Large",
        422 => "Unprocessable Entity",
        424 => "Failed Dependency",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        524 => "A Timeout Occurred",
        _ => "Status",
    }
}
