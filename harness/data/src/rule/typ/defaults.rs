//! TYP-03: defaults of times that are no times of their column. Never judges values that code writes.

use crate::catalog::{Affinity, Column};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::{object_of_column, trial};
use crate::subject::Subject;
use crate::words::is_time;

/// What is wrong with a default.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// A function gives a text, and the column is for numbers.
    Text,
    /// A text is written out that is no number, and the column is for numbers.
    Fixed(String),
    /// The call of a function stands in quotes, so that it is a text and is never called.
    Quoted(String),
    /// One instant is written out, that at which somebody made the file.
    Frozen(String),
}

pub(in crate::rule) fn text_into_integers(subject: &Subject, findings: &mut Vec<Finding>) {
    let tables = subject.schema().tables.values();
    for table in tables.filter(|table| table.is_ordinary()) {
        for column in &table.columns {
            let Some(fault) = fault(column) else {
                continue;
            };
            let name = format!("`{}.{}`", table.name, column.name);
            let message = match &fault {
                Fault::Text => format!(
                    "{name} is {}, but its default is a text such as '2026-01-31 12:00:00': rows with the default sort after all rows to which the code gives a number",
                    column.declared_type
                ),
                Fault::Fixed(text) => format!(
                    "{name} is {}, but its default is the text '{text}', the same in every row: rows with the default sort after all rows to which the code gives a number",
                    column.declared_type
                ),
                Fault::Quoted(call) => format!(
                    "each row that leaves {name} out gets the text '{call}' and not the time: in quotes it is a text, which nothing calls"
                ),
                Fault::Frozen(instant) => format!(
                    "each row that leaves {name} out says {instant}, whenever it is written: the default is one instant, written out"
                ),
            };
            let help = if column.affinity() == Affinity::Integer {
                "write DEFAULT (unixepoch()), or DEFAULT (unixepoch('subsec') * 1000) for milliseconds"
            } else if matches!(&fault, Fault::Frozen(instant) if instant.contains('T')) {
                "write DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), which has this form"
            } else {
                "write DEFAULT CURRENT_TIMESTAMP, or DEFAULT (datetime('now')), without quotes around it"
            };
            let what = match fault {
                Fault::Text | Fault::Fixed(_) => "a text by default",
                Fault::Quoted(_) => "a text, not a call",
                Fault::Frozen(_) => "the same in every row",
            };
            findings.push(
                Finding::new(
                    "TYP-03",
                    Level::Warning,
                    object_of_column(table, column),
                    message,
                )
                .at(
                    subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()),
                    what,
                )
                .help(help)
                .proof(trial::answering(vec![
                    trial::sketch(table, &[&column.name], &[], &[]),
                    format!("INSERT INTO {} DEFAULT VALUES;", table.name.quoted()),
                    format!(
                        "SELECT {} FROM {};",
                        asked(&column.name.quoted(), what),
                        table.name.quoted()
                    ),
                ])),
            );
        }
    }
}

/// What the proof asks for: the type where that is the fault, the value where it is the same for ever.
fn asked(column: &str, what: &str) -> String {
    if what == "a text by default" {
        format!("typeof({column})")
    } else {
        column.to_owned()
    }
}

fn fault(column: &Column) -> Option<Fault> {
    let default = column.default.as_deref()?;
    let lower = default.to_ascii_lowercase();
    let is_number = column.affinity() == Affinity::Integer;
    if is_time(column.name.as_str()) && is_instant(default) {
        return Some(Fault::Frozen(default.to_owned()));
    }
    let Some(text) = written_out(default) else {
        let is_text = ["current_timestamp", "current_date", "current_time"]
            .contains(&lower.as_str())
            || lower.contains("datetime(")
                && !lower.contains("unixepoch(")
                && !lower.contains("cast");
        return (is_number && is_text).then_some(Fault::Text);
    };
    if is_call(&text) {
        return Some(Fault::Quoted(text));
    }
    let is_numeric = text.trim().parse::<f64>().is_ok();
    (is_number && is_time(column.name.as_str()) && !is_numeric && !text.is_empty())
        .then_some(Fault::Fixed(text))
}

/// The text of a default that is nothing but a text.
pub(super) fn written_out(default: &str) -> Option<String> {
    let quote = default
        .chars()
        .next()
        .filter(|quote| matches!(quote, '\'' | '"'))?;
    let inner = default.strip_prefix(quote)?.strip_suffix(quote)?;
    let doubled = format!("{quote}{quote}");
    let is_one = !inner.replace(&doubled, "").contains(quote);
    is_one.then(|| inner.replace(&doubled, &quote.to_string()))
}

/// Seconds of a day.
const DAY: i64 = 86_400;
/// The years in which somebody may have written the file: epoch seconds from 2015 to 2039.
const WRITTEN: std::ops::Range<i64> = 1_420_070_400..2_208_988_800;

/// Whether a default is an instant of our days that nobody chooses: `'2024-11-04T13:53:48.800Z'`, 1730728428. The first moment of a day is
/// chosen, as the far past and the far future are.
fn is_instant(default: &str) -> bool {
    if let Ok(number) = default.parse::<i64>() {
        let seconds = if WRITTEN.contains(&(number / 1_000)) {
            number / 1_000
        } else {
            number
        };
        return WRITTEN.contains(&seconds) && number % DAY != 0 && seconds % DAY != 0;
    }
    let Some(text) = written_out(default) else {
        return false;
    };
    let shape: String = text
        .chars()
        .take(19)
        .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
        .collect();
    let is_of_our_days = text
        .get(..4)
        .and_then(|year| year.parse().ok())
        .is_some_and(|year: u32| (2015..2040).contains(&year));
    let time = text.get(11..19);
    matches!(
        shape.as_str(),
        "0000-00-00T00:00:00" | "0000-00-00 00:00:00"
    ) && is_of_our_days
        && !matches!(time, Some("00:00:00" | "23:59:59"))
}

/// Whether a text is the call of a function of time.
fn is_call(text: &str) -> bool {
    let bare = text
        .trim()
        .trim_matches(['(', ')', '\'', '"'])
        .to_ascii_lowercase();
    matches!(
        bare.as_str(),
        "current_timestamp" | "current_date" | "current_time" | "now"
    ) || ["datetime(", "unixepoch(", "strftime(", "julianday("]
        .iter()
        .any(|call| bare.starts_with(call))
}
