//! Another provider, which no backend may ever call. It never lets a call go uncounted.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::bodies;
use crate::doubles::wire::{Connection, Head};

/// Counts calls; clones share the count.
#[derive(Debug, Clone, Default)]
pub(super) struct Trap(Arc<AtomicUsize>);

impl Trap {
    pub(super) fn hits(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Answers like a willing provider; bytes that are no HTTP (a TLS hello) count as a call too.
    pub(super) async fn serve(self, mut connection: Connection) {
        loop {
            let request = connection.next_request().await;
            if matches!(request, Ok(None)) {
                return;
            }
            self.0.fetch_add(1, Ordering::SeqCst);
            let body = bodies::chat("From another provider.", "stop", 7, 3).to_string();
            let head = Head::new(200).header("content-type", b"application/json");
            let answered = connection.answer(head, body.as_bytes()).await;
            if request.is_err() || answered.is_err() {
                return;
            }
        }
    }
}
