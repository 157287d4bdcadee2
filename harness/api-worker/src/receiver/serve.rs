//! The receiver's connections: one delivery each, read whole, then answered as the script says. Never keeps a connection open for another.

use super::{Book, Delivery, Reply};
use crate::wait;
use moltproof_doubles::clock;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Headers of a delivery. Evidence: a Worker's `fetch` sends about fifteen.
const HEADERS_MAX: usize = 64;
/// Bytes of a delivery; what passes an interceptor may be larger than any target takes.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long a sender may keep a connection that is not answered: longer than any sender waits.
const HANG_MAX: Duration = Duration::from_secs(60);

/// Takes deliveries for ever.
pub(super) async fn serve(listener: TcpListener, book: Arc<Book>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        if let Ok((stream, _peer)) = listener.accept().await {
            let book = Arc::clone(&book);
            // What a sender breaks off is told in the journal.
            drop(tokio::spawn(async move { drop(one(stream, &book).await) }));
        }
    }
}

/// Counts connections for ever, and closes them.
pub(super) async fn count(listener: TcpListener, book: Arc<Book>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        if listener.accept().await.is_ok() {
            book.change(|pages| pages.trespasses += 1);
        }
    }
}

async fn one(mut stream: TcpStream, book: &Book) -> io::Result<()> {
    let Some(delivery) = read(&mut stream).await? else {
        return Ok(());
    };
    let path = delivery.path.clone();
    let (number, at, reply) = book.change(|pages| {
        let taken = pages.taken.entry(path.clone()).or_default();
        let at = *taken;
        *taken += 1;
        let script = pages.scripts.get(&path);
        let reply = script.and_then(|script| script.get(at).or(script.last()));
        let reply = reply.cloned().unwrap_or(Reply::Status(200));
        pages.deliveries.push(delivery);
        pages.waiting += usize::from(reply.keeps_waiting());
        (pages.deliveries.len() - 1, at, reply)
    });
    if matches!(reply, Reply::Held(_)) {
        // Who has given up is answered all the same, and does not hear it.
        tokio::select! {
            done = gone(&mut stream, book, number) => done?,
            () = book.released(&path, at) => {}
        }
    }
    if !reply.keeps_waiting() {
        return reply_to(stream, book, number, reply).await;
    }
    let done = reply_to(stream, book, number, reply).await;
    book.change(|pages| {
        pages.waiting -= 1;
        pages.waited_until = Some(clock::now());
    });
    done
}

async fn reply_to(
    mut stream: TcpStream,
    book: &Book,
    number: usize,
    reply: Reply,
) -> io::Result<()> {
    match reply {
        Reply::Status(status) | Reply::Held(status) => {
            answer(stream, book, number, status, "").await
        }
        Reply::Slow(after, status) => {
            wait::pass(after).await;
            answer(stream, book, number, status, "").await
        }
        Reply::Hang => gone(&mut stream, book, number).await.map(drop),
        Reply::TooLate => {
            gone(&mut stream, book, number).await?;
            answer(stream, book, number, 200, "").await
        }
        Reply::Cut => Ok(()),
        Reply::CutInside => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await,
        Reply::CutBody(status) => begun(&mut stream, book, number, status).await,
        Reply::HangingBody(status) => {
            begun(&mut stream, book, number, status).await?;
            gone(&mut stream, book, number).await.map(drop)
        }
        Reply::Redirect(to) => {
            let header = format!("location: {to}\r\n");
            answer(stream, book, number, 307, &header).await
        }
    }
}

/// Waits until the sender has closed the connection.
async fn gone(stream: &mut TcpStream, book: &Book, number: usize) -> io::Result<()> {
    let mut rest = [0; 64];
    let closed = async { while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {} };
    if tokio::time::timeout(HANG_MAX, closed).await.is_ok() {
        book.change(|pages| pages.deliveries[number].is_given_up = true);
    }
    Ok(())
}

/// Answers with a head, and with the first bytes of a body that is said to be longer.
async fn begun(stream: &mut TcpStream, book: &Book, number: usize, status: u16) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: 64\r\n\r\nthe beginning");
    stream.write_all(head.as_bytes()).await?;
    book.change(|pages| pages.deliveries[number].answered = Some(status));
    Ok(())
}

async fn answer(
    mut stream: TcpStream,
    book: &Book,
    number: usize,
    status: u16,
    header: &str,
) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\n{header}content-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    book.change(|pages| pages.deliveries[number].answered = Some(status));
    stream.shutdown().await
}

/// Reads one request; `None` if the sender broke it off.
pub(crate) async fn read(stream: &mut TcpStream) -> io::Result<Option<Delivery>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(delivery) = parse(&bytes)? {
            return Ok(Some(delivery));
        }
        let read = stream.read_buf(&mut bytes).await?;
        if read == 0 || bytes.len() > BYTES_MAX {
            return Ok(None);
        }
    }
}

/// A request that is whole; `None` if it is not yet.
fn parse(bytes: &[u8]) -> io::Result<Option<Delivery>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(head) = parsed else {
        return Ok(None);
    };
    let headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|header| {
            let value = String::from_utf8_lossy(header.value).into_owned();
            (header.name.to_ascii_lowercase(), value)
        })
        .collect();
    let of = |name: &str| headers.iter().find(|(known, _)| known == name);
    let is_chunked = of("transfer-encoding").is_some_and(|(_, how)| how.contains("chunked"));
    let length = of("content-length").and_then(|(_, length)| length.trim().parse().ok());
    let rest = &bytes[head..];
    let body = if is_chunked {
        unchunked(rest)
    } else {
        rest.get(..length.unwrap_or(0)).map(<[u8]>::to_vec)
    };
    Ok(body.map(|body| Delivery {
        path: request.path.unwrap_or_default().to_owned(),
        method: request.method.unwrap_or_default().to_owned(),
        headers,
        body,
        at: clock::now(),
        answered: None,
        is_given_up: false,
    }))
}

/// A chunked body without its chunks; `None` if it is not whole.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let httparse::Status::Complete((head, length)) = httparse::parse_chunk_size(rest).ok()?
        else {
            return None;
        };
        let length = usize::try_from(length).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(head..head + length)?);
        rest = rest.get(head + length + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_when_its_body_is_whole_and_not_before() {
        let whole = b"POST /a HTTP/1.1\r\nWebhook-Id: 7\r\nContent-Length: 3\r\n\r\nabc";
        assert!(parse(&whole[..whole.len() - 1]).unwrap().is_none());
        let read = parse(whole).unwrap().unwrap();
        assert_eq!(read.body, b"abc");
        assert_eq!(read.header("webhook-id"), Some("7"));
    }

    #[test]
    fn a_chunked_body_is_put_together() {
        assert_eq!(
            unchunked(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").unwrap(),
            b"abcde"
        );
        assert!(unchunked(b"3\r\nabc\r\n2\r\nd").is_none());
    }
}
