//! An R2 bucket that is a directory. Never writes but the object that it is told to.

use super::{Bucket, CannotObserve};
use async_trait::async_trait;
use std::io;
use std::path::{Path, PathBuf};

/// Where such a bucket keeps what is still being written: no object yet.
const UNFINISHED: &str = ".unfinished";

/// The directory of a bucket; an object's key is its relative path.
#[derive(Debug, Clone)]
pub struct BucketDir {
    root: PathBuf,
}

impl BucketDir {
    /// Looks into this directory.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

fn cannot(error: &io::Error) -> CannotObserve {
    CannotObserve {
        what: "R2",
        why: error.to_string(),
    }
}

fn walk(root: &Path, folder: &Path, keys: &mut Vec<String>) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        // Its objects were deleted after it was seen.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if path == root.join(UNFINISHED) {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, keys)?;
        } else if let Ok(key) = path.strip_prefix(root) {
            keys.push(key.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}

#[async_trait]
impl Bucket for BucketDir {
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve> {
        let mut keys = Vec::new();
        if self.root.is_dir() {
            walk(&self.root, &self.root, &mut keys).map_err(|error| cannot(&error))?;
        }
        keys.retain(|key| key.starts_with(prefix));
        keys.sort();
        Ok(keys)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CannotObserve> {
        match std::fs::read(self.root.join(key)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot(&error)),
        }
    }

    async fn put(&self, key: &str, bytes: &[u8]) -> Result<(), CannotObserve> {
        let file = self.root.join(key);
        let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        folder
            .and_then(|()| std::fs::write(&file, bytes))
            .map_err(|error| cannot(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_file_is_an_object_but_those_not_finished() {
        let root = tempfile::tempdir().unwrap();
        for key in ["sk-a/x/y", "sk-a/z", ".unfinished/1", ".other", "stray"] {
            let path = root.path().join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, key).unwrap();
        }
        let bucket = BucketDir::new(root.path().to_owned());
        assert_eq!(
            bucket.keys("").await.unwrap(),
            [".other", "sk-a/x/y", "sk-a/z", "stray"]
        );
        assert_eq!(bucket.keys("sk-a/x").await.unwrap(), ["sk-a/x/y"]);
        assert_eq!(bucket.get("stray").await.unwrap().unwrap(), b"stray");
        assert!(bucket.get("gone").await.unwrap().is_none());
        bucket.put("sk-b/new/one", b"kept").await.unwrap();
        assert_eq!(bucket.get("sk-b/new/one").await.unwrap().unwrap(), b"kept");
    }
}
