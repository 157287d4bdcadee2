//! Servers that abuse HTTP: heads and bodies without an end, framing that is none, connections that break. Each does what its data say.
//!
//! It never lets a request through to a backend, and waits for no caller.

use super::Ask;
use super::proxy::Proxy;
use crate::wait;
use bytes::{Bytes, BytesMut};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// After a failed accept, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// A request whose head is longer is answered as it stands then. Evidence: the largest that scenarios send has a token of 64 KiB.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// More header lines than any request of ours has.
const HEADERS_MAX: usize = 256;
/// What is repeated is written in pieces of about so many bytes.
const PIECE_LEN: usize = 4 * 1024;
/// What has no end leaves so much time between two pieces, so that it is its end that is missing and not the machine: with 800 callers and
/// none, two cores had work for minutes where no caller waits for longer than a fifth of a second.
const FLOOD_PAUSE: Duration = Duration::from_millis(40);
/// Stands for the status that such a request mostly has.
const STATUS: &str = "{status}";

/// What a server sends to whoever asks.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Abuse {
    /// Sent first; `{status}` is the status that such a request mostly has.
    pub before: String,
    /// Sent then, again and again.
    pub again: String,
    /// How often; without an end where nothing is said.
    pub times: Option<usize>,
    /// Milliseconds between two of them, each alone; many at once where nothing is said.
    pub every_ms: Option<u64>,
    /// Sent behind it.
    pub behind: String,
    /// What happens to the connection at last.
    pub last: Last,
}

/// What happens to a connection when everything is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Last {
    /// It is closed in order.
    #[default]
    Closes,
    /// It is cut.
    Resets,
    /// It stays open until the caller leaves.
    Stays,
}

/// The status that a request mostly has.
pub type Usual = fn(&Ask) -> u16;

/// Starts such a server on 127.0.0.1; it ends with the runtime it was started on.
///
/// # Errors
/// When no socket can be had.
pub async fn start(abuse: &Abuse, usual: Usual) -> io::Result<Proxy> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let server = Server {
        pieces: pieces(&abuse.again, abuse.times, abuse.every_ms.is_some()),
        abuse: Arc::new(abuse.clone()),
        usual,
    };
    tokio::spawn(async move {
        loop {
            let Ok((caller, _peer)) = listener.accept().await else {
                // No descriptor is free: nothing announces when one will be.
                wait::pass(ACCEPT_PAUSE).await;
                continue;
            };
            let server = server.clone();
            tokio::spawn(async move {
                // A connection that breaks concerns its two ends alone.
                drop(server.serve(caller).await);
            });
        }
    });
    Ok(Proxy { base })
}

#[derive(Clone)]
struct Server {
    abuse: Arc<Abuse>,
    pieces: Pieces,
    usual: Usual,
}

/// What is repeated, several times at once.
#[derive(Clone)]
struct Pieces {
    piece: Bytes,
    /// How often the piece; `None` without an end.
    times: Option<usize>,
    /// What is left then.
    rest: Bytes,
}

fn pieces(again: &str, times: Option<usize>, one_by_one: bool) -> Pieces {
    let most = if one_by_one {
        1
    } else {
        PIECE_LEN / again.len().max(1)
    };
    let in_one = times.unwrap_or(most).min(most).max(1);
    Pieces {
        piece: Bytes::from(again.repeat(in_one)),
        times: times.map(|times| times / in_one),
        rest: Bytes::from(again.repeat(times.map_or(0, |times| times % in_one))),
    }
}

impl Server {
    async fn serve(&self, mut caller: TcpStream) -> io::Result<()> {
        caller.set_nodelay(true)?;
        let (mut asks, mut told) = caller.split();
        let status = read(&mut asks).await?.map_or(400, |ask| (self.usual)(&ask));
        {
            // What the caller still sends is taken: it is its leaving that is waited for.
            let mut left = pin!(leave(&mut asks));
            tokio::select! {
                _gone = &mut left => return Ok(()),
                done = self.tell(&mut told, status) => done?,
            }
            match self.abuse.last {
                Last::Resets => {}
                Last::Closes => {
                    told.shutdown().await?;
                    left.await?;
                }
                Last::Stays => left.await?,
            }
        }
        if self.abuse.last == Last::Resets {
            caller.set_zero_linger()?;
        }
        Ok(())
    }

    async fn tell(&self, told: &mut (impl AsyncWrite + Unpin), status: u16) -> io::Result<()> {
        let abuse = &*self.abuse;
        let before = abuse.before.replace(STATUS, &status.to_string());
        told.write_all(before.as_bytes()).await?;
        let mut times = 0..self.pieces.times.unwrap_or(usize::MAX);
        let pause = match abuse.every_ms {
            Some(pause) => Some(Duration::from_millis(pause)),
            None => abuse.times.is_none().then_some(FLOOD_PAUSE),
        };
        while !abuse.again.is_empty() && times.next().is_some() {
            told.write_all(&self.pieces.piece).await?;
            if let Some(pause) = pause {
                wait::pass(pause).await;
            }
        }
        told.write_all(&self.pieces.rest).await?;
        told.write_all(abuse.behind.as_bytes()).await
    }
}

/// Reads on until the caller leaves.
async fn leave(asks: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    tokio::io::copy(asks, &mut tokio::io::sink())
        .await
        .map(drop)
}

/// A request without its body; `None` for what is none.
async fn read(asks: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Ask>> {
    let mut head = BytesMut::new();
    loop {
        if asks.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut lines);
        match request.parse(&head) {
            Ok(httparse::Status::Partial) if head.len() < HEAD_BYTES_MAX => {}
            Ok(httparse::Status::Partial) | Err(_) => return Ok(None),
            Ok(httparse::Status::Complete(_)) => return Ok(asked(&request)),
        }
    }
}

fn asked(request: &httparse::Request<'_, '_>) -> Option<Ask> {
    let headers = request.headers.iter().filter_map(|header| {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(header.value).ok()?))
    });
    Some(Ask {
        method: request.method?.parse().ok()?,
        path: request.path?.to_owned(),
        headers: headers.collect::<HeaderMap>(),
        body: Bytes::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(abuse: &Abuse, until: usize) -> (Vec<u8>, io::Result<usize>) {
        let server = start(abuse, |ask| if ask.route() == "/a" { 201 } else { 404 });
        let base = server.await.expect("a socket").base;
        let stream = TcpStream::connect(crate::client::authority(&base)).await;
        let mut stream = stream.expect("a connection");
        let asked = stream.write_all(b"POST /a?b HTTP/1.1\r\nhost: x\r\n\r\n");
        asked.await.expect("a question");
        let mut all = Vec::new();
        let end = loop {
            match stream.read_buf(&mut all).await {
                Ok(0) => break Ok(0),
                Ok(_read) if all.len() >= until => break Ok(all.len()),
                Ok(_read) => {}
                Err(error) => break Err(error),
            }
        };
        (all, end)
    }

    #[tokio::test]
    async fn what_is_repeated_is_told_as_often_as_said_and_the_status_is_the_usual_one() {
        let abuse = Abuse {
            before: "HTTP/1.1 {status} OK\r\n".to_owned(),
            again: "x-one: 1\r\n".to_owned(),
            times: Some(100_000),
            behind: "\r\n{}".to_owned(),
            ..Abuse::default()
        };
        let (all, end) = told(&abuse, usize::MAX).await;
        let text = String::from_utf8(all).expect("text");
        assert!(text.starts_with("HTTP/1.1 201 OK\r\nx-one: 1\r\n"));
        assert_eq!(text.matches("x-one: 1\r\n").count(), 100_000);
        assert!(text.ends_with("x-one: 1\r\n\r\n{}"));
        assert_eq!(end.expect("an orderly end"), 0);
    }

    #[tokio::test]
    async fn what_has_no_end_goes_on_for_as_long_as_somebody_reads() {
        let abuse = Abuse {
            again: "ab".to_owned(),
            ..Abuse::default()
        };
        let (all, end) = told(&abuse, 3 * PIECE_LEN).await;
        assert!(all.starts_with(b"abab"));
        assert!(end.expect("more") >= 3 * PIECE_LEN);
        let slow = Abuse {
            every_ms: Some(1),
            ..abuse
        };
        assert!(told(&slow, 5).await.0.starts_with(b"ababa"));
    }

    #[tokio::test]
    async fn a_connection_that_is_reset_has_no_orderly_end() {
        let abuse = Abuse {
            before: "HTTP/1.1 {status} OK\r\n\r\n".to_owned(),
            last: Last::Resets,
            ..Abuse::default()
        };
        let (_all, end) = told(&abuse, usize::MAX).await;
        assert_eq!(
            end.expect_err("a cut").kind(),
            io::ErrorKind::ConnectionReset
        );
    }
}
