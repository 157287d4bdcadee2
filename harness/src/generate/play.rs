//! Plays a sequence of actions against the target and holds every answer against the model. Never asks the target what to expect.

use super::Found;
use super::actions::{Action, Address, SLUGS, sequences};
use super::model::Model;
use super::shrink::{Check as Runs, Drawing, Told, Tried, search};
use super::stage::{Cast, Halt, Held, Stage, in_line};
use crate::clock;
use crate::contract::need::{Need, Variant};
use crate::evidence::Exchange;
use crate::run::scene::describe;
use crate::subject::faults::{Calls, StoreFault, StoreFaults};
use crate::subject::manifest::{LimitKey, TierChange};
use crate::subject::{Fault, Instance};
use crate::verdict::Stop;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// Least quota of a tenant and of a client ip: a sequence without a burst asks less often.
const QUOTA_MIN: u32 = 40;

/// An instance, and what can be done with it.
pub(super) struct World {
    stage: Stage,
    instance: Arc<Instance>,
    /// Whether its key set may be rotated: nobody else uses it.
    pub(super) rotates: bool,
    /// Held for writing while keys are rotated: no operator's request may be under way with a key that is being given up.
    pub(super) keys: tokio::sync::RwLock<()>,
}

impl World {
    fn of(stage: &Stage, instance: Arc<Instance>, rotates: bool) -> Self {
        Self {
            stage: stage.at(&instance),
            rotates: rotates && instance.access.is_some(),
            instance,
            keys: tokio::sync::RwLock::default(),
        }
    }
}

/// A sequence, and where it is played.
#[derive(Debug, Clone)]
struct Sequence {
    world: usize,
    actions: Vec<Action>,
}

impl Told for Sequence {
    fn lines(&self) -> Vec<String> {
        self.actions.lines()
    }
}

/// Draws and plays.
pub(super) async fn find(stage: &Stage, drawing: Drawing) -> Found {
    let target = &stage.run().target;
    if target.limits().quota.0 < QUOTA_MIN {
        return Stop::NotVerified(format!("needs a quota of {QUOTA_MIN} requests, for sequences ask that often (manifest: [limits] quota)")).into();
    }
    let worlds = match open(stage).await {
        Ok(worlds) => worlds,
        Err(fault) => return Stop::from(fault).into(),
    };
    let mut left_out = Vec::new();
    if !worlds.iter().any(|world| world.rotates) {
        left_out.push("rotated keys: needs an instance with a team domain of its own (needs fresh, variant.key-rotation)".to_owned());
    }
    if !worlds.iter().any(|world| world.instance.faults.is_some()) {
        left_out.push(format!("a broken D1: {}", Need::StoreFaults.remedy()));
    }
    if target.limits().tier_change == TierChange::Restart {
        left_out.push("changed tiers: they are in force after a restart only".to_owned());
    }
    if target.lacks(Need::ExactLimits).is_some() || target.limits().key == LimitKey::Ip {
        left_out.push("exceeded quotas: needs exact limits of each tenant".to_owned());
    }
    let strategy =
        (0..worlds.len(), sequences()).prop_map(|(world, actions)| Sequence { world, actions });
    let searched = search(&strategy, drawing, &Sequences { worlds }).await;
    Found { searched, left_out }
}

/// One instance that can do everything, or else one whose stores fail and one whose keys rotate.
async fn open(stage: &Stage) -> Result<Vec<World>, Fault> {
    let target = &stage.run().target;
    let has = |need| target.lacks(need).is_none();
    let mut worlds = Vec::new();
    if has(Need::Fresh) && has(Need::Variant(Variant::KeyRotation)) {
        let own = target.fresh(Variant::KeyRotation).await?;
        let is_whole = own.faults.is_some() || !has(Need::StoreFaults);
        worlds.push(World::of(stage, own, true));
        if is_whole {
            return Ok(worlds);
        }
    }
    let shared = if has(Need::StoreFaults) {
        target.faulty_instance().await?
    } else {
        target.instance(Variant::Production).await?
    };
    worlds.push(World::of(stage, shared, false));
    Ok(worlds)
}

struct Sequences {
    worlds: Vec<World>,
}

impl Runs<Sequence> for Sequences {
    async fn check(&self, case: &Sequence) -> Tried {
        let world = &self.worlds[case.world];
        let mut play = Play {
            cast: world.stage.scene(),
            world,
            model: Model::default(),
            began: clock::now(),
            chats: 0,
            armed: false,
        };
        let held = play.all(&case.actions).await;
        play.clear();
        play.cast.tried(held).await
    }
}

/// A sequence under way.
pub(super) struct Play<'a> {
    pub(super) cast: Cast,
    pub(super) world: &'a World,
    pub(super) model: Model,
    pub(super) began: Instant,
    /// Chats so far: each has its own marker and token counts.
    pub(super) chats: u64,
    /// Whether a row has met trouble: then rows come later than usual.
    pub(super) armed: bool,
}

impl Play<'_> {
    async fn all(&mut self, actions: &[Action]) -> Held {
        for (line, action) in actions.iter().enumerate() {
            in_line(self.perform(action).await, line)?;
        }
        self.finish().await
    }

    async fn perform(&mut self, action: &Action) -> Held {
        match *action {
            Action::Create { slug, tier, domain } => self.create(slug, tier, domain).await,
            Action::Rename { slug, to } => {
                let change = json!({ "slug": self.slug(to) });
                self.change(slug, &change, |model, at| model.rename(at, to))
                    .await
            }
            Action::Retier { slug, tier } => {
                if self.cast.scene.run.target.limits().tier_change == TierChange::Restart {
                    return Ok(());
                }
                let change = json!({ "tier": tier });
                self.change(slug, &change, |model, at| {
                    model.retier(at, tier);
                    Ok(())
                })
                .await
            }
            Action::MoveDomain { slug, domain } => {
                let domains: Vec<String> = domain
                    .into_iter()
                    .map(|number| self.domain(number))
                    .collect();
                let change = json!({ "domains": domains });
                self.change(slug, &change, |model, at| model.move_domain(at, domain))
                    .await
            }
            Action::Delete { slug } => self.delete(slug).await,
            Action::Intrude { slug } => self.intrude(slug).await,
            Action::Status(at) => self.status(at).await,
            Action::Chat {
                at,
                upstream,
                stream,
            } => self.chat(at, upstream, stream).await,
            Action::Leave(at) => self.leave(at).await,
            Action::Exceed { slug } => self.exceed(slug).await,
            Action::RotateKeys => self.rotate_keys().await,
            Action::BreakReads { slug } => {
                self.break_reads(slug);
                Ok(())
            }
            Action::MendReads { slug } => {
                if let Some(at) = self.model.of_slug(slug) {
                    self.mend(at);
                }
                Ok(())
            }
            Action::BreakWrite { slug, fault } => {
                if let Some(at) = self.model.of_slug(slug)
                    && self.faults().is_some()
                {
                    self.model.tenants[at].write_fault = Some(fault);
                }
                Ok(())
            }
        }
    }

    // ---- names ----

    pub(super) fn slug(&self, number: usize) -> String {
        self.cast
            .scene
            .slug(&self.cast.named(&format!("s{number}")))
    }

    pub(super) fn domain(&self, number: usize) -> String {
        self.cast
            .scene
            .domain(&self.cast.named(&format!("d{number}")))
    }

    pub(super) fn host(&self, at: Address) -> String {
        match at {
            Address::Slug(number) => self.world.instance.tenant_host(&self.slug(number)),
            Address::Domain(number) => self.domain(number),
        }
    }

    /// The id of the last tenant with a slug; of nobody where there was none.
    pub(super) fn id_of(&self, slug: usize) -> String {
        let nobody = || uuid::Uuid::new_v4().hyphenated().to_string();
        self.model.last_id(slug).unwrap_or_else(nobody)
    }

    // ---- stores ----

    pub(super) fn faults(&self) -> Option<Arc<StoreFaults>> {
        self.world.instance.faults.clone()
    }

    fn break_reads(&mut self, slug: usize) {
        if let (Some(at), Some(faults)) = (self.model.of_slug(slug), self.faults()) {
            let tenant = &mut self.model.tenants[at];
            faults.set(Calls::TenantRead, &tenant.id, StoreFault::Unavailable, None);
            tenant.reads_fail = true;
        }
    }

    pub(super) fn mend(&mut self, at: usize) {
        if let Some(faults) = self.faults() {
            let tenant = &mut self.model.tenants[at];
            faults.clear(Calls::TenantRead, &tenant.id);
            tenant.reads_fail = false;
        }
    }

    /// Nothing of the sequence stays broken.
    fn clear(&mut self) {
        for tenant in &self.model.tenants {
            if let Some(faults) = self.faults() {
                faults.clear(Calls::TenantRead, &tenant.id);
                faults.clear(Calls::UsageWrite, &tenant.id);
            }
        }
    }

    // ---- callers ----

    async fn status(&mut self, at: Address) -> Held {
        let request = self.cast.scene.status_request(&self.host(at));
        let answer = self.cast.scene.send(request).await?;
        let Some(place) = self.before_handler(at, &answer)? else {
            return Ok(());
        };
        let slug = self.slug(self.model.tenants[place].slug);
        let pointer = self.cast.scene.dialect().status_tenant;
        let shows = self
            .cast
            .scene
            .run
            .target
            .dialect()
            .status_tenant
            .is_empty()
            || answer.text_at(&pointer) == Some(slug.clone());
        let check = self.cast.scene.expect(
            answer.status == 200 && shows,
            format!("the status of tenant `{slug}`"),
            || describe(&answer),
        );
        self.cast.about(&["RES-015", "RES-001"], check)
    }

    /// Judges what comes before the handler: resolution, then the quota. A place says that the handler's own answer is due.
    pub(super) fn before_handler(
        &mut self,
        at: Address,
        answer: &Exchange,
    ) -> Result<Option<usize>, Halt> {
        let Some(place) = self.model.at(at) else {
            self.refused(answer, 404, "TENANT_NOT_FOUND", "RES-015")?;
            return Ok(None);
        };
        if self.model.tenants[place].reads_fail {
            self.model.tenants[place].used.take_perhaps();
            let delay = self.cast.scene.run.target.limits().registry_delay;
            if delay.is_zero() || answer.status != 200 {
                self.refused(answer, 503, "STORE_UNAVAILABLE", "RES-017")?;
                return Ok(None);
            }
        }
        Ok(self.within_quota(place, answer)?.then_some(place))
    }

    /// The places of living tenants.
    pub(super) fn living(&self) -> Vec<usize> {
        (0..SLUGS)
            .filter_map(|slug| self.model.of_slug(slug))
            .collect()
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Stopped(Stop::Fault(fault.0))
    }
}

impl From<Fault> for Found {
    fn from(fault: Fault) -> Self {
        Stop::from(fault).into()
    }
}
