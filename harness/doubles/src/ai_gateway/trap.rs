//! Another provider, which no backend may ever call. It never lets a call go uncounted.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use super::bodies;
use crate::wire::{Connection, Head};

/// Counts calls; clones share the count.
#[derive(Debug, Clone, Default)]
pub(super) struct Trap(Arc<AtomicUsize>, Arc<Mutex<Vec<String>>>);

impl Trap {
    pub(super) fn hits(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Calls whose target or body holds this word.
    pub(super) fn hits_with(&self, word: &str) -> usize {
        let texts = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().filter(|text| text.contains(word)).count()
    }

    /// Answers like a willing provider; bytes that are no HTTP (a TLS hello) count as a call too.
    pub(super) async fn serve(self, mut connection: Connection) {
        loop {
            let request = connection.next_request().await;
            if matches!(request, Ok(None)) {
                return;
            }
            self.0.fetch_add(1, Ordering::SeqCst);
            if let Ok(Some(request)) = &request {
                let body = String::from_utf8_lossy(&request.body);
                let mut texts = self.1.lock().unwrap_or_else(PoisonError::into_inner);
                texts.push(format!("{}\n{body}", request.target));
            }
            let body = bodies::chat("From another provider.", "stop", 7, 3).to_string();
            let head = Head::new(200).header("content-type", b"application/json");
            let answered = connection.answer(head, body.as_bytes()).await;
            if request.is_err() || answered.is_err() {
                return;
            }
        }
    }
}
