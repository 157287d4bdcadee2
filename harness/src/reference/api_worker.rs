//! The reference's API worker, started over HTTP in this process. Never judges it.

use super::altered::{Alteration, Variables, fronted};
use super::careless::{Altering, Careless};
use super::process::Process;
use super::{CapturedLog, ReferenceTarget, Running};
use crate::contract::need::Variant;
use crate::contract::profile::Profile;
use crate::observe::log_lines::LogLines;
use crate::subject::api_worker::{ApiWorker, ForItself, Known};
use crate::subject::{Disposable as _, Fault, Instance};
use crate::tamper::Tamper;
use moltproof_api_worker::receiver::Receiver;
use moltproof_api_worker::resolver::Resolver;
use moltproof_api_worker::teeth::bodies::Alter;
use moltproof_api_worker::teeth::names::Misled;
use moltproof_api_worker::{Applied, OwnInstance, OwnInstances, tool};
use moltworker_api_reference::backend::Backend;
use moltworker_api_reference::config::{Config, VARIABLES};
use moltworker_api_reference::domain::environment::Environment;
use moltworker_api_reference::store::schema;
use moltworker_reference::command::stop_signal;
use moltworker_reference::log::{StderrSink, causes};
use moltworker_reference::store::migrations::{Migration, from_dir};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::oneshot;

/// How long an endpoint of a webhook may take: scenarios wait for it to be over, and an endpoint that answers after 0.3 s is in time on a busy machine too.
const WEBHOOK_TIMEOUT_MS: &str = "1000";

/// Its environment.
const ENVIRONMENT: &str = "production";

/// Where the files lie in the repository, as their built-in names begin.
const FILES: &str = "migrations/api-worker/";

include!(concat!(env!("OUT_DIR"), "/api_worker_files.rs"));

/// What of an API worker is to be different.
#[derive(Default)]
pub struct Changed {
    /// What stands before it.
    pub front: Option<Arc<dyn Tamper>>,
    /// How it goes wrong about the names of webhooks.
    pub misled: Option<Misled>,
    /// What its database is told when it is made.
    pub told: Option<&'static str>,
    /// What becomes of a delivery's body after it was signed.
    pub alter: Option<Alter>,
}

impl Changed {
    /// Whom it asks for names.
    fn resolver(&self) -> io::Result<Arc<Resolver>> {
        let resolver = match self.misled {
            Some(Misled::Sees(view)) => Resolver::seen_through(view),
            Some(Misled::NotWhenMade | Misled::NotAtAttempts | Misled::Once) | None => {
                Resolver::start()
            }
        };
        resolver.map(Arc::new)
    }

    fn put_into(&self, backend: &mut Backend, resolver: Arc<Resolver>) {
        if let Some(misled) = self.misled {
            backend.ports.sender = Arc::new(Careless {
                sender: Arc::clone(&backend.ports.sender),
                misled,
                resolver,
            });
        }
        if let Some(alter) = self.alter {
            backend.ports.sender = Arc::new(Altering {
                sender: Arc::clone(&backend.ports.sender),
                alter,
            });
        }
    }

    fn tell(&self, database: &Path) -> rusqlite::Result<()> {
        let Some(sql) = self.told else { return Ok(()) };
        Connection::open(database)?.execute_batch(sql)
    }
}

fn fault(what: &str, why: impl std::fmt::Display) -> Fault {
    Fault(format!("reference, API worker: {what}: {why}"))
}

impl ReferenceTarget {
    /// Starts it on a database of its own, with what is to be different.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub async fn open_api_worker(&self, changed: Changed) -> Result<ApiWorker, Fault> {
        let folder = self.folder.path().join("api-worker");
        let files = folder.join("migrations");
        write_files(&files).map_err(|error| fault("cannot write its files", error))?;
        let receiver = Receiver::start().map_err(|error| fault("no receiver", error))?;
        let resolver = changed
            .resolver()
            .map_err(|error| fault("no resolver", error))?;
        let database = folder.join("api.sqlite");
        let variables = BTreeMap::from([
            ("API_DB", database.display().to_string()),
            ("ENVIRONMENT", ENVIRONMENT.to_owned()),
            ("TEST_CLOCK", "true".to_owned()),
            ("WEBHOOK_ALLOWED_ADDRESSES", receiver.authority().to_owned()),
            ("WEBHOOK_TIMEOUT_MS", WEBHOOK_TIMEOUT_MS.to_owned()),
            ("WEBHOOK_RESOLVER_URL", resolver.url().to_owned()),
            ("CF_ACCESS_TEAM_DOMAIN", self.access.origin()),
            ("CF_ACCESS_AUD", self.access.audience().to_owned()),
            ("AI_GATEWAY_BASE_URL", self.gateway.base_url()),
            ("CLOUDFLARE_AI_GATEWAY_API_KEY", self.gateway_key.clone()),
        ]);
        let config = Config::from_vars(|name| variables.get(name).cloned())
            .map_err(|error| fault("misconfigured", error))?;
        let own = self.own_instances(folder.clone(), variables);
        let logs = Arc::new(LogLines::default());
        let sink = Arc::new(CapturedLog(Arc::clone(&logs)));
        let runtime = self.runtime.as_ref();
        let runtime = runtime.ok_or_else(|| fault("cannot start", "the runtime is gone"))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (asked, own_database) = (Arc::clone(&resolver), database.clone());
        let started = runtime.spawn(async move {
            let mut backend = Backend::open(config, sink).map_err(|error| error.to_string())?;
            changed.put_into(&mut backend, asked);
            changed
                .tell(&own_database)
                .map_err(|error| error.to_string())?;
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
                .await
                .map_err(|error| error.to_string())?;
            let address = listener.local_addr().map_err(|error| error.to_string())?;
            tokio::spawn(backend.serve(listener, async move { drop(stopped.await) }));
            let base = fronted(format!("http://{address}"), changed.front).await;
            base.map_err(|fault| fault.0)
        });
        let base = started
            .await
            .map_err(|error| fault("cannot start", error))?
            .map_err(|why| fault("cannot start", why))?;
        let instance = Instance {
            d1: None,
            kv: None,
            r2: None,
            ..self.observed(Variant::Production, &folder, base, logs, None, &self.access)
        };
        let known = Known {
            words: Arc::default(),
            columns: Arc::default(),
            documented: BTreeMap::new(),
            environment: ENVIRONMENT.to_owned(),
            is_clock_told: true,
            receiver: Some(Arc::new(receiver)),
            resolver: Some(resolver),
            database: Some(database),
            files: Some(files),
            runner: Some(Arc::new(migrate)),
            seeder: Some(Arc::new(seed)),
            own: Some(own),
        };
        let mut worker = ApiWorker::of(&instance, known)?;
        worker.keep = Some(Box::new(Running {
            instance: Arc::new(instance),
            _stop: stop,
        }));
        Ok(worker)
    }
}

impl ReferenceTarget {
    /// Starts instances that are killed: processes of their own with these variables, each on a database of its own in this folder.
    fn own_instances(&self, folder: PathBuf, variables: Variables) -> OwnInstances {
        let plain = self.observed(
            Variant::Production,
            &folder,
            String::new(),
            Arc::default(),
            None,
            &self.access,
        );
        let program = self.program.clone();
        Arc::new(move || {
            let name = format!("own-{}.sqlite", uuid::Uuid::new_v4().simple());
            let database = folder.join(name);
            let mut variables = variables.clone();
            variables.insert("API_DB", database.display().to_string());
            variables.insert("MOLTPROOF_SERVE_PROFILE", Profile::ApiWorker.to_string());
            let mut process = Process::new(
                program.clone(),
                &Alteration::default(),
                variables,
                Arc::default(),
                plain.clone(),
            );
            Box::pin(async move {
                process.start().await.map_err(|fault| fault.0)?;
                Ok(Box::new(ForItself {
                    disposable: Box::new(process),
                    database: Some(database),
                }) as Box<dyn OwnInstance>)
            })
        })
    }
}

/// Serves it until a signal comes; returns the exit code.
#[must_use]
pub fn serve(args: &super::ServeArgs) -> ExitCode {
    let listen = args.listen;
    moltworker_api_reference::command::serve(&moltworker_api_reference::command::ServeArgs {
        listen,
    })
}

/// Serves it behind something until a signal comes: `before` is told where it is, and gives what stands before it and where that is.
///
/// # Errors
/// Why it could not serve.
pub async fn serve_behind<K>(
    before: impl AsyncFnOnce(String) -> io::Result<(String, K)>,
) -> Result<(), String> {
    let config = Config::from_env().map_err(|error| error.to_string())?;
    let backend = Backend::open(config, Arc::new(StderrSink)).map_err(|error| causes(&error))?;
    let unbound = |error: io::Error| format!("cannot listen: {error}");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.map_err(unbound)?;
    let address = listener.local_addr().map_err(unbound)?;
    let shutdown = stop_signal().map_err(unbound)?;
    let (base, kept) = before(format!("http://{address}")).await.map_err(unbound)?;
    // Nobody may be reading; the server is there all the same.
    drop(writeln!(io::stdout(), "listening on {base}"));
    let served = backend.serve(listener, shutdown).await;
    drop(kept);
    served.map_err(|error| error.to_string())
}

/// The variables that only it has, as the help of `serve` lists them.
#[must_use]
pub fn variables_help() -> String {
    let lines = VARIABLES.iter().map(|variable| {
        format!(
            "  {}\n      {} [default: {}]\n",
            variable.name, variable.meaning, variable.default
        )
    });
    lines.collect()
}

/// Applies migrations as the reference does, to a database below a folder.
fn migrate(migrations: &Path, folder: &Path, environment: &str) -> io::Result<Applied> {
    let database = folder.join("api.sqlite");
    let environment = Environment::parse(environment)
        .ok_or_else(|| io::Error::other(format!("no environment is called {environment}")))?;
    let now = crate::clock::epoch_ms();
    let has_succeeded = from_dir(migrations)
        .is_ok_and(|files| schema::migrate(&database, &files, environment, now).is_ok());
    Ok(Applied {
        has_succeeded,
        database,
    })
}

/// Applies the seed of an environment as the reference does, to the database that [`migrate`] has made.
fn seed(migrations: &Path, folder: &Path, environment: &str) -> io::Result<Applied> {
    let database = folder.join("api.sqlite");
    let name = format!("{}.sql", tool::seed_of(environment));
    let environment = Environment::parse(environment)
        .ok_or_else(|| io::Error::other(format!("no environment is called {environment}")))?;
    let file = Migration {
        sql: std::fs::read_to_string(migrations.join("seeds").join(&name))?,
        name,
    };
    let now = crate::clock::epoch_ms();
    Ok(Applied {
        has_succeeded: schema::set_up(&database, &file, environment, now).is_ok(),
        database,
    })
}

/// The files of `migrations/api-worker`: path below that folder, and text.
pub fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    let files = API_WORKER_FILES.iter();
    files.map(|&(path, text)| (path.strip_prefix(FILES).unwrap_or(path), text))
}

/// Writes the files of `migrations/api-worker` into a folder, as they lie there.
fn write_files(folder: &Path) -> std::io::Result<()> {
    for (path, text) in files() {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(file, text)?;
    }
    Ok(())
}
