//! Waiting for conditions: the only module of the harness that sleeps. Never waits without a deadline.

use crate::clock;
use crate::lag::progress::moved;
use crate::lag::{Patience, TooSlow};
use std::future::Future;
use std::time::{Duration, Instant};

/// First pause between two looks; it doubles up to [`PAUSE_MAX`].
/// Evidence: a row written after a response was seen on the first or second look in nearly every case at 2 ms.
const PAUSE_MIN: Duration = Duration::from_millis(2);
/// Longest pause between two looks: a wait ends at most this late.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// How often a long wait counts as progress: far less than the time in which a step must get somewhere.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// A condition did not come true in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not so within {} ms; last seen: {last}", elapsed.as_millis())]
pub struct TimedOut {
    /// How long was waited.
    pub elapsed: Duration,
    /// What the last look saw.
    pub last: String,
    /// Why that is nobody's fault, if the machine took the time.
    pub excuse: Option<TooSlow>,
}

/// One look at a condition.
pub enum Look<T> {
    /// It holds.
    Done(T),
    /// Not yet; what was seen instead.
    NotYet(String),
}

/// Looks until the condition holds or the deadline passes. Of time only that counts in which everybody came to his turn.
///
/// # Errors
/// [`TimedOut`] with what the last look saw; whatever `look` fails with.
pub async fn until<T, E, F, Fut>(deadline: Duration, mut look: F) -> Result<Result<T, TimedOut>, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Look<T>, E>>,
{
    let patience = Patience::of(deadline);
    let mut pause = PAUSE_MIN;
    loop {
        match look().await? {
            Look::Done(value) => return Ok(Ok(value)),
            Look::NotYet(last) => {
                let left = patience.left();
                if left.is_zero() {
                    let elapsed = patience.elapsed();
                    let waited = || {
                        format!(
                            "not so within {} ms; last seen: {last}",
                            elapsed.as_millis()
                        )
                    };
                    return Ok(Err(TimedOut {
                        excuse: patience.blame(waited).err(),
                        elapsed,
                        last,
                    }));
                }
                pass(pause.min(left)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Lets real time pass: for a rate window to move on, or a stated delay to run out.
#[expect(clippy::disallowed_methods, reason = "this module owns waiting")]
pub async fn pass(duration: Duration) {
    let mut left = duration;
    // Who waits for a window of a minute gets somewhere meanwhile.
    while left > PROGRESS_EVERY {
        tokio::time::sleep(PROGRESS_EVERY).await;
        moved();
        left -= PROGRESS_EVERY;
    }
    tokio::time::sleep(left).await;
    moved();
}

/// Lets a window pass in which nothing may happen: as long as everybody has had so much time to do it.
pub async fn quiet(window: Duration) {
    let patience = Patience::of(window);
    while !patience.is_over() {
        pass(patience.left()).await;
    }
}

/// Lets real time pass up to a moment.
pub async fn pass_until(moment: Instant) {
    pass(moment.saturating_duration_since(clock::now())).await;
}
