//! What the three views must tell of usage rows. Never asks a database.

use crate::oracle::dates::date;
use rusqlite::types::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A row of `usage_logs`, as far as the contract knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) user: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) input: Option<i64>,
    pub(crate) output: Option<i64>,
    pub(crate) cost: Option<i64>,
    pub(crate) latency: i64,
    pub(crate) created_at: i64,
}

/// A view of the contract: its name, its columns, and what it must tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static str,
    pub(crate) rows: fn(&[Usage]) -> Vec<Vec<Value>>,
}

/// Usage per date and user.
pub(crate) const BY_USER: View = View {
    name: "user_usage_summary",
    columns: "date, user_id, requests, input_tokens, output_tokens, cost_micros",
    rows: by_user,
};

/// Usage per model.
pub(crate) const BY_MODEL: View = View {
    name: "model_usage_stats",
    columns: "model, requests, input_tokens, output_tokens, cost_micros, average_latency_ms",
    rows: by_model,
};

/// Usage per date.
pub(crate) const BY_DATE: View = View {
    name: "daily_usage_trends",
    columns: "date, requests, users, input_tokens, output_tokens, cost_micros",
    rows: by_date,
};

/// The sums of some rows; what is not known counts as nothing.
#[derive(Debug, Default)]
struct Sums<'u> {
    requests: i64,
    input: i64,
    output: i64,
    cost: i64,
    latency: i64,
    users: BTreeSet<&'u str>,
}

impl<'u> Sums<'u> {
    fn add(&mut self, usage: &'u Usage) {
        self.requests += 1;
        self.input += usage.input.unwrap_or(0);
        self.output += usage.output.unwrap_or(0);
        self.cost += usage.cost.unwrap_or(0);
        self.latency += usage.latency;
        self.users.extend(usage.user.as_deref());
    }
}

fn grouped<'u, K: Ord>(rows: &'u [Usage], key: impl Fn(&'u Usage) -> K) -> BTreeMap<K, Sums<'u>> {
    let mut groups: BTreeMap<K, Sums<'_>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().add(row);
    }
    groups
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.to_owned()))
}

fn number(number: i64) -> Value {
    Value::Integer(number)
}

fn by_user(rows: &[Usage]) -> Vec<Vec<Value>> {
    let groups = grouped(rows, |row| (date(row.created_at), row.user.as_deref()));
    let rows = groups.into_iter().map(|((date, user), sums)| {
        let head = [Value::Text(date), text(user), number(sums.requests)];
        let amounts = [sums.input, sums.output, sums.cost].map(number);
        head.into_iter().chain(amounts).collect()
    });
    rows.collect()
}

fn by_model(rows: &[Usage]) -> Vec<Vec<Value>> {
    let groups = grouped(rows, |row| row.model.as_deref());
    let rows = groups.into_iter().map(|(model, sums)| {
        let average = sums.latency / sums.requests;
        let amounts = [sums.requests, sums.input, sums.output, sums.cost, average];
        std::iter::once(text(model))
            .chain(amounts.map(number))
            .collect()
    });
    rows.collect()
}

fn by_date(rows: &[Usage]) -> Vec<Vec<Value>> {
    let groups = grouped(rows, |row| date(row.created_at));
    let rows = groups.into_iter().map(|(date, sums)| {
        let users = i64::try_from(sums.users.len()).unwrap_or(i64::MAX);
        let amounts = [sums.requests, users, sums.input, sums.output, sums.cost];
        std::iter::once(Value::Text(date))
            .chain(amounts.map(number))
            .collect()
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripts::trial::told_row;

    fn told(rows: &[Vec<Value>]) -> Vec<String> {
        rows.iter().map(|row| told_row(row)).collect()
    }

    #[test]
    fn unknown_amounts_count_as_nothing_and_leave_no_row_out() {
        let unknown = Usage {
            model: None,
            input: None,
            output: None,
            cost: None,
            latency: 2,
            ..Usage::of("ada", "small", 0)
        };
        let rows = [
            Usage::of("ada", "small", 86_399_999),
            unknown,
            Usage::of("bob", "small", 86_400_000),
        ];
        assert_eq!(
            told(&by_user(&rows)),
            [
                "('1970-01-01', 'ada', 2, 7, 3, 11)",
                "('1970-01-02', 'bob', 1, 7, 3, 11)"
            ]
        );
        assert_eq!(
            told(&by_model(&rows)),
            ["(NULL, 1, 0, 0, 0, 2)", "('small', 2, 14, 6, 22, 13)"]
        );
        assert_eq!(
            told(&by_date(&rows)),
            [
                "('1970-01-01', 2, 1, 7, 3, 11)",
                "('1970-01-02', 1, 1, 7, 3, 11)"
            ]
        );
        assert!(by_model(&[]).is_empty());
    }
}
