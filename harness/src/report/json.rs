//! The report as JSON, written and read back. Never leaves a half-written file.

use super::{Report, SCHEMA_VERSION};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The report as one pretty-printed JSON document with a final line break.
///
/// # Errors
/// When the report cannot be serialised.
pub fn render(report: &Report) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// What a new file allows before the umask takes its part.
const FOR_ALL: u32 = 0o666;

/// Writes a file whole or not at all, making its folder if need be. What is there and is no file, such as `/dev/stdout`, is written to:
/// a file in its place would be a surprise to everybody else who uses it. A link stays one, a file that is there keeps its mode, and
/// a new one has the mode that the umask leaves it.
///
/// # Errors
/// What the file system says.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let there = std::fs::metadata(path);
    if there.as_ref().is_ok_and(|there| !there.is_file()) {
        return std::fs::OpenOptions::new()
            .write(true)
            .open(path)?
            .write_all(bytes);
    }
    let path = &linked(path);
    let folder = folder_of(path)?;
    let mut making = tempfile::Builder::new();
    let mode = Permissions::from_mode(FOR_ALL);
    let mut file = making.permissions(mode).tempfile_in(folder)?;
    if let Ok(there) = there {
        file.as_file().set_permissions(there.permissions())?;
    }
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// As [`write_whole`], for what is nobody else's: only its owner may read it.
///
/// # Errors
/// What the file system says.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder_of(path)?)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The folder of a file, made if it is not there.
fn folder_of(path: &Path) -> io::Result<&Path> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    Ok(folder)
}

/// Where a link leads, whether something is there or not; another path as it is.
fn linked(path: &Path) -> PathBuf {
    let is_link = |path: &Path| {
        path.symlink_metadata()
            .is_ok_and(|there| there.is_symlink())
    };
    if !is_link(path) {
        return path.to_owned();
    }
    path.canonicalize().unwrap_or_else(|_dangling| {
        let beside = path.parent().unwrap_or(Path::new(""));
        std::fs::read_link(path).map_or(path.to_owned(), |to| beside.join(to))
    })
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
        "{path} is no JSON report of moltproof ({}); write one with `moltproof run --report json={path}`",
        moltproof_data::text::quotes_shortened(reason)
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
    // Some editors and shells put a byte order mark before it.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let form: Versioned =
        serde_json::from_slice(bytes).map_err(|error| no_report(error.to_string()))?;
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(&form.schema_version) != major(SCHEMA_VERSION) {
        return Err(no_report(format!(
            "its form is version {}, this program reads {SCHEMA_VERSION}",
            form.schema_version
        )));
    }
    serde_json::from_slice(bytes).map_err(|error| no_report(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("report"), folder.path().join("link"));
        std::fs::write(&file, "before").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("report", &link).unwrap();
        write_whole(&link, b"after").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "after");
        assert_eq!(mode_of(&file), 0o640);
        let dangling = folder.path().join("dangling");
        std::os::unix::fs::symlink("not-yet", &dangling).unwrap();
        write_whole(&dangling, b"new").unwrap();
        assert!(dangling.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(dangling).unwrap(), "new");
    }

    #[test]
    fn a_new_file_has_the_mode_of_any_other_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, other) = (folder.path().join("ours"), folder.path().join("other"));
        write_whole(&ours, b"1").unwrap();
        std::fs::write(&other, "2").unwrap();
        assert_eq!(mode_of(&ours), mode_of(&other));
        let private = folder.path().join("private");
        write_private(&private, b"3").unwrap();
        assert_eq!(mode_of(&private), 0o600);
    }
}
