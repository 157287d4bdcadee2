//! Expressions of the parser, turned into ours. Never evaluates one.

use super::build::{node, select, unquoted};
use super::{Kind, Node};
use sqlite3_parser::ast::{Expr, LikeOperator, Literal, Operator, UnaryOperator};

fn binary(operator: Operator) -> &'static str {
    match operator {
        Operator::Add => "+",
        Operator::And => "AND",
        Operator::ArrowRight => "->",
        Operator::ArrowRightShift => "->>",
        Operator::BitwiseAnd => "&",
        Operator::BitwiseOr => "|",
        Operator::Concat => "||",
        Operator::Equals => "=",
        Operator::Divide => "/",
        Operator::Greater => ">",
        Operator::GreaterEquals => ">=",
        Operator::Is => "IS",
        Operator::IsNot => "IS NOT",
        Operator::LeftShift => "<<",
        Operator::Less => "<",
        Operator::LessEquals => "<=",
        Operator::Modulus => "%",
        Operator::Multiply => "*",
        Operator::NotEquals => "<>",
        Operator::Or => "OR",
        Operator::RightShift => ">>",
        Operator::Subtract => "-",
    }
}

fn negation(not: bool) -> &'static str {
    if not { "NOT" } else { "" }
}

/// The parts of an expression, in order.
fn all<'e>(parts: impl IntoIterator<Item = &'e Expr<'e>>) -> Vec<Node> {
    parts.into_iter().map(expression).collect()
}

pub(super) fn expression(value: &Expr<'_>) -> Node {
    let made = leaf(value)
        .or_else(|| predicate(value))
        .or_else(|| compound(value));
    made.unwrap_or_else(|| node(Kind::Constant, value.to_string(), Vec::new()))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other two functions have the rest"
)]
fn leaf(value: &Expr<'_>) -> Option<Node> {
    Some(match value {
        Expr::DoublyQualified(_, table, name) | Expr::Qualified(table, name) => {
            let table = node(Kind::Table, unquoted(table.0), Vec::new());
            node(Kind::Column, unquoted(name.0), vec![table])
        }
        Expr::Id(name) => identifier(name.0),
        Expr::Name(name) => identifier(name.0),
        Expr::Literal(literal) => constant(literal),
        Expr::Variable(name) => node(Kind::Parameter, *name, Vec::new()),
        Expr::FunctionCallStar { name, .. } => {
            let star = node(Kind::Star, "", Vec::new());
            node(
                Kind::Call,
                unquoted(name.0).to_ascii_lowercase(),
                vec![star],
            )
        }
        Expr::FunctionCall { name, args, .. } => {
            let arguments = args.iter().copied().flatten().map(expression).collect();
            node(Kind::Call, unquoted(name.0).to_ascii_lowercase(), arguments)
        }
        _ => return None,
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other two functions have the rest"
)]
fn predicate(value: &Expr<'_>) -> Option<Node> {
    Some(match value {
        Expr::Between {
            lhs, start, end, ..
        } => node(Kind::Between, "", all([*lhs, *start, *end])),
        Expr::Exists(query) => node(Kind::Exists, "", vec![select(query)]),
        Expr::InList { lhs, not, rhs } => {
            let mut parts = vec![expression(lhs)];
            parts.extend(rhs.iter().copied().flatten().map(expression));
            node(Kind::In, negation(*not), parts)
        }
        Expr::InSelect { lhs, not, rhs } => node(
            Kind::InQuery,
            negation(*not),
            vec![expression(lhs), select(rhs)],
        ),
        Expr::InTable {
            lhs,
            not,
            rhs,
            args,
        } => {
            let arguments = args.iter().copied().flatten().map(expression).collect();
            let table = node(Kind::Table, unquoted(rhs.name.0), arguments);
            node(Kind::InQuery, negation(*not), vec![expression(lhs), table])
        }
        Expr::IsNull(value) => node(Kind::IsNull, "", vec![expression(value)]),
        Expr::NotNull(value) => node(Kind::NotNull, "", vec![expression(value)]),
        Expr::Like {
            lhs,
            op,
            rhs,
            escape,
            ..
        } => {
            let operator = match op {
                LikeOperator::Glob => "GLOB",
                LikeOperator::Like => "LIKE",
                LikeOperator::Match => "MATCH",
                LikeOperator::Regexp => "REGEXP",
            };
            let mut parts = vec![expression(lhs), expression(rhs)];
            parts.extend(escape.iter().map(|escape| expression(escape)));
            node(Kind::Like, operator, parts)
        }
        _ => return None,
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other two functions have the rest"
)]
fn compound(value: &Expr<'_>) -> Option<Node> {
    Some(match value {
        Expr::Binary(left, operator, right) => {
            node(Kind::Binary, binary(*operator), all([*left, *right]))
        }
        Expr::Case {
            base,
            when_then_pairs,
            else_expr,
        } => {
            let mut parts: Vec<Node> = base.iter().map(|base| expression(base)).collect();
            for (when, then) in *when_then_pairs {
                parts.push(expression(when));
                parts.push(expression(then));
            }
            parts.extend(else_expr.iter().map(|other| expression(other)));
            let text = if base.is_some() { "of" } else { "" };
            node(Kind::Case, text, parts)
        }
        Expr::Cast { expr, type_name } => {
            let name = type_name.as_ref().map_or("", |name| name.name);
            node(Kind::Cast, name, vec![expression(expr)])
        }
        Expr::Collate(value, name) => node(
            Kind::Collate,
            unquoted(name).to_ascii_uppercase(),
            vec![expression(value)],
        ),
        Expr::Parenthesized(parts) => node(Kind::List, "", parts.iter().map(expression).collect()),
        Expr::Raise(_, message) => node(
            Kind::Raise,
            "",
            message.iter().map(|message| expression(message)).collect(),
        ),
        Expr::Subquery(query) => select(query),
        Expr::Unary(operator, value) => {
            let operator = match operator {
                UnaryOperator::BitwiseNot => "~",
                UnaryOperator::Negative => "-",
                UnaryOperator::Not => "NOT",
                UnaryOperator::Positive => "+",
            };
            node(Kind::Unary, operator, vec![expression(value)])
        }
        _ => return None,
    })
}

fn identifier(name: &str) -> Node {
    let kind = if name.starts_with('"') {
        Kind::Quoted
    } else {
        Kind::Column
    };
    node(kind, unquoted(name), Vec::new())
}

fn constant(literal: &Literal<'_>) -> Node {
    let (kind, text) = match literal {
        Literal::Numeric(text) => (Kind::Number, (*text).to_owned()),
        Literal::String(text) => (Kind::Text, unquoted(text)),
        Literal::Blob(text) => (Kind::Constant, format!("x'{text}'")),
        Literal::Keyword(text) => (Kind::Constant, (*text).to_owned()),
        Literal::Null => (Kind::Constant, "NULL".to_owned()),
        Literal::CurrentDate => (Kind::Constant, "CURRENT_DATE".to_owned()),
        Literal::CurrentTime => (Kind::Constant, "CURRENT_TIME".to_owned()),
        Literal::CurrentTimestamp => (Kind::Constant, "CURRENT_TIMESTAMP".to_owned()),
    };
    node(kind, text, Vec::new())
}
