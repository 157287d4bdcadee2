//! The conditions on which triggers and deletions depend, read out of them. Never evaluates one.

use super::term::{Term, parsed, term, unquoted};
use crate::catalog::Name;
use sqlite3_parser::ast::{Expr, OneSelect, Select, Stmt, TriggerCmd};

/// What a trigger makes its work depend on: its `WHEN` and the conditions of its statements, in which `old` and `new` are left out.
pub(super) fn conditions(sql: &str) -> Vec<Term> {
    let mut found = parsed(sql, |statement| {
        let Stmt::CreateTrigger {
            when_clause,
            commands,
            ..
        } = statement
        else {
            return Vec::new();
        };
        let of_commands = commands.iter().filter_map(|command| match command {
            TriggerCmd::Select(query) | TriggerCmd::Insert { select: query, .. } => {
                condition(query).map(term)
            }
            TriggerCmd::Update { where_clause, .. } | TriggerCmd::Delete { where_clause, .. } => {
                where_clause.as_ref().map(term)
            }
        });
        when_clause.iter().map(term).chain(of_commands).collect()
    });
    let all = found.get_or_insert_default();
    all.iter_mut().for_each(Term::unqualify);
    found.unwrap_or_default()
}

/// The condition of a query.
fn condition<'q>(query: &'q Select<'_>) -> Option<&'q Expr<'q>> {
    if let OneSelect::Select { where_clause, .. } = &query.body.select {
        where_clause.as_deref()
    } else {
        None
    }
}

/// The table of a `DELETE`, and its condition.
pub(super) fn deletion(sql: &str) -> Option<(Name, Term)> {
    parsed(sql, |statement| {
        let Stmt::Delete {
            tbl_name,
            where_clause: Some(condition),
            ..
        } = statement
        else {
            return None;
        };
        Some((Name::new(&unquoted(tbl_name.name.0)), term(condition)))
    })
    .flatten()
}
