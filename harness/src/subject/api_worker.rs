//! The API worker of a target: what `moltproof-api-worker` judges, and what has to live as long. Never judges it.

use super::{Disposable, Fault, Instance};
use futures_util::future::BoxFuture;
use moltproof_api_worker::receiver::Receiver;
use moltproof_api_worker::resolver::Resolver;
use moltproof_api_worker::words::{Columns, Words};
use moltproof_api_worker::{
    Documented, OwnInstance, OwnInstances, Places, Runner, Scripts, Subject,
};
use std::any::Any;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A running API worker.
pub struct ApiWorker {
    /// What is judged.
    pub subject: Subject,
    /// Dropping it ends what was started for it.
    pub keep: Option<Box<dyn Any + Send + Sync>>,
}

/// What is known of an API worker beside its instance.
#[derive(Clone)]
pub struct Known {
    /// Its environment.
    pub environment: String,
    /// Whether it takes its present from `X-Test-Now`.
    pub is_clock_told: bool,
    /// Where it may send webhooks.
    pub receiver: Option<Arc<Receiver>>,
    /// Whom it asks for the names of webhooks.
    pub resolver: Option<Arc<Resolver>>,
    /// The SQLite file of its database.
    pub database: Option<PathBuf>,
    /// What it calls what the judges speak of.
    pub words: Arc<Words>,
    /// What it calls the columns of its database.
    pub columns: Arc<Columns>,
    /// The folder of its migrations.
    pub files: Option<PathBuf>,
    /// The files below it that answer questions of the documents under other names.
    pub documented: BTreeMap<Documented, String>,
    /// Its own way of applying migrations.
    pub runner: Option<Runner>,
    /// Its own way of applying the seed of development, or the set-up of production.
    pub seeder: Option<Runner>,
    /// Starts instances of it that are killed.
    pub own: Option<OwnInstances>,
}

/// An instance that one scenario has for itself, as the judge of API workers knows it.
pub struct ForItself {
    /// It.
    pub disposable: Box<dyn Disposable>,
    /// The SQLite file of its database.
    pub database: Option<PathBuf>,
}

impl OwnInstance for ForItself {
    fn base(&self) -> String {
        self.disposable.instance().base.clone()
    }

    fn database(&self) -> Option<PathBuf> {
        self.database.clone()
    }

    fn kill(&mut self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { self.disposable.kill().await.map_err(|fault| fault.0) })
    }

    fn start(&mut self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { self.disposable.start().await.map_err(|fault| fault.0) })
    }
}

impl ApiWorker {
    /// What is judged of an instance.
    ///
    /// # Errors
    /// When no client can be made, or the target calls no AI Gateway of ours.
    pub fn of(instance: &Instance, known: Known) -> Result<Self, Fault> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // A connection that is kept may be closed under the next request.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| Fault(format!("no client for the API worker: {error}")))?;
        let gateway = instance.gateway.clone().ok_or_else(|| {
            Fault(
                "the API worker calls no AI Gateway of ours (manifest: [control] ai_gateway)"
                    .to_owned(),
            )
        })?;
        let mut subject = Subject::new(instance.base.clone(), client, gateway);
        if let Some(issuer) = instance.access.clone() {
            subject.operator = Some(Arc::new(move |email| issuer.users_token(email)));
        }
        if let Some(logs) = instance.logs.clone() {
            subject.logs = Some(Arc::new(move || {
                logs.since(0).into_iter().map(|line| line.text).collect()
            }));
        }
        subject.environment = known.environment;
        subject.is_clock_told = known.is_clock_told;
        subject.receiver = known.receiver;
        subject.resolver = known.resolver;
        subject.database = known.database;
        subject.words = known.words;
        subject.columns = Arc::clone(&known.columns);
        subject.runner = known.runner;
        subject.seeder = known.seeder;
        subject.own = known.own;
        if let Some(folder) = known.files {
            let places = Places {
                documented: known.documented,
                columns: known.columns,
                ..Places::below(&folder)
            };
            let scripts = Scripts::read(&places).map_err(|error| {
                Fault(format!(
                    "the files in {} cannot be read: {error}",
                    folder.display()
                ))
            })?;
            subject.files = Some(Arc::new(scripts));
        }
        Ok(Self {
            subject,
            keep: None,
        })
    }
}
