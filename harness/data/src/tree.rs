//! A statement as a small tree, for rules that need to know how an expression is made. Never fails its caller: what cannot be parsed has no tree.

mod build;
mod expression;

use sqlite3_parser::lexer::sql::Parser;
use sqlite3_parser::{Bump, FallibleIterator as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a node of an expression or a query is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A column; `text` is its name, and the first part is the table that it is qualified with, if it is.
    Column,
    /// A table, by name: qualifying a column, or in FROM.
    Table,
    /// A name in double quotes without a table before it: a column, or a string if there is no such column.
    Quoted,
    /// A string, without its quotes.
    Text,
    /// A number.
    Number,
    /// NULL, a blob, `CURRENT_TIMESTAMP` and the like; as written.
    Constant,
    /// A parameter, as written.
    Parameter,
    /// A function; `text` is its name in lower case, the parts are its arguments.
    Call,
    /// An operator between two parts; `text` is the operator in upper case (`=`, `AND`, `IS NOT`, `||`).
    Binary,
    /// An operator before a part: `NOT`, `-`, `+`, `~`.
    Unary,
    /// `BETWEEN`: the value and both ends.
    Between,
    /// `CASE`, with all its parts in order; `text` is `of` where the first of them is the value that the others are compared with.
    Case,
    /// `CAST`; `text` is the type.
    Cast,
    /// `COLLATE`; `text` is the collation in upper case.
    Collate,
    /// `IN` a list: the value and the list; `text` is `NOT` for `NOT IN`.
    In,
    /// `IN` a query or a table: the value and the query; `text` is `NOT` for `NOT IN`.
    InQuery,
    /// `EXISTS`.
    Exists,
    /// `LIKE`, `GLOB`, `MATCH`, `REGEXP`, which `text` tells in upper case: value, pattern, escape.
    Like,
    /// `IS NULL`.
    IsNull,
    /// `IS NOT NULL`.
    NotNull,
    /// Parentheses, or a row of values.
    List,
    /// `RAISE`.
    Raise,
    /// A query; its parts are those that follow.
    Select,
    /// The result columns of a query, or a row of `VALUES`.
    Columns,
    /// `*`.
    Star,
    /// `FROM`, with tables, queries and [`Kind::On`].
    From,
    /// The condition of a join; `text` is `OUTER` where the join keeps rows that do not meet it.
    On,
    /// `WHERE`.
    Where,
    /// `GROUP BY` and `HAVING`.
    Group,
    /// `ORDER BY`.
    Order,
    /// `LIMIT`.
    Limit,
    /// `OFFSET`.
    Offset,
    /// `WITH`.
    With,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Its name, value or operator; see [`Kind`].
    pub text: String,
    /// What it is made of.
    pub parts: Vec<Node>,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `SELECT`.
    Select,
    /// `INSERT`, and `REPLACE`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `CREATE INDEX`; the parts are its terms and [`Kind::Where`].
    Index,
    /// `CREATE TRIGGER`; the parts are its WHEN.
    Trigger,
    /// `CREATE VIEW`.
    View,
    /// `CREATE TABLE`; the parts are its CHECKs, table ones last.
    Table,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// What it does.
    pub verb: Verb,
    /// The table that it writes or watches.
    pub table: Option<String>,
    /// `INSERT OR REPLACE`, `REPLACE`, `UPDATE OR REPLACE`.
    pub replaces: bool,
    /// `INSERT OR IGNORE`: a row that the table refuses is left out.
    pub ignores: bool,
    /// The columns that an INSERT names, or those behind the `UPDATE OF` of a trigger.
    pub columns: Vec<String>,
    /// What is set: column and value. Those of an UPSERT are among them.
    pub sets: Vec<(String, Node)>,
    /// Everything else that it holds.
    pub parts: Vec<Node>,
    /// The statements of a trigger.
    pub body: Vec<Tree>,
    /// When a trigger fires: `BEFORE`, `AFTER`, `INSTEAD OF`, and `INSERT`, `UPDATE`, `DELETE`.
    pub fires: Option<(String, String)>,
    /// The CHECKs of a CREATE TABLE as SQL, in the order of the parts, with the column that each stands at.
    pub checks: Vec<(Option<String>, String)>,
}

/// The tree of a statement; none if it is of no kind that has one, or cannot be parsed.
#[must_use]
pub fn parse(sql: &str) -> Option<Tree> {
    // The parser has panics for malformed quotes that SQLite would have refused before; a rule must live through one.
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        let bump = Bump::new();
        let mut parser = Parser::new(&bump, sql.as_bytes());
        let command = parser.next().ok().flatten()?;
        build::command(&command)
    }));
    parsed.ok().flatten()
}

/// The tree of an expression.
#[must_use]
pub fn expression(sql: &str) -> Option<Node> {
    let tree = parse(&format!("SELECT {sql}"))?;
    let select = tree.parts.into_iter().next()?;
    let columns = select
        .parts
        .into_iter()
        .find(|part| part.kind == Kind::Columns)?;
    let mut columns = columns.parts;
    (columns.len() == 1).then(|| columns.remove(0))
}

impl Node {
    /// This node and all below it, from the top.
    #[must_use]
    pub fn all(&self) -> Vec<&Node> {
        let mut found = vec![self];
        let mut next = 0;
        while let Some(node) = found.get(next).copied() {
            found.extend(node.parts.iter());
            next += 1;
        }
        found
    }

    /// The node without parentheses around it.
    #[must_use]
    pub fn bare(&self) -> &Node {
        match (self.kind, self.parts.as_slice()) {
            (Kind::List, [only]) => only.bare(),
            _ => self,
        }
    }

    /// The parts of a chain of one operator (`AND`, `OR`), or the node itself.
    #[must_use]
    pub fn chain(&self, operator: &str) -> Vec<&Node> {
        let node = self.bare();
        if node.kind == Kind::Binary && node.text == operator {
            node.parts
                .iter()
                .flat_map(|part| part.chain(operator))
                .collect()
        } else {
            vec![node]
        }
    }

    /// The name, if it is a column: in double quotes, with a table or without.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        let node = self.bare();
        matches!(node.kind, Kind::Column | Kind::Quoted).then_some(node.text.as_str())
    }

    /// A part of a kind.
    #[must_use]
    pub fn part(&self, kind: Kind) -> Option<&Node> {
        self.parts.iter().find(|part| part.kind == kind)
    }
}

impl Tree {
    /// Every node of the statement, the values that it sets and the statements of a trigger among them.
    #[must_use]
    pub fn all(&self) -> Vec<&Node> {
        let own = self
            .parts
            .iter()
            .chain(self.sets.iter().map(|(_, node)| node));
        let mut found: Vec<&Node> = own.flat_map(Node::all).collect();
        found.extend(self.body.iter().flat_map(Tree::all));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_comes_with_its_clauses() {
        let tree =
            parse("SELECT a, \"b\" FROM t WHERE x LIKE '%y' ORDER BY a LIMIT 5 OFFSET ?1").unwrap();
        let select = &tree.parts[0];
        let kinds: Vec<Kind> = select.parts.iter().map(|part| part.kind).collect();
        assert_eq!(
            kinds,
            [
                Kind::Columns,
                Kind::From,
                Kind::Where,
                Kind::Order,
                Kind::Limit,
                Kind::Offset
            ]
        );
        assert_eq!(select.parts[0].parts[1].kind, Kind::Quoted);
        assert_eq!(select.parts[2].parts[0].parts[1].text, "%y");
    }

    #[test]
    fn checks_come_as_trees_and_as_text() {
        let tree =
            parse("CREATE TABLE t (a TEXT CHECK (a IN ('x', 'y''s')), b, CHECK (a <> b))").unwrap();
        assert_eq!(tree.checks[0].0.as_deref(), Some("a"));
        assert_eq!(tree.parts[0].bare().kind, Kind::In);
        assert_eq!(tree.parts[0].bare().parts[2].text, "y's");
        assert_eq!(tree.checks[1].0, None);
    }

    #[test]
    fn a_trigger_comes_with_its_statements() {
        let tree = parse("CREATE TRIGGER r AFTER UPDATE OF a, \"b\" ON t BEGIN UPDATE t SET created_at = 1 WHERE id = NEW.id; END").unwrap();
        assert_eq!(tree.columns, ["a", "b"]);
        assert_eq!(tree.fires, Some(("AFTER".to_owned(), "UPDATE".to_owned())));
        assert_eq!(tree.body[0].sets[0].0, "created_at");
    }

    #[test]
    fn what_is_no_sql_has_no_tree() {
        assert_eq!(parse("this is 'no sql"), None);
        assert_eq!(parse(""), None);
    }
}
