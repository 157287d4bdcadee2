//! A manifest for somebody's Worker: what is known of it, what is asked, and the text that says so. Never starts the Worker, never writes a secret.

pub mod render;
pub use moltproof_data::wrangler;

use crate::target::need::Variant;
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
    /// The environment that is to be judged as production.
    pub environment: Option<String>,
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
    /// Installs packages, and the file that says that they are there; nothing without a `package.json`.
    pub install: Option<(Vec<String>, String)>,
    /// How a package's program is run.
    pub runner: Vec<String>,
    /// The environment that is judged as production.
    pub environment: Option<String>,
    /// What that is bound to.
    pub bindings: Bindings,
    /// Whether its migrations are there.
    pub has_migrations: bool,
    /// The variants found among the environments.
    pub variants: Vec<FoundVariant>,
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

/// A variable that the harness sets when it starts the Worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The Worker's name for it.
    pub name: String,
    /// What it is given.
    pub placeholder: &'static str,
    /// Whether that name was found, in the configuration or in `.dev.vars`.
    pub found: bool,
}

/// What the harness tells a Worker: the contract's name for it, the placeholder, and what it is.
const TOLD: [(&str, &str, &str); 5] = [
    ("APP_DOMAIN", "{app_domain}", "the app domain"),
    (
        "CF_ACCESS_TEAM_DOMAIN",
        "{team_domain}",
        "the Access team domain",
    ),
    (
        "CF_ACCESS_AUD",
        "{audience}",
        "the audience of Access tokens",
    ),
    (
        "AI_GATEWAY_BASE_URL",
        "{ai_gateway_base_url}",
        "the address of the AI Gateway",
    ),
    (
        "CLOUDFLARE_AI_GATEWAY_API_KEY",
        "{ai_gateway_key}",
        "the key of the AI Gateway",
    ),
];

/// The variables that a variant does without.
const UNSET: [(Variant, &[&str]); 6] = [
    (Variant::WithoutAccessTeam, &["CF_ACCESS_TEAM_DOMAIN"]),
    (Variant::WithoutAccessAud, &["CF_ACCESS_AUD"]),
    (
        Variant::WithoutAiGateway,
        &["AI_GATEWAY_BASE_URL", "CLOUDFLARE_AI_GATEWAY_API_KEY"],
    ),
    (Variant::WithoutAiGatewayUrl, &["AI_GATEWAY_BASE_URL"]),
    (
        Variant::WithoutAiGatewayKey,
        &["CLOUDFLARE_AI_GATEWAY_API_KEY"],
    ),
    (Variant::WithoutAppDomain, &["APP_DOMAIN"]),
];

/// The environment that was named is not there.
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
    /// Nobody answers any more.
    #[error("the questions were not answered: {0}")]
    Unanswered(#[from] io::Error),
}

/// Asks for what is not known, and says all.
///
/// # Errors
/// [`NotDrafted`]: an environment that is not there, or nobody to answer.
pub fn draft(known: &Known, asks: &mut dyn Asks) -> Result<Draft, NotDrafted> {
    let found = known.wrangler.as_ref();
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
        Some((file, wrangler)) => Way::Wrangler(Box::new(started(known, file, wrangler, asks)?)),
        None => at_address(known, asks)?,
    };
    let of_vars = match &way {
        Way::Wrangler(started) => started.bindings.values.get("APP_DOMAIN").cloned(),
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
    Ok(Draft {
        name,
        app_domain,
        way,
    })
}

fn at_address(known: &Known, asks: &mut dyn Asks) -> Result<Way, NotDrafted> {
    let default = known.address.as_deref().unwrap_or(ADDRESS);
    let address = asks.text("Its address", default)?;
    let ways = [
        "nothing; what needs an operator is not verified".to_owned(),
        "an Access service token".to_owned(),
        "an Access token".to_owned(),
    ];
    let operator = match asks.choice(
        "What proves to it that the harness is an operator?",
        &ways,
        0,
    )? {
        1 => OperatorBy::ServiceToken(
            asks.text(
                "The environment variable that holds its client id",
                "CF_ACCESS_CLIENT_ID",
            )?,
            asks.text(
                "The environment variable that holds its secret",
                "CF_ACCESS_CLIENT_SECRET",
            )?,
        ),
        2 => OperatorBy::Token(
            asks.text("The environment variable that holds it", "CF_ACCESS_TOKEN")?,
        ),
        _ => OperatorBy::Unknown,
    };
    let told = known.address.is_some() || address != default;
    Ok(Way::Address {
        address,
        operator,
        told,
    })
}

fn started(
    known: &Known,
    file: &Path,
    wrangler: &Wrangler,
    asks: &mut dyn Asks,
) -> Result<Started, NotDrafted> {
    let environment = environment(known, file, wrangler, asks)?;
    let bindings = match &environment {
        Some(name) => wrangler.environments[name].clone(),
        None => wrangler.top.clone(),
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let (variants, unused) = variants(wrangler, &bindings, environment.as_deref());
    let small = variants
        .iter()
        .find(|found| found.variant == Variant::SmallLimits);
    let (install, runner) = packages(folder);
    Ok(Started {
        folder: relative(&known.folder, folder),
        file: file
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        install,
        runner,
        has_migrations: bindings
            .d1
            .first()
            .is_some_and(|database| folder.join(&database.migrations).is_dir()),
        small_quota: small.and_then(|found| quota(&wrangler.environments[&found.environment])),
        variables: told(folder, wrangler, &bindings, asks)?,
        environment,
        bindings,
        variants,
        unused,
    })
}

/// Which environment is judged as production: the one that was named, else the top level, unless somebody chooses another.
fn environment(
    known: &Known,
    file: &Path,
    wrangler: &Wrangler,
    asks: &mut dyn Asks,
) -> Result<Option<String>, NotDrafted> {
    let names = || wrangler.environments.keys().map(String::as_str);
    if let Some(name) = &known.environment {
        if wrangler.environments.contains_key(name) {
            return Ok(Some(name.clone()));
        }
        let known: Vec<&str> = names().collect();
        return Err(NotDrafted::Environment {
            file: file.display().to_string(),
            name: name.clone(),
            hint: crate::nearest::hint(name, names()),
            known: if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            },
        });
    }
    if wrangler.environments.is_empty() {
        return Ok(None);
    }
    let choices: Vec<String> = std::iter::once("the top level".to_owned())
        .chain(names().map(|name| format!("environment `{name}`")))
        .collect();
    let chosen = asks.choice("What is judged as production?", &choices, 0)?;
    Ok(chosen
        .checked_sub(1)
        .and_then(|at| names().nth(at))
        .map(str::to_owned))
}

/// The quota of the free tier, if the variables tell it.
#[must_use]
pub fn quota(bindings: &Bindings) -> Option<(u32, u64)> {
    let number = |name: &str| bindings.values.get(name)?.parse::<u64>().ok();
    let of_variables = || {
        let limit = u32::try_from(number("PUBLIC_RATE_LIMIT_MAX")?).ok()?;
        Some((
            limit,
            number("PUBLIC_RATE_LIMIT_WINDOW_SECONDS").unwrap_or(60),
        ))
    };
    of_variables().or(bindings.rate_limit)
}

/// Which environments are variants of the contract: by name, else by what they have and lack.
fn variants(
    wrangler: &Wrangler,
    whole: &Bindings,
    judged: Option<&str>,
) -> (Vec<FoundVariant>, Vec<String>) {
    let (mut found, mut unused): (Vec<FoundVariant>, Vec<String>) = (Vec::new(), Vec::new());
    // Those that say by their name what they are come first.
    let mut names: Vec<&String> = wrangler.environments.keys().collect();
    names.sort_by_key(|name| Variant::parse(name).is_none());
    for name in names {
        if Some(name.as_str()) == judged {
            continue;
        }
        let bindings = &wrangler.environments[name];
        let variant = Variant::parse(name)
            .or_else(|| by_bindings(whole, bindings))
            .filter(|variant| *variant != Variant::Production)
            .filter(|variant| found.iter().all(|other| other.variant != *variant));
        match variant {
            Some(variant) => found.push(FoundVariant {
                variant,
                environment: name.clone(),
                without: without(variant, whole, bindings),
            }),
            None => unused.push(name.clone()),
        }
    }
    found.sort_by_key(|one| one.variant);
    unused.sort();
    (found, unused)
}

fn by_bindings(whole: &Bindings, bindings: &Bindings) -> Option<Variant> {
    let is_dev = bindings
        .values
        .get("DEV_MODE")
        .is_some_and(|value| value == "true");
    let gone = |has: bool, had: bool| had && !has;
    let d1 = gone(!bindings.d1.is_empty(), !whole.d1.is_empty());
    let kv = gone(!bindings.kv.is_empty(), !whole.kv.is_empty());
    let r2 = gone(!bindings.r2.is_empty(), !whole.r2.is_empty());
    match (is_dev, d1, kv, r2) {
        (true, false, false, false) => Some(Variant::DevMode),
        (true, true, false, false) => Some(Variant::DevModeWithoutD1),
        (true, false, true, false) => Some(Variant::DevModeWithoutKv),
        (true, false, false, true) => Some(Variant::DevModeWithoutR2),
        (false, true, false, false) => Some(Variant::WithoutD1),
        (false, false, true, false) => Some(Variant::WithoutKv),
        (false, false, false, true) => Some(Variant::WithoutR2),
        (false, true, false, true) => Some(Variant::WithoutD1AndR2),
        _ => None,
    }
}

/// The names that a variant does without: bindings that are gone, and the variables that the contract's name for it says.
fn without(variant: Variant, whole: &Bindings, bindings: &Bindings) -> Vec<String> {
    let names = |of: &Bindings| -> Vec<String> {
        // The first database is the one that is judged; others are the Worker's own affair.
        let d1 = of.d1.iter().take(1);
        let d1 = d1.map(|database| database.binding.clone());
        let others = of.kv.iter().chain(&of.r2);
        d1.chain(others.map(|(binding, _)| binding.clone()))
            .collect()
    };
    let there = names(bindings);
    let gone = names(whole)
        .into_iter()
        .filter(|name| !there.contains(name));
    let unset = UNSET.iter().find(|(of, _)| *of == variant);
    let variables = unset.map_or(&[][..], |(_, names)| *names);
    gone.chain(variables.iter().map(|&name| name.to_owned()))
        .collect()
}

/// The Worker's own names for what it is told.
fn told(
    folder: &Path,
    wrangler: &Wrangler,
    bindings: &Bindings,
    asks: &mut dyn Asks,
) -> Result<Vec<Told>, NotDrafted> {
    let in_file = wrangler::dev_vars(folder);
    let mut list = Vec::new();
    for (name, placeholder, what) in TOLD {
        let found = bindings.variables.contains(name)
            || wrangler.top.variables.contains(name)
            || in_file.contains(name);
        let name = if found {
            name.to_owned()
        } else {
            asks.text(&format!("The Worker's variable for {what}"), name)?
        };
        list.push(Told {
            name,
            placeholder,
            found,
        });
    }
    Ok(list)
}

/// How packages are installed and run, by the lock file beside the configuration.
fn packages(folder: &Path) -> (Option<(Vec<String>, String)>, Vec<String>) {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let by = |install: &str, sign: &str, runner: &str| {
        (Some((words(install), sign.to_owned())), words(runner))
    };
    let has = |name: &str| folder.join(name).is_file();
    if has("pnpm-lock.yaml") {
        by(
            "pnpm install --frozen-lockfile",
            "node_modules/.modules.yaml",
            "pnpm exec",
        )
    } else if has("yarn.lock") {
        by(
            "yarn install --immutable",
            "node_modules/.yarn-state.yml",
            "yarn",
        )
    } else if has("bun.lock") || has("bun.lockb") {
        by(
            "bun install --frozen-lockfile",
            "node_modules/wrangler/package.json",
            "bunx",
        )
    } else if has("package-lock.json") {
        by(
            "npm ci --no-audit --no-fund",
            "node_modules/.package-lock.json",
            "npx",
        )
    } else {
        (None, words("npx"))
    }
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
