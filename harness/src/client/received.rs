//! The bytes of an answer as they come: where its head ends, and whether its body is whole. Never does HTTP by itself.

use super::NoAnswer;

/// Most headers read of an answer.
const HEADERS_MAX: usize = 128;
/// A longer head is none. Evidence: the shared client takes no more than 400 KiB of one.
const HEAD_LEN_MAX: usize = 512 * 1024;
/// More interim answers than that have no end. Evidence: servers that send 102 to keep a connection do so every few seconds.
const INTERIM_MAX: usize = 1000;
/// Status, headers with lower-case names, and body.
type Parsed = (u16, Vec<(String, String)>, Vec<u8>);

/// What has come of an answer. What was read once is not read again: one that goes on and on costs no more than its bytes.
#[derive(Default)]
pub(super) struct Received {
    /// From the final answer on, as far as is known.
    pub(super) bytes: Vec<u8>,
    /// How many interim answers came before.
    interim: usize,
    /// The head of the final answer, once it is here.
    head: Option<Head>,
    /// Where the next chunk begins, behind the head.
    chunk: usize,
}

impl Received {
    /// Whether the final answer is here to its last byte. What is sent without a length ends with the connection.
    ///
    /// # Errors
    /// [`NoAnswer::Broken`] when it has no end.
    pub(super) fn is_complete(&mut self, head_only: bool) -> Result<bool, NoAnswer> {
        self.look_for_head()?;
        let Some(head) = &self.head else {
            return Ok(false);
        };
        if head_only || !head.has_body() {
            return Ok(true);
        }
        let body = &self.bytes[head.end..];
        if head.is_chunked() {
            let read = skip_chunks(&body[self.chunk..]);
            self.chunk += read.len;
            return Ok(read.is_whole);
        }
        let len = head.header("content-length");
        let len = len.and_then(|text| text.trim().parse::<usize>().ok());
        Ok(len.is_some_and(|len| body.len() >= len))
    }

    /// Looks for the head of the final answer: any number of interim ones (RFC 9110, section 15.2) may come before it.
    fn look_for_head(&mut self) -> Result<(), NoAnswer> {
        let mut start = 0;
        while self.head.is_none() {
            let Some(head) = head(&self.bytes[start..]) else {
                break;
            };
            // After 101 the connection speaks another protocol: it is the last answer.
            if head.status == 101 || !(100..200).contains(&head.status) {
                self.head = Some(head);
                break;
            }
            start += head.end;
            self.interim += 1;
        }
        self.bytes.drain(..start);
        if self.interim > INTERIM_MAX {
            let why = format!("more than {INTERIM_MAX} interim answers, and no final one");
            return Err(NoAnswer::Broken(why));
        }
        if self.head.is_none() && self.bytes.len() > HEAD_LEN_MAX {
            let why = format!(
                "more than {} KiB of a head, and no end",
                HEAD_LEN_MAX / 1024
            );
            return Err(NoAnswer::Broken(why));
        }
        Ok(())
    }

    /// What it says, as far as it came.
    pub(super) fn parsed(self) -> Option<Parsed> {
        let head = self.head?;
        let body = &self.bytes[head.end..];
        let body = if head.is_chunked() {
            dechunk(body)
        } else {
            body.to_vec()
        };
        Some((head.status, head.headers, body))
    }
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

/// Chunks that are here as a whole.
struct Chunks {
    /// How many bytes they take.
    len: usize,
    /// Whether the last one and its trailers are among them.
    is_whole: bool,
}

fn skip_chunks(body: &[u8]) -> Chunks {
    const LINE_END: usize = 2;
    let mut len = 0;
    while let Ok(httparse::Status::Complete((start, size))) =
        httparse::parse_chunk_size(&body[len..])
    {
        if size == 0 {
            let mut trailers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let read = httparse::parse_headers(&body[len + start..], &mut trailers);
            let is_whole = matches!(read, Ok(httparse::Status::Complete(_)));
            return Chunks { len, is_whole };
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let next = (len + start + LINE_END).saturating_add(size);
        if next > body.len() {
            break;
        }
        len = next;
    }
    Chunks {
        len,
        is_whole: false,
    }
}

/// A body that came in chunks, as far as it came.
fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(httparse::Status::Complete((start, size @ 1..))) = httparse::parse_chunk_size(rest)
    {
        rest = &rest[start..];
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        body.extend_from_slice(&rest[..size]);
        rest = rest[size..].strip_prefix(b"\r\n").unwrap_or_default();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So much of an answer, and whether it is complete.
    fn came(bytes: &[u8], head_only: bool) -> (Received, bool) {
        let mut received = Received {
            bytes: bytes.to_vec(),
            ..Received::default()
        };
        let is_complete = received.is_complete(head_only).expect("an end");
        (received, is_complete)
    }

    fn complete(bytes: &[u8], head_only: bool) -> bool {
        came(bytes, head_only).1
    }

    fn parse(bytes: &[u8]) -> Option<Parsed> {
        came(bytes, false).0.parsed()
    }

    /// More than enough of an answer.
    const LEN_MAX: usize = 4 * 1024 * 1024;

    /// The same bytes again and again until something is said of them; how many came.
    fn without_an_end(first: &str, again: &str) -> (usize, String) {
        let mut received = Received::default();
        let mut len = first.len();
        received.bytes.extend_from_slice(first.as_bytes());
        loop {
            received.bytes.extend_from_slice(again.as_bytes());
            len += again.len();
            match received.is_complete(false) {
                Err(why) => return (len, why.to_string()),
                Ok(is_complete) => assert!(!is_complete && len <= LEN_MAX),
            }
        }
    }

    #[test]
    fn interim_answers_and_heads_without_an_end_are_no_answers() {
        let hint = "HTTP/1.1 103 Early Hints\r\n\r\n";
        let (len, why) = without_an_end("", hint);
        assert_eq!(len, hint.len() * (INTERIM_MAX + 1));
        assert!(why.contains("more than 1000 interim answers"), "{why}");
        let (len, why) = without_an_end("HTTP/1.1 200 OK\r\nx-padding: ", &"a".repeat(4096));
        assert!(len <= HEAD_LEN_MAX + 2 * 4096);
        assert!(why.contains("512 KiB of a head"), "{why}");
    }

    #[test]
    fn what_comes_piece_by_piece_is_complete_at_the_same_byte() {
        let all = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n";
        let mut received = Received::default();
        for (place, byte) in all.bytes().enumerate() {
            received.bytes.push(byte);
            let is_complete = received.is_complete(false).expect("an end");
            assert_eq!(is_complete, place + 1 == all.len(), "at byte {place}");
        }
        let (status, _, body) = received.parsed().expect("an answer");
        assert_eq!((status, body.as_slice()), (200, &b"hello"[..]));
    }

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
