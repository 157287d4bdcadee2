//! What a usage row must say of one successful answer (USG-001). Never reads a table itself.

use crate::observe::Row;
use serde_json::Value;

/// How far a target's clock may be off: a staging host's is not ours. Seconds in place of milliseconds are off by half a century.
const CLOCK_OFF_MS_MAX: i64 = 60_000;

/// Token counts of one answer: prompt, completion.
pub type Tokens = (i64, i64);

/// What one answer must leave behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected<'a> {
    /// Who called.
    pub tenant_id: &'a str,
    /// Which model answered.
    pub model: &'a str,
    /// What the upstream reported.
    pub tokens: Tokens,
    /// When the caller sent the request, epoch milliseconds.
    pub sent_at_ms: i64,
    /// What the caller measured, whole milliseconds, rounded up.
    pub measured_ms: i64,
}

/// The token counts of a row; `None` if they are not there as integers.
#[must_use]
pub fn tokens(row: &Row) -> Option<Tokens> {
    Some((
        row.get("tokens_in")?.as_i64()?,
        row.get("tokens_out")?.as_i64()?,
    ))
}

/// The token counts of a row in and out, each `None` where it is no whole number. A whole number that is kept as a real one counts: of which
/// type a column is is not asked here.
#[must_use]
pub fn counted(row: &Row) -> (Option<u64>, Option<u64>) {
    let of = |name: &str| {
        let number = row.get(name)?;
        number.as_u64().or_else(|| {
            let text = number.as_f64()?.to_string();
            text.parse().ok()
        })
    };
    (of("tokens_in"), of("tokens_out"))
}

/// Whether the row says of the answer what it must.
///
/// # Errors
/// In words, the first thing that is wrong.
pub fn judge(row: &Row, expected: &Expected<'_>) -> Result<(), String> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let integer = |name: &str| row.get(name).and_then(Value::as_i64);
    let wrong = |name: &str, demand: &str| {
        Err(format!(
            "{name} is {}, not {demand}",
            row.get(name).unwrap_or(&Value::Null)
        ))
    };
    if text("id")
        .and_then(|id| uuid::Uuid::parse_str(id).ok())
        .is_none()
    {
        return wrong("id", "a UUID");
    }
    if text("tenant_id") != Some(expected.tenant_id) {
        return wrong("tenant_id", expected.tenant_id);
    }
    if text("model") != Some(expected.model) {
        return wrong("model", expected.model);
    }
    if integer("tokens_in") != Some(expected.tokens.0) {
        return wrong("tokens_in", &expected.tokens.0.to_string());
    }
    if integer("tokens_out") != Some(expected.tokens.1) {
        return wrong("tokens_out", &expected.tokens.1.to_string());
    }
    // How long it may be is another promise, USG-014.
    if integer("latency_ms").is_none_or(|latency| latency < 0) {
        return wrong("latency_ms", "an integer from 0");
    }
    let (from, to) = (
        expected.sent_at_ms - CLOCK_OFF_MS_MAX,
        expected.sent_at_ms + expected.measured_ms + CLOCK_OFF_MS_MAX,
    );
    if integer("created_at").is_none_or(|created| !(from..=to).contains(&created)) {
        return wrong(
            "created_at",
            &format!("epoch milliseconds near {}", expected.sent_at_ms),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const EXPECTED: Expected<'_> = Expected {
        tenant_id: "t",
        model: "@cf/m",
        tokens: (11, 5),
        sent_at_ms: 1_800_000_000_000,
        measured_ms: 40,
    };

    fn row() -> Row {
        let row = json!({
            "id": "0192f1d2-7c1e-7a3b-9d53-0c5f2f1a9b11", "tenant_id": "t", "model": "@cf/m", "tokens_in": 11,
            "tokens_out": 5, "latency_ms": 12, "created_at": 1_800_000_000_020_i64,
        });
        row.as_object().unwrap().clone().into_iter().collect()
    }

    #[test]
    fn a_right_row_passes() {
        assert_eq!(judge(&row(), &EXPECTED), Ok(()));
    }

    #[test]
    fn whole_numbers_count_of_whatever_type_they_are() {
        let of = |value: Value| {
            let mut row = row();
            row.insert("tokens_in".to_owned(), value);
            counted(&row)
        };
        assert_eq!(of(json!(41)), (Some(41), Some(5)));
        assert_eq!(of(json!(41.0)), (Some(41), Some(5)));
        assert_eq!(of(json!(41.5)), (None, Some(5)));
        assert_eq!(of(json!("41")), (None, Some(5)));
        assert_eq!(of(json!(-1)), (None, Some(5)));
    }

    #[test]
    fn each_column_is_looked_at() {
        for (name, value) in [
            ("id", json!("1")),
            ("tenant_id", json!("other")),
            ("model", json!("@cf/other")),
            ("tokens_in", json!(12)),
            ("tokens_in", json!(11.0)),
            ("tokens_out", json!("5")),
            ("latency_ms", json!(-1)),
            ("latency_ms", json!(1.5)),
            ("created_at", json!(1_800_000_000)),
            ("created_at", json!("2027-01-15T08:00:00Z")),
        ] {
            let mut row = row();
            row.insert(name.to_owned(), value);
            assert!(
                judge(&row, &EXPECTED).unwrap_err().starts_with(name),
                "{name}"
            );
        }
        assert!(judge(&Row::new(), &EXPECTED).is_err());
    }
}
