//! Who is still there: a target or a double that is gone convicts nobody, and what was no longer seen proves nothing. Never judges the contract.

use super::{Run, Scene};
use crate::client::place::no_port_left;
use crate::clock;
use crate::contract::profile::Profile;
use crate::doubles::{Attempt, Outcome as Ending};
use crate::run::Ended;
use crate::subject::{Instance, Target};
use crate::verdict::{Outcome, Stop};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Longest time to open a connection to a target that is there. Evidence: as for every request (`client::raw::connect`).
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A server keeps a new connection open and waits for a request; what stands before a dead one closes it at once, within twice the time
/// that opening it took and this. Evidence: a proxy whose server was killed closed after less than 1 ms on a busy machine.
const CLOSES_WITHIN: Duration = Duration::from_millis(25);

/// So often in a row a connection must be closed unasked. Evidence: a server that restarts or is at its limit does it once; none that serves does it thrice.
const CLOSED_COUNT: usize = 3;

/// With less room than this where the harness keeps the stores of what it starts, they fail, and that would look like the target's doing.
/// Evidence: on a disk of 2 MiB SQLite failed in all scenarios as soon as its journal wanted another 32 KiB; a whole run needs some 20 MB.
const ROOM_BYTES_MIN: u64 = 1024 * 1024;

/// What a run remembers of who was there.
#[derive(Default)]
pub(super) struct Vitals {
    watched: Mutex<Vec<Arc<Instance>>>,
    losses: Mutex<Vec<Loss>>,
}

/// Somebody was gone.
struct Loss {
    /// The instance that this took away from the run.
    base: String,
    /// When it was noticed.
    noticed: Instant,
    /// Whether the instance itself tells since when: by its last answer. A double or a disk does not.
    dated: bool,
    why: String,
}

impl Vitals {
    /// From here on the run needs this instance until its end.
    pub(super) fn watch(&self, instance: &Arc<Instance>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if !watched.iter().any(|other| other.base == instance.base) {
            watched.push(Arc::clone(instance));
        }
    }

    fn watched(&self) -> Vec<Arc<Instance>> {
        self.watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Looks whether an instance is there and has what it needs of the harness; why not, if it does not.
    async fn look(
        &self,
        target: &dyn Target,
        instance: &Instance,
        its_own: bool,
    ) -> Option<String> {
        let ours = target.standing().is_empty();
        let lacking = silent_double(instance).or_else(|| no_room(target).filter(|_| ours));
        let dated = lacking.is_none();
        let why = match lacking {
            Some(why) => Some(why),
            None if its_own => None,
            None => silent(&instance.base).await,
        }?;
        self.losses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Loss {
                base: instance.base.clone(),
                noticed: clock::now(),
                dated,
                why: why.clone(),
            });
        Some(why)
    }
}

impl Scene {
    /// What a step's stop means if the target, or a double of ours, is gone: a finding is none then.
    pub(crate) async fn unless_gone(&self, stop: Stop) -> Stop {
        if matches!(stop, Stop::NotVerified(_) | Stop::NotApplicable(_)) {
            return stop;
        }
        // A declared database is judged on a copy in memory: whether a Worker is there says nothing of it.
        if self.planned.profile == Profile::Data {
            return stop;
        }
        let vitals = &self.run.vitals;
        // A scenario stops and kills an instance of its own on purpose.
        let its_own = self.disposable.is_some();
        let instances = match (&self.disposable, &self.instance) {
            (Some(disposable), _) => vec![disposable.instance()],
            (None, Some(instance)) => vec![Arc::clone(instance)],
            (None, None) => vitals.watched(),
        };
        for instance in instances {
            let gone = vitals
                .look(self.run.target.as_ref(), &instance, its_own)
                .await;
            if let (Some(why), Stop::Violation(finding)) = (gone, &stop) {
                return Stop::Fault(format!("{why}; seen meanwhile: {}", finding.seen));
            }
        }
        stop
    }

    /// What a step's stop means if a model call of this scenario stated no timeout and so met none: that it should have is promised by AIG-009,
    /// and of what is done after a timeout nothing was seen.
    pub(crate) fn unless_untimed(&self, stop: Stop) -> Stop {
        let is_own = self.planned.criteria.iter().any(|id| id == "AIG-009");
        let gateway = self.instance.as_ref().and_then(|one| one.gateway.as_ref());
        match (&stop, gateway) {
            (Stop::Violation(_), Some(gateway)) if !is_own => {
                let is_untimed = |attempt: &Attempt| {
                    attempt.timeout_stated_ms.is_none()
                        && attempt.provider_took > LONGEST_TIMEOUT
                        && attempt.outcome != Ending::TimedOut
                };
                if gateway.look(&self.marker(), is_untimed).contains(&true) {
                    stop.or_unmet("AIG-009")
                } else {
                    stop
                }
            }
            _ => stop,
        }
    }
}

/// Of the tiers' timeouts to the first byte. Source: AIG-009.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(20);

impl Run {
    /// Looks once more who is there, and takes back the passes of scenarios that ran while somebody was not:
    /// that a row or a call does not appear shows nothing of a target that is dead.
    pub(in crate::run) async fn take_back(&self, list: &mut [Ended]) {
        for instance in self.vitals.watched() {
            self.vitals
                .look(self.target.as_ref(), &instance, false)
                .await;
        }
        let losses = std::mem::take(
            &mut *self
                .vitals
                .losses
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        if losses.is_empty() {
            return;
        }
        let exchanges = self.all_exchanges();
        for loss in losses {
            let answers = || {
                let own = exchanges.iter().filter(|one| one.request.base == loss.base);
                own.map(|one| one.sent_at + one.done_after)
            };
            let last = answers().filter(|at| *at <= loss.noticed).max();
            let from = last.filter(|_| loss.dated);
            let until = answers().filter(|at| *at > loss.noticed).min();
            for one in list.iter_mut().filter(|one| one.saw(&loss.base)) {
                let (Outcome::Passed, Some(began)) = (&one.outcome, one.began) else {
                    continue;
                };
                let after = from.is_none_or(|from| began + one.duration >= from);
                let before = until.is_none_or(|until| began <= until);
                if after && before {
                    one.outcome = Outcome::Error(format!(
                        "{}; what this scenario could no longer see proves nothing",
                        loss.why
                    ));
                }
            }
        }
    }
}

impl Ended {
    /// Whether the scenario was about this instance, or about all that the run saw.
    fn saw(&self, base: &str) -> bool {
        self.planned.is_whole_run() || self.exchanges.iter().any(|one| one.request.base == base)
    }
}

fn silent_double(instance: &Instance) -> Option<String> {
    let gateway = instance.gateway.as_ref().map(|double| double.is_up());
    let access = instance.access.as_ref().map(|double| double.is_up());
    let name = if gateway == Some(false) {
        "AI Gateway"
    } else if access == Some(false) {
        "the Access team domain"
    } else {
        return None;
    };
    Some(format!(
        "the double that plays {name} has stopped: a fault of the harness, please report it"
    ))
}

/// Why stores on this machine fail, if its disk is full.
fn no_room(target: &dyn Target) -> Option<String> {
    let folder = target.stores_folder();
    // Where that cannot be told, the finding stands.
    let room = rustix::fs::statvfs(&folder).ok()?;
    (room.f_bavail.saturating_mul(room.f_frsize) < ROOM_BYTES_MIN).then(|| {
        format!(
            "the disk of {} is full, and the stores of the target are there: make room, or set TMPDIR",
            folder.display()
        )
    })
}

/// Why nobody serves at this address; `None` if somebody does, or if that cannot be told.
async fn silent(base: &str) -> Option<String> {
    let url = url::Url::parse(base).ok()?;
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    // The brackets of an IPv6 address belong to the URL.
    let host = host.trim_matches(['[', ']']);
    for _ in 0..CLOSED_COUNT {
        let began = clock::now();
        let connecting = tokio::time::timeout(CONNECT_MAX, TcpStream::connect((host, port)));
        let reason = match connecting.await {
            Ok(Ok(stream)) => {
                if stays_open(&stream, began.elapsed() * 2 + CLOSES_WITHIN).await {
                    return None;
                }
                continue;
            }
            Ok(Err(error)) => match no_port_left(&error) {
                Some(why) => return Some(why),
                None => error.to_string(),
            },
            Err(_elapsed) => format!("no connection within {} s", CONNECT_MAX.as_secs()),
        };
        return Some(format!("the target at {base} is gone ({reason})"));
    }
    Some(format!(
        "the target at {base} is gone (whatever stands before it closes every connection)"
    ))
}

async fn stays_open(stream: &TcpStream, patience: Duration) -> bool {
    match tokio::time::timeout(patience, stream.readable()).await {
        Err(_elapsed) => true,
        // A server that speaks first is there too.
        Ok(Ok(())) => match stream.try_read(&mut [0; 1]) {
            Ok(count) => count > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        },
        Ok(Err(_broken)) => false,
    }
}
