//! Whether Node is new enough for what a launch command runs. Never installs anything.

use super::{Check, State};
use crate::subject::node::{admits, range_of, remedy, version as parsed, wrangler_of};
use crate::subject::{LaunchFacts, Target};
use semver::Version;
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
    // As the files lie, before anything is prepared: hoisted to a workspace's root, or only locked.
    let folder = std::path::absolute(&facts.folder).unwrap_or_else(|_none| facts.folder.clone());
    let wrangler = wrangler_of(&folder);
    let wrangler =
        wrangler.and_then(|found| Some((format!("wrangler {}", found.version), found.needs?)));
    let package = range_of(&folder.join("package.json"));
    let package = package.map(|range| ("package.json".to_owned(), range));
    let asked = wrangler.into_iter().chain(package);
    for (who, range) in asked {
        if !admits(&range, &has) {
            return vec![
                Check::wrong("node", format!("Node is {has}, and {who} needs {range}"))
                    .remedy(remedy(&has, &range)),
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
    parsed(&String::from_utf8_lossy(&asked.stdout))
}
