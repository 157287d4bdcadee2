//! Judges one backend by every sentence of the profile that can be judged of it. Never decides what that means.

use super::{Backend, Made};
use crate::lag;
use crate::reference::{ReferenceTarget, api_worker};
use crate::subject::api_worker::ApiWorker;
use crate::teeth::trial::Ruined;
use futures_util::future::BoxFuture;
use moltproof_api_worker::teeth::layers::{self, By, Layer};
use moltproof_api_worker::teeth::{Deviant, Interceptor, Said, judge};
use moltproof_api_worker::{Applied, OwnInstance, Scripts, aspects};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long an answer of a null server is waited for: the sentences that need the target for themselves ask one that hangs one after the
/// other. An answer that is missed lets nothing pass.
const NULL_PATIENCE: Duration = Duration::from_millis(200);

/// What all trials share.
pub(super) struct Bench {
    program: PathBuf,
    layers: layers::Bench,
    /// The reference's files: what is made of them once serves all.
    scripts: Arc<Scripts>,
    ending: watch::Receiver<bool>,
}

impl Bench {
    pub(super) fn start(program: PathBuf, ending: watch::Receiver<bool>) -> Result<Self, Ruined> {
        Ok(Self {
            program,
            layers: layers::Bench::start().map_err(not_started)?,
            scripts: Arc::new(Scripts::of(api_worker::files())),
            ending,
        })
    }

    /// Whether somebody wanted everything to end.
    pub(super) fn is_over(&self) -> bool {
        *self.ending.borrow()
    }

    /// What every sentence says of a backend.
    pub(super) fn said(&self, backend: &Backend) -> Result<Vec<Said>, Ruined> {
        match &backend.made {
            Made::Layer(layer) => self.of_layer(layer),
            made @ (Made::Intercepted(_)
            | Made::Crashing(_)
            | Made::Misled(_)
            | Made::Told(_)
            | Made::Altering(_)
            | Made::Behind(_)
            | Made::Null(_)) => self.of_running(made),
        }
    }

    fn of_layer(&self, layer: &Layer) -> Result<Vec<Said>, Ruined> {
        self.layers.judge(layer, By::All).map_err(not_started)
    }

    /// On a reference, a thread and a runtime of this call's own.
    fn of_running(&self, made: &Made) -> Result<Vec<Said>, Ruined> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(not_started)?;
        let target = ReferenceTarget::start(self.program.clone()).map_err(not_started)?;
        runtime.block_on(async {
            // Deadlines count only time in which everybody here came to his turn.
            let _watching = lag::watch();
            let opened = target.open_api_worker(made.changed()).await;
            let mut worker = opened.map_err(|fault| Ruined::NotStarted(fault.0))?;
            worker.subject.files = Some(Arc::clone(&self.scripts));
            let _interceptor = match made {
                Made::Intercepted(deviant) => Some(intercept(&mut worker, *deviant)?),
                Made::Crashing(crash) => {
                    let own = worker.subject.own.take();
                    worker.subject.own = own.map(|own| crash.of(own));
                    None
                }
                Made::Null(_) => {
                    strip(&mut worker)?;
                    None
                }
                Made::Misled(_)
                | Made::Told(_)
                | Made::Altering(_)
                | Made::Behind(_)
                | Made::Layer(_) => None,
            };
            let mut ending = self.ending.clone();
            tokio::select! {
                said = judge(&worker.subject, aspects()) => Ok(said),
                _ = ending.wait_for(|ending| *ending) => Err(Ruined::Interrupted),
            }
        })
    }
}

fn not_started(error: impl std::error::Error) -> Ruined {
    Ruined::NotStarted(crate::said::chain(&error))
}

/// Puts an interceptor before a worker; it stands there as long as the value lives.
fn intercept(worker: &mut ApiWorker, deviant: Deviant) -> Result<Interceptor, Ruined> {
    let subject = &mut worker.subject;
    let interceptor = Interceptor::start(&subject.base, deviant).map_err(not_started)?;
    interceptor.base().clone_into(&mut subject.base);
    subject.logs = subject.logs.take().map(|logs| interceptor.logs(logs));
    Ok(interceptor)
}

/// A null server, which dies as little as it lives.
struct Nobody(String);

impl OwnInstance for Nobody {
    fn base(&self) -> String {
        self.0.clone()
    }

    fn database(&self) -> Option<PathBuf> {
        None
    }

    fn kill(&mut self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn start(&mut self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

/// Leaves a null server neither files nor tables, and a tool that does nothing.
fn strip(worker: &mut ApiWorker) -> Result<(), Ruined> {
    let subject = &mut worker.subject;
    subject.answer_within = NULL_PATIENCE;
    subject.files = Some(Arc::new(Scripts::of([])));
    if let Some(database) = &mut subject.database {
        database.set_file_name("nothing.sqlite");
        let connection = Connection::open(&*database).map_err(not_started)?;
        // A file that has no page yet is no database.
        let made = connection.execute_batch("PRAGMA user_version = 1");
        made.map_err(not_started)?;
    }
    let nobody = subject.base.clone();
    subject.own = Some(Arc::new(move || {
        let instance = Nobody(nobody.clone());
        Box::pin(async { Ok(Box::new(instance) as Box<dyn OwnInstance>) })
    }));
    subject.runner = Some(Arc::new(|_migrations, folder, _environment| {
        let database = folder.join("nothing.sqlite");
        Connection::open(&database).map_err(std::io::Error::other)?;
        Ok(Applied {
            has_succeeded: true,
            database,
        })
    }));
    Ok(())
}
