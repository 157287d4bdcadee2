//! What an operator does in a generated sequence, and what the answer must say. Never sends anything as a caller.

use super::model::{Known, Model, Taken};
use super::play::Play;
use super::stage::Held;
use crate::client::Request;
use crate::evidence::Exchange;
use crate::steps::operating::{authorised, settle};
use crate::subject::run_marks;
use crate::verdict::Stop;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Play<'_> {
    /// Sends an operator's request while no key is being given up.
    pub(super) async fn operate(
        &mut self,
        method: &str,
        path: String,
        body: Option<&Value>,
    ) -> Result<Arc<Exchange>, Stop> {
        let world = self.world;
        let _keys_stay = world.keys.read().await;
        let request = Request::new(method, path);
        let request = body.map_or(request.clone(), |body| request.json(body));
        let request = authorised(&mut self.cast.scene, request).await?;
        self.cast.scene.send(request).await
    }

    pub(super) fn tenant_path(&self, id: &str) -> String {
        self.cast.scene.dialect().tenant.replace("{id}", id)
    }

    pub(super) async fn create(
        &mut self,
        slug: usize,
        tier: &'static str,
        domain: Option<usize>,
    ) -> Held {
        let name = self.slug(slug);
        let id = run_marks::tenant_id(&name);
        let domains: Vec<String> = domain
            .into_iter()
            .map(|number| self.domain(number))
            .collect();
        let body =
            json!({ "id": id, "slug": name, "tier": tier, "platform": "web", "domains": domains });
        let path = self.cast.scene.dialect().tenants;
        let answer = self.operate("POST", path, Some(&body)).await?;
        if self.model.create(&id, slug, tier, domain) == Err(Taken) {
            return self.refused(&answer, 409, "CONFLICT", "SCH-008");
        }
        let check = self.cast.scene.expect_status(&answer, 201);
        self.cast.about(&["RES-015", "ISO-003"], check)?;
        let at = self.model.tenants.len() - 1;
        self.shows(at, &answer)?;
        Ok(settle(&self.cast.scene).await?)
    }

    /// Sends a change of the tenant with a slug, and makes it in the model.
    pub(super) async fn change(
        &mut self,
        slug: usize,
        to: &Value,
        make: impl FnOnce(&mut Model, usize) -> Result<(), Taken>,
    ) -> Held {
        let living = self.model.of_slug(slug);
        if let Some(at) = living {
            // What a broken store answers an operator is another criterion's matter.
            self.mend(at);
        }
        let path = self.tenant_path(&self.id_of(slug));
        let answer = self.operate("PATCH", path, Some(to)).await?;
        let Some(at) = living else {
            return self.refused(&answer, 404, "TENANT_NOT_FOUND", "ERR-003");
        };
        if make(&mut self.model, at) == Err(Taken) {
            return self.refused(&answer, 409, "CONFLICT", "SCH-008");
        }
        let check = self.cast.scene.expect_status(&answer, 200);
        self.cast.about(&["RES-015"], check)?;
        self.shows(at, &answer)?;
        Ok(settle(&self.cast.scene).await?)
    }

    pub(super) async fn delete(&mut self, slug: usize) -> Held {
        let living = self.model.of_slug(slug);
        if let Some(at) = living {
            self.mend(at);
            // A row that is still on its way has nobody to belong to once the tenant is gone.
            self.rows_are_there(at).await?;
        }
        let path = self.tenant_path(&self.id_of(slug));
        let answer = self.operate("DELETE", path, None).await?;
        let Some(at) = living else {
            return self.refused(&answer, 404, "TENANT_NOT_FOUND", "ERR-003");
        };
        self.model.delete(at);
        let check = self.cast.scene.expect_status(&answer, 204);
        self.cast.about(&["RES-015", "ISO-003"], check)?;
        Ok(settle(&self.cast.scene).await?)
    }

    pub(super) async fn intrude(&mut self, slug: usize) -> Held {
        let path = self.tenant_path(&self.id_of(slug));
        let answer = self.cast.scene.send(Request::new("GET", path)).await?;
        self.refused(&answer, 403, "ACCESS_DENIED", "ACC-001")
    }

    /// A refusal of this form.
    pub(super) fn refused(
        &mut self,
        answer: &Exchange,
        status: u16,
        code: &str,
        criterion: &'static str,
    ) -> Held {
        let check = self.cast.scene.expect_error(answer, status, code);
        self.cast.about(&[criterion], check)?;
        self.cast.sound(answer)
    }

    /// Whether an answer shows a tenant as the model has it.
    pub(super) fn shows(&mut self, at: usize, answer: &Exchange) -> Held {
        let tenant: Known = self.model.tenants[at].clone();
        let domains: BTreeSet<String> = tenant
            .domains
            .iter()
            .map(|number| self.domain(*number))
            .collect();
        let target = Arc::clone(&self.cast.scene.run.target);
        let dialect = target.dialect();
        let wanted = [
            (
                "ID-004",
                "/sandbox_id",
                tenant.sandbox_id.clone(),
                &dialect.tenant_sandbox_id,
            ),
            (
                "RES-015",
                "/slug",
                self.slug(tenant.slug),
                &dialect.tenant_slug,
            ),
            (
                "AIG-022",
                "/tier",
                tenant.tier.to_owned(),
                &dialect.tenant_tier,
            ),
        ];
        // What the target's answers do not show at all is left to what else shows it.
        for (criterion, pointer, own, place) in wanted {
            if place.is_empty() {
                continue;
            }
            let shown = answer.text_at(pointer);
            let check = self.cast.scene.expect_eq(
                &format!("`{}` of the tenant:", &pointer[1..]),
                &Some(own),
                &shown,
            );
            self.cast.about(&[criterion], check)?;
        }
        if dialect.tenant_domains.is_empty() {
            return Ok(());
        }
        let shown: Option<BTreeSet<String>> = answer
            .at("/domains")
            .and_then(|list| serde_json::from_value(list).ok());
        let check = self
            .cast
            .scene
            .expect_eq("`domains` of the tenant:", &Some(domains), &shown);
        self.cast.about(&["RES-015"], check)
    }
}
