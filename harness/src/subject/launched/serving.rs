//! Starts the server of one instance and waits until it, and nobody else, answers. Never decides what it is made of.

use super::process::Supervised;
use super::start::{Blueprint, Workshop, environment};
use super::why;
use crate::client::{NoAnswer, Request};
use crate::observe::Logs as _;
use crate::subject::Fault;
use crate::subject::manifest::placeholders::{fill, fill_all};
use crate::wait::{self, Look};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a server must live on after something has answered at its address, before that counts as its answer.
/// Evidence: a server that finds its port taken ends at once, and its supervisor looks every 20 ms.
const SETTLED_MS: u64 = 60;

impl Workshop {
    /// Starts a server and waits until it answers.
    pub(super) async fn launch(
        &self,
        blueprint: &Blueprint,
    ) -> Result<(String, Supervised), Fault> {
        let (launch, entry) = (self.launch_entry()?, &blueprint.entry);
        let turn = self
            .starting
            .acquire()
            .await
            .map_err(|error| Fault(error.to_string()))?;
        let port = self.free_port()?;
        let values = self.values(&blueprint.state, port, &blueprint.issuer);
        let mut command = fill_all(&launch.command, &values).map_err(Fault)?;
        command.extend(fill_all(&entry.arguments, &values).map_err(Fault)?);
        let mut environment = environment(launch, &values)?;
        for (name, value) in launch
            .variables
            .iter()
            .filter(|(name, _)| !entry.without.contains(name))
        {
            let value = fill(value, &values).map_err(Fault)?;
            if launch.variable_arguments.is_empty() {
                environment.insert(name.clone(), value);
            } else {
                let pair = BTreeMap::from([("name", name.clone()), ("value", value)]);
                command.extend(fill_all(&launch.variable_arguments, &pair).map_err(Fault)?);
            }
        }
        let folder = self.launch_folder(launch);
        let mut process = Supervised::start(
            &self.program,
            &command,
            &folder,
            &environment,
            &blueprint.logs,
        )?;
        let base = format!("http://127.0.0.1:{port}");
        self.ready(
            blueprint,
            &base,
            &mut process,
            Duration::from_secs(launch.ready_within_seconds),
        )
        .await?;
        drop(turn);
        Ok((base, process))
    }

    async fn ready(
        &self,
        blueprint: &Blueprint,
        base: &str,
        process: &mut Supervised,
        within: Duration,
    ) -> Result<(), Fault> {
        let name = blueprint.kind.name();
        let said = || {
            blueprint
                .logs
                .since(0)
                .into_iter()
                .map(|line| line.text)
                .collect::<Vec<_>>()
                .join("\n")
        };
        // An address set aside for documentation: looking whether the server is ready must not spend anybody's quota.
        let probe = Request::new("GET", self.manifest.dialect.health.clone())
            .header("cf-connecting-ip", "192.0.2.1")
            .within(Duration::from_secs(5));
        let process = Mutex::new(process);
        let answered = wait::until(within, || async {
            let end = process.lock().unwrap_or_else(PoisonError::into_inner).end();
            if let Some(how) = end {
                return Err(Fault(why::told(
                    &format!("the server of variant `{name}` ended while starting ({how})"),
                    &said(),
                )));
            }
            Ok(match self.client.send(base, &probe, 0).await {
                Ok(_any) => Look::Done(()),
                Err(withheld @ (NoAnswer::Withheld(_) | NoAnswer::GivenUp(_))) => {
                    return Err(Fault(withheld.to_string()));
                }
                Err(error) => Look::NotYet(error.to_string()),
            })
        })
        .await?;
        answered.map_err(|error| {
            Fault(why::told(
                &format!("variant `{name}` does not answer: {error}"),
                &said(),
            ))
        })?;
        wait::pass(Duration::from_millis(SETTLED_MS)).await;
        if process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .end()
            .is_some()
        {
            return Err(Fault(why::told(
                &format!(
                    "the server of variant `{name}` has ended, and something else answers at {base}: another process holds the port (an orphaned workerd?); end it"
                ),
                &said(),
            )));
        }
        Ok(())
    }
}

/// Ports for servers. Evidence: the kernel gives 32768 and above to whoever asks for any port, as our doubles and every client do;
/// one of them had got the port of a server that was still starting, and answered in its place.
const PORTS: std::ops::Range<u16> = 12_000..30_000;

impl Workshop {
    /// A port on which nobody listens, given to no other server of this run.
    /// A process of somebody else's may still take it first; then the server says so and the run ends in a fault.
    fn free_port(&self) -> Result<u16, Fault> {
        let mut given = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let free = std::iter::repeat_with(|| fastrand::u16(PORTS))
            .take(usize::from(PORTS.end - PORTS.start))
            .find(|&port| !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok());
        let port = free.ok_or_else(|| {
            Fault(format!(
                "no free port from {} to {}",
                PORTS.start,
                PORTS.end - 1
            ))
        })?;
        given.insert(port);
        Ok(port)
    }
}
