//! What every generated case works on: scenes of its own, tenants, and the judgement that goes for every answer. Never draws a case.

use super::Kind;
use super::shrink::Tried;
use crate::contract::Planned;
use crate::evidence::Exchange;
use crate::oracle::error_shape;
use crate::run::scene::{Run, Scene, breach, describe, misshapen};
use crate::subject::Instance;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Finding, Stop};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of the first generated scene: its client ips are not those of written scenarios and of their repeats, whose numbers are below.
const FIRST: usize = 10_000;
/// Numbers that have client ips of their own.
const COUNT: usize = 62_500 - FIRST;

/// What a case broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// The criteria, the nearest first.
    pub(super) criteria: Vec<&'static str>,
    /// What was expected and what was seen.
    pub(super) finding: Finding,
    /// In which of the case's lines, from 0, where it has several.
    pub(super) at: Option<usize>,
}

impl Broken {
    /// Whether it is a finding about the same: the nearest criterion, and as bad.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.criteria.first() == other.criteria.first()
            && self.finding.severity == other.finding.severity
    }
}

/// Why a case ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Halt {
    /// The contract is broken.
    Broken(Broken),
    /// It cannot be told, or somebody is at fault.
    Stopped(Stop),
}

/// What a part of a case returns.
pub(super) type Held = Result<(), Halt>;

impl From<Stop> for Halt {
    /// A finding that nobody has named a criterion for: no complete answer came, which no route may do (ERR-001).
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Violation(finding) => Self::Broken(Broken {
                criteria: vec!["ERR-001"],
                finding,
                at: None,
            }),
            other @ (Stop::Unmet(_)
            | Stop::NotVerified(_)
            | Stop::NotApplicable(_)
            | Stop::Fault(_)) => Self::Stopped(other),
        }
    }
}

/// What all cases of a kind share.
pub(super) struct Stage {
    run: Arc<Run>,
    planned: Arc<Planned>,
    instance: Option<Arc<Instance>>,
    /// Numbers scenes through the whole run.
    serial: Arc<AtomicUsize>,
}

impl Stage {
    /// The stage of a kind of cases.
    pub(super) fn new(run: &Arc<Run>, kind: Kind, serial: &Arc<AtomicUsize>) -> Self {
        Self {
            run: Arc::clone(run),
            planned: Arc::new(Planned::generated(
                kind.title(),
                kind.criteria(),
                kind.needs(),
            )),
            instance: None,
            serial: Arc::clone(serial),
        }
    }

    /// The same stage at an instance that was opened for it.
    pub(super) fn at(&self, instance: &Arc<Instance>) -> Self {
        Self {
            run: Arc::clone(&self.run),
            planned: Arc::clone(&self.planned),
            instance: Some(Arc::clone(instance)),
            serial: Arc::clone(&self.serial),
        }
    }

    /// What all scenarios share.
    pub(super) fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// A scene that no other case has.
    pub(super) fn scene(&self) -> Cast {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let planned = Planned {
            number: FIRST + serial % COUNT,
            ..(*self.planned).clone()
        };
        let mut scene = Scene::new(Arc::clone(&self.run), Arc::new(planned));
        if let Some(instance) = &self.instance {
            scene.use_instance(instance);
        }
        Cast {
            marker: format!("{}g{serial:x}", scene.token),
            scene,
            serial,
        }
    }
}

/// One case under way.
pub(super) struct Cast {
    /// Its requests, tenants and assertions.
    pub(super) scene: Scene,
    /// Marks its prompts.
    marker: String,
    serial: usize,
}

impl Cast {
    /// A name that no other case of the run gives: of a tenant, a slug or a host.
    pub(super) fn named(&self, name: &str) -> String {
        format!("{name}g{:x}", self.serial)
    }

    /// Marks the prompts of one of its callers, or one of its chats.
    pub(super) fn marker(&self, part: &str) -> String {
        format!("{}n{part}", self.marker)
    }

    /// Makes a tenant of this tier with one custom host name.
    pub(super) async fn tenant(&mut self, name: &str, tier: &str) -> Result<Tenant, Stop> {
        let name = self.named(name);
        let mut tenant = self.scene.new_tenant(&name, tier).await?;
        tenant.domains = vec![self.scene.domain(&name)];
        self.scene.make_tenant(&name, tenant).await
    }

    /// An assertion about these criteria. What somebody answers for holds; what the target does not show is not verified.
    pub(super) fn about(&mut self, criteria: &[&'static str], check: Check) -> Held {
        let doubt = self.scene.doubted();
        match (check, doubt) {
            (Ok(()) | Err(Stop::Violation(_)), Some(why)) => {
                Err(Halt::Stopped(Stop::NotVerified(why)))
            }
            (Err(Stop::Violation(finding)), None) => {
                if self.scene.accept_finding(&finding) {
                    return Ok(());
                }
                Err(Halt::Broken(Broken {
                    criteria: criteria.to_vec(),
                    finding,
                    at: None,
                }))
            }
            (Ok(()), None) => Ok(()),
            (
                Err(
                    stop @ (Stop::Unmet(_)
                    | Stop::NotVerified(_)
                    | Stop::NotApplicable(_)
                    | Stop::Fault(_)),
                ),
                _,
            ) => Err(Halt::Stopped(stop)),
        }
    }

    /// What goes for every answer, whatever was asked: errors have the contract's shape, and nothing crashes.
    pub(super) fn sound(&mut self, answer: &Exchange) -> Held {
        if self.is_the_runtimes(answer) || !error_shape::is_error(answer) {
            self.scene.checks += 1;
            return Ok(());
        }
        let check = self.scene.expect(
            answer.status != 500,
            "an answer to what was sent, not a crash",
            || describe(answer),
        );
        self.about(&["ERR-003"], check)?;
        let flaws = error_shape::flaws(answer);
        let shaped = if flaws.is_empty() {
            self.scene.checks += 1;
            Ok(())
        } else if answer.status >= 500 {
            Err(breach("an error of the contract's shape", describe(answer)))
        } else {
            Err(misshapen(
                "an error of the contract's shape",
                format!("{}: {}", flaws.join("; "), describe(answer)),
            ))
        };
        self.about(&["ERR-001"], shaped)
    }

    /// A bare refusal of what is no HTTP, given before the backend was asked.
    pub(super) fn is_the_runtimes(&self, answer: &Exchange) -> bool {
        let may = self
            .scene
            .run
            .target
            .limits()
            .runtime_answers_malformed_requests;
        let bare = answer.header("x-request-id").is_none() && answer.sent_json().is_none();
        may && bare && matches!(answer.status, 400 | 500 | 501)
    }

    /// Ends the case. A target that is gone breaks nothing.
    pub(super) async fn tried(self, held: Held) -> Tried {
        let held = match held {
            Err(Halt::Broken(broken)) => {
                let finding = Stop::Violation(broken.finding.clone());
                match self.scene.unless_gone(finding).await {
                    Stop::Violation(_) => Err(Halt::Broken(broken)),
                    gone @ (Stop::Unmet(_)
                    | Stop::NotVerified(_)
                    | Stop::NotApplicable(_)
                    | Stop::Fault(_)) => Err(Halt::Stopped(gone)),
                }
            }
            other @ (Ok(()) | Err(Halt::Stopped(_))) => other,
        };
        Tried {
            held,
            checks: self.scene.checks,
            exchanges: self.scene.exchanges,
        }
    }
}

/// A finding about one of several things says which.
pub(super) fn for_request(check: Check, request: &str) -> Check {
    check.map_err(|stop| match stop {
        Stop::Violation(finding) => Stop::Violation(Finding {
            expected: format!("{} for {request}", finding.expected),
            ..finding
        }),
        other @ (Stop::Unmet(_)
        | Stop::NotVerified(_)
        | Stop::NotApplicable(_)
        | Stop::Fault(_)) => other,
    })
}

/// A finding of a case's line.
pub(super) fn in_line(held: Held, line: usize) -> Held {
    held.map_err(|halt| match halt {
        Halt::Broken(broken) => Halt::Broken(Broken {
            at: broken.at.or(Some(line)),
            ..broken
        }),
        Halt::Stopped(_) => halt,
    })
}
