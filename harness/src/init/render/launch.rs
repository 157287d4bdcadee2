//! How `wrangler dev` is started: its command, what prepares it, what it is told. Never writes a value of a variable.

use super::super::Started;
use super::super::wrangler::FILE_NAMES;
use super::text::{key, quoted, shown, words};
use std::fmt::Write as _;

/// Starts `wrangler dev` without the containers of its configuration.
const WITHOUT_CONTAINERS: &str = "--enable-containers=false";

/// How the Worker is started.
pub(super) fn launch(out: &mut String, started: &Started) -> std::fmt::Result {
    let wrangler = |rest: &[&str]| -> Vec<String> {
        let mut command = program(started);
        command.extend(rest.iter().map(|&word| word.to_owned()));
        command
    };
    // Wrangler finds its own file by these names only.
    let by_name: Vec<String> = if FILE_NAMES.contains(&started.file.as_str()) {
        Vec::new()
    } else {
        vec!["--config".to_owned(), started.file.clone()]
    };
    let chosen = || -> Vec<String> {
        let of = started.environment.iter();
        of.flat_map(|name| ["--env".to_owned(), name.clone()])
            .collect()
    };
    writeln!(out, "[launch]")?;
    if !started.folder.as_os_str().is_empty() {
        writeln!(out, "folder = {}", quoted(&shown(&started.folder)))?;
    }
    prepare(out, started)?;
    if started.without_routes {
        writeln!(
            out,
            "# `wrangler dev` would put the host of `routes` in the place of every Host: it is started with a copy of the configuration that has none, beside it.\n# {{config}} is the copy, made anew for each run; it belongs into .gitignore.\nconfig_without_routes = {}",
            quoted(&started.file)
        )?;
    }
    match started
        .bindings
        .d1
        .first()
        .filter(|_| started.has_migrations)
    {
        Some(database) => {
            let mut command = wrangler(&[
                "d1",
                "migrations",
                "apply",
                &database.binding,
                "--local",
                "--persist-to",
                "{state}",
            ]);
            command.extend(by_name.clone());
            command.extend(chosen());
            writeln!(out, "setup = [{}]", words(&command))?;
        }
        None => writeln!(
            out,
            "# No migrations were found. What fills a fresh store goes here: setup = [[\"npx\", \"wrangler\", \"d1\", \"execute\", …]]"
        )?,
    }
    let mut command = wrangler(&[
        "dev",
        "--local",
        "--ip",
        "127.0.0.1",
        "--port",
        "{port}",
        "--inspector-port",
        "0",
        "--persist-to",
        "{state}",
        "--show-interactive-dev-session=false",
    ]);
    if started.without_routes {
        command.extend(["--config".to_owned(), "{config}".to_owned()]);
    } else {
        command.extend(by_name);
    }
    containers(out, started, &mut command)?;
    writeln!(out, "command = {}", words(&command))?;
    writeln!(
        out,
        "variable_arguments = [\"--var\", \"{{name}}:{{value}}\"]\nready_within_seconds = 120\n"
    )?;
    environment(out, started)
}

/// What the commands find in their environment, and what the harness tells the Worker.
fn environment(out: &mut String, started: &Started) -> std::fmt::Result {
    writeln!(
        out,
        "[launch.environment]\nWRANGLER_SEND_METRICS = \"false\""
    )?;
    writeln!(
        out,
        "# Without a registry of its own an instance would see, and change, the stores of all others."
    )?;
    writeln!(
        out,
        "WRANGLER_REGISTRY_PATH = \"{{state}}/registry\"\nNO_COLOR = \"1\"\nCI = \"true\"\n"
    )?;
    writeln!(
        out,
        "# What the harness tells the Worker, by the Worker's own names.\n[launch.variables]"
    )?;
    for told in &started.variables {
        let doubt = if told.found {
            String::new()
        } else {
            "  # found nowhere: this is the contract's name for it, or yours".to_owned()
        };
        writeln!(
            out,
            "{} = {}{doubt}",
            key(&told.name),
            quoted(told.placeholder)
        )?;
    }
    writeln!(out)
}

/// What installs the packages.
fn prepare(out: &mut String, started: &Started) -> std::fmt::Result {
    let Some(install) = &started.install else {
        return Ok(());
    };
    let sign = install.folder.join(&install.sign);
    let folder = if install.folder.as_os_str().is_empty() {
        String::new()
    } else {
        writeln!(
            out,
            "# The lock file is that of the workspace above, and packages are installed there."
        )?;
        format!(", folder = {}", quoted(&shown(&install.folder)))
    };
    writeln!(
        out,
        "prepare = [{{ run = {}{folder}, unless = {} }}]",
        words(&install.run),
        quoted(&shown(&sign))
    )
}

/// Containers, where Docker is not there to build them.
fn containers(out: &mut String, started: &Started, command: &mut Vec<String>) -> std::fmt::Result {
    match started.without_containers {
        None => Ok(()),
        Some(true) => {
            command.push(WITHOUT_CONTAINERS.to_owned());
            writeln!(
                out,
                "# No Docker answers here, and `wrangler dev` does not start without it: the containers are left out, `ctx.container` is undefined, and what needs it is not verified.\n# Where Docker is there, take {WITHOUT_CONTAINERS} away."
            )
        }
        Some(false) => writeln!(
            out,
            "# The containers are built and started by Docker; where there is none, add {WITHOUT_CONTAINERS}."
        ),
    }
}

/// Wrangler, as it is run there.
pub(super) fn program(started: &Started) -> Vec<String> {
    let mut command = started.runner.clone();
    command.push(started.program.clone());
    command
}
