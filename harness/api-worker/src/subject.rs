//! What is judged, and by what it can be seen. Never judges it.

use crate::database::Database;
use crate::outcome::{Judged, Need, Stop};
use crate::own::{OwnInstance, OwnInstances};
use crate::played::Mixed;
use crate::receiver::Receiver;
use crate::resolver::Resolver;
use crate::scripts::Scripts;
use crate::witness::Witness;
use crate::words::{Columns, Words};
use moltproof_doubles::AiGatewayDouble;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;
use tokio::sync::{Mutex, RwLock};

/// How long an answer may take. Evidence: a delivery that hangs is given up after seconds, and a job may wait for several.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Mints a token for the operator with this e-mail address.
pub type Operator = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Gives every line that the target has logged so far.
pub type Logs = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// Applies the migrations of a folder, or the seed below it, as the target's own tool does, to a database that it keeps in another folder, for an environment.
/// Called again with the same folder it finds the database that it has made.
pub type Runner = Arc<dyn Fn(&Path, &Path, &str) -> io::Result<Applied> + Send + Sync>;

/// What the target's own tool said and left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Whether it said that it succeeded: as a command, by its exit code.
    pub has_succeeded: bool,
    /// The SQLite file of the database.
    pub database: PathBuf,
}

/// A running API worker. Clones share its turns.
#[derive(Clone)]
pub struct Subject {
    /// Where it answers: scheme, host and port, without a slash at the end.
    pub base: String,
    /// Sends the requests; it must not follow redirects.
    pub client: reqwest::Client,
    /// How long an answer may take.
    pub answer_within: Duration,
    /// The AI Gateway that it calls.
    pub gateway: Arc<AiGatewayDouble>,
    /// Tokens for operators.
    pub operator: Option<Operator>,
    /// The SQLite file of its database, which is only read.
    pub database: Option<PathBuf>,
    /// Its log lines.
    pub logs: Option<Logs>,
    /// Whether it takes its present from `X-Test-Now`.
    pub is_clock_told: bool,
    /// Where it may send webhooks.
    pub receiver: Option<Arc<Receiver>>,
    /// Whom it asks for the names of webhooks.
    pub resolver: Option<Arc<Resolver>>,
    /// Its migrations, seeds and queries.
    pub files: Option<Arc<Scripts>>,
    /// Its own way of applying migrations.
    pub runner: Option<Runner>,
    /// Its own way of applying the seed of development, or the set-up of production, to a database that [`Self::runner`] has made.
    pub seeder: Option<Runner>,
    /// Starts instances of it that are killed.
    pub own: Option<OwnInstances>,
    /// Its environment.
    pub environment: String,
    /// What it calls what the judges speak of.
    pub words: Arc<Words>,
    /// What it calls the columns of its database.
    pub columns: Arc<Columns>,
    /// Who is told of every request and its answer.
    pub witness: Option<Arc<dyn Witness>>,
    pub(crate) turns: Arc<Turns>,
}

/// Who may use the target now, and which told times are still free.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    pub(crate) jobs: Mutex<()>,
    pub(crate) whole: RwLock<()>,
    pub(crate) eras: AtomicI64,
    pub(crate) mixed: Mixed,
}

impl fmt::Debug for Subject {
    /// Without tokens and log lines: a world's debug text may be printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Subject {
    /// Its database.
    pub(crate) fn own_database(&self) -> Result<Database, Stop> {
        Database::at(self.database.clone(), Arc::clone(&self.columns))
    }

    /// Its files.
    pub(crate) fn scripts(&self) -> Result<Arc<Scripts>, Stop> {
        // A folder without a migration is a wrong path, and tells nothing of the target.
        let scripts = self.files.clone();
        let scripts = scripts.filter(|scripts| !scripts.migrations.is_empty());
        scripts.ok_or(Stop::lacking(Need::Files))
    }

    /// Judges its files on a thread where blocking is allowed.
    pub(crate) async fn judge_files<F>(&self, judge: F) -> Judged
    where
        F: FnOnce(&Scripts) -> Judged + Send + 'static,
    {
        let scripts = self.scripts()?;
        tokio::task::spawn_blocking(move || judge(&scripts))
            .await
            .map_err(|error| Stop::Fault(format!("the judge of the files failed: {error}")))?
    }

    /// A target at this address, of which nothing is known but the AI Gateway that it calls.
    #[must_use]
    pub fn new(
        base: impl Into<String>,
        client: reqwest::Client,
        gateway: Arc<AiGatewayDouble>,
    ) -> Self {
        Self {
            base: base.into(),
            client,
            answer_within: ANSWER_WITHIN,
            gateway,
            operator: None,
            database: None,
            logs: None,
            is_clock_told: false,
            receiver: None,
            resolver: None,
            files: None,
            runner: None,
            seeder: None,
            own: None,
            environment: "production".to_owned(),
            words: Arc::default(),
            columns: Arc::default(),
            witness: None,
            turns: Arc::default(),
        }
    }

    /// The same, of which somebody is told.
    #[must_use]
    pub fn witnessed(&self, witness: Arc<dyn Witness>) -> Self {
        Self {
            witness: Some(witness),
            ..self.clone()
        }
    }

    /// An instance of it that the caller has for itself.
    pub(crate) async fn own_instance(&self) -> Result<Box<dyn OwnInstance>, Stop> {
        let start = self.own.as_ref().ok_or(Stop::lacking(Need::Restart))?;
        start().await.map_err(Stop::Fault)
    }

    /// That instance where it answers now, in the place of the shared one.
    pub(crate) fn at(&self, base: String, database: Option<PathBuf>) -> Self {
        Self {
            base,
            database,
            logs: None,
            own: None,
            turns: Arc::default(),
            ..self.clone()
        }
    }

    /// Its log lines so far.
    pub(crate) fn lines(&self) -> Result<Vec<String>, Stop> {
        let logs = self.logs.as_ref().ok_or(Stop::lacking(Need::Logs))?;
        Ok(logs())
    }

    /// Whom it asks for the names of webhooks.
    pub(crate) fn resolver(&self) -> Result<&Resolver, Stop> {
        self.resolver
            .as_deref()
            .ok_or(Stop::lacking(Need::Resolver))
    }

    /// Where it may send webhooks.
    pub(crate) fn receiver(&self) -> Result<&Receiver, Stop> {
        self.receiver
            .as_deref()
            .ok_or(Stop::lacking(Need::Receiver))
    }
}
