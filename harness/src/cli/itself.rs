//! Where this program lies: what is started in a process of its own. Never starts it.

use super::Failure;
use crate::subject::program::note;
use std::path::{Path, PathBuf};
use std::{env, io};

/// The file of this program. From here on what is started of it is this program, even where another takes its place.
pub(super) fn program() -> Result<PathBuf, Failure> {
    let file = found()?;
    note(&file);
    Ok(file)
}

fn found() -> Result<PathBuf, Failure> {
    env::current_exe().or_else(|error| {
        // The system tells it by /proc, which an image with nothing in it need not have.
        let named = env::args_os().next().map(PathBuf::from);
        let found = named.and_then(|named| as_called(&named).ok().flatten());
        found.ok_or_else(|| Failure::fault(format!("cannot find this program: {error}")))
    })
}

/// The file that a shell would have started by this name.
fn as_called(named: &Path) -> io::Result<Option<PathBuf>> {
    if named.components().count() > 1 {
        return std::path::absolute(named).map(|file| file.is_file().then_some(file));
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    let mut files = env::split_paths(&folders).map(|folder| folder.join(named));
    files
        .find(|file| file.is_file())
        .map(std::path::absolute)
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_folder_is_looked_for_there_and_nowhere_else() {
        assert_eq!(
            as_called(Path::new("./Cargo.toml")).unwrap(),
            Some(env::current_dir().unwrap().join("Cargo.toml"))
        );
        assert_eq!(as_called(Path::new("./sh")).unwrap(), None);
    }

    #[test]
    fn a_bare_name_is_looked_for_in_the_folders_of_programs() {
        let found = as_called(Path::new("sh")).unwrap();
        assert!(found.is_some_and(|file| file.is_absolute() && file.ends_with("sh")));
        assert_eq!(as_called(Path::new("no-such-program")).unwrap(), None);
    }
}
