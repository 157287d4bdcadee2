//! The limiter against a model that counts by brute force, on a clock set by hand. Never needs real time.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use moltworker_reference::clock::ManualClock;
use moltworker_reference::limiter::SlidingWindow;
use moltworker_reference::ports::{RateDecision, RateLimiter};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const KEYS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone, Copy)]
struct Request {
    /// Milliseconds since the request before.
    after_ms: u64,
    key: usize,
}

/// All admissions of all keys, for ever.
#[derive(Default)]
struct Model {
    admitted: Vec<(usize, u64)>,
}

impl Model {
    fn counted(&self, key: usize, from_ms: u64, to_ms: u64) -> Vec<u64> {
        let of_key = self
            .admitted
            .iter()
            .filter(|(admitted, _)| *admitted == key);
        of_key
            .map(|(_, at_ms)| *at_ms)
            .filter(|at_ms| (from_ms..to_ms).contains(at_ms))
            .collect()
    }

    fn admit(&mut self, key: usize, now_ms: u64, limit: u32, period_ms: u64) -> RateDecision {
        // An admission at `t` counts until just before `t + period`.
        let from_ms = (now_ms + 1).saturating_sub(period_ms);
        let counted = self.counted(key, from_ms, now_ms + 1);
        let used = u32::try_from(counted.len()).unwrap();
        let admitted = used < limit;
        if admitted {
            self.admitted.push((key, now_ms));
        }
        let oldest_ms = counted.first().copied().unwrap_or(now_ms);
        RateDecision {
            admitted,
            limit,
            remaining: limit - used - u32::from(admitted),
            reset_seconds: (oldest_ms + period_ms - now_ms).div_ceil(1_000),
        }
    }
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    // Bursts, steps around a fraction of the period, and pauses that empty the window.
    let after_ms =
        prop_oneof![3 => Just(0), 3 => 1_u64..2_000, 2 => 500_u64..20_000, 1 => Just(10_000)];
    let request = (after_ms, 0..KEYS.len()).prop_map(|(after_ms, key)| Request { after_ms, key });
    prop::collection::vec(request, 1..200)
}

proptest! {
    #[test]
    fn any_interleaving_is_decided_as_the_model_decides(
        requests in requests(),
        limit in 1_u32..8,
        period_s in 1_u64..20,
    ) {
        let clock = Arc::new(ManualClock::new(0));
        let limiter = SlidingWindow::new(Arc::<ManualClock>::clone(&clock));
        let (mut model, mut now_ms) = (Model::default(), 0);
        for Request { after_ms, key } in requests {
            clock.advance(Duration::from_millis(after_ms));
            now_ms += after_ms;
            let decision = limiter.admit(KEYS[key], limit, Duration::from_secs(period_s));
            prop_assert_eq!(decision, model.admit(key, now_ms, limit, period_s * 1_000));
            prop_assert!((1..=period_s).contains(&decision.reset_seconds));
        }
        for (key, from_ms) in &model.admitted {
            let in_period = model.counted(*key, *from_ms, from_ms + period_s * 1_000).len();
            prop_assert!(in_period <= usize::try_from(limit).unwrap(), "{} from {} ms on", in_period, from_ms);
        }
    }

    #[test]
    fn after_the_stated_seconds_a_refused_caller_is_admitted(
        requests in requests(),
        limit in 1_u32..8,
        period_s in 1_u64..20,
    ) {
        let clock = Arc::new(ManualClock::new(0));
        let limiter = SlidingWindow::new(Arc::<ManualClock>::clone(&clock));
        let period = Duration::from_secs(period_s);
        for Request { after_ms, key } in requests {
            clock.advance(Duration::from_millis(after_ms));
            let decision = limiter.admit(KEYS[key], limit, period);
            if !decision.admitted {
                clock.advance(Duration::from_secs(decision.reset_seconds));
                prop_assert!(limiter.admit(KEYS[key], limit, period).admitted);
            }
        }
    }

    #[test]
    fn a_change_of_quota_never_lets_more_than_the_quota_of_the_moment_into_a_period(
        requests in prop::collection::vec((0_u64..3_000, 0_u32..6), 1..100),
    ) {
        let clock = Arc::new(ManualClock::new(0));
        let limiter = SlidingWindow::new(Arc::<ManualClock>::clone(&clock));
        let (mut admitted, mut now_ms): (Vec<u64>, u64) = (Vec::new(), 0);
        for (after_ms, limit) in requests {
            clock.advance(Duration::from_millis(after_ms));
            now_ms += after_ms;
            let in_window = admitted.iter().filter(|at_ms| **at_ms + 10_000 > now_ms).count();
            let decision = limiter.admit("a", limit, Duration::from_secs(10));
            prop_assert_eq!(decision.admitted, in_window < usize::try_from(limit).unwrap());
            if decision.admitted {
                admitted.push(now_ms);
            }
        }
    }
}
