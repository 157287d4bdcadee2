//! Windows of rate limits, aligned to the epoch. Never counts.

/// The kinds of windows and their lengths in milliseconds.
pub(crate) const KINDS: [(&str, i64); 3] =
    [("minute", 60_000), ("hour", 3_600_000), ("day", 86_400_000)];

/// The length of a kind of window, in milliseconds.
pub(crate) fn length(kind: &str) -> i64 {
    let mut kinds = KINDS.iter();
    kinds
        .find(|(known, _)| *known == kind)
        .map_or(0, |(_, length)| *length)
}

/// When the window that a time lies in began.
pub(crate) fn start(kind: &str, now: i64) -> i64 {
    now - now.rem_euclid(length(kind).max(1))
}

/// Whole seconds, rounded up, until the window ends.
pub(crate) fn retry_after(kind: &str, now: i64) -> i64 {
    let left = start(kind, now) + length(kind) - now;
    (left + 999) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up_and_never_zero() {
        assert_eq!(retry_after("minute", 0), 60);
        assert_eq!(retry_after("minute", 1), 60);
        assert_eq!(retry_after("minute", 59_000), 1);
        assert_eq!(retry_after("minute", 59_999), 1);
        assert_eq!(retry_after("hour", 3_600_000), 3_600);
        assert_eq!(start("day", 86_399_999), 0);
    }
}
