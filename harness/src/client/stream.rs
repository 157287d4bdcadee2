//! Answers read piece by piece while they are produced. Never waits without a deadline.

use super::not_the_worker;
use super::stalls::Stalls;
use super::{
    ANSWER_MS_MAX, BODY_LEN_MAX, Client, NoAnswer, Request, chain, connect, endless_body,
    header_list, sent,
};
use crate::clock;
use crate::evidence::{BODY_KEPT_MAX, Exchange};
use crate::lag::Patience;
use crate::lag::progress::moved;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// As long as any other answer.
const WHOLE: Duration = Duration::from_millis(ANSWER_MS_MAX);

/// An answer under way. Dropping it closes the connection: the caller has gone away.
#[derive(Debug)]
pub struct StreamedAnswer {
    response: reqwest::Response,
    /// What was read ahead to see whose answer it is.
    ahead: Option<Bytes>,
    exchange: Exchange,
    kept: BytesMut,
    sent_at: Instant,
    /// How long it may take in all: an answer that goes on and on is none.
    whole: Patience,
    stalls: Arc<Stalls>,
}

/// What came next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Some bytes.
    Bytes(Bytes),
    /// The orderly end of the body.
    End,
    /// The connection broke before the end.
    Cut(String),
    /// Nothing within the deadline.
    Nothing,
}

impl std::fmt::Display for Next {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::End => f.write_str("the orderly end"),
            Self::Cut(why) => write!(f, "a broken connection ({why})"),
            Self::Nothing => f.write_str("nothing more in time"),
        }
    }
}

impl StreamedAnswer {
    /// Sends a request and returns when the response head is here.
    ///
    /// # Errors
    /// [`NoAnswer`] when there is no head within the request's deadline.
    pub async fn open(
        client: &Client,
        base: &str,
        request: &Request,
        number: usize,
    ) -> Result<Self, NoAnswer> {
        let base = &client.way(base, request);
        client.admit(base, request).await?;
        let sent_at = clock::now();
        let sent_at_ms = clock::epoch_ms();
        let opening = connect::timed(client.begin(base, request));
        let patience = client.patience_for(request);
        let opened = patience.with(opening).await;
        moved();
        let (begun, stood) = opened
            .ok_or_else(|| client.gave_up(request, sent_at, &patience, "no response head"))?;
        let mut response = begun?;
        let mut ahead = None;
        if not_the_worker::is_open(response.status().as_u16()) {
            let piece = patience.with(response.chunk()).await;
            // An error page is no stream: what does not come, or breaks, is left for `next` to tell.
            ahead = piece.and_then(Result::ok).flatten();
        }
        let exchange = Exchange {
            number,
            request: sent(base, request),
            status: request.status(response.status().as_u16()),
            headers: header_list(response.headers()),
            body: ahead.clone().unwrap_or_default(),
            body_len: 0,
            sent_at,
            sent_at_ms,
            connected_after: stood.map(|at| at.saturating_duration_since(sent_at)),
            head_after: sent_at.elapsed(),
            done_after: sent_at.elapsed(),
            reading: request.reading.clone(),
            told_later: None,
        };
        let exchange = client.own_answer(base, request, exchange)?;
        Ok(Self {
            response,
            ahead,
            exchange,
            kept: BytesMut::new(),
            sent_at,
            whole: Patience::of(client.stalls.deadline(WHOLE)),
            stalls: Arc::clone(&client.stalls),
        })
    }

    /// Status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.exchange.status
    }

    /// The next piece, whatever the sizes the target chose.
    pub async fn next(&mut self, patience: &Patience) -> Next {
        if self.whole.is_over() {
            self.stalls.waited(self.sent_at);
            return Next::Nothing;
        }
        let piece = match self.ahead.take() {
            Some(ahead) => Some(Ok(Some(ahead))),
            None => patience.with(self.response.chunk()).await,
        };
        moved();
        match piece {
            None => Next::Nothing,
            Some(Ok(Some(bytes))) => {
                self.exchange.body_len += bytes.len();
                if self.exchange.body_len > BODY_LEN_MAX {
                    self.stalls.endless();
                    return Next::Cut(endless_body());
                }
                let room = BODY_KEPT_MAX - self.kept.len();
                self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
                Next::Bytes(bytes)
            }
            Some(Ok(None)) => {
                self.stalls.completed();
                Next::End
            }
            Some(Err(error)) => Next::Cut(chain(&error)),
        }
    }

    /// Everything received so far as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }

    /// Closes the connection, if the answer has not ended, and returns what was exchanged.
    #[must_use]
    pub fn close(self) -> Exchange {
        Exchange {
            body: self.kept.freeze(),
            done_after: self.sent_at.elapsed(),
            ..self.exchange
        }
    }
}
