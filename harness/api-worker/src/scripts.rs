//! The SQL files that a target ships with: migrations, seeds and queries. Never changes them, and never takes their word for anything.

mod told_clock;
pub(crate) mod trial;

use crate::outcome::Stop;
use crate::scripts::trial::Trial;
use crate::words::Columns;
use d1_platform::migration_order;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// A monitoring or debug query that the documents name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Documented {
    /// "Check recent usage".
    RecentUsage,
    /// "Monitor costs".
    Costs,
    /// "Rate limit status".
    RateLimits,
    /// "Check schema version".
    SchemaVersion,
    /// "Verify table structure".
    Tables,
    /// "Check recent errors".
    RecentErrors,
}

impl Documented {
    /// All of them, in the documents' order.
    pub const ALL: [Self; 6] = [
        Self::RecentUsage,
        Self::Costs,
        Self::RateLimits,
        Self::SchemaVersion,
        Self::Tables,
        Self::RecentErrors,
    ];

    /// The name of its file where nothing else is stated.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::RecentUsage => "recent_usage.sql",
            Self::Costs => "costs_of_the_last_day.sql",
            Self::RateLimits => "rate_limit_status.sql",
            Self::SchemaVersion => "schema_version.sql",
            Self::Tables => "table_structure.sql",
            Self::RecentErrors => "recent_errors.sql",
        }
    }

    /// What the documents call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RecentUsage => "\"Check recent usage\"",
            Self::Costs => "\"Monitor costs\"",
            Self::RateLimits => "\"Rate limit status\"",
            Self::SchemaVersion => "\"Check schema version\"",
            Self::Tables => "\"Verify table structure\"",
            Self::RecentErrors => "\"Check recent errors\"",
        }
    }
}

/// Where the files of a target lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The folder of the migrations.
    pub migrations: PathBuf,
    /// The development seed.
    pub development: PathBuf,
    /// The production set-up.
    pub production: PathBuf,
    /// The folder of the monitoring and debug queries.
    pub queries: PathBuf,
    /// Files of `queries` that answer a documented question under another name.
    pub documented: BTreeMap<Documented, String>,
    /// What their tables call their columns.
    pub columns: Arc<Columns>,
}

impl Places {
    /// Where they lie unless the target states otherwise.
    #[must_use]
    pub fn below(folder: &Path) -> Self {
        Self {
            migrations: folder.to_owned(),
            development: folder.join("seeds/dev_seed.sql"),
            production: folder.join("seeds/prod_setup.sql"),
            queries: folder.join("queries"),
            documented: BTreeMap::new(),
            columns: Arc::default(),
        }
    }
}

/// A file of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its name, without a folder.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// The SQL files of a target.
#[derive(Debug, Default)]
pub struct Scripts {
    /// The migrations, in the order in which they are applied.
    pub(crate) migrations: Vec<Script>,
    development: Option<Script>,
    production: Option<Script>,
    /// The queries, by name.
    pub(crate) queries: Vec<Script>,
    documented: BTreeMap<Documented, String>,
    /// What their tables call their columns.
    pub(crate) columns: Arc<Columns>,
    pub(crate) plain: OnceLock<Result<Mutex<Trial>, Stop>>,
    pub(crate) of_production: OnceLock<Result<Mutex<Trial>, Stop>>,
    pub(crate) filled: OnceLock<Result<Mutex<Trial>, Stop>>,
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct Unreadable {
    path: PathBuf,
    source: std::io::Error,
}

impl Scripts {
    /// Reads the files. A seed or folder of queries that is not there is none; migrations must be there.
    ///
    /// # Errors
    /// [`Unreadable`]
    pub fn read(places: &Places) -> Result<Self, Unreadable> {
        let mut scripts = Self {
            development: optional(&places.development)?,
            production: optional(&places.production)?,
            documented: places.documented.clone(),
            columns: Arc::clone(&places.columns),
            ..Self::default()
        };
        scripts.migrations = folder(&places.migrations)?;
        if places.queries.is_dir() {
            scripts.queries = folder(&places.queries)?;
        }
        Ok(scripts.in_order())
    }

    /// By paths and texts, as they stand below the folder of the migrations.
    pub fn of<'t>(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let mut scripts = Self::default();
        for (path, text) in texts {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let script = Script {
                name: name.to_owned(),
                text: text.to_owned(),
            };
            if !is_sql(Path::new(name)) {
                continue;
            }
            match (folder, name) {
                ("", _) => scripts.migrations.push(script),
                ("seeds", "dev_seed.sql") => scripts.development = Some(script),
                ("seeds", "prod_setup.sql") => scripts.production = Some(script),
                ("queries", _) => scripts.queries.push(script),
                _ => {}
            }
        }
        scripts.in_order()
    }

    fn in_order(mut self) -> Self {
        self.migrations
            .sort_by(|a, b| migration_order(&a.name).cmp(&migration_order(&b.name)));
        self.queries.sort_by(|a, b| a.name.cmp(&b.name));
        self
    }

    /// The development seed.
    pub(crate) fn development(&self) -> Result<&Script, Stop> {
        let expected = "a development seed of its own";
        let seed = self.development.as_ref();
        seed.ok_or_else(|| Stop::breach(expected, "no file of it at the stated place"))
    }

    /// The production set-up.
    pub(crate) fn production(&self) -> Result<&Script, Stop> {
        let expected = "a production set-up of its own";
        let setup = self.production.as_ref();
        setup.ok_or_else(|| Stop::breach(expected, "no file of it at the stated place"))
    }

    /// Both of them, as far as they are there.
    pub(crate) fn seeds(&self) -> impl Iterator<Item = &Script> {
        self.development.iter().chain(&self.production)
    }

    /// The query that answers a documented question.
    pub(crate) fn query(&self, documented: Documented) -> Option<&Script> {
        let stated = self.documented.get(&documented).map(String::as_str);
        let name = stated.unwrap_or(documented.file());
        self.queries.iter().find(|query| query.name == name)
    }
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "sql")
}

fn script(path: &Path) -> Result<Script, Unreadable> {
    let text = std::fs::read_to_string(path).map_err(|source| Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let name = path.file_name().unwrap_or_default();
    Ok(Script {
        name: name.to_string_lossy().into_owned(),
        text,
    })
}

fn optional(path: &Path) -> Result<Option<Script>, Unreadable> {
    if path.exists() {
        script(path).map(Some)
    } else {
        Ok(None)
    }
}

fn folder(path: &Path) -> Result<Vec<Script>, Unreadable> {
    let unreadable = |source| Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut scripts = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_sql(&path) && path.is_file() {
            scripts.push(script(&path)?);
        }
    }
    Ok(scripts)
}
