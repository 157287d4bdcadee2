//! What a scenario of the profile api-worker exchanged: its judge sends by itself, and this hears of each answer. Never keeps what led to no finding.

use crate::client::meter::Meter;
use crate::client::{self, Request, header_list};
use crate::counted::counted;
use crate::doubles::AiGatewayDouble;
use crate::evidence::Exchange;
use crate::run::Ended;
use crate::run::capture::{self, ModelCallSeen};
use crate::scrub;
use crate::scrub::REDACTED;
use crate::verdict::{Finding, Outcome, Stop, Unmet};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use moltproof_api_worker::Credentials;
use moltproof_api_worker::witness::{Exchanged, Witness};
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Exchanges that are kept of a scenario's beginning, where its keys, prices and limits are made, and as many of its end, which decides.
/// Evidence: of the 152 scenarios two exchange more than 160, 269 and 509 of the same kind.
const KEPT_AT_EACH_END: usize = 100;

/// Bytes kept of an answer's body: twice what a report shows, so that a credential that begins before the cut ends before that.
const BODY_MAX: usize = 8192;

/// Fields in which an answer shows a credential, once: of a key, of a session, of a webhook.
const SHOWN_ONCE: [&str; 3] = ["key", "token", "secret"];

/// Shorter than any credential that is worth its name.
const CREDENTIAL_LEN_MIN: usize = 12;

/// Hears of what one scenario exchanges.
pub(crate) struct Heard {
    base: String,
    meter: Arc<Meter>,
    gateway: Arc<AiGatewayDouble>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    count: usize,
    first: Vec<Exchange>,
    last: VecDeque<Exchange>,
    left_out: usize,
    credentials: Vec<String>,
    pointed: Option<usize>,
}

impl Witness for Heard {
    fn admit<'w>(&'w self, method: &'w str, path: &'w str) -> BoxFuture<'w, Result<(), String>> {
        Box::pin(async move {
            let request = Request::new(method, path);
            let admitted = self.meter.admit(&self.base, &request).await;
            admitted.map_err(|why| why.to_string())
        })
    }

    fn count(&self) {
        self.kept().count += 1;
    }

    fn keep(&self, exchanged: Exchanged) -> usize {
        let shown = shown_once(&exchanged);
        let mut kept = self.kept();
        for credential in shown {
            // One of another form than the contract's may stand in what another scenario sees.
            if scrub::clean_report(&credential) == credential {
                scrub::remember(&credential);
            }
            if !kept.credentials.contains(&credential) {
                kept.credentials.push(credential);
            }
        }
        let number = kept.first.len() + kept.left_out + kept.last.len() + 1;
        let exchange = exchange(exchanged, number);
        if kept.first.len() < KEPT_AT_EACH_END {
            kept.first.push(exchange);
            return number;
        }
        if kept.last.len() == KEPT_AT_EACH_END {
            kept.last.pop_front();
            kept.left_out += 1;
        }
        kept.last.push_back(exchange);
        number
    }

    fn point_at(&self, number: usize) {
        self.kept().pointed = Some(number);
    }
}

impl Heard {
    /// Of requests to this address, which the meter counts and admits, and of the calls of models that this gateway saw for them.
    pub(crate) fn at(base: &str, meter: &Arc<Meter>, gateway: &Arc<AiGatewayDouble>) -> Self {
        Self {
            base: base.to_owned(),
            meter: Arc::clone(meter),
            gateway: Arc::clone(gateway),
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn credentials(&self) -> Credentials {
        Credentials::of(self.kept().credentials.iter().map(String::as_str))
    }

    /// What the judge says of what held, without a credential that the scenario was shown: the sentence is its own, so that nothing hides in it.
    pub(crate) fn clean_told(&self, told: &str) -> String {
        let kept = self.kept();
        let credentials = kept.credentials.iter();
        let told = credentials.fold(told.to_owned(), |told, one| told.replace(one, REDACTED));
        scrub::clean_report(&told)
    }

    /// A text without the credentials that the scenario was shown, whole or in part and in whatever encoding.
    pub(crate) fn clean(&self, text: &str) -> String {
        cleaned(&self.credentials(), text)
    }

    /// Why the scenario ends, without the credentials that it was shown.
    pub(crate) fn clean_stop(&self, stop: Stop) -> Stop {
        let known = self.credentials();
        let clean = |text: &str| cleaned(&known, text);
        match stop {
            Stop::Violation(finding) => Stop::Violation(Finding {
                expected: clean(&finding.expected),
                seen: clean(&finding.seen),
                ..finding
            }),
            Stop::Unmet(unmet) => Stop::Unmet(Unmet {
                expected: clean(&unmet.expected),
                seen: clean(&unmet.seen),
                because: unmet.because,
            }),
            Stop::NotVerified(reason) => Stop::NotVerified(clean(&reason)),
            Stop::NotApplicable(reason) => Stop::NotApplicable(clean(&reason)),
            Stop::Fault(reason) => Stop::Fault(clean(&reason)),
        }
    }

    /// What was kept, without any credential that was shown, and the exchange that was pointed at.
    pub(crate) fn take(&self) -> (Vec<Arc<Exchange>>, Option<Arc<Exchange>>) {
        let known = self.credentials();
        let mut kept = self.kept();
        let first = std::mem::take(&mut kept.first);
        let last = std::mem::take(&mut kept.last);
        let all: Vec<_> = first
            .into_iter()
            .chain(last)
            .map(|one| Arc::new(without(&known, one)))
            .collect();
        let pointed = kept.pointed;
        let decisive = all.iter().find(|one| Some(one.number) == pointed).cloned();
        (all, decisive)
    }

    /// The calls of models that chats among these led to, without credentials; how many more there were.
    fn model_calls(&self, exchanges: &[Arc<Exchange>]) -> (Vec<ModelCallSeen>, usize) {
        let known = self.credentials();
        let chats = exchanges.iter().map(|one| one.request.body.as_str());
        let markers: BTreeSet<&str> = chats.filter_map(marker).collect();
        let (mut calls, more) = capture::calls_of(&self.gateway, markers);
        for call in &mut calls {
            let texts = [&mut call.path, &mut call.model, &mut call.outcome];
            let headers = call.headers.iter_mut().map(|(_, value)| value);
            let texts = texts.into_iter().chain(headers).chain(&mut call.metadata);
            texts.for_each(|text| *text = cleaned(&known, text));
        }
        (calls, more)
    }

    /// Puts what was exchanged to how the scenario ended: of one that passed the count alone.
    pub(in crate::run) fn settle(&self, ended: &mut Ended) {
        let (count, left_out) = {
            let kept = self.kept();
            (kept.count, kept.left_out)
        };
        if !matches!(ended.outcome, Outcome::Passed) {
            (ended.exchanges, ended.captured.decisive) = self.take();
            let (calls, more) = self.model_calls(&ended.exchanges);
            ended.captured.model_calls = calls;
            if more > 0 {
                let further = format!("{more} further model calls");
                ended.captured.left_out.push(further);
            }
        }
        ended.unkept = count.saturating_sub(ended.exchanges.len());
        if left_out > 0 && !ended.exchanges.is_empty() {
            let what = counted(left_out, "exchange");
            ended.captured.left_out.push(format!("{what} in between"));
        }
    }
}

/// The marker by which the gateway knows whose call it is: the first of a body.
fn marker(body: &str) -> Option<&str> {
    let (_, behind) = body.split_once("[[mp-")?;
    behind.split_once("]]").map(|(marker, _)| marker)
}

/// Credentials that an answer shows to whoever has made something.
fn shown_once(exchanged: &Exchanged) -> Vec<String> {
    if exchanged.method != "POST" || !(200..300).contains(&exchanged.status) {
        return Vec::new();
    }
    let body: Value = serde_json::from_slice(&exchanged.answer_body).unwrap_or_default();
    let shown = SHOWN_ONCE.iter().filter_map(|field| body[*field].as_str());
    shown
        .filter(|text| text.len() >= CREDENTIAL_LEN_MIN)
        .map(str::to_owned)
        .collect()
}

/// As the run keeps exchanges. Headers that hold credentials go here; what else may hold one goes when all of them are known.
fn exchange(exchanged: Exchanged, number: usize) -> Exchange {
    let mut request = Request::new(&exchanged.method, exchanged.path);
    for (name, value) in exchanged.headers {
        request = request.header(name, value);
    }
    let request = client::sent(&exchanged.base, &request.bytes(exchanged.body));
    let body_len = exchanged.answer_body.len();
    Exchange {
        number,
        request,
        status: exchanged.status,
        headers: header_list(&exchanged.answer_headers),
        // A copy: a part of the bytes would hold on to all of them.
        body: Bytes::copy_from_slice(&exchanged.answer_body[..body_len.min(BODY_MAX)]),
        body_len,
        sent_at: exchanged.sent_at,
        sent_at_ms: exchanged.sent_at_ms,
        connected_after: None,
        head_after: exchanged.head_after,
        done_after: exchanged.done_after,
        reading: None,
        told_later: None,
    }
}

fn cleaned(known: &Credentials, text: &str) -> String {
    scrub::clean_report(&known.clean(text, REDACTED))
}

/// An exchange without credentials.
fn without(known: &Credentials, mut exchange: Exchange) -> Exchange {
    let clean = |text: &mut String| *text = cleaned(known, text);
    let sent = &mut exchange.request;
    let before = sent.body.clone();
    clean(&mut sent.path);
    clean(&mut sent.body);
    sent.whole = sent.whole.take().filter(|_| sent.body == before);
    let own = sent.headers.iter_mut().chain(&mut exchange.headers);
    own.for_each(|(_, value)| clean(value));
    exchange.body = cleaned(known, &exchange.text()).into();
    exchange
}
