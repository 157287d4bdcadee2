//! One supervised server process of a target. Never outlives its owner.

use crate::observe::command::Said;
use crate::observe::log_lines::{LogLines, Voice};
use crate::subject::Fault;
use crate::subject::program::as_it_began;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// Longest time until a supervisor has ended its group: its own grace and some more.
const END_MS_MAX: u64 = 15_000;

/// A running server.
#[derive(Debug)]
pub(super) struct Supervised {
    child: Child,
    orders: Option<ChildStdin>,
}

impl Supervised {
    /// Starts `command` under a supervisor (`program supervise -- …`) in `folder`; its output goes to `logs`.
    pub(super) fn start(
        program: &Path,
        command: &[String],
        folder: &Path,
        environment: &BTreeMap<String, String>,
        logs: &Arc<LogLines>,
    ) -> Result<Self, Fault> {
        let (out, err) = (Arc::clone(logs), Arc::clone(logs));
        Self::start_with(
            program,
            command,
            folder,
            environment,
            move |line| out.push_from(Voice::Output, line),
            move |line| err.push_from(Voice::Errors, line),
        )
    }

    /// Starts `command` like [`Self::start`]; each line of its output and of its errors goes to a taker of its own.
    pub(super) fn start_with(
        program: &Path,
        command: &[String],
        folder: &Path,
        environment: &BTreeMap<String, String>,
        output_taker: impl Fn(String) + Send + 'static,
        error_taker: impl Fn(String) + Send + 'static,
    ) -> Result<Self, Fault> {
        let started = supervisor(program, command, folder, environment).spawn();
        let mut child = started
            .map_err(|error| Fault(format!("cannot start `{}`: {error}", command.join(" "))))?;
        if let Some(output) = child.stdout.take() {
            tokio::spawn(hand_lines(output, output_taker));
        }
        if let Some(errors) = child.stderr.take() {
            tokio::spawn(hand_lines(errors, error_taker));
        }
        let orders = child.stdin.take();
        Ok(Self { child, orders })
    }

    /// How it has ended by itself; `None` while it runs.
    pub(super) fn end(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Orderly end.
    pub(super) async fn stop(self) -> Result<(), Fault> {
        self.order(b"stop\n").await
    }

    /// Sudden end.
    pub(super) async fn kill(self) -> Result<(), Fault> {
        self.order(b"kill\n").await
    }

    async fn order(mut self, line: &[u8]) -> Result<(), Fault> {
        if let Some(orders) = &mut self.orders {
            // A supervisor that has ended already has nothing left to end.
            drop(orders.write_all(line).await);
        }
        match tokio::time::timeout(Duration::from_millis(END_MS_MAX), self.child.wait()).await {
            Ok(Ok(_status)) => Ok(()),
            Ok(Err(error)) => Err(Fault(format!("cannot wait for the server: {error}"))),
            Err(_elapsed) => Err(Fault(format!(
                "the server did not end within {} s",
                END_MS_MAX / 1000
            ))),
        }
    }
}

async fn hand_lines(output: impl AsyncRead + Unpin, taker: impl Fn(String)) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        taker(line);
    }
}

/// Runs a command to its end, under a supervisor like a server: it too may leave processes behind when the harness is killed.
/// Returns what it said.
pub(super) async fn run_to_end(
    program: &Path,
    command: &[String],
    folder: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<Said, Fault> {
    let fault =
        |error: std::io::Error| Fault(format!("cannot run `{}`: {error}", command.join(" ")));
    let mut child = supervisor(program, command, folder, environment)
        .spawn()
        .map_err(fault)?;
    // Held until the command has ended: its end would ask the supervisor to stop.
    let orders = child.stdin.take();
    let output = child.wait_with_output().await.map_err(fault)?;
    drop(orders);
    Ok(Said {
        ok: output.status.success(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        output: output.stdout,
    })
}

/// The words that start `command` under a supervisor, for somebody who keeps its standard input open.
pub(super) fn supervised(program: &Path, command: Vec<String>) -> Vec<String> {
    let program = as_it_began(program).display().to_string();
    let mut words = vec![program, "supervise".to_owned(), "--".to_owned()];
    words.extend(command);
    words
}

fn supervisor(
    program: &Path,
    command: &[String],
    folder: &Path,
    environment: &BTreeMap<String, String>,
) -> Command {
    let mut supervisor = Command::new(as_it_began(program));
    supervisor
        .arg0(program)
        .arg("supervise")
        .arg("--")
        .args(command)
        .current_dir(folder)
        // What the command leaves there when it is killed goes with what the harness leaves.
        .env("TMPDIR", tempfile::env::temp_dir())
        .envs(environment);
    // A group of its own: Ctrl-C in the terminal reaches the harness, which then ends the command in order.
    supervisor
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    supervisor
}

/// Copies a folder with everything in it.
pub(super) fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
