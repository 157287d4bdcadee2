//! Requests that no HTTP library would send: hostile hosts, literal paths, broken framing. Never used where the shared client can say the same.

use super::received::Received;
use super::{Client, NoAnswer, Request, authority, sent};
use crate::clock;
use crate::evidence::{BODY_KEPT_MAX, Exchange};
use crate::lag::progress::moved;
use bytes::Bytes;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What is longer is judged by its beginning.
const ANSWER_LEN_MAX: usize = 4 * 1024 * 1024;

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
    let (status, headers, body) = received
        .parsed()
        .ok_or_else(|| NoAnswer::Broken("not an HTTP answer".to_owned()))?;
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
        told_later: None,
    };
    client.own_answer(base, described, answer)
}

async fn talk(base: &str, bytes: &[u8], head_only: bool) -> Result<(Received, Instant), NoAnswer> {
    if !base.starts_with("http://") {
        return Err(NoAnswer::Unsendable(
            "byte-exact requests need an http:// target".to_owned(),
        ));
    }
    let mut stream = connect(base).await?;
    let stood = clock::now();
    // A target may answer and close before it has read everything: a failed write is not yet a missing answer.
    let written = stream.write_all(bytes).await;
    let mut received = Received::default();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut chunk).await {
            Ok(0) => break,
            Ok(count) => {
                received.bytes.extend_from_slice(&chunk[..count]);
                if received.is_complete(head_only)? || received.bytes.len() > ANSWER_LEN_MAX {
                    break;
                }
            }
            Err(_error) if !received.bytes.is_empty() => break,
            Err(error) => return Err(NoAnswer::Broken(written.err().unwrap_or(error).to_string())),
        }
    }
    if received.bytes.is_empty() {
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
