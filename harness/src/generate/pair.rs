//! Two tenants that many cases ask for, until their quota is nearly used up or a case has found something. Never lends them to another run.

use super::stage::{Cast, Stage};
use crate::run::scene::describe;
use crate::subject::tenant::Tenant;
use crate::verdict::Stop;
use std::rc::Rc;

/// Cases of one pair. Evidence: each sends at most three public requests to one of the two, and a premium tenant has 600 in a minute.
const CASES_MAX: usize = 150;

/// Two tenants, and what they are answered in public.
pub(super) struct Pair {
    /// An enterprise and a premium tenant, each with a custom host name.
    pub(super) tenants: [Tenant; 2],
    /// What the public routes answer at the first one's host.
    pub(super) public: Vec<serde_json::Value>,
    /// Holds the tenants, where they are fixed ones.
    _holder: Cast,
}

/// Hands out pairs.
pub(super) struct Pairs<'a> {
    stage: &'a Stage,
    lent: tokio::sync::Mutex<(usize, Option<Rc<Pair>>)>,
}

impl<'a> Pairs<'a> {
    /// None made yet.
    pub(super) fn of(stage: &'a Stage) -> Self {
        Self {
            stage,
            lent: tokio::sync::Mutex::new((0, None)),
        }
    }

    /// A pair for one case.
    pub(super) async fn take(&self) -> Result<Rc<Pair>, Stop> {
        let mut lent = self.lent.lock().await;
        lent.0 += 1;
        if let Some(pair) = &lent.1
            && lent.0 < CASES_MAX
        {
            return Ok(Rc::clone(pair));
        }
        // The old one goes first: where tenants are fixed, it holds them.
        lent.1 = None;
        let pair = Rc::new(make(self.stage.scene()).await?);
        *lent = (1, Some(Rc::clone(&pair)));
        Ok(pair)
    }

    /// The next case gets another pair: this one may not be as it was.
    pub(super) async fn spoil(&self) {
        self.lent.lock().await.1 = None;
    }
}

async fn make(mut cast: Cast) -> Result<Pair, Stop> {
    let first = cast.tenant("a", "enterprise").await?;
    let second = cast.tenant("b", "premium").await?;
    let mut public = Vec::new();
    let requests = [
        cast.scene.status_request(&first.host),
        cast.scene.health_request().host(&first.host),
    ];
    for request in requests
        .into_iter()
        .filter(|request| !request.path.is_empty())
    {
        let answer = cast.scene.send(request).await?;
        if answer.status != 200 {
            return Err(Stop::Fault(format!(
                "a fresh tenant is not answered: {}",
                describe(&answer)
            )));
        }
        public.extend(answer.sent_json());
    }
    Ok(Pair {
        tenants: [first, second],
        public,
        _holder: cast,
    })
}
