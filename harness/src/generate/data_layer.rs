//! Sequences at the API worker that the target claims, drawn and held against a model by `moltproof-api-worker`. Never judges one itself.

use super::Found;
use super::shrink::{Drawing, Searched, Smallest};
use super::stage::Broken;
use crate::run::scene::Run;
use crate::run::scene::api_worker::stopped;
use crate::run::scene::heard::Heard;
use crate::verdict::{Finding, Severity};
use moltproof_api_worker::generate::search;
use moltproof_api_worker::witness::Witness as _;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Draws and plays, one after another: each moves the clock of the jobs.
pub(super) async fn find(run: &Run, drawing: Drawing) -> Found {
    let worker = match run.api_worker().await {
        Ok(worker) => worker,
        Err(stop) => return stop.into(),
    };
    let heard = Arc::new(Heard::at(
        &worker.subject.base,
        &run.client.meter,
        &worker.subject.gateway,
    ));
    let subject = worker.subject.witnessed(Arc::clone(&heard) as _);
    let searched = search(&subject, drawing.seed, drawing.cases).await;
    let broken = searched.found.map(|mut found| {
        for exchanged in std::mem::take(&mut found.exchanged) {
            heard.keep(exchanged);
        }
        (found, heard.take().0)
    });
    let broken = broken.map(|(found, exchanges)| Smallest {
        broken: Broken {
            criteria: vec![found.criterion],
            finding: Finding {
                severity: Severity::Breach,
                expected: heard.clean(&found.expected),
                seen: heard.clean(&found.seen),
                only: BTreeSet::new(),
            },
            at: found.operations.len().checked_sub(1),
        },
        lines: found.operations,
        drawn: found.drawn,
        exchanges,
    });
    let searched = Searched {
        cases: searched.cases,
        checks: searched.checks,
        exchanges: searched.exchanges,
        broken,
        stopped: searched.stopped.map(|stop| heard.clean_stop(stopped(stop))),
    };
    Found {
        searched,
        left_out: Vec::new(),
    }
}
