//! What a Worker's wrangler configuration tells: `wrangler.json`, `wrangler.jsonc`, `wrangler.toml`. Never keeps the value of a variable that may be a secret.

use jsonc_parser::ParseOptions;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The names of the file, in the order in which wrangler looks for it.
pub const FILE_NAMES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// Where wrangler has migrations, unless told otherwise.
const MIGRATIONS_DIR: &str = "migrations";

/// Variables whose values a manifest needs; of all others the name is enough.
const READ: [&str; 5] = [
    "APP_DOMAIN",
    "DEV_MODE",
    "CF_ACCESS_TEAM_DOMAIN",
    "PUBLIC_RATE_LIMIT_MAX",
    "PUBLIC_RATE_LIMIT_WINDOW_SECONDS",
];

/// A Worker, as far as its configuration tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wrangler {
    /// Its name.
    pub name: Option<String>,
    /// What stands at the top level.
    pub top: Bindings,
    /// What each named environment has. Bindings and variables are not inherited.
    pub environments: BTreeMap<String, Bindings>,
}

/// What one environment is bound to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bindings {
    /// D1 databases.
    pub d1: Vec<Database>,
    /// KV namespaces: binding and id.
    pub kv: Vec<(String, Option<String>)>,
    /// R2 buckets: binding and name.
    pub r2: Vec<(String, Option<String>)>,
    /// Names of the variables.
    pub variables: BTreeSet<String>,
    /// The values of those in [`READ`] that are plain texts.
    pub values: BTreeMap<String, String>,
    /// Whether there are routes: `wrangler dev` puts the first one's host in the place of every `Host`.
    pub routes: bool,
    /// Requests and seconds of a rate limit binding.
    pub rate_limit: Option<(u32, u64)>,
}

/// A D1 database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its binding.
    pub binding: String,
    /// The name that `wrangler d1` commands take as well as the binding.
    pub name: Option<String>,
    /// Its id, if it has one yet.
    pub id: Option<String>,
    /// The id by which `wrangler dev` and `--local` keep it, if it is told apart.
    pub preview_id: Option<String>,
    /// Where its migrations lie, relative to the configuration.
    pub migrations: PathBuf,
}

/// The configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not there, or closed.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not what its name says.
    #[error("{path} is no wrangler configuration: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// Where and what.
        reason: String,
    },
}

/// The configuration in a folder.
#[must_use]
pub fn find(folder: &Path) -> Option<PathBuf> {
    let files = FILE_NAMES.into_iter().map(|name| folder.join(name));
    files.into_iter().find(|file| file.is_file())
}

/// Reads a configuration: as TOML if its name ends so, else as JSON with comments.
///
/// # Errors
/// [`Unreadable`], with the place.
pub fn read(path: &Path) -> Result<Wrangler, Unreadable> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Unreadable::File {
        path: shown.clone(),
        source,
    })?;
    let is_toml = path.extension().is_some_and(|ending| ending == "toml");
    let value = if is_toml {
        toml::from_str(&text).map_err(|error| error.to_string())
    } else {
        jsonc_parser::parse_to_serde_value(&text, &ParseOptions::default())
            .map_err(|error| error.to_string())
    };
    let malformed = |reason: String| Unreadable::Malformed {
        path: shown.clone(),
        reason,
    };
    let value: Value = value.map_err(&malformed)?;
    if !value.is_object() {
        return Err(malformed("it holds no object".to_owned()));
    }
    let environments = value.get("env").and_then(Value::as_object);
    Ok(Wrangler {
        name: text_of(&value, "name"),
        top: bindings(&value),
        environments: environments
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), bindings(value)))
            .collect(),
    })
}

/// The names in a `.dev.vars` file. Its values are secrets, and are not looked at.
#[must_use]
pub fn dev_vars(folder: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(folder.join(".dev.vars")).unwrap_or_default();
    let names = text.lines().filter_map(|line| line.split_once('='));
    names
        .map(|(name, _)| name.trim().trim_start_matches("export ").trim().to_owned())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect()
}

fn bindings(value: &Value) -> Bindings {
    let pair = |entry: &Value, key: &str| Some((text_of(entry, "binding")?, text_of(entry, key)));
    let variables = value.get("vars").and_then(Value::as_object);
    let variables = || variables.into_iter().flatten();
    Bindings {
        d1: list(value, "d1_databases").filter_map(database).collect(),
        kv: list(value, "kv_namespaces")
            .filter_map(|entry| pair(entry, "id"))
            .collect(),
        r2: list(value, "r2_buckets")
            .filter_map(|entry| pair(entry, "bucket_name"))
            .collect(),
        variables: variables().map(|(name, _)| name.clone()).collect(),
        values: variables()
            .filter(|(name, _)| READ.contains(&name.as_str()))
            .filter_map(|(name, value)| Some((name.clone(), plain(value)?)))
            .collect(),
        routes: value.get("route").is_some() || list(value, "routes").next().is_some(),
        rate_limit: list(value, "ratelimits").find_map(rate_limit),
    }
}

fn database(entry: &Value) -> Option<Database> {
    let migrations = text_of(entry, "migrations_dir");
    Some(Database {
        binding: text_of(entry, "binding")?,
        name: text_of(entry, "database_name"),
        id: text_of(entry, "database_id"),
        preview_id: text_of(entry, "preview_database_id"),
        migrations: PathBuf::from(migrations.as_deref().unwrap_or(MIGRATIONS_DIR)),
    })
}

fn rate_limit(entry: &Value) -> Option<(u32, u64)> {
    let simple = entry.get("simple")?;
    let limit = u32::try_from(simple.get("limit")?.as_u64()?).ok()?;
    Some((limit, simple.get("period")?.as_u64()?))
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text_of(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

/// A variable as the Worker sees it, if it is a text or a number.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
