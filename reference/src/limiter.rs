//! Exact rate limits. Never admits more than the quota in any interval of one period.

use crate::ports::{Clock, RateDecision, RateLimiter};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Locks: enough that two of some tens of threads seldom meet.
const SHARDS: usize = 64;

/// Keys with a request in their window, per shard: 262,144 in all, some 60 MiB with one request each.
/// A flood of new keys beyond that is refused: forgetting a key instead would give it a fresh quota within its period.
const LIVE_KEYS_MAX: usize = 4_096;

/// Keys of a shard up to which nobody looks for idle ones.
const SWEEP_FROM: usize = 64;

/// Least time between two looks for idle keys in a shard: a full one takes some 20 µs, which a flood shall not cost at every request.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// A log of the admitted requests of each key. An interval of one period includes its start and not its end:
/// a place that was taken at `t` is free again at `t + period`.
///
/// Memory is 8 bytes a counted request and some 200 a key; keys whose requests have all left their window are forgotten.
pub struct SlidingWindow {
    clock: Arc<dyn Clock>,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

struct Shard {
    logs: HashMap<Box<str>, Log>,
    /// Number of keys at which idle ones are looked for next.
    sweep_at: usize,
    /// Time of the next look: when the last one found that a key becomes idle, or after a pause.
    sweep_from: Duration,
}

impl SlidingWindow {
    /// An empty log.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new())).collect();
        Self {
            clock,
            hasher: RandomState::new(),
            shards,
        }
    }

    fn shard(&self, key: &str) -> &Mutex<Shard> {
        // The remainder is below the number of shards, whatever is cut off here.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any bits of a hash will do"
        )]
        let hash = self.hasher.hash_one(key) as usize;
        &self.shards[hash % self.shards.len()]
    }

    #[cfg(test)]
    fn keys(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap().logs.len())
            .sum()
    }
}

impl RateLimiter for SlidingWindow {
    fn admit(&self, key: &str, limit: u32, period: Duration) -> RateDecision {
        let mut shard = self
            .shard(key)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The time is read under the lock, so that the log is in the order of time.
        let now = self.clock.monotonic();
        if let Some(log) = shard.logs.get_mut(key) {
            return log.admit(now, limit, period);
        }
        if !shard.has_room(now) {
            return RateDecision {
                admitted: false,
                limit,
                remaining: 0,
                reset_seconds: whole_seconds(period, period),
            };
        }
        let mut log = Log::new();
        let decision = log.admit(now, limit, period);
        if decision.admitted {
            shard.logs.insert(key.into(), log);
        }
        decision
    }
}

impl Shard {
    fn new() -> Self {
        Self {
            logs: HashMap::new(),
            sweep_at: SWEEP_FROM,
            sweep_from: Duration::ZERO,
        }
    }

    /// Whether one more key may be remembered. Looks for idle ones when their number has doubled, so that the cost per key is constant.
    fn has_room(&mut self, now: Duration) -> bool {
        if self.logs.len() >= self.sweep_at && now >= self.sweep_from {
            self.logs.retain(|_key, log| log.idle_from() > now);
            let next_idle = self.logs.values().map(Log::idle_from).min();
            self.sweep_from = next_idle.unwrap_or(now).max(now + SWEEP_PAUSE);
            self.sweep_at = (2 * self.logs.len()).clamp(SWEEP_FROM, LIVE_KEYS_MAX);
            // A quiet time gives back what a flood took.
            self.logs.shrink_to(self.sweep_at);
        }
        self.logs.len() < LIVE_KEYS_MAX
    }
}

/// The admitted requests of one key.
struct Log {
    /// When they were admitted, oldest first.
    admitted: VecDeque<Duration>,
    /// The longest period this key was asked about: how long a request is remembered.
    horizon: Duration,
}

impl Log {
    fn new() -> Self {
        Self {
            admitted: VecDeque::new(),
            horizon: Duration::ZERO,
        }
    }

    fn admit(&mut self, now: Duration, limit: u32, period: Duration) -> RateDecision {
        self.horizon = self.horizon.max(period);
        let horizon = self.horizon;
        while self
            .admitted
            .front()
            .is_some_and(|oldest| *oldest + horizon <= now)
        {
            self.admitted.pop_front();
        }
        let first_counted = self.admitted.partition_point(|time| *time + period <= now);
        let counted = self.admitted.len() - first_counted;
        let quota = usize::try_from(limit).unwrap_or(usize::MAX);
        let admitted = counted < quota;
        if admitted {
            self.admitted.push_back(now);
        }
        // A refused caller wants the time at which a place is free: later than the oldest request's end if the quota was lowered meanwhile.
        let awaited = first_counted + counted.saturating_sub(quota);
        let frees_a_place = self.admitted.get(awaited).copied().unwrap_or(now);
        RateDecision {
            admitted,
            limit,
            remaining: u32::try_from(quota.saturating_sub(counted + usize::from(admitted)))
                .unwrap_or(u32::MAX),
            reset_seconds: whole_seconds((frees_a_place + period).saturating_sub(now), period),
        }
    }

    /// When the last request is forgotten.
    fn idle_from(&self) -> Duration {
        self.admitted
            .back()
            .map_or(Duration::ZERO, |newest| *newest + self.horizon)
    }
}

/// Seconds, rounded up, from 1 to the period.
fn whole_seconds(duration: Duration, period: Duration) -> u64 {
    let round_up = |duration: Duration| duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    round_up(duration).clamp(1, round_up(period).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const MINUTE: Duration = Duration::from_secs(60);

    fn limiter() -> (Arc<ManualClock>, SlidingWindow) {
        let clock = Arc::new(ManualClock::new(0));
        (Arc::clone(&clock), SlidingWindow::new(clock))
    }

    #[test]
    fn the_request_after_the_quota_is_refused_until_the_oldest_leaves() {
        let (clock, limiter) = limiter();
        let first = limiter.admit("a", 2, MINUTE);
        assert_eq!(
            first,
            RateDecision {
                admitted: true,
                limit: 2,
                remaining: 1,
                reset_seconds: 60
            }
        );
        clock.advance(Duration::from_millis(20_500));
        assert!(limiter.admit("a", 2, MINUTE).admitted);
        let refused = limiter.admit("a", 2, MINUTE);
        assert_eq!(
            refused,
            RateDecision {
                admitted: false,
                limit: 2,
                remaining: 0,
                reset_seconds: 40
            }
        );
        clock.advance(Duration::from_secs(40));
        assert!(
            limiter.admit("a", 2, MINUTE).admitted,
            "what it said has passed"
        );
        assert!(
            !limiter.admit("a", 2, MINUTE).admitted,
            "one place was freed, not two"
        );
    }

    #[test]
    fn one_keys_use_leaves_anothers_quota_alone() {
        let (_clock, limiter) = limiter();
        assert!(limiter.admit("a", 1, MINUTE).admitted);
        assert!(!limiter.admit("a", 1, MINUTE).admitted);
        assert!(limiter.admit("b", 1, MINUTE).admitted);
    }

    #[test]
    fn a_lowered_quota_says_when_a_place_is_really_free() {
        let (clock, limiter) = limiter();
        for _ in 0..3 {
            assert!(limiter.admit("a", 3, MINUTE).admitted);
            clock.advance(Duration::from_secs(10));
        }
        let refused = limiter.admit("a", 1, MINUTE);
        assert_eq!(
            (refused.admitted, refused.reset_seconds),
            (false, 50),
            "when all three have left"
        );
        clock.advance(Duration::from_secs(50));
        assert!(limiter.admit("a", 1, MINUTE).admitted);
    }

    #[test]
    fn a_quota_of_nothing_admits_nothing_and_remembers_nothing() {
        let (_clock, limiter) = limiter();
        let refused = limiter.admit("a", 0, MINUTE);
        assert_eq!(
            refused,
            RateDecision {
                admitted: false,
                limit: 0,
                remaining: 0,
                reset_seconds: 60
            }
        );
        assert_eq!(limiter.keys(), 0);
    }

    #[test]
    fn idle_keys_are_forgotten_when_new_ones_come() {
        let (clock, limiter) = limiter();
        for key in 0..50_000 {
            assert!(limiter.admit(&format!("old {key}"), 1, MINUTE).admitted);
        }
        clock.advance(MINUTE);
        for key in 0..50_000 {
            assert!(limiter.admit(&format!("new {key}"), 1, MINUTE).admitted);
        }
        assert!(limiter.keys() < 80_000, "{} keys", limiter.keys());
    }

    #[test]
    fn a_flood_of_keys_fills_a_bounded_table_and_resets_nobodys_quota() {
        let (clock, limiter) = limiter();
        assert!(limiter.admit("tenant", 1, MINUTE).admitted);
        for key in 0..(SHARDS * LIVE_KEYS_MAX * 5 / 4) {
            limiter.admit(&format!("flood {key}"), 1, MINUTE);
        }
        assert!(limiter.keys() <= SHARDS * LIVE_KEYS_MAX);
        assert!(!limiter.admit("tenant", 1, MINUTE).admitted);
        clock.advance(MINUTE);
        assert!(
            limiter.admit("late comer", 1, MINUTE).admitted,
            "the flood has passed"
        );
    }

    #[test]
    fn parallel_requests_admit_exactly_the_quota() {
        let (_clock, limiter) = limiter();
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        (0..100)
                            .filter(|_| limiter.admit("a", 60, MINUTE).admitted)
                            .count()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(admitted, 60);
    }
}
