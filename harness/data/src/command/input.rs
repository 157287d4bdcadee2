//! What is judged, as the command line names it. Never guesses what it was not told.

use super::Failed;
use crate::claims::Data;
use crate::progress::Progress;
use crate::source::{self, Binding, Remote, Source, Unusable};
use crate::subject::Subject;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The database and its claims.
#[derive(Debug, clap::Args)]
pub(super) struct Input {
    #[command(flatten)]
    place: Place,
    /// A file with a `[data]` section; `data.toml` in the folder or beside it is taken by itself.
    #[arg(long, value_name = "FILE", env = "MOLTPROOF_DB_CLAIMS")]
    claims: Option<PathBuf>,
    /// Seed of the rows that are made up: the same one makes the same rows.
    #[arg(long, default_value_t = 1, env = "MOLTPROOF_DB_SEED")]
    seed: u64,
}

/// Where the database is.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// A folder of migrations, a file of SQL, or a SQLite database.
    #[arg(default_value = "migrations", value_name = "PATH")]
    path: PathBuf,
    /// The local state of this D1 binding, where `wrangler dev` keeps it.
    #[arg(long, value_name = "BINDING", env = "MOLTPROOF_DB_WRANGLER", conflicts_with_all = ["path", "rest"])]
    wrangler: Option<String>,
    /// A remote D1 database by its ids, read with the token in `CLOUDFLARE_API_TOKEN`: its schema and nothing else.
    #[arg(
        long,
        value_name = "ACCOUNT/DATABASE",
        env = "MOLTPROOF_DB_REST",
        conflicts_with = "path"
    )]
    rest: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// What leads to databases that are not named by a path.
#[derive(Debug, clap::Args)]
pub(super) struct Access {
    /// The named environment of wrangler's configuration.
    #[arg(long, value_name = "NAME", env = "MOLTPROOF_DB_ENV")]
    env: Option<String>,
    /// Wrangler's configuration; looked for here and above if it is not named.
    #[arg(long, value_name = "FILE", env = "MOLTPROOF_DB_CONFIG")]
    config: Option<PathBuf>,
    /// Where wrangler keeps local state, if it was told by its own `--persist-to`.
    #[arg(long, value_name = "FOLDER", env = "MOLTPROOF_DB_PERSIST_TO")]
    persist_to: Option<PathBuf>,
    #[arg(
        long,
        hide = true,
        env = "CLOUDFLARE_API_TOKEN",
        hide_env_values = true
    )]
    api_token: Option<String>,
    #[arg(long, hide = true, env = "CLOUDFLARE_API_BASE_URL", default_value = source::BASE_URL)]
    api_base_url: String,
}

/// What comes before a binding where one word names a database.
const WRANGLER: &str = "wrangler:";

impl Place {
    /// Reads it.
    pub(super) fn source(&self) -> Result<Source, Failed> {
        if self.wrangler.is_none() {
            self.access.refuse_unused("--wrangler BINDING")?;
        }
        if let Some(binding) = &self.wrangler {
            self.access.local(binding)
        } else if let Some(ids) = &self.rest {
            self.access.remote(ids)
        } else {
            Ok(source::open(&self.path)?)
        }
    }
}

impl Access {
    /// Two sources by a word each: a path, `wrangler:BINDING` or `rest:ACCOUNT/DATABASE`.
    pub(super) fn by_words(&self, a: &str, b: &str) -> Result<(Source, Source), Failed> {
        if ![a, b].iter().any(|word| word.starts_with(WRANGLER)) {
            self.refuse_unused("wrangler:BINDING")?;
        }
        Ok((self.by_word(a)?, self.by_word(b)?))
    }

    /// Refuses what leads to a binding where none is named, by an option or its variable.
    fn refuse_unused(&self, by: &str) -> Result<(), Failed> {
        let given = [
            ("--env", self.env.is_some()),
            ("--config", self.config.is_some()),
            ("--persist-to", self.persist_to.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => Err(Failed::usage(format!(
                "{option} says where a binding of wrangler's is found, and no binding is named; name it by {by}, or leave {option} out"
            ))),
            None => Ok(()),
        }
    }

    /// A source by one word: a path, `wrangler:BINDING` or `rest:ACCOUNT/DATABASE`.
    fn by_word(&self, word: &str) -> Result<Source, Failed> {
        if let Some(binding) = word.strip_prefix(WRANGLER) {
            self.local(binding)
        } else if let Some(ids) = word.strip_prefix("rest:") {
            self.remote(ids)
        } else {
            Ok(source::open(Path::new(word))?)
        }
    }

    fn local(&self, name: &str) -> Result<Source, Failed> {
        let binding = Binding {
            name: name.to_owned(),
            environment: self.env.clone(),
            config: self.config.clone(),
            persist_to: self.persist_to.clone(),
        };
        Ok(source::local(&binding, Path::new("."))?)
    }

    fn remote(&self, ids: &str) -> Result<Source, Failed> {
        let is_id = |id: &str| {
            !id.is_empty()
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let parts = ids.split_once('/');
        let (account, database) = parts
            .filter(|(account, database)| is_id(account) && is_id(database))
            .ok_or_else(|| {
                Failed::usage(format!(
                    "a remote database is named by the ids of its account and its own, ACCOUNT/DATABASE, and not by `{ids}`; `wrangler whoami` and `wrangler d1 list` tell them"
                ))
            })?;
        let token = self.api_token.clone().ok_or_else(|| {
            Failed::usage("a remote database is read with an API token in CLOUDFLARE_API_TOKEN that may read D1")
        })?;
        let remote = Remote {
            base: self.api_base_url.clone(),
            account: account.to_owned(),
            database: database.to_owned(),
            token,
        };
        Ok(source::remote(&remote)?)
    }
}

impl From<Unusable> for Failed {
    fn from(unusable: Unusable) -> Self {
        if matches!(unusable, Unusable::Unreachable { .. }) {
            Self::fault(unusable)
        } else {
            Self::usage(unusable)
        }
    }
}

impl Input {
    /// Reads everything and applies the files, and tells how far it is.
    pub(super) fn subject(&self, progress: &dyn Progress) -> Result<Subject, Failed> {
        let source = self.place.source()?;
        let claims = self.claims()?;
        Subject::telling(source, claims, self.seed, progress).map_err(Failed::fault)
    }

    fn claims(&self) -> Result<Data, Failed> {
        let Some(file) = self.claims.clone().or_else(|| beside(&self.place.path)) else {
            return Ok(Data::default());
        };
        if self.claims.is_none() {
            let _closed = writeln!(
                anstream::stderr(),
                "note: the claims are read from {}",
                file.display()
            );
        }
        let text = std::fs::read_to_string(&file)
            .map_err(|error| Failed::usage(format!("cannot read {}: {error}", file.display())))?;
        Data::parse(&text).map_err(|error| Failed::usage(format!("{}: {error}", file.display())))
    }
}

/// `data.toml` in the folder, or beside it.
fn beside(path: &Path) -> Option<PathBuf> {
    let folders = [Some(path), path.parent()];
    let files = folders
        .into_iter()
        .flatten()
        .map(|folder| folder.join("data.toml"));
    files.into_iter().find(|file| file.is_file())
}
