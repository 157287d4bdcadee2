//! Where temporary files go in an image that has no folder for them. Never puts them elsewhere than the variable `TMPDIR` says.

use rustix::fs::{Access, access};
use std::env;
use std::path::{Path, PathBuf};

/// From now on temporary files lie in the working folder if the usual one is missing, or cannot be written, and nobody has named another.
pub(super) fn settle() {
    let usual = tempfile::env::temp_dir();
    if let Some(here) = instead(&usual, env::current_dir().ok()) {
        // Where somebody has settled it before, it is settled.
        drop(tempfile::env::override_temp_dir(&here));
    }
}

/// The working folder, where it can take what the usual folder cannot.
fn instead(usual: &Path, here: Option<PathBuf>) -> Option<PathBuf> {
    let can_write = |folder: &Path| access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    let is_free = env::var_os("TMPDIR").is_none() && !can_write(usual);
    here.filter(|here| is_free && can_write(here))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_for_temporary_files_that_is_missing_is_replaced_by_the_working_folder() {
        let there = tempfile::tempdir().unwrap();
        let here = there.path().to_owned();
        let missing = there.path().join("none");
        if env::var_os("TMPDIR").is_none() {
            assert_eq!(instead(&missing, Some(here.clone())), Some(here.clone()));
        }
        assert_eq!(instead(&missing, Some(missing.clone())), None);
        assert_eq!(instead(&here, Some(here.clone())), None);
    }
}
