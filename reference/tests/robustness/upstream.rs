//! AI Gateway and team domain of these tests: a server that writes to the socket what a script says. Never checks a call.

use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One request: what it asked, and the socket for the answer.
pub(crate) struct Call<'a> {
    /// Content of the first message; empty for other requests than chats.
    pub(crate) prompt: String,
    pub(crate) socket: &'a mut TcpStream,
}

/// An upstream; it lives as long as the test process.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    calls: Arc<AtomicUsize>,
}

impl Upstream {
    /// Serves every request by the script; when that fails the connection is closed.
    pub(crate) fn start(
        script: impl Fn(Call<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let (script, counted) = (Arc::new(script), Arc::clone(&calls));
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (script, counted) = (Arc::clone(&script), Arc::clone(&counted));
                // A connection ends when either side has had enough of it.
                std::thread::spawn(move || drop(serve(socket, &counted, &*script)));
            }
        });
        Self { address, calls }
    }

    /// Requests so far.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

fn serve(
    mut socket: TcpStream,
    calls: &AtomicUsize,
    script: &(impl Fn(Call<'_>) -> io::Result<()> + ?Sized),
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut reader = BufReader::new(socket.try_clone()?);
    while let Some(body) = read_request(&mut reader)? {
        calls.fetch_add(1, Ordering::Relaxed);
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let prompt = body["messages"][0]["content"].as_str();
        script(Call {
            prompt: prompt.unwrap_or_default().to_owned(),
            socket: &mut socket,
        })?;
    }
    Ok(())
}

/// The body of the next request; `None` when the peer is done.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut len = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            let mut body = vec![0; len];
            reader.read_exact(&mut body)?;
            return Ok(Some(body));
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            len = value.trim().parse().unwrap_or(0);
        }
    }
}

impl Call<'_> {
    /// A whole JSON answer.
    pub(crate) fn json(self, body: &Value) -> io::Result<()> {
        let body = body.to_string();
        write!(
            self.socket,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// A success that counts these tokens.
    pub(crate) fn success(self, tokens_in: u64, tokens_out: u64) -> io::Result<()> {
        self.json(&completion(tokens_in, tokens_out))
    }

    /// The head of an answer whose body comes in chunks.
    pub(crate) fn head(&mut self, content_type: &str) -> io::Result<()> {
        write!(
            self.socket,
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        )
    }

    /// One chunk; an empty one ends the body.
    pub(crate) fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.socket.write_all(&chunk)
    }

    /// Closes the connection.
    pub(crate) fn cut(self) -> io::Result<()> {
        self.socket.shutdown(std::net::Shutdown::Both)?;
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

/// Says nothing more and waits until the backend gives up the call.
#[expect(clippy::needless_pass_by_value, reason = "a script is given its call")]
pub(crate) fn stall(call: Call<'_>) -> io::Result<()> {
    let mut scratch = [0; 1];
    while call.socket.read(&mut scratch)? > 0 {}
    Err(io::ErrorKind::BrokenPipe.into())
}

/// A chat completion that counts these tokens.
pub(crate) fn completion(tokens_in: u64, tokens_out: u64) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out},
    })
}

/// One event of a stream, with text.
pub(crate) fn delta(text: &str) -> String {
    let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]});
    format!("data: {chunk}\n\n")
}

/// The last events of a stream: usage, then the end.
pub(crate) fn stream_end(tokens_in: u64, tokens_out: u64) -> String {
    let usage = json!({"id": "chatcmpl-1", "choices": [], "usage": {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}});
    format!("data: {usage}\n\ndata: [DONE]\n\n")
}
