//! Server-sent events cut out of a byte stream, however it is chunked. Never holds more than one frame.

use std::borrow::Cow;

/// Largest frame that is read; a model's frame has some hundred bytes.
pub const FRAME_LEN_MAX: usize = 1 << 20;

/// A piece of the stream; all pieces together are the stream, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// One frame with the blank line that ends it.
    Frame(Vec<u8>),
    /// Part of a frame too large to be read.
    Unread(Vec<u8>),
}

/// Cuts a stream into frames.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    line_len: usize,
    after_cr: bool,
    oversized: bool,
}

impl Splitter {
    /// Takes the next bytes and gives every piece that they complete.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut bytes = chunk.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            self.buffer.push(byte);
            let ends_line = byte == b'\r' || (byte == b'\n' && !self.after_cr);
            let ends_frame = ends_line && self.line_len == 0;
            if ends_line {
                self.line_len = 0;
            } else if byte != b'\n' {
                self.line_len += 1;
            }
            self.after_cr = byte == b'\r';
            if ends_frame {
                // The line feed of a final CR LF goes with its frame when it is here already.
                if let Some(feed) = bytes.next_if(|next| byte == b'\r' && *next == b'\n') {
                    self.buffer.push(feed);
                    self.after_cr = false;
                }
                pieces.push(self.take(false));
            } else if self.buffer.len() >= FRAME_LEN_MAX {
                pieces.push(self.take(true));
            }
        }
        pieces
    }

    /// What stands after the last complete frame when the stream has ended in order.
    pub fn finish(&mut self) -> Option<Piece> {
        (!self.buffer.is_empty()).then(|| self.take(false))
    }

    fn take(&mut self, unfinished: bool) -> Piece {
        let bytes = std::mem::take(&mut self.buffer);
        let unread = unfinished || self.oversized;
        self.oversized = unfinished;
        if unread {
            Piece::Unread(bytes)
        } else {
            Piece::Frame(bytes)
        }
    }
}

/// The data of a frame: its `data` lines joined by line feeds; `None` if it has none (a comment, a keep-alive).
#[must_use]
pub fn frame_data(frame: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut data: Option<Cow<'_, [u8]>> = None;
    for line in frame.split(|byte| matches!(byte, b'\r' | b'\n')) {
        let Some(value) = line.strip_prefix(b"data") else {
            continue;
        };
        let value = match value {
            [b':', b' ', rest @ ..] | [b':', rest @ ..] => rest,
            [] => &[],
            [_, ..] => continue,
        };
        data = Some(match data {
            None => Cow::Borrowed(value),
            Some(former) => {
                let mut joined = former.into_owned();
                joined.push(b'\n');
                joined.extend_from_slice(value);
                Cow::Owned(joined)
            }
        });
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(chunks: &[&[u8]]) -> Vec<Piece> {
        let mut splitter = Splitter::default();
        let mut pieces: Vec<Piece> = chunks
            .iter()
            .flat_map(|chunk| splitter.push(chunk))
            .collect();
        pieces.extend(splitter.finish());
        pieces
    }

    fn data(pieces: &[Piece]) -> Vec<Vec<u8>> {
        let frames = pieces.iter().filter_map(|piece| match piece {
            Piece::Frame(bytes) => frame_data(bytes),
            Piece::Unread(_) => None,
        });
        frames.map(Cow::into_owned).collect()
    }

    #[test]
    fn all_three_line_endings_end_frames() {
        for ending in ["\n", "\r\n", "\r"] {
            let stream = [
                "data: a",
                "",
                "data:b",
                "data:  c",
                "",
                ": comment",
                "",
                "data",
                "",
                "database: x",
                "",
                "data: z",
            ]
            .join(ending);
            let expected: [&[u8]; 4] = [b"a", b"b\n c", b"", b"z"];
            assert_eq!(data(&split(&[stream.as_bytes()])), expected, "{ending:?}");
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_passed_unread_and_the_next_is_read() {
        let large = format!("data: {}\n\ndata: next\n\n", "x".repeat(3 * FRAME_LEN_MAX));
        let pieces = split(&[large.as_bytes()]);
        assert_eq!(data(&pieces), [b"next".to_vec()]);
        let total: usize = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Frame(bytes) | Piece::Unread(bytes) => bytes.len(),
            })
            .sum();
        assert_eq!(total, large.len());
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_bytes_and_the_same_data(
            lines in proptest::collection::vec("(data: [a-z]{0,5}|data|: x||[^\r\n]{0,8})", 0..20),
            ending in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let stream = lines.join(ending).into_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            at.extend([0, stream.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            let pieces = split(&chunks);
            let joined: Vec<u8> = pieces.iter().flat_map(|piece| match piece { Piece::Frame(bytes) | Piece::Unread(bytes) => bytes.clone() }).collect();
            prop_assert_eq!(&joined, &stream);
            prop_assert_eq!(data(&pieces), data(&split(&[&stream])));
        }
    }
}
