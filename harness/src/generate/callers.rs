//! Quotas that are exceeded and keys that are rotated, in a generated sequence. Never waits longer than the target says it may take.

use super::play::Play;
use super::quota::Due;
use super::stage::{Halt, Held};
use crate::client::Request;
use crate::contract::need::Need;
use crate::doubles::TokenKind;
use crate::evidence::Exchange;
use crate::oracle::retry_after;
use crate::run::scene::{breach, describe, late};
use crate::subject::manifest::LimitKey;
use crate::verdict::Stop;
use crate::wait::{self, Look};
use std::time::Duration;

/// More requests than this are not sent at once for one quota.
const BURST_MAX: u32 = 200;

/// Requests beyond what is left of a quota.
const BEYOND: u32 = 3;

/// A change of keys may be seen so much later than the target says: a busy machine's timers.
const LATE: Duration = Duration::from_secs(2);

impl Play<'_> {
    /// What the quota must make of the tenant's next request.
    fn quota_due(&self, place: usize) -> Due {
        let target = &self.cast.scene.run.target;
        let limits = target.limits();
        let tenant = &self.model.tenants[place];
        let is_exact = target.lacks(Need::ExactLimits).is_none() && limits.key == LimitKey::Tenant;
        // Old requests leave the window: near its end a refusal is not certain any more.
        let early =
            self.began.elapsed() + Duration::from_secs(2) < Duration::from_secs(limits.quota.1);
        match tenant.used.next(limits.quota.0) {
            Due::Refuse if tenant.tier == "free" && is_exact && early => Due::Refuse,
            Due::Refuse => Due::Open,
            other @ (Due::Admit | Due::Open) => other,
        }
    }

    /// Judges whether a tenant's request was let in, and counts it.
    pub(super) fn within_quota(&mut self, place: usize, answer: &Exchange) -> Result<bool, Halt> {
        let due = self.quota_due(place);
        if answer.status == 429 {
            if self.cast.scene.run.target.limits().key == LimitKey::Ip {
                let why = "the target counts the requests of a client ip, and this sequence's were used up (manifest: [limits] key)";
                return Err(Stop::NotVerified(why.to_owned()).into());
            }
            let check = self.cast.scene.expect(
                due != Due::Admit,
                "a request within the tenant's quota let in",
                || describe(answer),
            );
            self.cast.about(&["RL-001"], check)?;
            self.limited(answer)?;
            return Ok(false);
        }
        let check = self.cast.scene.expect(
            due != Due::Refuse,
            "a request beyond the tenant's quota refused with 429",
            || describe(answer),
        );
        self.cast.about(&["RL-001"], check)?;
        self.model.tenants[place].used.take();
        Ok(true)
    }

    /// A refusal for too many requests says when to come back.
    fn limited(&mut self, answer: &Exchange) -> Held {
        self.refused(answer, 429, "RATE_LIMIT_EXCEEDED", "RL-001")?;
        let period = self.cast.scene.run.target.limits().quota.1;
        let check = match retry_after::stated(answer, period) {
            Ok(_seconds) => Ok(()),
            Err(why) => Err(breach(
                format!("Retry-After of 1 to {period} whole seconds, and the same in the details"),
                why,
            )),
        };
        self.cast.about(&["RL-002"], check)
    }

    /// Sends more requests than the quota has left, all at once.
    pub(super) async fn exceed(&mut self, slug: usize) -> Held {
        let limits = self.cast.scene.run.target.limits().clone();
        let Some(place) = self.model.of_slug(slug) else {
            return Ok(());
        };
        let tenant = &self.model.tenants[place];
        let (least, most) = tenant.used.left(limits.quota.0);
        let late = self.began.elapsed() * 2 > Duration::from_secs(limits.quota.1);
        let is_exact = self
            .cast
            .scene
            .run
            .target
            .lacks(Need::ExactLimits)
            .is_none()
            && limits.key == LimitKey::Tenant;
        if !is_exact || late || tenant.tier != "free" || tenant.reads_fail || most > BURST_MAX {
            return Ok(());
        }
        let host = self.world_host(slug);
        let requests = (0..most + BEYOND)
            .map(|_| self.cast.scene.status_request(&host))
            .collect();
        let answers = self.cast.scene.send_all(requests).await?;
        let mut admitted = 0;
        for answer in answers {
            if answer.status == 429 {
                self.limited(&answer)?;
            } else {
                let check = self.cast.scene.expect_status(&answer, 200);
                self.cast.about(&["RL-001"], check)?;
                self.model.tenants[place].used.take();
                admitted += 1;
            }
        }
        let check = self.cast.scene.expect(
            (least..=most).contains(&admitted),
            format!(
                "{least} to {most} of {} requests at once let in",
                most + BEYOND
            ),
            || format!("{admitted}"),
        );
        self.cast.about(&["RL-006", "RL-001"], check)
    }

    fn world_host(&self, slug: usize) -> String {
        self.host(super::actions::Address::Slug(slug))
    }

    /// A new key is picked up, the old one goes on while it is published, and is refused when it has long not been.
    pub(super) async fn rotate_keys(&mut self) -> Held {
        let world = self.world;
        if !world.rotates {
            return Ok(());
        }
        let _alone = world.keys.write().await;
        let limits = self.cast.scene.run.target.limits().clone();
        let access = self.cast.scene.access().await?;
        let old_key = access.current_key();
        let old = access.token(TokenKind::Good);
        let _new_key = access.rotate_in();
        let new = access.token(TokenKind::Good);
        for token in [&old, &new] {
            self.cast.scene.run.remember_secret(token);
        }
        self.opens_within(
            &new,
            true,
            limits.keys_cooldown + LATE,
            "a new key picked up",
        )
        .await?;
        self.opens_within(
            &old,
            true,
            Duration::ZERO,
            "an old key that is still published accepted",
        )
        .await?;
        access.rotate_out(&old_key);
        let forgotten = limits.keys_cache + limits.keys_cooldown + LATE;
        self.opens_within(
            &old,
            false,
            forgotten,
            "a key that is published no longer refused",
        )
        .await?;
        self.opens_within(
            &new,
            true,
            limits.keys_cooldown + LATE,
            "the published key accepted",
        )
        .await
    }

    /// Whether a token opens an admin route, or does not, at least after a while.
    async fn opens_within(
        &mut self,
        token: &str,
        wanted: bool,
        patience: Duration,
        what: &str,
    ) -> Held {
        // Of nobody: whoever is let in reads that there is no such tenant.
        let path = self.tenant_path(&uuid::Uuid::new_v4().hyphenated().to_string());
        let scene = tokio::sync::Mutex::new(&mut self.cast.scene);
        let seen = wait::until::<_, Stop, _, _>(patience, || async {
            let request =
                Request::new("GET", path.clone()).header("cf-access-jwt-assertion", token);
            let answer = scene.lock().await.send(request).await?;
            Ok(match (answer.status, wanted) {
                (404, true) | (403, false) => Look::Done(()),
                _ => Look::NotYet(describe(&answer)),
            })
        })
        .await?;
        let check = match seen {
            Ok(()) => Ok(()),
            Err(timed_out) => Err(late(what, timed_out)),
        };
        self.cast.scene.checks += usize::from(check.is_ok());
        self.cast.about(&["ACC-015"], check)
    }
}
