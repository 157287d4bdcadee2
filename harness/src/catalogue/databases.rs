//! The databases that are built in: those that each break one thing, and healthy ones. Never judges one.

use moltproof_data::teeth::{Catalogue, Malformed};

include!(concat!(env!("OUT_DIR"), "/databases.rs"));

/// Where the texts lie in the repository.
const ROOT: &str = "fixtures/data/";

/// Every database that is built in.
///
/// # Errors
/// [`Malformed`]: a mistake in the repository.
pub fn built_in() -> Result<Catalogue, Malformed> {
    let texts: Vec<(&str, &str)> = DATABASES
        .iter()
        .map(|(path, text)| (path.strip_prefix(ROOT).unwrap_or(path), *text))
        .collect();
    Catalogue::of(&texts)
}
