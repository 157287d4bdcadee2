//! The harness's own time: the only module that asks the operating system for it. Never decides how long to wait for anything.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in monotonic time.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this module owns the harness's clock"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Wall time, epoch milliseconds.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this module owns the harness's clock"
)]
pub fn epoch_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A moment as RFC 3339 text in UTC, whole milliseconds.
#[must_use]
pub fn rfc3339(epoch_ms: i64) -> String {
    use time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(epoch_ms) * 1_000_000)
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// The epoch milliseconds of RFC 3339 text; `None` if it is none.
#[must_use]
pub fn epoch_ms_of(text: &str) -> Option<i64> {
    use time::format_description::well_known::Rfc3339;
    let moment = time::OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

/// Milliseconds of a duration, fractions kept.
#[must_use]
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

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
#[must_use]
pub fn epoch_seconds() -> u64 {
    since_epoch().as_secs()
}
