//! `moltproof init`: writes a target manifest. Never overwrites one unless told to, never asks for a secret.

use super::signals::Signals;
use super::target::runtime;
use super::{Failure, put, say};
use crate::init::{
    AsFound, Asks, Draft, Known, NotDrafted, Way, docker_is_there, draft, render, wrangler,
};
use crate::report::json;
use crate::subject::manifest::{FILE_NAME, Manifest};
use crate::subject::node;
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
    /// The environment in it that is judged as production, or "" for the top level; without it the environment `production`, else the top level.
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
    let schema = output.with_file_name(render::SCHEMA_FILE);
    is_ours(&schema)?;
    let text = render::manifest(&draft, &output.display().to_string());
    json::write_whole(output, text.as_bytes())
        .map_err(|error| Failure::fault(format!("cannot write {}: {error}", output.display())))?;
    json::write_whole(&schema, super::schema::manifest().as_bytes())
        .map_err(|error| Failure::fault(format!("cannot write {}: {error}", schema.display())))?;
    if let Some(note) = note(&draft) {
        put(&format!("note: {note}\n"))?;
    }
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

/// A schema that was written before is written anew; another file of that name is somebody's own.
fn is_ours(schema: &Path) -> Result<(), Failure> {
    let Ok(text) = std::fs::read_to_string(schema) else {
        return Ok(());
    };
    if text.contains(super::schema::MANIFEST_TITLE) {
        Ok(())
    } else {
        Err(Failure::usage(format!(
            "{} is there already, and is no schema of moltproof's: name another folder with --output FILE",
            schema.display()
        )))
    }
}

fn note(draft: &Draft) -> Option<&str> {
    match &draft.way {
        Way::Wrangler(started) => started.note.as_deref(),
        Way::Address { .. } => None,
    }
}

/// The Node that is on the path.
fn installed_node() -> Option<semver::Version> {
    let asked = std::process::Command::new("node")
        .arg("--version")
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    node::version(&String::from_utf8_lossy(&asked.stdout))
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
    let has_containers = |wrangler: &wrangler::Wrangler| {
        let environments = wrangler.environments.values();
        wrangler.top.containers || environments.into_iter().any(|of| of.containers)
    };
    let asks_docker = found
        .as_ref()
        .is_some_and(|(_, wrangler)| has_containers(wrangler));
    Ok(Known {
        node: found.as_ref().and_then(|_configured| installed_node()),
        docker: asks_docker && docker_is_there(),
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
