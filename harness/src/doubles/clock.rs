//! The doubles' only view of time. It never waits.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Measures the time since a double started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "this module owns the doubles' clock"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// When it started.
    pub(crate) fn began(self) -> Instant {
        self.0
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Time since the Unix epoch; zero on a machine whose clock stands before it.
#[expect(
    clippy::disallowed_methods,
    reason = "this module owns the doubles' clock"
)]
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Whole seconds since the Unix epoch, as JWT claims count.
pub(crate) fn epoch_seconds() -> u64 {
    since_epoch().as_secs()
}
