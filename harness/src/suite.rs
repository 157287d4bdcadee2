//! The run as a part of somebody's own test: which target, which scenarios, own features and own steps. Never prints, never reads a command line.
//!
//! ```no_run
//! use moltproof::contract::select::Selection;
//! use moltproof::suite::Suite;
//!
//! // A current-thread runtime, which is what `#[tokio::test]` has: scenarios share one thread.
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let judged = Suite::builder()
//!         .manifest("moltproof.toml")
//!         .select(Selection { tags: Some("@smoke".to_owned()), ..Selection::default() })
//!         .seed(7)
//!         .run()
//!         .await?;
//!     judged.assert_conforms();
//!     Ok(())
//! }
//! ```
//!
//! A feature of your own is Gherkin in the contract's form: a `Rule` with an id, a level and its sentence, below a profile. Its steps are
//! those of the contract, and those that you add with [`Builder::steps`]. `harness/examples/own_feature.rs` is a whole one.
//!
//! What the command line does beside judging is left to you: no report file is written, nothing is swept, and a host that looks like
//! production is judged without asking whether you own it.

use crate::client::{Client, ClientOptions};
use crate::clock;
use crate::contract::select::{Selection, Unselectable, select};
use crate::contract::{self, Contract, Malformed, Planned};
use crate::reference::ReferenceTarget;
use crate::report::{Report, RunFacts, Started, text};
use crate::run::book::Book;
use crate::run::scene::Run;
use crate::run::{self, Ended, Options, Progress};
use crate::scrub;
use crate::steps;
use crate::subject::Target;
use crate::subject::launched::described;
use crate::subject::manifest::{Manifest, Unusable};
use crate::subject::url::UrlTarget;
use crate::verdict::RunVerdict;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Letters that name a run: part of every tenant it makes.
const ID_LETTERS: usize = 6;

/// A run of the contract, or of features of one's own, on a target.
pub struct Suite {
    contract: Contract,
    plan: Vec<Arc<Planned>>,
    book: Arc<Book>,
    target: Arc<dyn Target>,
    /// Whether the target was started here, and ends here.
    owned: bool,
    named: String,
    shared: Arc<Run>,
    options: Options,
    progress: Arc<dyn Progress>,
    began: Instant,
    started_at_ms: i64,
}

/// What a run showed.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Verdicts and evidence.
    pub report: Report,
    /// How each scenario ended.
    pub ended: Vec<Ended>,
}

/// A run cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum CannotRun {
    /// Neither reference nor manifest, address or target were given.
    #[error("say what is judged: `reference`, `manifest`, `address` or `target`")]
    NoTarget,
    /// Scenarios share one thread.
    #[error(
        "a run needs a current-thread runtime: `#[tokio::test]`, or `#[tokio::main(flavor = \"current_thread\")]`; or call `block`"
    )]
    Runtime,
    /// A feature is malformed.
    #[error(transparent)]
    Feature(#[from] Malformed),
    /// The selection names what is not there, or leaves nothing.
    #[error(transparent)]
    Selection(#[from] Unselectable),
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] Unusable),
    /// The target cannot be started.
    #[error("the target cannot be started: {0}")]
    Target(String),
    /// HTTP cannot be set up.
    #[error("cannot set up HTTP: {0}")]
    Client(#[source] reqwest::Error),
}

/// What is judged.
enum Meant {
    Reference,
    Manifest(PathBuf),
    Address(String),
    Given(Arc<dyn Target>),
}

/// Where the contract comes from.
enum Source {
    /// The embedded one, with these features beside it.
    Embedded(Vec<(String, String)>),
    /// These features alone.
    Own(Vec<(String, String)>),
    /// One that is read already.
    Given(Contract),
}

/// Adds step definitions.
type Add = Box<dyn FnOnce(&mut Book)>;

/// Puts a run together.
pub struct Builder {
    meant: Option<Meant>,
    source: Source,
    selection: Selection,
    plan: Option<Vec<Arc<Planned>>>,
    book: Option<Arc<Book>>,
    own_steps: Vec<Add>,
    client: Option<Client>,
    program: PathBuf,
    id: Option<String>,
    seed: Option<u64>,
    concurrency: Option<usize>,
    progress: Arc<dyn Progress>,
}

/// Tells nobody.
struct Silent;

impl Progress for Silent {
    fn ended(&self, _ended: &Ended) {}
}

impl Suite {
    /// The whole embedded contract, of a target that is still to be named.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            meant: None,
            source: Source::Embedded(Vec::new()),
            selection: Selection::default(),
            plan: None,
            book: None,
            own_steps: Vec::new(),
            client: None,
            program: PathBuf::from("moltproof"),
            id: None,
            seed: None,
            concurrency: None,
            progress: Arc::new(Silent),
        }
    }

    /// Runs the scenarios.
    pub async fn scenarios(&self) -> Vec<Ended> {
        run::run(
            Arc::clone(&self.shared),
            self.plan.clone(),
            Arc::clone(&self.book),
            self.options,
            Arc::clone(&self.progress),
        )
        .await
    }

    /// The report on how they ended.
    #[must_use]
    pub fn report(&self, ended: &[Ended]) -> Report {
        let facts = RunFacts {
            id: self.shared.id.clone(),
            named: self.named.clone(),
            options: vec!["--target".to_owned(), self.named.clone()],
            started: Started::of(&self.shared),
            seed: self.options.seed,
            concurrency: self.options.concurrency,
            started_at_ms: self.started_at_ms,
            began: self.began,
            duration: self.began.elapsed(),
            spent: self.shared.spent(),
            build: None,
            shards: None,
            accepted: self.shared.accepted(),
        };
        Report::new(&self.contract, self.target.as_ref(), &facts, ended)
    }

    /// Runs, reports, and ends the target if it was started here.
    pub async fn run(self) -> Judged {
        let ended = self.scenarios().await;
        let report = self.report(&ended);
        if self.owned {
            self.target.end().await;
        }
        Judged { report, ended }
    }
}

impl Builder {
    /// Judges the embedded reference.
    #[must_use]
    pub fn reference(self) -> Self {
        self.meant(Meant::Reference)
    }

    /// Judges the Worker that a manifest describes, and starts it if the manifest says how.
    #[must_use]
    pub fn manifest(self, path: impl Into<PathBuf>) -> Self {
        self.meant(Meant::Manifest(path.into()))
    }

    /// Judges a running backend, as far as an address allows: scheme, host and port.
    #[must_use]
    pub fn address(self, base: &str) -> Self {
        self.meant(Meant::Address(base.trim_end_matches('/').to_owned()))
    }

    /// Judges a target of one's own, which goes on after the run.
    #[must_use]
    pub fn target(self, target: Arc<dyn Target>) -> Self {
        self.meant(Meant::Given(target))
    }

    fn meant(mut self, meant: Meant) -> Self {
        self.meant = Some(meant);
        self
    }

    /// Only what is selected; by itself everything.
    #[must_use]
    pub fn select(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// Adds a feature: its text in Gherkin, and the name by which reports call it.
    #[must_use]
    pub fn feature(mut self, name: &str, text: &str) -> Self {
        let pair = (name.to_owned(), text.to_owned());
        match &mut self.source {
            Source::Embedded(list) | Source::Own(list) => list.push(pair),
            Source::Given(_) => self.source = Source::Own(vec![pair]),
        }
        self
    }

    /// Runs the added features alone, without the contract.
    #[must_use]
    pub fn without_the_contract(mut self) -> Self {
        if let Source::Embedded(list) = self.source {
            self.source = Source::Own(list);
        }
        self
    }

    /// Runs a contract that was read already, in the place of the embedded one.
    #[must_use]
    pub fn contract(mut self, contract: Contract) -> Self {
        self.source = Source::Given(contract);
        self
    }

    /// Runs these scenarios, whatever is selected.
    #[must_use]
    pub fn plan(mut self, plan: Vec<Arc<Planned>>) -> Self {
        self.plan = Some(plan);
        self
    }

    /// Adds step definitions to those of the contract. A step that two of them match ends its scenario as an error.
    #[must_use]
    pub fn steps(mut self, add: impl FnOnce(&mut Book) + 'static) -> Self {
        self.own_steps.push(Box::new(add));
        self
    }

    /// Step definitions in the place of the contract's; [`Self::steps`] then adds nothing.
    #[must_use]
    pub fn book(mut self, book: Arc<Book>) -> Self {
        self.book = Some(book);
        self
    }

    /// Another client, such as one with a budget, or one that changes nothing.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// The `moltproof` executable, for what is started in a process of its own: the reference when it is killed, and the commands of a
    /// manifest. Without it `moltproof` is looked for in `PATH`.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Names the run; two runs on one target need two names. Without it six letters by chance.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Repeats an order; without it every run has another.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Scenarios side by side; without it as many as the target's manifest says.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = Some(concurrency);
        self
    }

    /// Is told of each scenario as it ends.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Starts what has to be started, and plans the run.
    ///
    /// # Errors
    /// [`CannotRun`], which says what to do.
    pub async fn start(self) -> Result<Suite, CannotRun> {
        let contract = match self.source {
            Source::Embedded(own) => read(contract::FEATURES, &own)?,
            Source::Own(own) => read(&[], &own)?,
            Source::Given(contract) => contract,
        };
        let client = match self.client {
            Some(client) => client,
            None => Client::with(ClientOptions::default()).map_err(CannotRun::Client)?,
        };
        let (started_at_ms, began) = (clock::epoch_ms(), clock::now());
        let meant = self.meant.ok_or(CannotRun::NoTarget)?;
        let owned = !matches!(meant, Meant::Given(_));
        let (target, named) = open(meant, self.program, &client).await?;
        let plan = match self.plan {
            Some(plan) => Ok(plan),
            None => chosen(&contract, self.selection, target.as_ref()),
        };
        let plan = match plan {
            Ok(plan) => plan,
            Err(wrong) => {
                if owned {
                    target.end().await;
                }
                return Err(wrong.into());
            }
        };
        let book = self.book.unwrap_or_else(|| {
            let mut book = steps::all();
            for add in self.own_steps {
                add(&mut book);
            }
            Arc::new(book)
        });
        let by_chance = || {
            std::iter::repeat_with(|| fastrand::char('a'..='z'))
                .take(ID_LETTERS)
                .collect()
        };
        let id = self.id.unwrap_or_else(by_chance);
        Ok(Suite {
            options: Options {
                concurrency: self
                    .concurrency
                    .unwrap_or_else(|| target.limits().concurrency),
                seed: self.seed.unwrap_or_else(|| fastrand::u64(..)),
            },
            shared: Arc::new(Run::new(Arc::clone(&target), client, id)),
            contract,
            plan,
            book,
            target,
            owned,
            named,
            progress: self.progress,
            began,
            started_at_ms,
        })
    }

    /// Starts, runs and reports. Needs a current-thread runtime.
    ///
    /// # Errors
    /// [`CannotRun`], which says what to do.
    pub async fn run(self) -> Result<Judged, CannotRun> {
        use tokio::runtime::{Handle, RuntimeFlavor};
        if Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread {
            return Err(CannotRun::Runtime);
        }
        Ok(self.start().await?.run().await)
    }

    /// As [`Self::run`], on a runtime of its own: for a plain `#[test]`.
    ///
    /// # Errors
    /// [`CannotRun`], which says what to do.
    pub fn block(self) -> Result<Judged, CannotRun> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CannotRun::Target(error.to_string()))?
            .block_on(self.run())
    }
}

/// What is selected of the profiles that the target claims.
fn chosen(
    contract: &Contract,
    selection: Selection,
    target: &dyn Target,
) -> Result<Vec<Arc<Planned>>, Unselectable> {
    let selection = Selection {
        claimed: target.profiles().to_vec(),
        ..selection
    };
    select(contract, &selection)
}

fn read(embedded: &[(&str, &str)], own: &[(String, String)]) -> Result<Contract, Malformed> {
    let own = own
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let features: Vec<(&str, &str)> = embedded.iter().copied().chain(own).collect();
    Contract::parse(&features)
}

async fn open(
    meant: Meant,
    program: PathBuf,
    client: &Client,
) -> Result<(Arc<dyn Target>, String), CannotRun> {
    let cannot = |why: String| CannotRun::Target(why);
    let client = client.clone();
    match meant {
        Meant::Given(target) => {
            let name = target.name();
            Ok((target, name))
        }
        Meant::Address(base) => Ok((Arc::new(UrlTarget::new(base.clone(), &client)), base)),
        Meant::Reference => {
            // On a thread where blocking is allowed: what it has started when it fails is ended there.
            let started = tokio::task::spawn_blocking(move || ReferenceTarget::start(program));
            let target = started.await.map_err(|error| cannot(error.to_string()))?;
            let target = target.map_err(|error| cannot(error.to_string()))?;
            Ok((Arc::new(target), "reference".to_owned()))
        }
        Meant::Manifest(path) => {
            let manifest = Manifest::read(&path)?;
            for secret in &manifest.secrets {
                scrub::remember(secret);
            }
            let target =
                described(manifest, program, client).map_err(|error| cannot(error.to_string()))?;
            Ok((target, path.display().to_string()))
        }
    }
}

impl Judged {
    /// Fails the test unless every selected MUST was verified and holds.
    ///
    /// # Panics
    /// With the whole report as text, if one is broken, is not verified, or the run came to no verdict.
    pub fn assert_conforms(&self) {
        assert_eq!(
            self.report.summary.verdict,
            RunVerdict::Conforms,
            "{}",
            self.told()
        );
    }

    /// The report for people, without colours and secrets.
    #[must_use]
    pub fn told(&self) -> String {
        let plain = anstream::adapter::strip_str(&text::render(&self.report)).to_string();
        scrub::clean_report(&plain)
    }
}
