//! A streamed answer on its way to the caller: passed on as it comes, its usage written when it ends. Never holds more than one frame.

use super::usage::UsageRecorder;
use crate::domain::completion::{CompletionHead, StreamReader};
use crate::domain::sse::Splitter;
use crate::ports::UpstreamError;
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The caller's side of a streamed answer. Dropping it cancels the call upstream; usage that was seen is written all the same.
pub struct AnswerStream {
    /// `None` once it has ended.
    upstream: Option<BoxStream<'static, Result<Bytes, UpstreamError>>>,
    splitter: Splitter,
    reader: StreamReader,
    /// Taken when the row is written.
    recorder: Option<UsageRecorder>,
    last_byte_at: Duration,
    /// Why the upstream broke off, until the caller is told.
    cut: Option<UpstreamError>,
}

impl AnswerStream {
    pub(super) fn new(
        upstream: BoxStream<'static, Result<Bytes, UpstreamError>>,
        head: CompletionHead,
        recorder: UsageRecorder,
    ) -> Self {
        let last_byte_at = recorder.clock.monotonic();
        Self {
            upstream: Some(upstream),
            splitter: Splitter::default(),
            reader: StreamReader::new(head),
            recorder: Some(recorder),
            last_byte_at,
            cut: None,
        }
    }

    fn read(&mut self, chunk: &[u8]) -> Vec<u8> {
        if let Some(recorder) = &self.recorder {
            self.last_byte_at = recorder.clock.monotonic();
        }
        let mut out = Vec::new();
        for piece in self.splitter.push(chunk) {
            out.extend(self.reader.read(piece));
            if self.reader.failed() {
                self.end();
                break;
            }
        }
        out
    }

    /// The rest after an orderly end.
    fn finish(&mut self) -> Vec<u8> {
        if let Some(recorder) = &self.recorder {
            self.last_byte_at = recorder.clock.monotonic();
        }
        let rest = self
            .splitter
            .finish()
            .map(|piece| self.reader.read(piece))
            .unwrap_or_default();
        self.end();
        rest
    }

    /// Lets go of the upstream call and writes the row, once.
    fn end(&mut self) {
        self.upstream = None;
        if let (Some(recorder), Some(usage)) = (self.recorder.take(), self.reader.usage()) {
            recorder.record(usage, self.last_byte_at);
        }
    }
}

impl Stream for AnswerStream {
    type Item = Result<Bytes, UpstreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(error) = self.cut.take() {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            let Some(upstream) = self.upstream.as_mut() else {
                return Poll::Ready(None);
            };
            let out = match ready!(upstream.as_mut().poll_next(cx)) {
                Some(Ok(chunk)) => self.read(&chunk),
                None => self.finish(),
                // The caller must see that its answer was cut, not a neat end; but first what came before,
                // which the server only flushes when there is nothing more to be had at the moment.
                Some(Err(error)) => {
                    self.end();
                    self.cut = Some(error);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            };
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Bytes::from(out))));
            }
        }
    }
}

impl Drop for AnswerStream {
    fn drop(&mut self) {
        self.end();
    }
}
