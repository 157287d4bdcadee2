//! Tells what is done before a target can be judged. Never does any of it.

use super::start::Workshop;
use crate::clock;
use crate::subject::Works;
use std::future::Future;
use std::sync::{Arc, OnceLock};

/// Who is told, if anybody is.
#[derive(Default)]
pub(super) struct Told(OnceLock<Arc<dyn Works>>);

impl Workshop {
    /// From here on tells `whom`; the first one who asks is told.
    pub(super) fn tell_works(&self, whom: Arc<dyn Works>) {
        // A second one has nothing to show: it is told by the first.
        drop(self.told.0.set(whom));
    }

    /// Does a piece of work, and tells of it.
    pub(super) async fn telling<T>(&self, what: String, work: impl Future<Output = T>) -> T {
        let began = clock::now();
        let whom = self.told.0.get();
        if let Some(whom) = whom {
            whom.begins(&what);
        }
        let done = work.await;
        if let Some(whom) = whom {
            whom.over(&what, began.elapsed());
        }
        done
    }
}
