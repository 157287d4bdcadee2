//! What `sqlite_schema` holds as one file of statements, so that findings have a text to point at. Never holds a row of the user's.

use crate::text::File;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// A line of `sqlite_schema`.
pub(super) struct Object {
    /// `table`, `index`, `trigger` or `view`.
    pub(super) kind: String,
    /// Its name.
    pub(super) name: String,
    /// The statement that made it.
    pub(super) sql: String,
}

/// Modules, and what they add to the names of the tables that they keep themselves.
const SHADOWS: [(&str, &[&str]); 4] = [
    ("fts5", &["data", "idx", "content", "docsize", "config"]),
    (
        "fts4",
        &["content", "segments", "segdir", "docsize", "stat"],
    ),
    ("fts3", &["content", "segments", "segdir"]),
    ("rtree", &["node", "rowid", "parent"]),
];

/// The statements in an order in which they can be run: tables, indexes, views, triggers, each as they were made.
pub(super) fn file(path: &Path, objects: &[Object]) -> File {
    let shadows = shadows(objects);
    let is_own = |object: &&Object| {
        let lower = object.name.to_ascii_lowercase();
        let is_foreign =
            lower.starts_with("sqlite_") || lower.starts_with("_cf_") || lower == "d1_migrations";
        !is_foreign && !shadows.contains(&lower)
    };
    let mut own: Vec<&Object> = objects.iter().filter(is_own).collect();
    own.sort_by_key(|object| match object.kind.as_str() {
        "table" => 0,
        "index" => 1,
        "view" => 2,
        _ => 3,
    });
    // The text of a large schema has megabytes, and is not to be there several times.
    let mut text = String::with_capacity(own.iter().map(|object| object.sql.len() + 3).sum());
    for object in own {
        text.push_str(if text.is_empty() { "" } else { "\n\n" });
        text.push_str(object.sql.trim_end());
        text.push(';');
    }
    let name = path.file_name().unwrap_or(path.as_os_str());
    File {
        name: name.to_string_lossy().into_owned(),
        path: path.to_owned(),
        text: Arc::from(text),
    }
}

/// Names, in lower case, of the tables that virtual tables make themselves.
fn shadows(objects: &[Object]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for object in objects {
        let lower = object.sql.to_ascii_lowercase();
        if !lower.starts_with("create virtual table") {
            continue;
        }
        for (_, endings) in SHADOWS.iter().filter(|(module, _)| lower.contains(module)) {
            let name = object.name.to_ascii_lowercase();
            names.extend(endings.iter().map(|ending| format!("{name}_{ending}")));
        }
    }
    names
}
