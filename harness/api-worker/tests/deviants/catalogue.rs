//! Reads the deviants and variants. Never judges them.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// All deviants and variants.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    pub(crate) deviants: Vec<Entry>,
    pub(crate) variants: Vec<Entry>,
}

/// A data layer that differs from the repository's own.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) criteria: BTreeSet<String>,
    /// Its files, by path below the folder of the migrations.
    pub(crate) files: BTreeMap<String, String>,
    /// Which of them are not the repository's own.
    pub(crate) changed: BTreeSet<String>,
    /// What is done to its database after the files were applied, past every guard.
    pub(crate) database: Vec<String>,
    /// What its way of applying migrations does otherwise; none where it has no such way.
    pub(crate) runner: Option<String>,
    /// What `GET /api/admin/schema` tells otherwise; none where it answers nothing.
    pub(crate) route: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    deviant: Vec<WrittenEntry>,
    #[serde(default)]
    variant: Vec<WrittenEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEntry {
    id: String,
    says: String,
    #[serde(default)]
    criteria: BTreeSet<String>,
    #[serde(default)]
    change: Vec<Change>,
    #[serde(default)]
    add: Vec<Added>,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    database: Vec<String>,
    runner: Option<String>,
    route: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    file: String,
    from: String,
    to: String,
    /// Whether every occurrence is changed, and not the only one.
    #[serde(default)]
    everywhere: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    file: String,
    sql: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The repository's own files.
pub(crate) fn own() -> BTreeMap<String, String> {
    let folder = root().join("migrations/api-worker");
    let mut files = BTreeMap::new();
    for below in ["", "seeds/", "queries/"] {
        for entry in fs::read_dir(folder.join(below)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "sql") {
                let name = path.file_name().unwrap().to_string_lossy();
                files.insert(format!("{below}{name}"), fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

impl Catalogue {
    pub(crate) fn read() -> Self {
        let own = own();
        let mut catalogue = Self::default();
        let mut names: Vec<PathBuf> = fs::read_dir(root().join("fixtures/api-worker-deviants"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
            .collect();
        names.sort();
        let mut ids = BTreeSet::new();
        for path in names {
            let text = fs::read_to_string(&path).unwrap();
            let written: Written =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            for one in written.deviant.iter().chain(&written.variant) {
                assert!(ids.insert(one.id.clone()), "{} is there twice", one.id);
                assert!(one.says.ends_with('.'), "{} says no sentence", one.id);
            }
            for one in written.deviant {
                assert!(!one.criteria.is_empty(), "{} breaks nothing", one.id);
                catalogue.deviants.push(one.over(&own));
            }
            for one in written.variant {
                assert!(one.criteria.is_empty(), "{} breaks something", one.id);
                catalogue.variants.push(one.over(&own));
            }
        }
        catalogue
    }
}

impl WrittenEntry {
    fn over(self, own: &BTreeMap<String, String>) -> Entry {
        let mut files = own.clone();
        for change in &self.change {
            let text = files
                .get_mut(&change.file)
                .unwrap_or_else(|| panic!("{}: there is no file {}", self.id, change.file));
            let count = text.matches(&change.from).count();
            assert!(
                count == 1 || (change.everywhere && count > 1),
                "{}: `{}` stands in {} {count} times",
                self.id,
                change.from,
                change.file
            );
            *text = text.replace(&change.from, &change.to);
        }
        for name in &self.remove {
            assert!(files.remove(name).is_some(), "{}: no {name}", self.id);
        }
        for added in self.add {
            files.insert(added.file, added.sql);
        }
        let paths = own.keys().chain(files.keys());
        let changed = paths.filter(|path| own.get(*path) != files.get(*path));
        Entry {
            changed: changed.cloned().collect(),
            id: self.id,
            criteria: self.criteria,
            files,
            database: self.database,
            runner: self.runner,
            route: self.route,
        }
    }
}
