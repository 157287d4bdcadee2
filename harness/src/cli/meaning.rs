//! What a target's name means, and whether leaving it out can have been meant. Never opens the target.

use super::Failure;
use super::target::TargetArgs;
use crate::scrub;
use crate::subject::manifest;
use moltproof_data::wrangler;
use std::path::{Path, PathBuf};

impl TargetArgs {
    /// What is meant: as given, else the nearest manifest, else the reference.
    pub(super) fn named(&self) -> String {
        match &self.target {
            Some(text) => {
                // Whatever is wrong with it, what it holds of credentials is told nowhere.
                scrub::remember_address(text);
                spelled_out(text)
            }
            None => discovered()
                .map_or_else(|| "reference".to_owned(), |file| file.display().to_string()),
        }
    }

    /// Refuses to judge the reference where somebody most likely means the Worker that lies there: it would be green, and tell nothing of it.
    ///
    /// # Errors
    /// Exit 2, with what judges the Worker.
    pub(super) fn must_be_meant(&self) -> Result<(), Failure> {
        if self.target.is_some() || discovered().is_some() {
            return Ok(());
        }
        let Some(file) = worker_here() else {
            return Ok(());
        };
        // Lines of at most 80 columns, for this is read in a terminal.
        Err(Failure::usage(format!(
            "no target is given, and here lies a Worker ({}).\n\
             Without a target the reference is judged, not your Worker: nothing was judged.\n  \
             moltproof init                                writes the manifest to judge it\n  \
             moltproof run --target http://localhost:8787  judges it by its address alone\n  \
             moltproof run --target reference              judges the embedded reference",
            file.display()
        )))
    }
}

fn discovered() -> Option<PathBuf> {
    manifest::discover(&std::env::current_dir().ok()?)
}

/// The configuration of a Worker in this folder or above it, within its repository.
fn worker_here() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    for folder in here.ancestors() {
        if let Some(file) = wrangler::find(folder) {
            return Some(file.strip_prefix(&here).map(PathBuf::from).unwrap_or(file));
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}

/// An address of this machine as people write it, such as `localhost:8787`, with its scheme. A file of that name goes first.
fn spelled_out(text: &str) -> String {
    let is_local = || {
        let url = url::Url::parse(&format!("http://{text}")).ok()?;
        let has_port = url.port().is_some();
        let is_here = match url.host()? {
            url::Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            url::Host::Ipv4(ip) => ip.is_loopback() || ip.is_unspecified(),
            url::Host::Ipv6(ip) => ip.is_loopback(),
        };
        Some(has_port && is_here)
    };
    if !text.contains("://") && !Path::new(text).exists() && is_local() == Some(true) {
        format!("http://{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_needs_no_scheme_and_no_other_gets_one() {
        for text in [
            "localhost:8787",
            "127.0.0.1:8787",
            "[::1]:8787",
            "app.localhost:1",
        ] {
            assert_eq!(spelled_out(text), format!("http://{text}"));
        }
        for text in [
            "staging.example:8787",
            "localhost",
            "reference",
            "moltproof.toml",
            "http://localhost:1",
        ] {
            assert_eq!(spelled_out(text), text);
        }
    }
}
