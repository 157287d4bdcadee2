//! Whether work still gets somewhere, however long it takes. Never ends what goes on.

use super::Patience;
use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

tokio::task_local! {
    /// How often the work of this task got somewhere.
    static MOVED: Rc<Cell<u64>>;
    /// Whether something took too long by the target's own doing.
    static TIMED: Rc<Cell<bool>>;
}

/// How often it is looked whether work got somewhere, within the time in which it must.
const LOOKS: u32 = 9;

/// Notes that the work which this is part of got somewhere: an answer, a row, a wait that ended.
pub fn moved() {
    // Outside of such work nobody counts.
    let _outside = MOVED.try_with(|moved| moved.set(moved.get() + 1));
}

/// Notes that the finding which this work is about to make hangs on how long something took.
pub fn timed() {
    let _outside = TIMED.try_with(|timed| timed.set(true));
}

/// Does some work; tells whether what it found hangs on time.
pub async fn timing<F: Future>(work: F) -> (F::Output, bool) {
    let timed = Rc::new(Cell::new(false));
    let done = TIMED.scope(Rc::clone(&timed), work).await;
    (done, timed.get())
}

/// Why work was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stalled {
    /// It got nowhere any more.
    #[error("it got nowhere for {} s: nothing was answered, found or waited for in that time", .0.as_secs())]
    Nowhere(Duration),
    /// It went on and on.
    #[error("it was not done after {} s, though it got somewhere all the time", .0.as_secs())]
    Endless(Duration),
}

/// How much time work has.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// In this time it must get somewhere.
    pub nowhere: Duration,
    /// In this time it must be done.
    pub whole: Duration,
}

/// Does some work for as long as it gets somewhere. Of all times only that counts in which everybody came to his turn.
///
/// # Errors
/// When the work got nowhere, or was not done, in the time that it has.
pub async fn unless_stalled<F: Future>(limits: Limits, work: F) -> Result<F::Output, Stalled> {
    let moved = Rc::new(Cell::new(0));
    let mut work = std::pin::pin!(MOVED.scope(Rc::clone(&moved), work));
    let whole = Patience::of(limits.whole);
    let (mut last, mut still) = (0, 0);
    loop {
        let look = Patience::of(limits.nowhere / LOOKS);
        if let Some(done) = look.with(work.as_mut()).await {
            return Ok(done);
        }
        still = if moved.get() == last { still + 1 } else { 0 };
        last = moved.get();
        if still >= LOOKS {
            return Err(Stalled::Nowhere(limits.nowhere));
        }
        if whole.is_over() {
            return Err(Stalled::Endless(limits.whole));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, poll_fn};
    use std::task::Poll;

    const LIMITS: Limits = Limits {
        nowhere: Duration::from_millis(18),
        whole: Duration::from_millis(200),
    };

    /// Work that gets somewhere with each poll, and is polled again at once.
    fn busy(polls: Option<u64>) -> impl Future<Output = u64> {
        let mut done = 0;
        poll_fn(move |context| {
            moved();
            done += 1;
            if polls.is_some_and(|polls| done >= polls) {
                return Poll::Ready(done);
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[tokio::test]
    async fn work_that_gets_nowhere_is_ended() {
        let ended = unless_stalled(LIMITS, pending::<()>()).await;
        assert_eq!(ended, Err(Stalled::Nowhere(LIMITS.nowhere)));
    }

    #[tokio::test]
    async fn work_that_goes_on_for_ever_is_ended_as_that() {
        let ended = unless_stalled(LIMITS, busy(None)).await;
        assert_eq!(ended, Err(Stalled::Endless(LIMITS.whole)));
    }

    #[tokio::test]
    async fn work_that_gets_somewhere_is_not_ended() {
        assert_eq!(unless_stalled(LIMITS, busy(Some(50))).await, Ok(50));
    }
}
