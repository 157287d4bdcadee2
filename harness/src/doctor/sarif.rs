//! A diagnosis as SARIF: each thing that is wrong at the line of the manifest that it is about. Never names a line of a manifest that it has not read.

use super::{Check, Diagnosis, State};
use moltproof_data::render::sarif::{Log, Plain, PlainLevel, plain};
use std::path::Path;

/// The tool, as code scanning shows it.
const TOOL: &str = "moltproof doctor";

/// The rule for a manifest that cannot be read.
const MANIFEST: &str = "manifest";

/// What a check is about that names no place of the manifest: the target itself.
const ELSEWHERE: &str = "[variants.production] address";

/// A manifest: its path, and its text.
#[derive(Debug, Clone)]
pub struct Manifest {
    path: String,
    text: String,
}

impl Manifest {
    /// The manifest at a path; `None` if there is no such file, as where the target is an address.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        Some(Self {
            path: path.display().to_string(),
            text,
        })
    }

    /// The line of the table, and within it of the key, that a text names in brackets, as in `[probe] build`; else the first.
    fn line_of(&self, told: &str) -> usize {
        let mut rest = told;
        while let Some((_, behind)) = rest.split_once('[') {
            let Some((table, after)) = behind.split_once(']') else {
                break;
            };
            if let Some(line) = self.line_of_table(table, after) {
                return line;
            }
            rest = after;
        }
        1
    }

    fn line_of_table(&self, table: &str, after: &str) -> Option<usize> {
        let header = format!("[{table}]");
        let numbered = || {
            self.text
                .lines()
                .enumerate()
                .map(|(at, line)| (at + 1, line.trim()))
        };
        let (found, _) = numbered().find(|(_, line)| line.starts_with(&header))?;
        let word = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
        let key = after.trim_start().split(word).next().unwrap_or_default();
        let within = numbered()
            .skip(found)
            .take_while(|(_, line)| !line.starts_with('['));
        let mut keys = within.filter_map(|(at, line)| Some((at, line.split_once('=')?.0.trim())));
        let of_key = keys.find(|(_, name)| !key.is_empty() && *name == key);
        Some(of_key.map_or(found, |(line, _)| line))
    }
}

/// The diagnosis as a log; what is as it should be is no result.
#[must_use]
pub fn log(diagnosis: &Diagnosis, manifest: Option<&Manifest>) -> Log {
    let found = diagnosis.checks.iter().filter_map(|check| {
        let level = level(check.state)?;
        let message = told(check);
        let line = manifest.map(|own| own.line_of(&format!("{message} {ELSEWHERE}")));
        Some(Plain {
            rule: check.id,
            level,
            message,
            at: manifest
                .zip(line)
                .map(|(own, line)| (own.path.clone(), line, 1)),
        })
    });
    plain(TOOL, found.collect())
}

/// A manifest that cannot be read as a log, at the place that its error names, by number or by its table and key.
#[must_use]
pub fn log_of_unreadable(error: &str, manifest: Option<&Manifest>) -> Log {
    let number = |before: &str| {
        let (_, rest) = error.split_once(before)?;
        let end = rest.find(|letter: char| !letter.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse::<usize>().ok()
    };
    let named = || manifest.map_or(1, |own| own.line_of(error));
    let line = number("line ").unwrap_or_else(named);
    let place = (line, number("column ").unwrap_or(1));
    let found = Plain {
        rule: MANIFEST,
        level: PlainLevel::Error,
        message: error.to_owned(),
        at: manifest.map(|own| (own.path.clone(), place.0, place.1)),
    };
    plain(TOOL, vec![found])
}

fn level(state: State) -> Option<PlainLevel> {
    match state {
        State::Ok => None,
        State::Unknown => Some(PlainLevel::Note),
        State::Warning => Some(PlainLevel::Warning),
        State::Wrong | State::Unreachable => Some(PlainLevel::Error),
    }
}

fn told(check: &Check) -> String {
    let saw = check.saw.trim_end();
    if check.remedy.is_empty() {
        return saw.to_owned();
    }
    format!("{saw}\n\n{}", check.remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_stands_at_the_key_that_it_names() {
        let text = "name = \"x\"\n\n[variants.production]\naddress = \"y\"\n\n[probe]\n# where\nbuild = \"/x\"\necho = \"/y\"\n";
        let manifest = Manifest {
            path: "moltproof.toml".to_owned(),
            text: text.to_owned(),
        };
        for (told, line) in [
            ("mend [probe] build", 8),
            ("name a route that repeats it: [probe] echo", 9),
            (
                "look whether it went where [variants.production] address points",
                4,
            ),
            ("correct [limits] body_max", 1),
            ("[operator] token is no JWT; see [probe]", 6),
            ("start the Worker", 1),
            ("start the Worker [variants.production] address", 4),
        ] {
            assert_eq!(manifest.line_of(told), line, "{told}");
        }
    }
}
