//! Values that a column may take, the likeliest first. Never knows of other rows or tables.

use super::look::{Look, day, email, of_look};
use super::pattern;
use super::wish::Wish;
use crate::catalog::Name;
use rusqlite::types::Value;

/// Values per column that are tried; beyond these the search would not end in time.
const VALUES_MAX: usize = 40;

/// A column that is given values.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// Its name.
    pub(super) name: Name,
    /// What its plain values look like.
    pub(super) look: Look,
    /// What conditions tell of it.
    pub(super) wishes: Vec<Wish>,
    /// NULL is allowed, in the later schema too.
    pub(super) is_nullable: bool,
    /// A default that is a literal.
    pub(super) default: Option<Value>,
    /// Bytes rather than texts.
    pub(super) is_blob: bool,
}

/// The plain value of a column in the row of a number, from 1.
pub(super) fn plain(table: &Name, cell: &Cell, number: usize) -> Value {
    of_look(table, cell, number, cell.look)
}

/// The values to try for a column in the row of a number, the likeliest first.
pub(super) fn values(table: &Name, cell: &Cell, number: usize) -> Vec<Value> {
    let mut values = Values {
        table,
        cell,
        number,
        found: Vec::new(),
    };
    // One row in three shows what NULL does, where it is allowed.
    if cell.is_nullable && number.is_multiple_of(3) {
        values.add(Value::Null);
    }
    values.wished();
    values.add(plain(table, cell, number));
    if !cell.wishes.is_empty() {
        values.anything();
    }
    if cell.is_nullable {
        // It stays among the first, where much else is possible as well.
        values.found.truncate(VALUES_MAX - 1);
        values.add(Value::Null);
    }
    values.found.truncate(VALUES_MAX);
    values.found
}

struct Values<'v> {
    table: &'v Name,
    cell: &'v Cell,
    number: usize,
    found: Vec<Value>,
}

impl Values<'_> {
    fn add(&mut self, value: Value) {
        if !(value == Value::Null && !self.cell.is_nullable || self.found.contains(&value)) {
            self.found.push(value);
        }
    }

    fn text(&mut self, text: impl Into<String>) {
        self.add(Value::Text(text.into()));
    }

    fn label(&self) -> String {
        format!("{}.{} {}", self.table, self.cell.name, self.number)
    }

    fn wished(&mut self) {
        let wished = self.cell.wishes.iter().filter_map(Wish::length);
        let lengths: Vec<usize> = wished.filter(|length| *length <= 10_000).collect();
        self.shaped(&lengths);
        self.listed();
        self.ranged();
        for wish in &self.cell.wishes {
            self.one(wish);
        }
        for length in &lengths {
            for length in [*length, length + 1, length.saturating_sub(1)] {
                self.of_length(length);
            }
        }
    }

    /// Patterns and alphabets, with each of the lengths that are asked for.
    fn shaped(&mut self, lengths: &[usize]) {
        let lengths: Vec<Option<usize>> = if lengths.is_empty() {
            vec![None]
        } else {
            lengths.iter().copied().map(Some).collect()
        };
        let filler = self.filler();
        for wish in &self.cell.wishes {
            for length in &lengths {
                if let Wish::Like(like) = wish {
                    self.text(pattern::like(like, self.number, &filler, *length));
                } else if let Wish::Glob(glob) = wish {
                    self.text(pattern::glob(glob, self.number, &filler, *length));
                } else if let Some(set) = wish.alphabet() {
                    self.text(counted(set, self.number, length.unwrap_or(8)));
                }
            }
        }
    }

    /// What stands where a pattern lets anything stand.
    fn filler(&self) -> String {
        let alphabet = self.cell.wishes.iter().find_map(Wish::alphabet);
        alphabet.map_or_else(
            || self.label().to_lowercase().replace(' ', "."),
            |set| counted(set, self.number, 8),
        )
    }

    /// The values of a list, another one first in each row.
    fn listed(&mut self) {
        let listed: Vec<Value> = self.cell.wishes.iter().filter_map(Wish::listed).collect();
        let first = (self.number - 1) % listed.len().max(1);
        for at in 0..listed.len() {
            self.add(listed[(first + at) % listed.len()].clone());
        }
    }

    /// Whole numbers within, at and beside the bounds.
    fn ranged(&mut self) {
        let mut bounds: Vec<i64> = self.cell.wishes.iter().filter_map(Wish::bound).collect();
        bounds.sort_unstable();
        bounds.dedup();
        let count = i64::try_from(self.number).unwrap_or(0);
        if let [low, .., high] = bounds[..] {
            let width = high.saturating_sub(low).saturating_add(1).max(1);
            self.add(Value::Integer(low.saturating_add(count % width)));
        }
        for bound in bounds.iter().take(6) {
            for near in [count, 0, 1, -1] {
                self.add(Value::Integer(bound.saturating_add(near)));
            }
        }
    }

    fn one(&mut self, wish: &Wish) {
        let label = self.label();
        match wish {
            Wish::Bound(value) => self.add(value.clone()),
            Wish::Class(class) => self.of_class(class),
            Wish::Json(kind) => self.json(kind.as_deref()),
            Wish::JsonAt(path, value) => self.text(json_at(path, value)),
            Wish::Date => self.dates(),
            Wish::Lower => self.text(label.to_lowercase()),
            Wish::Upper => self.text(label.to_uppercase()),
            Wish::Contains(part) => {
                self.text(format!("{part}{label}"));
                self.text(format!("{label}{part}"));
                self.text(format!("{label}{part}{label}"));
                self.text(email(&label));
            }
            Wish::Null => self.add(Value::Null),
            Wish::With(_) => {
                let plain = plain(self.table, self.cell, self.number);
                self.beside(&plain);
            }
            Wish::One(_)
            | Wish::Length(_)
            | Wish::Like(_)
            | Wish::Glob(_)
            | Wish::Alphabet(_)
            | Wish::Found(..)
            | Wish::Any => {}
        }
    }

    /// Values a little less and more than another one.
    fn beside(&mut self, value: &Value) {
        self.add(value.clone());
        match value {
            Value::Integer(number) => {
                for more in [1, -1, 60, 1000, 100_000] {
                    self.add(Value::Integer(number + more));
                }
            }
            Value::Real(number) => {
                for more in [1.0, -1.0, 1000.0] {
                    self.add(Value::Real(number + more));
                }
            }
            Value::Text(_) | Value::Null | Value::Blob(_) => {
                for number in [self.number + 1, self.number + 2, self.number + 28] {
                    self.add(plain(self.table, self.cell, number));
                }
            }
        }
    }

    fn of_length(&mut self, length: usize) {
        if self.cell.is_blob {
            let mut bytes = vec![0; length];
            for (byte, place) in bytes.iter_mut().rev().zip(0..8) {
                *byte = u8::try_from(self.number >> (8 * place) & 0xff).unwrap_or(0);
            }
            self.add(Value::Blob(bytes));
        } else {
            self.text(pattern::fitted(&self.label(), Some(length)));
        }
    }

    fn of_class(&mut self, class: &str) {
        let look = match class {
            "integer" => Look::Count,
            "real" => Look::Fraction,
            "blob" => Look::Blob,
            "null" => return self.add(Value::Null),
            _ => Look::Text,
        };
        self.add(of_look(self.table, self.cell, self.number, look));
    }

    fn json(&mut self, kind: Option<&str>) {
        let label = self.label();
        match kind {
            Some("array") => self.text(serde_json::json!([label]).to_string()),
            Some("object") => self.text(serde_json::json!({ "text": label }).to_string()),
            Some("text") => self.text(serde_json::json!(label).to_string()),
            Some("integer" | "number") => self.text(self.number.to_string()),
            Some("real") => self.text(format!("{}.5", self.number)),
            Some("true" | "false" | "null") => self.text(kind.unwrap_or_default()),
            Some(_) | None => {
                if matches!(self.cell.look, Look::JsonArray | Look::JsonObject) {
                    self.add(plain(self.table, self.cell, self.number));
                }
                self.text(serde_json::json!({ "text": label }).to_string());
                self.text(serde_json::json!([label]).to_string());
            }
        }
    }

    fn dates(&mut self) {
        for look in [Look::DateTime, Look::Date] {
            self.add(of_look(self.table, self.cell, self.number, look));
        }
        let day = day(self.number);
        let minute = self.number % 60;
        self.text(format!("{day}T00:{minute:02}:00Z"));
        self.text(format!("{day}T00:{minute:02}:00.000Z"));
        self.text(format!("{day}T00:{minute:02}:00"));
        self.text(format!("00:{minute:02}:00"));
        self.text(day[..7].to_owned());
    }

    /// What is tried when nothing that was told helps.
    fn anything(&mut self) {
        let label = self.label();
        self.add(self.cell.default.clone().unwrap_or(Value::Integer(1)));
        for number in [0, 1, 2, 10, 100] {
            self.add(Value::Integer(number));
        }
        self.text(label.clone());
        self.text(label.to_lowercase().replace([' ', '.', '_'], "-"));
        self.text(email(&label));
        for look in [
            Look::DateTime,
            Look::Seconds,
            Look::Milliseconds,
            Look::JsonObject,
        ] {
            self.add(of_look(self.table, self.cell, self.number, look));
        }
        self.text("a");
        self.add(Value::Integer(-1));
        self.add(Value::Real(0.5));
        self.text("");
    }
}

/// A number written with the characters of a set.
fn counted(set: &[char], number: usize, length: usize) -> String {
    let mut rest = number;
    let mut letters: Vec<char> = (0..length)
        .map(|_place| {
            let letter = set[rest % set.len()];
            rest /= set.len();
            letter
        })
        .collect();
    letters.reverse();
    letters.into_iter().collect()
}

/// A JSON object that holds a value at a path: `$.a.b`, or a plain name.
fn json_at(path: &str, value: &Value) -> String {
    let leaf = match value {
        Value::Null | Value::Blob(_) => serde_json::Value::Null,
        Value::Integer(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
    };
    let steps = path
        .trim_start_matches('$')
        .split('.')
        .filter(|step| !step.is_empty());
    let whole = steps.rev().fold(
        leaf,
        |inner, step| serde_json::json!({ step.trim_matches('"'): inner }),
    );
    whole.to_string()
}
