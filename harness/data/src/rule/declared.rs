//! The statements that a database claims to run, from all places of the `[data]` section. Never runs one.

use crate::subject::Subject;

/// A statement that is known to run.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    /// What a finding about it is known again by: `query NAME`, `write NAME`, `search of TABLE`, `view NAME`.
    pub(super) object: String,
    /// The statement.
    pub(super) sql: String,
}

/// Every declared statement, in the order of the section.
pub(super) fn all(subject: &Subject) -> Vec<Declared> {
    let claims = &subject.claims;
    let mut all = Vec::new();
    let mut add = |object: String, sql: &str| {
        // `/*items*/` stands for the list of one item, once or more.
        let sql = sql.trim().trim_end_matches(';').to_owned();
        all.push(Declared { object, sql });
    };
    for query in &claims.query {
        add(format!("query {}", query.name), &query.sql);
    }
    for search in &claims.search {
        add(format!("search of {}", search.table), &search.sql);
    }
    for json in &claims.json {
        let column = format!("{}.{}", json.table, json.column);
        if let Some(sql) = &json.find {
            add(format!("find in {column}"), sql);
        }
        if let Some(sql) = &json.add {
            add(format!("add to {column}"), sql);
        }
    }
    for session in &claims.session {
        let others = [&session.touch, &session.purge];
        for sql in std::iter::once(&session.valid).chain(others.into_iter().flatten()) {
            add(format!("session {}", session.table), sql);
        }
    }
    for write in &claims.write {
        for sql in &write.sql {
            add(format!("write {}", write.name), sql);
        }
    }
    all
}

/// The views and triggers of the schema, which the database itself runs.
pub(super) fn of_schema(subject: &Subject) -> impl Iterator<Item = Declared> {
    let schema = subject.schema();
    let views = schema.views.values().map(|view| Declared {
        object: format!("view {}", view.name),
        sql: view.sql.to_string(),
    });
    let triggers = schema.triggers.values().map(|trigger| Declared {
        object: format!("trigger {}", trigger.name),
        sql: trigger.sql.to_string(),
    });
    views.chain(triggers)
}

/// SQLite's plan of a statement, line by line; none if it cannot be prepared.
pub(super) fn plan(subject: &Subject, sql: &str) -> Option<Vec<String>> {
    subject.replay.empty.ours(|connection| {
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .ok()?;
        let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
        let lines = statement.query_map(rusqlite::params_from_iter(nulls), |row| row.get(3));
        lines.ok()?.collect::<rusqlite::Result<_>>().ok()
    })
}
