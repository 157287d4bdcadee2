//! `moltproof completions` and `moltproof man`: what shells and `man` read, made from the command line itself. Never describes a verb in words of its own.

use super::{Failure, candidates, put};
use crate::verdict::Exit;
use std::path::PathBuf;

pub(super) const COMPLETIONS_EXAMPLES: &str = "Examples:
  moltproof completions bash > ~/.local/share/bash-completion/completions/moltproof
  moltproof completions zsh > ~/.zfunc/_moltproof
  moltproof completions fish > ~/.config/fish/completions/moltproof.fish";

pub(super) const MAN_EXAMPLES: &str = "Examples:
  moltproof man > moltproof.1                              the page of moltproof itself
  moltproof man --output ~/.local/share/man/man1           a page for every verb";

/// Options of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Options of `man`.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Write the page of every verb into this folder; without it, the page of moltproof itself goes to standard output.
    #[arg(long, env = "MOLTPROOF_MAN_OUTPUT", value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs, command: clap::Command) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let mut command = candidates::known(command)
        .map_err(|error| Failure::fault(format!("cannot read the contract: {error}")))?;
    clap_complete::generate(args.shell, &mut command, "moltproof", &mut script);
    let script = candidates::with_files(args.shell, &String::from_utf8_lossy(&script));
    put(&script)?;
    Ok(Exit::Conforms)
}

/// Without the verb `help`, of which every verb has one.
fn without_help(verb: clap::Command) -> clap::Command {
    verb.disable_help_subcommand(true)
        .mut_subcommands(without_help)
}

pub(super) fn man(args: &ManArgs, command: clap::Command) -> Result<Exit, Failure> {
    let command = without_help(command);
    let Some(folder) = &args.output else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| Failure::fault(format!("cannot make the page: {error}")))?;
        put(&String::from_utf8_lossy(&page))?;
        return Ok(Exit::Conforms);
    };
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .map_err(|error| {
            Failure::fault(format!("cannot write into {}: {error}", folder.display()))
        })?;
    put(&format!("pages written to {}\n", folder.display()))?;
    Ok(Exit::Conforms)
}
