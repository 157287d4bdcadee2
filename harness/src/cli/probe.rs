//! Whether a file can be written, found out without writing it. Never leaves anything behind.

use std::io::{self, Error, ErrorKind};
use std::path::Path;

/// Tries whether a file could be written at this path, its folder made if need be.
///
/// # Errors
/// What the file system says, or what is in the way.
pub(super) fn can_be_written(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(there) if there.is_dir() => {
            return Err(Error::new(ErrorKind::IsADirectory, "it is a folder"));
        }
        Ok(there) if !there.is_file() => {
            // A device or a pipe: it is written to as it is. One without a reader would wait for one.
            return Ok(());
        }
        Ok(_) | Err(_) => {}
    }
    let folder = path.ancestors().skip(1).find(|folder| folder.exists());
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Error::new(
            ErrorKind::NotADirectory,
            format!("{} is no folder", folder.display()),
        ));
    }
    tempfile::NamedTempFile::new_in(folder)?.close()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_a_folder_yet_to_be_made_can_be_written_and_none_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        can_be_written(&folder.path().join("a/b/report.json")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn neither_a_folder_nor_what_lies_below_a_file_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(can_be_written(folder.path()).is_err());
        assert!(can_be_written(&file.join("report.json")).is_err());
        can_be_written(&file).unwrap();
    }
}
