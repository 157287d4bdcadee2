//! What has changed since a revision, as git tells it. Never changes anything in the repository.

use super::Failed;
use crate::source::Source;
use crate::text::FileId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Files of a source that are new or different since a revision, and those that had another text there.
pub(super) struct Since {
    /// New ones and changed ones.
    pub(super) changed: BTreeSet<FileId>,
    /// Changed ones: they were there at the revision with another text.
    pub(super) edited: BTreeMap<FileId, String>,
}

/// Compares the files with their text at a revision.
pub(super) fn since(source: &Source, revision: &str) -> Result<Since, Failed> {
    let mut since = Since {
        changed: BTreeSet::new(),
        edited: BTreeMap::new(),
    };
    let Some(first) = source.files.first() else {
        return Ok(since);
    };
    let folder = first
        .path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let known = git(
        folder,
        &[
            "rev-parse",
            "--verify",
            "--quiet",
            &format!("{revision}^{{commit}}"),
        ],
    )?;
    if known.is_none() {
        return Err(Failed::usage(format!(
            "git knows no revision `{revision}` in {}; is it fetched (actions/checkout: fetch-depth: 0)?",
            folder.display()
        )));
    }
    for (number, file) in source.files.iter().enumerate() {
        let Some(name) = file.path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let folder = file
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        match git(folder, &["show", &format!("{revision}:./{name}")])? {
            None => {
                since.changed.insert(FileId(number));
            }
            Some(before) if before.trim_start_matches('\u{feff}') != &*file.text => {
                since.changed.insert(FileId(number));
                since.edited.insert(FileId(number), before);
            }
            Some(_) => {}
        }
    }
    Ok(since)
}

/// What git prints; none where it says no.
fn git(folder: &Path, arguments: &[&str]) -> Result<Option<String>, Failed> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .map_err(|error| {
            Failed::usage(format!(
                "--since needs git, which cannot be started: {error}"
            ))
        })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(output.status.success().then_some(text))
}
