//! The reference as a process of its own, to be stopped and killed by real signals. Never outlives its scenario.

use super::altered::{Alteration, Variables};
use crate::lag::Patience;
use crate::observe::log_lines::LogLines;
use crate::said::said;
use crate::target::program::as_it_began;
use crate::target::{Disposable, Fault, Instance};
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Longest time to the line that says where it listens. Evidence: 20 to 60 ms here; a debug build under full load took 1.5 s.
const START_MS_MAX: u64 = 20_000;
/// Longest time of an orderly shutdown. Evidence: it lets requests in flight finish for at most ten seconds.
const STOP_MS_MAX: u64 = 20_000;

/// The process, running or not.
pub(super) struct Process {
    program: PathBuf,
    verb: Vec<String>,
    variables: Variables,
    logs: Arc<LogLines>,
    instance: Arc<Instance>,
    child: Option<Child>,
}

impl Process {
    /// A process that is not started yet. `instance` has everything but the address.
    pub(super) fn new(
        program: PathBuf,
        alteration: &Alteration,
        variables: Variables,
        logs: Arc<LogLines>,
        instance: Instance,
    ) -> Self {
        let verb = if alteration.name.is_empty() {
            vec!["serve".to_owned()]
        } else {
            vec!["serve-altered".to_owned(), alteration.name.clone()]
        };
        Self {
            program,
            verb,
            variables,
            logs,
            instance: Arc::new(instance),
            child: None,
        }
    }

    async fn ended(&mut self) -> Result<(), Fault> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let patience = Patience::of(Duration::from_millis(STOP_MS_MAX));
        match patience.with(child.wait()).await {
            Some(Ok(_status)) => Ok(()),
            Some(Err(error)) => Err(Fault(format!("cannot wait for the process: {error}"))),
            None => Err(Fault(format!(
                "the process did not end within {} s",
                STOP_MS_MAX / 1000
            ))),
        }
    }

    fn signal(&self, signal: Signal) -> Result<(), Fault> {
        let id = self
            .child
            .as_ref()
            .and_then(Child::id)
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let id = id.ok_or_else(|| Fault("the process is not running".to_owned()))?;
        kill_process(id, signal)
            .map_err(|error| Fault(format!("cannot signal the process: {error}")))
    }
}

#[async_trait]
impl Disposable for Process {
    fn instance(&self) -> Arc<Instance> {
        Arc::clone(&self.instance)
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.signal(Signal::TERM)?;
        self.ended().await
    }

    async fn kill(&mut self) -> Result<(), Fault> {
        self.signal(Signal::KILL)?;
        self.ended().await
    }

    async fn start(&mut self) -> Result<(), Fault> {
        let fault = |why: String| Fault(format!("cannot start {}: {why}", self.program.display()));
        let mut command = Command::new(as_it_began(&self.program));
        command
            .arg0(&self.program)
            .args(&self.verb)
            .env_clear()
            .envs(&self.variables)
            .env("LISTEN", "127.0.0.1:0");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| fault(error.to_string()))?;
        if let Some(errors) = child.stderr.take() {
            let logs = Arc::clone(&self.logs);
            tokio::spawn(async move {
                let mut lines = BufReader::new(errors).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    logs.push(line);
                }
            });
        }
        let output = child
            .stdout
            .take()
            .ok_or_else(|| fault("no standard output".to_owned()))?;
        let mut lines = BufReader::new(output).lines();
        let patience = Patience::of(Duration::from_millis(START_MS_MAX));
        let base = match patience.with(lines.next_line()).await {
            Some(Ok(Some(line))) => line
                .strip_prefix("listening on ")
                .map(str::to_owned)
                .ok_or_else(|| fault(format!("it said `{line}`")))?,
            Some(Ok(None)) => {
                return Err(fault(format!("it ended at once: {}", said(&self.said()))));
            }
            Some(Err(error)) => return Err(fault(error.to_string())),
            None => {
                return Err(fault(format!(
                    "it is not ready after {} s",
                    START_MS_MAX / 1000
                )));
            }
        };
        self.child = Some(child);
        self.instance = Arc::new(moved(&self.instance, base));
        Ok(())
    }
}

impl Process {
    fn said(&self) -> Vec<String> {
        use crate::observe::Logs as _;
        self.logs
            .since(0)
            .into_iter()
            .map(|line| line.text)
            .collect()
    }
}

/// The same instance at another address.
fn moved(instance: &Instance, base: String) -> Instance {
    Instance {
        commands: instance.commands.clone(),
        variant: instance.variant,
        base,
        d1: instance.d1.clone(),
        kv: instance.kv.clone(),
        r2: instance.r2.clone(),
        logs: instance.logs.clone(),
        gateway: instance.gateway.clone(),
        model_calls: instance.model_calls.clone(),
        ai_gateway_key: instance.ai_gateway_key.clone(),
        access: instance.access.clone(),
        credential: instance.credential.clone(),
        faults: instance.faults.clone(),
        who: None,
        app_domain: instance.app_domain.clone(),
    }
}
