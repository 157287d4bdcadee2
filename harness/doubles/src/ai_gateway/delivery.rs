//! Delivers a complete reply chunk by chunk, with the faults its script asks for.
//!
//! It never buffers: a chunk is on the wire before the next is looked at.

use std::{future, io, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{
    attempt::Outcome,
    hub::Plan,
    journal::{AttemptId, Journal, Release},
    reply::Fault,
};
use crate::wire::{Connection, Head};

/// What to send.
#[derive(Debug)]
pub(super) struct Shipment {
    pub(super) status: u16,
    pub(super) head: Head,
    pub(super) chunks: Vec<Bytes>,
    pub(super) has_body: bool,
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Sent to the end.
    Complete,
    /// The client closed first.
    ClientGone,
    /// To be closed inside the body.
    Cut,
    /// To be reset before the head.
    Reset,
    /// To be closed after bytes that are no HTTP.
    Garbled,
}

struct Transmission<'a, W> {
    writer: &'a mut W,
    journal: &'a Journal,
    attempt: AttemptId,
    fault: Fault,
    delay: Duration,
    pace: Duration,
    release: Release,
}

/// Sends the shipment while watching for a client that leaves.
pub(super) async fn deliver(
    connection: &mut Connection,
    shipment: Shipment,
    plan: Plan,
    journal: &Journal,
) -> Ending {
    let is_chunked = plan.is_stream
        || match plan.delivery.fault {
            Fault::HoldAfter(_)
            | Fault::StallAfter(_)
            | Fault::CutAfter(_)
            | Fault::CutInside(_) => true,
            Fault::None | Fault::Hang | Fault::Reset | Fault::Garbled => false,
        };
    let transmission = Transmission {
        writer: &mut connection.writer,
        journal,
        attempt: plan.attempt,
        fault: plan.delivery.fault,
        delay: plan.delivery.delay,
        pace: plan.delivery.pace,
        release: plan.release,
    };
    tokio::select! {
        biased;
        sent = transmission.run(shipment, is_chunked) => sent.unwrap_or(Ending::ClientGone),
        () = connection.reader.closed() => Ending::ClientGone,
    }
}

impl<W: AsyncWrite + Unpin> Transmission<'_, W> {
    async fn run(mut self, shipment: Shipment, is_chunked: bool) -> io::Result<Ending> {
        pause(self.delay).await;
        match self.fault {
            Fault::Reset => return Ok(Ending::Reset),
            Fault::Garbled => {
                self.write(b"\x00\xff\xfeHTTP is not spoken here\r\n\r\n")
                    .await?;
                return Ok(Ending::Garbled);
            }
            Fault::Hang => {
                self.set_outcome(Outcome::Hung);
                self.released().await;
                self.set_outcome(Outcome::InProgress);
            }
            Fault::None
            | Fault::HoldAfter(_)
            | Fault::StallAfter(_)
            | Fault::CutAfter(_)
            | Fault::CutInside(_) => {}
        }
        if shipment.status == 204 || shipment.status == 304 {
            self.write(&shipment.head.without_body()).await?;
            return Ok(Ending::Complete);
        }
        if is_chunked && shipment.has_body {
            return self.chunked(shipment).await;
        }
        let length = shipment.chunks.iter().map(Bytes::len).sum();
        let mut bytes = shipment.head.with_length(length);
        if shipment.has_body {
            for chunk in &shipment.chunks {
                bytes.extend_from_slice(chunk);
            }
        }
        pause(self.pace).await;
        self.write(&bytes).await?;
        self.count_chunks(shipment.chunks.len());
        Ok(Ending::Complete)
    }

    async fn chunked(&mut self, shipment: Shipment) -> io::Result<Ending> {
        let head = shipment.head.chunked();
        self.write(&head).await?;
        for (sent, chunk) in shipment.chunks.iter().enumerate() {
            match self.fault {
                Fault::HoldAfter(n) if n == sent => self.released().await,
                Fault::StallAfter(n) if n == sent => self.stall().await,
                Fault::CutAfter(n) if n == sent => return Ok(Ending::Cut),
                Fault::CutInside(n) if n == sent => {
                    let framed = framed(chunk);
                    self.write(&framed[..framed.len() / 2]).await?;
                    return Ok(Ending::Cut);
                }
                Fault::None
                | Fault::Hang
                | Fault::Reset
                | Fault::Garbled
                | Fault::HoldAfter(_)
                | Fault::StallAfter(_)
                | Fault::CutAfter(_)
                | Fault::CutInside(_) => {}
            }
            pause(self.pace).await;
            if !chunk.is_empty() {
                self.write(&framed(chunk)).await?;
            }
            self.count_chunks(1);
        }
        // A fault placed at or beyond the last chunk strikes before the end of the body.
        let sent = shipment.chunks.len();
        match self.fault {
            Fault::HoldAfter(n) if n >= sent => self.released().await,
            Fault::StallAfter(n) if n >= sent => self.stall().await,
            Fault::CutAfter(_) | Fault::CutInside(_) => return Ok(Ending::Cut),
            Fault::None
            | Fault::Hang
            | Fault::Reset
            | Fault::Garbled
            | Fault::HoldAfter(_)
            | Fault::StallAfter(_) => {}
        }
        self.write(b"0\r\n\r\n").await?;
        Ok(Ending::Complete)
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await?;
        self.writer.flush().await
    }

    fn count_chunks(&self, sent: usize) {
        self.journal
            .change(self.attempt, |attempt| attempt.chunks_sent += sent);
    }

    fn set_outcome(&self, outcome: Outcome) {
        self.journal
            .change(self.attempt, |attempt| attempt.outcome = outcome);
    }

    /// A script replaced or forgotten lets its replies go, so that nothing hangs on a script nobody can reach.
    async fn released(&mut self) {
        self.release.wait_for(|released| *released).await.ok();
    }

    async fn stall(&self) {
        self.set_outcome(Outcome::Hung);
        future::pending::<()>().await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "delay and pace in real time are what the script asked for"
)]
async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn framed(chunk: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(chunk.len() + 16);
    bytes.put_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
    bytes.put_slice(chunk);
    bytes.put_slice(b"\r\n");
    bytes
}
