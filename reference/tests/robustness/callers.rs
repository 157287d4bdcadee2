//! Many callers at once, each with a connection of its own that it keeps. Never asserts.

use crate::stage::chat_body;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Callers side by side: enough to keep two cores and the writing thread busy.
const CALLERS: usize = 16;

/// Callers at work on a row of numbered chats of the tenant `acme`.
pub(crate) struct Callers {
    answered: Arc<Mutex<Vec<u64>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Callers {
    /// Sends chats whose prompts are the numbers from 1 to `last`, each until its connection breaks.
    pub(crate) fn start(address: SocketAddr, last: u64) -> Self {
        let next = Arc::new(AtomicU64::new(1));
        let answered = Arc::new(Mutex::new(Vec::new()));
        let call = |_caller| {
            let (next, answered) = (Arc::clone(&next), Arc::clone(&answered));
            std::thread::spawn(move || drop(call_until_it_breaks(address, &next, last, &answered)))
        };
        let threads = (0..CALLERS).map(call).collect();
        Self { answered, threads }
    }

    /// Chats that got a complete 200 so far, by number.
    pub(crate) fn answered(&self) -> usize {
        self.answered.lock().unwrap().len()
    }

    /// Waits for all callers; gives the numbers of the chats that got a complete 200.
    pub(crate) fn join(self) -> Vec<u64> {
        for thread in self.threads {
            thread.join().unwrap();
        }
        let mut answered = self.answered.lock().unwrap().clone();
        answered.sort_unstable();
        answered
    }
}

fn call_until_it_breaks(
    address: SocketAddr,
    next: &AtomicU64,
    last: u64,
    answered: &Mutex<Vec<u64>>,
) -> io::Result<()> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    // A guard only: no answer of these tests' scripts takes a second.
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut reader = BufReader::new(socket.try_clone()?);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number > last {
            return Ok(());
        }
        let body = chat_body(&number.to_string(), false);
        write!(
            socket,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: acme.app.test\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        if read_status(&mut reader)? == 200 {
            answered.lock().unwrap().push(number);
        }
    }
}

/// Takes in a whole answer and gives its status.
fn read_status(reader: &mut impl BufRead) -> io::Result<u16> {
    let mut status = None;
    let mut len = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = line.trim();
        if text.is_empty() {
            break;
        }
        if status.is_none() {
            status = text
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok());
        } else if let Some(value) = text.strip_prefix("content-length:") {
            len = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body)?;
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
