//! Backends that hold streams up, or go on with them when nobody listens. Never breaks more than one thing at a time.

use super::super::calls::{self, Body, OtherCalls, Purpose, is_stream, whole};
use super::{Draft, deviant};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use moltworker_reference::ports::{AiGateway, UpstreamAnswer, UpstreamCall, UpstreamError};
use tokio::sync::mpsc;

pub(super) fn all() -> Vec<Draft> {
    let other = |id, breaks, change: Change| {
        deviant(id, breaks, &["AIG-017"])
            .parts(move |parts| calls::calls(&mut parts.ports, Streams(change)))
    };
    vec![
        other(
            "stream-goes-on-without-its-caller",
            "A caller that goes away does not end the call",
            Change::Drained,
        ),
        other(
            "stream-one-event-behind",
            "An event of a stream is passed on when the next one comes",
            Change::Behind,
        ),
        other(
            "native-stream-collected",
            "A native stream is translated when it is whole",
            Change::NativeCollected,
        ),
        other(
            "stream-of-the-fallback-collected",
            "A stream of the fallback reaches its caller when it is whole",
            Change::FallbackCollected,
        ),
        other(
            "cut-stream-ended-as-if-whole",
            "A stream that breaks off upstream ends for its caller as a whole one does",
            Change::EndedNeatly,
        ),
    ]
}

#[derive(Clone, Copy)]
enum Change {
    Drained,
    Behind,
    NativeCollected,
    FallbackCollected,
    EndedNeatly,
}

struct Streams(Change);

#[async_trait]
impl OtherCalls for Streams {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let is_fallback = Purpose::of(&call).is_fallback();
        let mut answer = inner.call(call).await?;
        if answer.status != 200 || !is_stream(&answer) {
            return Ok(answer);
        }
        let body = calls::take_body(&mut answer);
        answer.body = match self.0 {
            Change::Drained => drained(body),
            Change::Behind => behind(body),
            Change::NativeCollected => native_collected(body).await,
            Change::FallbackCollected => body,
            Change::EndedNeatly => ended_neatly(body),
        };
        if matches!(self.0, Change::FallbackCollected) && is_fallback {
            whole(&mut answer).await;
        }
        Ok(answer)
    }
}

/// Reads to the end, whether or not anybody still listens.
fn drained(mut body: Body) -> Body {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(part) = body.next().await {
            // Nobody listens: the model is heard out all the same.
            drop(sender.send(part));
        }
    });
    stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|part| (part, receiver))
    })
    .boxed()
}

fn behind(body: Body) -> Body {
    let held = None::<Result<Bytes, UpstreamError>>;
    stream::unfold((body, held), |(mut body, mut held)| async move {
        loop {
            let next = body.next().await;
            let is_last = next.is_none();
            let before = std::mem::replace(&mut held, next);
            match before {
                Some(part) => return Some((part, (body, held))),
                None if is_last => return None,
                None => {}
            }
        }
    })
    .boxed()
}

/// Native frames have no `choices`.
async fn native_collected(mut body: Body) -> Body {
    let first = body.next().await;
    let is_native = match &first {
        Some(Ok(bytes)) => !String::from_utf8_lossy(bytes).contains("\"choices\""),
        Some(Err(_)) | None => false,
    };
    let all = stream::iter(first).chain(body).boxed();
    if is_native {
        stream::iter(all.collect::<Vec<_>>().await).boxed()
    } else {
        all
    }
}

fn ended_neatly(body: Body) -> Body {
    body.map(|part| Ok(part.unwrap_or_else(|_cut| Bytes::from_static(b"data: [DONE]\n\n"))))
        .boxed()
}
