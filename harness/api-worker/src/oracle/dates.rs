//! Days in UTC. Never knows a time zone.

/// Milliseconds of a minute.
pub(crate) const MINUTE: i64 = 60_000;
/// Milliseconds of an hour.
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// Milliseconds of a day.
pub(crate) const DAY: i64 = 24 * HOUR;

/// The day that a time lies in, as `YYYY-MM-DD`.
pub(crate) fn date(epoch_ms: i64) -> String {
    let (year, month, day) = civil(epoch_ms.div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// A time as RFC 3339 in UTC, always with three digits of milliseconds.
pub(crate) fn text_of(epoch_ms: i64) -> String {
    let of_day = epoch_ms.rem_euclid(DAY);
    let (hour, minute) = (of_day / HOUR, of_day % HOUR / MINUTE);
    let (second, ms) = (of_day % MINUTE / 1_000, of_day % 1_000);
    format!(
        "{}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z",
        date(epoch_ms)
    )
}

/// When a day begins, epoch milliseconds; `None` if the text is no date.
pub(crate) fn start_of(date: &str) -> Option<i64> {
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * DAY)
}

/// Year, month and day of a number of days since 1970-01-01, by Howard Hinnant's counting of years from March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year + era * 400 + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (ms, day) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_400_000, "2000-02-29"),
            (978_307_200_000, "2001-01-01"),
            (1_709_164_799_999, "2024-02-28"),
            (1_709_164_800_000, "2024-02-29"),
            (4_107_542_400_000, "2100-03-01"),
        ] {
            assert_eq!(date(ms), day);
            assert_eq!(start_of(day), Some(ms.div_euclid(DAY) * DAY));
        }
        assert_eq!(start_of("today"), None);
    }
}
