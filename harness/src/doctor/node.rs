//! Whether Node is new enough for what a launch command runs. Never installs anything.

use super::{Check, State};
use crate::target::{LaunchFacts, Target};
use semver::{Version, VersionReq};
use serde_json::Value;
use std::path::Path;
use tokio::process::Command;

/// Commands that run on Node.
const NODE_COMMANDS: [&str; 7] = ["node", "npx", "npm", "pnpm", "yarn", "wrangler", "vite"];

/// Looks at the version that wrangler and the package ask for.
pub(super) async fn check(target: &dyn Target) -> Vec<Check> {
    let Some(facts) = target.launch_facts() else {
        return Vec::new();
    };
    let command = Path::new(facts.command.first().map_or("", String::as_str));
    let name = command.file_name().and_then(|name| name.to_str());
    if !name.is_some_and(|name| NODE_COMMANDS.contains(&name)) {
        return Vec::new();
    }
    let Some(has) = version(&facts).await else {
        return vec![
            Check::new("node", State::Unreachable, "there is no `node` on the path")
                .remedy("install Node; the launch command needs it"),
        ];
    };
    let wanted = [
        ("wrangler", "node_modules/wrangler/package.json"),
        ("package.json", "package.json"),
    ];
    for (who, file) in wanted {
        if let Some(range) = engines(&facts.folder.join(file)).filter(|range| !admits(range, &has))
        {
            return vec![
                Check::wrong("node", format!("Node is {has}, and {who} needs {range}"))
                    .remedy(format!("install Node {range}, or pin an older wrangler")),
            ];
        }
    }
    vec![Check::ok("node", format!("Node {has}"))]
}

async fn version(facts: &LaunchFacts) -> Option<Version> {
    let asked = Command::new("node")
        .arg("--version")
        .envs(&facts.environment)
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    let said = String::from_utf8_lossy(&asked.stdout);
    Version::parse(said.trim().trim_start_matches('v')).ok()
}

fn engines(package: &Path) -> Option<String> {
    let text = std::fs::read_to_string(package).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    value["engines"]["node"].as_str().map(str::to_owned)
}

/// Whether a range of npm's admits a version; a range that is not understood admits everything.
fn admits(range: &str, version: &Version) -> bool {
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
}
