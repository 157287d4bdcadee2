//! What a run may send, and what it has sent: budgets, and the promise of a read-only run. Never sends anything.

use super::{NoAnswer, Request};
use crate::clock;
use crate::wait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The span over which a burst is counted: rate limits at the edge count per second at the finest.
const BURST_SPAN: Duration = Duration::from_secs(1);

/// Methods that change nothing (RFC 9110, 9.2.1).
const SAFE_METHODS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// How much a run may spend; `None` is without limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Requests to the target.
    pub requests: Option<usize>,
    /// Requests that may call a model.
    pub model_calls: Option<usize>,
    /// Requests to one host within a second.
    pub burst: Option<usize>,
}

/// What a run has spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spent {
    /// Requests to the target.
    pub requests: usize,
    /// Calls of a model: those that the harness's AI Gateway took, else chat requests to the target.
    pub model_calls: usize,
    /// Largest number of requests to one host within a second.
    pub largest_burst: usize,
}

impl Spent {
    /// What two shards have spent that ran beside each other.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            model_calls: self.model_calls + other.model_calls,
            largest_burst: self.largest_burst.max(other.largest_burst),
        }
    }
}

/// Counts and admits the requests of one run.
#[derive(Debug, Default)]
pub struct Meter {
    budget: Budget,
    read_only: bool,
    chat_route: OnceLock<String>,
    requests: AtomicUsize,
    chats: AtomicUsize,
    largest_burst: AtomicUsize,
    hosts: Mutex<HashMap<String, Arc<Recent>>>,
}

/// When the last requests to a host began, within [`BURST_SPAN`]. Locked while waiting, so that requests go in the order they came.
type Recent = tokio::sync::Mutex<VecDeque<Instant>>;

impl Meter {
    /// A meter with these budgets.
    #[must_use]
    pub fn new(budget: Budget, read_only: bool) -> Self {
        Self {
            budget,
            read_only,
            ..Self::default()
        }
    }

    /// A meter as gentle to the target, without the other budgets.
    #[must_use]
    pub fn for_cleaning(&self) -> Self {
        let budget = Budget {
            burst: self.budget.burst,
            ..Budget::default()
        };
        Self::new(budget, false)
    }

    /// Whether nothing may be changed.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// From here on `POST`s of this path count as model calls.
    pub fn count_chats_at(&self, path: &str) {
        // The path of a target does not change: the first word stands.
        let _already_known = self.chat_route.set(path.to_owned());
    }

    /// What was spent so far; `calls` is what the harness's own AI Gateway counted, if it is the one that is called.
    #[must_use]
    pub fn spent(&self, calls: Option<usize>) -> Spent {
        Spent {
            requests: self.requests.load(Ordering::Relaxed),
            model_calls: calls.unwrap_or_else(|| self.chats.load(Ordering::Relaxed)),
            largest_burst: self.largest_burst.load(Ordering::Relaxed),
        }
    }

    /// Whether a burst of so many requests is within budget.
    ///
    /// # Errors
    /// [`NoAnswer::Withheld`].
    pub fn allow_burst(&self, count: usize) -> Result<(), NoAnswer> {
        match self.budget.burst {
            Some(most) if count > most => Err(NoAnswer::Withheld(format!(
                "budget spent: the scenario sends {count} requests side by side and {most} are allowed; raise with --budget-burst {count}"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Lets a request pass, once the host may take one more.
    ///
    /// # Errors
    /// [`NoAnswer::Withheld`] when it would change something in a read-only run, or a budget is spent.
    pub async fn admit(&self, base: &str, request: &Request) -> Result<(), NoAnswer> {
        let safe = SAFE_METHODS.contains(&request.method.as_str());
        if self.read_only && !safe {
            return Err(NoAnswer::Withheld(format!(
                "a read-only run sends no {} request; leave --read-only out to verify this",
                request.method
            )));
        }
        let is_chat = request.method == "POST"
            && self
                .chat_route
                .get()
                .is_some_and(|path| *path == request.path);
        if is_chat {
            take(&self.chats, self.budget.model_calls, "model calls")?;
        }
        take(&self.requests, self.budget.requests, "requests")?;
        self.pace(base).await;
        Ok(())
    }

    async fn pace(&self, base: &str) {
        let recent = Arc::clone(
            self.hosts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(base.to_owned())
                .or_default(),
        );
        let mut recent = recent.lock().await;
        loop {
            let now = clock::now();
            while recent
                .front()
                .is_some_and(|began| now.duration_since(*began) >= BURST_SPAN)
            {
                recent.pop_front();
            }
            match (self.budget.burst, recent.front()) {
                (Some(most), Some(first)) if recent.len() >= most => {
                    wait::pass_until(*first + BURST_SPAN).await;
                }
                _ => break,
            }
        }
        recent.push_back(clock::now());
        self.largest_burst
            .fetch_max(recent.len(), Ordering::Relaxed);
    }
}

/// Counts one more, unless the budget is spent.
fn take(counter: &AtomicUsize, budget: Option<usize>, what: &str) -> Result<(), NoAnswer> {
    let most = budget.unwrap_or(usize::MAX);
    let counted = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
        (count < most).then_some(count + 1)
    });
    counted.map(drop).map_err(|spent| {
        NoAnswer::Withheld(format!(
            "budget spent: {spent} {what} of {most}; raise with --budget-{}",
            what.replace(' ', "-")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(budget: Budget) -> Meter {
        Meter::new(budget, false)
    }

    #[tokio::test]
    async fn the_request_after_the_budget_is_withheld_and_says_how_to_raise_it() {
        let meter = meter(Budget {
            requests: Some(2),
            ..Budget::default()
        });
        let request = Request::new("GET", "/");
        meter.admit("http://a", &request).await.unwrap();
        meter.admit("http://a", &request).await.unwrap();
        let why = meter
            .admit("http://a", &request)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            why.contains("2 requests of 2") && why.contains("--budget-requests"),
            "{why}"
        );
        assert_eq!(meter.spent(None).requests, 2);
    }

    #[tokio::test]
    async fn only_posts_of_the_chat_route_count_as_model_calls() {
        let meter = meter(Budget {
            model_calls: Some(1),
            ..Budget::default()
        });
        meter.count_chats_at("/chat");
        let chat = Request::new("POST", "/chat");
        meter
            .admit("http://a", &Request::new("GET", "/chat"))
            .await
            .unwrap();
        meter.admit("http://a", &chat).await.unwrap();
        let why = meter
            .admit("http://a", &chat)
            .await
            .unwrap_err()
            .to_string();
        assert!(why.contains("--budget-model-calls"), "{why}");
        assert_eq!(meter.spent(None).model_calls, 1);
        assert_eq!(meter.spent(Some(3)).model_calls, 3);
    }

    #[tokio::test]
    async fn no_second_holds_more_than_the_burst_to_one_host() {
        let meter = meter(Budget {
            burst: Some(3),
            ..Budget::default()
        });
        let began = clock::now();
        let request = Request::new("GET", "/");
        let requests = (0..4).map(|_| meter.admit("http://a", &request));
        futures_util::future::try_join_all(requests).await.unwrap();
        assert!(
            began.elapsed() >= BURST_SPAN,
            "the fourth waits for the first to be a second old"
        );
        assert_eq!(meter.spent(None).largest_burst, 3);
        assert!(meter.allow_burst(3).is_ok());
        assert!(
            meter
                .allow_burst(4)
                .unwrap_err()
                .to_string()
                .contains("--budget-burst 4")
        );
    }

    #[tokio::test]
    async fn a_read_only_run_lets_nothing_pass_that_may_change_something() {
        let meter = Meter::new(Budget::default(), true);
        for method in ["GET", "HEAD", "OPTIONS"] {
            meter
                .admit("http://a", &Request::new(method, "/"))
                .await
                .unwrap();
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "get", "PURGE", "TRACE"] {
            let refused = meter.admit("http://a", &Request::new(method, "/")).await;
            assert!(matches!(refused, Err(NoAnswer::Withheld(_))), "{method}");
        }
        assert_eq!(meter.spent(None).requests, 3);
    }
}
