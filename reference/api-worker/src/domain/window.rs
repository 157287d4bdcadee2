//! Windows of rate limits: which there are, and what counts allow. Never counts by itself.

/// The three kinds of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// 60 seconds.
    Minute,
    /// 3,600 seconds.
    Hour,
    /// 86,400 seconds.
    Day,
}

impl Window {
    /// All, the shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Milliseconds.
    #[must_use]
    pub fn length_ms(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// The start of the window that holds an instant: aligned to the epoch.
    #[must_use]
    pub fn start(self, now_ms: i64) -> i64 {
        now_ms - now_ms.rem_euclid(self.length_ms())
    }
}

/// Whose requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectKind {
    /// A user's.
    User,
    /// A client ip's.
    Ip,
}

impl SubjectKind {
    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Ip => "ip",
        }
    }

    /// What holds where nothing is set.
    #[must_use]
    pub fn default_limit(self, window: Window) -> i64 {
        match (self, window) {
            (Self::User, Window::Minute) => 60,
            (Self::User, Window::Hour) => 1_000,
            (Self::User, Window::Day) | (Self::Ip, Window::Hour) => 10_000,
            (Self::Ip, Window::Minute) => 600,
            (Self::Ip, Window::Day) => 100_000,
        }
    }

    /// The name of the preference that holds the limit.
    #[must_use]
    pub fn limit_name(self, window: Window) -> String {
        format!("rate_limit.{}.{}", self.name(), window.name())
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Whose limit.
    pub subject: SubjectKind,
    /// Which window.
    pub window: Window,
    /// The limit.
    pub limit: i64,
    /// Until that window ends: whole seconds, rounded up.
    pub retry_after_seconds: u64,
}

/// What the counts and limits of one subject's three windows say: nothing, or the exceeded window that ends last.
#[must_use]
pub fn judge(
    subject: SubjectKind,
    now_ms: i64,
    counts: [i64; 3],
    limits: [i64; 3],
) -> Option<Exceeded> {
    let windows = Window::ALL.into_iter().zip(counts.into_iter().zip(limits));
    windows
        .filter(|(_, (count, limit))| count >= limit)
        .map(|(window, (_, limit))| (window.start(now_ms) + window.length_ms(), window, limit))
        // Of two that end at the same instant the longer one answers: it comes last.
        .max_by_key(|(end, _, _)| *end)
        .map(|(end, window, limit)| Exceeded {
            subject,
            window,
            limit,
            retry_after_seconds: u64::try_from(end - now_ms).unwrap_or(1).div_ceil(1000),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(now_ms: i64, counts: [i64; 3], expected: Option<(Window, u64)>) {
        let seen = judge(SubjectKind::User, now_ms, counts, [5, 50, 500]);
        assert_eq!(
            seen.map(|exceeded| (exceeded.window, exceeded.retry_after_seconds)),
            expected
        );
    }

    #[test]
    fn the_exceeded_window_that_ends_last_answers_with_its_own_end() {
        check(1_000, [4, 49, 499], None);
        check(1_000, [5, 49, 499], Some((Window::Minute, 59)));
        check(1_000, [5, 50, 499], Some((Window::Hour, 3_599)));
        check(1_000, [5, 49, 500], Some((Window::Day, 86_399)));
        check(59_999, [5, 0, 0], Some((Window::Minute, 1)));
        check(60_000, [5, 0, 0], Some((Window::Minute, 60)));
        // The last minute of an hour ends with it.
        check(3_540_000, [5, 50, 0], Some((Window::Hour, 60)));
    }

    #[test]
    fn windows_are_aligned_to_the_epoch() {
        assert_eq!(Window::Minute.start(119_999), 60_000);
        assert_eq!(Window::Day.start(86_400_000), 86_400_000);
    }
}
