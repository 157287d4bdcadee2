//! What a shell proposes for the values of options: ids of criteria, areas, kinds of reports, targets. Never parses a value: a command line
//! is read without this.

use crate::contract::need::{Need, Variant};
use crate::contract::{Contract, Malformed};
use crate::generate;
use crate::report::Kind;
use clap::ValueHint;
use clap::builder::PossibleValuesParser;
use std::collections::BTreeSet;

/// What stands for the embedded reference where a target is named.
const REFERENCE: &str = "reference";

/// The values that are known of each option, by its name.
struct Known {
    ids: Vec<String>,
    areas: Vec<String>,
    kinds: Vec<String>,
    needs: Vec<String>,
}

/// The command line with the values that its options may have, for the scripts only: as parsers they would refuse what is right.
pub(super) fn known(command: clap::Command) -> Result<clap::Command, Malformed> {
    let contract = Contract::embedded()?;
    let area = |id: &String| id.split('-').next().unwrap_or_default().to_owned();
    let areas: BTreeSet<String> = contract.criteria.keys().map(area).collect();
    let generated = generate::Kind::ALL.map(|kind| kind.id().to_owned());
    let kinds = Kind::ALL.map(Kind::word).into_iter();
    let variants = Variant::ALL.map(|one| Need::Variant(one).to_string());
    let known = Known {
        ids: contract.criteria.keys().cloned().chain(generated).collect(),
        areas: areas.into_iter().collect(),
        kinds: kinds.chain(["github"]).map(str::to_owned).collect(),
        needs: variants.to_vec(),
    };
    Ok(told(command, &known))
}

fn told(verb: clap::Command, known: &Known) -> clap::Command {
    let name = verb.get_name().to_owned();
    verb.mut_args(|argument| {
        let values = match (name.as_str(), argument.get_id().as_str()) {
            ("run" | "list" | "explain" | "replay", "id") => &known.ids,
            ("list", "area") => &known.areas,
            ("list", "need") => &known.needs,
            ("run" | "replay" | "render" | "merge", "report") => &known.kinds,
            (_, "target") => {
                return argument.value_parser(PossibleValuesParser::new([REFERENCE]));
            }
            _ => return hinted(argument),
        };
        argument.value_parser(PossibleValuesParser::new(values.clone()))
    })
    .mut_subcommands(|verb| told(verb, known))
}

/// Files and folders, by the name that the help has for a value.
fn hinted(argument: clap::Arg) -> clap::Arg {
    let names = argument.get_value_names().unwrap_or_default();
    let hint = match names.first().map(clap::builder::Str::as_str) {
        Some("FILE" | "PATH") => ValueHint::FilePath,
        Some("DIR" | "DIR|none") => ValueHint::DirPath,
        Some("URL" | "ADDRESS") => ValueHint::Url,
        _ => return argument,
    };
    argument.value_hint(hint)
}

/// The script in which a target may be a manifest too: the generator takes either words or files.
pub(super) fn with_files(shell: clap_complete::Shell, script: &str) -> String {
    match shell {
        clap_complete::Shell::Bash => script.replace(
            "COMPREPLY=($(compgen -W \"reference\" -- \"${cur}\"))",
            "COMPREPLY=($(compgen -W \"reference http:// https://\" -- \"${cur}\") $(compgen -f -X '!*.toml' -- \"${cur}\") $(compgen -d -S / -- \"${cur}\"))",
        ),
        clap_complete::Shell::Zsh => script.replace(
            ":(reference)'",
            ":{_alternative \"targets\\:target\\:(reference)\" \"manifests\\:manifest\\:_files -g \\*.toml\"}'",
        ),
        clap_complete::Shell::Fish => {
            let lines = script.lines().map(|line| {
                if line.contains(" -l target ") {
                    line.replace(" -r -f -a", " -r -F -a")
                } else {
                    line.to_owned()
                }
            });
            lines.map(|line| line + "\n").collect()
        }
        clap_complete::Shell::Elvish | clap_complete::Shell::PowerShell | _ => script.to_owned(),
    }
}
