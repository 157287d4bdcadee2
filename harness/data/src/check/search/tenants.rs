//! PAT-014: whose rows a search finds. Never judges how many of them it finds.

use super::super::populated::Row;
use super::super::settled::{Given, Settled};
use super::super::{Broken, Outcome};
use super::{Case, each, word};
use crate::rows::{Effort, Wanted};
use crate::subject::Subject;
use crate::text::{literal, written};
use rusqlite::types::Value;
use std::collections::BTreeSet;

pub(super) fn own_tenant_only(subject: &Subject) -> Outcome {
    if subject.claims.tenants.is_none() {
        return Outcome::undeclared("no table of tenants is declared", "[data] tenants");
    }
    let judge = |case: Case<'_>| {
        let shared = word(7);
        for tenant in 0..case.settled.tenants() {
            let rows = case.settled.rows(case.table, tenant);
            for (place, row) in rows.iter().enumerate() {
                let text = Value::Text(format!("{shared} {}", word(1_000 + 10 * tenant + place)));
                case.settled
                    .set(row, &[(&case.column, text)])
                    .map_err(|refused| {
                        Settled::unmet(
                            format!(
                                "`{}` does not take a text: {}",
                                case.column, refused.message
                            ),
                            "[[data.search]] columns",
                        )
                    })?;
            }
        }
        // A search that finds nothing shows nothing of others either; that it should find something is PAT-003's.
        if case.found(&shared, 0)?.0.is_empty() {
            return Err(Settled::unmet(
                "the search does not find a tenant's own rows",
                "[[data.search]] sql",
            ));
        }
        if let Some(broken) = foreign(&case, &shared)? {
            return Ok(vec![broken]);
        }
        if let Some(broken) = look_alike(&case, &shared)? {
            return Ok(vec![broken]);
        }
        for tenant in 0..case.settled.tenants() {
            let rows = case.settled.rows(case.table, tenant);
            for (place, row) in rows.iter().enumerate() {
                // Ids that look like the numbers of rows are what a careless join takes for them.
                renumber(&case, row, tenant, place);
            }
        }
        Ok(foreign(&case, &shared)?.into_iter().collect())
    };
    each(
        subject,
        "each tenant found its own rows and no other's",
        |_claim| 1,
        judge,
    )
}

/// A row that a search shows to another tenant than its own, or a tenant whose search shows none.
fn foreign(case: &Case<'_>, shared: &str) -> Result<Option<Broken>, Outcome> {
    for tenant in 0..case.settled.tenants() {
        let rows = case.settled.rows(case.table, tenant);
        let own: BTreeSet<String> = rows
            .iter()
            .flat_map(|row| row.key.iter().map(|(_, value)| format!("{value:?}")))
            .collect();
        let (found, asked) = case.found(shared, tenant)?;
        if found.is_empty() {
            return Ok(Some(case.broken(
                "the tenant's own rows",
                "none of them is found",
                vec![asked],
            )));
        }
        let stranger = found
            .iter()
            .find(|value| !own.contains(&format!("{value:?}")));
        if let Some(stranger) = stranger {
            let saw = format!("the row {} of another tenant", literal(stranger.into()));
            let expected = "rows of the tenant that searches";
            return Ok(Some(case.broken(expected, saw, vec![asked])));
        }
    }
    Ok(None)
}

/// A tenant whose key only looks like that of another one, and whose search shows rows though it has none.
fn look_alike(case: &Case<'_>, shared: &str) -> Result<Option<Broken>, Outcome> {
    let Some(populated) = case.settled.populated() else {
        return Ok(None);
    };
    let tenancy = &populated.tenants.tenancy;
    for key in &populated.tenants.keys {
        for alike in alike(key) {
            let wanted = Wanted {
                pinned: vec![(tenancy.key.clone(), alike.clone())],
                effort: Effort::Brief,
                ..populated.wanted(&tenancy.tenants, 0)
            };
            // A key that the schema does not take is nobody's.
            let Some(made) = populated.spares(&[wanted]).pop().flatten() else {
                continue;
            };
            if populated.batch(&made).is_err() {
                continue;
            }
            let given = Given::from([("tenant", alike)]);
            let (found, asked) = case
                .find_given(shared, 0, given)
                .map_err(|(_, outcome)| outcome)?;
            if let Some(stranger) = found.first() {
                let mut repeat: Vec<String> = made
                    .iter()
                    .map(|(sql, values)| written(sql, values))
                    .collect();
                repeat.push(asked);
                return Ok(Some(case.broken(
                    "nothing for a tenant that has no rows, whatever its id looks like",
                    format!("the row {} of another tenant", literal(stranger.into())),
                    repeat,
                )));
            }
        }
    }
    Ok(None)
}

/// Keys that a comparison other than by `=` may take for this one: patterns, the other case, more and less of it.
fn alike(key: &Value) -> Vec<Value> {
    match key {
        Value::Text(text) => {
            let shorter: String = text.chars().take(text.chars().count().max(1) - 1).collect();
            let last = text.chars().next_back();
            let upper = text.to_ascii_uppercase();
            let other_case = if upper == *text {
                text.to_ascii_lowercase()
            } else {
                upper
            };
            let mut all = vec![
                format!("{shorter}_"),
                format!("{shorter}?"),
                "%".to_owned(),
                "*".to_owned(),
                other_case,
                format!("{text}{}", last.unwrap_or('x')),
                format!("{text} "),
                shorter,
            ];
            all.retain(|alike| alike != text);
            all.into_iter().map(Value::Text).collect()
        }
        Value::Integer(number) => [number / 10, number.saturating_mul(10), -number]
            .into_iter()
            .filter(|alike| alike != number && *alike != 0)
            .map(Value::Integer)
            .collect(),
        Value::Null | Value::Real(_) | Value::Blob(_) => Vec::new(),
    }
}

/// Gives a row with a text key an id that looks like a number, in an order against that of the rows; what refuses it keeps its own.
fn renumber(case: &Case<'_>, row: &Row, tenant: usize, place: usize) {
    let [key] = case.table.primary_key.as_slice() else {
        return;
    };
    if matches!(row.value(key), Value::Text(_)) {
        let number = 90 - 10 * tenant - place;
        let _kept_where_refused = case
            .settled
            .set(row, &[(key, Value::Text(number.to_string()))]);
    }
}
