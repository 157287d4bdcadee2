//! Heartbeats: whoever beats notes how much too late each beat came. They do nothing else, so that a late beat is not their own doing.

use crate::clock;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// From one beat to the next: short beside every promise in time that the contract makes, the shortest of which is 100 ms.
const EVERY: Duration = Duration::from_millis(10);
/// While nobody watches.
const SELDOM: Duration = Duration::from_millis(250);
/// A beat that comes so much later is in time: timers count whole milliseconds, and a wake-up takes a moment on any machine.
pub(super) const TIMELY: Duration = Duration::from_millis(3);

/// When the next beat of somebody is due.
#[derive(Debug, Default)]
pub(super) struct Beater(Mutex<Option<Instant>>);

impl Beater {
    fn due(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A beat will be due then.
    pub(super) fn expect(&self, due: Instant) {
        *self.due() = Some(due);
    }

    /// No beat is due until one is expected again.
    pub(super) fn rest(&self) {
        *self.due() = None;
    }

    /// Since when a beat that has not come by `now` is late.
    pub(super) fn late_since(&self, now: Instant) -> Option<Instant> {
        let due = (*self.due())?;
        late(due, now).map(|(since, _now)| since)
    }
}

/// The span in which a beat was late; `None` if it came in time.
pub(super) fn late(due: Instant, came: Instant) -> Option<(Instant, Instant)> {
    let due = due + TIMELY;
    (came > due).then_some((due, came))
}

/// Where beats are noted.
pub(super) trait Chart {
    /// Whether anybody wants to know; `None` for never again.
    fn is_read(&self) -> Option<bool>;
    /// A beat will be due then.
    fn expect(&self, due: Instant);
    /// The beat that was due has come.
    fn note(&self, due: Instant, came: Instant);
}

/// Beats on the runtime that polls it, for as long as anybody may want to know.
pub(super) async fn on_runtime(chart: impl Chart) {
    while let Some(is_read) = chart.is_read() {
        if !is_read {
            rest(SELDOM).await;
            continue;
        }
        let due = clock::now() + EVERY;
        chart.expect(due);
        rest(EVERY).await;
        chart.note(due, clock::now());
    }
}

/// Beats on a thread of its own.
pub(super) fn on_thread(chart: impl Chart + Send + 'static) {
    let beating = thread::Builder::new().name("heartbeat".to_owned());
    // Without a thread to spare less is excused, and nothing else is lost.
    drop(beating.spawn(move || {
        while chart.is_read().is_some() {
            let due = clock::now() + EVERY;
            chart.expect(due);
            sleep(EVERY);
            chart.note(due, clock::now());
        }
    }));
}

/// One of those who beat for one watch.
pub(super) struct Own {
    pub(super) watch: Weak<super::Watch>,
    pub(super) beater: std::sync::Arc<Beater>,
}

impl Chart for Own {
    fn is_read(&self) -> Option<bool> {
        (self.watch.strong_count() > 0).then_some(true)
    }

    fn expect(&self, due: Instant) {
        self.beater.expect(due);
    }

    fn note(&self, due: Instant, came: Instant) {
        if let Some(watch) = self.watch.upgrade() {
            watch.note(due, came);
        }
        self.beater.rest();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a heartbeat waits for nothing but its next beat"
)]
fn rest(time: Duration) -> impl Future<Output = ()> {
    tokio::time::sleep(time)
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever beats or looks on a thread of its own has nothing else to do"
)]
pub(super) fn sleep(time: Duration) {
    thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_is_late_only_beyond_what_timers_are_off_by() {
        let due = clock::now();
        assert_eq!(late(due, due + TIMELY), None);
        let came = due + TIMELY + Duration::from_millis(20);
        assert_eq!(late(due, came), Some((due + TIMELY, came)));
    }

    #[test]
    fn a_beat_that_has_not_come_yet_is_late_already() {
        let (beater, due) = (Beater::default(), clock::now());
        let now = due + Duration::from_millis(500);
        assert_eq!(beater.late_since(now), None);
        beater.expect(due);
        assert_eq!(beater.late_since(due), None);
        assert_eq!(beater.late_since(now), Some(due + TIMELY));
        beater.rest();
        assert_eq!(beater.late_since(now), None);
    }
}
