//! Sequences at the API worker that the target claims, drawn and held against a model by `moltproof-api-worker`. Never judges one itself.

use super::Found;
use super::shrink::{Drawing, Searched, Smallest};
use super::stage::Broken;
use crate::run::scene::Run;
use crate::run::scene::api_worker::stopped;
use crate::verdict::{Finding, Severity};
use moltproof_api_worker::generate::search;
use std::collections::BTreeSet;

/// Draws and plays, one after another: each moves the clock of the jobs.
pub(super) async fn find(run: &Run, drawing: Drawing) -> Found {
    let worker = match run.api_worker().await {
        Ok(worker) => worker,
        Err(stop) => return stop.into(),
    };
    let searched = search(&worker.subject, drawing.seed, drawing.cases).await;
    let broken = searched.found.map(|found| Smallest {
        broken: Broken {
            criteria: vec![found.criterion],
            finding: Finding {
                severity: Severity::Breach,
                expected: found.expected,
                seen: found.seen,
                only: BTreeSet::new(),
            },
            at: found.operations.len().checked_sub(1),
        },
        lines: found.operations,
        drawn: found.drawn,
        exchanges: Vec::new(),
    });
    let searched = Searched {
        cases: searched.cases,
        checks: searched.checks,
        exchanges: searched.exchanges,
        broken,
        stopped: searched.stopped.map(stopped),
    };
    Found {
        searched,
        left_out: Vec::new(),
    }
}
