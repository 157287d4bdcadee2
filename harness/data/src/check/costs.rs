//! What each declared query costs: its plan, and what it reads on a copy with rows. Never a verdict: that is PAT-007's.

use super::Outcome;
use super::deep::{Deep, told};
use super::plans::{plan, plan_on};
use super::settled::{Given, Settled};
use crate::claims::Query;
use crate::engine::{Engine, Reads};
use crate::subject::Subject;

/// What one declared query costs on a copy of which every table holds some eighty rows, or as many as `--deep` asks for where a hot query reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// The query's name.
    pub name: String,
    /// The steps of its plan, as `EXPLAIN QUERY PLAN` tells them.
    pub plan: Vec<String>,
    /// The rows that it returned.
    pub returned: usize,
    /// The rows over which its scans stepped, each of which D1 bills as read; searches by index are not among them.
    pub scanned: u32,
    /// The rows that it read in all, as D1 bills them, between two bounds; none where nothing can be said of it.
    pub read: Option<Reads>,
    /// The instructions of SQLite's machine that it took.
    pub instructions: u32,
    /// The rows of the tables that it reads, by name, where `--deep` has filled them.
    pub held: Vec<(String, u64)>,
}

impl Cost {
    /// The tables that it reads and their rows, in words (`users: 1,000,000 rows`); empty without `--deep`.
    #[must_use]
    pub fn tables(&self) -> String {
        let tables = self.held.iter();
        let tables: Vec<String> = tables
            .map(|(table, rows)| format!("{table}: {} rows", told(*rows)))
            .collect();
        tables.join(", ")
    }
}

/// The costs of the declared queries, in their order. A query that cannot be run is left out: its criteria say why.
#[must_use]
pub fn costs(subject: &Subject) -> Vec<Cost> {
    let queries = &subject.claims.query;
    if queries.is_empty() {
        return Vec::new();
    }
    let Ok(settled) = Settled::new(subject) else {
        return Vec::new();
    };
    let deep = match Deep::of(subject) {
        Ok(Some(deep)) => deep,
        Ok(None) if settled.multiply().is_ok() => {
            let costs = queries.iter().map(|query| cost(subject, &settled, query));
            return costs.filter_map(Result::ok).collect();
        }
        Ok(None) | Err(_) => return Vec::new(),
    };
    let costs = queries
        .iter()
        .map(|query| cost_deep(&deep, &settled, query));
    costs.filter_map(Result::ok).collect()
}

fn cost_deep(deep: &Deep<'_>, settled: &Settled<'_>, query: &Query) -> Result<Cost, Outcome> {
    let held = deep.held(query)?;
    let plan = plan_on(deep.engine, &query.sql);
    let plan = plan.map_err(|error| Outcome::not_judged(&error))?;
    let held = held.into_iter();
    Ok(Cost {
        plan,
        held: held
            .map(|(table, rows)| (table.as_str().to_owned(), rows))
            .collect(),
        ..run(deep.engine, settled, query)?
    })
}

fn cost(subject: &Subject, settled: &Settled<'_>, query: &Query) -> Result<Cost, Outcome> {
    let plan = plan(subject, &query.sql).map_err(|error| Outcome::not_judged(&error))?;
    Ok(Cost {
        plan,
        ..run(settled.world().engine(), settled, query)?
    })
}

/// What it took on a copy, without a plan.
fn run(engine: &Engine, settled: &Settled<'_>, query: &Query) -> Result<Cost, Outcome> {
    let key = "[[data.query]] parameters";
    let values = settled.parameters(&query.parameters, 0, &Given::new(), key)?;
    let seen = engine.query(&query.sql, &values);
    let seen = seen.map_err(|failure| Settled::unmet(failure.message, "[[data.query]] sql"))?;
    Ok(Cost {
        name: query.name.clone(),
        plan: Vec::new(),
        returned: seen.rows.len(),
        scanned: seen.scanned,
        read: engine.reads(&query.sql, &values, &seen),
        instructions: seen.instructions,
        held: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Data;
    use crate::source::Source;
    use crate::text::File;

    #[test]
    fn a_scan_costs_every_row_of_its_table_and_a_search_none_of_them() {
        let file = File {
            name: "0001.sql".to_owned(),
            path: "0001.sql".into(),
            text: "CREATE TABLE notes (id INTEGER PRIMARY KEY, kind TEXT NOT NULL);".into(),
        };
        let source = Source {
            files: vec![file],
            ..Source::default()
        };
        let claims = "[[data.query]]\nname = 'all of a kind'\nsql = 'SELECT id FROM notes WHERE kind = ?1'\nparameters = ['notes.kind']\n\
            [[data.query]]\nname = 'one note'\nsql = 'SELECT kind FROM notes WHERE id = ?1'\nparameters = ['notes.id']\n";
        let subject = Subject::of(source, Data::parse(claims).unwrap(), 1).unwrap();
        let costs = costs(&subject);
        let [scan, search] = &costs[..] else {
            panic!("two queries are declared: {costs:?}")
        };
        assert_eq!(scan.plan, ["SCAN notes"]);
        assert!(scan.scanned > 70 && scan.returned >= 1, "{scan:?}");
        assert_eq!((search.scanned, search.returned), (0, 1), "{search:?}");
        let one = Reads { least: 1, most: 1 };
        assert_eq!(search.read, Some(one), "{search:?}");
        assert!(search.instructions < scan.instructions);
    }
}
