//! Time and waiting of these tests. Never waits without a deadline.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pause between two looks at a condition: a wait ends at most this late.
const PAUSE: Duration = Duration::from_millis(5);

/// Nothing that a condition waits for takes longer on a busy machine; whoever gets here has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What an answer may take whose work is a few milliseconds, in a debug build on two busy cores: slowest seen 0.4 s.
pub(crate) const PROMPT: Duration = Duration::from_secs(4);

/// Held by what keeps all cores busy, and by what must not be kept waiting by that.
static CORES: Mutex<()> = Mutex::new(());

/// Waits for the cores to be free.
pub(crate) fn cores() -> MutexGuard<'static, ()> {
    CORES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "this module owns time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this module owns waiting")]
pub(crate) fn pass(time: Duration) {
    std::thread::sleep(time);
}

/// Looks until something is seen, for as long as [`PATIENCE`] lasts.
#[track_caller]
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_by(PATIENCE, what, look)
}

/// Looks until something is seen.
#[track_caller]
pub(crate) fn until_by<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        pass(PAUSE);
    }
}

/// Does something that must not take longer than stated.
#[track_caller]
pub(crate) fn within<T>(limit: Duration, what: &str, work: impl FnOnce() -> T) -> T {
    let started = now();
    let done = work();
    let took = started.elapsed();
    assert!(
        took <= limit,
        "{what} took {took:?}, at most {limit:?} is allowed"
    );
    done
}
