//! Tables, columns, indexes and references, and what the backend writes into them. Never trusts names alone: SQLite describes them.

use super::{described, of_shape_where_declared, own_columns, own_table};
use crate::clock;
use crate::oracle::schema::{ForeignKey, Index, Schema, Table};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe, misshapen};
use crate::said::said;
use crate::steps::operating::{
    QUIET, authorised, delete, expect_status_first, presuppose, settle, tenant_row, usage_ids,
    usage_rows,
};
use crate::subject::manifest::Timestamps;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait::{self, Look};
use serde_json::{Value, json};

/// How far a stored time may be from the harness's clock. Evidence: seconds taken for milliseconds are decades away; clocks and their zones are a day apart at most.
const CLOCK_MS_MAX: i64 = 2 * 86_400_000;

/// Note: the ids of the usage rows of a tenant before its deletion.
const ROWS_BEFORE: &str = "usage rows before the deletion";

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"the database has exactly the tables "([^"]+)", no trigger and no view"#,
        |s, a| Box::pin(has_tables(s, a)),
    );
    book.step(r#"table "([^"]+)" has exactly these columns"#, |s, a| {
        Box::pin(has_columns(s, a))
    });
    book.step(
        r#"table "([^"]+)" has a unique index on exactly "([^"]+)""#,
        |s, a| Box::pin(has_unique_index(s, a)),
    );
    book.step(
        r#"table "([^"]+)" has an index that begins with "([^"]+)""#,
        |s, a| Box::pin(has_index(s, a)),
    );
    book.step(
        r#"column "([^"]+)" of table "([^"]+)" references "([^".]+)\.([^"]+)" on delete cascade"#,
        |s, a| Box::pin(references(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" chats so that a usage row is written"#,
        |s, a| Box::pin(chat_for_a_row(s, a)),
    );
    book.step(
        r#"the operator reads all that is known of tenant "([^"]+)""#,
        |s, a| Box::pin(read_all(s, a)),
    );
    book.step(
        r#"the rows of tenant "([^"]+)" hold texts and integers as the schema has them"#,
        |s, a| Box::pin(types_are_right(s, a)),
    );
    book.step(
        r"their times are epoch milliseconds of about now",
        |s, _a| Box::pin(times_are_right(s)),
    );
    book.step(
        r#"the operator removes tenant "([^"]+)" from the database"#,
        |s, a| Box::pin(remove(s, a)),
    );
    book.step(r#"no usage row of tenant "([^"]+)" is left"#, |s, a| {
        Box::pin(no_row_left(s, a))
    });
    book.step(
        r#"no usage row that was tenant "([^"]+)"'s is left, whoever it may be ascribed to"#,
        |s, a| Box::pin(no_row_left_at_all(s, a)),
    );
    book.step(r#"tenant "([^"]+)" still has (\d+) usage rows"#, |s, a| {
        Box::pin(still_has(s, a))
    });
    book.step(
        r"every usage row in the database has its tenant",
        |s, _a| Box::pin(no_orphans(s)),
    );
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_owned()).collect()
}

fn table<'a>(schema: &'a Schema, name: &str) -> Result<&'a Table, Stop> {
    schema.tables.get(name).ok_or_else(|| {
        breach(
            format!("a table `{name}`"),
            format!("tables {}", said(&schema.tables.keys().collect::<Vec<_>>())),
        )
    })
}

async fn has_tables(s: &mut Scene, a: Args) -> Check {
    let schema = described(s).await?;
    let seen: Vec<String> = schema.tables.keys().cloned().collect();
    let check = s.expect_eq("tables", &list(a.text(1)), &seen);
    of_shape_where_declared(s, check)?;
    s.expect(
        schema.triggers.is_empty() && schema.views.is_empty(),
        "no trigger and no view",
        || {
            format!(
                "triggers {}, views {}",
                said(&schema.triggers),
                said(&schema.views)
            )
        },
    )
}

async fn has_columns(s: &mut Scene, a: Args) -> Check {
    let schema = described(s).await?;
    let seen: Vec<Vec<String>> = table(&schema, &own_table(s, a.text(1)))?
        .columns
        .iter()
        .map(|column| {
            // A TEXT key that is not declared NOT NULL takes NULL, so it is told apart.
            let rule = match (column.key, column.not_null) {
                (true, true) => "primary key",
                (true, false) => "primary key that takes NULL",
                (false, true) => "not null",
                (false, false) => "takes NULL",
            };
            vec![
                column.name.clone(),
                column.affinity.to_owned(),
                rule.to_owned(),
            ]
        })
        .collect();
    let check = s.expect_eq(&format!("columns of `{}`:", a.text(1)), &a.table, &seen);
    let declared = s.run.target.limits().timestamps == Timestamps::Text;
    match check {
        // Times are there, as the target declares them: the promise is kept in another form.
        Err(Stop::Violation(_)) if !s.run.target.layout().is_the_contracts() => {
            of_shape_where_declared(s, check)
        }
        Err(Stop::Violation(finding)) if declared && differ_in_times_only(&a.table, &seen) => {
            Err(misshapen(finding.expected, finding.seen))
        }
        check => check,
    }
}

/// Whether the columns are alike but for times that are texts.
fn differ_in_times_only(wanted: &[Vec<String>], seen: &[Vec<String>]) -> bool {
    let alike = |(wanted, seen): (&Vec<String>, &Vec<String>)| {
        let is_time = wanted.first().is_some_and(|name| name.ends_with("_at"));
        wanted == seen
            || (is_time && wanted[0] == seen[0] && wanted[2] == seen[2] && seen[1] == "TEXT")
    };
    wanted.len() == seen.len() && wanted.iter().zip(seen).all(alike)
}

async fn has_unique_index(s: &mut Scene, a: Args) -> Check {
    let schema = described(s).await?;
    let wanted = Index {
        columns: own_columns(s, a.text(1), &list(a.text(2)))?,
        unique: true,
        partial: false,
    };
    let seen = &table(&schema, &own_table(s, a.text(1)))?.indexes;
    s.expect(
        seen.contains(&wanted),
        format!("on `{}` {wanted}", a.text(1), wanted = said(&wanted)),
        || said(&seen),
    )
}

async fn has_index(s: &mut Scene, a: Args) -> Check {
    let schema = described(s).await?;
    let wanted = own_columns(s, a.text(1), &list(a.text(2)))?;
    let seen = &table(&schema, &own_table(s, a.text(1)))?.indexes;
    s.expect(
        seen.iter()
            .any(|index| !index.partial && index.columns.starts_with(&wanted)),
        format!(
            "on `{}` an index of every row by {wanted}",
            a.text(1),
            wanted = said(&wanted)
        ),
        || said(&seen),
    )
}

async fn references(s: &mut Scene, a: Args) -> Check {
    let schema = described(s).await?;
    let seen = table(&schema, &own_table(s, a.text(2)))?
        .foreign_keys
        .clone();
    let column = own_columns(s, a.text(2), &[a.text(1).to_owned()])?;
    let tenants = own_table(s, a.text(3));
    let refers_to = &s.run.target.layout().usage.refers_to;
    let key = match refers_to.as_str() {
        "" => own_columns(s, a.text(3), &[a.text(4).to_owned()])?.concat(),
        other => other.to_owned(),
    };
    let is_it = |own: &ForeignKey| {
        // Without a column the reference means the primary key, which is the same.
        own.column == column[0]
            && own.table == tenants
            && (own.to == key || own.to.is_empty())
            && own.on_delete == "CASCADE"
    };
    s.expect(
        seen.len() == 1 && is_it(&seen[0]),
        format!(
            "`{}` references {}({}) on delete cascade",
            a.text(1),
            a.text(3),
            a.text(4)
        ),
        || said(&seen),
    )
}

async fn chat_for_a_row(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let marker = format!("{}xrow", s.token);
    let body = json!({ "messages": [{ "role": "user", "content": Scene::prompt(&marker) }] });
    let before = usage_rows(s, &tenant.id).await?.len();
    let request = s.chat_request_with(&tenant.host, &body);
    let answer = s.send(request).await?;
    expect_status_first(s, &answer, 200)?;
    let (d1, deadline) = (s.d1().await?, s.run.target.limits().usage_visible);
    let sql = "SELECT id FROM usage WHERE tenant_id = ?1";
    s.expect_soon("the usage row of the chat", deadline, || async {
        let rows = d1.query(sql, &[json!(tenant.id)]).await?.len();
        Ok(if rows > before {
            Look::Done(())
        } else {
            Look::NotYet(format!("{rows} rows"))
        })
    })
    .await
    .or_unmet("USG-001")
}

/// What a route leaves behind shows only where it did what it is for. Routes that a manifest lists for strangers alone may be for anything.
async fn read_all(s: &mut Scene, a: Args) -> Check {
    let (id, fresh) = (s.tenant(a.text(1))?.id, s.slug("unmade"));
    let routes = s.dialect().admin_routes(&id, &fresh);
    for route in routes.into_iter().filter(|route| route.method == "GET") {
        let request = authorised(s, route.request()).await?;
        let answer = s.send(request).await?;
        presuppose(
            &answer,
            route.is_listed || answer.status < 300,
            "the operator cannot read what is known of a tenant",
        )?;
    }
    Ok(())
}

async fn types_are_right(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    s.notes.insert("rows of".to_owned(), json!(id));
    for (sql, wanted) in [
        (
            "SELECT typeof(id) || ' ' || typeof(platform) || ' ' || typeof(tier) || ' ' || typeof(sandbox_id) || ' ' || typeof(created_at) || ' ' || typeof(updated_at) AS types FROM tenants WHERE id = ?1",
            "text text text text integer integer",
        ),
        (
            "SELECT typeof(id) || ' ' || typeof(tenant_id) || ' ' || typeof(model) || ' ' || typeof(tokens_in) || ' ' || typeof(tokens_out) || ' ' || typeof(latency_ms) || ' ' || typeof(created_at) AS types FROM usage WHERE tenant_id = ?1",
            "text text text integer integer integer integer",
        ),
    ] {
        let rows = s.d1().await?.query(sql, &[json!(id)]).await?;
        s.expect(
            !rows.is_empty() && rows.iter().all(|row| row["types"] == json!(wanted)),
            format!("rows of types {wanted}"),
            || said(&rows),
        )?;
    }
    Ok(())
}

async fn times_are_right(s: &mut Scene) -> Check {
    let id = s.notes.get("rows of").cloned().unwrap_or_default();
    let sql = "SELECT t.created_at AS made, t.updated_at AS changed, u.created_at AS used FROM tenants t JOIN usage u ON u.tenant_id = t.id WHERE t.id = ?1";
    let rows = s.d1().await?.query(sql, &[id]).await?;
    let now = clock::epoch_ms();
    let is_now = |name: &str| {
        rows.first()
            .and_then(|row| row[name].as_i64())
            .is_some_and(|time| (time - now).abs() < CLOCK_MS_MAX)
    };
    s.expect(
        is_now("made") && is_now("changed") && is_now("used"),
        format!("times in epoch milliseconds, about {now}"),
        || said(&rows),
    )
}

async fn remove(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    let rows = usage_ids(s, &id).await?;
    s.notes.insert(ROWS_BEFORE.to_owned(), json!(rows));
    let answer = delete(s, &id).await?;
    s.expect(answer.status < 300, "the tenant deleted", || {
        describe(&answer)
    })?;
    settle(s).await?;
    Ok(())
}

async fn no_row_left(s: &mut Scene, a: Args) -> Check {
    let id = s.tenant(a.text(1))?.id;
    wait::quiet(QUIET).await;
    let rows = usage_rows(s, &id).await?;
    let check = s.expect(
        rows.is_empty(),
        "no usage row of the deleted tenant",
        || said(&rows),
    );
    // Nothing can go along with a tenant that is still there.
    if check.is_err() && tenant_row(s, &id).await?.is_some() {
        return check.or_unmet("RES-015");
    }
    check
}

/// By the rows' own ids, which were theirs before the deletion.
async fn no_row_left_at_all(s: &mut Scene, a: Args) -> Check {
    no_row_left(s, a).await?;
    let ids = s.notes.get(ROWS_BEFORE).and_then(Value::as_array).cloned();
    let d1 = s.d1().await?;
    for id in ids.unwrap_or_default() {
        let sql = "SELECT id, tenant_id FROM usage WHERE id = ?1";
        let rows = d1.query(sql, &[id]).await?;
        s.expect(
            rows.is_empty(),
            "no usage row of the deleted tenant, under no other tenant either",
            || said(&rows),
        )?;
    }
    Ok(())
}

async fn still_has(s: &mut Scene, a: Args) -> Check {
    let (tenant, count): (_, usize) = (s.tenant(a.text(1))?, a.number(2)?);
    let rows = usage_rows(s, &tenant.id).await?;
    s.expect(
        rows.len() >= count,
        format!("the {count} usage rows of tenant `{}`", tenant.slug),
        || said(&rows),
    )
}

async fn no_orphans(s: &mut Scene) -> Check {
    let sql =
        "SELECT id, tenant_id FROM usage WHERE tenant_id NOT IN (SELECT id FROM tenants) LIMIT 5";
    let rows = s.d1().await?.query(sql, &[]).await?;
    s.expect(rows.is_empty(), "no usage row without tenant", || {
        said(&rows)
    })
}
