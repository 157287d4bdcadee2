//! The report as JSON, written and read back. Never leaves a half-written file.

use super::{Report, SCHEMA_VERSION};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::{self, Write};
use std::path::Path;

/// The report as one pretty-printed JSON document with a final line break.
///
/// # Errors
/// When the report cannot be serialised.
pub fn render(report: &Report) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Writes a file whole or not at all, making its folder if need be. What is there and is no file, such as `/dev/stdout`, is written to:
/// a file in its place would be a surprise to everybody else who uses it.
///
/// # Errors
/// What the file system says.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return std::fs::OpenOptions::new()
            .write(true)
            .open(path)?
            .write_all(bytes);
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A file that is not read as a report.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    /// Not readable.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Not a report.
    #[error(
        "{path} is no JSON report of moltproof ({reason}); write one with `moltproof run --report json={path}`"
    )]
    NoReport {
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
}

/// Reads the JSON report at this path, as a whole [`Report`] or as the part of one that is needed.
///
/// # Errors
/// [`NotRead`].
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, NotRead> {
    #[derive(Deserialize)]
    struct Versioned {
        schema_version: String,
    }
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| NotRead::Unreadable {
        path: shown.clone(),
        source,
    })?;
    let no_report = |reason: String| NotRead::NoReport {
        path: shown.clone(),
        reason,
    };
    let form: Versioned =
        serde_json::from_slice(&bytes).map_err(|error| no_report(error.to_string()))?;
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(&form.schema_version) != major(SCHEMA_VERSION) {
        return Err(no_report(format!(
            "its form is version {}, this program reads {SCHEMA_VERSION}",
            form.schema_version
        )));
    }
    serde_json::from_slice(&bytes).map_err(|error| no_report(error.to_string()))
}
