//! What a manifest lets the harness see of an instance. Never starts a server.

use super::process::{Supervised, run_to_end};
use super::start::{Blueprint, Workshop};
use crate::contract::need::Need;
use crate::observe::ai_gateway_logs::AiGatewayLogs;
use crate::observe::bucket_dir::BucketDir;
use crate::observe::budget::Budget;
use crate::observe::command::{CommandD1, CommandKv, Commands, KvCommands, Said};
use crate::observe::explorer::Explorer;
use crate::observe::read_only::{ReadOnlyD1, ReadOnlyKv};
use crate::observe::rest::{RestD1, RestKv};
use crate::observe::sqlite_file::SqliteFile;
use crate::observe::tail::TailLog;
use crate::observe::who::{TENANT_PLACEHOLDERS, Who, durable_object_id};
use crate::observe::{Bucket, D1, Kv, Logs};
use crate::subject::Fault;
use crate::subject::layout::LaidOut;
use crate::subject::manifest::placeholders::{fill, fill_all};
use crate::subject::manifest::{
    CallSource, D1Source, KvSource, LogSource, LogTable, LogWord, Observe, R2Source, WhoSource,
};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What placeholders stand for.
type Values = BTreeMap<&'static str, String>;

/// Whether a need is met by what may be looked at, and the key of the manifest that decides it; `None` for needs of another kind.
pub(super) fn meets(observe: &Observe, need: Need) -> Option<(bool, &'static str)> {
    let writable = |place: &Option<D1Source>| place.as_ref().is_some_and(D1Source::writable);
    let kv_writable = |place: &Option<KvSource>| place.as_ref().is_some_and(KvSource::writable);
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only looking is decided here"
    )]
    match need {
        Need::D1 => Some((observe.d1.is_some(), "[observe] d1")),
        Need::D1Write => Some((
            writable(&observe.d1),
            "[observe] d1, with `writable = true`",
        )),
        Need::Kv => Some((observe.kv.is_some(), "[observe] kv")),
        Need::KvWrite => Some((
            kv_writable(&observe.kv),
            "[observe] kv, with `writable = true`",
        )),
        Need::R2 => Some((observe.r2.is_some(), "[observe] r2")),
        Need::Logs => Some((observe.logs.is_some(), "[observe] logs")),
        _ => None,
    }
}

/// The one database file at a place: the file itself, or the one in a folder of miniflare's.
pub(super) fn only_database(place: &Path) -> Option<PathBuf> {
    if place.is_file() {
        return Some(place.to_owned());
    }
    let files = std::fs::read_dir(place).ok()?.filter_map(Result::ok);
    let mut databases = files.map(|entry| entry.path()).filter(|path| {
        path.extension().is_some_and(|ending| ending == "sqlite")
            && path
                .file_name()
                .is_some_and(|name| name != "metadata.sqlite")
    });
    // Of two nobody can tell which one is meant.
    databases.next().filter(|_| databases.next().is_none())
}

/// The file of the local database of this id.
fn database_of(folder: &Path, id: &str) -> Option<PathBuf> {
    let name = durable_object_id("miniflare-D1DatabaseObject", id);
    let file = folder.join(format!("{name}.sqlite"));
    file.is_file().then_some(file)
}

/// Commands of a manifest, run where it says and with its environment.
struct ManifestCommands {
    program: PathBuf,
    folder: PathBuf,
    environment: BTreeMap<String, String>,
    values: Values,
}

#[async_trait]
impl Commands for ManifestCommands {
    async fn run(&self, command: &[String], values: Values) -> Result<Said, String> {
        let mut known = self.values.clone();
        known.extend(values);
        let command = fill_all(command, &known)?;
        run_to_end(&self.program, &command, &self.folder, &self.environment)
            .await
            .map_err(|fault| fault.0)
    }
}

impl Workshop {
    /// D1 of an instance.
    pub(super) fn d1(
        &self,
        blueprint: &Blueprint,
        base: &str,
    ) -> Result<Option<Arc<dyn D1>>, Fault> {
        let Some(source) = &self.manifest.observe.d1 else {
            return Ok(None);
        };
        let values = self.values_of(blueprint);
        let filled = |text: &str| fill(text, &values).map_err(Fault);
        let seen: Arc<dyn D1> = match source {
            D1Source::Explorer { path, database, .. } => Arc::new(Explorer::d1(
                &self.observer,
                &format!("{base}{path}"),
                &filled(database)?,
            )),
            D1Source::Sqlite {
                file,
                database,
                also,
                ..
            } => {
                let place = self.manifest.folder.join(filled(file)?);
                let one = match database {
                    Some(id) => database_of(&place, &filled(id)?),
                    None => only_database(&place),
                };
                let one = one.ok_or_else(|| {
                    Fault(format!(
                        "[observe] d1: no database file, or more than one (then `database` says which), at {}",
                        place.display()
                    ))
                })?;
                let mut d1 = SqliteFile::d1(&one);
                for id in also {
                    let id = filled(id)?;
                    let more = database_of(&place, &id).ok_or_else(|| {
                        Fault(format!(
                            "[observe] d1: no database {id} at {}",
                            place.display()
                        ))
                    })?;
                    d1 = d1.with(&more);
                }
                Arc::new(d1)
            }
            D1Source::Rest {
                account,
                database,
                api_token,
                base_url,
                ..
            } => {
                let (base_url, database) = (base_url.trim_end_matches('/'), filled(database)?);
                let d1 = RestD1::new(&self.remote, base_url, account, &database, api_token);
                Arc::new(d1.sharing(&self.budget))
            }
            D1Source::Command { run, .. } => {
                Arc::new(CommandD1::new(self.commands(values)?, run.clone()))
            }
        };
        let seen: Arc<dyn D1> = if source.writable() {
            seen
        } else {
            Arc::new(ReadOnlyD1(seen))
        };
        let manifest = &self.manifest;
        Ok(Some(LaidOut::over(
            seen,
            &manifest.layout,
            &manifest.dialect.tiers,
        )))
    }

    /// KV of an instance.
    pub(super) fn kv(
        &self,
        blueprint: &Blueprint,
        base: &str,
    ) -> Result<Option<Arc<dyn Kv>>, Fault> {
        let Some(source) = &self.manifest.observe.kv else {
            return Ok(None);
        };
        let values = self.values_of(blueprint);
        let filled = |text: &str| fill(text, &values).map_err(Fault);
        let seen: Arc<dyn Kv> = match source {
            KvSource::Explorer {
                path, namespace, ..
            } => Arc::new(RestKv::explorer(
                &self.observer,
                &format!("{base}{path}"),
                &filled(namespace)?,
            )),
            KvSource::Rest {
                account,
                namespace,
                api_token,
                base_url,
                ..
            } => {
                let (base_url, namespace) = (base_url.trim_end_matches('/'), filled(namespace)?);
                let kv = RestKv::new(&self.remote, base_url, account, &namespace, api_token);
                Arc::new(kv.sharing(&self.budget))
            }
            KvSource::Command {
                get,
                list,
                put,
                delete,
                ..
            } => {
                let texts = KvCommands {
                    get: get.clone(),
                    put: put.clone(),
                    delete: delete.clone(),
                    list: list.clone(),
                };
                Arc::new(CommandKv::new(self.commands(values)?, texts))
            }
        };
        Ok(Some(if source.writable() {
            seen
        } else {
            Arc::new(ReadOnlyKv(seen))
        }))
    }

    /// R2 of an instance.
    pub(super) fn r2(
        &self,
        blueprint: &Blueprint,
        base: &str,
    ) -> Result<Option<Arc<dyn Bucket>>, Fault> {
        let values = self.values_of(blueprint);
        let filled = |text: &str| fill(text, &values).map_err(Fault);
        Ok(match &self.manifest.observe.r2 {
            None => None,
            Some(R2Source::Explorer { path, bucket }) => Some(Arc::new(Explorer::r2(
                &self.observer,
                &format!("{base}{path}"),
                &filled(bucket)?,
            ))),
            Some(R2Source::Directory { path }) => Some(Arc::new(BucketDir::new(
                self.manifest.folder.join(filled(path)?),
            ))),
        })
    }

    /// The log of an instance. A tail starts here, and ends with the run.
    pub(super) fn logs(&self, blueprint: &Blueprint) -> Result<Option<Arc<dyn Logs>>, Fault> {
        match &self.manifest.observe.logs {
            None => Ok(None),
            // What we did not start prints where we cannot see it.
            Some(LogSource::Word(LogWord::Output)) => Ok(blueprint
                .entry
                .address
                .is_none()
                .then(|| Arc::clone(&blueprint.logs) as _)),
            Some(LogSource::Table(LogTable::Tail { command })) => {
                let values = self.values_of(blueprint);
                let command = fill_all(command, &values).map_err(Fault)?;
                let log = Arc::new(TailLog::default());
                let (out, err) = (Arc::clone(&log), Arc::clone(&log));
                let tail = Supervised::start_with(
                    &self.program,
                    &command,
                    &self.command_folder(),
                    &self.command_environment(&values)?,
                    move |line| out.take(&line),
                    move |line| err.take_chatter(&line),
                )?;
                self.keep_tail(tail);
                Ok(Some(log))
            }
        }
    }

    /// How it is seen which tenant answered.
    pub(super) fn who(&self, blueprint: &Blueprint) -> Result<Option<Who>, Fault> {
        let mut values = self.values_of(blueprint);
        // What a tenant has is filled in at each look.
        for (name, itself) in TENANT_PLACEHOLDERS {
            values.insert(name, itself.to_owned());
        }
        let filled = |text: &str| fill(text, &values).map_err(Fault);
        let place = |text: &str| filled(text).map(|text| self.manifest.folder.join(text));
        Ok(match &self.manifest.observe.who {
            None => None,
            Some(WhoSource::Status { pointer }) => Some(Who::Status(pointer.clone())),
            Some(WhoSource::Header { name }) => Some(Who::Header(name.to_ascii_lowercase())),
            Some(WhoSource::AiGateway {}) => Some(Who::AiGateway),
            Some(WhoSource::Log {}) => Some(Who::Log),
            Some(WhoSource::File { path }) => Some(Who::File(place(path)?)),
            Some(WhoSource::DurableObject { folder, name }) => Some(Who::DurableObject {
                folder: place(folder)?,
                name: filled(name)?,
            }),
            Some(WhoSource::Sql { sql }) => Some(Who::Sql(sql.clone())),
        })
    }

    /// What AI Gateway itself logs; one for all instances, for they share one look at it.
    pub(super) fn open_gateway_log(
        observe: &Observe,
        http: &reqwest::Client,
        budget: &Arc<Budget>,
    ) -> Option<Arc<AiGatewayLogs>> {
        let CallSource::LogsRest {
            account,
            gateway,
            api_token,
            base_url,
        } = observe.ai_gateway.as_ref()?;
        let base_url = base_url.trim_end_matches('/');
        let log = AiGatewayLogs::new(http, base_url, account, gateway, api_token);
        Some(Arc::new(log.sharing(budget)))
    }

    pub(super) fn values_of(&self, blueprint: &Blueprint) -> Values {
        self.values(&blueprint.state, 0, &blueprint.issuer)
    }

    pub(super) fn commands(&self, values: Values) -> Result<Arc<dyn Commands>, Fault> {
        Ok(Arc::new(ManifestCommands {
            program: self.program.clone(),
            folder: self.command_folder(),
            environment: self.command_environment(&values)?,
            values,
        }))
    }
}
