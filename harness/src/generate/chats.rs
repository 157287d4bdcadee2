//! Chats, plain and streamed, in a generated sequence: the answer, the calls of models and the row that is due. Never calls a model.

use super::actions::{Address, Upstream, WriteFault};
use super::model::{DueRow, Known};
use super::play::Play;
use super::stage::Held;
use crate::client::stream::Next;
use crate::doubles::{Attempt, Outcome, Reply, Script, StreamDialect};
use crate::evidence::Exchange;
use crate::lag::Patience;
use crate::oracle::routing::{self, Call, Ended, PREMIUM_MODEL, Told};
use crate::oracle::{completion, metadata};
use crate::run::scene::{Scene, breach, describe};
use crate::said::said;
use crate::subject::faults::{Calls, LOST, StoreFault};
use crate::verdict::Stop;
use crate::wait;
use serde_json::json;
use std::time::Duration;

/// Virtual time that is longer than every timeout.
const TOO_LONG: Duration = Duration::from_secs(3600);
/// Within this time after the answer the double has written down how its calls ended.
const SETTLED_MAX: Duration = Duration::from_secs(2);
/// Within this time a caller's leaving is seen upstream; below the least timeout, 8 s, which would look like it.
const PROMPTLY: Duration = Duration::from_secs(7);
/// All tries of a row that cannot be written (pauses of 100, 200 and 400 ms) and time to spare.
const GIVEN_UP_MAX: Duration = Duration::from_secs(4);
/// Tries of a row: the first and three more (USG-009).
const TRIES: u32 = 4;

/// What the model says in a sequence.
const TEXT: &str = "Generated words.";

impl Upstream {
    /// The script of the AI Gateway double, with these token counts in what counts.
    fn script(self, tokens: (u64, u64)) -> Script {
        let answer = || Reply::answer(TEXT, tokens.0, tokens.1);
        match self {
            Self::Answers => Script::always(answer()),
            Self::AnswersNatively => Script::always(Reply::native(TEXT, tokens.0, tokens.1)),
            Self::AnswersWithRootUsage => {
                Script::always(Reply::root_usage(TEXT, tokens.0, tokens.1))
            }
            Self::Filters => Script::always(Reply::content_filtered(tokens.0, tokens.1)),
            Self::FailsOnce(status) => Script::sequence([Reply::status(status), answer()]),
            Self::PremiumFails(status) => {
                Script::always(answer()).for_model(PREMIUM_MODEL, [Reply::status(status)])
            }
            Self::Fails(status) => Script::always(Reply::status(status)),
            Self::TimesOut => Script::always(answer().took(TOO_LONG)),
            Self::ErrsInside => Script::always(Reply::success_false()),
            Self::SaysNoUsage => Script::always(Reply::answer_without_usage(TEXT)),
        }
    }

    /// Whether the caller must be told [`TEXT`] when a model has answered.
    fn says_text(self) -> bool {
        !matches!(self, Self::Filters | Self::ErrsInside)
    }

    /// Whether a row is due when a model has answered.
    fn leaves_a_row(self) -> bool {
        !matches!(self, Self::ErrsInside | Self::SaysNoUsage)
    }
}

fn ended(attempt: &Attempt) -> Ended {
    match attempt.outcome {
        Outcome::Answered(status) => Ended::with_status(status),
        Outcome::TimedOut | Outcome::Hung => Ended::Retryable,
        Outcome::Reset | Outcome::Cut | Outcome::InProgress => Ended::Unstated,
    }
}

fn words(calls: &[Attempt]) -> String {
    let words: Vec<String> = calls
        .iter()
        .map(|call| format!("{} {}", call.model, call.outcome))
        .collect();
    format!("{} upstream calls: {}", calls.len(), words.join(", "))
}

impl Play<'_> {
    /// The next chat's number, which its token counts follow from.
    fn next_chat(&mut self) -> (String, (u64, u64)) {
        self.chats += 1;
        (
            self.cast.marker(&format!("c{}", self.chats)),
            (100 + self.chats, self.chats),
        )
    }

    pub(super) async fn chat(&mut self, at: Address, upstream: Upstream, stream: bool) -> Held {
        let (marker, tokens) = self.next_chat();
        let gateway = self.cast.scene.gateway().await?;
        gateway.script(&marker, upstream.script(tokens));
        let fault = self.arm(at).await?;
        let mut body =
            json!({ "messages": [{ "role": "user", "content": Scene::prompt(&marker) }] });
        if stream {
            body["stream"] = json!(true);
        }
        let request = self.cast.scene.chat_request_with(&self.host(at), &body);
        let answer = self.cast.scene.send(request).await?;
        let Some(place) = self.before_handler(at, &answer)? else {
            let calls = gateway.journal(&marker);
            let check = self.cast.scene.expect(
                calls.is_empty(),
                "no model call for a request that a gate refuses",
                || words(&calls),
            );
            return self.cast.about(&["RL-008", "USG-013"], check);
        };
        let has_ended = |call: &Attempt| call.outcome != Outcome::InProgress;
        let calls = gateway
            .wait_until(&marker, SETTLED_MAX, |all| all.iter().all(has_ended))
            .await;
        let tenant = self.model.tenants[place].clone();
        self.judge_calls(&tenant, &calls)?;
        let told = self.judge_routing(&tenant, &calls)?;
        self.judge_answer(&answer, told, upstream, stream)?;
        self.cast.sound(&answer)?;
        let row = (matches!(told, Told::Step(_)) && upstream.leaves_a_row()).then(|| DueRow {
            model: calls
                .last()
                .map(|call| call.model.clone())
                .unwrap_or_default(),
            tokens: (
                i64::try_from(tokens.0).unwrap_or(0),
                i64::try_from(tokens.1).unwrap_or(0),
            ),
            sent_at_ms: answer.sent_at_ms,
            measured_ms: i64::try_from(answer.done_after.as_millis()).unwrap_or(i64::MAX) + 1,
        });
        self.write(place, row, fault).await
    }

    /// Lets the next row of a host's tenant meet what was arranged for it.
    async fn arm(&mut self, at: Address) -> Result<Option<WriteFault>, super::stage::Halt> {
        let (Some(place), Some(faults)) = (self.model.at(at), self.faults()) else {
            return Ok(None);
        };
        let Some(fault) = self.model.tenants[place].write_fault.take() else {
            return Ok(None);
        };
        // A write that is still being tried again would meet it too.
        self.rows_are_there(place).await?;
        let (what, times) = match fault {
            WriteFault::Busy(times) => (StoreFault::Busy, Some(times)),
            WriteFault::Lost => (StoreFault::Busy, None),
            WriteFault::AnswerLost => (StoreFault::AnswerLost(LOST), Some(1)),
        };
        self.armed = true;
        faults.set(
            Calls::UsageWrite,
            &self.model.tenants[place].id,
            what,
            times,
        );
        Ok(Some(fault))
    }

    /// Notes the row that is due, or sees it lost where D1 takes none.
    async fn write(
        &mut self,
        place: usize,
        row: Option<DueRow>,
        fault: Option<WriteFault>,
    ) -> Held {
        let id = self.model.tenants[place].id.clone();
        let Some(faults) = self.faults().filter(|_| fault == Some(WriteFault::Lost)) else {
            self.model.tenants[place].rows.extend(row);
            return match fault {
                // So that what is left of it meets no later row.
                Some(_) => self.rows_are_there(place).await,
                None => Ok(()),
            };
        };
        if row.is_some() {
            let tried = || faults.asked(Calls::UsageWrite, &id);
            let check = self
                .cast
                .scene
                .expect_soon(
                    "a row that D1 does not take tried three times more",
                    GIVEN_UP_MAX,
                    || {
                        let tries = tried();
                        async move {
                            Ok(if tries >= TRIES {
                                wait::Look::Done(())
                            } else {
                                wait::Look::NotYet(format!("{tries} tries"))
                            })
                        }
                    },
                )
                .await;
            self.cast.about(&["USG-009"], check)?;
        }
        faults.clear(Calls::UsageWrite, &id);
        Ok(())
    }

    /// What each upstream call says of the tenant.
    fn judge_calls(&mut self, tenant: &Known, calls: &[Attempt]) -> Held {
        let dialect = self.cast.scene.run.target.dialect().clone();
        let key = self
            .cast
            .scene
            .opened()
            .and_then(|instance| instance.ai_gateway_key.clone());
        for call in calls {
            let seen = metadata::entries(call.metadata_raw.as_deref());
            let check = match &seen {
                Ok(_) => Ok(()),
                Err(why) => Err(breach(
                    "cf-aig-metadata with platform, tier and workload on every call",
                    why.clone(),
                )),
            };
            self.cast.about(&["AIG-001"], check)?;
            let seen = seen.unwrap_or_default();
            let value = |name: &str| seen.get(name).map(String::as_str);
            let tiers = routing::rubric(tenant.tier).tiers;
            let fits = value("platform") == Some("web")
                && value("workload") == Some("chat")
                && value("tier").is_some_and(|tier| tiers.contains(&tier));
            let check = self.cast.scene.expect(
                fits,
                format!("metadata of a {} tenant on platform web", tenant.tier),
                || said(&seen),
            );
            self.cast.about(&["AIG-001", "AIG-022"], check)?;
            let own = [
                (&dialect.metadata_tenant, &tenant.id),
                (&dialect.metadata_sandbox_id, &tenant.sandbox_id),
            ];
            let names = own.iter().all(|(name, own)| {
                value(name)
                    .is_none_or(|seen| seen == own.as_str() || seen == self.slug(tenant.slug))
            });
            let check =
                self.cast
                    .scene
                    .expect(names, format!("metadata of tenant {}", tenant.id), || {
                        said(&seen)
                    });
            self.cast.about(&["AIG-003", "ISO-003"], check)?;
            if let Some(key) = &key {
                let holds = call.authorization.as_deref() == Some(&format!("Bearer {key}"));
                let check = self.cast.scene.expect(
                    holds,
                    "cf-aig-authorization with the gateway's key on every call",
                    || "another value, or none".to_owned(),
                );
                self.cast.about(&["AIG-021"], check)?;
            }
        }
        Ok(())
    }

    fn judge_routing(
        &mut self,
        tenant: &Known,
        calls: &[Attempt],
    ) -> Result<Told, super::stage::Halt> {
        let list: Vec<Call> = calls
            .iter()
            .map(|call| Call {
                model: call.model.clone(),
                ended: ended(call),
            })
            .collect();
        let judged = routing::judge(&routing::rubric(tenant.tier), &list);
        let check = match &judged {
            Ok(_) => Ok(()),
            Err(why) => Err(breach(
                format!("upstream calls of a {} tenant: {why}", tenant.tier),
                words(calls),
            )),
        };
        self.cast.scene.checks += usize::from(check.is_ok());
        self.cast.about(&["AIG-010", "AIG-005", "AIG-022"], check)?;
        judged.map_err(|why| {
            Stop::NotVerified(format!(
                "the calls of models are an accepted deviation: {why}"
            ))
            .into()
        })
    }

    fn judge_answer(
        &mut self,
        answer: &Exchange,
        told: Told,
        upstream: Upstream,
        stream: bool,
    ) -> Held {
        match told {
            // What a caller is told of an error inside a 200 is left open.
            Told::Step(_) if upstream == Upstream::ErrsInside => Ok(()),
            Told::Step(step) => {
                let text = if stream {
                    let read = completion::streamed(&answer.text());
                    read.done.then_some(read.text)
                } else {
                    answer.json().as_ref().and_then(completion::text)
                };
                let says = !upstream.says_text() || text.as_deref() == Some(TEXT);
                let check = self.cast.scene.expect(
                    answer.status == 200 && says,
                    format!("status 200 with \"{TEXT}\""),
                    || describe(answer),
                );
                self.cast.about(&["AIG-012"], check)?;
                let seen = answer.header("cf-aig-step").map(str::to_owned);
                let check =
                    self.cast
                        .scene
                        .expect_eq("cf-aig-step", &Some(step.to_string()), &seen);
                self.cast.about(&["AIG-012"], check)
            }
            Told::Failed => {
                let (status, code) = if answer.status == 504 {
                    (504, "AI_UPSTREAM_TIMEOUT")
                } else {
                    (502, "AI_UPSTREAM_FAILED")
                };
                self.refused(answer, status, code, "AIG-013")
            }
        }
    }

    /// A streamed chat whose caller leaves after the first event: the upstream call ends, and no row is due.
    pub(super) async fn leave(&mut self, at: Address) -> Held {
        let (marker, tokens) = self.next_chat();
        let gateway = self.cast.scene.gateway().await?;
        let reply = Reply::stream(
            StreamDialect::OpenAi,
            &["Gener", "ated ", "words."],
            tokens.0,
            tokens.1,
        )
        .hold_after(1);
        gateway.script(&marker, Script::always(reply));
        let body = json!({ "messages": [{ "role": "user", "content": Scene::prompt(&marker) }], "stream": true });
        let request = self
            .cast
            .scene
            .chat_request_with(&self.host(at), &body)
            .within(PROMPTLY);
        self.cast.scene.open_stream(&marker, request).await?;
        let came = self.first_event(&marker).await?;
        let answer = self.cast.scene.close_stream(&marker)?;
        let due = self.before_handler(at, &answer)?.is_some();
        if due {
            let check = self.cast.scene.expect(
                came,
                "the first event before the upstream sends the last",
                || describe(&answer),
            );
            self.cast.about(&["AIG-017"], check)?;
            let is_gone = |calls: &[Attempt]| calls.iter().any(|call| call.client_gone);
            let patience = Patience::of(PROMPTLY);
            let calls = gateway.wait_until(&marker, PROMPTLY, is_gone).await;
            if !is_gone(&calls) {
                patience.blame(|| words(&calls)).map_err(Stop::from)?;
            }
            let check = self.cast.scene.expect(
                is_gone(&calls),
                "the upstream call cancelled when its caller has gone",
                || words(&calls),
            );
            self.cast.about(&["AIG-017"], check)?;
        }
        gateway.release(&marker);
        Ok(())
    }

    /// Reads a stream up to its first event; of an error, to its end.
    async fn first_event(&mut self, name: &str) -> Result<bool, Stop> {
        let Some(stream) = self.cast.scene.streams.get_mut(name) else {
            return Err(Stop::Fault("no stream is open".to_owned()));
        };
        let patience = Patience::of(PROMPTLY);
        loop {
            if completion::streamed(&stream.text()).pieces > 0 {
                return Ok(true);
            }
            match stream.next(&patience).await {
                Next::Bytes(_) => {}
                Next::End | Next::Cut(_) => return Ok(false),
                Next::Nothing => {
                    patience.blame(|| "no event of a streamed answer".to_owned())?;
                    return Ok(false);
                }
            }
        }
    }
}
