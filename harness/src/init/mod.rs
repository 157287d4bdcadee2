//! A manifest for somebody's Worker: what is known of it, what is asked, and the text that says so. Never starts the Worker, never writes a secret.

mod address;
mod checked;
mod docker;
mod names;
mod packages;
pub mod render;
mod started;
mod variants;
pub use checked::Refused;
pub use docker::is_there as docker_is_there;
pub use moltproof_data::wrangler;
pub use variants::quota;

use crate::contract::need::Variant;
use std::io;
use std::path::{Path, PathBuf};
use wrangler::{Bindings, Wrangler};

/// The app domain of a Worker that is started for the run: it is told it at its start. `.example` is reserved: nobody owns it.
pub const APP_DOMAIN: &str = "moltworker.example";

/// Where `wrangler dev` listens unless told otherwise.
pub const ADDRESS: &str = "http://127.0.0.1:8787";

/// Puts questions.
pub trait Asks {
    /// A text; the default if nothing else is said.
    ///
    /// # Errors
    /// When there is nobody left to answer.
    fn text(&mut self, question: &str, default: &str) -> io::Result<String>;

    /// One of several, by its place; the default's place if nothing else is said.
    ///
    /// # Errors
    /// When there is nobody left to answer.
    fn choice(&mut self, question: &str, choices: &[String], default: usize) -> io::Result<usize>;
}

/// Takes what was found, and asks nobody.
pub struct AsFound;

impl Asks for AsFound {
    fn text(&mut self, _question: &str, default: &str) -> io::Result<String> {
        Ok(default.to_owned())
    }

    fn choice(
        &mut self,
        _question: &str,
        _choices: &[String],
        default: usize,
    ) -> io::Result<usize> {
        Ok(default)
    }
}

/// What is known before anything is asked.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The wrangler configuration and its file.
    pub wrangler: Option<(PathBuf, Wrangler)>,
    /// The environment that is to be judged as production; empty for the top level.
    pub environment: Option<String>,
    /// Whether containers can be built and started here.
    pub docker: bool,
    /// The version of the Node that is installed.
    pub node: Option<semver::Version>,
    /// The address of a running Worker.
    pub address: Option<String>,
    /// The folder of the manifest.
    pub folder: PathBuf,
}

/// Everything that a manifest is written from.
#[derive(Debug, Clone)]
pub struct Draft {
    /// For reports.
    pub name: String,
    /// The Worker's app domain; empty if nobody knows it.
    pub app_domain: String,
    /// How it is reached.
    pub way: Way,
}

/// How a Worker is reached.
#[derive(Debug, Clone)]
pub enum Way {
    /// It runs somewhere.
    Address {
        /// Where.
        address: String,
        /// How the harness is operator there.
        operator: OperatorBy,
        /// Whether the address is somebody's word, not a guess.
        told: bool,
    },
    /// `wrangler dev` starts it.
    Wrangler(Box<Started>),
}

/// How the harness proves itself to be operator, by the names of environment variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorBy {
    /// Nobody has said.
    Unknown,
    /// An Access service token: id and secret.
    ServiceToken(String, String),
    /// An Access token.
    Token(String),
}

/// A Worker that `wrangler dev` starts.
#[derive(Debug, Clone)]
pub struct Started {
    /// The folder of its configuration, relative to the manifest's.
    pub folder: PathBuf,
    /// The configuration's file name.
    pub file: String,
    /// Installs packages; nothing without a lock file.
    pub install: Option<Install>,
    /// How a package's program is run.
    pub runner: Vec<String>,
    /// Wrangler as that is told, with its version where no package has one.
    pub program: String,
    /// What the user should know of Node and wrangler before the start.
    pub note: Option<String>,
    /// The environment that is judged as production.
    pub environment: Option<String>,
    /// What that is bound to; the D1 database that is looked at is the first.
    pub bindings: Bindings,
    /// Why that database is looked at, where there are several.
    pub chosen: Chosen,
    /// Whether `wrangler dev` is started without the routes of the configuration.
    pub without_routes: bool,
    /// Whether `DEV_MODE` has a value without the harness, in a file of variables or in the configuration.
    pub is_dev_without_harness: bool,
    /// Whether it is started without its containers; nothing where it has none.
    pub without_containers: Option<bool>,
    /// Whether its migrations are there.
    pub has_migrations: bool,
    /// The variants found among the environments.
    pub variants: Vec<FoundVariant>,
    /// Variants that need no environment of their own.
    pub at_once: Vec<AtOnce>,
    /// Variants that would need none either, but would not be what they say.
    pub hindered: Vec<Hindered>,
    /// Environments that show nothing the contract asks for.
    pub unused: Vec<String>,
    /// The Worker's names for what the harness tells it.
    pub variables: Vec<Told>,
    /// Quota of the variant with small limits.
    pub small_quota: Option<(u32, u64)>,
}

/// An environment that is one of the contract's variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundVariant {
    /// Which.
    pub variant: Variant,
    /// The environment.
    pub environment: String,
    /// The bindings that it does without.
    pub without: Vec<String>,
}

/// A variant that is production's environment, started with other variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtOnce {
    /// Which.
    pub variant: Variant,
    /// What it is told: names and values.
    pub set: Vec<(String, String)>,
    /// The Worker's names of the variables that it does without.
    pub without: Vec<String>,
}

/// A variant that is not written, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindered {
    /// What would be written.
    pub one: AtOnce,
    /// Why it is not.
    pub reason: String,
}

/// How packages are installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// The folder of the lock file, relative to the Worker's; empty if it is the same.
    pub folder: PathBuf,
    /// The command.
    pub run: Vec<String>,
    /// The file that says that the packages are there, relative to `folder`.
    pub sign: String,
}

/// Why one of several D1 databases is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// There are no others.
    Only,
    /// Its migrations hold the table of tenants.
    ByTable,
    /// Nothing tells them apart: it is the first.
    First,
}

/// A variable that the harness sets when it starts the Worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The contract's name for it.
    pub contract: &'static str,
    /// The Worker's name for it.
    pub name: String,
    /// What it is given.
    pub placeholder: &'static str,
    /// Whether that name was found: in the configuration, in a file of variables, in the source.
    pub found: bool,
}

/// There is no manifest to write.
#[derive(Debug, thiserror::Error)]
pub enum NotDrafted {
    /// There are others.
    #[error("{file} has no environment `{name}`{hint}; it has: {known}")]
    Environment {
        /// The configuration.
        file: String,
        /// As given.
        name: String,
        /// The nearest, as a message has it.
        hint: String,
        /// All of them.
        known: String,
    },
    /// A Pages project is no Worker.
    #[error(
        "{file} describes a Pages project (`pages_build_output_dir`), and moltproof judges Workers: start it yourself with `wrangler pages dev` and name its address, `moltproof init --address http://127.0.0.1:8788`; or make a Worker of it, with `main` and `assets` in place of `pages_build_output_dir`"
    )]
    Pages {
        /// The configuration.
        file: String,
    },
    /// What was given cannot be what was asked for.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Nobody answers any more.
    #[error("the questions were not answered: {0}")]
    Unanswered(#[from] io::Error),
}

/// Asks for what is not known, and says all.
///
/// # Errors
/// [`NotDrafted`]: an environment that is not there, a Pages project, an answer that cannot be right, or nobody to answer.
pub fn draft(known: &Known, asks: &mut dyn Asks) -> Result<Draft, NotDrafted> {
    if let Some(address) = &known.address {
        checked::address(address)?;
    }
    let found = known.wrangler.as_ref();
    if let Some((file, _)) = found.filter(|(_, wrangler)| wrangler.is_pages) {
        return Err(NotDrafted::Pages {
            file: file.display().to_string(),
        });
    }
    let beside = known
        .folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name = found.and_then(|(_, wrangler)| wrangler.name.clone());
    let name = asks.text(
        "Its name, for reports",
        &name.or(beside).unwrap_or_else(|| "my worker".to_owned()),
    )?;
    let starts = match (&known.address, found) {
        (None, Some((file, wrangler))) => {
            let ways = [
                format!(
                    "moltproof starts it with `wrangler dev`, from {}",
                    file.display()
                ),
                "it runs at an address".to_owned(),
            ];
            (asks.choice("How is it reached?", &ways, 0)? == 0).then_some((file, wrangler))
        }
        (Some(_), _) | (None, None) => None,
    };
    let way = match starts {
        Some((file, wrangler)) => {
            Way::Wrangler(Box::new(started::started(known, file, wrangler, asks)?))
        }
        None => address::at_address(known, asks)?,
    };
    let of_vars = match &way {
        Way::Wrangler(started) => {
            let domain = started.bindings.values.get("APP_DOMAIN");
            let is_host = |domain: &&String| checked::app_domain(domain).is_ok();
            domain.filter(is_host).cloned()
        }
        Way::Address { .. } => None,
    };
    let default = match (&way, of_vars) {
        (_, Some(domain)) => domain,
        (Way::Wrangler(_), None) => APP_DOMAIN.to_owned(),
        (Way::Address { .. }, None) => String::new(),
    };
    let app_domain = asks.text(
        "Its app domain, below which tenants have their subdomains",
        &default,
    )?;
    checked::app_domain(&app_domain)?;
    Ok(Draft {
        name,
        app_domain,
        way,
    })
}

/// A folder as it is reached from another; both are absolute.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let common = from
        .iter()
        .zip(&to)
        .take_while(|(one, other)| one == other)
        .count();
    let up = from[common..].iter().map(|_| Path::new(".."));
    let down = to[common..].iter().map(|part| Path::new(part.as_os_str()));
    up.chain(down).collect()
}
