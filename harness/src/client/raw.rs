//! Requests that no HTTP library would send: hostile hosts, literal paths, broken framing. Never used where the shared client can say the same.

use super::{Client, NoAnswer, Request, authority, sent};
use crate::clock;
use crate::evidence::{BODY_KEPT_MAX, Exchange};
use crate::lag::progress::moved;
use bytes::Bytes;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Most headers read of an answer.
const HEADERS_MAX: usize = 128;

/// Writes a request literally (the `Host` value and path byte for byte, each header as given, `Connection: close`) and reads the answer.
/// `base` must be `http://`: a byte-exact request over TLS would need a TLS stack of its own here.
///
/// # Errors
/// [`NoAnswer`] when there is no complete answer; closing without an answer is `Broken`.
pub async fn send(
    client: &Client,
    base: &str,
    host: &[u8],
    request: &Request,
    number: usize,
) -> Result<Exchange, NoAnswer> {
    let mut host_line = b"Host: ".to_vec();
    host_line.extend_from_slice(host);
    host_line.extend_from_slice(b"\r\n");
    let described = Request {
        host: Some(String::from_utf8_lossy(host).into_owned()),
        ..request.clone()
    };
    send_bytes(
        client,
        base,
        &literal(&host_line, request),
        &described,
        number,
    )
    .await
}

/// As [`send`], without any `Host`.
///
/// # Errors
/// As [`send`].
pub async fn send_hostless(
    client: &Client,
    base: &str,
    request: &Request,
    number: usize,
) -> Result<Exchange, NoAnswer> {
    let described = Request {
        host: Some(String::new()),
        ..request.clone()
    };
    send_bytes(client, base, &literal(b"", request), &described, number).await
}

fn literal(host_line: &[u8], request: &Request) -> Vec<u8> {
    let mut bytes = format!("{} {} HTTP/1.1\r\n", request.method, request.path).into_bytes();
    bytes.extend_from_slice(host_line);
    bytes.extend_from_slice(b"Connection: close\r\n");
    for (name, value) in &request.headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !request.body.is_empty() {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", request.body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&request.body);
    bytes
}

/// Bytes of one chunk of a body that [`send_chunked`] sends.
const CHUNK_LEN: usize = 16 * 1024;

/// Sends a body in chunks, without telling its length beforehand. `base` must be `http://`.
///
/// # Errors
/// As [`send`].
pub async fn send_chunked(
    client: &Client,
    base: &str,
    request: &Request,
    number: usize,
) -> Result<Exchange, NoAnswer> {
    let host = request.host.as_deref().unwrap_or_else(|| authority(base));
    let mut bytes = format!(
        "{} {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n",
        request.method, request.path
    )
    .into_bytes();
    for (name, value) in &request.headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    for chunk in request.body.chunks(CHUNK_LEN) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    send_bytes(client, base, &bytes, request, number).await
}

/// Writes bytes as they are and reads one answer until the connection closes or the announced body is complete.
///
/// # Errors
/// As [`send`].
pub async fn send_bytes(
    client: &Client,
    base: &str,
    bytes: &[u8],
    described: &Request,
    number: usize,
) -> Result<Exchange, NoAnswer> {
    let base = &client.way(base, described);
    client.admit(base, described).await?;
    let sent_at = clock::now();
    let sent_at_ms = clock::epoch_ms();
    let patience = client.patience_for(described);
    let talked = patience.with(talk(base, bytes, described.method == "HEAD"));
    let talked = talked.await;
    moved();
    let (received, stood) = talked
        .ok_or_else(|| client.gave_up(described, sent_at, &patience, "nothing complete"))??;
    let (status, headers, body) =
        parse(&received).ok_or_else(|| NoAnswer::Broken("not an HTTP answer".to_owned()))?;
    client.stalls.completed();
    let body_len = body.len();
    let answer = Exchange {
        number,
        request: sent(base, described),
        status: described.status(status),
        headers,
        body: Bytes::copy_from_slice(&body[..body_len.min(BODY_KEPT_MAX)]),
        body_len,
        sent_at,
        sent_at_ms,
        connected_after: Some(stood.saturating_duration_since(sent_at)),
        head_after: sent_at.elapsed(),
        done_after: sent_at.elapsed(),
        reading: described.reading.clone(),
    };
    client.own_answer(base, described, answer)
}

async fn talk(base: &str, bytes: &[u8], head_only: bool) -> Result<(Vec<u8>, Instant), NoAnswer> {
    if !base.starts_with("http://") {
        return Err(NoAnswer::Unsendable(
            "byte-exact requests need an http:// target".to_owned(),
        ));
    }
    let mut stream = connect(base).await?;
    let stood = clock::now();
    // A target may answer and close before it has read everything: a failed write is not yet a missing answer.
    let written = stream.write_all(bytes).await;
    let mut received = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut chunk).await {
            Ok(0) => break,
            Ok(count) => {
                received.extend_from_slice(&chunk[..count]);
                if complete(&received, head_only) || received.len() > 4 * 1024 * 1024 {
                    break;
                }
            }
            Err(_error) if !received.is_empty() => break,
            Err(error) => return Err(NoAnswer::Broken(written.err().unwrap_or(error).to_string())),
        }
    }
    if received.is_empty() {
        Err(NoAnswer::Broken(
            "the connection was closed without an answer".to_owned(),
        ))
    } else {
        Ok((received, stood))
    }
}

/// Opens a connection to a base address.
///
/// # Errors
/// [`NoAnswer::Unreachable`].
pub async fn connect(base: &str) -> Result<TcpStream, NoAnswer> {
    let unreachable = |reason: String| NoAnswer::Unreachable {
        base: base.to_owned(),
        reason,
    };
    let authority = authority(base);
    let address = if authority.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let stream = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(address))
        .await
        .map_err(|_elapsed| unreachable("no connection within 5 s".to_owned()))?
        .map_err(|error| {
            super::place::no_port_left(&error)
                .map_or_else(|| unreachable(error.to_string()), NoAnswer::Unsendable)
        })?;
    stream
        .set_nodelay(true)
        .map_err(|error| unreachable(error.to_string()))?;
    Ok(stream)
}

/// Whether the final answer is here to its last byte. What is sent without a length ends with the connection.
fn complete(received: &[u8], head_only: bool) -> bool {
    let Some(head) = final_head(received) else {
        return false;
    };
    if head_only || !head.has_body() {
        return true;
    }
    let body = &received[head.end..];
    if head.is_chunked() {
        return dechunk(body).is_whole;
    }
    head.header("content-length")
        .and_then(|text| text.trim().parse::<usize>().ok())
        .is_some_and(|len| body.len() >= len)
}

/// The head of an answer.
struct Head {
    status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    /// Where the body begins.
    end: usize,
}

impl Head {
    fn header(&self, wanted: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("chunked"))
    }

    /// Whether a body may follow: RFC 9112, section 6.3.
    fn has_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }
}

/// The head of the final answer: any number of interim ones (RFC 9110, section 15.2) may come before it. `None` until it is whole.
fn final_head(received: &[u8]) -> Option<Head> {
    let mut start = 0;
    loop {
        let head = head(&received[start..])?;
        let end = start + head.end;
        // After 101 the connection speaks another protocol: it is the last answer.
        if head.status == 101 || !(100..200).contains(&head.status) {
            return Some(Head { end, ..head });
        }
        start = end;
    }
}

fn head(received: &[u8]) -> Option<Head> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(end)) = response.parse(received) else {
        return None;
    };
    let status = response.code?;
    let headers = response.headers.iter().map(|header| {
        (
            header.name.to_ascii_lowercase(),
            String::from_utf8_lossy(header.value).into_owned(),
        )
    });
    Some(Head {
        status,
        headers: headers.collect(),
        end,
    })
}

/// Status, headers with lower-case names, and body.
type Parsed = (u16, Vec<(String, String)>, Vec<u8>);

fn parse(received: &[u8]) -> Option<Parsed> {
    let head = final_head(received)?;
    let body = &received[head.end..];
    let body = if head.is_chunked() {
        dechunk(body).body
    } else {
        body.to_vec()
    };
    Some((head.status, head.headers, body))
}

/// A body that came in chunks.
struct Dechunked {
    body: Vec<u8>,
    /// Whether the last chunk and its trailers are here.
    is_whole: bool,
}

fn dechunk(mut rest: &[u8]) -> Dechunked {
    let mut body = Vec::new();
    while let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) {
        rest = &rest[start..];
        if size == 0 {
            let mut trailers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let read = httparse::parse_headers(rest, &mut trailers);
            let is_whole = matches!(read, Ok(httparse::Status::Complete(_)));
            return Dechunked { body, is_whole };
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        body.extend_from_slice(&rest[..size]);
        rest = rest[size..].strip_prefix(b"\r\n").unwrap_or_default();
    }
    Dechunked {
        body,
        is_whole: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_answers_are_passed_over_and_switching_protocols_is_final() {
        let final_answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        let both = format!("HTTP/1.1 100 Continue\r\n\r\n{hints}{final_answer}");
        assert!(!complete(hints.as_bytes(), false));
        assert!(!complete(&both.as_bytes()[..both.len() - 1], false));
        assert!(complete(both.as_bytes(), false));
        let (status, headers, body) = parse(both.as_bytes()).expect("an answer");
        assert_eq!(
            (status, headers.len(), body.as_slice()),
            (200, 1, &b"hi"[..])
        );
        let switched = parse(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").map(|answer| answer.0);
        assert_eq!(switched, Some(101));
    }

    #[test]
    fn chunks_end_with_their_trailers() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n";
        let all = format!("{head}2;a=\"b\"\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n");
        assert!(complete(all.as_bytes(), false));
        assert!(!complete(&all.as_bytes()[..all.len() - 2], false));
        let body = parse(all.as_bytes()).map(|answer| answer.2);
        assert_eq!(body.as_deref(), Some(&b"hello"[..]));
    }

    #[test]
    fn an_answer_that_has_no_body_does_not_wait_for_one() {
        assert!(complete(b"HTTP/1.1 204 No Content\r\n\r\n", false));
        assert!(complete(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            true
        ));
        assert!(!complete(b"HTTP/1.1 200 OK\r\n\r\nuntil the end", false));
    }
}
