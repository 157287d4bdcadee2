//! PAT-002: rows that are marked as deleted, and the queries that must not show them. Never takes a query that shows nothing for one that hides.

use super::deleted_rows::Asking;
use super::settled::Settled;
use super::{Aspect, Broken, Outcome, Tally, plans};
use crate::catalog::{Name, Table};
use crate::claims::{Query, SoftDelete};
use crate::engine::Deed;
use crate::subject::Subject;
use crate::text::counted;
use crate::text::written;
use rusqlite::types::Value;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-002",
        sentence: "no declared active query shows a soft-deleted row of any table that it joins",
        judge: hidden,
    },
    Aspect {
        criterion: "PAT-002",
        sentence: "an index serves every declared active query",
        judge: served,
    },
];

const KEY: &str = "[[data.soft_delete]]";
/// Rows that are tried as the one that a page begins behind.
const ROWS_TRIED: usize = 4;
/// Mixtures of rows that are tried: the last parameters, which say where a page begins, are mixed most.
const MIXED: u32 = 3;
const MIXTURES: usize = ROWS_TRIED.pow(MIXED + 1);

/// The active queries that read a table with soft deletion: all but those that are meant to show deleted rows.
fn active<'s>(subject: &'s Subject, table: &Name) -> Vec<&'s Query> {
    let queries = subject
        .claims
        .query
        .iter()
        .filter(|query| !query.shows_deleted);
    queries
        .filter(|query| reads(subject, &query.sql, table))
        .collect()
}

fn reads(subject: &Subject, sql: &str, table: &Name) -> bool {
    let engine = &subject.replay.empty;
    engine.take_deeds();
    let is_prepared = engine.connection().prepare(sql).is_ok();
    let (deeds, _) = engine.take_deeds();
    is_prepared
        && deeds
            .iter()
            .any(|deed| matches!(deed, Deed::Read(read, _) if *table == **read))
}

fn hidden(subject: &Subject) -> Outcome {
    if subject.claims.soft_delete.is_empty() {
        return Outcome::undeclared("no soft deletion is declared", KEY);
    }
    let mut tally = Tally::default();
    let mut seen = 0;
    for claim in &subject.claims.soft_delete {
        for query in active(subject, &Name::new(&claim.table)) {
            seen += 1;
            tally.add(shown(subject, claim, query).map(|shown| shown.into_iter().collect()));
        }
    }
    if seen == 0 {
        return Outcome::undeclared(
            "no query is declared that reads a table with soft deletion",
            "[[data.query]]",
        );
    }
    tally.outcome(
        "active query",
        "what was marked as deleted was shown before and hidden after",
    )
}

/// Marks every row of the table as deleted and looks at what the query still shows.
fn shown(subject: &Subject, claim: &SoftDelete, query: &Query) -> Result<Option<Broken>, Outcome> {
    let settled = Settled::new(subject)?;
    let table = settled.table(&claim.table, KEY)?;
    let key = "[[data.query]] parameters";
    let Some(at) = some_rows(&settled, query, key)? else {
        return Err(Settled::unmet(
            format!(
                "the query \"{}\" shows no row even before a deletion",
                query.name
            ),
            key,
        ));
    };
    let active = settled
        .copy()
        .map_err(|error| Outcome::not_judged(&error))?;
    mark(&settled, claim, table)?;
    let values = settled.parameters_from(&query.parameters, &at, key)?;
    settled
        .world()
        .run(&query.sql, &values)
        .map_err(|refused| Settled::unmet(refused.message, KEY))?;
    let asking = Asking {
        settled: &settled,
        active: &active,
        table,
        marker: Name::new(&claim.column),
        query,
        at,
    };
    let still = asking.still_shown()?;
    Ok(still.map(|still| {
        let mut repeat: Vec<String> = still.shape.into_iter().collect();
        repeat.push(format!(
            "UPDATE {} SET {} = …; -- as deleted",
            table.name, claim.column
        ));
        repeat.push(written(&query.sql, &values));
        Broken {
            object: format!("query {}", query.name),
            expected: format!(
                "nothing of `{}` once its rows are marked as deleted",
                table.name
            ),
            saw: format!("{} still shown", counted(still.rows, "row")),
            repeat,
        }
    }))
}

/// The places of the rows with whose values as parameters the query shows rows; a page behind the last row shows none, so each row is tried as the one before the page,
/// and then rows are mixed: the page of one row's parent may lie behind another row.
fn some_rows(
    settled: &Settled<'_>,
    query: &Query,
    key: &str,
) -> Result<Option<Vec<usize>>, Outcome> {
    let count = query.parameters.len();
    let of_one_row = (0..ROWS_TRIED).map(|at| vec![at; count]);
    let mixed = (0..MIXTURES).map(|number| {
        let digits = (0..=MIXED).map(|digit| number / ROWS_TRIED.pow(digit) % ROWS_TRIED);
        let mut places: Vec<usize> = digits.take(count).collect();
        places.resize(count, number / ROWS_TRIED.pow(MIXED));
        places.reverse();
        places
    });
    for at in of_one_row.chain(mixed) {
        let values = settled.parameters_from(&query.parameters, &at, key)?;
        let seen = settled.world().run(&query.sql, &values);
        let seen = seen.map_err(|refused| {
            Settled::unmet(
                format!("the query \"{}\" fails: {}", query.name, refused.message),
                "[[data.query]] sql",
            )
        })?;
        if !seen.rows.is_empty() {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Marks all rows of a table as deleted.
fn mark(settled: &Settled<'_>, claim: &SoftDelete, table: &Table) -> Result<(), Outcome> {
    let column = Name::new(&claim.column);
    let active = claim
        .active
        .clone()
        .unwrap_or_else(|| format!("{} IS NULL", column.quoted()));
    let count = format!(
        "SELECT count(*) FROM {} WHERE {active}",
        table.name.quoted()
    );
    let values = [
        settled.time(0),
        Value::Integer(1),
        Value::Text("deleted".to_owned()),
    ];
    let update = format!(
        "UPDATE {} SET {} = ?1",
        table.name.quoted(),
        column.quoted()
    );
    for value in values {
        let marked = settled.world().run(&update, &[value]).is_ok();
        let left = settled.world().run(&count, &[]).map_err(|refused| {
            Settled::unmet(
                format!("the active condition fails: {}", refused.message),
                "[[data.soft_delete]] active",
            )
        })?;
        if marked && left.rows.first().and_then(|row| row.first()) == Some(&Value::Integer(0)) {
            return Ok(());
        }
    }
    Err(Settled::unmet(
        format!(
            "the rows of `{}` cannot be marked by `{}`",
            table.name, claim.column
        ),
        KEY,
    ))
}

fn served(subject: &Subject) -> Outcome {
    if subject.claims.soft_delete.is_empty() {
        return Outcome::undeclared("no soft deletion is declared", KEY);
    }
    let tables = subject
        .claims
        .soft_delete
        .iter()
        .map(|claim| Name::new(&claim.table));
    let mut queries: Vec<&Query> = tables.flat_map(|table| active(subject, &table)).collect();
    queries.dedup_by_key(|query| &query.name);
    if queries.is_empty() {
        return Outcome::undeclared(
            "no query is declared that reads a table with soft deletion",
            "[[data.query]]",
        );
    }
    let mut broken = Vec::new();
    for query in &queries {
        if let Ok(scans) = plans::scans(subject, &query.sql)
            && !scans.is_empty()
        {
            broken.push(Broken {
                object: format!("query {}", query.name),
                expected: "a search by an index".to_owned(),
                saw: scans.join("; "),
                repeat: vec![format!(
                    "EXPLAIN QUERY PLAN {};",
                    query.sql.trim_end_matches(';')
                )],
            });
        }
    }
    Outcome::of(
        broken,
        format!(
            "{}, each served by an index",
            counted(queries.len(), "query")
        ),
    )
}
