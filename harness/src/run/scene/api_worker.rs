//! The API worker that the target claims: opened once for all scenarios of a run, judged by `moltproof-api-worker`. Never judges an aspect itself.

use super::heard::Heard;
use super::{Run, Scene, Stop};
use crate::doubles::AiGatewayDouble;
use crate::subject::api_worker::ApiWorker;
use crate::verdict::{Check, Finding, Severity, Unmet};
use moltproof_api_worker as judge;
use moltproof_api_worker::{Aspect, Cause};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The API worker, once it was asked for; or why there is none.
#[derive(Default)]
pub(super) struct Opened(OnceCell<Result<Arc<ApiWorker>, Stop>>);

impl Opened {
    /// The AI Gateway that it calls, if it was asked for.
    pub(super) fn gateway(&self) -> Option<Arc<AiGatewayDouble>> {
        let opened = self.0.get()?.as_ref().ok()?;
        Some(Arc::clone(&opened.subject.gateway))
    }
}

impl Run {
    pub(crate) async fn api_worker(&self) -> Result<Arc<ApiWorker>, Stop> {
        let open = || async {
            let opened = self.target.api_worker().await;
            match opened {
                Ok(Some(worker)) => Ok(worker),
                Ok(None) => Err(Stop::NotVerified(
                    "the target offers no API worker that may be changed (manifest: profiles, [api_worker])".to_owned(),
                )),
                Err(fault) => Err(Stop::Fault(fault.0)),
            }
        };
        self.api_worker.0.get_or_init(open).await.clone()
    }
}

impl Scene {
    /// Sees that there is an API worker.
    pub async fn has_api_worker(&mut self) -> Check {
        self.run.api_worker().await.map(drop)
    }

    /// Judges one aspect of it.
    pub async fn judge_api_worker(&mut self, aspect: &'static Aspect) -> Check {
        let worker = self.run.api_worker().await?;
        let subject = &worker.subject;
        let meter = &self.run.client.meter;
        let heard = Arc::new(Heard::at(&subject.base, meter, &subject.gateway));
        // Here, not at the end: a step that is ended for want of progress leaves what it exchanged.
        self.heard = Some(Arc::clone(&heard));
        let subject = subject.witnessed(Arc::clone(&heard) as _);
        match aspect.judge(&subject).await {
            Ok(saw) => {
                self.told = Some(heard.clean_told(&saw));
                self.checks += 1;
                Ok(())
            }
            Err(stop) => Err(heard.clean_stop(stopped(stop))),
        }
    }
}

/// Why the judge stopped, as the run has it.
pub(crate) fn stopped(stop: judge::Stop) -> Stop {
    match stop {
        judge::Stop::Violated(violation) => Stop::Violation(Finding {
            severity: match violation.severity {
                judge::Severity::Breach => Severity::Breach,
                judge::Severity::Shape => Severity::Shape,
            },
            expected: violation.expected,
            seen: violation.seen,
            only: BTreeSet::new(),
        }),
        judge::Stop::Unmet { cause, seen } => unmet(&cause, seen),
        judge::Stop::Fault(why) => Stop::Fault(why),
    }
}

/// What was not there to judge by: a criterion that does not hold, or something that the target does not offer.
fn unmet(cause: &Cause, seen: String) -> Stop {
    match cause {
        Cause::Criterion(id) => Stop::Unmet(Unmet {
            because: (*id).to_owned(),
            expected: format!("what {id} promises"),
            seen,
        }),
        Cause::Capability(need) => {
            let (what, key) = need.remedy();
            Stop::NotVerified(format!("needs {what}: {seen} (manifest: {key})"))
        }
        Cause::Withheld | Cause::Habit => Stop::NotVerified(seen),
    }
}
