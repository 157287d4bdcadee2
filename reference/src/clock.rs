//! Time: the system's, and one that is set by hand. Never read by anything but through the [`Clock`] port.

use crate::ports::Clock;
use async_trait::async_trait;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// The system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the module that owns the system's clocks"
    )]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the module that owns the system's clocks"
    )]
    fn now_ms(&self) -> i64 {
        // A clock set before 1970 reads as 1970: a wrong time, but one that every store accepts.
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the module that owns the system's clocks"
    )]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A clock that stands still until it is advanced: for tests, and for embedders that replay time.
#[derive(Debug)]
pub struct ManualClock {
    epoch_ms: i64,
    elapsed: watch::Sender<Duration>,
}

impl ManualClock {
    /// A clock that shows `now_ms` (epoch milliseconds); its monotonic time starts at zero.
    #[must_use]
    pub fn new(now_ms: i64) -> Self {
        Self {
            epoch_ms: now_ms,
            elapsed: watch::Sender::new(Duration::ZERO),
        }
    }

    /// Moves wall time and monotonic time ahead and wakes every sleeper whose time has come.
    pub fn advance(&self, duration: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed += duration);
    }

    /// How many calls of [`Clock::sleep`] are waiting: what a test waits for before it advances the clock.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.elapsed.receiver_count()
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        let elapsed_ms = i64::try_from(self.monotonic().as_millis()).unwrap_or(i64::MAX);
        self.epoch_ms.saturating_add(elapsed_ms)
    }

    fn monotonic(&self) -> Duration {
        *self.elapsed.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let wake_at = self.monotonic() + duration;
        let mut elapsed = self.elapsed.subscribe();
        // The sender lives as long as `self`, which this future borrows: waiting cannot fail.
        drop(elapsed.wait_for(|now| *now >= wake_at).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_manual_clock_stands_still_until_it_is_advanced() {
        let clock = ManualClock::new(1_000);
        assert_eq!((clock.now_ms(), clock.monotonic()), (1_000, Duration::ZERO));
        clock.advance(MINUTE);
        assert_eq!((clock.now_ms(), clock.monotonic()), (61_000, MINUTE));
    }

    #[tokio::test]
    async fn a_sleep_ends_when_the_clock_is_advanced_far_enough_and_not_before() {
        let clock = Arc::new(ManualClock::new(0));
        let sleeper = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move { clock.sleep(MINUTE).await }
        });
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(MINUTE / 2);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!sleeper.is_finished());
        clock.advance(MINUTE / 2);
        sleeper.await.unwrap();
    }

    #[test]
    fn the_system_clock_shows_this_century_and_never_goes_back() {
        let clock = SystemClock::new();
        assert!(clock.now_ms() > 1_600_000_000_000, "after 2020");
        let earlier = clock.monotonic();
        assert!(clock.monotonic() >= earlier);
    }
}
