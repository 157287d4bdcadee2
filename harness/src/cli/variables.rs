//! Variables of the environment that look like options and are none. Never reads the value of one.

use super::{Failure, Verb, built, say};
use crate::subject::manifest;
use std::collections::BTreeSet;
use std::path::Path;

/// How all variables of this program begin.
const PREFIX: &str = "MOLTPROOF_";

/// Variables of the project's own scripts and build, which are in the environment of this program as well: it heeds none of them.
const OF_THE_SCRIPTS: [&str; 10] = [
    "MOLTPROOF_ACCEPTANCE_FAIL_FAST",
    "MOLTPROOF_BINARY",
    "MOLTPROOF_BUILD_CHECKOUT",
    "MOLTPROOF_BUILD_COMMIT",
    "MOLTPROOF_BUILD_TARGET",
    "MOLTPROOF_RELEASES",
    "MOLTPROOF_REPORTS",
    "MOLTPROOF_REPOSITORY",
    "MOLTPROOF_VERSION",
    "MOLTPROOF_ZIG",
];

/// Letters that may be wrong in a variable that is taken for a mistyped one; one in a short name.
const SLIPS_MAX: usize = 2;
/// Up to so many letters a name is short. Evidence: two wrong letters of four leave another word.
const SHORT: usize = 5;

/// Refuses variables that are most likely mistyped, for every verb that heeds some and is not started by another one.
pub(super) fn known(verb: &Verb) -> Result<(), Failure> {
    let target = match verb {
        Verb::Run(args) => Some(args.target_named()),
        Verb::Doctor(args) => Some(args.target_named()),
        Verb::Up(args) => Some(args.target_named()),
        Verb::Sweep(_)
        | Verb::Replay(_)
        | Verb::Init(_)
        | Verb::List(_)
        | Verb::Explain(_)
        | Verb::History(_)
        | Verb::Report(_)
        | Verb::Baseline(_)
        | Verb::Teeth(_)
        | Verb::Doubles(_)
        | Verb::Token(_)
        | Verb::Db(_) => None,
        Verb::Schema(_)
        | Verb::Serve(_)
        | Verb::ServeAltered(_)
        | Verb::Supervise(_)
        | Verb::Config(_)
        | Verb::Completions(_)
        | Verb::Man(_)
        | Verb::Vectors(_) => return Ok(()),
    };
    check(&built(), target.as_deref())
}

/// Refuses a variable that was most likely meant for an option and is none: what it was to change would silently stay as it is, and a run
/// that was to be strict would be green. Any other that nobody knows is told.
///
/// # Errors
/// Exit 2, with the variable that was meant.
fn check(command: &clap::Command, target: Option<&str>) -> Result<(), Failure> {
    let set = std::env::vars_os().filter(|(_, value)| !value.is_empty());
    let set = set.filter_map(|(name, _)| name.into_string().ok());
    let ours: BTreeSet<String> = set.filter(|name| name.starts_with(PREFIX)).collect();
    if ours.is_empty() {
        return Ok(());
    }
    let mut known = BTreeSet::new();
    gather(command, &mut known);
    let named = named_in(target);
    for name in ours {
        let is_known = known.contains(&name) || OF_THE_SCRIPTS.contains(&name.as_str());
        if is_known || named.contains(&format!("${{{name}")) {
            continue;
        }
        match meant(&name, &known) {
            Some(meant) => {
                return Err(Failure::usage(format!(
                    "the environment sets {name}, which is no variable of moltproof: did you mean {meant}? Nothing was done, for what it was to change would stay as it is; correct it or unset it"
                )));
            }
            None => say(&format!(
                "warning: the environment sets {name}, which is no variable of moltproof and changes nothing; `moltproof config show --origin` tells what is in effect"
            )),
        }
    }
    Ok(())
}

/// The variables of a verb and of those below it.
fn gather(command: &clap::Command, known: &mut BTreeSet<String>) {
    for argument in command.get_arguments() {
        let name = argument.get_env().and_then(|name| name.to_str());
        known.extend(name.map(str::to_owned));
    }
    for verb in command.get_subcommands() {
        gather(verb, known);
    }
}

/// What the manifest says, which may name variables of its own for its secrets; empty where there is none.
fn named_in(target: Option<&str>) -> String {
    let given = target.map(str::to_owned);
    let of_variable = || std::env::var_os("MOLTPROOF_TARGET")?.into_string().ok();
    let discovered = || {
        let here = std::env::current_dir().ok()?;
        Some(manifest::discover(&here)?.display().to_string())
    };
    let file = given.or_else(of_variable).or_else(discovered);
    let text = file.and_then(|file| std::fs::read_to_string(Path::new(&file)).ok());
    // What cannot be read is told when it is needed.
    text.unwrap_or_default()
}

/// The variable that was most likely meant.
fn meant<'a>(name: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    let word = name.strip_prefix(PREFIX)?;
    let slips = |one: &str| strsim::osa_distance(word, one);
    let is_near = |one: &str| {
        let shorter = word.len().min(one.len());
        slips(one) <= if shorter <= SHORT { 1 } else { SLIPS_MAX }
    };
    // `TARGET_URL` for `TARGET`, or `BUDGET` for `BUDGET_REQUESTS`.
    let is_longer = |long: &str, short: &str| {
        long.strip_prefix(short)
            .is_some_and(|rest| rest.starts_with('_'))
    };
    let ours = || known.iter().filter_map(|one| one.strip_prefix(PREFIX));
    let near = ours()
        .filter(|one| is_near(one))
        .min_by_key(|one| slips(one));
    let longer = || {
        let own = ours().filter(|one| is_longer(word, one) || is_longer(one, word));
        own.min_by_key(|one| slips(one))
    };
    let found = near.or_else(longer)?;
    known
        .iter()
        .map(String::as_str)
        .find(|one| one.strip_prefix(PREFIX) == Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, wanted: Option<&str>) {
        let mut known = BTreeSet::new();
        gather(&crate::cli::built(), &mut known);
        let found = meant(&format!("{PREFIX}{name}"), &known);
        let wanted = wanted.map(|wanted| format!("{PREFIX}{wanted}"));
        assert_eq!(found, wanted.as_deref(), "{name}");
    }

    #[test]
    fn a_slip_or_a_word_too_many_is_taken_for_the_variable_that_was_meant() {
        check("STRCIT", Some("STRICT"));
        check("READONLY", Some("READ_ONLY"));
        check("TARGET_URL", Some("TARGET"));
        check("TAG", Some("TAGS"));
    }

    #[test]
    fn a_name_of_somebody_elses_is_not() {
        check("OPERATOR_SECRET", None);
        check("CLIENT_ID", None);
        check("WEBHOOK", None);
    }

    #[test]
    fn every_variable_of_the_scripts_is_known() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut known = BTreeSet::new();
        gather(&crate::cli::built(), &mut known);
        let names = regex::Regex::new("MOLTPROOF_[A-Z_]*[A-Z]").unwrap();
        let mut folders = vec![root.join("ci"), root.join(".ci"), root.join(".github")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                for found in names.find_iter(&text) {
                    let name = found.as_str();
                    assert!(
                        known.contains(name) || OF_THE_SCRIPTS.contains(&name),
                        "{} sets {name}, which a run would complain of",
                        path.display()
                    );
                }
            }
        }
    }
}
