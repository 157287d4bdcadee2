//! One scenario under way: its tenants, its exchanges, its assertions. Never talks HTTP or SQL itself: it asks client, target and observers.

#![expect(
    clippy::missing_errors_doc,
    reason = "every error here is a `Stop`, which ends the scenario and says why"
)]

pub(crate) mod api_worker;
mod assertions;
mod by_hand;
mod database;
pub(crate) mod heard;
mod logs;
mod requests;
mod shared;
mod stops;
mod told_later;
mod unsaid;
mod vitals;
mod who;

pub use shared::Run;
pub use stops::{breach, late, misshapen};

use crate::client::stream::StreamedAnswer;
use crate::contract::Planned;
use crate::contract::need::Need;
use crate::contract::need::Variant;
use crate::doubles::AccessIssuer;
use crate::doubles::AiGatewayDouble;
use crate::evidence::Exchange;
use crate::observe::Bucket;
use crate::observe::D1;
use crate::observe::Kv;
use crate::observe::model_calls::ModelCalls;
use crate::observe::model_calls::Whose;
use crate::observe::recorded::{Looks, RecordedBucket, RecordedD1, RecordedKv};
use crate::run::capture::{self, Lines};
use crate::run::placeholders::Placeholders;
use crate::run::uses::Uses;
use crate::subject::Disposable;
use crate::subject::Instance;
use crate::subject::dialect::Dialect;
use crate::subject::dialect::reading::Missed;
use crate::subject::faults::StoreFaults;
use crate::subject::manifest::Seeding;
use crate::subject::seeding;
use crate::subject::tenant::Tenant;
use crate::verdict::Check;
use crate::verdict::Finding;
use crate::verdict::Stop;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is expected where no complete answer came.
pub const COMPLETE_ANSWER: &str = "a complete HTTP answer";

/// One scenario under way.
pub struct Scene {
    /// What all scenarios share.
    pub run: Arc<Run>,
    /// What is being run.
    pub planned: Arc<Planned>,
    /// Unique to this scenario in all runs: ten characters of `[a-z0-9]`. Part of its slugs and of its marker.
    pub token: String,
    /// Its exchanges, in order of completion.
    pub exchanges: Vec<Arc<Exchange>>,
    /// Streamed answers under way, by name.
    pub streams: BTreeMap<String, StreamedAnswer>,
    /// An instance of its own, if a step asked for one.
    pub disposable: Option<Box<dyn Disposable>>,
    /// A folder of its own, if a step asked for one; removed with the scenario.
    pub(crate) folder: Option<crate::scratch::Scratch>,
    /// What steps remember for later steps.
    pub notes: BTreeMap<String, Value>,
    /// How many assertions were made and held.
    pub checks: usize,
    /// Deviations that were met and are accepted: criterion and reason.
    pub accepted: BTreeMap<String, String>,
    missed: Arc<Missed>,
    doubt: Option<String>,
    asked_who: usize,
    holds_fixed: bool,
    /// What it makes use of.
    pub(in crate::run) uses: Uses,
    /// Why what held proves too little for a pass: something that must not be there may be there unseen.
    pub unproven: Option<String>,
    tenants: BTreeMap<String, Tenant>,
    variant: Variant,
    instance: Option<Arc<Instance>>,
    locks: Vec<tokio::sync::OwnedMutexGuard<()>>,
    log_mark: usize,
    client_ip: String,
    /// What it has seen in stores.
    pub(in crate::run) looks: Looks,
    /// The log lines that it has looked at.
    pub(in crate::run) lines: Lines,
    /// The answer of an action that never came whole: what is asserted next has nothing to look at.
    pub(in crate::run) cut_off: Option<Finding>,
    /// What the step under way leaves for the report.
    pub told: Option<String>,
    /// What the words in braces stood for that the step under way has used.
    pub words: Placeholders,
    /// Hears of what the judge of the API worker sends for it.
    pub(in crate::run) heard: Option<Arc<heard::Heard>>,
    /// Lines of SQL that repeat its finding about the database.
    pub(in crate::run) sql: Vec<String>,
}

/// The client ip of a scenario, no other's in its run.
///
/// A second run within a minute must not find the quota of its clients used up by the first: where the addresses begin depends on the run.
/// 198.18.0.0/15 is set aside for benchmarks: no real client has such an address. Its upper half is left to steps that need another one.
fn client_ip(run: &str, number: usize) -> String {
    const COUNT: usize = 250 * 250;
    let begin = run.bytes().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(131).wrapping_add(usize::from(byte))
    });
    let at = (begin % COUNT + number) % COUNT;
    format!("198.18.{}.{}", at / 250, at % 250 + 1)
}

/// A scenario's number to the base 36, in four characters: some scenarios make slugs of the greatest length, so that its length is fixed.
fn four_characters(number: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let digit = |place: u32| char::from(DIGITS[number / 36_usize.pow(place) % 36]);
    (0..4).rev().map(digit).collect()
}

impl Scene {
    /// A scenario that has not begun.
    #[must_use]
    pub fn new(run: Arc<Run>, planned: Arc<Planned>) -> Self {
        let number = planned.number;
        let client_ip = client_ip(&run.id, number);
        Self {
            token: format!("{}{}", run.id, four_characters(number)),
            run,
            planned,
            exchanges: Vec::new(),
            streams: BTreeMap::new(),
            disposable: None,
            folder: None,
            notes: BTreeMap::new(),
            checks: 0,
            accepted: BTreeMap::new(),
            missed: Arc::default(),
            doubt: None,
            asked_who: 0,
            holds_fixed: false,
            uses: Uses::default(),
            unproven: None,
            tenants: BTreeMap::new(),
            variant: Variant::Production,
            instance: None,
            locks: Vec::new(),
            log_mark: 0,
            client_ip,
            looks: Looks::default(),
            lines: Lines::default(),
            cut_off: None,
            told: None,
            words: Placeholders::default(),
            heard: None,
            sql: Vec::new(),
        }
    }

    // ---- the target ----

    /// The target's paths; fields are where `shapes.md` has them, for that is how answers are read.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        let target = &self.run.target;
        Dialect {
            tenants_are_fixed: matches!(target.seeding(), Some(Seeding::Fixed { .. })),
            sweeps: Arc::clone(self.uses.sweeps()),
            ..target.dialect().in_shapes()
        }
    }

    /// From here on the scenario talks to this variant.
    pub async fn use_variant(&mut self, variant: Variant) -> Check {
        if let Some(reason) = self.run.target.lacks(Need::Variant(variant)) {
            return Err(Stop::NotVerified(reason));
        }
        self.variant = variant;
        let target = &self.run.target;
        let faulty =
            variant == Variant::Production && self.planned.needs.contains(&Need::StoreFaults);
        let instance = if faulty {
            target.faulty_instance().await?
        } else {
            target.instance(variant).await?
        };
        self.log_mark = instance.logs.as_ref().map_or(0, |logs| logs.mark());
        self.run.remember_instance(&instance);
        self.run.vitals.watch(&instance);
        self.instance = Some(instance);
        Ok(())
    }

    /// From here on the scenario talks to an instance of its own.
    pub async fn use_disposable(&mut self) -> Check {
        if let Some(reason) = self.run.target.lacks(Need::Restart) {
            return Err(Stop::NotVerified(reason));
        }
        let disposable = self.run.target.disposable().await?;
        self.run.remember_instance(&disposable.instance());
        self.instance = Some(disposable.instance());
        self.log_mark = 0;
        self.disposable = Some(disposable);
        Ok(())
    }

    /// From here on the scenario talks to an instance of this variant that no other scenario uses meanwhile:
    /// a fresh one where the target can start one, else the shared one under a lock.
    pub async fn use_own(&mut self, variant: Variant) -> Check {
        if self.run.target.lacks(Need::Fresh).is_some() {
            self.alone(variant.name()).await;
            return self.use_variant(variant).await;
        }
        if let Some(reason) = self.run.target.lacks(Need::Variant(variant)) {
            return Err(Stop::NotVerified(reason));
        }
        self.variant = variant;
        self.log_mark = 0;
        self.instance = Some(self.run.target.fresh(variant).await?);
        Ok(())
    }

    /// From here on the scenario talks to an instance that was opened for it and others.
    pub fn use_instance(&mut self, instance: &Arc<Instance>) {
        self.variant = instance.variant;
        self.log_mark = instance.logs.as_ref().map_or(0, |logs| logs.mark());
        self.run.remember_instance(instance);
        self.run.vitals.watch(instance);
        self.instance = Some(Arc::clone(instance));
    }

    /// The instance that the scenario talks to, if it has begun to.
    #[must_use]
    pub fn opened(&self) -> Option<&Instance> {
        self.instance.as_deref()
    }

    /// The instance that the scenario talks to; production unless a step said otherwise.
    pub async fn instance(&mut self) -> Result<Arc<Instance>, Stop> {
        if let Some(disposable) = &self.disposable {
            return Ok(disposable.instance());
        }
        if self.instance.is_none() {
            self.use_variant(self.variant).await?;
        }
        self.instance
            .clone()
            .ok_or_else(|| Stop::Fault("no instance".to_owned()))
    }

    /// The scenario's own folder, made at the first call and removed with the scenario.
    pub fn own_folder(&mut self) -> Result<std::path::PathBuf, Stop> {
        if self.folder.is_none() {
            let made = crate::scratch::Scratch::new();
            let made =
                made.map_err(|error| Stop::Fault(format!("cannot make a folder: {error}")))?;
            self.folder = Some(made);
        }
        self.folder
            .as_ref()
            .map(|folder| folder.path().to_owned())
            .ok_or_else(|| Stop::Fault("the folder is gone".to_owned()))
    }

    /// Holds a named lock until the scenario ends: for what only one scenario at a time may do to the target.
    pub async fn alone(&mut self, name: &str) {
        let guard = self.run.lock_named(name).lock_owned().await;
        self.locks.push(guard);
    }

    /// The AI Gateway double that the instance calls.
    pub async fn gateway(&mut self) -> Result<Arc<AiGatewayDouble>, Stop> {
        self.uses.note("journal");
        self.instance()
            .await?
            .gateway
            .clone()
            .ok_or_else(|| missing(Need::AiGateway))
    }

    /// Who tells which calls of models the instance made.
    pub async fn model_calls(&mut self) -> Result<Arc<dyn ModelCalls>, Stop> {
        self.uses.note("model-calls");
        self.instance()
            .await?
            .model_calls
            .clone()
            .ok_or_else(|| missing(Need::AiGatewayLog))
    }

    /// By what the scenario's own calls of models are known.
    #[must_use]
    pub fn whose(&self) -> Whose {
        let ids = |tenant: &Tenant| [tenant.id.clone(), tenant.sandbox_id.clone()];
        Whose {
            marker: self.marker(),
            ids: self.tenants.values().flat_map(ids).collect(),
        }
    }

    /// The team domain that the instance trusts.
    pub async fn access(&mut self) -> Result<Arc<AccessIssuer>, Stop> {
        self.instance()
            .await?
            .access
            .clone()
            .ok_or_else(|| missing(Need::Access))
    }

    /// The instance's D1.
    pub async fn d1(&mut self) -> Result<Arc<dyn D1>, Stop> {
        self.uses.note("d1");
        let there = self.instance().await?.d1.clone();
        let there = there.ok_or_else(|| missing(Need::D1))?;
        Ok(if self.run.captures {
            Arc::new(RecordedD1(there, self.looks.clone()))
        } else {
            there
        })
    }

    /// The instance's KV.
    pub async fn kv(&mut self) -> Result<Arc<dyn Kv>, Stop> {
        self.uses.note("kv");
        let there = self.instance().await?.kv.clone();
        let there = there.ok_or_else(|| missing(Need::Kv))?;
        Ok(if self.run.captures {
            Arc::new(RecordedKv(there, self.looks.clone()))
        } else {
            there
        })
    }

    /// The instance's bucket.
    pub async fn r2(&mut self) -> Result<Arc<dyn Bucket>, Stop> {
        self.uses.note("r2");
        let there = self.instance().await?.r2.clone();
        let there = there.ok_or_else(|| missing(Need::R2))?;
        Ok(if self.run.captures {
            Arc::new(RecordedBucket(there, self.looks.clone()))
        } else {
            there
        })
    }

    /// Faults of the instance's stores.
    pub async fn faults(&mut self) -> Result<Arc<StoreFaults>, Stop> {
        self.instance()
            .await?
            .faults
            .clone()
            .ok_or_else(|| missing(Need::StoreFaults))
    }

    // ---- tenants ----

    /// A slug that no other scenario has.
    #[must_use]
    pub fn slug(&self, name: &str) -> String {
        format!("mp-{}-{name}", self.token)
    }

    /// A custom host name that no other scenario has.
    #[must_use]
    pub fn domain(&self, name: &str) -> String {
        format!("{name}-{}.customer.example", self.token)
    }

    /// A tenant that is not made yet, under the instance's app domain.
    pub async fn new_tenant(&mut self, name: &str, tier: &str) -> Result<Tenant, Stop> {
        let slug = self.slug(name);
        Ok(Tenant::new(&*self.instance().await?, &slug, tier))
    }

    /// Makes a tenant and remembers it under its name.
    pub async fn make_tenant(&mut self, name: &str, tenant: Tenant) -> Result<Tenant, Stop> {
        let instance = self.instance().await?;
        let target = Arc::clone(&self.run.target);
        let is_special = tenant.slug != self.slug(name) || !tenant.domains.is_empty();
        self.uses.tenant(&tenant, is_special);
        let tenant = if matches!(target.seeding(), Some(Seeding::Fixed { .. })) {
            self.take_fixed(name, &tenant).await?
        } else {
            seeding::make(&self.run.client, target.as_ref(), &instance, &tenant).await?
        };
        if let Some(faults) = &instance.faults {
            let words = [&tenant.slug, &tenant.host, &tenant.sandbox_id].map(String::as_str);
            faults.also_called(&tenant.id, words);
        }
        self.tenants.insert(name.to_owned(), tenant.clone());
        Ok(tenant)
    }

    /// Remembers a tenant, or what has become of it, under its name.
    pub fn know_tenant(&mut self, name: &str, tenant: Tenant) {
        self.tenants.insert(name.to_owned(), tenant);
    }

    /// All tenants of the scenario, those included that are gone.
    pub fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.values()
    }

    /// The tenant of this name.
    pub fn tenant(&self, name: &str) -> Result<Tenant, Stop> {
        self.tenants
            .get(name)
            .cloned()
            .ok_or_else(|| Stop::Fault(format!("the scenario has no tenant \"{name}\"")))
    }
}

/// An answer in one line, for a finding: then it is the exchange that decided.
#[must_use]
pub fn describe(answer: &Exchange) -> String {
    capture::point_at(answer);
    let shown = |answer: &Exchange| crate::evidence::cut(answer.text().trim(), 300);
    let later = answer.told_later.as_ref();
    let later = later.map(|later| format!("; a look at the tenant: {}", shown(later)));
    format!(
        "status {} {}{}",
        answer.status,
        shown(answer),
        later.unwrap_or_default()
    )
}

fn missing(need: Need) -> Stop {
    Stop::NotVerified(format!("{need}: {}", need.remedy()))
}
