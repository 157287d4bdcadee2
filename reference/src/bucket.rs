//! R2 as a directory: the object `<sandbox_id>/<key>` is the file of that path. Never reads or writes outside of its directory.

use crate::domain::sandbox_id::SandboxId;
use crate::ports::{SandboxBucket, StoreError};
use async_trait::async_trait;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};
use uuid::Uuid;

/// R2's longest key, in bytes (Cloudflare's documentation), and the longest file name of common file systems.
const KEY_BYTES_MAX: usize = 1_024;
const SEGMENT_BYTES_MAX: usize = 255;

/// Where objects are written before they get their name. A sandbox id starts with `sk-`, so none can be called this.
const UNFINISHED: &str = ".unfinished";

/// A bucket whose objects are files at `<sandbox_id>/<key>`.
///
/// Unlike in R2, a key cannot be another key's folder: with `a` stored, `a/b` is refused by the file system.
#[derive(Debug, Clone)]
pub struct DirectoryBucket {
    root: PathBuf,
}

/// A key that could mean a path elsewhere, or none at all. It reaches the caller as the source of [`StoreError::Unavailable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key of this bucket")]
pub struct UnsafeKey;

impl DirectoryBucket {
    /// Opens the directory, creating it if need be.
    ///
    /// # Errors
    /// If the directory cannot be created or written to.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let unfinished = dir.join(UNFINISHED);
        // What a killed process left unfinished is nobody's object.
        match fs::remove_dir_all(&unfinished) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        fs::create_dir_all(unfinished)?;
        Ok(Self {
            root: dir.to_owned(),
        })
    }

    fn object(&self, sandbox: SandboxId, key: &str) -> Result<PathBuf, StoreError> {
        let key =
            safe_path(key).map_err(|unsafe_key| StoreError::Unavailable(Box::new(unsafe_key)))?;
        Ok(self.root.join(sandbox.as_str()).join(key))
    }
}

#[async_trait]
impl SandboxBucket for DirectoryBucket {
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let object = self.object(sandbox, key)?;
        blocking(move || if_found(fs::read(object))).await
    }

    async fn put(&self, sandbox: SandboxId, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let object = self.object(sandbox, key)?;
        let unfinished = self.root.join(UNFINISHED).join(Uuid::new_v4().to_string());
        let bytes = bytes.to_owned();
        blocking(move || {
            let written = write_whole(&unfinished, &object, &bytes);
            if written.is_err() {
                // It may be there or not; the failure that matters is the first one.
                drop(fs::remove_file(&unfinished));
            }
            written
        })
        .await
    }

    async fn clear(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        let folder = self.root.join(sandbox.as_str());
        blocking(move || if_found(fs::remove_dir_all(folder)).map(|_found| ())).await
    }
}

/// The key as a relative path below the sandbox's folder.
fn safe_path(key: &str) -> Result<&Path, UnsafeKey> {
    let is_safe = key.len() <= KEY_BYTES_MAX && key.split('/').all(is_safe_segment);
    // The second condition is the operating system's own view of what the first one let through.
    let path = Path::new(key);
    let stays_below = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if is_safe && stays_below {
        Ok(path)
    } else {
        Err(UnsafeKey)
    }
}

/// Backslash and colon are separators of other systems; control characters include NUL.
fn is_safe_segment(segment: &str) -> bool {
    !segment.is_empty()
        && segment.len() <= SEGMENT_BYTES_MAX
        && segment != "."
        && segment != ".."
        && !segment.contains(|c: char| c.is_control() || c == '\\' || c == ':')
}

/// After this the object is there as a whole and stays after a power cut; before it, the former object is.
fn write_whole(unfinished: &Path, object: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    let folder = object.parent().unwrap_or(object);
    fs::create_dir_all(folder)?;
    fs::rename(unfinished, object)?;
    File::open(folder)?.sync_all()
}

fn if_found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        // `IsADirectory` and `NotADirectory`: the key is a folder of other keys, or below another key. There is no such object.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StoreError::Unavailable(Box::new(error)))?
        .map_err(|error| StoreError::Unavailable(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tenant::TenantId;
    use proptest::prelude::*;

    fn sandbox() -> SandboxId {
        SandboxId::derive(&TenantId::random())
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    }

    #[tokio::test]
    async fn an_object_is_the_file_below_its_sandbox_id() {
        let dir = tempfile::tempdir().unwrap();
        let bucket = DirectoryBucket::open(dir.path()).unwrap();
        let sandbox = sandbox();
        assert_eq!(
            bucket.get(sandbox, "gateway/state.json").await.unwrap(),
            None
        );
        bucket
            .put(sandbox, "gateway/state.json", b"1")
            .await
            .unwrap();
        bucket
            .put(sandbox, "gateway/state.json", b"22")
            .await
            .unwrap();
        let file = dir.path().join(sandbox.as_str()).join("gateway/state.json");
        assert_eq!(fs::read(file).unwrap(), b"22");
        assert_eq!(
            bucket
                .get(sandbox, "gateway/state.json")
                .await
                .unwrap()
                .unwrap(),
            b"22"
        );
        assert_eq!(
            bucket.get(sandbox, "gateway").await.unwrap(),
            None,
            "a folder is no object"
        );
        assert_eq!(
            fs::read_dir(dir.path().join(UNFINISHED)).unwrap().count(),
            0
        );
    }

    #[tokio::test]
    async fn clearing_removes_one_sandboxs_objects_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let bucket = DirectoryBucket::open(dir.path()).unwrap();
        let (cleared, kept) = (sandbox(), sandbox());
        bucket.put(cleared, "a/b", b"1").await.unwrap();
        bucket.put(kept, "a/b", b"2").await.unwrap();
        bucket.clear(cleared).await.unwrap();
        bucket.clear(cleared).await.unwrap();
        assert_eq!(bucket.get(cleared, "a/b").await.unwrap(), None);
        assert_eq!(bucket.get(kept, "a/b").await.unwrap().unwrap(), b"2");
    }

    #[test]
    fn keys_that_could_leave_the_sandbox_are_refused() {
        assert_eq!(
            safe_path("gateway/state.json"),
            Ok(Path::new("gateway/state.json"))
        );
        let long = "a".repeat(256);
        for key in [
            "",
            "/etc/passwd",
            "..",
            "a/../../b",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            "a\\..\\b",
            "C:a",
            "a\nb",
            &long,
        ] {
            assert_eq!(safe_path(key), Err(UnsafeKey), "{key:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_the_key_is_nothing_appears_outside_of_the_sandboxs_folder(
            key in prop_oneof![r"[./a\\\x00:~]{0,12}", r"(\.\./){1,4}[a-z]{1,3}", "(?s).{0,30}"],
        ) {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("bucket");
            let bucket = DirectoryBucket::open(&root).unwrap();
            let sandbox = sandbox();
            let stored = runtime().block_on(bucket.put(sandbox, &key, b"x")).is_ok();
            let names = |dir: &Path| -> Vec<String> {
                let mut names: Vec<_> = fs::read_dir(dir).unwrap()
                    .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                    .collect();
                names.sort();
                names
            };
            prop_assert_eq!(names(dir.path()), ["bucket"]);
            let mut expected = vec![UNFINISHED.to_owned()];
            if stored {
                expected.push(sandbox.to_string());
                prop_assert_eq!(runtime().block_on(bucket.get(sandbox, &key)).unwrap().unwrap(), b"x");
            }
            prop_assert_eq!(names(&root), expected);
        }
    }
}
