//! Which wrangler runs on which Node. Never runs or installs either.

use semver::{Version, VersionReq};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The newest wrangler that runs on Node from this version on, newest first. Evidence: `engines` of every published version up to 4.164.0.
const NEWEST: [(&str, &str); 5] = [
    ("22.0.0", "4.158.0"),
    ("20.3.0", "4.86.0"),
    ("20.0.0", "4.76.0"),
    ("18.0.0", "4.48.0"),
    ("16.17.0", "3.114.17"),
];

/// From this version of Node on every wrangler runs.
const FOR_ALL: &str = "22.12.0";

/// A wrangler that is installed, or locked to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its version.
    pub version: String,
    /// The range of Node that it runs on, as npm writes ranges.
    pub needs: Option<String>,
}

/// The newest wrangler that runs on a Node; nothing if all of them do, or none.
#[must_use]
pub fn newest_for(node: &Version) -> Option<&'static str> {
    let is_from = |version: &str| Version::parse(version).is_ok_and(|version| *node >= version);
    if is_from(FOR_ALL) {
        return None;
    }
    NEWEST
        .into_iter()
        .find_map(|(from, newest)| is_from(from).then_some(newest))
}

/// What to do where a Node cannot run a wrangler.
#[must_use]
pub fn remedy(node: &Version, needs: &str) -> String {
    match newest_for(node) {
        Some(newest) => format!(
            "install Node {needs}, or pin the newest wrangler that runs on Node {node}: \"wrangler\": \"{newest}\" in package.json"
        ),
        None => format!("install Node {needs}, or pin another wrangler"),
    }
}

/// The wrangler that a package's programs are run with: installed there or in a folder above, else locked by npm.
#[must_use]
pub fn wrangler_of(folder: &Path) -> Option<Found> {
    installed(folder).or_else(|| locked(folder))
}

/// A package's `package.json`, in its folder or hoisted to one above.
#[must_use]
pub fn installed_package(folder: &Path, package: &str) -> Option<PathBuf> {
    let files = folder.ancestors().map(|above| {
        above
            .join("node_modules")
            .join(package)
            .join("package.json")
    });
    files.into_iter().find(|file| file.is_file())
}

fn installed(folder: &Path) -> Option<Found> {
    found(&json(&installed_package(folder, "wrangler")?)?)
}

fn locked(folder: &Path) -> Option<Found> {
    let mut files = folder
        .ancestors()
        .map(|above| above.join("package-lock.json"));
    let lock = json(&files.find(|file| file.is_file())?)?;
    found(&lock["packages"]["node_modules/wrangler"])
}

fn found(package: &Value) -> Option<Found> {
    Some(Found {
        version: package["version"].as_str()?.to_owned(),
        needs: package["engines"]["node"].as_str().map(str::to_owned),
    })
}

/// The range of Node that a `package.json` asks for.
#[must_use]
pub fn range_of(package: &Path) -> Option<String> {
    json(package)?["engines"]["node"]
        .as_str()
        .map(str::to_owned)
}

fn json(file: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()
}

/// The version that `node --version` prints.
#[must_use]
pub fn version(said: &str) -> Option<Version> {
    Version::parse(said.trim().trim_start_matches('v')).ok()
}

/// Whether a range of npm's admits a version; a range that is not understood admits everything.
#[must_use]
pub fn admits(range: &str, version: &Version) -> bool {
    let mut understood = range.split("||").map(|part| {
        // npm joins comparators by blanks, Cargo by commas; npm's bare `18` is `18.x`.
        let part = part.replace(">= ", ">=").replace("< ", "<");
        let comparators: Vec<String> = part
            .split_whitespace()
            .map(|one| {
                if one.starts_with(|letter: char| letter.is_ascii_digit()) {
                    format!("={one}")
                } else {
                    one.to_owned()
                }
            })
            .collect();
        VersionReq::parse(&comparators.join(", ")).ok()
    });
    understood.any(|part| part.is_none_or(|part| part.matches(version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, version: &str, admitted: bool) {
        let version = Version::parse(version).unwrap();
        assert_eq!(admits(range, &version), admitted, "{range} {version}");
    }

    #[test]
    fn ranges_of_npm_are_understood() {
        check(">=22.0.0", "20.19.0", false);
        check(">=22.0.0", "22.0.0", true);
        check(">=18.0.0 <21", "20.1.0", true);
        check(">=18.0.0 <21", "22.1.0", false);
        check("^18 || >=20.3.0", "20.2.0", false);
        check("^18 || >=20.3.0", "18.5.0", true);
        check("20.x", "20.9.1", true);
        check("20", "22.0.0", false);
        check("whatever this is", "1.0.0", true);
    }

    #[test]
    fn the_newest_wrangler_for_a_node_is_known() {
        for (node, newest) in [
            ("18.20.0", Some("4.48.0")),
            ("20.2.0", Some("4.76.0")),
            ("20.20.2", Some("4.86.0")),
            ("22.11.0", Some("4.158.0")),
            ("22.12.0", None),
            ("24.1.0", None),
            ("14.0.0", None),
        ] {
            assert_eq!(newest_for(&Version::parse(node).unwrap()), newest, "{node}");
        }
    }
}
