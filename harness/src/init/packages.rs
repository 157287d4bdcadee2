//! How packages are installed and their programs run, by the lock file of the Worker's package or of the workspace that it belongs to. Never installs any.

use super::{Install, relative};
use serde_json::Value;
use std::path::Path;

/// A package manager: how it installs what is locked, the file that says that it did, how it runs a package's program.
struct Manager {
    install: &'static str,
    sign: &'static str,
    runner: &'static str,
}

const NPM: Manager = Manager {
    install: "npm ci --no-audit --no-fund",
    sign: "node_modules/.package-lock.json",
    runner: "npx",
};

const PNPM: Manager = Manager {
    install: "pnpm install --frozen-lockfile",
    sign: "node_modules/.modules.yaml",
    runner: "pnpm exec",
};

const YARN: Manager = Manager {
    install: "yarn install --immutable",
    sign: "node_modules/.yarn-state.yml",
    runner: "yarn",
};

/// Its first major version, which knows other options.
const YARN_CLASSIC: Manager = Manager {
    install: "yarn install --frozen-lockfile",
    sign: "node_modules/.yarn-integrity",
    runner: "yarn",
};

const BUN: Manager = Manager {
    install: "bun install --frozen-lockfile",
    sign: "node_modules/wrangler/package.json",
    runner: "bunx",
};

/// How packages are installed, and how one's program is run; `folder` is absolute.
pub(super) fn of(folder: &Path) -> (Option<Install>, Vec<String>) {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    match root(folder) {
        Some((at, manager)) => {
            let install = Install {
                folder: relative(folder, at),
                run: words(manager.install),
                sign: manager.sign.to_owned(),
            };
            (Some(install), words(manager.runner))
        }
        None => (None, words(NPM.runner)),
    }
}

/// The folder of the lock file: the package's own, else that of the workspace above that has it as a member.
fn root(folder: &Path) -> Option<(&Path, Manager)> {
    let package = folder
        .ancestors()
        .find(|above| above.join("package.json").is_file());
    let package = package.unwrap_or(folder);
    if let Some(manager) = locked_by(package) {
        return Some((package, manager));
    }
    let above = package.ancestors().skip(1);
    let mut locked = above.filter_map(|above| Some((above, locked_by(above)?)));
    locked.find(|(above, _)| has_member(above, package))
}

fn locked_by(folder: &Path) -> Option<Manager> {
    let has = |name: &str| folder.join(name).is_file();
    if has("pnpm-lock.yaml") {
        Some(PNPM)
    } else if has("yarn.lock") {
        let text = std::fs::read_to_string(folder.join("yarn.lock")).unwrap_or_default();
        let is_classic = text.contains("# yarn lockfile v1");
        Some(if is_classic { YARN_CLASSIC } else { YARN })
    } else if has("bun.lock") || has("bun.lockb") {
        Some(BUN)
    } else if has("package-lock.json") {
        Some(NPM)
    } else {
        None
    }
}

/// Whether a workspace has a package as a member.
fn has_member(root: &Path, package: &Path) -> bool {
    let Ok(below) = package.strip_prefix(root) else {
        return false;
    };
    let parts: Vec<String> = below
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let patterns = members(root);
    let matches = |pattern: &str| {
        let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
        let pattern: Vec<&str> = pattern.split('/').collect();
        is_below(&pattern, &parts)
    };
    let (without, with): (Vec<&String>, Vec<&String>) = patterns
        .iter()
        .partition(|pattern| pattern.starts_with('!'));
    with.iter().any(|pattern| matches(pattern))
        && !without.iter().any(|pattern| matches(&pattern[1..]))
}

/// The patterns of a workspace's members: of `pnpm-workspace.yaml`, else of `package.json`.
fn members(root: &Path) -> Vec<String> {
    if let Ok(text) = std::fs::read_to_string(root.join("pnpm-workspace.yaml")) {
        return of_pnpm(&text);
    }
    let text = std::fs::read_to_string(root.join("package.json")).unwrap_or_default();
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let list = value["workspaces"]
        .as_array()
        .or_else(|| value["workspaces"]["packages"].as_array());
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// The list below `packages:`.
fn of_pnpm(text: &str) -> Vec<String> {
    let after = text
        .lines()
        .skip_while(|line| !line.starts_with("packages:"))
        .skip(1);
    let entries =
        after.take_while(|line| line.trim().is_empty() || line.starts_with([' ', '\t', '-', '#']));
    let values = entries.filter_map(|line| line.trim().strip_prefix('-'));
    values
        .map(|value| {
            let value = value.split(" #").next().unwrap_or(value).trim();
            value.trim_matches(['"', '\'']).to_owned()
        })
        .collect()
}

/// Whether a path has the form of a pattern with `*` and `**`.
fn is_below(pattern: &[&str], parts: &[&str]) -> bool {
    match (pattern.split_first(), parts.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => {
            is_below(rest, parts)
                || parts
                    .split_first()
                    .is_some_and(|(_, further)| is_below(pattern, further))
        }
        (Some((one, rest)), Some((part, further))) => is_of(one, part) && is_below(rest, further),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Whether a name has the form of a pattern with `*`.
fn is_of(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| {
            let ends = (0..=tail.len()).filter(|&at| tail.is_char_boundary(at));
            ends.into_iter().any(|at| is_of(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_members_are_understood() {
        let check = |pattern: &str, path: &str, matches: bool| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            let path: Vec<&str> = path.split('/').collect();
            assert_eq!(is_below(&pattern, &path), matches, "{pattern:?} {path:?}");
        };
        check("apps/*", "apps/worker", true);
        check("apps/*", "apps/worker/sub", false);
        check("apps/**", "apps/worker/sub", true);
        check("**", "worker", true);
        check("worker", "worker", true);
        check("worker-*", "worker-a", true);
        check("worker-*", "worker", false);
        check("apps/*", "examples/worker", false);
    }

    #[test]
    fn the_members_of_pnpm_are_read() {
        let text = "onlyBuilt:\n  - no\npackages:\n  - 'apps/*'\n  - \"libs/**\" # all\n\n  - '!apps/old'\ncatalog:\n  - no\n";
        assert_eq!(of_pnpm(text), ["apps/*", "libs/**", "!apps/old"]);
    }
}
