//! What two schemas do not have in common, by what they mean: columns, constraints, references, indexes, triggers, views. Never compares rows.

mod table;

use crate::catalog::{Name, Schema};
use crate::text::normal;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use table::Meaning;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Difference {
    /// What it is about: `table users`, `column users.name`, `index users_by_name`.
    pub object: String,
    /// The first side's SQL; none where it lacks the object.
    pub a: Option<String>,
    /// The second side's SQL; none where it lacks the object.
    pub b: Option<String>,
}

/// Compares two schemas; nothing differs that differs in white space, comments, quotes, the case of names, the order of columns, or the name of an index alone.
#[must_use]
pub fn diff(a: &Schema, b: &Schema) -> Vec<Difference> {
    let mut found = Vec::new();
    let tables: BTreeSet<&Name> = a.tables.keys().chain(b.tables.keys()).collect();
    for name in tables {
        match (a.tables.get(name), b.tables.get(name)) {
            (Some(a), Some(b)) => Meaning::of(a).compare(&Meaning::of(b), name, &mut found),
            (a, b) => {
                let whole = |table: &crate::catalog::Table| {
                    let indexes = table
                        .indexes
                        .iter()
                        .filter_map(|index| index.sql.as_deref());
                    let statements: Vec<&str> =
                        std::iter::once(&*table.sql).chain(indexes).collect();
                    ended(&statements.join(";\n"))
                };
                found.push(Difference {
                    object: format!("table {name}"),
                    a: a.map(whole),
                    b: b.map(whole),
                });
            }
        }
    }
    let texts = |of: &Schema| -> BTreeMap<(&'static str, Name), String> {
        let views = of
            .views
            .values()
            .map(|view| (("view", view.name.clone()), view.sql.to_string()));
        let triggers = of.triggers.values();
        let triggers =
            triggers.map(|trigger| (("trigger", trigger.name.clone()), trigger.sql.to_string()));
        views.chain(triggers).collect()
    };
    let (of_a, of_b) = (texts(a), texts(b));
    let names: BTreeSet<&(&str, Name)> = of_a.keys().chain(of_b.keys()).collect();
    for key in names {
        let (in_a, in_b) = (of_a.get(key), of_b.get(key));
        let said =
            |sql: Option<&String>| sql.map(|sql| normal(sql).replacen("if not exists ", "", 1));
        if said(in_a) != said(in_b) {
            found.push(Difference {
                object: format!("{} {}", key.0, key.1),
                a: in_a.map(|sql| ended(sql)),
                b: in_b.map(|sql| ended(sql)),
            });
        }
    }
    found
}

/// A statement with its semicolon.
fn ended(sql: &str) -> String {
    format!("{};", sql.trim_end())
}

#[cfg(test)]
mod tests {
    use super::{Difference, diff};
    use crate::catalog::{Schema, read};

    fn schema(sql: &str) -> Schema {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        read(&connection).unwrap()
    }

    fn found(a: &str, b: &str) -> Vec<Difference> {
        diff(&schema(a), &schema(b))
    }

    #[test]
    fn the_way_in_which_a_schema_came_about_makes_no_difference() {
        let grown =
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL UNIQUE CHECK (length(a) > 1));
            ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 1 REFERENCES t(id);
            CREATE INDEX one ON t (b);
            CREATE VIEW v AS SELECT a FROM t;";
        let made =
            "CREATE TABLE \"T\" ([id] integer, b INTEGER DEFAULT 1, a text not null, -- a name
            PRIMARY KEY (id), CHECK (length(\"a\")>1), FOREIGN KEY (b) REFERENCES t(id));
            CREATE UNIQUE INDEX only ON t (a);
            CREATE INDEX another ON t (b);
            CREATE VIEW IF NOT EXISTS v AS  SELECT a FROM t /* all */;";
        assert_eq!(found(grown, made), []);
    }

    #[test]
    fn each_difference_in_meaning_is_found() {
        let base = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, p INTEGER REFERENCES p(id), CHECK (a <> ''));";
        let cases = [
            (base.replace("a TEXT", "a TEXT NOT NULL"), "column t.a"),
            (base.replace("a TEXT", "a INTEGER"), "column t.a"),
            (base.replace("a TEXT", "a TEXT DEFAULT 'x'"), "column t.a"),
            (
                base.replace("a TEXT", "a TEXT COLLATE NOCASE"),
                "column t.a",
            ),
            (base.replace("a TEXT", "a TEXT, b TEXT"), "column t.b"),
            (base.replace("<> ''", "<> 'x'"), "check of t"),
            (
                base.replace("p(id)", "p(id) ON DELETE CASCADE"),
                "reference t(p)",
            ),
            (base.replace("a TEXT", "a TEXT UNIQUE"), "unique key of t"),
            (
                base.replace("PRIMARY KEY, a", "PRIMARY KEY AUTOINCREMENT, a"),
                "table t",
            ),
            (format!("{base} CREATE INDEX i ON t (a DESC);"), "index i"),
            (format!("{base} CREATE INDEX i ON t (lower(a));"), "index i"),
            (
                format!("{base} CREATE INDEX i ON t (a) WHERE p IS NULL;"),
                "index i",
            ),
            (format!("{base} CREATE VIEW v AS SELECT 1;"), "view v"),
            (format!("{base} CREATE TABLE z (b);"), "table z"),
        ];
        for (other, object) in cases {
            let objects: Vec<String> = found(base, &other)
                .into_iter()
                .map(|one| one.object)
                .collect();
            assert!(
                objects.iter().any(|found| found == object),
                "{object}: {objects:?}"
            );
            assert_eq!(found(&other, &other), []);
        }
    }

    #[test]
    fn what_is_missing_is_given_as_statements() {
        let one = "CREATE TABLE t (id INTEGER PRIMARY KEY);";
        let other = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT ''); CREATE INDEX i ON t (a);";
        let statements: Vec<Option<String>> =
            found(one, other).into_iter().map(|one| one.b).collect();
        let added = "ALTER TABLE \"t\" ADD COLUMN a TEXT NOT NULL DEFAULT '';";
        assert_eq!(
            statements,
            [
                Some(added.to_owned()),
                Some("CREATE INDEX i ON t (a);".to_owned())
            ]
        );
    }
}
