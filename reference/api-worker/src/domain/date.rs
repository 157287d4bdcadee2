//! Days in UTC. Never knows which one is today.

use moltworker_reference::domain::timestamp::Timestamp;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;
/// The last instant that times may show: the end of the year 9999.
pub const TIME_MAX: i64 = 253_402_300_799_999;

/// `YYYY-MM-DD` of an instant.
#[must_use]
pub fn date_of(ms: i64) -> String {
    Timestamp::from_epoch_ms(ms).as_str()[..10].to_owned()
}

/// Whether a text is a date of the calendar.
#[must_use]
pub fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !shaped {
        return false;
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap_or(0);
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dates_of_the_calendar_are_dates() {
        for date in ["2026-01-31", "2024-02-29", "2000-02-29", "1970-01-01"] {
            assert!(is_date(date), "{date}");
        }
        for text in [
            "2026-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-13-01",
            "2026-1-01",
            "2026-01-00",
            "",
            "2026-01-01T",
        ] {
            assert!(!is_date(text), "{text}");
        }
        assert_eq!(date_of(DAY_MS - 1), "1970-01-01");
        assert_eq!(date_of(DAY_MS), "1970-01-02");
    }
}
