//! Reads data layers that differ from the repository's own, each in one thing. Never judges them.

use super::{route, runner};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// All deviants and variants.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Those that break something, by file and then as they stand there.
    pub deviants: Vec<Layer>,
    /// Those that keep everything by other means.
    pub variants: Vec<Layer>,
}

/// A data layer that differs from the repository's own.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its name: lower-case words with hyphens.
    pub id: String,
    /// What is otherwise about it, in one sentence.
    pub says: String,
    /// The criteria that it breaks; none of a variant.
    pub criteria: BTreeSet<String>,
    /// Its files, by path below the folder of the migrations.
    pub(crate) files: BTreeMap<String, String>,
    /// Which of them are not the repository's own.
    pub(crate) changed: BTreeSet<String>,
    /// What is done to its database after the files were applied, past every guard.
    pub(crate) database: Vec<String>,
    /// What its way of applying migrations does otherwise; none where it has no such way.
    pub(crate) runner: Option<&'static str>,
    /// What `GET /api/admin/schema` tells otherwise; none where it answers nothing.
    pub(crate) route: Option<&'static str>,
}

/// The catalogue is not one: a mistake in the repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Malformed {
    /// The file, or the name of the layer.
    place: String,
    /// What is wrong there.
    why: String,
}

impl Malformed {
    fn new(place: &str, why: impl std::fmt::Display) -> Self {
        Self {
            place: place.to_owned(),
            why: why.to_string(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    deviant: Vec<WrittenLayer>,
    #[serde(default)]
    variant: Vec<WrittenLayer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLayer {
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

impl Catalogue {
    /// A catalogue by its texts: `own` holds the repository's own files by their path below `migrations/api-worker`, `lists` the files of
    /// `fixtures/api-worker-deviants` in the order of their names.
    ///
    /// # Errors
    /// [`Malformed`] where a list has another form, a change does not fit the repository's own files, or a name is there twice.
    pub fn of(own: &[(&str, &str)], lists: &[(&str, &str)]) -> Result<Self, Malformed> {
        let own: BTreeMap<String, String> = own
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        let mut catalogue = Self::default();
        let mut ids = BTreeSet::new();
        for (name, text) in lists {
            let written: Written =
                toml::from_str(text).map_err(|error| Malformed::new(name, error))?;
            for one in written.deviant.iter().chain(&written.variant) {
                if !ids.insert(one.id.clone()) {
                    return Err(Malformed::new(&one.id, "two layers have this name"));
                }
                if !one.says.ends_with('.') {
                    return Err(Malformed::new(&one.id, "it says no sentence"));
                }
            }
            for one in written.deviant {
                if one.criteria.is_empty() {
                    return Err(Malformed::new(&one.id, "it must state a criterion"));
                }
                catalogue.deviants.push(one.over(&own)?);
            }
            for one in written.variant {
                if !one.criteria.is_empty() {
                    return Err(Malformed::new(&one.id, "a variant breaks no criterion"));
                }
                catalogue.variants.push(one.over(&own)?);
            }
        }
        Ok(catalogue)
    }
}

impl Layer {
    /// Whether it answers `GET /api/admin/schema`; it answers no other route.
    #[must_use]
    pub fn has_a_route(&self) -> bool {
        self.route.is_some()
    }

    /// Whether it has a way of its own to apply migrations.
    #[must_use]
    pub fn has_a_runner(&self) -> bool {
        self.runner.is_some()
    }
}

/// The habit of this name among those that are known.
fn habit(
    written: Option<&String>,
    known: &[&'static str],
) -> Result<Option<&'static str>, Malformed> {
    let Some(name) = written else { return Ok(None) };
    match known.iter().find(|habit| *habit == name) {
        Some(habit) => Ok(Some(habit)),
        None => Err(Malformed::new(name, "there is no such habit")),
    }
}

impl WrittenLayer {
    fn over(self, own: &BTreeMap<String, String>) -> Result<Layer, Malformed> {
        let wrong = |why: String| Malformed::new(&self.id, why);
        let mut files = own.clone();
        for change in &self.change {
            let text = files
                .get_mut(&change.file)
                .ok_or_else(|| wrong(format!("there is no file {}", change.file)))?;
            let count = text.matches(&change.from).count();
            if count != 1 && !(change.everywhere && count > 1) {
                return Err(wrong(format!(
                    "`{}` stands in {} {count} times",
                    change.from, change.file
                )));
            }
            *text = text.replace(&change.from, &change.to);
        }
        for name in &self.remove {
            if files.remove(name).is_none() {
                return Err(wrong(format!("there is no file {name}")));
            }
        }
        let (runner, route) = (
            habit(self.runner.as_ref(), &runner::HABITS)?,
            habit(self.route.as_ref(), &route::HABITS)?,
        );
        for added in self.add {
            files.insert(added.file, added.sql);
        }
        let paths = own.keys().chain(files.keys());
        let changed = paths.filter(|path| own.get(*path) != files.get(*path));
        Ok(Layer {
            changed: changed.cloned().collect(),
            id: self.id,
            says: self.says,
            criteria: self.criteria,
            files,
            database: self.database,
            runner,
            route,
        })
    }
}
