//! The folder in which doubles that run alone keep what must not change between two starts.
//!
//! It never lets anybody but its owner read the keys, and never serves two programs at once.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{access::KeptTeam, tls::write_private};

const FILE: &str = "doubles.json";
const LOCK: &str = "in-use";

/// Everything that is kept.
#[derive(Clone, Serialize, Deserialize)]
pub struct Kept {
    /// What a backend takes as `CLOUDFLARE_AI_GATEWAY_API_KEY`.
    pub ai_gateway_key: String,
    /// The team domain.
    pub team: KeptTeam,
}

/// Why a folder cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another program serves from it.
    #[error(
        "another `moltproof doubles` runs on the state in {0}; end it, or give --state another folder"
    )]
    InUse(PathBuf),
    /// Nothing was ever kept there.
    #[error(
        "there are no keys in {0}; start `moltproof doubles` with this --state first, it makes them"
    )]
    Empty(PathBuf),
    /// Not what we wrote.
    #[error("{path} is not readable; without it `moltproof doubles` makes new keys")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The file system refuses.
    #[error("cannot use {path}")]
    File {
        /// File or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A folder that this program has for itself.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    /// Held until the program ends.
    _lock: File,
}

impl StateFolder {
    /// Makes the folder if need be, and takes it.
    ///
    /// # Errors
    /// When another program has it, or the file system refuses.
    pub fn take(path: &Path) -> Result<Self, StateError> {
        let failed = |source: io::Error| StateError::File {
            path: path.to_owned(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        let path = fs::canonicalize(path).map_err(failed)?;
        let lock = File::create(path.join(LOCK)).map_err(failed)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StateError::InUse(path)),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What an earlier start kept.
    ///
    /// # Errors
    /// When the file is there and is not readable.
    pub fn kept(&self) -> Result<Option<Kept>, StateError> {
        match read(&self.path) {
            Ok(kept) => Ok(Some(kept)),
            Err(StateError::Empty(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Keeps what is given in a folder, in one step.
///
/// # Errors
/// When the file cannot be written.
pub fn keep(folder: &Path, kept: &Kept) -> io::Result<()> {
    let text = serde_json::to_string_pretty(kept)?;
    write_private(&folder.join(FILE), &text)
}

/// What a folder keeps, whoever has it.
///
/// # Errors
/// [`StateError::Empty`] when there is nothing; else when it is not readable.
pub fn read(folder: &Path) -> Result<Kept, StateError> {
    let path = folder.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StateError::Empty(folder.to_owned()));
        }
        Err(source) => return Err(StateError::File { path, source }),
    };
    serde_json::from_str(&text).map_err(|source| StateError::Malformed { path, source })
}
