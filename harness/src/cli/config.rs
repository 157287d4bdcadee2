//! `moltproof config show`: which options `run` would have here, and where each comes from. Never runs anything, and shows no secret.

use super::run::RunArgs;
use super::{Failure, put};
use crate::scrub;
use crate::subject::manifest::Manifest;
use crate::verdict::Exit;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof config show                                    every option of `run`, as it is here
  moltproof config show --origin                           and where it comes from: flag, variable, manifest, default
  moltproof config show --origin --target moltproof.toml --strict
  moltproof config show --format json";

/// Options of `config`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigVerb {
    /// Prints the effective options of `run`, for these arguments, this environment and the manifest that is meant.
    #[command(after_help = EXAMPLES)]
    Show(Box<ShowArgs>),
}

/// Options of `config show`.
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Also tell where each value comes from.
    #[arg(long, env = "MOLTPROOF_CONFIG_ORIGIN")]
    origin: bool,
    #[command(flatten)]
    run: RunArgs,
}

/// One option, as it is in effect.
#[derive(Debug, Serialize)]
struct Shown {
    /// As on the command line.
    option: String,
    /// Empty where it is not set.
    value: String,
    /// Where that comes from.
    origin: String,
    /// The variable that sets it.
    variable: Option<String>,
}

pub(super) fn config(
    args: &ConfigArgs,
    command: &clap::Command,
    matches: &ArgMatches,
) -> Result<Exit, Failure> {
    let ConfigVerb::Show(show) = &args.verb;
    let fault = || Failure::fault("the command line cannot be read again");
    let given = matches.subcommand_matches("show").ok_or_else(fault)?;
    let verb = command.find_subcommand("run").ok_or_else(fault)?;
    let named = show.run.target_named();
    let manifest = if Path::new(&named).is_file() {
        Some(show.run.target.manifest(&named)?)
    } else {
        None
    };
    let list: Vec<Shown> = verb
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .filter(|argument| {
            let is_switch = matches!(argument.get_action(), ArgAction::SetTrue);
            is_switch || argument.get_action().takes_values()
        })
        .filter(|argument| given.try_contains_id(argument.get_id().as_str()).is_ok())
        .map(|argument| {
            let mut shown = shown(argument, given);
            fill(&mut shown, &named, manifest.as_ref());
            shown.value = scrub::clean_report(&without_password(&shown.value));
            shown
        })
        .collect();
    if show.run.as_json() {
        let text = serde_json::to_string_pretty(&list)
            .map_err(|error| Failure::fault(format!("cannot write the options: {error}")))?;
        put(&format!("{text}\n"))?;
    } else {
        put(&text(&list, show.origin))?;
    }
    Ok(Exit::Conforms)
}

/// An option as the command line and the environment have it.
fn shown(argument: &clap::Arg, given: &ArgMatches) -> Shown {
    let id = argument.get_id().as_str();
    let variable = argument.get_env().map(|name| name.display().to_string());
    let origin = match given.value_source(id) {
        Some(ValueSource::CommandLine) => "flag".to_owned(),
        Some(ValueSource::EnvVariable) => {
            format!("variable {}", variable.as_deref().unwrap_or_default())
        }
        Some(_) | None => "default".to_owned(),
    };
    let value = if argument.get_action().takes_values() {
        let values = given.get_raw(id).into_iter().flatten();
        let values: Vec<_> = values.map(|value| value.display().to_string()).collect();
        values.join(",")
    } else {
        given.get_flag(id).to_string()
    };
    Shown {
        option: format!("--{}", argument.get_long().unwrap_or(id)),
        value,
        origin,
        variable,
    }
}

/// What neither command line nor environment say: from the manifest, else as it is without being told.
fn fill(shown: &mut Shown, named: &str, manifest: Option<&Manifest>) {
    if !shown.value.is_empty() {
        return;
    }
    let of_manifest = |value: Option<usize>| value.map(|value| value.to_string());
    let found = match (shown.option.as_str(), manifest) {
        ("--concurrency", Some(manifest)) => of_manifest(manifest.limits.concurrency),
        ("--budget-requests", Some(manifest)) => of_manifest(manifest.budget.requests),
        ("--budget-model-calls", Some(manifest)) => of_manifest(manifest.budget.model_calls),
        ("--budget-burst", Some(manifest)) => of_manifest(manifest.budget.burst),
        ("--target", _) => Some(named.to_owned()),
        _ => None,
    };
    match found {
        Some(value) if shown.option == "--target" => {
            shown.value = value;
            if manifest.is_some() {
                "found from this folder upwards".clone_into(&mut shown.origin);
            }
        }
        Some(value) => {
            shown.value = value;
            shown.origin = format!("manifest {named}");
        }
        None => {
            let told = match shown.option.as_str() {
                "--concurrency" => "64",
                "--seed" => "another in each run",
                "--budget-requests" | "--budget-model-calls" | "--budget-burst" => {
                    "without limit; at an address what `moltproof run --help` says"
                }
                _ => "not set",
            };
            told.clone_into(&mut shown.value);
        }
    }
}

/// An address without the password in it: `run` refuses it, and it is not repeated here.
fn without_password(value: &str) -> String {
    match url::Url::parse(value) {
        Ok(mut url) if url.password().is_some() => {
            // It has a host, or it had no password: this cannot fail.
            let _had_a_host = url.set_password(Some("***")).is_ok();
            url.to_string()
        }
        Ok(_) | Err(_) => value.to_owned(),
    }
}

fn text(list: &[Shown], origin: bool) -> String {
    let widest = |of: fn(&Shown) -> &str| list.iter().map(|one| of(one).len()).max().unwrap_or(0);
    let (option, value) = (widest(|one| &one.option), widest(|one| &one.value));
    let mut out = String::new();
    for one in list {
        let told = if origin {
            format!(
                "{:<option$}  {:<value$}  {}",
                one.option, one.value, one.origin
            )
        } else {
            format!("{:<option$}  {}", one.option, one.value)
        };
        let _infallible = writeln!(out, "{}", told.trim_end());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        assert_eq!(
            without_password("https://me:s3cret@staging.example"),
            "https://me:***@staging.example/"
        );
        assert_eq!(without_password("reference"), "reference");
    }
}
