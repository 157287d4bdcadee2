//! What a variable says of a switch. Never heeds one that is empty.

use clap::ArgAction;

/// Lets the variable of a switch hold the words that CI systems use, not `true` and `false` alone, and takes an empty variable for one
/// that is not set: a workflow sets a variable even where its input was not given.
pub(super) fn with_usual_words(verb: clap::Command) -> clap::Command {
    verb.mut_args(|argument| {
        let is_empty = |name| std::env::var_os(name).is_some_and(|value| value.is_empty());
        let argument = if argument.get_env().is_some_and(is_empty) {
            argument.env(clap::builder::Resettable::Reset)
        } else {
            argument
        };
        if matches!(argument.get_action(), ArgAction::SetTrue) {
            argument.value_parser(switch)
        } else {
            argument
        }
    })
    .mut_subcommands(with_usual_words)
}

/// What a variable says of a switch.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" | "y" | "on" | "t" => Ok(true),
        "false" | "0" | "no" | "n" | "off" | "f" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}
