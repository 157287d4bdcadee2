//! The reference as a process of its own, to be stopped and killed by real signals. Never outlives its scenario, or the harness, however
//! that dies: it runs under a supervisor.

use super::altered::{Alteration, Variables};
use crate::lag::Patience;
use crate::observe::log_lines::LogLines;
use crate::said::said;
use crate::subject::program::as_it_began;
use crate::subject::{Disposable, Fault, Instance};
use async_trait::async_trait;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// Longest time to the line that says where it listens. Evidence: 20 to 60 ms here; a debug build under full load took 1.5 s.
const START_MS_MAX: u64 = 20_000;
/// Longest time of an orderly shutdown. Evidence: it lets requests in flight finish for at most ten seconds.
const STOP_MS_MAX: u64 = 20_000;
/// Longest time that the supervisor gives it for that.
const GRACE_MS: u64 = 15_000;

/// The process, running or not.
pub(super) struct Process {
    program: PathBuf,
    verb: Vec<String>,
    variables: Variables,
    logs: Arc<LogLines>,
    instance: Arc<Instance>,
    running: Option<Running>,
}

/// Its supervisor, and where that takes orders.
struct Running {
    supervisor: Child,
    orders: File,
}

impl Running {
    fn order(&mut self, order: &str) -> Result<(), Fault> {
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .map_err(|error| Fault(format!("cannot signal the process: {error}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or its supervisor ends it by the end of these orders.
        self.order("kill").unwrap_or_default();
    }
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
            running: None,
        }
    }

    /// Gives this order, and waits until the process has ended.
    async fn end(&mut self, order: &str) -> Result<(), Fault> {
        let mut running = self
            .running
            .take()
            .ok_or_else(|| Fault("the process is not running".to_owned()))?;
        running.order(order)?;
        let patience = Patience::of(Duration::from_millis(STOP_MS_MAX));
        match patience.with(running.supervisor.wait()).await {
            Some(Ok(_status)) => Ok(()),
            Some(Err(error)) => Err(Fault(format!("cannot wait for the process: {error}"))),
            None => Err(Fault(format!(
                "the process did not end within {} s",
                STOP_MS_MAX / 1000
            ))),
        }
    }
}

#[async_trait]
impl Disposable for Process {
    fn instance(&self) -> Arc<Instance> {
        Arc::clone(&self.instance)
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.end("stop").await
    }

    async fn kill(&mut self) -> Result<(), Fault> {
        self.end("kill").await
    }

    async fn start(&mut self) -> Result<(), Fault> {
        let fault = |why: String| Fault(format!("cannot start {}: {why}", self.program.display()));
        let mut command = Command::new(as_it_began(&self.program));
        command
            .arg0(&self.program)
            .arg("supervise")
            .arg(format!("--grace-ms={GRACE_MS}"))
            .arg("--")
            .arg(as_it_began(&self.program))
            .args(&self.verb)
            .env_clear()
            .envs(&self.variables)
            .env("LISTEN", "127.0.0.1:0");
        command
            // A group of its own: Ctrl-C in the terminal reaches the harness, which then ends it in order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| fault(error.to_string()))?;
        let orders = child.stdin.take().map(ChildStdin::into_owned_fd);
        let orders = orders.ok_or_else(|| fault("no standard input".to_owned()))?;
        let orders = File::from(orders.map_err(|error| fault(error.to_string()))?);
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        // From here on it ends with this value.
        let running = Running {
            supervisor: child,
            orders,
        };
        if let Some(errors) = errors {
            let logs = Arc::clone(&self.logs);
            tokio::spawn(async move {
                let mut lines = BufReader::new(errors).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    logs.push(line);
                }
            });
        }
        let output = output.ok_or_else(|| fault("no standard output".to_owned()))?;
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
        self.running = Some(running);
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
