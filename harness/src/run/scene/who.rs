//! Which tenant answered, where the answer of the status route does not say it. Never takes silence for a pass or for a finding.

#![expect(
    clippy::missing_errors_doc,
    reason = "every error here is a `Stop`, which ends the scenario and says why"
)]

use super::Scene;
use crate::contract::need::Need;
use crate::doubles::ai_gateway::Attempt;
use crate::evidence::Exchange;
use crate::lag::Patience;
use crate::observe::who::{Named, Trace, Who};
use crate::subject::dialect::operation::Operation;
use crate::subject::tenant::Tenant;
use crate::verdict::Stop;
use crate::wait::{self, Look};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long the AI Gateway's journal may take to name a call whose answer is here: the call came before the answer.
const JOURNAL_SOON: Duration = Duration::from_secs(2);

/// How long after a chat's answer it may take until something is seen of it. Evidence: as for usage rows and log lines.
const SEEN_SOON: Duration = Duration::from_secs(2);

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn unseen(why: &str) -> Stop {
    Stop::NotVerified(format!(
        "it was not seen who answered: {why} (manifest: [observe] who)"
    ))
}

/// What names a tenant, as text.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Scene {
    /// The slug of the tenant that answered a status request: as the answer says, or as `[observe] who` says that it is seen, or as the
    /// AI Gateway's journal names the tenant of a chat on the same host with the same headers.
    pub async fn who_answered(&mut self, answer: &Exchange) -> Result<Option<String>, Stop> {
        let who = self.instance().await?.who.clone();
        let is_silent = self.run.target.dialect().status_tenant.is_empty();
        if answer.status != 200 || (who.is_none() && !is_silent) {
            return Ok(answer.text_at("/tenant"));
        }
        let named = match who.unwrap_or(Who::AiGateway) {
            Who::Status(pointer) => {
                let sent = answer.sent_json();
                let seen = sent.as_ref().and_then(|sent| sent.pointer(&pointer));
                seen.and_then(text_of).ok_or_else(|| {
                    unseen(&format!("the status answer has no text at `{pointer}`"))
                })?
            }
            Who::Header(name) => answer
                .header(&name)
                .map(str::to_owned)
                .ok_or_else(|| unseen(&format!("the status answer has no header `{name}`")))?,
            Who::AiGateway => self.named_in_metadata(answer).await?,
            Who::Log => self.named_in_log(answer).await?,
            by_change @ (Who::File(_) | Who::DurableObject { .. }) => {
                self.changed_by_chat(answer, &by_change).await?
            }
            Who::Sql(sql) if !sql.contains("{marker}") => {
                self.changed_by_chat(answer, &Who::Sql(sql)).await?
            }
            Who::Sql(sql) => self.named_in_rows(answer, &sql).await?,
        };
        let known = self
            .tenants
            .values()
            .find(|one| [&one.slug, &one.id, &one.sandbox_id].contains(&&named));
        Ok(Some(known.map_or(named, |tenant| tenant.slug.clone())))
    }

    async fn named_in_metadata(&mut self, answer: &Exchange) -> Result<String, Stop> {
        let call = self.journal_of_a_chat(answer).await?;
        let key = &self.run.target.dialect().metadata_tenant;
        let metadata = call.metadata_kept.unwrap_or_default();
        let named = metadata.get(key).and_then(|value| value.as_str());
        named.map(str::to_owned).ok_or_else(|| {
            Stop::NotVerified(format!(
                "neither the status answer nor the metadata of model calls names the tenant (manifest: dialect.status_tenant, or dialect.metadata_tenant, now `{key}`, or [observe] who)"
            ))
        })
    }

    /// The tenant in the log lines of a chat on the same host.
    async fn named_in_log(&mut self, answer: &Exchange) -> Result<String, Stop> {
        let instance = self.instance().await?;
        let logs = instance.logs.clone();
        let logs = logs.ok_or_else(|| unseen("there is no log to look at"))?;
        let mark = logs.mark();
        let (marker, chat) = self.chat_as(answer).await?;
        let mut own = vec![marker];
        own.extend(chat.header("x-request-id").map(str::to_owned));
        let target = Arc::clone(&self.run.target);
        let found = wait::until::<_, Stop, _, _>(SEEN_SOON, || {
            let lines = target.dialect().log.read(logs.since(mark));
            let mut own_lines = lines.iter().filter(|line| line.is_tied_to(&own));
            let named = own_lines.find_map(|line| line.field("tenant_id"));
            async move { Ok(named.map_or_else(|| Look::NotYet("no line".to_owned()), Look::Done)) }
        })
        .await?;
        found.map_err(|_late| {
            unseen("no log line that belongs to the chat names a tenant (dialect.log.fields.tenant_id)")
        })
    }

    /// The first column of what a statement finds of a chat on the same host.
    async fn named_in_rows(&mut self, answer: &Exchange, sql: &str) -> Result<String, Stop> {
        let d1 = self.d1().await?;
        let (marker, _chat) = self.chat_as(answer).await?;
        // The marker is of the harness's making: small letters and digits.
        let sql = sql.replace("{marker}", &marker);
        let within = self.run.target.limits().usage_visible;
        let found = wait::until::<_, Stop, _, _>(within, || {
            let (d1, sql) = (Arc::clone(&d1), sql.clone());
            async move {
                let rows = d1.query(&sql, &[]).await?;
                let named = rows.first().and_then(|row| text_of(row.values().next()?));
                Ok(named.map_or_else(|| Look::NotYet("no row".to_owned()), Look::Done))
            }
        })
        .await?;
        found.map_err(|_late| unseen("the statement finds no row of the chat"))
    }

    /// The one tenant of the scenario whose trace a chat on the same host changes.
    async fn changed_by_chat(&mut self, answer: &Exchange, who: &Who) -> Result<String, Stop> {
        let before = self.settled(who).await?;
        self.chat_as(answer).await?;
        let patience = Patience::of(SEEN_SOON);
        while self.traces(who).await? == before && !patience.is_over() {
            wait::pass(LOOK_EVERY).await;
        }
        // What else the chat changes comes with it, or not at all.
        let after = self.settled(who).await?;
        let changed = before.iter().zip(&after).filter(|(old, new)| old != new);
        let changed: Vec<&String> = changed.map(|(_old, (slug, _trace))| slug).collect();
        match changed.as_slice() {
            [slug] => Ok((*slug).clone()),
            [] => Err(unseen("the chat changed nothing of the scenario's tenants")),
            _several => Err(unseen("the chat changed what several tenants have")),
        }
    }

    /// What is there of each tenant when nothing comes any more of what was done before.
    async fn settled(&mut self, who: &Who) -> Result<Vec<(String, Option<Trace>)>, Stop> {
        let patience = Patience::of(SEEN_SOON);
        let mut seen = self.traces(who).await?;
        loop {
            wait::quiet(LOOK_EVERY * 4).await;
            let now = self.traces(who).await?;
            if now == seen {
                return Ok(now);
            }
            if patience.is_over() {
                return Err(unseen("what the scenario's tenants have goes on changing"));
            }
            seen = now;
        }
    }

    async fn traces(&mut self, who: &Who) -> Result<Vec<(String, Option<Trace>)>, Stop> {
        let d1 = if let Who::Sql(_) = who {
            Some(self.d1().await?)
        } else {
            None
        };
        let tenants: Vec<Tenant> = self.tenants.values().cloned().collect();
        let mut all = Vec::new();
        for tenant in tenants {
            let named = Named {
                id: &tenant.id,
                slug: &tenant.slug,
                sandbox_id: &tenant.sandbox_id,
            };
            all.push((tenant.slug.clone(), who.trace(named, d1.as_deref()).await?));
        }
        Ok(all)
    }

    /// Chats on the host of an answered request, with its headers; returns the marker in its prompt and the answer.
    async fn chat_as(&mut self, answer: &Exchange) -> Result<(String, Arc<Exchange>), Stop> {
        let repeatable = |value: &str| {
            value != crate::scrub::REDACTED
                && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        };
        let status = self.run.target.dialect().spelling(Operation::Status);
        // What every status request has for the asking says nothing, and the chat has its own.
        let given = |name: &str| status.is_some_and(|status| status.gives(name));
        let own: Vec<_> = answer
            .request
            .headers
            .iter()
            .filter(|(name, _)| !given(name) && !name.eq_ignore_ascii_case("content-type"))
            .cloned()
            .collect();
        if !own.iter().all(|(_, value)| repeatable(value)) {
            return Err(Stop::NotVerified(
                "the status answer names no tenant, and a chat cannot repeat the header that the request had (manifest: dialect.status_tenant, or [observe] who)".to_owned(),
            ));
        }
        self.asked_who += 1;
        // A marker of its own: the scenario's script and journal stay untouched.
        let marker = format!("{}w{}", self.token, self.asked_who);
        let body = serde_json::json!({ "messages": [{ "role": "user", "content": Self::prompt(&marker) }] });
        let mut request = self.chat_request_with(&answer.request.host, &body);
        for (name, value) in &own {
            request = request.header(name, value.clone());
        }
        let chat = self.send(request).await?;
        if chat.status != 200 {
            return Err(unseen(&format!(
                "the host's status is answered, and a chat there is not: {}",
                super::describe(&chat)
            )));
        }
        Ok((marker, chat))
    }

    /// Chats on the host of an answered request, with its headers, and returns what the AI Gateway saw of it.
    async fn journal_of_a_chat(&mut self, answer: &Exchange) -> Result<Attempt, Stop> {
        if self.run.target.lacks(Need::AiGateway).is_some() {
            return Err(Stop::NotVerified(
                "the status answer names no tenant, and the harness does not play the AI Gateway, whose journal would (manifest: [control] ai_gateway)".to_owned(),
            ));
        }
        let gateway = self.gateway().await?;
        let (marker, _chat) = self.chat_as(answer).await?;
        let calls = gateway.wait_for_attempts(&marker, 1, JOURNAL_SOON).await;
        calls.into_iter().next().ok_or_else(|| {
            unseen("the AI Gateway's journal has no model call of the answered chat")
        })
    }

    /// The sandbox id that the AI Gateway's journal names for a chat on a tenant's host; `None` where metadata has none.
    pub async fn sandbox_in_journal(&mut self, tenant: &Tenant) -> Result<Option<String>, Stop> {
        let request = self.status_request(&tenant.host);
        let answer = self.send(request).await?;
        let call = self.journal_of_a_chat(&answer).await?;
        let metadata = call.metadata_kept.unwrap_or_default();
        let key = &self.run.target.dialect().metadata_sandbox_id;
        Ok(metadata
            .get(key)
            .and_then(|value| value.as_str())
            .map(str::to_owned))
    }
}
