//! What stands before and around a target: where a request goes, and whose answer comes. Never judges what the Worker itself answers.

use super::not_the_worker::{self, Meaning, Surroundings};
use super::{Client, NoAnswer, Request, SERVICE_SECRET_HEADER};
use crate::evidence::Exchange;
use std::sync::PoisonError;

/// What the client knows of the place behind a base address.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    /// What may answer in the Worker's place.
    pub around: Surroundings,
    /// Paths that nobody locks: a lock before these keeps the whole Worker out of reach.
    pub public: Vec<String>,
    /// Where requests to locked routes go instead, unless they carry what opens the edge.
    pub direct: Option<String>,
}

impl Client {
    /// From here on the client knows what is behind this base address.
    pub fn know(&self, base: &str, place: Whereabouts) {
        self.places
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(base.to_owned(), place);
    }

    fn place(&self, base: &str) -> Option<Whereabouts> {
        self.places
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(base)
            .cloned()
    }

    /// Where a request goes: around the edge, if it is for a locked route and carries nothing that opens the edge.
    pub(super) fn way(&self, base: &str, request: &Request) -> String {
        self.place(base)
            .filter(|place| !opens_the_edge(request) && !place.is_public(&request.path))
            .and_then(|place| place.direct)
            .unwrap_or_else(|| base.to_owned())
    }

    /// The answer, if it is the Worker's own.
    ///
    /// # Errors
    /// [`NoAnswer::NotTheWorker`] or [`NoAnswer::LockedAtTheEdge`].
    pub fn own_answer(
        &self,
        base: &str,
        request: &Request,
        answer: Exchange,
    ) -> Result<Exchange, NoAnswer> {
        let place = self.place(base);
        let around = place
            .as_ref()
            .map_or(Surroundings::Launched, |place| place.around);
        let Some(impostor) = not_the_worker::recognise(around, &answer) else {
            return Ok(answer);
        };
        let as_operator = opens_the_edge(request);
        let public = place.is_some_and(|place| place.is_public(&request.path));
        Err(match impostor.meaning {
            Meaning::LockedAtTheEdge if !as_operator && !public => {
                NoAnswer::LockedAtTheEdge(Box::new(impostor))
            }
            Meaning::LockedAtTheEdge | Meaning::Intercepted => {
                NoAnswer::NotTheWorker(Box::new(impostor))
            }
        })
    }
}

impl Whereabouts {
    fn is_public(&self, path: &str) -> bool {
        let plain = path.split('?').next().unwrap_or(path);
        self.public.iter().any(|public| public == plain)
    }
}

/// Whether a request carries what the edge lets in.
fn opens_the_edge(request: &Request) -> bool {
    let mut names = request.headers.iter().map(|(name, _)| name);
    names.any(|name| name.eq_ignore_ascii_case(SERVICE_SECRET_HEADER))
}

/// That this machine has no free port for one more connection, if that is the reason: its own shortage, not the target's.
pub(crate) fn no_port_left(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(one) = cause {
        let io = one.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::AddrNotAvailable) {
            return Some(
                "this machine has no free port left for one more connection: wait until others have ended theirs, run fewer scenarios side by side (--concurrency), or widen net.ipv4.ip_local_port_range".to_owned(),
            );
        }
        cause = one.source();
    }
    None
}
