//! PAT-014: whose rows a search finds. Never judges how many of them it finds.

use super::super::Outcome;
use super::super::populated::Row;
use super::super::settled::Settled;
use super::{Case, each, word};
use crate::subject::Subject;
use rusqlite::types::Value;
use std::collections::BTreeSet;

pub(super) fn own_tenant_only(subject: &Subject) -> Outcome {
    if subject.claims.tenants.is_none() {
        return Outcome::undeclared("no table of tenants is declared", "[data] tenants");
    }
    let judge = |case: Case<'_>| {
        let shared = word(7);
        let mut own: Vec<BTreeSet<String>> = Vec::new();
        for tenant in 0..case.settled.tenants() {
            let rows = case.settled.rows(case.table, tenant);
            for (place, row) in rows.iter().enumerate() {
                // Ids that look like the numbers of rows are what a careless join takes for them.
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
                renumber(&case, row, tenant, place);
            }
            let rows = case.settled.rows(case.table, tenant);
            own.push(
                rows.iter()
                    .flat_map(|row| row.key.iter().map(|(_, value)| format!("{value:?}")))
                    .collect(),
            );
        }
        for (tenant, keys) in own.iter().enumerate() {
            let (found, asked) = case.found(&shared, tenant)?;
            if found.is_empty() {
                return Ok(vec![case.broken(
                    "the tenant's own rows",
                    "none of them is found",
                    vec![asked],
                )]);
            }
            if let Some(foreign) = found
                .iter()
                .find(|value| !keys.contains(&format!("{value:?}")))
            {
                let saw = format!(
                    "the row {} of another tenant",
                    crate::text::literal(foreign.into())
                );
                return Ok(vec![case.broken(
                    "rows of the tenant that searches",
                    saw,
                    vec![asked],
                )]);
            }
        }
        Ok(Vec::new())
    };
    each(
        subject,
        "each tenant found its own rows and no other's",
        |_claim| 1,
        judge,
    )
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
