//! Folders for temporary files that tell whether their owner is still there, and the removal of those whose owner is dead.
//! Never touches a folder that carries no such mark, or one whose owner lives.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use tempfile::TempDir;

/// How such a folder's name begins.
const PREFIX: &str = "moltproof-";
/// The file in it that its owner holds locked. The system lets go of the lock when the owner dies, however it dies.
const MARK: &str = ".owner";
/// A folder that another process takes for a dead one's before it is marked is made again, so often at most.
const TRIES: usize = 3;

/// A folder of this process, removed with the value; by the next start of the program if this one is killed.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
    _mark: Option<File>,
}

impl Scratch {
    /// Makes one where temporary files go.
    pub(crate) fn new() -> io::Result<Self> {
        Self::within(&tempfile::env::temp_dir())
    }

    /// Makes one in this folder.
    pub(crate) fn within(place: &Path) -> io::Result<Self> {
        let mut tries = 0..TRIES;
        loop {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place)?;
            tries.next();
            let mark = File::create(folder.path().join(MARK));
            let locked = mark.as_ref().is_ok_and(try_lock);
            if locked && is_there(mark.as_ref().ok(), folder.path()) || tries.is_empty() {
                // Where files cannot be locked nobody takes it for a dead one's either.
                return Ok(Self {
                    folder,
                    _mark: mark.ok(),
                });
            }
        }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn try_lock(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Whether the mark in the folder is this file still.
fn is_there(mark: Option<&File>, folder: &Path) -> bool {
    let own = mark.and_then(|mark| mark.metadata().ok());
    let there = folder.join(MARK).metadata().ok();
    own.zip(there)
        .is_some_and(|(own, there)| own.ino() == there.ino() && own.dev() == there.dev())
}

/// Removes the folders in this place that processes of this user have left which are dead. What cannot be removed stays for the next time.
pub(crate) fn remove_dead(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else {
        return;
    };
    let own = rustix::process::geteuid().as_raw();
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let is_one = name.to_string_lossy().starts_with(PREFIX)
            && entry
                .metadata()
                .is_ok_and(|found| found.is_dir() && found.uid() == own);
        if is_one {
            remove_if_dead(&entry.path()).unwrap_or_default();
        }
    }
}

/// Removes this folder if nobody holds its mark.
fn remove_if_dead(folder: &Path) -> io::Result<()> {
    let path = folder.join(MARK);
    if !path.symlink_metadata()?.is_file() {
        return Ok(());
    }
    let mark = File::open(&path)?;
    if !try_lock(&mark) || !is_there(Some(&mark), folder) {
        return Ok(());
    }
    // The mark goes last: without it nobody would ever look at the rest again.
    let rest = |entry: &std::fs::DirEntry| entry.file_name() != MARK;
    for entry in std::fs::read_dir(folder)?
        .filter_map(Result::ok)
        .filter(rest)
    {
        remove(&entry.path())?;
    }
    std::fs::remove_file(&path)?;
    std::fs::remove_dir(folder).inspect_err(|_not_empty| {
        // Somebody whom the dead one had started is writing still.
        drop(File::create(&path));
    })
}

fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn left_by_a_dead_one(place: &Path) -> PathBuf {
        let folder = place.join("moltproof-dead");
        std::fs::create_dir_all(folder.join("production/r2")).unwrap();
        std::fs::write(folder.join("production/d1.sqlite"), "rows").unwrap();
        std::fs::write(folder.join(MARK), "").unwrap();
        folder
    }

    #[test]
    fn what_a_dead_process_has_left_is_removed_whole() {
        let place = tempfile::tempdir().unwrap();
        let dead = left_by_a_dead_one(place.path());
        remove_dead(place.path());
        assert!(!dead.exists());
    }

    #[test]
    fn what_a_living_process_uses_stays() {
        let place = tempfile::tempdir().unwrap();
        let living = Scratch::within(place.path()).unwrap();
        std::fs::write(living.path().join("d1.sqlite"), "rows").unwrap();
        let dead = left_by_a_dead_one(place.path());
        remove_dead(place.path());
        assert!(living.path().join("d1.sqlite").exists());
        assert!(!dead.exists(), "the control");
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_without_the_mark_and_one_of_another_name_stay() {
        let place = tempfile::tempdir().unwrap();
        let (unmarked, other) = (place.path().join("moltproof-mine"), place.path().join("x"));
        std::fs::create_dir(&unmarked).unwrap();
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join(MARK), "").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::write(elsewhere.path().join(MARK), "").unwrap();
        let link = place.path().join("moltproof-link");
        std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();
        remove_dead(place.path());
        assert!(unmarked.exists() && other.exists());
        assert!(link.exists() && elsewhere.path().join(MARK).exists());
    }

    #[test]
    fn links_in_a_dead_ones_folder_are_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let precious = tempfile::tempdir().unwrap();
        std::fs::write(precious.path().join("file"), "kept").unwrap();
        let dead = left_by_a_dead_one(place.path());
        std::os::unix::fs::symlink(precious.path(), dead.join("link")).unwrap();
        remove_dead(place.path());
        assert!(!dead.exists());
        assert!(precious.path().join("file").exists());
    }
}
