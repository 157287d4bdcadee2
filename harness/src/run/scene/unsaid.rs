//! What a scenario's answers could not show. Never takes silence for a pass or for a finding.

use super::{Scene, missing};
use crate::client::Request;
use crate::clock;
use crate::contract::need::Need;
use crate::evidence::Exchange;
use crate::subject::Instance;
use crate::subject::dialect::furnish::About;
use crate::subject::dialect::operation::Operation;
use crate::subject::dialect::speak::Spoken;
use crate::subject::manifest::{LimitKey, Seeding, TierChange};
use crate::subject::operator::Operator;
use crate::subject::seeding::{self, NotMade};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Finding, Severity, Stop};
use std::sync::Arc;

impl From<NotMade> for Stop {
    fn from(why: NotMade) -> Self {
        match why {
            NotMade::NoWay(reason) => Self::NotVerified(reason),
            NotMade::Fault(fault) => fault.into(),
        }
    }
}

impl Scene {
    /// Puts a request into the target's words; not verified where the target has none for it.
    pub(in crate::run) fn spoken(&self, request: Request) -> Result<Request, Stop> {
        let dialect = self.run.target.dialect();
        if request.path.is_empty() {
            return Err(Stop::NotVerified(
                "the target has no such route (manifest: an empty path under [dialect])".to_owned(),
            ));
        }
        if request.as_it_stands {
            return Ok(request);
        }
        // As it stands, too: what the target does not have is called as `shapes.md` calls it.
        let asked = dialect.operation(&request.method, &request.path);
        let asked = asked.map(|(operation, _id)| operation);
        let said = request.body.clone();
        let mut spoken = dialect.speak(request);
        if let Some(operation) = spoken.operation {
            self.uses.ask(operation, &said);
        }
        if let Some(field) = spoken.unsaid.first() {
            return Err(Stop::NotVerified(format!(
                "the target's request has no place for `{field}` (manifest: a body under [dialect] without {{{field}}})"
            )));
        }
        // Whoever is no operator tries the door, whatever is behind it.
        if let Some(operation) = spoken.operation.or(asked)
            && (spoken.request.as_operator || !operation.is_operators())
            && dialect.without.contains(&operation)
        {
            return Err(Stop::NotVerified(format!(
                "the target has no such operation (manifest: dialect.without names {})",
                operation.key()
            )));
        }
        let operates = spoken.operation.is_some_and(Operation::is_operators);
        let by_hand = self.opened().and_then(Instance::operator) == Some(Operator::ByHand);
        if operates && by_hand && spoken.request.as_operator {
            return Err(Stop::NotVerified(
                "nobody is operator over HTTP, where the target has this operation (manifest: [control] access or [operator] token)".to_owned(),
            ));
        }
        self.may_alter(&spoken)?;
        self.furnish(&mut spoken)?;
        let mut request = spoken.request;
        request.reading =
            crate::subject::dialect::reading::Reading::of(dialect, spoken.operation, &self.missed);
        Ok(request)
    }

    /// Gives a request what the target wants of it besides: a host, headers, cookies, a credential.
    fn furnish(&self, spoken: &mut Spoken) -> Check {
        let Some(instance) = self.opened() else {
            return Ok(());
        };
        let host = spoken.request.host.as_deref();
        let named = |tenant: &&Tenant| {
            spoken.id.as_ref() == Some(&tenant.id)
                || host.is_some_and(|host| {
                    tenant.host == host || tenant.domains.iter().any(|own| own == host)
                })
        };
        let known = self.tenants.values().find(named);
        let about = known.map_or_else(|| spoken.about_new(instance), About::of);
        let dialect = self.run.target.dialect();
        self.host_of_its_own(spoken, instance);
        let secret = dialect.furnish(spoken, instance, &about);
        if let Some(secret) = secret.map_err(Stop::NotVerified)? {
            self.run.remember_secret(&secret);
        }
        Ok(())
    }

    /// What has a host of its own is asked there: a tenant's, which a step names because every host would do, is left out.
    fn host_of_its_own(&self, spoken: &mut Spoken, instance: &Instance) {
        let Some(host) = spoken.request.host.as_deref() else {
            return;
        };
        let below = format!(".{}", instance.app_domain);
        let is_tenants = host.ends_with(&below)
            || self
                .tenants
                .values()
                .any(|tenant| tenant.domains.iter().any(|own| own == host));
        let dialect = self.run.target.dialect();
        if is_tenants && dialect.has_own_host(&spoken.request.path, spoken.operation) {
            spoken.request.host = None;
        }
    }

    /// A target whose tenants are fixed is not asked, with an operator's token, to alter them.
    fn may_alter(&self, spoken: &Spoken) -> Check {
        let Some(operation) = spoken
            .operation
            .filter(|operation| operation.alters_tenants())
        else {
            return Ok(());
        };
        let is_fixed = matches!(self.run.target.seeding(), Some(Seeding::Fixed { .. }));
        if is_fixed {
            return Err(Stop::NotVerified(
                "it would make, change or remove a tenant, and the target's tenants are fixed (manifest: [seeding])".to_owned(),
            ));
        }
        let at_restart = self.run.target.limits().tier_change == TierChange::Restart;
        let changes_tier = operation == Operation::ChangeTenant
            && String::from_utf8_lossy(&spoken.request.body).contains("\"tier\"")
            && !self
                .planned
                .criteria
                .iter()
                .any(|id| id.starts_with("ACC-"));
        if at_restart && changes_tier {
            return Err(Stop::NotVerified(
                "another tier is in force after a restart only (manifest: [limits] tier_change)"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Notes an answer that tells of other scenarios' use of a quota, not of this scenario's.
    pub(super) fn doubt_quota(&mut self, answer: &Exchange) {
        if answer.status != 429 || self.is_about_quotas() {
            return;
        }
        let target = &self.run.target;
        if matches!(target.seeding(), Some(Seeding::Fixed { .. })) {
            self.doubt = Some(
                "the quota of a fixed tenant was used up, maybe by other scenarios: give it a larger one, or run fewer scenarios (--id)".to_owned(),
            );
        } else if target.limits().key == LimitKey::Ip {
            self.doubt = Some(
                "the target counts the requests of a client ip, and this scenario's were used up (manifest: [limits] key)".to_owned(),
            );
        }
    }

    /// Whether the scenario is about quotas: then a refusal for too many requests is what it looks for.
    fn is_about_quotas(&self) -> bool {
        self.planned.criteria.iter().any(|id| id.starts_with("RL-"))
    }

    /// Why what the last step concluded does not count: it looked for what the target does not show.
    pub(crate) fn doubted(&mut self) -> Option<String> {
        let missed = self.missed.take().map(|key| {
            format!("the target's answers do not show it (manifest: dialect.{key} is empty)")
        });
        self.doubt.take().or(missed)
    }

    /// Takes a fixed tenant of the wanted kind for the rest of the scenario.
    pub(super) async fn take_fixed(&mut self, name: &str, wanted: &Tenant) -> Result<Tenant, Stop> {
        // One scenario at a time: two that each hold one tenant and wait for another would wait for ever.
        if !self.holds_fixed {
            self.alone("fixed tenants").await;
            self.holds_fixed = true;
        }
        let instance = self.instance().await?;
        let special = wanted.slug != self.slug(name) || !wanted.domains.is_empty();
        let Some(Seeding::Fixed { tenants }) = self.run.target.seeding() else {
            return Err(missing(Need::Tenants));
        };
        let found = tenants.iter().find(|there| {
            !special
                && there.tier == wanted.tier
                && there.platform == wanted.platform
                && !self.tenants.values().any(|own| own.id == there.id)
        });
        let found = found.map(|there| seeding::fixed(&instance, there));
        found.ok_or_else(|| {
            let more = if special { ", of a name or with hosts of the harness's choice" } else { "" };
            Stop::NotVerified(format!(
                "needs a further {} tenant on platform `{}`{more}, and the target's tenants are fixed (manifest: [[seeding.tenants]])",
                wanted.tier, wanted.platform
            ))
        })
    }

    // ---- accepted deviations ----

    /// Whether somebody answers for a refusal of this form, for one of the scenario's criteria.
    /// From here on those criteria do not pass by this scenario.
    pub fn accept_refusal(&mut self, answer: &Exchange) -> bool {
        let code = answer.text_at("/error/code").unwrap_or_default();
        let own = self.run.target.dialect().code(&code).to_owned();
        let seen = format!("status {} {own}", answer.status);
        self.accept(seen.trim_end(), |entry| {
            entry.accepts_refusal(answer.status, &code)
                || entry.accepts_refusal(answer.status, &own)
        })
    }

    /// As [`Self::accept_refusal`], for a finding that ended the scenario: the promise is kept, in another form.
    pub(crate) fn accept_finding(&mut self, finding: &Finding) -> bool {
        finding.severity == Severity::Shape
            && self.accept(&finding.seen, crate::subject::manifest::Accept::is_of_shape)
    }

    fn accept(
        &mut self,
        seen: &str,
        fits: impl Fn(&crate::subject::manifest::Accept) -> bool,
    ) -> bool {
        let today = clock::rfc3339(clock::epoch_ms());
        let today = today.split('T').next().unwrap_or_default();
        let target = Arc::clone(&self.run.target);
        let mut met = false;
        for (number, entry) in target.accepts().iter().enumerate() {
            let about: Vec<_> = self
                .planned
                .criteria
                .iter()
                .filter(|id| entry.is_about(id))
                .cloned()
                .collect();
            if about.is_empty() || entry.is_over(today) || !fits(entry) {
                continue;
            }
            met = true;
            self.run.note_accepted(number);
            for id in about {
                let reason = format!("{} ({})", entry.reason, crate::evidence::cut(seen, 120));
                self.accepted.entry(id).or_insert(reason);
            }
        }
        met
    }
}
