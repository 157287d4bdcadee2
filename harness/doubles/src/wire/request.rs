//! Reads one HTTP/1.1 request off a connection. It never rejects what merely looks odd.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::ConnectionReader;

/// Room for a 64 KiB token among other headers, with a margin.
const HEAD_BYTES_MAX: usize = 1 << 18;
const HEADERS_MAX: usize = 256;
/// Far beyond the contract's 1 MiB, so that a backend that forwards too much is recorded rather than refused.
const BODY_BYTES_MAX: usize = 1 << 26;

/// A request as received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case, values decoded as UTF-8, in the order sent.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) keeps_alive: bool,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Why no request could be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestFault {
    /// The socket failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The client closed inside a request.
    #[error("the client closed the connection inside a request")]
    Truncated,
    /// Head or chunk framing that is no HTTP.
    #[error("not an HTTP/1.1 request: {0}")]
    Malformed(&'static str),
    /// Head or body over the limit.
    #[error("the request is larger than the double takes")]
    TooLarge,
}

enum Framing {
    Length(usize),
    Chunked,
}

struct ParsedHead {
    received: Received,
    framing: Framing,
    expects_continue: bool,
    length: usize,
}

pub(super) async fn read(
    reader: &mut ConnectionReader,
    writer: &mut (impl AsyncWrite + Unpin),
) -> Result<Option<Received>, RequestFault> {
    let Some(mut head) = read_head(reader).await? else {
        return Ok(None);
    };
    reader.buffer.advance(head.length);
    if head.expects_continue {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        writer.flush().await?;
    }
    head.received.body = match head.framing {
        Framing::Length(length) if length > BODY_BYTES_MAX => return Err(RequestFault::TooLarge),
        Framing::Length(length) => take(reader, length).await?,
        Framing::Chunked => read_chunked(reader).await?,
    };
    Ok(Some(head.received))
}

async fn read_head(reader: &mut ConnectionReader) -> Result<Option<ParsedHead>, RequestFault> {
    loop {
        if let Some(head) = parse_head(&reader.buffer)? {
            return Ok(Some(head));
        }
        if reader.buffer.len() > HEAD_BYTES_MAX {
            return Err(RequestFault::TooLarge);
        }
        if reader.fill().await? == 0 {
            return if reader.buffer.is_empty() {
                Ok(None)
            } else {
                Err(RequestFault::Truncated)
            };
        }
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<ParsedHead>, RequestFault> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(malformed(error)),
    };
    let mut received = Received {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        headers: request.headers.iter().map(decode_header).collect(),
        body: Bytes::new(),
        keeps_alive: true,
    };
    let says = |name: &str, word: &str| {
        received
            .header(name)
            .is_some_and(|value| value.to_ascii_lowercase().contains(word))
    };
    let framing = if says("transfer-encoding", "chunked") {
        Framing::Chunked
    } else {
        Framing::Length(match received.header("content-length") {
            Some(length) => length
                .trim()
                .parse()
                .or(Err(RequestFault::Malformed("content-length")))?,
            None => 0,
        })
    };
    let expects_continue = says("expect", "100-continue");
    received.keeps_alive = request.version == Some(1) && !says("connection", "close");
    Ok(Some(ParsedHead {
        received,
        framing,
        expects_continue,
        length,
    }))
}

/// workerd sends header text as UTF-8 bytes, so Latin-1 would misread it.
fn decode_header(header: &httparse::Header<'_>) -> (String, String) {
    (
        header.name.to_ascii_lowercase(),
        String::from_utf8_lossy(header.value).into_owned(),
    )
}

fn malformed(error: httparse::Error) -> RequestFault {
    match error {
        httparse::Error::TooManyHeaders => RequestFault::TooLarge,
        httparse::Error::HeaderName => RequestFault::Malformed("header name"),
        httparse::Error::HeaderValue => RequestFault::Malformed("header value"),
        httparse::Error::NewLine => RequestFault::Malformed("line end"),
        httparse::Error::Status => RequestFault::Malformed("status"),
        httparse::Error::Token => RequestFault::Malformed("token"),
        httparse::Error::Version => RequestFault::Malformed("version"),
    }
}

async fn take(reader: &mut ConnectionReader, length: usize) -> Result<Bytes, RequestFault> {
    while reader.buffer.len() < length {
        if reader.fill().await? == 0 {
            return Err(RequestFault::Truncated);
        }
    }
    Ok(reader.buffer.split_to(length).freeze())
}

async fn read_chunked(reader: &mut ConnectionReader) -> Result<Bytes, RequestFault> {
    let mut body = BytesMut::new();
    loop {
        let (line, length) = loop {
            match httparse::parse_chunk_size(&reader.buffer) {
                Ok(httparse::Status::Complete(size)) => break size,
                Ok(httparse::Status::Partial) => {
                    if reader.fill().await? == 0 {
                        return Err(RequestFault::Truncated);
                    }
                }
                Err(_invalid) => return Err(RequestFault::Malformed("chunk size")),
            }
        };
        reader.buffer.advance(line);
        let length = usize::try_from(length).or(Err(RequestFault::TooLarge))?;
        if length == 0 {
            read_trailers(reader).await?;
            return Ok(body.freeze());
        }
        if body.len().saturating_add(length) > BODY_BYTES_MAX {
            return Err(RequestFault::TooLarge);
        }
        body.extend_from_slice(&take(reader, length).await?);
        take(reader, 2).await?;
    }
}

/// Skips trailer lines up to the empty one.
async fn read_trailers(reader: &mut ConnectionReader) -> Result<(), RequestFault> {
    loop {
        let line_end = reader.buffer.iter().position(|byte| *byte == b'\n');
        match line_end {
            Some(end) => {
                let line = reader.buffer.split_to(end + 1);
                if line.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
                    return Ok(());
                }
            }
            None if reader.buffer.len() > HEAD_BYTES_MAX => return Err(RequestFault::TooLarge),
            None => {
                if reader.fill().await? == 0 {
                    return Err(RequestFault::Truncated);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::{Received, RequestFault};
    use crate::wire::{Connection, Socket};

    impl Socket for tokio::io::DuplexStream {
        fn reset_on_close(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Reads requests from bytes that arrive one at a time.
    async fn read_all(bytes: &[u8]) -> Result<Vec<Received>, RequestFault> {
        let (mut client, server) = tokio::io::duplex(1);
        let bytes = bytes.to_vec();
        let send = async move {
            // A server that refuses stops reading.
            client.write_all(&bytes).await.ok();
            drop(client);
        };
        let receive = async {
            let mut connection = Connection::over(server);
            let mut all = Vec::new();
            while let Some(request) = connection.next_request().await? {
                all.push(request);
            }
            Ok(all)
        };
        tokio::join!(send, receive).1
    }

    #[tokio::test]
    async fn a_body_with_a_length_and_the_request_behind_it_are_told_apart() {
        let bytes =
            b"POST /a?b=c HTTP/1.1\r\nContent-Length: 3\r\nX-Y: gr\xc3\xbcn\r\n\r\nabcGET / HTTP/1.1\r\n\r\n";
        let requests = read_all(bytes).await.unwrap();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].target, "/a?b=c");
        assert_eq!(requests[0].header("x-y"), Some("grün"));
        assert_eq!(&requests[0].body[..], b"abc");
        assert_eq!(requests[1].method, "GET");
    }

    #[tokio::test]
    async fn a_chunked_body_arrives_whole() {
        let bytes = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\nGET /next HTTP/1.1\r\n\r\n";
        let requests = read_all(bytes).await.unwrap();
        assert_eq!(&requests[0].body[..], b"abcde");
        assert_eq!(requests[1].target, "/next");
    }

    #[tokio::test]
    async fn a_request_that_breaks_off_is_told_from_a_client_that_is_done() {
        assert!(read_all(b"").await.unwrap().is_empty());
        let broken = read_all(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab").await;
        assert!(matches!(broken, Err(RequestFault::Truncated)));
    }

    #[tokio::test]
    async fn bytes_that_are_no_http_are_a_fault() {
        let hello = read_all(b"\x16\x03\x01\x02\x00").await;
        assert!(matches!(hello, Err(RequestFault::Malformed(_))));
    }
}
