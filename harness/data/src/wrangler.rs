//! What a Worker's wrangler configuration tells: `wrangler.json`, `wrangler.jsonc`, `wrangler.toml`. Never keeps the value of a variable that may be a secret.

use crate::text::shortened;
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
    /// What each named environment has. Bindings and variables are not inherited, routes and containers are.
    pub environments: BTreeMap<String, Bindings>,
    /// The file that the Worker begins with, relative to the configuration.
    pub main: Option<PathBuf>,
    /// Whether it describes a Pages project, which is no Worker.
    pub is_pages: bool,
}

/// What one environment is bound to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bindings {
    /// D1 databases.
    pub d1: Vec<Database>,
    /// KV namespaces.
    pub kv: Vec<Kept>,
    /// R2 buckets.
    pub r2: Vec<Kept>,
    /// Names of the variables.
    pub variables: BTreeSet<String>,
    /// Names of the secrets that it says it requires.
    pub secrets: BTreeSet<String>,
    /// The values of those in [`READ`] that are plain texts.
    pub values: BTreeMap<String, String>,
    /// Whether there are routes, or a host for `wrangler dev`, of its own or inherited: it puts the first one's host in the place of every `Host`.
    pub routes: bool,
    /// Whether there are containers, which `wrangler dev` builds with Docker.
    pub containers: bool,
    /// Requests and seconds of a rate limit binding.
    pub rate_limit: Option<(u32, u64)>,
}

/// A KV namespace or an R2 bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its binding.
    pub binding: String,
    /// The id or name by which `wrangler dev` and `--local` keep it: the one for previews, else its own, else the binding.
    pub kept_as: String,
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

impl Database {
    /// The id by which `wrangler dev` and `--local` keep it: the one for previews, else its own, else the binding.
    #[must_use]
    pub fn kept_as(&self) -> &str {
        let told = self.preview_id.as_ref().or(self.id.as_ref());
        told.unwrap_or(&self.binding)
    }
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
    let value = object(path)?;
    let environments = value.get("env").and_then(Value::as_object);
    Ok(Wrangler {
        name: text_of(&value, "name"),
        top: bindings(&value, &value),
        environments: environments
            .into_iter()
            .flatten()
            .map(|(name, own)| (name.clone(), bindings(own, &value)))
            .collect(),
        main: text_of(&value, "main").map(PathBuf::from),
        is_pages: value.get("pages_build_output_dir").is_some(),
    })
}

/// The configuration as JSON, without what makes `wrangler dev` put another host in the place of every `Host`:
/// `route`, `routes` and `dev.host`, at the top level and in each environment.
///
/// # Errors
/// [`Unreadable`], with the place.
pub fn without_routes(path: &Path) -> Result<String, Unreadable> {
    let mut value = object(path)?;
    let strip = |value: &mut Value| {
        let Some(entries) = value.as_object_mut() else {
            return;
        };
        entries.remove("route");
        entries.remove("routes");
        if let Some(dev) = entries.get_mut("dev").and_then(Value::as_object_mut) {
            dev.remove("host");
        }
    };
    strip(&mut value);
    let environments = value.get_mut("env").and_then(Value::as_object_mut);
    for (_, own) in environments.into_iter().flatten() {
        strip(own);
    }
    Ok(format!("{value:#}\n"))
}

fn object(path: &Path) -> Result<Value, Unreadable> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Unreadable::File {
        path: shown.clone(),
        source,
    })?;
    let is_toml = path.extension().is_some_and(|ending| ending == "toml");
    let value = if is_toml {
        toml::from_str(&text).map_err(|error| shortened(&error.to_string()))
    } else {
        jsonc_parser::parse_to_serde_value(&text, &ParseOptions::default())
            .map_err(|error| shortened(&error.to_string()))
    };
    let malformed = |reason: String| Unreadable::Malformed {
        path: shown.clone(),
        reason,
    };
    let value: Value = value.map_err(&malformed)?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(malformed("it holds no object".to_owned()))
    }
}

/// What an environment has; `top` is the whole configuration, from which routes and containers are inherited.
fn bindings(value: &Value, top: &Value) -> Bindings {
    let variables = value.get("vars").and_then(Value::as_object);
    let variables = || variables.into_iter().flatten();
    let required = value.get("secrets").and_then(|it| it.get("required"));
    let required = required.and_then(Value::as_array).into_iter().flatten();
    let kept = |key: &str, ids: [&str; 2]| -> Vec<Kept> {
        list(value, key)
            .filter_map(|entry| kept(entry, ids))
            .collect()
    };
    Bindings {
        d1: list(value, "d1_databases").filter_map(database).collect(),
        kv: kept("kv_namespaces", ["preview_id", "id"]),
        r2: kept("r2_buckets", ["preview_bucket_name", "bucket_name"]),
        variables: variables().map(|(name, _)| name.clone()).collect(),
        secrets: required
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
        values: variables()
            .filter(|(name, _)| READ.contains(&name.as_str()))
            .filter_map(|(name, value)| Some((name.clone(), plain(value)?)))
            .collect(),
        routes: has_routes(value, top),
        containers: list(or_inherited(value, top, "containers"), "containers")
            .next()
            .is_some(),
        rate_limit: list(value, "ratelimits").find_map(rate_limit),
    }
}

/// Where a key that is inherited comes from.
fn or_inherited<'a>(value: &'a Value, top: &'a Value, key: &str) -> &'a Value {
    if value.get(key).is_some() { value } else { top }
}

/// Routes of its own come before inherited ones, an empty list of them included.
fn has_routes(value: &Value, top: &Value) -> bool {
    let says = |of: &Value| of.get("route").is_some() || of.get("routes").is_some();
    let from = if says(value) { value } else { top };
    from.get("route").is_some()
        || list(from, "routes").next().is_some()
        || top.get("dev").is_some_and(|dev| dev.get("host").is_some())
}

fn kept(entry: &Value, ids: [&str; 2]) -> Option<Kept> {
    let binding = text_of(entry, "binding")?;
    let told = ids.into_iter().find_map(|key| text_of(entry, key));
    Some(Kept {
        kept_as: told.unwrap_or_else(|| binding.clone()),
        binding,
    })
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

#[cfg(test)]
mod tests {
    use super::without_routes;

    #[test]
    fn what_rewrites_hosts_is_left_out_at_every_level_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wrangler.toml");
        let text = "name = \"x\"\nroutes = [\"a.example/*\"]\n[dev]\nhost = \"a.example\"\nport = 1\n[env.e]\nroute = \"b.example/*\"\nvars = { A = \"1\" }\n";
        std::fs::write(&file, text).unwrap();
        let copy: serde_json::Value =
            serde_json::from_str(&without_routes(&file).unwrap()).unwrap();
        let expected = serde_json::json!({
            "name": "x", "dev": { "port": 1 }, "env": { "e": { "vars": { "A": "1" } } }
        });
        assert_eq!(copy, expected);
    }
}
