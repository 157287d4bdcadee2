//! Request bodies, bounded in size and time. Never reads on once a body is too large.

use crate::app::error::Error;
use crate::ports::Clock;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::BodyExt;
use std::time::Duration;

/// Largest request body (contract, shapes).
const BODY_LEN_MAX: usize = 1 << 20;
/// A body of 1 MiB over a bad mobile link takes some ten seconds.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// Reads a body.
///
/// # Errors
/// [`Error::PayloadTooLarge`], or [`Error::Invalid`] if it is cut off or takes too long.
pub async fn read(clock: &dyn Clock, body: Body) -> Result<Bytes, Error> {
    if body.size_hint().lower() > BODY_LEN_MAX as u64 {
        return Err(Error::PayloadTooLarge);
    }
    tokio::select! {
        biased;
        collected = collect(body) => collected,
        () = clock.sleep(BODY_DEADLINE) => Err(Error::invalid("The body did not arrive in time.")),
    }
}

async fn collect(mut body: Body) -> Result<Bytes, Error> {
    let mut first = Bytes::new();
    let mut collected = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_source| Error::invalid("The body broke off."))?;
        // Trailers mean nothing here.
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        if first.len() + collected.len() + chunk.len() > BODY_LEN_MAX {
            return Err(Error::PayloadTooLarge);
        }
        // The usual body is one chunk and need not be copied.
        if first.is_empty() && collected.is_empty() {
            first = chunk;
            continue;
        }
        if collected.is_empty() {
            collected.extend_from_slice(&std::mem::take(&mut first));
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(if collected.is_empty() {
        first
    } else {
        Bytes::from(collected)
    })
}
