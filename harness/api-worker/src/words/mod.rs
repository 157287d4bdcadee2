//! What a target calls what the judges speak of: routes, fields, values, codes and columns of its own. Never judges them.

mod columns;
mod routes;
mod wire;

pub use columns::Columns;
pub(crate) use columns::TABLES;
pub(crate) use wire::encoded;

use routes::{KINDS, ROUTES};
use std::collections::BTreeMap;

/// How times stand in requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// Integers of epoch milliseconds.
    #[default]
    Milliseconds,
    /// Integers of epoch seconds.
    Seconds,
    /// RFC 3339, in UTC with milliseconds.
    Text,
}

/// Names by kind of object: theirs by ours.
pub type ByKind = BTreeMap<String, BTreeMap<String, String>>;

/// The words of a target, where they are others than those of `fixtures/shapes.md`. A place is the name of a member, or a JSON pointer.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Routes (`GET /v1/usage`), theirs by ours.
    pub routes: BTreeMap<String, String>,
    /// Where an answer has the one object that it tells; empty: it is the answer.
    pub object: String,
    /// Where a listing has its rows; empty: under the name of the list.
    pub items: String,
    /// Where a listing has the cursor of its next page; empty: `next_cursor`.
    pub next_cursor: String,
    /// The places of fields, whatever object has them.
    pub fields: BTreeMap<String, String>,
    /// The places of the fields of one kind of object, which go before those of all.
    pub fields_of: ByKind,
    /// Words for values: of events, actions, states, scopes, sources, permissions, windows and environments.
    pub values: BTreeMap<String, String>,
    /// How times stand in requests and answers.
    pub times: Times,
    /// Where an error has its code; empty: at `/error/code`.
    pub error_code: String,
    /// Where an error has its details; empty: at `/error/details`.
    pub error_details: String,
    /// Words for codes.
    pub codes: BTreeMap<String, String>,
}

/// What is wrong with the words of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No route of the contract.
    #[error("`{0}` is no route of fixtures/shapes.md; they are {all}", all = all_routes())]
    Route(String),
    /// Not a method and a path, or other placeholders.
    #[error(
        "`{theirs}` cannot stand for `{ours}`: it has to be a method and a path with the same names in braces"
    )]
    Path {
        /// The route of the contract.
        ours: String,
        /// What is to stand for it.
        theirs: String,
    },
    /// No kind of object.
    #[error("`{0}` is no kind of object; they are {all}", all = all_kinds())]
    Kind(String),
    /// No field of a kind of object.
    #[error("`{field}` is no field of `{kind}`; they are {all}", all = routes::fields(kind).join(", "))]
    FieldOf {
        /// The kind.
        kind: String,
        /// The field.
        field: String,
    },
    /// No field of any kind.
    #[error("`{0}` is a field of no object; those of each kind stand in fixtures/shapes.md")]
    Field(String),
}

/// Whether a column holds instants, by its name; dates are days and no instants.
pub(crate) fn is_instant(column: &str) -> bool {
    let column = column.to_lowercase();
    let ends = [
        "_at",
        "_until",
        "valid_from",
        "valid_to",
        "_start",
        "_end",
        "timestamp",
        "_time",
    ];
    ends.iter().any(|end| column.ends_with(end))
}

/// Whether a field of a request, an answer or a query holds a time.
fn is_time(field: &str) -> bool {
    matches!(field, "from" | "to") || is_instant(field)
}

/// Whether a field or a column holds an id.
pub(crate) fn is_id(name: &str) -> bool {
    name == "id" || name == "replaces" || name.ends_with("_id")
}

fn all_routes() -> String {
    let all = ROUTES.iter();
    let all: Vec<String> = all
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    all.join(", ")
}

fn all_kinds() -> String {
    let all: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
    all.join(", ")
}

/// Method and path of a route.
fn parted(route: &str) -> Option<(&str, &str)> {
    let (method, path) = route.split_once(' ')?;
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_method && path.starts_with('/') && !path.contains(char::is_whitespace))
        .then_some((method, path))
}

/// The names in braces of a path, sorted.
fn placeholders(path: &str) -> Vec<&str> {
    let (path, _query) = path.split_once('?').unwrap_or((path, ""));
    let mut names: Vec<&str> = path
        .split('/')
        .filter(|segment| segment.starts_with('{') && segment.ends_with('}'))
        .collect();
    names.sort_unstable();
    names
}

impl Words {
    /// What of them nobody knows.
    ///
    /// # Errors
    /// The first [`Unknown`].
    pub fn check(&self) -> Result<(), Unknown> {
        for (ours, theirs) in &self.routes {
            let known = parted(ours).and_then(|(method, path)| {
                let mut all = ROUTES.iter();
                all.find(|route| route.method == method && route.path == path)
            });
            let Some(route) = known else {
                return Err(Unknown::Route(ours.clone()));
            };
            let same = |(_, path): (&str, &str)| placeholders(path) == placeholders(route.path);
            if !parted(theirs).is_some_and(same) {
                return Err(Unknown::Path {
                    ours: ours.clone(),
                    theirs: theirs.clone(),
                });
            }
        }
        for field in self.fields.keys() {
            if !routes::is_field(field) {
                return Err(Unknown::Field(field.clone()));
            }
        }
        for (kind, fields) in &self.fields_of {
            if routes::fields(kind).is_empty() {
                return Err(Unknown::Kind(kind.clone()));
            }
            let unknown = fields
                .keys()
                .find(|field| !routes::fields(kind).contains(&field.as_str()));
            if let Some(field) = unknown {
                return Err(Unknown::FieldOf {
                    kind: kind.clone(),
                    field: field.clone(),
                });
            }
        }
        Ok(())
    }

    /// The place of a field in an object of this kind, if it is another one than its name.
    fn place(&self, kind: &str, field: &str) -> Option<&str> {
        let own = self.fields_of.get(kind).and_then(|own| own.get(field));
        let place = own.or_else(|| self.fields.get(field))?;
        (place != field).then_some(place)
    }

    /// Their word for a value.
    fn theirs<'w>(&'w self, value: &'w str) -> &'w str {
        self.values.get(value).map_or(value, String::as_str)
    }

    /// Our word for a value.
    fn ours<'w>(&'w self, value: &'w str) -> &'w str {
        let mut all = self.values.iter();
        let found = all.find(|(_, theirs)| *theirs == value);
        found.map_or(value, |(ours, _)| ours)
    }
}
