//! PAT-014: whose rows a search finds. Never judges how many of them it finds.

use super::super::populated::Row;
use super::super::settled::Settled;
use super::super::{Broken, Outcome};
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
            let saw = format!(
                "the row {} of another tenant",
                crate::text::literal(stranger.into())
            );
            let expected = "rows of the tenant that searches";
            return Ok(Some(case.broken(expected, saw, vec![asked])));
        }
    }
    Ok(None)
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
