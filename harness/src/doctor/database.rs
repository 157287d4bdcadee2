//! Whether the database that a target declares can be read. Never judges it.

use super::{Check, State};
use crate::contract::profile::Profile;
use crate::subject::Target;

/// Decides the rows that are made; a look needs none of its own.
const SEED: u64 = 1;

/// Reads the database of a target that claims the profile `data`; nothing for any other.
pub(super) async fn check(target: &dyn Target) -> Option<Check> {
    let is_claimed = target.profiles().contains(&Profile::Data);
    if !is_claimed {
        return None;
    }
    let database = match target.database() {
        Ok(database) => database?,
        Err(fault) => return Some(Check::wrong("database", fault.to_string())),
    };
    let origin = database.origin();
    let opened = tokio::task::spawn_blocking(move || database.open(SEED));
    let subject = match opened.await {
        Ok(Ok(subject)) => subject,
        Ok(Err(unprepared)) => {
            return Some(
                Check::new("database", State::Unreachable, unprepared.to_string())
                    .remedy("correct [data] from"),
            );
        }
        Err(panicked) => return Some(Check::wrong("database", panicked.to_string())),
    };
    let (files, tables) = (subject.source.files.len(), subject.schema().tables.len());
    let saw = format!(
        "{origin}: {}, {}",
        counted(files, "file"),
        counted(tables, "table")
    );
    let failed = subject
        .replay
        .failed
        .and_then(|(id, _)| subject.source.file(id));
    if let Some(file) = failed {
        let saw = format!("{saw}; {} does not apply to an empty database", file.name);
        let check = Check::wrong("database", saw);
        return Some(check.remedy("`moltproof db lint` shows where and why"));
    }
    Some(match &subject.claims.tenants {
        Some(tenants) => Check::ok("database", format!("{saw}; its tenants are in {tenants}")),
        None => Check::unknown("database", format!("{saw}; nothing tells where its tenants are"))
            .remedy("what is about tenants is not verified without [data] tenants and tenant_key; `moltproof db infer` proposes them"),
    })
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
