//! Backends that keep a sandbox's state where another sandbox's is, or clear too much or too little. Never leaves the bucket's folder.

use crate::reference::altered::Parts;
use crate::reference::deviants::directory::Directory;
use crate::reference::deviants::stores::with_bucket;
use crate::reference::deviants::{Draft, deviant, held};
use crate::tamper::{Ask, Tamper, Told, Unanswered, Upstream};
use async_trait::async_trait;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::ports::{
    GatewayStatus, SandboxBucket, SandboxKv, SandboxRuntime, StoreError,
};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) fn all() -> Vec<Draft> {
    let mut all = placed();
    all.extend(cleared());
    all
}

/// Objects lie where `place` says, below the bucket's folder.
fn places(id: &'static str, breaks: &'static str, place: fn(&str, &str) -> String) -> Draft {
    deviant(id, breaks, &["ISO-004"]).parts(move |parts| {
        if let Some(root) = parts.config.moltbot_bucket.clone() {
            with_bucket(parts, |_inner| {
                let place = move |sandbox: SandboxId, key: &str| place(sandbox.as_str(), key);
                Arc::new(Elsewhere { root, place })
            });
        }
    })
}

fn placed() -> Vec<Draft> {
    vec![
        places(
            "one-bucket-without-prefixes",
            "All sandboxes keep their objects side by side in the bucket, without prefix",
            |_sandbox, key| key.to_owned(),
        ),
        places(
            "objects-below-a-common-prefix",
            "Objects of a sandbox lie below `sandboxes/` and its id",
            |sandbox, key| format!("sandboxes/{sandbox}/{key}"),
        ),
        places(
            "prefix-without-a-slash",
            "No slash parts a sandbox id from the key of its object",
            |sandbox, key| format!("{sandbox}{key}"),
        ),
        places(
            "prefix-in-upper-case",
            "Objects of a sandbox lie below its id in upper case",
            |sandbox, key| format!("{}/{key}", sandbox.to_ascii_uppercase()),
        ),
        places(
            "prefix-cut-short",
            "Objects of a sandbox lie below the first four digits of its id",
            |sandbox, key| format!("{}/{key}", &sandbox[..7]),
        ),
        deviant(
            "objects-below-the-slug",
            "Objects of a sandbox lie below its tenant's slug",
            &["ISO-004"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            if let Some(root) = parts.config.moltbot_bucket.clone() {
                with_bucket(parts, |_inner| {
                    let place = move |sandbox: SandboxId, key: &str| {
                        let known = directory.find(sandbox.as_str());
                        let slug = known.map_or(sandbox.to_string(), |known| known.slug);
                        format!("{slug}/{key}")
                    };
                    Arc::new(Elsewhere { root, place })
                });
            }
        }),
        deviant(
            "chats-wake-the-sandbox-that-they-name",
            "A chat whose body names a sandbox starts that one's gateway as well",
            &["ISO-004", "ISO-001"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            if let Some(runtime) = parts.ports.runtime.clone() {
                parts.caller = Some(Arc::new(WakesAnother { directory, runtime }));
            }
        }),
        deviant(
            "gateway-entry-without-prefix",
            "A started gateway is entered in the registry's namespace outside its sandbox's prefix",
            &["ISO-004"],
        )
        .parts(|parts| entered(parts, |sandbox| format!("gateway:{sandbox}"))),
        deviant(
            "last-gateway-entered-for-everybody",
            "A started gateway leaves a second copy of its state outside of any sandbox",
            &["ISO-004"],
        )
        .parts(|parts| {
            if let Some(root) = parts.config.moltbot_bucket.clone() {
                with_bucket(parts, |inner| Arc::new(Copied { inner, root }));
            }
        }),
    ]
}

struct WakesAnother {
    directory: Directory,
    runtime: Arc<dyn SandboxRuntime>,
}

#[async_trait]
impl Tamper for WakesAnother {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let body = ask.json();
        let named = body["sandbox_id"].as_str();
        if let Some(other) = named.and_then(|named| self.directory.find(named)) {
            // Whether it starts is nothing that the caller is told.
            drop(self.runtime.start(SandboxId::derive(&other.id)).await);
        }
        upstream.send(&ask).await
    }
}

struct Elsewhere<P> {
    root: PathBuf,
    place: P,
}

impl<P: Fn(SandboxId, &str) -> String> Elsewhere<P> {
    fn file(&self, sandbox: SandboxId, key: &str) -> PathBuf {
        self.root.join((self.place)(sandbox, key))
    }
}

fn failed(error: io::Error) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

#[async_trait]
impl<P: Fn(SandboxId, &str) -> String + Send + Sync> SandboxBucket for Elsewhere<P> {
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(self.file(sandbox, key)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn put(&self, sandbox: SandboxId, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let file = self.file(sandbox, key);
        let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
        folder.and_then(|()| fs::write(file, bytes)).map_err(failed)
    }

    async fn clear(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        // What is kept is one object; others are not listed here.
        match fs::remove_file(self.file(sandbox, "gateway/state.json")) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// A started gateway is entered in KV under a key of its own.
fn entered(parts: &mut Parts, key: fn(SandboxId) -> String) {
    let kv = parts.config.tenant_kv.clone();
    if let (Some(inner), Some(kv)) = (parts.ports.runtime.take(), kv) {
        parts.ports.runtime = Some(Arc::new(Entered { inner, kv, key }));
    }
}

struct Entered {
    inner: Arc<dyn SandboxRuntime>,
    kv: PathBuf,
    key: fn(SandboxId) -> String,
}

#[async_trait]
impl SandboxRuntime for Entered {
    async fn start(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        let status = self.inner.start(sandbox).await?;
        let entered = Connection::open(&self.kv).and_then(|kv| {
            kv.execute(
                "INSERT OR REPLACE INTO kv (key, value) VALUES (?1, 'running')",
                params![(self.key)(sandbox)],
            )
        });
        entered.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(status)
    }

    async fn status(&self, sandbox: SandboxId) -> Result<GatewayStatus, StoreError> {
        self.inner.status(sandbox).await
    }

    async fn destroy(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        self.inner.destroy(sandbox).await
    }
}

struct Copied {
    inner: Arc<dyn SandboxBucket>,
    root: PathBuf,
}

#[async_trait]
impl SandboxBucket for Copied {
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(sandbox, key).await
    }

    async fn put(&self, sandbox: SandboxId, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let copied = fs::write(self.root.join("latest.json"), bytes);
        copied.map_err(failed)?;
        self.inner.put(sandbox, key, bytes).await
    }

    async fn clear(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        self.inner.clear(sandbox).await
    }
}

fn cleared() -> Vec<Draft> {
    vec![
        deviant(
            "deletion-leaves-the-objects",
            "Deleting a tenant leaves its objects in the bucket",
            &["ISO-003", "ISO-004"],
        )
        .parts(|parts| {
            with_bucket(parts, |inner| Arc::new(Cleared { inner, all: None }));
        }),
        deviant(
            "deletion-keeps-a-copy",
            "Deleting a tenant keeps a copy of what its sandbox had beside all sandboxes",
            &["ISO-004"],
        )
        .parts(|parts| {
            if let Some(root) = parts.config.moltbot_bucket.clone() {
                with_bucket(parts, |inner| Arc::new(KeepsACopy { inner, root }));
            }
        }),
        deviant(
            "deletion-clears-one-page-of-objects",
            "Deleting a tenant takes away the first 1,000 of its objects, as many as a listing gives at once",
            &["ISO-003"],
        )
        .parts(|parts| {
            if let Some(root) = parts.config.moltbot_bucket.clone() {
                let cleared = Mutex::default();
                with_bucket(parts, |inner| Arc::new(OnePage { inner, root, cleared }));
            }
        }),
        deviant(
            "deletion-clears-the-bucket",
            "Deleting a tenant takes every object out of the bucket",
            &["ISO-003", "ISO-004"],
        )
        .parts(|parts| {
            let all = parts.config.moltbot_bucket.clone();
            with_bucket(parts, |inner| Arc::new(Cleared { inner, all }));
        }),
        deviant(
            "deletion-leaves-the-entries",
            "A started gateway is entered below its sandbox id in KV, and deleting the tenant leaves that",
            &["ISO-003", "ISO-004"],
        )
        .parts(|parts| {
            entered(parts, |sandbox| format!("{sandbox}/gateway"));
            entries(parts, false);
        }),
        deviant(
            "deletion-clears-every-sandbox-s-entries",
            "Deleting a tenant takes the KV entries of all sandboxes away",
            &["ISO-003", "ISO-004"],
        )
        .parts(|parts| entries(parts, true)),
    ]
}

/// Clearing a sandbox clears nothing, or all of the bucket.
struct Cleared {
    inner: Arc<dyn SandboxBucket>,
    all: Option<PathBuf>,
}

#[async_trait]
impl SandboxBucket for Cleared {
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(sandbox, key).await
    }

    async fn put(&self, sandbox: SandboxId, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.put(sandbox, key, bytes).await
    }

    async fn clear(&self, _sandbox: SandboxId) -> Result<(), StoreError> {
        let Some(root) = &self.all else {
            return Ok(());
        };
        for entry in fs::read_dir(root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_string_lossy().starts_with("sk-") {
                // Another deletion may have been quicker.
                drop(fs::remove_dir_all(entry.path()));
            }
        }
        Ok(())
    }
}

/// Clearing a sandbox moves its state below `deleted/`.
struct KeepsACopy {
    inner: Arc<dyn SandboxBucket>,
    root: PathBuf,
}

#[async_trait]
impl SandboxBucket for KeepsACopy {
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(sandbox, key).await
    }

    async fn put(&self, sandbox: SandboxId, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.put(sandbox, key, bytes).await
    }

    async fn clear(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        if let Some(state) = self.inner.get(sandbox, "gateway/state.json").await? {
            let copy = self.root.join("deleted").join(sandbox.as_str());
            fs::create_dir_all(&copy).map_err(failed)?;
            fs::write(copy.join("state.json"), state).map_err(failed)?;
        }
        self.inner.clear(sandbox).await
    }
}

/// What R2 lists at once.
const PAGE: usize = 1_000;

/// Clearing a sandbox clears what one listing gives, once.
struct OnePage {
    inner: Arc<dyn SandboxBucket>,
    root: PathBuf,
    cleared: Mutex<BTreeSet<SandboxId>>,
}

#[async_trait]
impl SandboxBucket for OnePage {
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(sandbox, key).await
    }

    async fn put(&self, sandbox: SandboxId, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.put(sandbox, key, bytes).await
    }

    async fn clear(&self, sandbox: SandboxId) -> Result<(), StoreError> {
        // The backend looks twice; whoever takes one page for all has no reason to.
        if !held(&self.cleared).insert(sandbox) {
            return Ok(());
        }
        let mut files = Vec::new();
        files_below(&self.root.join(sandbox.as_str()), &mut files).map_err(failed)?;
        files.sort();
        for file in files.into_iter().take(PAGE) {
            fs::remove_file(file).map_err(failed)?;
        }
        Ok(())
    }
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files_below(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn entries(parts: &mut Parts, clears_all: bool) {
    let all = parts.config.tenant_kv.clone().filter(|_| clears_all);
    if let Some(inner) = parts.ports.sandbox_kv.take() {
        parts.ports.sandbox_kv = Some(Arc::new(Entries { inner, all }));
    }
}

/// Clearing a sandbox clears nothing, or every sandbox's entries.
struct Entries {
    inner: Arc<dyn SandboxKv>,
    all: Option<PathBuf>,
}

#[async_trait]
impl SandboxKv for Entries {
    async fn get(&self, sandbox: SandboxId, key: &str) -> Result<Option<String>, StoreError> {
        self.inner.get(sandbox, key).await
    }

    async fn put(
        &self,
        sandbox: SandboxId,
        key: &str,
        value: &str,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.inner.put(sandbox, key, value, ttl).await
    }

    async fn clear(&self, _sandbox: SandboxId) -> Result<(), StoreError> {
        let Some(file) = &self.all else {
            return Ok(());
        };
        Connection::open(file)
            .and_then(|kv| kv.execute("DELETE FROM kv WHERE key LIKE 'sk-%/%'", []))
            .map(drop)
            .map_err(|error| StoreError::Unavailable(Box::new(error)))
    }
}
