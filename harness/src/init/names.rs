//! The names of variables that a Worker knows: from its configuration, its files of variables and its source. Never keeps a value.

use super::wrangler::{Bindings, Wrangler};
use super::{Asks, NotDrafted, Told, checked};
use std::collections::BTreeSet;
use std::path::Path;

/// What the harness tells a Worker: the contract's name for it, the placeholder, and what it is.
const TOLD: [(&str, &str, &str); 5] = [
    ("APP_DOMAIN", "{app_domain}", "the app domain"),
    (
        "CF_ACCESS_TEAM_DOMAIN",
        "{team_domain}",
        "the Access team domain",
    ),
    (
        "CF_ACCESS_AUD",
        "{audience}",
        "the audience of Access tokens",
    ),
    (
        "AI_GATEWAY_BASE_URL",
        "{ai_gateway_base_url}",
        "the address of the AI Gateway",
    ),
    (
        "CLOUDFLARE_AI_GATEWAY_API_KEY",
        "{ai_gateway_key}",
        "the key of the AI Gateway",
    ),
];
/// The files from which `wrangler dev` takes variables, and those that people put beside them as examples.
const SET_BY: [&str; 2] = [".dev.vars", ".env"];
const EXAMPLES: [&str; 4] = [
    ".dev.vars.example",
    ".dev.vars.sample",
    ".env.example",
    ".env.sample",
];

/// Files of the source that are read, at most. Evidence: the Workers of this contract have some 150.
const SOURCES_MAX: usize = 1000;

/// Folders that hold other people's code, or what was built.
const FOREIGN: [&str; 4] = ["node_modules", "dist", "build", "target"];

/// What stands before a variable that is read.
const READ_BY: [&str; 4] = ["env.", "env?.", "env[\"", "env['"];

/// What stands after a variable that is declared.
const DECLARED_BY: [&str; 2] = ["?: string", ": string"];

/// What a switch of a Worker's own is called, as words of its name.
const SWITCH_WORDS: [&str; 8] = [
    "TEST", "E2E", "DEBUG", "BYPASS", "SKIP", "INSECURE", "UNSAFE", "MOCK",
];

/// Words of a name that is told a value, not switched on.
const VALUE_WORDS: [&str; 14] = [
    "KEY", "TOKEN", "SECRET", "PASSWORD", "URL", "URI", "ID", "HOST", "DOMAIN", "EMAIL", "PORT",
    "PATH", "LEVEL", "TIMEOUT",
];

/// What a Worker calls its variables.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// All of them.
    pub(super) known: BTreeSet<String>,
    /// Whatever the source has in capitals: among them may be names that it takes by other ways.
    mentioned: BTreeSet<String>,
    /// Those that have a value without the harness: `without` would not take it away.
    pub(super) set: BTreeSet<String>,
    /// Whether the source was there to be read.
    pub(super) source_is_read: bool,
}

impl Names {
    /// Looks at everything; `folder` is the configuration's.
    pub(super) fn of(
        folder: &Path,
        wrangler: &Wrangler,
        bindings: &Bindings,
        environment: Option<&str>,
    ) -> Self {
        let mut names = Self::default();
        names.set.extend(bindings.variables.iter().cloned());
        let own = environment.map(|name| SET_BY.map(|file| format!("{file}.{name}")));
        let files = SET_BY.into_iter().map(str::to_owned);
        for file in files.chain(own.into_iter().flatten()) {
            for (name, is_set) in in_file(&folder.join(file)) {
                if is_set {
                    names.set.insert(name.clone());
                }
                names.known.insert(name);
            }
        }
        for file in EXAMPLES {
            let found = in_file(&folder.join(file));
            names.known.extend(found.into_iter().map(|(name, _)| name));
        }
        for of in [bindings, &wrangler.top] {
            names.known.extend(of.variables.iter().cloned());
            names.known.extend(of.secrets.iter().cloned());
        }
        if let Some(main) = &wrangler.main {
            names.source_is_read = names.read_source(&folder.join(main));
        }
        names
    }

    /// Reads the source that lies beside and below the file that the Worker begins with; whether it is there.
    fn read_source(&mut self, main: &Path) -> bool {
        let Some(folder) = main.parent().filter(|_| main.is_file()) else {
            return false;
        };
        let mut folders = vec![folder.to_path_buf()];
        let mut left = SOURCES_MAX;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder {
                    let is_foreign = name.starts_with('.') || FOREIGN.contains(&name.as_str());
                    folders.extend((!is_foreign).then_some(path));
                } else if is_source(&name) && left > 0 {
                    left -= 1;
                    self.read_text(&std::fs::read_to_string(path).unwrap_or_default());
                }
            }
        }
        true
    }

    /// Words in capitals; those that stand where a variable of the environment stands: `env.NAME`, `env["NAME"]`, `NAME?: string`.
    fn read_text(&mut self, text: &str) {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let mut at = 0;
        while let Some(start) = text[at..].find(is_part).map(|from| at + from) {
            let rest = &text[start..];
            at = start + rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
            let name = &text[start..at];
            if !is_in_capitals(name) {
                continue;
            }
            let (before, after) = (text[..start].trim_end(), text[at..].trim_start());
            let is_read = READ_BY.iter().any(|sign| before.ends_with(sign));
            let is_declared = DECLARED_BY.iter().any(|sign| after.starts_with(sign));
            if is_read || is_declared {
                self.known.insert(name.to_owned());
            }
            self.mentioned.insert(name.to_owned());
        }
    }

    /// Whether the Worker knows a name of the contract's.
    pub(super) fn has(&self, name: &str) -> bool {
        self.known.contains(name) || self.mentioned.contains(name)
    }

    /// Whether nothing says that the Worker does not know a name: it has it, or nobody could look.
    pub(super) fn may_have(&self, name: &str) -> bool {
        self.has(name) || !self.source_is_read
    }

    /// Switches of the Worker's own, which the contract does not know.
    pub(super) fn switches(&self) -> Vec<String> {
        let is_switch = |name: &&String| {
            let words: Vec<&str> = name.split('_').collect();
            let has = |of: &[&str]| words.iter().any(|word| of.contains(word));
            has(&SWITCH_WORDS) && !has(&VALUE_WORDS)
        };
        self.known.iter().filter(is_switch).cloned().collect()
    }
}

/// The names in a file of variables, and whether each is set or only stands there as a comment. Its values are secrets, and are not looked at.
fn in_file(file: &Path) -> Vec<(String, bool)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let entries = text.lines().filter_map(|line| {
        let (name, _) = line.split_once('=')?;
        let name = name.trim();
        let is_set = !name.starts_with('#');
        let name = name.trim_start_matches(['#', ' ', '\t']);
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        // A comment may hold a secret that somebody has taken out of use.
        let is_name = checked::variable(name).is_ok();
        is_name.then(|| (name.to_owned(), is_set))
    });
    entries.collect()
}

fn is_source(name: &str) -> bool {
    let is_test = name.contains(".test.") || name.contains(".spec.");
    let endings = [
        ".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".py", ".rs",
    ];
    !is_test && endings.iter().any(|ending| name.ends_with(ending))
}

fn is_in_capitals(name: &str) -> bool {
    let of_name =
        |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    name.contains('_')
        && name.starts_with(|letter: char| letter.is_ascii_uppercase())
        && name.chars().all(of_name)
}

/// The Worker's own names for what it is told.
pub(super) fn told(names: &Names, asks: &mut dyn Asks) -> Result<Vec<Told>, NotDrafted> {
    let mut list = Vec::new();
    for (contract, placeholder, what) in TOLD {
        let found = names.has(contract);
        let name = if found {
            contract.to_owned()
        } else {
            let question = format!("The Worker's variable for {what}");
            let name = asks.text(&question, contract)?;
            checked::variable(&name)?;
            name
        };
        list.push(Told {
            contract,
            name,
            placeholder,
            found,
        });
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_tells_what_it_takes_from_its_environment() {
        let text = "const MAX_TRIES = 3;\ninterface Env { DEV_MODE?: string; APP_DOMAIN: string }\nif (env.E2E_TEST_MODE === 'true' || c.env['DEBUG_ROUTES']) { LOCAL_ONLY(); }";
        let mut names = Names::default();
        names.read_text(text);
        let known: Vec<&str> = names.known.iter().map(String::as_str).collect();
        assert_eq!(
            known,
            ["APP_DOMAIN", "DEBUG_ROUTES", "DEV_MODE", "E2E_TEST_MODE"]
        );
        assert!(names.has("MAX_TRIES") && !names.has("string"));
    }

    #[test]
    fn a_switch_is_told_from_what_has_a_value() {
        let known = [
            "DEV_MODE",
            "E2E_TEST_MODE",
            "DEBUG_ROUTES",
            "TEST_TOKEN",
            "APP_DOMAIN",
        ];
        let names = Names {
            known: known.map(str::to_owned).into(),
            ..Names::default()
        };
        assert_eq!(names.switches(), ["DEBUG_ROUTES", "E2E_TEST_MODE"]);
    }
}
