//! The command line as a whole: variables, examples, suggestions. Never runs a verb.

use super::{Cli, built, command};
use clap::{ArgAction, FromArgMatches as _};

/// Options without a variable of ours, each with the reason.
const WITHOUT_VARIABLE: [(&str, &str); 1] = [(
    "serve --listen",
    "the reference is configured by the variables that `serve --help` lists, `LISTEN` among them",
)];

/// Every verb that people see, with the words that lead to it.
fn verbs() -> Vec<(String, clap::Command)> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), built())];
    while let Some((name, verb)) = open.pop() {
        for below in verb.get_subcommands() {
            if !below.is_hide_set() && below.get_name() != "help" {
                open.push((
                    format!("{name} {}", below.get_name()).trim().to_owned(),
                    below.clone(),
                ));
            }
        }
        found.push((name, verb));
    }
    found
}

#[test]
fn every_option_has_a_variable() {
    let mut without = Vec::new();
    for (name, verb) in verbs() {
        for option in verb.get_arguments() {
            let is_ours = option.get_long().is_some()
                && !option.is_hide_set()
                && !matches!(
                    option.get_action(),
                    ArgAction::Help
                        | ArgAction::HelpShort
                        | ArgAction::HelpLong
                        | ArgAction::Version
                );
            let variable = option.get_env().and_then(|name| name.to_str());
            if is_ours && !variable.is_some_and(|name| name.starts_with("MOLTPROOF_")) {
                without.push(format!(
                    "{name} --{}",
                    option.get_long().unwrap_or_default()
                ));
            }
        }
    }
    without.sort();
    assert_eq!(
        without,
        WITHOUT_VARIABLE.map(|(option, _)| option.to_owned())
    );
}

#[test]
fn every_verb_has_examples_and_each_of_them_parses() {
    for (name, verb) in verbs().into_iter().filter(|(name, _)| !name.is_empty()) {
        let help = verb
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let examples: Vec<&str> = help
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .filter(|line| line.starts_with("moltproof "))
            .collect();
        assert!(!examples.is_empty(), "`moltproof {name}` shows no example");
        for example in examples {
            // What follows two blanks explains; what follows `>` is the shell's.
            let line = example.split("  ").next().unwrap_or(example);
            let line = line.split(" > ").next().unwrap_or(line);
            let words = shell_words::split(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let parsed = command().try_get_matches_from(words);
            let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }
}

#[test]
fn the_variable_of_a_switch_takes_the_usual_words() {
    for (word, on) in [("1", true), ("YES", true), ("0", false)] {
        assert_eq!(super::switches::switch(word), Ok(on), "{word}");
    }
    assert!(super::switches::switch("flase").is_err());
}

#[test]
fn a_mistyped_verb_or_option_gets_a_suggestion() {
    for (line, wanted) in [
        ("moltproof docter", "'doctor'"),
        ("moltproof run --sed 7", "'--seed'"),
        ("moltproof run --format jsn", "'json'"),
        ("moltproof list --level mst", "'must'"),
    ] {
        let error = command().try_get_matches_from(line.split(' ')).unwrap_err();
        assert!(error.to_string().contains(wanted), "{line}: {error}");
    }
}
