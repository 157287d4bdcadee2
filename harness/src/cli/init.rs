//! `moltproof init`: writes a target manifest. Never overwrites one unless told to, never asks for a secret.

use super::signals::Signals;
use super::target::runtime;
use super::{Failure, put, say};
use crate::init::{AsFound, Asks, Known, NotDrafted, draft, render, wrangler};
use crate::report::json;
use crate::target::manifest::{FILE_NAME, Manifest};
use crate::verdict::Exit;
use dialoguer::{Input, Select};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "Examples:
  moltproof init                                   asks, and writes moltproof.toml
  moltproof init --yes                             takes what wrangler.jsonc says, and asks nothing
  moltproof init --from worker/wrangler.toml --env staging --output staging.toml
  moltproof init --address https://staging.example --yes";

/// Options of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct InitArgs {
    /// The Worker's wrangler configuration; without it wrangler.json, wrangler.jsonc or wrangler.toml in this folder.
    #[arg(long, env = "MOLTPROOF_INIT_FROM", value_name = "FILE")]
    from: Option<PathBuf>,
    /// The environment in it that is judged as production; without it the top level.
    #[arg(
        long,
        env = "MOLTPROOF_INIT_ENV",
        value_name = "NAME",
        conflicts_with = "address"
    )]
    env: Option<String>,
    /// The Worker runs already, at this address; the harness starts none.
    #[arg(long, env = "MOLTPROOF_INIT_ADDRESS", value_name = "URL")]
    address: Option<String>,
    /// Ask nothing, as where there is no terminal: what cannot be found stands in the manifest as a comment.
    #[arg(long, short, env = "MOLTPROOF_YES")]
    yes: bool,
    /// Where the manifest goes.
    #[arg(long, short, env = "MOLTPROOF_INIT_OUTPUT", value_name = "FILE", default_value = FILE_NAME)]
    output: PathBuf,
    /// Overwrite what is there.
    #[arg(long, env = "MOLTPROOF_FORCE")]
    force: bool,
}

pub(super) fn init(args: &InitArgs) -> Result<Exit, Failure> {
    let output = &args.output;
    if output.exists() && !args.force {
        return Err(Failure::usage(format!(
            "{} is there already; --force overwrites it, --output FILE writes another",
            output.display()
        )));
    }
    let known = known(args)?;
    if !args.yes && io::stdin().is_terminal() {
        leave_on_ctrl_c()?;
    }
    let mut terminal = Terminal;
    let mut as_found = AsFound;
    let asks: &mut dyn Asks = if args.yes || !io::stdin().is_terminal() {
        &mut as_found
    } else {
        &mut terminal
    };
    let draft = draft(&known, asks).map_err(|error| failed(&error))?;
    let text = render::manifest(&draft, &output.display().to_string());
    json::write_whole(output, text.as_bytes())
        .map_err(|error| Failure::fault(format!("cannot write {}: {error}", output.display())))?;
    if let Err(error) = Manifest::read(output) {
        // A variable for a secret may not be set yet: that is no fault of the manifest.
        put(&format!("note: {error}\n"))?;
    }
    let from = known
        .wrangler
        .as_ref()
        .map_or_else(String::new, |(file, _)| format!(" from {}", file.display()));
    let shown = output.display();
    put(&format!(
        "{shown} written{from}; read it, and fill in what its comments say\nnext: moltproof doctor --target {shown}\nthen: moltproof run --target {shown}\n"
    ))?;
    Ok(Exit::Conforms)
}

fn known(args: &InitArgs) -> Result<Known, Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Failure::fault(format!("there is no current folder: {error}")))?;
    let file = args.from.clone().or_else(|| wrangler::find(Path::new(".")));
    let found = match file.filter(|_| args.address.is_none()) {
        Some(file) => {
            let read = wrangler::read(&file).map_err(|error| Failure::usage(error.to_string()))?;
            // As it is reached from the manifest, wherever that lies.
            let file = std::fs::canonicalize(&file).unwrap_or(file);
            Some((file, read))
        }
        None => None,
    };
    if let (Some(name), None) = (&args.env, &found) {
        return Err(Failure::usage(format!(
            "--env {name} needs a wrangler configuration, and there is none in this folder; name it with --from FILE"
        )));
    }
    let folder = args
        .output
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = match folder {
        None => here,
        Some(folder) => std::fs::canonicalize(folder).map_err(|error| {
            Failure::usage(format!("there is no folder {}: {error}", folder.display()))
        })?,
    };
    Ok(Known {
        wrangler: found,
        environment: args.env.clone(),
        address: args.address.clone(),
        folder: std::fs::canonicalize(&folder).unwrap_or(folder),
    })
}

fn failed(error: &NotDrafted) -> Failure {
    let interrupted =
        matches!(error, NotDrafted::Unanswered(why) if why.kind() == io::ErrorKind::Interrupted);
    Failure {
        exit: if interrupted {
            Exit::Interrupted
        } else {
            Exit::Usage
        },
        message: if interrupted {
            "interrupted; nothing was written".to_owned()
        } else {
            error.to_string()
        },
    }
}

/// Ends this program at Ctrl-C as it should be left: a menu hides the cursor, and must give it back.
fn leave_on_ctrl_c() -> Result<(), Failure> {
    let runtime = runtime()?;
    let mut signals = runtime.block_on(async { Signals::heard() })?;
    std::thread::spawn(move || {
        let by = runtime.block_on(signals.next());
        show_cursor();
        say("");
        say("moltproof: interrupted; nothing was written");
        std::process::exit(Exit::of(by) as i32);
    });
    Ok(())
}

/// Gives back the cursor that a menu has hidden. Where there is no terminal any more, there is no cursor either.
fn show_cursor() {
    drop(dialoguer::console::Term::stderr().show_cursor());
}

/// Somebody at a terminal.
struct Terminal;

impl Asks for Terminal {
    fn text(&mut self, question: &str, default: &str) -> io::Result<String> {
        Input::<String>::new()
            .with_prompt(question)
            .default(default.to_owned())
            .show_default(!default.is_empty())
            .allow_empty(true)
            .interact_text()
            .map_err(of_terminal)
    }

    fn choice(&mut self, question: &str, choices: &[String], default: usize) -> io::Result<usize> {
        Select::new()
            .with_prompt(question)
            .items(choices)
            .default(default)
            .interact()
            .inspect_err(|_ended| show_cursor())
            .map_err(of_terminal)
    }
}

fn of_terminal(error: dialoguer::Error) -> io::Error {
    let dialoguer::Error::IO(error) = error;
    error
}
