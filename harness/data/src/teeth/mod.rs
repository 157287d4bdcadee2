//! Databases that each break one thing, and healthy ones of many habits: what the judges of this crate are measured by. Never judges a user's database.
//!
//! They are data: `fixtures/data/deviants/README.md` tells their form. Whoever asks brings the texts, from the repository or from within a program.

mod trial;

pub use trial::{Bench, Judged, Sign, Spared, Unjudged};

use crate::claims::Data;
use crate::rule::book::spelled_out;
use crate::source::{Kind, Source};
use crate::text::{File, FileId};
use d1_platform::migration_order;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Where the deviants are that are found by exactly what they state.
const FOUND: &str = "deviants/";
/// Where those are that are not.
const NOT_FOUND_YET: &str = "not_found_yet/";
/// Where the healthy databases are, a folder each.
const CORRECT: &str = "correct/";
/// What a folder of lists holds beside them.
const DESCRIPTION: &str = "/README.md";
/// What tells the habit of each healthy database, in a row of its table.
const HABITS: &str = "correct/README.md";

/// Everything that the judges are measured by.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// Databases that break one thing each, by file and then as they stand there.
    pub deviants: Vec<Deviant>,
    /// Healthy databases, by name.
    pub correct: BTreeMap<String, Correct>,
}

/// A database that breaks one thing.
#[derive(Debug, Clone)]
pub struct Deviant {
    /// Its name: lower-case words with hyphens.
    pub id: String,
    /// What is wrong with it, in one sentence.
    pub breaks: String,
    /// The healthy database that it was made of, if it does not stand alone.
    pub base: Option<String>,
    /// The rules that must find something in it that they do not find in its base.
    pub rules: BTreeSet<String>,
    /// The criteria that it must break, and its base does not.
    pub criteria: BTreeSet<String>,
    /// Whether it is on the list of those of which too little or too much is said.
    pub is_not_found_yet: bool,
    /// The database.
    pub database: Database,
}

/// A healthy database.
#[derive(Debug, Clone)]
pub struct Correct {
    /// Whose habits it shows.
    pub habit: String,
    /// Warnings and informations that are right nevertheless: rule and object.
    pub findings: BTreeSet<(String, String)>,
    /// The database.
    pub database: Database,
}

/// Migrations and what is claimed of them.
#[derive(Debug, Clone, Default)]
pub struct Database {
    /// Text by name.
    files: BTreeMap<String, String>,
    /// The content of a `[data]` section.
    claims: String,
    /// Whether the files are run by hand, each time anew, and not as migrations.
    is_script: bool,
    /// Texts by name as they were released, of those that were.
    released: BTreeMap<String, String>,
}

/// The catalogue is not one: a mistake in the repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Malformed {
    /// The file, or the deviant.
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
    deviant: Vec<WrittenDeviant>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDeviant {
    id: String,
    says: String,
    base: Option<String>,
    #[serde(default)]
    rules: BTreeSet<String>,
    #[serde(default)]
    criteria: BTreeSet<String>,
    #[serde(default)]
    change: Vec<Change>,
    #[serde(default)]
    add: Vec<Added>,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    script: bool,
    #[serde(default)]
    released: bool,
    claims: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    file: String,
    from: String,
    to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    file: String,
    sql: String,
}

impl Catalogue {
    /// A catalogue by its texts: the path of each below `fixtures/data`, and what it holds. Others than those of the catalogue are passed over.
    ///
    /// # Errors
    /// [`Malformed`] where a text has another form, a change does not fit its base, or a name is there twice.
    pub fn of(texts: &[(&str, &str)]) -> Result<Self, Malformed> {
        let correct = correct(texts)?;
        let mut deviants: Vec<Deviant> = Vec::new();
        let mut ids = BTreeSet::new();
        for (path, text) in texts {
            let is_not_found_yet = path.starts_with(NOT_FOUND_YET);
            let is_list = is_not_found_yet || path.starts_with(FOUND);
            if !is_list || path.ends_with(DESCRIPTION) {
                continue;
            }
            let written: Written =
                toml::from_str(text).map_err(|error| Malformed::new(path, error))?;
            for one in written.deviant {
                if !ids.insert(one.id.clone()) {
                    return Err(Malformed::new(&one.id, "two deviants have this name"));
                }
                deviants.push(deviant(one, &correct, is_not_found_yet)?);
            }
        }
        Ok(Self { deviants, correct })
    }

    /// The deviants that are found, or those that are not found yet.
    pub fn listed(&self, as_not_found_yet: bool) -> impl Iterator<Item = &Deviant> {
        let deviants = self.deviants.iter();
        deviants.filter(move |deviant| deviant.is_not_found_yet == as_not_found_yet)
    }
}

impl Deviant {
    /// The rules and criteria that must be named.
    pub fn expected(&self) -> impl Iterator<Item = &String> {
        self.criteria.iter().chain(&self.rules)
    }
}

impl Database {
    /// What the judges read.
    fn source(&self) -> Source {
        let mut source = Source {
            shown: "migrations".to_owned(),
            kind: if self.is_script {
                Kind::Script
            } else {
                Kind::Migrations
            },
            ..Source::default()
        };
        source.files = self
            .files
            .iter()
            .map(|(name, text)| File {
                path: name.into(),
                text: text.trim_start_matches('\u{feff}').into(),
                name: name.clone(),
            })
            .collect();
        source
            .files
            .sort_by(|a, b| migration_order(&a.name).cmp(&migration_order(&b.name)));
        for (number, file) in source.files.iter().enumerate() {
            let text = self.released.get(&file.name);
            let released = text.map(|text| (FileId(number), text.clone()));
            source.released.extend(released);
        }
        source
    }

    /// What it claims; a catalogue holds no database whose claims are none.
    fn claims(&self) -> Data {
        Data::parse(&self.claims).unwrap_or_default()
    }

    fn with_readable_claims(self, place: &str) -> Result<Self, Malformed> {
        Data::parse(&self.claims).map_err(|error| Malformed::new(place, error))?;
        Ok(self)
    }
}

/// The healthy databases among the texts.
fn correct(texts: &[(&str, &str)]) -> Result<BTreeMap<String, Correct>, Malformed> {
    let habits = texts.iter().find(|(path, _)| *path == HABITS);
    let habits = habits.map_or("", |(_, text)| text);
    let mut all: BTreeMap<String, Correct> = BTreeMap::new();
    for (path, text) in texts {
        let Some((name, file)) = path
            .strip_prefix(CORRECT)
            .and_then(|path| path.split_once('/'))
        else {
            continue;
        };
        let variant = match all.get_mut(name) {
            Some(variant) => variant,
            None => all.entry(name.to_owned()).or_insert(Correct {
                habit: habit(habits, name)?,
                findings: BTreeSet::new(),
                database: Database::default(),
            }),
        };
        if let Some(migration) = file.strip_prefix("migrations/") {
            let files = &mut variant.database.files;
            files.insert(migration.to_owned(), (*text).to_owned());
        } else if file == "data.toml" {
            (*text).clone_into(&mut variant.database.claims);
        } else if file == "expected.tsv" {
            variant.findings = findings(path, text)?;
        }
    }
    let readable = all.into_iter().map(|(name, variant)| {
        let database = variant.database.with_readable_claims(&name)?;
        Ok((
            name,
            Correct {
                database,
                ..variant
            },
        ))
    });
    readable.collect()
}

/// The second cell of the row of a name.
fn habit(table: &str, name: &str) -> Result<String, Malformed> {
    let row = format!("| `{name}` | ");
    let habit = table.lines().find_map(|line| line.strip_prefix(&row));
    let habit = habit.and_then(|rest| rest.strip_suffix(" |"));
    habit
        .map(str::to_owned)
        .ok_or_else(|| Malformed::new(HABITS, format!("there is no row of {name}")))
}

/// The lines of `expected.tsv`: rule, object, and why that is fair.
fn findings(path: &str, text: &str) -> Result<BTreeSet<(String, String)>, Malformed> {
    let lines = text.lines().skip(1);
    let read = lines.map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
        [rule, object, why] if !why.is_empty() => Ok((rule.to_owned(), object.to_owned())),
        _ => Err(Malformed::new(
            path,
            format!("not a rule, an object and a reason: {line}"),
        )),
    });
    read.collect()
}

/// Makes a deviant of its base.
fn deviant(
    written: WrittenDeviant,
    correct: &BTreeMap<String, Correct>,
    is_not_found_yet: bool,
) -> Result<Deviant, Malformed> {
    let wrong = |why: String| Malformed::new(&written.id, why);
    let mut database = match &written.base {
        None => Database::default(),
        Some(base) => correct
            .get(base)
            .map(|correct| correct.database.clone())
            .ok_or_else(|| wrong(format!("there is no base `{base}`")))?,
    };
    if written.released {
        database.released.clone_from(&database.files);
    }
    for change in &written.change {
        let text = if change.file == "data.toml" {
            Some(&mut database.claims)
        } else {
            database.files.get_mut(&change.file)
        };
        let text = text.ok_or_else(|| wrong(format!("its base has no file {}", change.file)))?;
        let count = text.matches(&change.from).count();
        if count != 1 {
            return Err(wrong(format!(
                "`{}` must stand in {} exactly once, and is there {count} times",
                change.from, change.file
            )));
        }
        *text = text.replace(&change.from, &change.to);
    }
    for name in &written.remove {
        if database.files.remove(name).is_none() {
            return Err(wrong(format!("its base has no file {name}")));
        }
    }
    for added in written.add {
        let text = spelled_out(&added.sql);
        database.files.insert(added.file, text);
    }
    database.is_script = written.script;
    if let Some(claims) = written.claims {
        database.claims = claims;
    }
    if written.rules.is_empty() && written.criteria.is_empty() {
        return Err(wrong("it must state a rule or a criterion".to_owned()));
    }
    Ok(Deviant {
        database: database.with_readable_claims(&written.id)?,
        id: written.id,
        breaks: written.says,
        base: written.base,
        rules: written.rules,
        criteria: written.criteria,
        is_not_found_yet,
    })
}
