//! Query plans and the work of look-ups, on a copy of the target's schema. Never measures time: steps do not depend on the machine.

use super::{copy, entries};
use crate::oracle::schema::{self, Cost, Entry};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach};
use crate::subject::layout::Layout;
use crate::verdict::{Check, Stop};
use serde_json::{Value, json};

/// Tenants with ids in no order, as random ones are. The numbers spread them over the range of 32 bits.
const FILL: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
     INSERT INTO tenants (id, platform, tier, sandbox_id, created_at, updated_at) \
     SELECT printf('%08x-0000-4000-8000-%012x', (i * 2654435761) % 4294967296, i), 'web', 'free', \
     printf('sk-%08x%08x', (i * 2246822519) % 4294967296, i), i, i FROM n";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"the plan of this query searches by index and scans no table",
        |s, a| Box::pin(searches(s, a)),
    );
    book.step(
        r"look-ups by id and by sandbox id are counted in the target's schema with (\d+) and with (\d+) tenants",
        |s, a| Box::pin(count(s, a)),
    );
    book.step(
        r"the larger one takes at most ([\d.]+) times the steps and scans nothing",
        |s, a| Box::pin(hardly_more(s, a)),
    );
}

async fn searches(s: &mut Scene, a: Args) -> Check {
    let sql = a.docstring.clone().unwrap_or_default();
    let sql = s
        .run
        .target
        .layout()
        .renamed(&sql)
        .map_err(Stop::NotVerified)?;
    let copy = copy(s).await?;
    let plan = schema::plan(&copy, &sql).map_err(|error| unplanned(&error))?;
    // Without a rowid, and by an integer that is the rowid, the table itself is the index.
    let is_by_index = |line: &String| line.contains("INDEX") || line.contains("PRIMARY KEY");
    let is_search = |line: &String| line.starts_with("SEARCH") && is_by_index(line);
    s.expect(
        plan.iter().any(is_search) && !plan.iter().any(|line| line.contains("SCAN")),
        format!("an index search and no scan for `{sql}`"),
        || plan.join("; "),
    )
}

/// A query that the schema does not have the tables or columns for.
fn unplanned(error: &rusqlite::Error) -> Stop {
    breach("the tables and columns of the contract", error.to_string()).or_unmet("SCH-001")
}

/// What look-ups by id and by sandbox id cost at most among this many tenants: found and not found.
fn costs(entries: &[Entry], layout: &Layout, tenants: i64) -> rusqlite::Result<Vec<Cost>> {
    let connection = schema::copy(entries)?;
    // A layout that lacks a column was told before.
    let own = |sql: &str| layout.renamed(sql).unwrap_or_default();
    connection.execute(&own(FILL), [tenants])?;
    let mut list = Vec::new();
    for column in ["id", "sandbox_id"] {
        let keys: Vec<String> = [1, tenants / 2, tenants]
            .iter()
            .map(|number| {
                let sql = format!("SELECT {column} FROM tenants WHERE created_at = ?1");
                connection.query_row(&own(&sql), [number], |row| row.get(0))
            })
            .collect::<rusqlite::Result<_>>()?;
        let sql = own(&format!("SELECT * FROM tenants WHERE {column} = ?1"));
        for key in keys.iter().map(String::as_str).chain(["absent"]) {
            list.push(schema::cost(&connection, &sql, key)?);
        }
    }
    Ok(list)
}

async fn count(s: &mut Scene, a: Args) -> Check {
    let (few, many): (i64, i64) = (a.number(1)?, a.number(2)?);
    let entries = entries(s).await?;
    let layout = s.run.target.layout();
    layout
        .lacks()
        .map_or(Ok(()), |why| Err(Stop::NotVerified(why)))?;
    // A hundred thousand rows take long enough to keep the other scenarios of this thread waiting.
    let counted = tokio::task::spawn_blocking(move || {
        Ok::<_, rusqlite::Error>((
            costs(&entries, &layout, few)?,
            costs(&entries, &layout, many)?,
        ))
    })
    .await
    .map_err(|error| Stop::Fault(error.to_string()))?;
    let (few, many) = counted.map_err(|error| unplanned(&error))?;
    let list: Vec<Value> = few
        .iter()
        .zip(&many)
        .map(|(few, many)| {
            json!({ "rows": [few.rows, many.rows], "steps": [few.steps, many.steps], "scanned": [few.scanned, many.scanned] })
        })
        .collect();
    s.notes.insert("look-ups".to_owned(), json!(list));
    Ok(())
}

async fn hardly_more(s: &mut Scene, a: Args) -> Check {
    let factor: f64 = a.number(1)?;
    let list = s.notes.get("look-ups").and_then(Value::as_array).cloned();
    let list = list.unwrap_or_default();
    s.expect_eq("look-ups counted:", &8, &list.len())?;
    for look_up in list {
        let steps = |at: usize| look_up["steps"][at].as_f64().unwrap_or(f64::MAX);
        s.expect(
            look_up["rows"][0] == look_up["rows"][1]
                && look_up["scanned"] == json!([0, 0])
                && steps(0) > 0.0
                && steps(1) <= factor * steps(0),
            format!("at most {factor} times the steps, and no scan"),
            || look_up.to_string(),
        )?;
    }
    Ok(())
}
