//! A file of TOML as it is meant: what it says, with its variables filled in. Never knows what stands in it.

use super::Unusable;
use super::environment::{self, Allowed};
use super::toml_tables;
use moltproof_data::text::shortened;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// What a file says.
pub(super) struct Document<T> {
    /// What stands in it.
    pub(super) content: T,
    /// The folder in which it is.
    pub(super) folder: PathBuf,
    /// The values of its secret keys.
    pub(super) secrets: Vec<String>,
    /// What the user should know of its variables.
    pub(super) notes: Vec<String>,
}

/// Reads a file.
///
/// # Errors
/// [`Unusable`] with the place and what to do.
pub(super) fn read<T: DeserializeOwned + JsonSchema>(
    path: &Path,
    allowed: &Allowed,
) -> Result<Document<T>, Unusable> {
    let shown = path.display().to_string();
    let unreadable = |source| Unusable::Unreadable {
        path: shown.clone(),
        source,
    };
    let malformed = |reason: String| Unusable::Malformed {
        path: shown.clone(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let folder = std::fs::canonicalize(folder).map_err(unreadable)?;
    // Read as it stands first: its errors show the line, which is lost once variables are filled in.
    let mut document: toml::Table =
        toml::from_str(&text).map_err(|error| malformed(shortened(&error.to_string())))?;
    if let Some(reason) = toml_tables::list_for_a_table::<T>(&document) {
        return Err(malformed(reason));
    }
    let mut content: T =
        toml::from_str(&text).map_err(|error| malformed(shortened(&error.to_string())))?;
    let mut resolved = environment::Resolved::default();
    let may_hold_secrets = environment::SECRET_KEYS
        .iter()
        .any(|key| text.contains(key));
    if text.contains("${") || may_hold_secrets {
        resolved = environment::resolve(&mut document, &folder, allowed).map_err(&malformed)?;
        content = document
            .try_into()
            .map_err(|error: toml::de::Error| malformed(shortened(&error.to_string())))?;
    }
    Ok(Document {
        content,
        folder,
        secrets: resolved.secrets,
        notes: resolved.notes,
    })
}
