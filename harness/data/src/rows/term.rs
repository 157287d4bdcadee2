//! Conditions as small trees of our own: columns, literals and what is done with them. Never evaluates one.

use crate::catalog::Name;
use bumpalo::Bump;
use rusqlite::types::Value;
use sqlite3_parser::FallibleIterator;
use sqlite3_parser::ast::{
    Cmd, ColumnConstraint, CreateTableBody, Expr, LikeOperator, Literal, OneSelect, ResultColumn,
    Select, SelectTable, Stmt, TableConstraint, TriggerCmd, TriggerEvent, UnaryOperator,
};
use sqlite3_parser::lexer::sql::Parser;

/// A condition or a part of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    /// A column; the qualifier, where one is written.
    Column(Option<Name>, Name),
    /// A literal.
    Literal(Value),
    /// Anything else: what is done (lower case, functions as `length()`), and with what.
    Of(String, Vec<Term>),
}

/// A `CHECK` of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Check {
    /// The constraint's name, if it has one.
    pub(super) name: Option<Name>,
    /// What it demands.
    pub(super) term: Term,
}

/// A trigger that watches insertions.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Guard {
    /// Its `WHEN` and the conditions of its statements.
    pub(super) terms: Vec<Term>,
    /// The tables that it inserts into.
    pub(super) writes: Vec<Name>,
}

impl Term {
    /// Calls a function with this term and all within it.
    pub(super) fn visit<'t>(&'t self, visitor: &mut impl FnMut(&'t Self)) {
        visitor(self);
        if let Self::Of(_, parts) = self {
            for part in parts {
                part.visit(visitor);
            }
        }
    }

    /// Leaves `old` and `new` out: whichever of both a condition speaks of, it speaks of the row.
    pub(super) fn unqualify(&mut self) {
        match self {
            Self::Column(qualifier, _) => {
                let is_row = |name: &Name| *name == "old" || *name == "new";
                *qualifier = qualifier.take().filter(|name| !is_row(name));
            }
            Self::Of(_, parts) => parts.iter_mut().for_each(Self::unqualify),
            Self::Literal(_) => {}
        }
    }
}

/// The `CHECK` constraints of a `CREATE TABLE`, in the order in which SQLite tests them.
pub(super) fn checks(sql: &str) -> Vec<Check> {
    parsed(sql, |statement| {
        let Stmt::CreateTable {
            body:
                CreateTableBody::ColumnsAndConstraints {
                    columns,
                    constraints,
                    ..
                },
            ..
        } = statement
        else {
            return Vec::new();
        };
        let of_columns = columns
            .iter()
            .flat_map(|column| column.constraints)
            .filter_map(|constraint| {
                if let ColumnConstraint::Check(expression) = &constraint.constraint {
                    Some((constraint.name.as_ref(), expression))
                } else {
                    None
                }
            });
        let of_table = constraints
            .unwrap_or_default()
            .iter()
            .filter_map(|constraint| {
                if let TableConstraint::Check(expression, _) = &constraint.constraint {
                    Some((constraint.name.as_ref(), expression))
                } else {
                    None
                }
            });
        of_columns
            .chain(of_table)
            .map(|(name, expression)| Check {
                name: name.map(|name| Name::new(&unquoted(name.0))),
                term: term(expression),
            })
            .collect()
    })
    .unwrap_or_default()
}

/// What a trigger demands of a new row; nothing for one that does not watch insertions.
pub(super) fn guard(sql: &str) -> Guard {
    parsed(sql, |statement| {
        let Stmt::CreateTrigger {
            event: TriggerEvent::Insert,
            when_clause,
            commands,
            ..
        } = statement
        else {
            return Guard::default();
        };
        let mut guard = Guard::default();
        guard.terms.extend(when_clause.as_ref().map(term));
        for command in *commands {
            match command {
                TriggerCmd::Select(query) => guard.terms.push(select(query)),
                TriggerCmd::Insert {
                    tbl_name,
                    select: query,
                    ..
                } => {
                    guard.writes.push(Name::new(&unquoted(tbl_name.name.0)));
                    guard.terms.push(select(query));
                }
                TriggerCmd::Update { .. } | TriggerCmd::Delete { .. } => {}
            }
        }
        guard
    })
    .unwrap_or_default()
}

/// An expression as it stands in an error message or in an index.
pub(super) fn expression(text: &str) -> Option<Term> {
    query(&format!("SELECT {text}"))
}

/// A query that is read.
pub(super) fn query(sql: &str) -> Option<Term> {
    parsed(sql, |statement| {
        if let Stmt::Select(query) = statement {
            Some(select(query))
        } else {
            None
        }
    })
    .flatten()
}

/// The key and the condition of a `CREATE INDEX`.
pub(super) fn index(sql: &str) -> Option<Term> {
    parsed(sql, |statement| {
        let Stmt::CreateIndex {
            columns,
            where_clause,
            ..
        } = statement
        else {
            return None;
        };
        let key = columns.iter().map(|column| term(&column.expr));
        let all = key.chain(where_clause.as_ref().map(term)).collect();
        Some(Term::Of("index".to_owned(), all))
    })
    .flatten()
}

pub(super) fn parsed<T>(sql: &str, read: impl FnOnce(&Stmt<'_>) -> T) -> Option<T> {
    let bump = Bump::new();
    let mut parser = Parser::new(&bump, sql.as_bytes());
    match parser.next() {
        Ok(Some(Cmd::Stmt(statement))) => Some(read(&statement)),
        Ok(_) | Err(_) => None,
    }
}

fn of(what: &str, parts: Vec<Term>) -> Term {
    Term::Of(what.to_owned(), parts)
}

pub(super) fn term(expression: &Expr<'_>) -> Term {
    match expression {
        Expr::Between {
            lhs, start, end, ..
        } => of("between", vec![term(lhs), term(start), term(end)]),
        Expr::Binary(left, operator, right) => of(
            &format!("{operator:?}").to_ascii_lowercase(),
            vec![term(left), term(right)],
        ),
        Expr::Case {
            base,
            when_then_pairs,
            else_expr,
        } => {
            let mut parts: Vec<Term> = base.iter().map(|base| term(base)).collect();
            parts.extend(
                when_then_pairs
                    .iter()
                    .flat_map(|(when, then)| [term(when), term(then)]),
            );
            parts.extend(else_expr.iter().map(|other| term(other)));
            of("case", parts)
        }
        Expr::Cast { expr, .. } => of("cast()", vec![term(expr)]),
        Expr::Collate(inner, _) => term(inner),
        Expr::DoublyQualified(_, table, column) | Expr::Qualified(table, column) => Term::Column(
            Some(Name::new(&unquoted(table.0))),
            Name::new(&unquoted(column.0)),
        ),
        Expr::Exists(query) => of("exists", vec![select(query)]),
        Expr::FunctionCall { name, args, .. } => of(
            &format!("{}()", unquoted(name.0).to_ascii_lowercase()),
            args.unwrap_or_default().iter().map(term).collect(),
        ),
        Expr::Id(name) => named(name.0),
        Expr::Name(name) => named(name.0),
        Expr::InList { lhs, rhs, .. } => {
            let list = rhs.unwrap_or_default().iter().map(term);
            of("in", std::iter::once(term(lhs)).chain(list).collect())
        }
        Expr::InSelect { lhs, rhs, .. } => of("in select", vec![term(lhs), select(rhs)]),
        Expr::InTable { lhs, .. } => of("in table", vec![term(lhs)]),
        Expr::IsNull(inner) => of("isnull", vec![term(inner)]),
        Expr::NotNull(inner) => of("notnull", vec![term(inner)]),
        Expr::Like {
            lhs, not, op, rhs, ..
        } => {
            let word = match op {
                LikeOperator::Glob => "glob",
                LikeOperator::Like => "like",
                LikeOperator::Match | LikeOperator::Regexp => "match",
            };
            let pair = of(word, vec![term(lhs), term(rhs)]);
            if *not { of("not", vec![pair]) } else { pair }
        }
        Expr::Literal(value) => Term::Literal(literal(value)),
        Expr::Parenthesized(parts) => match parts.as_slice() {
            [only] => term(only),
            several => of("row", several.iter().map(term).collect()),
        },
        Expr::Subquery(query) => select(query),
        Expr::Unary(operator, inner) => unary(*operator, term(inner)),
        Expr::FunctionCallStar { .. } | Expr::Raise(..) | Expr::Variable(_) => {
            of("other", Vec::new())
        }
    }
}

fn unary(operator: UnaryOperator, inner: Term) -> Term {
    match (operator, inner) {
        (UnaryOperator::Negative, Term::Literal(Value::Integer(number))) => {
            Term::Literal(Value::Integer(-number))
        }
        (UnaryOperator::Negative, Term::Literal(Value::Real(number))) => {
            Term::Literal(Value::Real(-number))
        }
        (UnaryOperator::Not, inner) => of("not", vec![inner]),
        (_, inner) => of("unary", vec![inner]),
    }
}

/// What a name means where it may be a column, a truth value, or a string in double quotes.
fn named(name: &str) -> Term {
    match name.to_ascii_lowercase().as_str() {
        "true" => Term::Literal(Value::Integer(1)),
        "false" => Term::Literal(Value::Integer(0)),
        _ => Term::Column(None, Name::new(&unquoted(name))),
    }
}

/// A query: its tables are told by `from`, its conditions and columns are parts.
pub(super) fn select(query: &Select<'_>) -> Term {
    let mut parts = Vec::new();
    if let OneSelect::Select {
        columns,
        from,
        where_clause,
        ..
    } = &query.body.select
    {
        for column in *columns {
            if let ResultColumn::Expr(inner, _) = column {
                parts.push(term(inner));
            }
        }
        parts.extend(where_clause.iter().map(|condition| term(condition)));
        if let Some(SelectTable::Table(table, ..)) = from.as_ref().and_then(|from| from.select) {
            return of(&format!("select {}", unquoted(table.name.0)), parts);
        }
    } else if let OneSelect::Values(rows) = &query.body.select {
        parts.extend(rows.iter().flatten().map(term));
    }
    of("select", parts)
}

fn literal(value: &Literal<'_>) -> Value {
    match value {
        Literal::Numeric(text) => number(text),
        Literal::String(text) => Value::Text(unquoted(text)),
        Literal::Blob(text) => Value::Blob(blob(text)),
        Literal::Null => Value::Null,
        Literal::Keyword(text) => Value::Text((*text).to_owned()),
        Literal::CurrentDate => Value::Text("2026-01-01".to_owned()),
        Literal::CurrentTime => Value::Text("00:00:00".to_owned()),
        Literal::CurrentTimestamp => Value::Text("2026-01-01 00:00:00".to_owned()),
    }
}

fn number(text: &str) -> Value {
    let plain = text.replace('_', "");
    if let Some(digits) = plain
        .strip_prefix("0x")
        .or_else(|| plain.strip_prefix("0X"))
    {
        return i64::from_str_radix(digits, 16).map_or(Value::Null, Value::Integer);
    }
    if let Ok(whole) = plain.parse() {
        return Value::Integer(whole);
    }
    plain.parse().map_or(Value::Null, Value::Real)
}

/// `x'00ff'`, with or without its frame.
fn blob(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .trim_start_matches(['x', 'X'])
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    digits
        .chunks_exact(2)
        .filter_map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok())
        .collect()
}

/// Without the quotes around it, and with doubled ones single.
pub(super) fn unquoted(text: &str) -> String {
    let close = match text.bytes().next() {
        Some(b'[') => ']',
        Some(b'"') => '"',
        Some(b'`') => '`',
        Some(b'\'') => '\'',
        Some(_) | None => return text.to_owned(),
    };
    let inner = text
        .get(1..text.len().saturating_sub(1))
        .unwrap_or_default();
    inner.replace(&format!("{close}{close}"), &close.to_string())
}
