//! Exact rate limits. Never admits more than the quota in any interval of one period.

use crate::ports::{Clock, RateDecision, RateLimiter};
use std::sync::Arc;
use std::time::Duration;

/// A sliding log of admitted requests per key.
pub struct SlidingWindow {
    _clock: Arc<dyn Clock>,
}

impl SlidingWindow {
    /// An empty log.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { _clock: clock }
    }
}

impl RateLimiter for SlidingWindow {
    fn admit(&self, _key: &str, _limit: u32, _period: Duration) -> RateDecision {
        unimplemented!("follows")
    }
}
