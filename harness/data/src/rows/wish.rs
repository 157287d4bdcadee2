//! What conditions let one guess about the values of each column. Never decides whether a value is right: only SQLite does.

use super::term::Term;
use crate::catalog::Name;
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// A guess about the values of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    /// One of these values, by `=`, `IS` or `IN`.
    One(Value),
    /// Something about this value, by an inequality.
    Bound(Value),
    /// A text or blob of this length.
    Length(i64),
    /// A value of this storage class.
    Class(String),
    /// JSON of this type; any if none is told.
    Json(Option<String>),
    /// A JSON object with this at a path.
    JsonAt(String, Value),
    /// A date or a time as text.
    Date,
    /// No upper-case letters.
    Lower,
    /// No lower-case letters.
    Upper,
    /// Matches a `LIKE` pattern.
    Like(String),
    /// Matches a `GLOB` pattern.
    Glob(String),
    /// Made of these characters only.
    Alphabet(Vec<char>),
    /// Holds this text.
    Contains(String),
    /// Compared with this column.
    With(Name),
    /// Compared with a column of another table.
    Found(Name, Name),
    /// May be NULL.
    Null,
    /// Something looks at it.
    Any,
}

impl Wish {
    /// The length that is asked for.
    pub(super) fn length(&self) -> Option<usize> {
        let Self::Length(length) = self else {
            return None;
        };
        usize::try_from(*length).ok()
    }

    /// The characters that are allowed, if there are any.
    pub(super) fn alphabet(&self) -> Option<&[char]> {
        let Self::Alphabet(set) = self else {
            return None;
        };
        (!set.is_empty()).then_some(set)
    }

    /// A value of a list.
    pub(super) fn listed(&self) -> Option<Value> {
        let Self::One(value) = self else {
            return None;
        };
        (*value != Value::Null).then(|| value.clone())
    }

    /// A bound, without its fraction.
    pub(super) fn bound(&self) -> Option<i64> {
        if let Self::Bound(Value::Integer(bound)) = self {
            return Some(*bound);
        }
        let Self::Bound(Value::Real(bound)) = self else {
            return None;
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a bound is wanted, not its fraction"
        )]
        Some(*bound as i64)
    }
}

/// Guesses by column.
pub(super) type Wishes = BTreeMap<Name, Vec<Wish>>;

/// Adds what a condition tells. `known` says which names are columns; others in double quotes are strings.
pub(super) fn collect(term: &Term, known: &impl Fn(&Name) -> bool, wishes: &mut Wishes) {
    Collector { known, wishes }.walk(term, false);
}

struct Collector<'w, K> {
    known: &'w K,
    wishes: &'w mut Wishes,
}

impl<K: Fn(&Name) -> bool> Collector<'_, K> {
    fn walk(&mut self, term: &Term, negated: bool) {
        let Term::Of(what, parts) = term else { return };
        match (what.as_str(), parts.as_slice()) {
            ("not", [inner]) => return self.walk(inner, !negated),
            ("like", [target, pattern]) | ("like()", [pattern, target]) => {
                self.pattern(target, pattern, negated, Wish::Like);
            }
            ("glob", [target, pattern]) | ("glob()", [pattern, target]) => {
                self.pattern(target, pattern, negated, Wish::Glob);
            }
            ("equals" | "is" | "notequals" | "isnot", [left, right]) => {
                self.compare(left, right, &Wish::One);
            }
            ("less" | "lessequals" | "greater" | "greaterequals", [left, right]) => {
                self.compare(left, right, &Wish::Bound);
            }
            ("in", [target, list @ ..]) => {
                for item in list {
                    self.compare(target, item, &Wish::One);
                }
            }
            ("between", [target, low, high]) => {
                self.compare(target, low, &Wish::Bound);
                self.compare(target, high, &Wish::Bound);
            }
            ("isnull" | "notnull", [inner]) => self.all(inner, &Wish::Null),
            ("instr()", [target, Term::Literal(Value::Text(text))]) => {
                self.all(target, &Wish::Contains(text.clone()));
            }
            (query, parts) if query.starts_with("select ") => self.looked_up(&query[7..], parts),
            (call, parts) => self.call(call, parts),
        }
        for part in parts {
            self.walk(part, negated && !what.ends_with("()"));
        }
    }

    /// What a call tells of its arguments, whatever is done with the result.
    fn call(&mut self, call: &str, parts: &[Term]) {
        let wish = match call {
            "date()" | "datetime()" | "time()" | "strftime()" | "julianday()" | "unixepoch()" => {
                Wish::Date
            }
            "lower()" => Wish::Lower,
            "upper()" => Wish::Upper,
            _ if call.starts_with("json") => Wish::Json(None),
            _ => return,
        };
        for part in parts {
            self.all(part, &wish);
        }
    }

    fn pattern(
        &mut self,
        target: &Term,
        pattern: &Term,
        negated: bool,
        wish: impl Fn(String) -> Wish,
    ) {
        let Term::Literal(Value::Text(pattern)) = pattern else {
            return;
        };
        let wish = if negated {
            // NOT GLOB '*[^0-9a-f]*': nothing but these characters.
            let Some(set) = pattern
                .strip_prefix("*[^")
                .and_then(|rest| rest.strip_suffix("]*"))
            else {
                return;
            };
            Wish::Alphabet(super::pattern::set(set))
        } else {
            wish(pattern.clone())
        };
        self.all(target, &wish);
    }

    fn compare(&mut self, left: &Term, right: &Term, wish: &dyn Fn(Value) -> Wish) {
        match (self.value(left), self.value(right)) {
            (None, Some(value)) => self.hint(left, &value, wish),
            (Some(value), None) => self.hint(right, &value, wish),
            (Some(_), Some(_)) => {}
            (None, None) => self.related(left, right),
        }
    }

    /// Two terms with columns in both: each may need what the other has.
    fn related(&mut self, left: &Term, right: &Term) {
        for (of, with) in [(left, right), (right, left)] {
            for column in self.columns(with) {
                self.all(of, &Wish::With(column));
            }
            let mut literals = Vec::new();
            with.visit(&mut |term| {
                if let Term::Literal(value) = term {
                    literals.push(value.clone());
                }
            });
            for value in literals {
                self.all(of, &Wish::Bound(value));
            }
        }
    }

    /// What is compared with a literal.
    fn hint(&mut self, target: &Term, value: &Value, wish: &dyn Fn(Value) -> Wish) {
        let Term::Of(what, parts) = target else {
            return self.all(target, &wish(value.clone()));
        };
        let first = parts.first();
        let wish = match (what.as_str(), value) {
            ("length()" | "octet_length()", Value::Integer(length)) => Wish::Length(*length),
            ("typeof()", Value::Text(class)) => Wish::Class(class.to_ascii_lowercase()),
            ("json_type()", Value::Text(kind)) if parts.len() == 1 => {
                Wish::Json(Some(kind.to_ascii_lowercase()))
            }
            ("json_type()" | "json_extract()" | "arrowright" | "arrowrightshift", value) => {
                match parts.get(1) {
                    Some(Term::Literal(Value::Text(path))) => {
                        let at = if what == "json_type()" {
                            of_type(value)
                        } else {
                            value.clone()
                        };
                        Wish::JsonAt(path.clone(), at)
                    }
                    _ => Wish::Json(None),
                }
            }
            ("json_valid()", _) => Wish::Json(None),
            ("json_array_length()", _) => Wish::Json(Some("array".to_owned())),
            ("trim()" | "ltrim()" | "rtrim()", Value::Text(rest)) if rest.is_empty() => {
                match parts.get(1) {
                    Some(Term::Literal(Value::Text(set))) => Wish::Alphabet(set.chars().collect()),
                    _ => Wish::Contains("a".to_owned()),
                }
            }
            ("substr()" | "substring()", Value::Text(text)) => Wish::Contains(text.clone()),
            _ => wish(value.clone()),
        };
        match first {
            Some(first) if !matches!(wish, Wish::One(_) | Wish::Bound(_)) => self.all(first, &wish),
            _ => {
                for part in parts {
                    self.all(part, &wish);
                }
                self.call(what, parts);
            }
        }
    }

    /// `… FROM table WHERE its_column = NEW.column`.
    fn looked_up(&mut self, table: &str, parts: &[Term]) {
        let mut pairs = Vec::new();
        for part in parts {
            part.visit(&mut |term| {
                let Term::Of(what, sides) = term else { return };
                if let ("equals" | "is", [left, right]) = (what.as_str(), sides.as_slice()) {
                    pairs.extend([(left, right), (right, left)]);
                }
            });
        }
        for (theirs, ours) in pairs {
            if let (Term::Column(_, theirs), Term::Column(Some(new), ours)) = (theirs, ours)
                && *new == "new"
            {
                let found = Wish::Found(Name::new(table), theirs.clone());
                self.add(ours, &found);
            }
        }
    }

    /// Adds a wish to every column within a term.
    fn all(&mut self, term: &Term, wish: &Wish) {
        for column in self.columns(term) {
            self.add(&column, wish);
        }
    }

    fn add(&mut self, column: &Name, wish: &Wish) {
        if *wish == Wish::With(column.clone()) || !(self.known)(column) {
            return;
        }
        let wishes = self.wishes.entry(column.clone()).or_default();
        if !wishes.contains(wish) {
            wishes.push(wish.clone());
        }
    }

    /// The columns of the new row within a term.
    fn columns(&self, term: &Term) -> Vec<Name> {
        let mut columns = Vec::new();
        term.visit(&mut |term| {
            if let Term::Column(qualifier, name) = term
                && (self.known)(name)
                && qualifier.as_ref().is_none_or(|q| *q != "old")
            {
                columns.push(name.clone());
            }
        });
        columns
    }

    /// The value of a literal, or of a name that is no column.
    fn value(&self, term: &Term) -> Option<Value> {
        match term {
            Term::Literal(value) => Some(value.clone()),
            Term::Column(None, name) if !(self.known)(name) => {
                Some(Value::Text(name.as_str().to_owned()))
            }
            Term::Column(..) | Term::Of(..) => None,
        }
    }
}

/// A value of a JSON type.
fn of_type(kind: &Value) -> Value {
    match kind {
        Value::Text(kind) if kind == "integer" || kind == "number" => Value::Integer(1),
        Value::Text(kind) if kind == "real" => Value::Real(0.5),
        Value::Text(kind) if kind == "null" => Value::Null,
        Value::Text(_) | Value::Null | Value::Integer(_) | Value::Real(_) | Value::Blob(_) => {
            Value::Text("text".to_owned())
        }
    }
}
