//! Turns the parser's borrowed tree into ours. Never keeps what no rule asks for.

use super::expression::expression;
use super::{Kind, Node, Tree, Verb};
use sqlite3_parser::ast::{
    As, Cmd, ColumnConstraint, CreateTableBody, Expr, FromClause, InsertBody, JoinConstraint,
    JoinOperator, JoinType, Limit, OneSelect, ResolveType, ResultColumn, Select, SelectTable, Set,
    SortedColumn, Stmt, TableConstraint, TriggerCmd, TriggerEvent, TriggerTime, Upsert, UpsertDo,
};

pub(super) fn node(kind: Kind, text: impl Into<String>, parts: Vec<Node>) -> Node {
    Node {
        kind,
        text: text.into(),
        parts,
    }
}

fn tree(verb: Verb, table: Option<&str>) -> Tree {
    Tree {
        verb,
        table: table.map(unquoted),
        replaces: false,
        ignores: false,
        columns: Vec::new(),
        sets: Vec::new(),
        parts: Vec::new(),
        body: Vec::new(),
        fires: None,
        checks: Vec::new(),
    }
}

/// A name or a string without its quotes.
pub(super) fn unquoted(text: &str) -> String {
    let first = text.chars().next().filter(|first| "\"'`[".contains(*first));
    let Some(quote) = first.filter(|_| text.len() > 1) else {
        return text.to_owned();
    };
    let inner = &text[1..text.len() - 1];
    if quote == '[' {
        inner.to_owned()
    } else {
        inner.replace(&format!("{quote}{quote}"), &quote.to_string())
    }
}

/// The statement of a command; none for statements that no rule looks into.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's statements that hold no expression of interest"
)]
pub(super) fn command(command: &Cmd<'_>) -> Option<Tree> {
    let (Cmd::Stmt(statement) | Cmd::Explain(statement) | Cmd::ExplainQueryPlan(statement)) =
        command;
    Some(match statement {
        Stmt::Select(query) => with_parts(tree(Verb::Select, None), vec![select(query)]),
        Stmt::CreateView {
            view_name,
            select: query,
            ..
        } => with_parts(
            tree(Verb::View, Some(view_name.name.0)),
            vec![select(query)],
        ),
        Stmt::CreateIndex {
            tbl_name,
            columns,
            where_clause,
            ..
        } => {
            let mut made = tree(Verb::Index, Some(tbl_name.0));
            made.parts = sorted(columns);
            made.parts
                .extend(clause(Kind::Where, where_clause.as_ref()));
            made
        }
        Stmt::CreateTable { tbl_name, body, .. } => create_table(tbl_name.name.0, body),
        Stmt::CreateTrigger {
            time,
            event,
            tbl_name,
            when_clause,
            commands,
            ..
        } => {
            let mut made = tree(Verb::Trigger, Some(tbl_name.name.0));
            made.parts.extend(clause(Kind::Where, when_clause.as_ref()));
            made.body = commands.iter().map(trigger_command).collect();
            made.fires = Some((fires_when(*time), fires_on(event)));
            if let TriggerEvent::UpdateOf(columns) = event {
                made.columns = columns.iter().map(|name| unquoted(name.0)).collect();
            }
            made
        }
        Stmt::Insert {
            or_conflict,
            tbl_name,
            columns,
            body,
            ..
        } => {
            let mut made = tree(Verb::Insert, Some(tbl_name.name.0));
            made.replaces = replaces(*or_conflict);
            made.ignores = *or_conflict == Some(ResolveType::Ignore);
            made.columns = names(columns.as_deref());
            if let InsertBody::Select(query, on_conflict) = body {
                made.parts.push(select(query));
                upsert(&mut made, *on_conflict);
            }
            made
        }
        Stmt::Update {
            or_conflict,
            tbl_name,
            sets,
            from,
            where_clause,
            ..
        } => {
            let mut made = tree(Verb::Update, Some(tbl_name.name.0));
            made.replaces = replaces(*or_conflict);
            set(&mut made, sets);
            made.parts.extend(from.as_ref().map(from_clause));
            made.parts
                .extend(clause(Kind::Where, where_clause.as_ref()));
            made
        }
        Stmt::Delete {
            tbl_name,
            where_clause,
            ..
        } => {
            let mut made = tree(Verb::Delete, Some(tbl_name.name.0));
            made.parts
                .extend(clause(Kind::Where, where_clause.as_ref()));
            made
        }
        _ => return None,
    })
}

fn with_parts(mut tree: Tree, parts: Vec<Node>) -> Tree {
    tree.parts = parts;
    tree
}

fn replaces(conflict: Option<ResolveType>) -> bool {
    conflict == Some(ResolveType::Replace)
}

fn fires_when(time: Option<TriggerTime>) -> String {
    match time {
        Some(TriggerTime::After) => "AFTER",
        Some(TriggerTime::InsteadOf) => "INSTEAD OF",
        Some(TriggerTime::Before) | None => "BEFORE",
    }
    .to_owned()
}

fn fires_on(event: &TriggerEvent<'_>) -> String {
    match event {
        TriggerEvent::Delete => "DELETE",
        TriggerEvent::Insert => "INSERT",
        TriggerEvent::Update | TriggerEvent::UpdateOf(_) => "UPDATE",
    }
    .to_owned()
}

fn create_table(name: &str, body: &CreateTableBody<'_>) -> Tree {
    let mut made = tree(Verb::Table, Some(name));
    match body {
        CreateTableBody::AsSelect(query) => made.parts.push(select(query)),
        CreateTableBody::ColumnsAndConstraints {
            columns,
            constraints,
            ..
        } => {
            for column in columns {
                for constraint in column.constraints {
                    if let ColumnConstraint::Check(condition) = &constraint.constraint {
                        made.parts.push(expression(condition));
                        made.checks
                            .push((Some(unquoted(column.col_name.0)), condition.to_string()));
                    }
                }
            }
            for constraint in constraints.iter().copied().flatten() {
                if let TableConstraint::Check(condition, _) = &constraint.constraint {
                    made.parts.push(expression(condition));
                    made.checks.push((None, condition.to_string()));
                }
            }
        }
    }
    made
}

fn trigger_command(command: &TriggerCmd<'_>) -> Tree {
    match command {
        TriggerCmd::Update {
            or_conflict,
            tbl_name,
            sets,
            from,
            where_clause,
        } => {
            let mut made = tree(Verb::Update, Some(tbl_name.name.0));
            made.replaces = replaces(*or_conflict);
            set(&mut made, sets);
            made.parts.extend(from.as_ref().map(from_clause));
            made.parts
                .extend(clause(Kind::Where, where_clause.as_ref()));
            made
        }
        TriggerCmd::Insert {
            or_conflict,
            tbl_name,
            col_names,
            select: query,
            upsert: on_conflict,
        } => {
            let mut made = tree(Verb::Insert, Some(tbl_name.name.0));
            made.replaces = replaces(*or_conflict);
            made.ignores = *or_conflict == Some(ResolveType::Ignore);
            made.columns = names(col_names.as_deref());
            made.parts.push(select(query));
            upsert(&mut made, *on_conflict);
            made
        }
        TriggerCmd::Delete {
            tbl_name,
            where_clause,
        } => {
            let mut made = tree(Verb::Delete, Some(tbl_name.name.0));
            made.parts
                .extend(clause(Kind::Where, where_clause.as_ref()));
            made
        }
        TriggerCmd::Select(query) => with_parts(tree(Verb::Select, None), vec![select(query)]),
    }
}

fn names(
    columns: Option<&bumpalo::collections::Vec<'_, sqlite3_parser::ast::Name<'_>>>,
) -> Vec<String> {
    columns
        .into_iter()
        .flatten()
        .map(|name| unquoted(name.0))
        .collect()
}

fn set(made: &mut Tree, sets: &[Set<'_>]) {
    for set in sets {
        let value = expression(&set.expr);
        for name in set.col_names.iter() {
            made.sets.push((unquoted(name.0), value.clone()));
        }
    }
}

fn upsert(made: &mut Tree, upsert: Option<&Upsert<'_>>) {
    let mut next = upsert;
    while let Some(upsert) = next {
        if let UpsertDo::Set { sets, where_clause } = &upsert.do_clause {
            set(made, sets);
            made.parts
                .extend(clause(Kind::Where, where_clause.as_ref()));
        }
        next = upsert.next;
    }
}

fn clause(kind: Kind, condition: Option<&Expr<'_>>) -> Option<Node> {
    condition.map(|condition| node(kind, "", vec![expression(condition)]))
}

fn sorted(columns: &[SortedColumn<'_>]) -> Vec<Node> {
    columns
        .iter()
        .map(|column| expression(&column.expr))
        .collect()
}

pub(super) fn select(query: &Select<'_>) -> Node {
    let mut parts = Vec::new();
    if let Some(with) = &query.with {
        let queries = with.ctes.iter().map(|cte| {
            let name = node(Kind::Table, unquoted(cte.tbl_name.0), Vec::new());
            let mut query = select(cte.select);
            query.parts.push(name);
            query
        });
        parts.push(node(Kind::With, "", queries.collect()));
    }
    one_select(&query.body.select, &mut parts);
    for compound in query.body.compounds.iter().flatten() {
        let mut other = Vec::new();
        one_select(&compound.select, &mut other);
        parts.push(node(Kind::Select, "", other));
    }
    parts.extend(
        query
            .order_by
            .map(|terms| node(Kind::Order, "", sorted(terms))),
    );
    if let Some(Limit { expr, offset }) = query.limit {
        parts.extend(clause(Kind::Limit, Some(expr)));
        parts.extend(clause(Kind::Offset, offset.as_ref()));
    }
    node(Kind::Select, "", parts)
}

fn one_select(query: &OneSelect<'_>, parts: &mut Vec<Node>) {
    match query {
        OneSelect::Select {
            columns,
            from,
            where_clause,
            group_by,
            having,
            ..
        } => {
            let columns = columns.iter().map(result_column).collect();
            parts.push(node(Kind::Columns, "", columns));
            parts.extend(from.as_ref().map(from_clause));
            parts.extend(clause(Kind::Where, *where_clause));
            let group = group_by
                .iter()
                .copied()
                .flatten()
                .chain(having.iter().copied());
            let group: Vec<Node> = group.map(expression).collect();
            if !group.is_empty() {
                parts.push(node(Kind::Group, "", group));
            }
        }
        OneSelect::Values(rows) => {
            for row in rows {
                let values = row.iter().map(expression).collect();
                parts.push(node(Kind::Columns, "", values));
            }
        }
    }
}

fn result_column(column: &ResultColumn<'_>) -> Node {
    match column {
        ResultColumn::Expr(value, _) => expression(value),
        ResultColumn::Star => node(Kind::Star, "", Vec::new()),
        ResultColumn::TableStar(table) => node(Kind::Star, unquoted(table.0), Vec::new()),
    }
}

fn from_clause(from: &FromClause<'_>) -> Node {
    let mut parts: Vec<Node> = from.select.iter().map(|table| from_table(table)).collect();
    for join in from.joins.iter().flatten() {
        parts.push(from_table(&join.table));
        if let Some(JoinConstraint::On(condition)) = &join.constraint {
            let kept = if is_outer(join.operator) { "OUTER" } else { "" };
            parts.push(node(Kind::On, kept, vec![expression(condition)]));
        }
    }
    node(Kind::From, "", parts)
}

fn is_outer(join: JoinOperator) -> bool {
    match join {
        JoinOperator::TypedJoin(Some(kind)) => kind.contains(JoinType::OUTER),
        JoinOperator::TypedJoin(None) | JoinOperator::Comma => false,
    }
}

/// A table in FROM; its alias is its only part.
fn from_table(table: &SelectTable<'_>) -> Node {
    let alias = |alias: &Option<As<'_>>| {
        let alias = alias.as_ref().map(|alias| match alias {
            As::As(name) | As::Elided(name) => unquoted(name.0),
        });
        alias
            .into_iter()
            .map(|name| node(Kind::Table, name, Vec::new()))
            .collect::<Vec<Node>>()
    };
    match table {
        SelectTable::Table(name, alias_of, _) => {
            node(Kind::Table, unquoted(name.name.0), alias(alias_of))
        }
        SelectTable::TableCall(name, arguments, _) => {
            let arguments = arguments
                .iter()
                .copied()
                .flatten()
                .map(expression)
                .collect();
            node(Kind::Call, name.name.0.to_ascii_lowercase(), arguments)
        }
        SelectTable::Select(query, _) => select(query),
        SelectTable::Sub(from, _) => from_clause(from),
    }
}
