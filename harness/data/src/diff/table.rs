//! What a table means, in a form that can be compared. Never compares tables of different names.

use super::{Difference, ended};
use crate::catalog::{Action, ForeignKey, Index, IndexOrigin, Name, Table};
use crate::text::{Token, joined, normal, tokens};
use std::collections::{BTreeMap, BTreeSet};

/// A table's meaning.
pub(super) struct Meaning {
    /// Its kind and options.
    whole: String,
    /// Columns: what each means, and its definition as written.
    columns: BTreeMap<Name, (String, String)>,
    /// Everything else by object: what it means, and the SQL of it.
    parts: BTreeMap<String, (String, String)>,
    sql: String,
}

/// A piece of a table's definition between commas.
struct Piece<'t> {
    tokens: &'t [Token],
    text: &'t str,
}

impl Meaning {
    pub(super) fn of(table: &Table) -> Self {
        let sql: &str = &table.sql;
        let all = tokens(sql);
        if !table.is_ordinary() {
            return Self {
                whole: joined(&all),
                columns: BTreeMap::new(),
                parts: BTreeMap::new(),
                sql: sql.to_owned(),
            };
        }
        let pieces = pieces(sql, &all);
        let deferred = joined(&all).matches("initially deferred").count();
        let key: Vec<String> = table.primary_key.iter().map(lower).collect();
        let whole = format!(
            "key {key:?} autoincrement {} strict {} rowid {} deferred {deferred}",
            table.autoincrement, table.strict, !table.without_rowid
        );
        let mut parts = checks(table, &pieces);
        parts.extend(table.foreign_keys.iter().map(reference(table)));
        parts.extend(table.indexes.iter().filter_map(index(table)));
        Self {
            whole,
            columns: columns(table, &pieces),
            parts,
            sql: sql.to_owned(),
        }
    }

    pub(super) fn compare(&self, other: &Self, name: &Name, found: &mut Vec<Difference>) {
        if self.whole != other.whole {
            found.push(Difference {
                object: format!("table {name}"),
                a: Some(ended(&self.sql)),
                b: Some(ended(&other.sql)),
            });
        }
        let columns: BTreeSet<&Name> = self.columns.keys().chain(other.columns.keys()).collect();
        for column in columns {
            let (a, b) = (self.columns.get(column), other.columns.get(column));
            let is_on_both_sides = a.is_some() && b.is_some();
            if a.map(|(means, _)| means) != b.map(|(means, _)| means) {
                let said = |(_, text): &(String, String)| {
                    if is_on_both_sides {
                        text.clone()
                    } else {
                        format!("ALTER TABLE {} ADD COLUMN {text};", name.quoted())
                    }
                };
                found.push(Difference {
                    object: format!("column {name}.{column}"),
                    a: a.map(said),
                    b: b.map(said),
                });
            }
        }
        self.compare_parts(other, found);
    }

    /// Parts are the same by what they mean; the rest is paired by object.
    fn compare_parts(&self, other: &Self, found: &mut Vec<Difference>) {
        fn left<'m>(own: &'m Meaning, others: &Meaning) -> BTreeMap<&'m str, &'m str> {
            let known: BTreeSet<&String> = others.parts.values().map(|(means, _)| means).collect();
            let own = own
                .parts
                .iter()
                .filter(|(_, (means, _))| !known.contains(means));
            own.map(|(object, (_, sql))| (object_of(object), sql.as_str()))
                .collect()
        }
        let (a, b) = (left(self, other), left(other, self));
        let objects: BTreeSet<&&str> = a.keys().chain(b.keys()).collect();
        for object in objects {
            found.push(Difference {
                object: (*object).to_owned(),
                a: a.get(object).map(|sql| (*sql).to_owned()),
                b: b.get(object).map(|sql| (*sql).to_owned()),
            });
        }
    }
}

/// The object of a part, without what tells parts of one object apart.
fn object_of(key: &str) -> &str {
    key.split_once('\n').map_or(key, |(object, _)| object)
}

/// The pieces of a definition between the commas within its outermost parentheses.
fn pieces<'t>(sql: &'t str, all: &'t [Token]) -> Vec<Piece<'t>> {
    let mut pieces = Vec::new();
    let mut depth = 0_u32;
    let mut start = 0;
    for (place, token) in all.iter().enumerate() {
        let is_end = match token.form.as_str() {
            "(" => {
                depth += 1;
                if depth == 1 {
                    start = place + 1;
                }
                false
            }
            ")" => {
                depth = depth.saturating_sub(1);
                depth == 0
            }
            "," => depth == 1,
            _ => false,
        };
        if is_end && start < place {
            let tokens = &all[start..place];
            let text = &sql[tokens[0].range.start..tokens[tokens.len() - 1].range.end];
            pieces.push(Piece { tokens, text });
            start = place + 1;
        }
        if is_end && depth == 0 {
            break;
        }
    }
    pieces
}

fn columns(table: &Table, pieces: &[Piece<'_>]) -> BTreeMap<Name, (String, String)> {
    let mut columns = BTreeMap::new();
    for column in &table.columns {
        let piece = pieces
            .iter()
            .find(|piece| column.name == piece.tokens[0].form.as_str());
        let behind = |word: &str| {
            let tokens = piece.map_or(&[][..], |piece| piece.tokens);
            let at = tokens.iter().position(|token| token.form == word)?;
            Some(joined(group(tokens.get(at + 1..)?)))
        };
        let is_in_key = table.primary_key.contains(&column.name);
        let means = format!(
            "{} | {} | {} | {} | {}",
            normal(&column.declared_type),
            column.not_null && !is_in_key || is_in_key && !table.is_nullable(column),
            column.default.as_deref().map_or_else(String::new, normal),
            behind("collate")
                .filter(|name| name != "binary")
                .unwrap_or_default(),
            column
                .generated
                .map_or_else(String::new, |kind| format!("{kind:?} {:?}", behind("as")))
        );
        let text = piece.map_or_else(|| column.name.to_string(), |piece| piece.text.to_owned());
        columns.insert(column.name.clone(), (means, text));
    }
    columns
}

/// The first token, or all of a group in parentheses.
fn group(tokens: &[Token]) -> &[Token] {
    let mut depth = 0_u32;
    for (place, token) in tokens.iter().enumerate() {
        match token.form.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return &tokens[..=place];
        }
    }
    tokens
}

/// The `CHECK`s of a table, wherever they stand.
fn checks(table: &Table, pieces: &[Piece<'_>]) -> BTreeMap<String, (String, String)> {
    let mut checks = BTreeMap::new();
    for piece in pieces {
        for (place, token) in piece.tokens.iter().enumerate() {
            let inner = group(&piece.tokens[place + 1..]);
            if token.form == "check" && inner.first().is_some_and(|first| first.form == "(") {
                let means = format!("check {}", joined(inner));
                let start = token.range.start - piece.tokens[0].range.start;
                let end = inner[inner.len() - 1].range.end - piece.tokens[0].range.start;
                let sql = piece.text[start..end].to_owned();
                checks.insert(format!("check of {}\n{means}", table.name), (means, sql));
            }
        }
    }
    checks
}

fn reference(table: &Table) -> impl Fn(&ForeignKey) -> (String, (String, String)) + '_ {
    |key| {
        let list = |names: &[Name]| {
            let names: Vec<&str> = names.iter().map(Name::as_str).collect();
            names.join(", ")
        };
        let mut sql = format!(
            "FOREIGN KEY ({}) REFERENCES {}({})",
            list(&key.columns),
            key.parent,
            list(&key.parent_columns)
        );
        for (event, action) in [("DELETE", key.on_delete), ("UPDATE", key.on_update)] {
            if let Some(action) = written(action) {
                sql = format!("{sql} ON {event} {action}");
            }
        }
        let object = format!("reference {}({})", table.name, list(&key.columns));
        (format!("{object}\n{sql}"), (normal(&sql), sql))
    }
}

fn written(action: Action) -> Option<&'static str> {
    match action {
        Action::NoAction => None,
        Action::Restrict => Some("RESTRICT"),
        Action::Cascade => Some("CASCADE"),
        Action::SetNull => Some("SET NULL"),
        Action::SetDefault => Some("SET DEFAULT"),
    }
}

/// An index by what it means, whatever its name; a `UNIQUE` of the table and a unique index of it are the same.
fn index(table: &Table) -> impl Fn(&Index) -> Option<(String, (String, String))> + '_ {
    |index| {
        if index.origin == IndexOrigin::PrimaryKey {
            return None;
        }
        let parts: Vec<String> = index
            .columns
            .iter()
            .map(|part| {
                let name = part.name.as_ref().map_or_else(String::new, lower);
                format!("{name} {} {}", part.descending, part.collation)
            })
            .collect();
        let has_expression = index.columns.iter().any(|part| part.name.is_none());
        let sql = index.sql.as_deref();
        let expressions = sql
            .filter(|_sql| has_expression)
            .map_or_else(String::new, |sql| {
                let all = tokens(sql);
                let open = all.iter().position(|token| token.form == "(").unwrap_or(0);
                joined(group(&all[open..]))
            });
        let condition = index.condition.as_deref().map_or_else(String::new, normal);
        let means = format!(
            "index {} | {} | {expressions} | {condition}",
            index.unique,
            parts.join(", ")
        );
        let (object, sql) = if let Some(sql) = sql {
            (format!("index {}", index.name), ended(sql))
        } else {
            let names = index.columns.iter().filter_map(|part| part.name.as_ref());
            let names: Vec<&str> = names.map(Name::as_str).collect();
            (
                format!("unique key of {}", table.name),
                format!("UNIQUE ({})", names.join(", ")),
            )
        };
        Some((format!("{object}\n{means}"), (means, sql)))
    }
}

fn lower(name: &Name) -> String {
    name.as_str().to_ascii_lowercase()
}
