//! Whether more requests were admitted in one period than the quota allows. Never guesses: it counts only what is certain.
//!
//! When a limiter decided cannot be seen from outside, only that it was after the request was sent and before it was answered.

use std::time::Duration;

/// One request, as the caller saw it. Times count from any common start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When it was sent.
    pub sent: Duration,
    /// When its answer began.
    pub answered: Duration,
    /// Whether the limiter let it in.
    pub admitted: bool,
}

/// Admissions that certainly lie in one interval shorter than a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// How many.
    pub admitted: usize,
    /// From the first sent to the last answered.
    pub within: Duration,
}

/// The largest number of admissions that certainly lie in one interval shorter than `period`.
#[must_use]
pub fn largest_crowd(seen: &[Seen], period: Duration) -> Crowd {
    let admitted: Vec<&Seen> = seen.iter().filter(|one| one.admitted).collect();
    let crowd_from = |first: &Seen| {
        let inside = admitted
            .iter()
            .filter(|one| one.sent >= first.sent && one.answered < first.sent + period);
        inside.fold(
            Crowd {
                admitted: 0,
                within: Duration::ZERO,
            },
            |crowd, one| Crowd {
                admitted: crowd.admitted + 1,
                within: crowd.within.max(one.answered.saturating_sub(first.sent)),
            },
        )
    };
    admitted
        .iter()
        .map(|first| crowd_from(first))
        .max_by_key(|crowd| crowd.admitted)
        .unwrap_or(Crowd {
            admitted: 0,
            within: Duration::ZERO,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERIOD: Duration = Duration::from_secs(1);

    fn at(sent_ms: u64, answered_ms: u64) -> Seen {
        Seen {
            sent: Duration::from_millis(sent_ms),
            answered: Duration::from_millis(answered_ms),
            admitted: true,
        }
    }

    fn crowd(seen: &[Seen]) -> usize {
        largest_crowd(seen, PERIOD).admitted
    }

    #[test]
    fn nothing_seen_is_no_crowd() {
        assert_eq!(crowd(&[]), 0);
    }

    #[test]
    fn admissions_of_one_burst_count_together() {
        let seen = [at(0, 5), at(1, 6), at(2, 7)];
        assert_eq!(
            largest_crowd(&seen, PERIOD),
            Crowd {
                admitted: 3,
                within: Duration::from_millis(7)
            }
        );
    }

    #[test]
    fn refusals_do_not_count() {
        let refused = Seen {
            admitted: false,
            ..at(1, 2)
        };
        assert_eq!(crowd(&[at(0, 1), refused]), 1);
    }

    #[test]
    fn a_period_apart_is_not_together() {
        assert_eq!(crowd(&[at(0, 1), at(1000, 1001)]), 1);
        assert_eq!(crowd(&[at(0, 1), at(990, 999)]), 2);
    }

    #[test]
    fn an_admission_that_may_lie_outside_is_not_certain() {
        // Decided anywhere between 10 ms and 1500 ms: nobody can say that it was within a period of the first.
        assert_eq!(crowd(&[at(0, 1), at(10, 1500)]), 1);
    }

    #[test]
    fn a_double_burst_across_a_boundary_is_seen() {
        let burst = |start: u64| (0..5).map(move |i| at(start + i, start + i + 1));
        let seen: Vec<_> = burst(900).chain(burst(1010)).collect();
        assert_eq!(crowd(&seen), 10);
    }

    /// What an exact sliding log admits of requests decided at these moments.
    fn sliding(moments: &[u64], limit: usize) -> Vec<bool> {
        let mut log: Vec<u64> = Vec::new();
        moments
            .iter()
            .map(|&now| {
                let live = log.iter().filter(|&&then| then + 1000 > now).count();
                let admitted = live < limit;
                if admitted {
                    log.push(now);
                }
                admitted
            })
            .collect()
    }

    proptest! {
        #[test]
        fn an_exact_limiter_is_never_accused(
            mut moments in prop::collection::vec(0_u64..5000, 1..80),
            before in prop::collection::vec(0_u64..300, 80),
            after in prop::collection::vec(0_u64..300, 80),
            limit in 1_usize..8,
        ) {
            moments.sort_unstable();
            let verdicts = sliding(&moments, limit);
            let seen: Vec<Seen> = moments.iter().enumerate().map(|(i, &moment)| Seen {
                admitted: verdicts[i],
                ..at(moment.saturating_sub(before[i]), moment + after[i] + 1)
            }).collect();
            prop_assert!(crowd(&seen) <= limit);
        }

        #[test]
        fn with_prompt_answers_a_fixed_window_is_caught_at_every_alignment(boundary in 1_u64..999, limit in 2_usize..8) {
            // One burst at zero, then a request every 25 ms: what the features send.
            let moments: Vec<u64> = std::iter::repeat_n(0, limit).chain((1..40).map(|i| i * 25)).collect();
            let mut counts = [0_usize; 3];
            let seen: Vec<Seen> = moments.iter().map(|&moment| {
                let window = usize::from(moment >= boundary);
                counts[window] += 1;
                Seen { admitted: counts[window] <= limit, ..at(moment, moment + 1) }
            }).collect();
            prop_assume!(boundary <= 974);
            prop_assert!(crowd(&seen) > limit);
        }
    }
}
