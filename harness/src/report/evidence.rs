//! What scenarios have seen, in the form of a report. Never keeps more of a text than its documented size, and no secret.

use super::{
    Evidence, ExchangeReport, LogLineReport, ModelCallReport, ObservationReport, RunFacts,
    StepReport,
};
use crate::clock;
use crate::evidence::{Exchange, cut, redact};
use crate::run::Ended;
use crate::run::capture::{Captured, ModelCallSeen};
use crate::scrub;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of an answer's body that a report shows. Evidence: the largest answer that a finding of the contract turned on is a listing of 2 KiB.
const BODY_SHOWN_MAX: usize = 4096;

/// What a scenario has seen; `None` if it did not run.
pub(super) fn evidence(ended: &Ended, facts: &RunFacts) -> Option<Evidence> {
    let began = ended.began?;
    let captured = &ended.captured;
    let own = ended.exchanges.iter();
    let mut exchanges: Vec<ExchangeReport> =
        own.map(|one| exchange_report(one, began, facts)).collect();
    let decisive = captured
        .decisive
        .as_ref()
        .map(|one| number_of(one, ended, &mut exchanges, facts));
    Some(Evidence {
        name: captured.name.as_deref().map(scrub::clean_report),
        began_ms: since(facts.began, began),
        steps: steps(captured, began),
        exchanges,
        unkept: ended.unkept,
        decisive,
        model_calls: captured
            .model_calls
            .iter()
            .map(|call| model_call(call, began))
            .collect(),
        observations: observations(captured, began),
        log_lines: captured
            .lines
            .iter()
            .map(|line| LogLineReport {
                number: line.number,
                text: line.text.clone(),
            })
            .collect(),
        sql: captured.sql.clone(),
        left_out: captured.left_out.clone(),
    })
}

/// The number of the exchange that decided. Another scenario's is put at the end: its own number means another one here.
fn number_of(
    decisive: &Arc<Exchange>,
    ended: &Ended,
    exchanges: &mut Vec<ExchangeReport>,
    facts: &RunFacts,
) -> usize {
    let began = ended.began.unwrap_or(facts.began);
    if ended.exchanges.iter().any(|one| Arc::ptr_eq(one, decisive)) {
        return decisive.number;
    }
    let number = exchanges.iter().map(|one| one.number).max().unwrap_or(0) + 1;
    exchanges.push(ExchangeReport {
        number,
        ..exchange_report(decisive, began, facts)
    });
    number
}

/// Milliseconds from one moment to a later one; negative if it was an earlier one, as with what the whole run is judged by.
fn since(from: Instant, at: Instant) -> f64 {
    match at.checked_duration_since(from) {
        Some(after) => clock::ms(after),
        None => -clock::ms(from.duration_since(at)),
    }
}

fn steps(captured: &Captured, began: Instant) -> Vec<StepReport> {
    let report = |step: &crate::run::capture::StepTaken| StepReport {
        line: step.line,
        text: step.text.clone(),
        filled: step.filled.as_deref().map(scrub::clean_report),
        table: step
            .table
            .iter()
            .map(|row| row.iter().map(|cell| scrub::clean_report(cell)).collect())
            .collect(),
        block: step.block.as_deref().map(scrub::clean_report),
        at_ms: since(began, step.began),
        duration_ms: clock::ms(step.took),
        held: step.held,
        told: step.told.clone(),
    };
    captured.steps.iter().map(report).collect()
}

fn model_call(call: &ModelCallSeen, began: Instant) -> ModelCallReport {
    ModelCallReport {
        at_ms: since(began, call.at),
        duration_ms: call.took.map(clock::ms),
        path: call.path.clone(),
        model: call.model.clone(),
        headers: call.headers.clone(),
        metadata: call.metadata.clone(),
        outcome: call.outcome.clone(),
    }
}

fn observations(captured: &Captured, began: Instant) -> Vec<ObservationReport> {
    let report = |look: &crate::observe::recorded::Look| ObservationReport {
        at_ms: since(began, look.at),
        store: look.store.to_owned(),
        asked: look.asked.clone(),
        saw: look.saw.clone(),
        times: look.times,
    };
    captured.looks.iter().map(report).collect()
}

/// An exchange; times count from `began`.
pub(super) fn exchange_report(
    exchange: &Exchange,
    began: Instant,
    facts: &RunFacts,
) -> ExchangeReport {
    let sent = &exchange.request;
    let gone = facts.started.gone(&sent.base, &facts.options);
    let shown = |(name, value): &(String, String)| {
        let (name, value) = (scrub::clean_report(name), redact(name, value));
        (name, scrub::clean_report(&value))
    };
    ExchangeReport {
        number: exchange.number,
        at_ms: since(began, exchange.sent_at),
        method: sent.method.clone(),
        host: scrub::clean_report(&sent.host),
        path: sent.path.clone(),
        request_headers: sent.headers.clone(),
        request_body: sent.body.clone(),
        status: exchange.status,
        headers: exchange.headers.iter().map(shown).collect(),
        body: cut(&exchange.text(), BODY_SHOWN_MAX),
        body_len: exchange.body_len,
        request_id: exchange.header("x-request-id").map(scrub::clean_report),
        connect_ms: exchange.connected_after.map(clock::ms),
        head_ms: clock::ms(exchange.head_after),
        duration_ms: clock::ms(exchange.done_after),
        curl: gone.map_or_else(
            || exchange.curl(),
            |gone| exchange.curl_without_address(&gone),
        ),
    }
}
