//! What plain values of a column look like: by its type, its default, and as a weak hint by its name. Never heeds a condition.

use super::value::Cell;
use crate::catalog::{Affinity, Name};
use rusqlite::types::Value;

/// What a column's plain values look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// A text that says where it comes from.
    Text,
    /// An e-mail address.
    Email,
    /// A JSON array.
    JsonArray,
    /// A JSON object.
    JsonObject,
    /// A whole number that counts.
    Count,
    /// 0 and 1.
    Flag,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// `2026-01-01 00:00:00`.
    DateTime,
    /// `2026-01-01`.
    Date,
    /// A number with a fraction.
    Fraction,
    /// Bytes.
    Blob,
}

/// What plain values of a column look like, by its type, its default, and as a weak hint by its name.
pub(super) fn look(name: &str, declared: &str, affinity: Affinity, default: &str) -> Look {
    let declared = declared.to_ascii_uppercase();
    let default = default.to_ascii_lowercase().replace(' ', "");
    let lower = name.to_ascii_lowercase();
    let is_iso = default.contains("current_timestamp") || default.contains("datetime(");
    if default.contains("unixepoch") || default.contains("strftime('%s'") {
        return if default.contains("*1000") {
            Look::Milliseconds
        } else {
            Look::Seconds
        };
    }
    if declared.contains("BOOL") {
        return Look::Flag;
    }
    if is_iso || declared.contains("DATETIME") || declared.contains("TIMESTAMP") {
        return Look::DateTime;
    }
    if declared.contains("DATE") || default.contains("date(") || default == "current_date" {
        return Look::Date;
    }
    match affinity {
        Affinity::Integer => integer(&lower, &default),
        Affinity::Numeric if declared.contains("STRING") || declared.contains("JSON") => {
            if declared.contains("JSON") {
                Look::JsonObject
            } else {
                Look::Text
            }
        }
        Affinity::Real | Affinity::Numeric => Look::Fraction,
        Affinity::Blob if declared.contains("BLOB") => Look::Blob,
        Affinity::Text | Affinity::Blob => text(&lower, &default, &declared),
    }
}

fn integer(name: &str, default: &str) -> Look {
    let is_flag = ["is_", "has_", "can_"]
        .iter()
        .any(|start| name.starts_with(start))
        && matches!(default, "" | "0" | "1");
    if is_flag {
        Look::Flag
    } else if name.ends_with("_at") {
        Look::Seconds
    } else {
        Look::Count
    }
}

fn text(name: &str, default: &str, declared: &str) -> Look {
    let is_json = declared.contains("JSON") || name.contains("json");
    let is_object = is_json || matches!(name, "metadata" | "settings" | "preferences" | "payload");
    if default.starts_with("'[") || name == "tags" {
        Look::JsonArray
    } else if default.starts_with("'{") || is_object {
        Look::JsonObject
    } else if name.contains("email") {
        Look::Email
    } else {
        Look::Text
    }
}

/// A plain value in the row of a number, from 1.
pub(super) fn of_look(table: &Name, cell: &Cell, number: usize, look: Look) -> Value {
    let label = format!("{table}.{} {number}", cell.name);
    let count = i64::try_from(number).unwrap_or(i64::MAX);
    let text = match look {
        Look::Text => label,
        Look::Email => email(&label),
        Look::JsonArray => serde_json::json!([label]).to_string(),
        Look::JsonObject => serde_json::json!({ "text": label }).to_string(),
        Look::Count => return Value::Integer(count),
        Look::Flag => return Value::Integer((count + 1) % 2),
        // 2026-01-01T00:00:00Z and a minute a row.
        Look::Seconds => return Value::Integer(1_767_225_600 + count * 60),
        Look::Milliseconds => return Value::Integer((1_767_225_600 + count * 60) * 1000),
        Look::DateTime => format!(
            "{} {:02}:{:02}:00",
            day(number),
            number / 60 % 24,
            number % 60
        ),
        Look::Date => day(number),
        #[expect(
            clippy::cast_precision_loss,
            reason = "rows are far fewer than 2 to the power of 52"
        )]
        Look::Fraction => return Value::Real(number as f64 + 0.5),
        Look::Blob => return Value::Blob(label.into_bytes()),
    };
    Value::Text(text)
}

/// An address that is made of a label.
pub(super) fn email(label: &str) -> String {
    let local = label.to_lowercase().replace(' ', ".");
    format!("{local}@example.com")
}

/// A day of 2026.
pub(super) fn day(number: usize) -> String {
    format!("2026-{:02}-{:02}", number / 28 % 12 + 1, number % 28 + 1)
}
