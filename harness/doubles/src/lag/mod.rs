//! How late the harness, its doubles and their machine are: a timing that this explains is not the target's. Never judges a target.
//!
//! Heartbeats run on a thread of their own, on the runtime of the scenarios and on the thread of each double; the target's own threads
//! have none, for what they are busy with is the target's doing. Whatever is measured in time is held against what the heartbeats
//! missed meanwhile, and against what a target that was started here waited for a processor, which is not its doing: a
//! deadline counts only time in which everybody came to his turn, and a duration that is too long by no more than that explains is a
//! fault of the run and no finding.

mod beat;
mod gaps;
pub mod patience;
pub mod progress;
mod queue;

use crate::clock;
use beat::{Beater, Chart, Own};
use gaps::Gaps;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

pub use gaps::HeldUp;
pub use patience::Patience;

/// A target is held up as often as the heartbeats are, but not at the same moments: so many times what they missed may be its delay.
const FACTOR: u32 = 2;

/// Between a request and the last byte of its answer the caller, the target and the double come to their turn so many times at most, tries
/// included: one exchange is not later than if each turn had been as late as the latest one.
const TURNS: u32 = 32;

/// What every fault begins with whose reason is the slowness of the machine.
const TOO_SLOW: &str = "the machine was too slow to tell";

/// What the heartbeats of one run missed.
#[derive(Debug, Default)]
pub struct Watch {
    gaps: Mutex<Gaps>,
    beaters: Vec<Arc<Beater>>,
}

thread_local! {
    /// The watch of the run whose scenarios this thread runs.
    static HERE: RefCell<Weak<Watch>> = const { RefCell::new(Weak::new()) };
}

/// All watches: whoever serves every run tells every one of them.
static WATCHES: Mutex<Vec<Weak<Watch>>> = Mutex::new(Vec::new());
/// Those who serve every run.
static SERVING: Mutex<Vec<Weak<Beater>>> = Mutex::new(Vec::new());

fn living<T>(list: &'static Mutex<Vec<Weak<T>>>) -> Vec<Arc<T>> {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    list.retain(|one| one.strong_count() > 0);
    list.iter().filter_map(Weak::upgrade).collect()
}

fn enter<T>(list: &'static Mutex<Vec<Weak<T>>>, one: &Arc<T>) {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    list.push(Arc::downgrade(one));
}

/// A watch under way. Dropping it ends its heartbeats.
#[derive(Debug)]
pub struct Watching {
    _watch: Arc<Watch>,
    beating: tokio::task::JoinHandle<()>,
    before: Weak<Watch>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.beating.abort();
        HERE.with(|here| here.replace(std::mem::take(&mut self.before)));
    }
}

/// Watches the runtime on which this is called, and the machine. What is asked on this thread is answered by it.
#[must_use]
pub fn watch() -> Watching {
    let [thread, runtime] = [Arc::new(Beater::default()), Arc::new(Beater::default())];
    let watch = Arc::new(Watch {
        gaps: Mutex::default(),
        beaters: vec![Arc::clone(&thread), Arc::clone(&runtime)],
    });
    let own = |beater| Own {
        watch: Arc::downgrade(&watch),
        beater,
    };
    beat::on_thread(own(thread));
    let beating = tokio::spawn(beat::on_runtime(own(runtime)));
    enter(&WATCHES, &watch);
    queue::look_while(|| !living(&WATCHES).is_empty());
    let before = HERE.with(|here| here.replace(Arc::downgrade(&watch)));
    Watching {
        _watch: watch,
        beating,
        before,
    }
}

/// The heartbeat of somebody who serves every run: to be polled on his runtime, beside what he does.
pub async fn serving() {
    let beater = Arc::new(Beater::default());
    enter(&SERVING, &beater);
    beat::on_runtime(Serving(beater)).await;
}

struct Serving(Arc<Beater>);

impl Chart for Serving {
    fn is_read(&self) -> Option<bool> {
        Some(!living(&WATCHES).is_empty())
    }

    fn expect(&self, due: Instant) {
        self.0.expect(due);
    }

    fn note(&self, due: Instant, came: Instant) {
        if beat::late(due, came).is_some() {
            for watch in living(&WATCHES) {
                watch.note(due, came);
            }
        }
        self.0.rest();
    }
}

impl Watch {
    fn gaps(&self) -> MutexGuard<'_, Gaps> {
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, due: Instant, came: Instant) {
        if let Some((from, until)) = beat::late(due, came) {
            self.gaps().add(from, until);
        }
    }

    /// How much of the time between two moments somebody was held up, whoever is late right now included.
    fn between(&self, from: Instant, until: Instant, now: Instant) -> HeldUp {
        let serving = living(&SERVING);
        let late = self
            .beaters
            .iter()
            .chain(&serving)
            .filter_map(|beater| beater.late_since(now))
            .min();
        let missed = self.gaps().between(from, until, late);
        HeldUp {
            queued: queue::between(from, until),
            ..missed
        }
    }
}

/// How much of the time between two moments this thread's runtime, a double or the machine was held up; nothing where nobody watches.
#[must_use]
pub fn between(from: Instant, until: Instant) -> HeldUp {
    let watch = HERE.with(|here| here.borrow().upgrade());
    watch.map_or_else(HeldUp::default, |watch| {
        watch.between(from, until, clock::now())
    })
}

impl HeldUp {
    /// What part of a time in which there was always something to do this may be the reason of.
    #[must_use]
    pub fn excuse(self) -> Duration {
        self.total * FACTOR + self.queued
    }

    /// By how much this may have made something late that mostly waits.
    #[must_use]
    pub fn delay(self) -> Duration {
        (self.total * FACTOR).min(self.longest * TURNS) + self.queued
    }
}

/// Nothing can be told, for the machine was too slow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{TOO_SLOW}: {seen}; meanwhile the harness, its doubles or their machine were held up for {} ms, {} ms of it at a stretch, and the target waited {} ms for a processor: run it where less else is done, or with fewer scenarios side by side (--concurrency)",
    held_up.total.as_millis(),
    held_up.longest.as_millis(),
    held_up.queued.as_millis()
)]
pub struct TooSlow {
    /// What was seen.
    pub seen: String,
    /// By how much everybody was late meanwhile.
    pub held_up: HeldUp,
}

impl TooSlow {
    /// Whether a scenario ended in error for this reason.
    #[must_use]
    pub fn is_reason(reason: &str) -> bool {
        reason.starts_with(TOO_SLOW)
    }
}

/// Whether something that took too long by `over` between two moments did so by the target's own doing. `seen` tells what was seen.
///
/// # Errors
/// [`TooSlow`] when the machine may be the reason.
pub fn blame(
    from: Instant,
    until: Instant,
    over: Duration,
    seen: impl FnOnce() -> String,
) -> Result<(), TooSlow> {
    unless_excused(between(from, until), over, seen)
}

/// That nothing can be told of what was `seen` between two moments, for it took so long that something else may be the reason.
#[must_use]
pub fn too_slow(from: Instant, until: Instant, seen: String) -> TooSlow {
    TooSlow {
        seen,
        held_up: between(from, until),
    }
}

fn unless_excused(
    held_up: HeldUp,
    over: Duration,
    seen: impl FnOnce() -> String,
) -> Result<(), TooSlow> {
    let delay = held_up.delay();
    if delay.is_zero() || over > delay {
        progress::timed();
        return Ok(());
    }
    Err(TooSlow {
        seen: seen(),
        held_up,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_up(total_ms: u64) -> HeldUp {
        HeldUp {
            total: Duration::from_millis(total_ms),
            longest: Duration::from_millis(total_ms / 2),
            queued: Duration::ZERO,
        }
    }

    #[test]
    fn an_excess_is_excused_by_twice_what_was_missed_and_not_by_less() {
        let over = Duration::from_millis(843);
        let seen = || "an answer 843 ms late".to_owned();
        assert_eq!(unless_excused(held_up(421), over, seen), Ok(()));
        let excused = unless_excused(held_up(422), over, seen).unwrap_err();
        assert!(TooSlow::is_reason(&excused.to_string()));
        let figures = "held up for 422 ms, 211 ms of it at a stretch";
        assert!(excused.to_string().contains(figures), "{excused}");
    }

    #[test]
    fn many_small_delays_do_not_add_up_to_a_late_timer() {
        // As seen: a time-out of 12 s in place of 8 s, give or take 1.5 s, on a machine that was late all the time and never much.
        let held_up = HeldUp {
            total: Duration::from_millis(5_010),
            longest: Duration::from_millis(43),
            queued: Duration::ZERO,
        };
        let seen = || "12084 ms".to_owned();
        assert_eq!(
            unless_excused(held_up, Duration::from_millis(2_584), seen),
            Ok(())
        );
        assert!(unless_excused(held_up, Duration::from_millis(1_300), seen).is_err());
    }

    #[test]
    fn what_was_waited_for_a_processor_is_excused_once() {
        // As seen beside two builds: a time-out of 22.5 s in place of 20 s, give or take 1.5 s, while hardly a heartbeat was late.
        let held_up = HeldUp {
            queued: Duration::from_millis(1_020),
            ..HeldUp::default()
        };
        let seen = || "22520 ms".to_owned();
        assert!(unless_excused(held_up, Duration::from_millis(1_020), seen).is_err());
        let more = Duration::from_millis(1_021);
        assert_eq!(unless_excused(held_up, more, seen), Ok(()));
    }

    #[test]
    fn a_machine_that_is_never_late_excuses_nothing() {
        let one = Duration::from_millis(1);
        let seen = || "1 ms too long".to_owned();
        for over in [one, Duration::ZERO] {
            assert_eq!(unless_excused(HeldUp::default(), over, seen), Ok(()));
        }
    }

    #[test]
    fn where_nobody_watches_nothing_is_excused() {
        let start = clock::now();
        let seen = between(start, start + Duration::from_secs(1));
        assert_eq!(seen, HeldUp::default());
    }

    #[test]
    fn whoever_is_late_right_now_counts() {
        let beater = Arc::new(Beater::default());
        let watch = Watch {
            gaps: Mutex::default(),
            beaters: vec![Arc::clone(&beater)],
        };
        let start = clock::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        watch.note(at(1), at(2));
        let noted = watch.between(start, at(5), at(5)).total;
        assert_eq!(noted + beat::TIMELY, Duration::from_secs(1));
        beater.expect(at(4));
        assert_eq!(watch.between(start, at(5), at(5)).total, noted * 2);
    }
}
