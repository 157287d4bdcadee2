//! A rubric of a backend's own: how often which model is called, and after what. Never says which rubric is wrong.

use super::super::answers::edit;
use super::super::calls::{self, LARGE, OtherCalls, Purpose, SMALL, is_stream, whole, with_model};
use super::super::layer::after;
use crate::reference::altered::Parts;
use crate::tamper::{Ask, Told};
use crate::wait;
use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream;
use moltworker_reference::ports::{AiGateway, UpstreamAnswer, UpstreamCall, UpstreamError};
use serde_json::Value;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the reference pauses before a further attempt.
const PAUSE: Duration = Duration::from_millis(25);
/// A status that no backend tries again.
const FINAL: u16 = 424;
/// What the contract has tried again.
const RETRYABLE: [u16; 4] = [429, 500, 503, 524];

type Model = (&'static str, Duration);

/// Models and how often each is tried.
pub(super) type Legs = Vec<(Model, u32)>;

/// A backend's own idea of the rubric. What leaves it as a failure is final, so that the reference adds no attempt.
#[derive(Clone, Copy)]
pub(super) struct Rubric {
    pub(super) legs: fn(&Purpose) -> Legs,
    pub(super) again: fn(u16) -> bool,
    pub(super) falls_back: fn(u16) -> bool,
    /// Whether an error in a 200 counts as a failure worth another attempt.
    pub(super) reads_errors: bool,
}

pub(super) fn is_retryable(status: u16) -> bool {
    RETRYABLE.contains(&status)
}

pub(super) fn contract(purpose: &Purpose) -> Legs {
    if purpose.tier == "free" {
        vec![(SMALL, 3)]
    } else {
        vec![(LARGE, 2), (SMALL, 1)]
    }
}

impl Default for Rubric {
    fn default() -> Self {
        Self {
            legs: contract,
            again: is_retryable,
            falls_back: is_retryable,
            reads_errors: false,
        }
    }
}

/// What was really called for a prompt: the reference counts a call that stands for several as one.
#[derive(Default)]
struct Made {
    calls: u32,
    /// Whether the last one was given up.
    timed_out: bool,
    /// Whether the last one was the fallback's, behind the reference's back.
    fell_back: bool,
}

/// What was called, by the words of the prompt.
type Calls = Arc<Mutex<HashMap<String, Made>>>;

fn words(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["messages"].to_string()
}

/// A backend that keeps to a rubric of its own, and tells truly what it did.
struct Own {
    rubric: Rubric,
    made: Calls,
}

impl Own {
    async fn once(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
        fell_back: bool,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let words = words(&call.body);
        let answered = inner.call(call).await;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let made = made.entry(words).or_default();
        made.calls += 1;
        made.timed_out = status_of(&answered) == Some(TIMEOUT);
        made.fell_back = fell_back;
        answered
    }

    /// The reference's own call, where nothing that comes of it is taken otherwise than by the contract; else how it ended.
    async fn as_the_contract(
        &self,
        inner: &dyn AiGateway,
        call: &UpstreamCall,
    ) -> ControlFlow<Answered, Answered> {
        let answered = self.once(inner, call.clone(), false).await;
        let Some(status) = status_of(&answered) else {
            return ControlFlow::Break(answered);
        };
        let (again, falls_back) = (
            (self.rubric.again)(status),
            (self.rubric.falls_back)(status),
        );
        let own = is_retryable(status);
        if status == 200 || (again == own && falls_back == own) {
            return ControlFlow::Break(answered);
        }
        ControlFlow::Continue(answered)
    }
}

type Answered = Result<UpstreamAnswer, UpstreamError>;

/// A timeout as the gateway tells it.
const TIMEOUT: u16 = 524;

/// With which status a call ended; `None` for one that broke.
fn status_of(answered: &Answered) -> Option<u16> {
    match answered {
        Ok(answer) => Some(answer.status),
        Err(UpstreamError::Timeout) => Some(TIMEOUT),
        Err(UpstreamError::Connection(_)) => None,
    }
}

#[async_trait]
impl OtherCalls for Own {
    async fn call(
        &self,
        inner: &dyn AiGateway,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let rubric = &self.rubric;
        let purpose = Purpose::of(&call);
        let mut legs = (rubric.legs)(&purpose);
        let mut first = None;
        if legs == contract(&purpose) && !rubric.reads_errors {
            match self.as_the_contract(inner, &call).await {
                ControlFlow::Break(answered) => return answered,
                ControlFlow::Continue(answered) => first = Some(answered),
            }
            if purpose.is_fallback() {
                legs = vec![(SMALL, 1)];
            }
        }
        let mut last = None;
        for (leg, (model, tries)) in legs.into_iter().enumerate() {
            let mut status = 0;
            for _ in 0..tries {
                if last.is_some() {
                    wait::pass(PAUSE).await;
                }
                let answered = match first.take() {
                    Some(answered) => answered,
                    None => self.once(inner, with_model(&call, model), leg > 0).await,
                };
                status = match answered {
                    Ok(mut answer) if answer.status == 200 => {
                        if !(rubric.reads_errors && says_error(&mut answer).await) {
                            return Ok(answer);
                        }
                        last = Some(answer);
                        500
                    }
                    Ok(answer) => last.insert(answer).status,
                    Err(UpstreamError::Timeout) => {
                        last = Some(failure());
                        TIMEOUT
                    }
                    Err(error @ UpstreamError::Connection(_)) => return Err(error),
                };
                if !(rubric.again)(status) {
                    break;
                }
            }
            if !(rubric.falls_back)(status) {
                break;
            }
        }
        let mut answer = last.unwrap_or_else(failure);
        answer.status = FINAL;
        Ok(answer)
    }
}

/// Tells a caller what was really called for its prompt.
fn told_truly(calls: &Calls, ask: &Ask, told: &mut Told) {
    let made = calls
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&words(&ask.body));
    let Some(made) = made else { return };
    if told.status == 200 && made.fell_back {
        told.set("cf-aig-step", "1");
    }
    if ![502, 504].contains(&told.status) {
        return;
    }
    edit(told, |body| {
        body["error"]["details"]["attempts"] = made.calls.into();
        if made.timed_out {
            body["error"]["code"] = "AI_UPSTREAM_TIMEOUT".into();
        }
    });
    if made.timed_out {
        told.status = 504;
    }
}

pub(super) fn failure() -> UpstreamAnswer {
    UpstreamAnswer {
        status: FINAL,
        content_type: String::new(),
        body: stream::empty().boxed(),
    }
}

async fn says_error(answer: &mut UpstreamAnswer) -> bool {
    if is_stream(answer) {
        return false;
    }
    let body: Value = serde_json::from_slice(&whole(answer).await).unwrap_or_default();
    body["success"] == false || !body["error"].is_null()
}

/// Lets a backend keep to a rubric of its own.
pub(super) fn kept_to(parts: &mut Parts, rubric: Rubric) {
    let made = Calls::default();
    let told = Arc::clone(&made);
    parts.caller = after(move |ask, answer| told_truly(&told, ask, answer));
    calls::calls(&mut parts.ports, Own { rubric, made });
}
