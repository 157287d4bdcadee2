//! The gateway's decisions: tries, virtual timeouts, fallback between Universal elements, its own headers.
//!
//! It never waits: a provider that took 25 s took them in virtual time.

use std::time::Duration;

use uuid::Uuid;

use super::{
    attempt::{Attempt, Endpoint, Outcome},
    bodies, fault_words,
    hub::{Alone, Hub},
    journal::{AttemptId, Journal, Release},
    metadata,
    render::{Rendered, render},
    reply::{Delivery, Fault, Reply},
    request::{self, Call, Refusal},
};
use crate::wire::Received;

/// The model that every dynamic route leads to, as far as a double that runs alone tells: one that the platform has.
const DYNAMIC_MODEL: &str = "@cf/meta/llama-3.1-8b-instruct-fp8-fast";

/// What leaves for one request, and the attempt it belongs to.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) attempt: AttemptId,
    pub(super) rendered: Rendered,
    pub(super) delivery: Delivery,
    pub(super) release: Release,
}

struct Asked<'a> {
    journal: &'a Journal,
    alone: Option<&'a Alone>,
    endpoint: Endpoint,
    marker: String,
    received: &'a Received,
}

struct Tried {
    attempt: AttemptId,
    rendered: Rendered,
    delivery: Delivery,
    is_final: bool,
}

/// Plays the script for a request.
pub(super) fn decide(hub: &Hub, endpoint: Endpoint, received: &Received) -> Decision {
    let journal = &hub.journal;
    let asked = Asked {
        journal,
        alone: hub.alone.as_ref(),
        endpoint,
        marker: request::marker(&received.body),
        received,
    };
    let tried = match endpoint {
        Endpoint::Unknown => asked.unknown(),
        Endpoint::WorkersAiNative
        | Endpoint::WorkersAiOpenAi
        | Endpoint::Compat
        | Endpoint::Universal
        | Endpoint::OtherProvider => {
            let mut calls = request::calls(endpoint, received);
            if hub.alone.is_some() {
                calls = calls.into_iter().map(Call::with_any_provider).collect();
            }
            asked.fall_through(&calls)
        }
    };
    Decision {
        attempt: tried.attempt,
        rendered: tried.rendered,
        delivery: tried.delivery,
        release: journal.release_of(&asked.marker),
    }
}

impl Asked<'_> {
    /// Each call in turn until one is final; the last failure otherwise.
    fn fall_through(&self, calls: &[Call]) -> Tried {
        let tries = calls
            .iter()
            .flat_map(|call| (1..=call.tries).map(move |number| (call, number)));
        let mut last: Option<Tried> = None;
        for (call, number) in tries {
            if let Some(failed) = last.take() {
                self.close(&failed);
            }
            let attempted = match call.refusal.or(self.locked_out(call)) {
                Some(refusal) => self.refuse(call, refusal),
                None => self.attempt(call, number),
            };
            if attempted.is_final {
                return attempted;
            }
            last = Some(attempted);
        }
        last.unwrap_or_else(|| self.unknown())
    }

    /// With authentication on, the gateway takes its key in its own header; samples for `/compat` send it as `Authorization`.
    fn locked_out(&self, call: &Call) -> Option<Refusal> {
        let alone = self.alone.filter(|alone| alone.authenticated)?;
        let mut headers = vec!["cf-aig-authorization"];
        if self.endpoint == Endpoint::Compat {
            headers.push("authorization");
        }
        let has_key = headers.into_iter().any(|name| {
            let value = call.header(name);
            value.is_some_and(|value| alone.is_key(&value))
        });
        (!has_key).then_some(Refusal::Unauthorized)
    }

    /// Plays what the caller asked for, if anybody may ask, else the script.
    fn play(
        &self,
        call: &Call,
        asked_for: Option<(&str, &[Reply])>,
        outcome_of: impl Fn(&Reply) -> Outcome,
    ) -> (AttemptId, Reply) {
        match asked_for {
            None => self.journal.play(&self.marker, &call.model, |reply| {
                self.record(call, reply.took, outcome_of(reply))
            }),
            Some((text, replies)) => {
                let asker = format!("{}\n{}\n{text}", self.marker, call.model);
                self.journal.play_asked(&asker, replies, |reply| Attempt {
                    fault: Some(text.to_owned()),
                    ..self.record(call, reply.took, outcome_of(reply))
                })
            }
        }
    }

    /// One try. With several, the gateway waits for the last one however long it takes.
    fn attempt(&self, call: &Call, number: u64) -> Tried {
        let is_timed = call.tries == 1 || number < call.tries;
        let limit = call.timeout_ms.map(Duration::from_millis);
        let times_out = |reply: &Reply| is_timed && limit.is_some_and(|limit| reply.took > limit);
        let outcome_of = |reply: &Reply| {
            if times_out(reply) {
                Outcome::TimedOut
            } else {
                Outcome::InProgress
            }
        };
        let asked_for = self.alone.and_then(|_| fault_words::of(call));
        let (attempt, reply) = match &asked_for {
            None => self.play(call, None, outcome_of),
            Some(asked) => match &asked.replies {
                Ok(replies) => self.play(call, Some((&asked.text, replies)), outcome_of),
                Err(why) => return self.misunderstood(call, &asked.text, why),
            },
        };
        if times_out(&reply) {
            return self.tried(attempt, call, timeout_answer(&reply), None);
        }
        let rendered = render(&reply, call);
        self.tried(attempt, call, rendered, Some(&reply))
    }

    fn tried(
        &self,
        attempt: AttemptId,
        call: &Call,
        rendered: Rendered,
        reply: Option<&Reply>,
    ) -> Tried {
        let delivery = reply.map_or(Delivery::PLAIN, |reply| reply.delivery);
        let is_error = reply.is_none() || rendered.status >= 400;
        let cache = if reply.is_some_and(|reply| reply.cache_hit) {
            "HIT"
        } else {
            "MISS"
        };
        let mut rendered = own_headers(call, rendered).header("cf-aig-cache-status", cache);
        if self.endpoint == Endpoint::Universal || call.model.starts_with("dynamic/") {
            rendered = rendered.header("cf-aig-step", call.step.to_string());
        }
        if self.alone.is_some() && call.model.starts_with("dynamic/") {
            rendered = rendered
                .header("cf-aig-provider", "workers-ai")
                .header("cf-aig-model", DYNAMIC_MODEL);
        }
        Tried {
            attempt,
            rendered,
            delivery,
            is_final: !is_error || delivery.fault != Fault::None,
        }
    }

    /// A try that another one follows ends unseen by the client.
    fn close(&self, failed: &Tried) {
        let outcome = Outcome::Answered(failed.rendered.status);
        self.journal.finish(failed.attempt, outcome, false);
    }

    fn refuse(&self, call: &Call, refusal: Refusal) -> Tried {
        let (code, status) = match refusal {
            Refusal::InvalidBody => (7003, 400),
            Refusal::InvalidProvider => (2008, 400),
            Refusal::Unauthorized => (2009, 401),
        };
        let body = bodies::gateway_error(code, status, &refusal.to_string());
        self.without_provider(call, Rendered::json(status, &body))
    }

    /// Somebody asked for a fault that does not exist.
    fn misunderstood(&self, call: &Call, text: &str, why: &str) -> Tried {
        let body = bodies::gateway_error(7003, 400, &format!("moltproof doubles: {why}"));
        let tried = self.without_provider(call, Rendered::json(400, &body));
        self.journal.change(tried.attempt, |attempt| {
            attempt.fault = Some(format!("{text}: {why}"));
        });
        tried
    }

    /// 405 where another method would do, else 404; in the gateway's shape.
    fn unknown(&self) -> Tried {
        let calls = request::calls(Endpoint::Unknown, self.received);
        let rendered = match Endpoint::of_path(&self.received.target) {
            Endpoint::Unknown | Endpoint::OtherProvider => {
                Rendered::json(404, &bodies::gateway_error(7003, 404, "Not found"))
            }
            Endpoint::WorkersAiNative
            | Endpoint::WorkersAiOpenAi
            | Endpoint::Compat
            | Endpoint::Universal => {
                Rendered::json(405, &bodies::gateway_error(7001, 405, "Method not allowed"))
                    .header("allow", "POST")
            }
        };
        self.without_provider(&calls[0], rendered)
    }

    fn without_provider(&self, call: &Call, rendered: Rendered) -> Tried {
        let attempt = self.record(call, Duration::ZERO, Outcome::InProgress);
        Tried {
            attempt: self.journal.record(attempt),
            rendered: own_headers(call, rendered),
            delivery: Delivery::PLAIN,
            is_final: false,
        }
    }

    fn record(&self, call: &Call, provider_took: Duration, outcome: Outcome) -> Attempt {
        let metadata_raw = call.header("cf-aig-metadata");
        Attempt {
            marker: self.marker.clone(),
            at: self.journal.stopwatch().elapsed(),
            method: self.received.method.clone(),
            path: self.received.target.clone(),
            endpoint: self.endpoint,
            model: call.model.clone(),
            stream: call.stream,
            headers: call.all_headers(),
            metadata_kept: metadata_raw.as_deref().and_then(metadata::kept),
            metadata_raw,
            authorization: call.header("cf-aig-authorization"),
            timeout_stated_ms: call.timeout_ms,
            body: call.body.clone(),
            provider_took,
            step: call.step,
            fault: None,
            outcome,
            finished_at: None,
            chunks_sent: 0,
            client_gone: false,
        }
    }
}

/// What the gateway adds to every answer.
fn own_headers(call: &Call, rendered: Rendered) -> Rendered {
    let event = call
        .header("cf-aig-event-id")
        .unwrap_or_else(|| Uuid::new_v4().to_string());
    let rendered = rendered.header("cf-aig-event-id", event);
    // Captured 402 answers were without a log id.
    if rendered.status == 402 {
        rendered
    } else {
        rendered.header("cf-aig-log-id", ulid(Uuid::now_v7()))
    }
}

/// The gateway's timeout answer. Status, code and text are unpublished: nobody may assert on them.
fn timeout_answer(reply: &Reply) -> Rendered {
    let status = reply.timeout_status;
    let body = bodies::gateway_error(u32::from(status), status, "Request timed out");
    Rendered::json(status, &body)
}

/// 26 characters of Crockford's base 32, time first, as a ULID has it.
fn ulid(id: Uuid) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let number = id.as_u128();
    (0..26)
        .rev()
        .map(|place| {
            let digit = (number >> (place * 5)) & 31;
            char::from(DIGITS[usize::try_from(digit).unwrap_or_default()])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::ulid;

    #[test]
    fn a_log_id_is_a_ulid() {
        assert_eq!(ulid(Uuid::nil()), "0".repeat(26));
        assert_eq!(ulid(Uuid::max()), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!(ulid(Uuid::now_v7()).len(), 26);
    }
}
