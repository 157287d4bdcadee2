//! How a command line names the same target once more. Never opens it.

use super::target::{Manner, TargetArgs};
use crate::contract::Contract;
use crate::report::Again;
use std::path::{Path, PathBuf};

impl TargetArgs {
    /// The options by which this target is judged again on the same terms.
    pub(super) fn again(
        &self,
        manner: Manner,
        contract: &Contract,
        concurrency: Option<usize>,
    ) -> Again {
        let words = |place: &dyn Fn(&Path) -> PathBuf| {
            let mut words = vec!["--target".to_owned(), self.named_at(place)];
            if let Some(file) = &self.ca_file {
                words.extend(["--ca-file".to_owned(), place(file).display().to_string()]);
            }
            if self.i_own_this_target {
                words.push("--i-own-this-target".to_owned());
            }
            if self.no_launch {
                words.push("--no-launch".to_owned());
            }
            for name in &self.allow_env {
                words.extend(["--allow-env".to_owned(), name.clone()]);
            }
            if manner == Manner::ReadOnly {
                words.push("--read-only".to_owned());
            }
            if contract.versions.last() != Some(&contract.version) {
                words.extend(["--contract".to_owned(), contract.version.to_string()]);
            }
            if let Some(count) = concurrency {
                words.extend(["--concurrency".to_owned(), count.to_string()]);
            }
            words
        };
        Again {
            as_named: words(&short),
            from_anywhere: words(&whole),
        }
    }

    /// What is meant, and where that is a file, the path that `place` makes of it.
    fn named_at(&self, place: &dyn Fn(&Path) -> PathBuf) -> String {
        let named = self.named();
        let path = Path::new(&named);
        if path.is_file() {
            place(path).display().to_string()
        } else {
            named
        }
    }
}

/// A path as it leads there from this folder, where it lies below: what holds on another machine, too, in the same folder.
fn short(path: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| Some(path.strip_prefix(here).ok()?.to_path_buf()));
    below.unwrap_or_else(|| path.to_path_buf())
}

/// A path that leads there from every folder.
fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_unknown| path.to_path_buf())
}
