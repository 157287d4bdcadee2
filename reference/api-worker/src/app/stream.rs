//! A streamed answer on its way to the caller: passed on as it comes, kept before its end is told. Never keeps one that did not end well.

use super::App;
use super::chat::UnderWay;
use crate::domain::answer::Assembly;
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt, unfold};
use moltworker_reference::domain::completion::{CompletionHead, StreamReader};
use moltworker_reference::domain::sse::{Piece, Splitter, frame_data};
use moltworker_reference::ports::UpstreamError;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The caller's side of a streamed answer. Dropping it cancels the call upstream.
pub struct AnswerStream(BoxStream<'static, Result<Bytes, UpstreamError>>);

impl AnswerStream {
    pub(super) fn new(
        app: Arc<App>,
        upstream: BoxStream<'static, Result<Bytes, UpstreamError>>,
        head: CompletionHead,
        under_way: UnderWay,
    ) -> Self {
        let reading = Reading {
            app,
            upstream,
            splitter: Splitter::default(),
            reader: StreamReader::new(head),
            assembly: under_way.keeps_messages().then(Assembly::default),
            under_way,
        };
        let parts = unfold(Some(reading), |reading| async {
            let mut reading = reading?;
            loop {
                let (out, goes_on) = match reading.upstream.next().await {
                    Some(Ok(chunk)) => {
                        let pieces = reading.splitter.push(&chunk);
                        reading.pass(pieces).await
                    }
                    None => {
                        let rest = reading.splitter.finish().into_iter().collect();
                        let (out, _) = reading.pass(rest).await;
                        (out, false)
                    }
                    // The caller must see that its answer was cut, not a neat end.
                    Some(Err(error)) => return Some((Err(error), None)),
                };
                if !out.is_empty() {
                    return Some((Ok(Bytes::from(out)), goes_on.then_some(reading)));
                }
                if !goes_on {
                    return None;
                }
            }
        });
        Self(parts.boxed())
    }
}

impl Stream for AnswerStream {
    type Item = Result<Bytes, UpstreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

struct Reading {
    app: Arc<App>,
    upstream: BoxStream<'static, Result<Bytes, UpstreamError>>,
    splitter: Splitter,
    reader: StreamReader,
    /// The answer's message, if a conversation keeps it.
    assembly: Option<Assembly>,
    under_way: UnderWay,
}

impl Reading {
    /// What the caller gets for these pieces, and whether the stream goes on.
    async fn pass(&mut self, pieces: Vec<Piece>) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        for piece in pieces {
            let ends = is_end(&piece);
            let passed = self.reader.read(piece);
            if self.reader.failed() {
                out.extend(passed);
                return (out, false);
            }
            self.assemble(&passed);
            if ends {
                out.extend(match self.keep().await {
                    Ok(()) => passed,
                    Err(event) => event,
                });
                return (out, false);
            }
            out.extend(passed);
        }
        (out, true)
    }

    fn assemble(&mut self, passed: &[u8]) {
        let Some(assembly) = &mut self.assembly else {
            return;
        };
        let mut splitter = Splitter::default();
        let mut pieces = splitter.push(passed);
        pieces.extend(splitter.finish());
        for piece in pieces {
            let Piece::Frame(frame) = piece else { continue };
            let chunk =
                frame_data(&frame).and_then(|data| serde_json::from_slice::<Value>(&data).ok());
            if let Some(chunk) = chunk {
                assembly.add(&chunk);
            }
        }
    }

    /// Keeps the answer, once; else the event that the caller gets in place of the end.
    async fn keep(&mut self) -> Result<(), Vec<u8>> {
        let message = self.assembly.take().map(Assembly::finish);
        let kept = self
            .app
            .keep(self.under_way.clone(), self.reader.usage(), message)
            .await;
        kept.map_err(|error| {
            self.app.log_job_failure(&error);
            let event = json!({"error": {"code": error.code(), "message": "The answer could not be kept."}});
            format!("data: {event}\n\n").into_bytes()
        })
    }
}

fn is_end(piece: &Piece) -> bool {
    match piece {
        Piece::Frame(frame) => frame_data(frame).is_some_and(|data| data.trim_ascii() == b"[DONE]"),
        Piece::Unread(_) => false,
    }
}
