//! Where temporary files go: into one folder, removed at the end, or by the next start where this program is killed; in an image that has
//! no place for it, within the working folder. Never puts them elsewhere than the variable `TMPDIR` says.

use super::Verb;
use crate::reference::IN_MEMORY;
use crate::scratch::{Scratch, remove_dead};
use rustix::fs::{Access, access};
use std::env;
use std::path::{Path, PathBuf};

/// From now on temporary files lie in a folder of this process, for as long as the value lives. What earlier ones have left that were
/// killed is removed. `None` for verbs that have no temporary files, and where no folder can be made: who needs one says so.
pub(super) fn settle(verb: &Verb) -> Option<Scratch> {
    let is_needed = matches!(
        verb,
        Verb::Run(_)
            | Verb::Replay(_)
            | Verb::Doctor(_)
            | Verb::Sweep(_)
            | Verb::Up(_)
            | Verb::Teeth(_)
            | Verb::Doubles(_)
            | Verb::Db(_)
    );
    if !is_needed {
        return None;
    }
    let usual = tempfile::env::temp_dir();
    remove_dead(&usual);
    remove_dead(Path::new(IN_MEMORY));
    let here = instead(&usual, env::current_dir().ok());
    let own = Scratch::within(here.as_deref().unwrap_or(&usual)).ok();
    if let Some(folder) = own.as_ref().map(Scratch::path).or(here.as_deref()) {
        // Nobody has settled it before.
        tempfile::env::override_temp_dir(folder).unwrap_or_default();
    }
    own
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
