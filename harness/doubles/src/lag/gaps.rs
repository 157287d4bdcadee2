//! When somebody was held up, as a union of spans of time. It never measures anything: it is told.

use std::time::{Duration, Instant};

/// One span in which somebody who was due did not come to his turn.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: Instant,
    until: Instant,
    /// What all spans before this one come to.
    before: Duration,
}

impl Span {
    fn len(&self) -> Duration {
        self.until.saturating_duration_since(self.from)
    }
}

/// How much of a time somebody was held up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeldUp {
    /// In all.
    pub total: Duration,
    /// The longest span at a stretch.
    pub longest: Duration,
    /// How long the thread of the target that waited longest for a processor waited, in all.
    pub queued: Duration,
}

/// Spans that do not overlap, in order. Whoever is late at the same time as somebody else has held up nobody twice.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    spans: Vec<Span>,
}

impl Gaps {
    /// Adds a span that ends now, or as good as now: spans come in the order of their ends.
    pub(super) fn add(&mut self, from: Instant, until: Instant) {
        let (mut from, mut until) = (from, until);
        while let Some(last) = self.spans.last() {
            if last.until < from {
                break;
            }
            from = from.min(last.from);
            until = until.max(last.until);
            self.spans.pop();
        }
        let before = self
            .spans
            .last()
            .map_or(Duration::ZERO, |last| last.before + last.len());
        if until > from {
            self.spans.push(Span {
                from,
                until,
                before,
            });
        }
    }

    /// How much of the time between two moments is in the spans, and in one more that began `late` and has not ended, if there is one.
    pub(super) fn between(&self, from: Instant, until: Instant, late: Option<Instant>) -> HeldUp {
        let Some(late) = late.map(|late| late.max(from)).filter(|late| *late < until) else {
            return self.ended(from, until);
        };
        let (before, now) = (self.ended(from, late), until - late);
        HeldUp {
            total: before.total + now,
            longest: before.longest.max(now),
            ..before
        }
    }

    fn ended(&self, from: Instant, until: Instant) -> HeldUp {
        let first = self.spans.partition_point(|span| span.until <= from);
        let end = self.spans.partition_point(|span| span.from < until);
        let inside = self.spans.get(first..end).unwrap_or_default();
        let (Some(one), Some(last)) = (inside.first(), inside.last()) else {
            return HeldUp::default();
        };
        let whole = (last.before + last.len()).saturating_sub(one.before);
        let cut_off =
            from.saturating_duration_since(one.from) + last.until.saturating_duration_since(until);
        let shown = |span: &Span| {
            let (from, until) = (span.from.max(from), span.until.min(until));
            until.saturating_duration_since(from)
        };
        HeldUp {
            total: whole.saturating_sub(cut_off),
            longest: inside.iter().map(shown).max().unwrap_or_default(),
            queued: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn of(list: &[(u64, u64)]) -> (Instant, Gaps) {
        let start = clock::now();
        let mut gaps = Gaps::default();
        for &(from, until) in list {
            gaps.add(at(start, from), at(start, until));
        }
        (start, gaps)
    }

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn held(gaps: &Gaps, start: Instant, from: u64, until: u64) -> (u128, u128) {
        let seen = gaps.between(at(start, from), at(start, until), None);
        (seen.total.as_millis(), seen.longest.as_millis())
    }

    #[test]
    fn two_that_are_late_at_the_same_time_count_once() {
        let (start, gaps) = of(&[(10, 30), (20, 40), (5, 45), (60, 70)]);
        assert_eq!(held(&gaps, start, 0, 100), (50, 40));
    }

    #[test]
    fn only_what_lies_between_the_two_moments_counts() {
        let (start, gaps) = of(&[(10, 30), (50, 70), (90, 95)]);
        assert_eq!(held(&gaps, start, 20, 60), (20, 10));
        assert_eq!(held(&gaps, start, 12, 18), (6, 6));
        assert_eq!(held(&gaps, start, 30, 50), (0, 0));
        assert_eq!(held(&gaps, start, 95, 200), (0, 0));
    }

    #[test]
    fn what_is_added_later_and_began_earlier_swallows_what_lies_within() {
        let (start, gaps) = of(&[(10, 20), (30, 40), (50, 60), (25, 61)]);
        assert_eq!(held(&gaps, start, 0, 100), (46, 36));
    }

    #[test]
    fn a_span_that_has_not_ended_counts_up_to_the_end() {
        let (start, gaps) = of(&[(10, 20), (50, 60)]);
        let seen = |late| gaps.between(at(start, 0), at(start, 100), Some(at(start, late)));
        assert_eq!(seen(40).total, Duration::from_millis(70));
        assert_eq!(seen(40).longest, Duration::from_millis(60));
        assert_eq!(seen(120).total, Duration::from_millis(20));
    }

    #[test]
    fn nothing_added_holds_up_nobody() {
        let (start, gaps) = of(&[]);
        assert_eq!(held(&gaps, start, 0, 100), (0, 0));
    }
}
