//! Applies migrations with the target's own tool. Never touches the target's own database.

use super::observers::only_database;
use super::start::Workshop;
use crate::subject::manifest::Migrations;
use crate::subject::manifest::placeholders::fill;
use crate::subject::{Fault, Migrated};
use std::path::Path;

/// Applies the files of `folder` to a database of its own and leaves a snapshot of it at `database`.
pub(super) async fn migrate(
    shared: &Workshop,
    entry: &Migrations,
    folder: &Path,
    database: &Path,
) -> Result<Migrated, Fault> {
    shared.prepared().await?;
    let fault = |error: std::io::Error| Fault(format!("cannot set up migrations: {error}"));
    let state = database.with_extension("state");
    std::fs::create_dir_all(&state).map_err(fault)?;
    let mut values = shared.values(&state, 0, &shared.access);
    values.insert("folder", folder.display().to_string());
    if let Some(text) = &entry.config {
        let file = state.join("migrations-config.json");
        std::fs::write(&file, fill(text, &values).map_err(Fault)?).map_err(fault)?;
        values.insert("config", file.display().to_string());
    }
    let (ok, said) = shared.run(&entry.command, &values).await?;
    if let Some(file) = only_database(&state.join(&entry.database)) {
        // The file may have a write-ahead log beside it: a plain copy would lose it.
        let snapshot = rusqlite::Connection::open(&file).and_then(|source| {
            drop(std::fs::remove_file(database));
            source.execute("VACUUM INTO ?1", [database.display().to_string()])
        });
        snapshot.map_err(|error| Fault(format!("cannot read the migrated database: {error}")))?;
    }
    Ok(Migrated { ok, said })
}
