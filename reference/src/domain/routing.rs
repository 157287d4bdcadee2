//! Which model answers which tier, how long it may take, what is tried again. Never makes a call.

use super::tenant::Tier;
use std::time::Duration;

/// Answers the free tier, and stands in when the larger model fails (AIG-004, AIG-005).
pub const SMALL_MODEL: &str = "@cf/meta/llama-3.1-8b-instruct-fp8-fast";
/// Answers the premium and enterprise tiers (AIG-005, AIG-006).
pub const LARGE_MODEL: &str = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";
/// Time to the first byte of the small model (AIG-009).
const SMALL_TIMEOUT: Duration = Duration::from_secs(8);
/// Time to the first byte of the large model (AIG-009).
const LARGE_TIMEOUT: Duration = Duration::from_secs(20);

/// What a caller wants the model for; part of the metadata (AIG-016).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// The default.
    Chat,
    /// Shortening a text.
    Summarization,
    /// Reading a text.
    Analysis,
}

impl Workload {
    /// The workload of exactly this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "chat" => Some(Self::Chat),
            "summarization" => Some(Self::Summarization),
            "analysis" => Some(Self::Analysis),
            _ => None,
        }
    }

    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Summarization => "summarization",
            Self::Analysis => "analysis",
        }
    }
}

/// One model and how often and how long it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// `cf-aig-step` if this leg answers.
    pub step: u8,
    /// The model's name upstream.
    pub model: &'static str,
    /// To the first byte of its answer.
    pub first_byte_timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
}

/// How the calls of a tier are routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routing {
    /// Tried first.
    pub primary: Leg,
    /// Tried when the primary's attempts are used up.
    pub fallback: Option<Leg>,
}

impl Routing {
    /// The rubric (AIG-004 to AIG-006, AIG-009, AIG-010).
    #[must_use]
    pub fn of(tier: Tier) -> Self {
        match tier {
            Tier::Free => Self {
                primary: Leg {
                    step: 0,
                    model: SMALL_MODEL,
                    first_byte_timeout: SMALL_TIMEOUT,
                    retries: 2,
                },
                fallback: None,
            },
            Tier::Premium | Tier::Enterprise => Self {
                primary: Leg {
                    step: 0,
                    model: LARGE_MODEL,
                    first_byte_timeout: LARGE_TIMEOUT,
                    retries: 1,
                },
                fallback: Some(Leg {
                    step: 1,
                    model: SMALL_MODEL,
                    first_byte_timeout: SMALL_TIMEOUT,
                    retries: 0,
                }),
            },
        }
    }

    /// The legs in the order in which they are tried.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        std::iter::once(&self.primary).chain(self.fallback.as_ref())
    }
}

/// What became of one call to the AI Gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFailure {
    /// No first byte in time, or the gateway says so itself (524).
    Timeout,
    /// An answer other than 200.
    Status(u16),
    /// The connection failed.
    Connection,
    /// 200, but the payload is an error, is no JSON, or is larger than the backend takes in.
    Payload,
}

impl CallFailure {
    /// The failure that a status stands for; `None` for 200.
    #[must_use]
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            200 => None,
            524 => Some(Self::Timeout),
            other => Some(Self::Status(other)),
        }
    }

    /// Whether another attempt is made: on 429, 500, 503, 524 and timeout, and on nothing else (AIG-011).
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Timeout | Self::Status(429 | 500 | 503) => true,
            Self::Status(_) | Self::Connection | Self::Payload => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tier: Tier, expected: &[(&str, u64, u32)]) {
        let legs: Vec<_> = Routing::of(tier)
            .legs()
            .map(|leg| (leg.model, leg.first_byte_timeout.as_secs(), leg.retries))
            .collect();
        assert_eq!(legs, expected, "{tier:?}");
    }

    #[test]
    fn free_never_falls_back_and_the_others_fall_back_to_the_small_model() {
        check(Tier::Free, &[(SMALL_MODEL, 8, 2)]);
        check(Tier::Premium, &[(LARGE_MODEL, 20, 1), (SMALL_MODEL, 8, 0)]);
        check(
            Tier::Enterprise,
            &[(LARGE_MODEL, 20, 1), (SMALL_MODEL, 8, 0)],
        );
    }

    #[test]
    fn only_the_listed_statuses_are_tried_again() {
        let retried: Vec<u16> = (100..600)
            .filter(|status| CallFailure::of_status(*status).is_some_and(CallFailure::is_retryable))
            .collect();
        assert_eq!(retried, [429, 500, 503, 524]);
        assert!(!CallFailure::Connection.is_retryable() && !CallFailure::Payload.is_retryable());
    }
}
