//! On which runtime a described target is started, and what nobody can keep there. Never starts anything.

use super::{LogSource, LogWord, Manifest};

/// What starts workerd on this machine, as part of a command or of the script that it names.
const STARTERS: [&str; 4] = [
    "wrangler",
    "workerd",
    "miniflare",
    "@cloudflare/vite-plugin",
];

/// What runs the scripts of a `package.json`.
const MANAGERS: [&str; 4] = ["npm", "pnpm", "yarn", "bun"];

/// What nobody can keep under local workerd: criterion, scenario, reason.
const BEYOND_WORKERD: [(&str, &str, &str); 3] = [
    (
        "SEC-001",
        "A hostile host cannot forge a log line",
        "workerd itself logs a malformed host as it came, before the Worker is asked",
    ),
    (
        "USG-015",
        "An orderly shutdown waits for the rows that D1 has not taken yet",
        SHUTDOWN,
    ),
    (
        "USG-015",
        "An orderly shutdown in the midst of work loses nothing",
        SHUTDOWN,
    ),
];

const SHUTDOWN: &str =
    "workerd ends at SIGTERM without finishing waitUntil; on Cloudflare it goes on for up to 30 s";

/// What nobody can keep whose migrations wrangler applies.
const BEYOND_WRANGLER: (&str, &str, &str) = (
    "SCH-004",
    "A failing file stops the run with the line",
    "wrangler names the failing file and SQLite's message, not the line",
);

fn starts_workerd(command: &[String]) -> bool {
    command
        .iter()
        .any(|word| STARTERS.iter().any(|starter| word.contains(starter)))
}

impl Manifest {
    /// Whether the launch command starts workerd on this machine: `wrangler dev` and what else has it inside, or a script that does.
    #[must_use]
    pub fn is_on_local_workerd(&self) -> bool {
        let Some(launch) = &self.launch else {
            return false;
        };
        starts_workerd(&launch.command) || {
            let script = self.script_of(&launch.command);
            script.is_some_and(|script| starts_workerd(&[script]))
        }
    }

    /// The text of the script in `package.json` that a command runs.
    fn script_of(&self, command: &[String]) -> Option<String> {
        let mut words = command.iter().map(String::as_str);
        let manager = words.next()?;
        if !MANAGERS.contains(&manager) {
            return None;
        }
        let name = words.find(|word| *word != "run" && !word.starts_with('-'))?;
        let folder = self.folder.join(&self.launch.as_ref()?.folder);
        let text = std::fs::read_to_string(folder.join("package.json")).ok()?;
        let package: serde_json::Value = serde_json::from_str(&text).ok()?;
        package["scripts"][name].as_str().map(str::to_owned)
    }

    /// Why nobody could keep a scenario of a criterion on the runtime that this target is started on.
    #[must_use]
    pub fn beyond_runtime(&self, criterion: &str, scenario: &str) -> Option<String> {
        let is = |entry: &(&str, &str, &str)| entry.0 == criterion && entry.1 == scenario;
        let by_wrangler = self
            .migrations
            .as_ref()
            .is_some_and(|migrations| starts_workerd(&migrations.command));
        if by_wrangler && is(&BEYOND_WRANGLER) {
            return Some(BEYOND_WRANGLER.2.to_owned());
        }
        let (_, _, reason) = BEYOND_WORKERD.iter().find(|entry| is(entry))?;
        // A log that comes from elsewhere does not hold what workerd prints.
        let prints = matches!(self.observe.logs, Some(LogSource::Word(LogWord::Output)));
        (self.is_on_local_workerd() && (criterion != "SEC-001" || prints))
            .then(|| (*reason).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;

    fn manifest(rest: &str) -> Manifest {
        toml::from_str(&format!("name = 'x'\n{rest}")).unwrap()
    }

    #[test]
    fn what_nobody_can_keep_is_of_the_contract() {
        let contract = Contract::embedded().unwrap();
        for (criterion, scenario, _reason) in BEYOND_WORKERD.iter().chain([&BEYOND_WRANGLER]) {
            let known = contract
                .scenarios
                .iter()
                .any(|one| one.name == *scenario && one.criteria.iter().any(|id| id == criterion));
            assert!(known, "{criterion}: {scenario}");
        }
    }

    #[test]
    fn workerd_is_known_by_the_command_and_by_the_script_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let package = r#"{"scripts":{"dev":"wrangler dev --port 1","start":"node server.js"}}"#;
        std::fs::write(folder.path().join("package.json"), package).unwrap();
        for (command, is) in [
            ("['npx', 'wrangler', 'dev']", true),
            ("['node', 'workerd/serve.mjs']", true),
            ("['npm', 'run', 'dev', '--', '--port', '{port}']", true),
            ("['pnpm', 'dev']", true),
            ("['npm', 'run', 'start']", false),
            ("['./server']", false),
        ] {
            let mut manifest = manifest(&format!("[launch]\ncommand = {command}"));
            folder.path().clone_into(&mut manifest.folder);
            assert_eq!(manifest.is_on_local_workerd(), is, "{command}");
        }
        assert!(!manifest("").is_on_local_workerd());
    }

    #[test]
    fn only_what_the_runtime_decides_is_beyond_it() {
        let shutdown = BEYOND_WORKERD[1];
        let forged = BEYOND_WORKERD[0];
        let here = manifest("[launch]\ncommand = ['wrangler', 'dev']");
        assert!(here.beyond_runtime(shutdown.0, shutdown.1).is_some());
        assert!(here.beyond_runtime(forged.0, forged.1).is_none());
        assert!(here.beyond_runtime("USG-015", "another").is_none());
        let printing = manifest("[launch]\ncommand = ['wrangler']\n[observe]\nlogs = 'output'");
        assert!(printing.beyond_runtime(forged.0, forged.1).is_some());
        let elsewhere = manifest("[variants.production]\naddress = 'https://x.example'");
        assert!(elsewhere.beyond_runtime(shutdown.0, shutdown.1).is_none());
    }
}
