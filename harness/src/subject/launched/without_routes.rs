//! The copy of a wrangler configuration that has no routes, beside the configuration. Never changes the configuration itself.

use super::start::Workshop;
use crate::subject::Fault;
use crate::subject::manifest::Launch;
use moltproof_data::wrangler;
use std::io::{self, Write as _};
use std::path::Path;

/// Before the name of the configuration: a file that tools leave alone, and that lies where its relative paths hold.
const PREFIX: &str = ".moltproof.";

impl Workshop {
    /// The copy's name, as the launch folder has it.
    pub(super) fn without_routes(&self) -> Option<String> {
        let launch = self.manifest.launch.as_ref()?;
        let config = launch.config_without_routes.as_ref()?;
        Some(beside(config))
    }

    /// Writes the copy anew, unless it is there as it should be: a running `wrangler dev` starts again when its configuration changes.
    pub(super) fn keep_without_routes(&self, launch: &Launch) -> Result<(), Fault> {
        let Some(config) = &launch.config_without_routes else {
            return Ok(());
        };
        let folder = self.launch_folder(launch);
        let text = wrangler::without_routes(&folder.join(config))
            .map_err(|error| Fault(error.to_string()))?;
        let copy = folder.join(beside(config));
        if std::fs::read_to_string(&copy).is_ok_and(|there| there == text) {
            return Ok(());
        }
        write_whole(&copy, &text)
            .map_err(|error| Fault(format!("cannot write {}: {error}", copy.display())))
    }
}

/// Whoever reads it meanwhile, as another run's wrangler, reads the old text or the new one.
fn write_whole(copy: &Path, text: &str) -> io::Result<()> {
    let folder = copy.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(copy)?;
    Ok(())
}

/// The copy is JSON, whatever the configuration is.
fn beside(config: &Path) -> String {
    let name = config.file_stem().unwrap_or_default().to_string_lossy();
    let copy = config.with_file_name(format!("{PREFIX}{name}.json"));
    copy.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_lies_beside_the_configuration() {
        assert_eq!(
            beside(Path::new("wrangler.toml")),
            ".moltproof.wrangler.json"
        );
        assert_eq!(
            beside(Path::new("../worker/wrangler.jsonc")),
            "../worker/.moltproof.wrangler.json"
        );
    }
}
