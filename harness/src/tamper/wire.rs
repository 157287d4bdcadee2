//! A proxy that writes the same answers in other bytes: interim answers, spelling of the head, framing of the body, pieces on the wire.
//!
//! It never changes what an answer says: status, values and body arrive as the backend sent them.

use super::proxy::Proxy;
use crate::wait;
use bytes::{Buf as _, BytesMut};
use serde::Deserialize;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// After a failed accept, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// Bytes read at once.
const READ_LEN: usize = 16 * 1024;
/// More header lines than any answer of ours has.
const HEADERS_MAX: usize = 256;

/// In which bytes answers are written; what is not said stays as the backend wrote it, but that each connection carries one answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spelling {
    /// Written before the final answer: interim answers.
    pub before: String,
    /// The version in the status line.
    pub version: Option<String>,
    /// The reason phrase.
    pub reason: Option<String>,
    /// The case of the names of headers.
    pub names: Names,
    /// What stands between the colon and the value of a header.
    pub space: Option<String>,
    /// What stands behind the value of a header.
    pub behind: String,
    /// How the body is framed.
    pub framing: Framing,
    /// The bytes of one chunk, with `framing = "chunks"`.
    pub chunk: Option<usize>,
    /// How the size of a chunk is written, with `{size}` for the number.
    pub chunk_size: Option<String>,
    /// Lines behind the last chunk.
    pub trailers: String,
    /// The most bytes that are written at once.
    pub piece: Option<usize>,
}

/// The case of the names of headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// As they come.
    #[default]
    Same,
    /// `CONTENT-TYPE`.
    Upper,
    /// `Content-Type`.
    Title,
}

/// How a body is framed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// As the backend framed it.
    #[default]
    Same,
    /// In chunks.
    Chunks,
    /// It ends with the connection.
    UntilClose,
}

/// Starts a proxy on 127.0.0.1 in front of `upstream` (scheme and authority).
///
/// # Errors
/// When no socket can be had.
pub async fn start(upstream: &str, spelling: Arc<Spelling>) -> io::Result<Proxy> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let backend = crate::client::authority(upstream).to_owned();
    tokio::spawn(async move {
        loop {
            let Ok((caller, _peer)) = listener.accept().await else {
                // No descriptor is free: nothing announces when one will be.
                wait::pass(ACCEPT_PAUSE).await;
                continue;
            };
            let (backend, spelling) = (backend.clone(), Arc::clone(&spelling));
            tokio::spawn(async move {
                // A connection that breaks concerns its two ends alone.
                drop(carry(caller, &backend, &spelling).await);
            });
        }
    });
    Ok(Proxy { base })
}

/// One connection: the bytes of its request as they are, the answer in other bytes.
async fn carry(caller: TcpStream, backend: &str, spelling: &Spelling) -> io::Result<()> {
    caller.set_nodelay(true)?;
    let (mut asks, mut told) = caller.into_split();
    let mut first = BytesMut::with_capacity(READ_LEN);
    if asks.read_buf(&mut first).await? == 0 {
        return Ok(());
    }
    let backend = TcpStream::connect(backend).await?;
    backend.set_nodelay(true)?;
    let (answers, mut asked) = backend.into_split();
    asked.write_all(&first).await?;
    let head_only = first.starts_with(b"HEAD ");
    let mut asking = pin!(tokio::io::copy(&mut asks, &mut asked));
    tokio::select! {
        // The caller has left: so does this end of the backend's connection.
        _left = &mut asking => return Ok(()),
        done = tell(answers, &mut told, head_only, spelling) => done?,
    }
    told.shutdown().await?;
    // What the caller still sends is taken, lest the answer is lost with the connection.
    drop(asking.await);
    Ok(())
}

/// The head of an answer as it came.
struct Head {
    status: u16,
    reason: String,
    headers: Vec<(String, Vec<u8>)>,
    len: usize,
}

impl Head {
    fn read(received: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let len = match response.parse(received).map_err(io::Error::other)? {
            httparse::Status::Partial => return Ok(None),
            httparse::Status::Complete(len) => len,
        };
        let headers = response.headers.iter();
        Ok(Some(Self {
            status: response.code.unwrap_or_default(),
            reason: response.reason.unwrap_or_default().to_owned(),
            headers: headers
                .map(|header| (header.name.to_owned(), header.value.to_vec()))
                .collect(),
            len,
        }))
    }

    fn value(&self, wanted: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        std::str::from_utf8(value).ok()
    }

    fn came(&self, head_only: bool) -> Came {
        if head_only || matches!(self.status, 204 | 304) {
            Came::Nothing
        } else if self.value("transfer-encoding").is_some() {
            Came::Chunks
        } else {
            let len = self.value("content-length");
            len.and_then(|len| len.trim().parse().ok())
                .map_or(Came::UntilClose, Came::Len)
        }
    }
}

/// How a body came.
#[derive(Clone, Copy)]
enum Came {
    Nothing,
    Len(usize),
    Chunks,
    UntilClose,
}

async fn tell(
    mut answers: impl AsyncRead + Unpin,
    told: &mut (impl AsyncWrite + Unpin),
    head_only: bool,
    spelling: &Spelling,
) -> io::Result<()> {
    let mut received = BytesMut::new();
    let head = loop {
        match Head::read(&received)? {
            Some(head) if (100..200).contains(&head.status) && head.status != 101 => {
                received.advance(head.len);
            }
            Some(head) => break head,
            None => more(&mut answers, &mut received).await?,
        }
    };
    received.advance(head.len);
    let came = head.came(head_only);
    let framing = spelling.framed(came);
    let mut out = Pieces {
        told,
        len: spelling.piece.unwrap_or(usize::MAX),
    };
    out.write(&spelling.head(&head, came, framing)).await?;
    let mut body = Body {
        answers,
        received,
        came,
        left: 0,
    };
    while let Some(part) = body.next().await? {
        out.write(&spelling.part(&part, framing)).await?;
    }
    out.write(spelling.end(framing).as_bytes()).await
}

impl Spelling {
    /// How a body that came so is sent on.
    fn framed(&self, came: Came) -> Framing {
        match (came, self.framing) {
            (Came::Nothing, _) | (Came::Len(_) | Came::UntilClose, Framing::Same) => Framing::Same,
            (Came::Chunks, Framing::Same) => Framing::Chunks,
            (Came::Len(_) | Came::Chunks | Came::UntilClose, framing) => framing,
        }
    }

    fn head(&self, head: &Head, came: Came, framing: Framing) -> Vec<u8> {
        let version = self.version.as_deref().unwrap_or("HTTP/1.1");
        let reason = self.reason.as_deref().unwrap_or(&head.reason);
        let mut text = self.before.clone().into_bytes();
        text.extend_from_slice(format!("{version} {} {reason}\r\n", head.status).as_bytes());
        let frames = |name: &str| {
            ["transfer-encoding", "content-length"]
                .iter()
                .any(|frame| name.eq_ignore_ascii_case(frame))
        };
        let reframed = framing != Framing::Same && !matches!(came, Came::Nothing);
        for (name, value) in &head.headers {
            if name.eq_ignore_ascii_case("connection") || reframed && frames(name) {
                continue;
            }
            self.line(&mut text, name, value);
        }
        if reframed && framing == Framing::Chunks {
            self.line(&mut text, "transfer-encoding", b"chunked");
        }
        self.line(&mut text, "connection", b"close");
        text.extend_from_slice(b"\r\n");
        text
    }

    fn line(&self, text: &mut Vec<u8>, name: &str, value: &[u8]) {
        let name = match self.names {
            Names::Same => name.to_owned(),
            Names::Upper => name.to_ascii_uppercase(),
            Names::Title => titled(name),
        };
        let space = self.space.as_deref().unwrap_or(" ");
        text.extend_from_slice(format!("{name}:{space}").as_bytes());
        text.extend_from_slice(value);
        text.extend_from_slice(self.behind.as_bytes());
        text.extend_from_slice(b"\r\n");
    }

    fn part(&self, part: &[u8], framing: Framing) -> Vec<u8> {
        if framing != Framing::Chunks {
            return part.to_vec();
        }
        let mut framed = Vec::new();
        for chunk in part.chunks(self.chunk.unwrap_or(usize::MAX).max(1)) {
            let size = format!("{:x}", chunk.len());
            let size = match &self.chunk_size {
                Some(written) => written.replace("{size}", &size),
                None => size,
            };
            framed.extend_from_slice(format!("{size}\r\n").as_bytes());
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
        }
        framed
    }

    fn end(&self, framing: Framing) -> String {
        match framing {
            Framing::Chunks => format!("0\r\n{}\r\n", self.trailers),
            Framing::Same | Framing::UntilClose => String::new(),
        }
    }
}

fn titled(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    });
    words.collect::<Vec<_>>().join("-")
}

/// Writes no more than so many bytes at once.
struct Pieces<'a, W> {
    told: &'a mut W,
    len: usize,
}

impl<W: AsyncWrite + Unpin> Pieces<'_, W> {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(self.len.max(1)) {
            self.told.write_all(piece).await?;
            self.told.flush().await?;
        }
        Ok(())
    }
}

/// A body, part by part as it comes.
struct Body<R> {
    answers: R,
    received: BytesMut,
    came: Came,
    /// What is left of the present chunk, its line end included.
    left: usize,
}

impl<R: AsyncRead + Unpin> Body<R> {
    /// The next part; `None` at the orderly end.
    async fn next(&mut self) -> io::Result<Option<BytesMut>> {
        match self.came {
            Came::Nothing | Came::Len(0) => Ok(None),
            Came::Len(left) => {
                if self.received.is_empty() {
                    more(&mut self.answers, &mut self.received).await?;
                }
                let part = self.received.split_to(left.min(self.received.len()));
                self.came = Came::Len(left - part.len());
                Ok(Some(part))
            }
            Came::UntilClose => {
                let read = self.answers.read_buf(&mut self.received).await?;
                let part = self.received.split();
                Ok((read > 0 || !part.is_empty()).then_some(part))
            }
            Came::Chunks => self.next_of_chunk().await,
        }
    }

    async fn next_of_chunk(&mut self) -> io::Result<Option<BytesMut>> {
        const LINE_END: usize = 2;
        loop {
            if self.left > LINE_END && !self.received.is_empty() {
                let len = (self.left - LINE_END).min(self.received.len());
                self.left -= len;
                return Ok(Some(self.received.split_to(len)));
            }
            if self.left > 0 && self.left <= LINE_END {
                while self.received.len() < LINE_END {
                    more(&mut self.answers, &mut self.received).await?;
                }
                self.received.advance(LINE_END);
                self.left = 0;
            }
            if self.left == 0
                && let Ok(httparse::Status::Complete((start, size))) =
                    httparse::parse_chunk_size(&self.received)
            {
                self.received.advance(start);
                let size = usize::try_from(size).map_err(io::Error::other)?;
                if size == 0 {
                    return Ok(None);
                }
                self.left = size + LINE_END;
                continue;
            }
            more(&mut self.answers, &mut self.received).await?;
        }
    }
}

/// Reads on.
async fn more(answers: &mut (impl AsyncRead + Unpin), received: &mut BytesMut) -> io::Result<()> {
    match answers.read_buf(received).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _read => Ok(()),
    }
}
