//! The local state of a D1 database, where `wrangler dev` and `wrangler d1 … --local` keep it. Never starts wrangler.

use super::{Source, Unusable};
use crate::wrangler::{self, Database};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The Durable Object that keeps a local D1 database, as miniflare names it.
const OBJECT: &str = "miniflare-D1DatabaseObject";

/// Where wrangler keeps the state of all resources, below the configuration's folder.
const STATE: &str = ".wrangler/state";

/// A binding in wrangler's configuration.
#[derive(Debug, Clone, Default)]
pub struct Binding {
    /// The binding, or the database's name.
    pub name: String,
    /// The named environment.
    pub environment: Option<String>,
    /// The configuration; looked for in the folder and above it if it is not told.
    pub config: Option<PathBuf>,
    /// The folder that `--persist-to` named.
    pub persist_to: Option<PathBuf>,
}

/// The local state of a binding, looked for from a folder upwards.
///
/// # Errors
/// [`Unusable::Wrangler`] where there is no such binding or no state of it, else as [`super::open`].
pub fn local(binding: &Binding, folder: &Path) -> Result<Source, Unusable> {
    let config = match &binding.config {
        Some(config) => config.clone(),
        None => above(folder).ok_or_else(|| {
            unusable(format!(
                "there is no {} in this folder or above it; name it with --config",
                wrangler::FILE_NAMES.join(", ")
            ))
        })?,
    };
    let database = database(binding, &config)?;
    let beside = config.parent().unwrap_or(Path::new(""));
    let state = binding
        .persist_to
        .clone()
        .unwrap_or_else(|| beside.join(STATE));
    let objects = state.join("v3/d1").join(OBJECT);
    let file = state_file(&objects, &database).ok_or_else(|| {
        unusable(format!(
            "`{}` has no local state in {}; make it with `wrangler d1 migrations apply {} --local`, or judge its migrations: {}",
            binding.name,
            objects.display(),
            binding.name,
            beside.join(&database.migrations).display()
        ))
    })?;
    let mut source = super::open(&file)?;
    source.shown = format!("{} (local, {})", database.binding, file.display());
    Ok(source)
}

/// The configuration in a folder or above it.
fn above(folder: &Path) -> Option<PathBuf> {
    let from = std::path::absolute(folder).ok()?;
    let found = from.ancestors().find_map(wrangler::find)?;
    let below = std::env::current_dir().ok();
    let short = below.and_then(|here| Some(found.strip_prefix(here).ok()?.to_owned()));
    Some(short.unwrap_or(found))
}

fn database(binding: &Binding, config: &Path) -> Result<Database, Unusable> {
    let read = wrangler::read(config).map_err(|error| unusable(error.to_string()))?;
    let bindings = match &binding.environment {
        None => &read.top,
        Some(name) => read.environments.get(name).ok_or_else(|| {
            let known: Vec<&str> = read.environments.keys().map(String::as_str).collect();
            unusable(format!(
                "{} has no environment `{name}`; {}",
                config.display(),
                names("environments", &known)
            ))
        })?,
    };
    let is_meant = |database: &&Database| {
        database.binding == binding.name || database.name.as_ref() == Some(&binding.name)
    };
    bindings.d1.iter().find(is_meant).cloned().ok_or_else(|| {
        let known: Vec<&str> = bindings
            .d1
            .iter()
            .map(|database| database.binding.as_str())
            .collect();
        unusable(format!(
            "{} has no D1 binding `{}`; {}",
            config.display(),
            binding.name,
            names("D1 bindings", &known)
        ))
    })
}

fn names(what: &str, known: &[&str]) -> String {
    if known.is_empty() {
        format!("it has no {what} at all")
    } else {
        format!("its {what} are {}", known.join(", "))
    }
}

/// The file by miniflare's name for it; if it is not there, the only one that is.
fn state_file(objects: &Path, database: &Database) -> Option<PathBuf> {
    let named = objects.join(format!("{}.sqlite", object_id(database.kept_as())));
    if named.is_file() {
        return Some(named);
    }
    let files = std::fs::read_dir(objects)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()));
    let is_state = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ending == "sqlite")
            && path.file_stem().is_some_and(|name| name != "metadata")
    };
    let mut files: Vec<PathBuf> = files.filter(is_state).collect();
    files.pop().filter(|_only| files.is_empty())
}

/// The id of a Durable Object by its name, as miniflare makes it: two HMACs of 16 bytes each, keyed by the hash of the class's unique key.
fn object_id(name: &str) -> String {
    let key = digest(&SHA256, OBJECT.as_bytes());
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
    let by_name = hmac::sign(&key, name.as_bytes());
    let check = hmac::sign(&key, &by_name.as_ref()[..16]);
    let bytes = by_name.as_ref()[..16].iter().chain(&check.as_ref()[..16]);
    bytes.fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn unusable(reason: String) -> Unusable {
    Unusable::Wrangler { reason }
}

#[cfg(test)]
mod tests {
    use super::{Binding, local, object_id};
    use std::fs;
    use std::path::Path;

    /// The file that wrangler 4 made for `database_id = "x"`.
    const SEEN: &str = "626099bb8ad5d5fdd646fd899e10b99f624ee818ca97364b0088721d9278affe";

    fn state(folder: &Path, name: &str, table: &str) {
        let objects = folder.join(".wrangler/state/v3/d1").join(super::OBJECT);
        fs::create_dir_all(&objects).unwrap();
        let connection =
            rusqlite::Connection::open(objects.join(format!("{name}.sqlite"))).unwrap();
        connection
            .execute_batch(&format!("CREATE TABLE {table} (b)"))
            .unwrap();
    }

    fn binding(name: &str) -> Binding {
        Binding {
            name: name.to_owned(),
            ..Binding::default()
        }
    }

    #[test]
    fn the_state_of_a_binding_is_found_by_the_name_that_miniflare_gives_it() {
        assert_eq!(object_id("x"), SEEN);
        let place = tempfile::tempdir().unwrap();
        let config = r#"{ "d1_databases": [
            // two of them
            { "binding": "DB", "database_name": "app", "database_id": "x" },
            { "binding": "LOGS", "database_id": "y", "preview_database_id": "z" } ] }"#;
        fs::write(place.path().join("wrangler.jsonc"), config).unwrap();
        state(place.path(), SEEN, "by_id");
        state(place.path(), &object_id("z"), "by_preview");
        state(place.path(), "metadata", "alarms");
        let below = place.path().join("src");
        fs::create_dir(&below).unwrap();
        for (name, table) in [("DB", "by_id"), ("app", "by_id"), ("LOGS", "by_preview")] {
            let source = local(&binding(name), &below).unwrap();
            assert!(source.files[0].text.contains(table), "{name}");
        }
    }

    #[test]
    fn a_binding_without_an_id_is_found_by_its_own_name() {
        let place = tempfile::tempdir().unwrap();
        let config = "[env.staging]\n[[env.staging.d1_databases]]\nbinding = \"DB\"\n";
        fs::write(place.path().join("wrangler.toml"), config).unwrap();
        state(place.path(), &object_id("DB"), "own");
        state(place.path(), "other", "other");
        let staging = Binding {
            environment: Some("staging".to_owned()),
            ..binding("DB")
        };
        let source = local(&staging, place.path()).unwrap();
        assert!(source.files[0].text.contains("own"));
    }

    #[test]
    fn what_is_missing_is_said_with_what_there_is() {
        let place = tempfile::tempdir().unwrap();
        let said = |binding: &Binding| local(binding, place.path()).unwrap_err().to_string();
        let config = r#"{ "d1_databases": [{ "binding": "DB", "database_id": "x" }] }"#;
        fs::write(place.path().join("wrangler.json"), config).unwrap();
        assert!(said(&binding("DATA")).contains("its D1 bindings are DB"));
        assert!(said(&binding("DB")).contains("wrangler d1 migrations apply DB --local"));
        let staging = Binding {
            environment: Some("staging".to_owned()),
            ..binding("DB")
        };
        assert!(said(&staging).contains("has no environments at all"));
    }
}
