//! The database of the profile `data` that the reference claims: `migrations/patterns`, built in. Never judges it.

use crate::subject::Fault;
use crate::subject::database::Database;
use moltproof_data::claims::{Data, From};
use std::path::Path;

include!(concat!(env!("OUT_DIR"), "/patterns.rs"));
include!(concat!(env!("OUT_DIR"), "/pattern_claims.rs"));

/// Writes the migrations into a folder, and tells what they claim.
///
/// # Errors
/// When the folder cannot be written, or the claims are malformed: a mistake in the repository.
pub(super) fn database(folder: &Path) -> Result<Database, Fault> {
    let fault = |why: String| Fault(format!("the reference's patterns cannot be used: {why}"));
    let claims = PATTERN_CLAIMS
        .first()
        .ok_or_else(|| fault("no claims are built in".to_owned()))?;
    let claims = Data::parse(claims.1).map_err(|error| fault(error.to_string()))?;
    std::fs::create_dir_all(folder).map_err(|error| fault(error.to_string()))?;
    for (path, text) in PATTERNS {
        let name = Path::new(path).file_name().unwrap_or_default();
        std::fs::write(folder.join(name), text).map_err(|error| fault(error.to_string()))?;
    }
    Ok(Database {
        claims: Data {
            from: Some(From::Migrations(".".into())),
            ..claims
        },
        folder: folder.to_owned(),
    })
}
