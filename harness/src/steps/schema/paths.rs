//! Query plans and the work of look-ups, on a copy of the target's schema. Never measures time: steps do not depend on the machine.

use super::{copy, entries, own_table};
use crate::client::Request;
use crate::clock;
use crate::oracle::schema::{self, Cost, Entry};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach};
use crate::steps::operating::{at, authorised, presuppose};
use crate::subject::layout::Layout;
use crate::verdict::{Check, Stop};
use serde_json::{Value, json};

/// Note: the statements of the target's own look-ups.
const STATEMENTS: &str = "statements of look-ups";

/// Pages of usage that are read after the first.
const PAGES: usize = 2;

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
        r#"the operator reads the usage of tenant "([^"]+)" in a time range, and tenant "([^"]+)" asks for its status"#,
        |s, a| Box::pin(looks_up(s, a)),
    );
    book.step(
        r#"the operator turns the pages of the usage of tenant "([^"]+)" in a time range"#,
        |s, a| Box::pin(turns_pages(s, a)),
    );
    book.asserting(
        &["SCH-006"],
        r"each statement by which that was looked up searches by index and scans no table",
        |s, _a| Box::pin(own_statements_search(s)),
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

/// Does both look-ups while the target's statements about the tenant are kept.
async fn looks_up(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let faults = s.faults().await?;
    for value in [&tenant.id, &tenant.sandbox_id] {
        faults.listen(value);
    }
    let status = s.status_request(&tenant.host);
    let answer = s.send(status).await?;
    presuppose(&answer, answer.status < 300, "has no status")?;
    let usage = at(&s.dialect().usage, &tenant.id);
    if !usage.is_empty() {
        let until = clock::epoch_ms();
        let range = Request::new("GET", format!("{usage}?from=0&to={until}"));
        let range = authorised(s, range).await?;
        let answer = s.send(range).await?;
        presuppose(&answer, answer.status < 300, "usage cannot be read")?;
    }
    let mut heard = faults.heard(&tenant.id);
    heard.extend(faults.heard(&tenant.sandbox_id));
    s.notes.insert(STATEMENTS.to_owned(), json!(heard));
    Ok(())
}

/// Reads the usage row by row, each on a page of its own, while the target's statements about the tenant are kept.
async fn turns_pages(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let (usage, pointer) = (at(&s.dialect().usage, &tenant.id), s.dialect().next_cursor);
    let faults = s.faults().await?;
    faults.listen(&tenant.id);
    let first = format!("{usage}?from=0&to={}&limit=1", clock::epoch_ms());
    let mut path = first.clone();
    let mut turned = 0;
    while turned < PAGES {
        let page = authorised(s, Request::new("GET", path)).await?;
        let page = s.send(page).await?;
        presuppose(&page, page.status < 300, "usage cannot be read")?;
        let Some(cursor) = page.text_at(&pointer).filter(|cursor| !cursor.is_empty()) else {
            break;
        };
        turned += 1;
        let cursor: String = url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect();
        path = format!("{first}&cursor={cursor}");
    }
    if turned == 0 {
        return Err(Stop::NotApplicable(
            "the usage listing has no cursor after a page of one row".to_owned(),
        ));
    }
    let heard = faults.heard(&tenant.id);
    s.notes.insert(STATEMENTS.to_owned(), json!(heard));
    Ok(())
}

async fn own_statements_search(s: &mut Scene) -> Check {
    let heard = s.notes.get(STATEMENTS).and_then(Value::as_array).cloned();
    let tables = ["tenants", "usage"].map(|table| own_table(s, table));
    let reads = |sql: &String| {
        let sql = sql.trim_start().to_ascii_lowercase();
        let names = tables
            .iter()
            .any(|table| sql.contains(&table.to_ascii_lowercase()));
        names && (sql.starts_with("select") || sql.starts_with("with"))
    };
    let heard = heard.unwrap_or_default();
    let statements: Vec<String> = heard
        .iter()
        .filter_map(|sql| sql.as_str().map(str::to_owned))
        .filter(reads)
        .collect();
    if statements.is_empty() {
        return Err(Stop::NotApplicable(
            "the target's stores tell no statement of these look-ups".to_owned(),
        ));
    }
    let copy = copy(s).await?;
    // A statement that the copy cannot prepare needs what a schema does not have, such as a function of the database.
    let plans = statements.iter().filter_map(|sql| {
        let plan = schema::plan(&copy, sql).ok()?;
        Some((sql, plan))
    });
    let plans: Vec<_> = plans.collect();
    if plans.is_empty() {
        return Err(Stop::NotVerified(
            "no statement of these look-ups can be planned on a copy of the schema".to_owned(),
        ));
    }
    for (sql, plan) in plans {
        let scanned = plan.iter().find(|line| scans(line, sql, &tables));
        s.expect(scanned.is_none(), format!("no scan by `{sql}`"), || {
            plan.join("; ")
        })?;
    }
    Ok(())
}

/// Whether a line of a plan scans one of the tables, under its own name or another in this statement.
fn scans(line: &str, sql: &str, tables: &[String]) -> bool {
    let Some(name) = line
        .strip_prefix("SCAN ")
        .and_then(|rest| rest.split(' ').next())
    else {
        return false;
    };
    let words: Vec<String> = sql
        .split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
        .filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("as"))
        .map(str::to_ascii_lowercase)
        .collect();
    let name = name.to_ascii_lowercase();
    tables.iter().any(|table| {
        let table = table.to_ascii_lowercase();
        let is_alias = |pair: &[String]| pair == [table.clone(), name.clone()];
        name == table || words.windows(2).any(is_alias)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_is_one_of_the_tables_under_any_name() {
        let tables = ["tenants".to_owned(), "usage".to_owned()];
        let sql = "SELECT * FROM usage AS u, json_each(?1) WHERE u.id = 1";
        assert!(scans("SCAN u", sql, &tables));
        assert!(scans("SCAN usage USING COVERING INDEX x", sql, &tables));
        assert!(!scans(
            "SCAN json_each VIRTUAL TABLE INDEX 1:",
            sql,
            &tables
        ));
        assert!(!scans("SCAN CONSTANT ROW", sql, &tables));
        assert!(!scans("SEARCH u USING INDEX x", sql, &tables));
    }
}
