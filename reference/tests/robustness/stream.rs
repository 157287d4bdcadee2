//! A caller of a streamed chat who sees each part as it comes. Never reads further than it is told.

use crate::stage::{Stage, chat_body};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub(crate) struct Stream {
    reader: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Stream {
    /// Asks for a stream as tenant `acme`; returns when the head of its answer is here, which says 200.
    #[track_caller]
    pub(crate) fn open(stage: &Stage, prompt: &str) -> Self {
        let mut socket = TcpStream::connect(stage.server.address).unwrap();
        // A guard only: the longest pause of a stream in these tests is 20 s.
        socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let body = chat_body(prompt, true);
        write!(
            socket,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: acme.app.test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut stream = Self {
            reader: BufReader::new(socket),
            body: Vec::new(),
        };
        let status = stream.line();
        assert!(status.starts_with("HTTP/1.1 200 "), "{status}");
        while !stream.line().trim().is_empty() {}
        stream
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        // A line that does not come is an empty one.
        drop(self.reader.read_line(&mut line));
        line
    }

    /// Takes the next chunk. `None`: the body ended in order; `Err`: it was cut.
    fn chunk(&mut self) -> Result<Option<usize>, ()> {
        let len = usize::from_str_radix(self.line().trim(), 16).map_err(drop)?;
        let from = self.body.len();
        self.body.resize(from + len + 2, 0);
        self.reader
            .read_exact(&mut self.body[from..])
            .map_err(drop)?;
        self.body.truncate(from + len);
        Ok((len > 0).then_some(len))
    }

    /// Reads until the text has come.
    #[track_caller]
    pub(crate) fn read_until(&mut self, text: &str) {
        while !self.text().contains(text) {
            let more = self.chunk();
            assert!(
                matches!(more, Ok(Some(_))),
                "no {text:?} in {}",
                self.text()
            );
        }
    }

    /// Reads at least this many bytes more.
    #[track_caller]
    pub(crate) fn read_some(&mut self, bytes: usize) {
        let until = self.body.len() + bytes;
        while self.body.len() < until {
            assert!(
                matches!(self.chunk(), Ok(Some(_))),
                "the stream ended early"
            );
        }
    }

    /// Reads the rest; whether it ended in order.
    pub(crate) fn read_to_end(&mut self) -> bool {
        loop {
            match self.chunk() {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(()) => return false,
            }
        }
    }

    /// What came so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
