//! Errors about values that came from environment variables: they name the variable, not an option that nobody gave. Never reads a value.

use clap::error::{ContextKind, ContextValue};
use std::ffi::OsString;

/// The error with the variable in place of each option that is not on the command line but has one that is set.
pub(super) fn named(
    mut error: clap::Error,
    command: &clap::Command,
    args: &[OsString],
) -> clap::Error {
    let given: Vec<&str> = args
        .iter()
        .skip(1)
        .filter_map(|word| word.to_str())
        .collect();
    let verb = verb(command, &given);
    for kind in [ContextKind::InvalidArg, ContextKind::PriorArg] {
        let Some(ContextValue::String(option)) = error.get(kind) else {
            continue;
        };
        let of_option = |argument: &&clap::Arg| argument.to_string() == *option;
        let Some(argument) = verb.get_arguments().find(of_option) else {
            continue;
        };
        let Some(variable) = argument.get_env().filter(|_| !is_given(argument, &given)) else {
            continue;
        };
        if std::env::var_os(variable).is_none() {
            continue;
        }
        let (option, variable) = (option.clone(), variable.to_string_lossy().into_owned());
        error.insert(kind, ContextValue::String(variable.clone()));
        let tip = format!(
            "the environment variable {variable} stands for '{option}': mend it or unset it"
        );
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

/// The verb that was given, and below it the verb of that.
fn verb<'a>(command: &'a clap::Command, given: &[&str]) -> &'a clap::Command {
    let mut verb = command;
    for word in given {
        verb = verb.find_subcommand(word).unwrap_or(verb);
    }
    verb
}

/// Whether an option stands on the command line, in any of its forms.
fn is_given(argument: &clap::Arg, given: &[&str]) -> bool {
    let long = argument.get_long().map(|long| format!("--{long}"));
    let short = argument.get_short().map(|short| format!("-{short}"));
    given.iter().any(|word| {
        let option = word.split_once('=').map_or(*word, |(option, _)| option);
        long.as_deref() == Some(option)
            || short
                .as_deref()
                .is_some_and(|short| word.starts_with(short) && !word.starts_with("--"))
    })
}
