//! The certificate of the doubles of a target that insists on https. Never outlives the run's folder.

use crate::doubles::tls::{CA_FILE, Identity, NAMES};
use crate::subject::Fault;
use std::path::Path;

/// Certificate and key of the doubles; the authority's certificate lies in the folder.
pub(super) fn identity(folder: &Path) -> Result<Identity, Fault> {
    let identity = Identity::generate(&NAMES.map(str::to_owned))
        .map_err(|error| Fault(crate::said::chain(&error)))?;
    std::fs::write(folder.join(CA_FILE), identity.ca_pem())
        .map_err(|error| Fault(format!("cannot write {CA_FILE}: {error}")))?;
    Ok(identity)
}
