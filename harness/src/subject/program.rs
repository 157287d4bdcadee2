//! The file of this program as it was when it began: an update that replaces the file meanwhile must not put another program into a run.
//! Never starts it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where Linux keeps open what runs, whatever has become of its name.
const RUNNING: &str = "/proc/self/exe";

/// A file, whatever its name: device and number there. That of a running program is given to no other file.
type Identity = (u64, u64);

static BEGAN: OnceLock<(PathBuf, Option<Identity>)> = OnceLock::new();

fn identity(file: &Path) -> Option<Identity> {
    let there = file.metadata().ok()?;
    Some((there.dev(), there.ino()))
}

/// Notes the file of this program. To be called before anything that lasts.
pub fn note(file: &Path) {
    // Its name may stand for another one already.
    let running = || identity(Path::new(RUNNING)).or_else(|| identity(file));
    BEGAN.get_or_init(|| (file.to_owned(), running()));
}

/// What is to be started in the place of `file`: the program that runs, if it is that one and another lies there by now, or none.
#[must_use]
pub fn as_it_began(file: &Path) -> PathBuf {
    let began = BEGAN.get().filter(|(own, _)| own == file);
    let is_another = began.is_some_and(|(_, own)| own.is_some() && identity(file) != *own);
    let running = Path::new(RUNNING);
    if is_another && running.exists() {
        running.to_owned()
    } else {
        file.to_owned()
    }
}
