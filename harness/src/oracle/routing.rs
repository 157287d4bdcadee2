//! The routing rubric: which model answers a tier, how long it may take, which sequences of upstream calls are allowed.
//! Never asks who performed a retry: call by call, a Universal array and a dynamic route are judged alike.

use std::fmt;

/// Answers the free tier, and stands in when the premium model fails (AIG-004, AIG-005).
pub const FREE_MODEL: &str = "@cf/meta/llama-3.1-8b-instruct-fp8-fast";
/// Answers premium and enterprise (AIG-005, AIG-006).
pub const PREMIUM_MODEL: &str = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";
/// Time to the first byte of the free model, milliseconds (AIG-009).
pub const FREE_TIMEOUT_MS: u64 = 8_000;
/// Time to the first byte of the premium model, milliseconds (AIG-009).
pub const PREMIUM_TIMEOUT_MS: u64 = 20_000;
/// Statuses that are tried again (AIG-011).
pub const RETRYABLE: [u16; 4] = [429, 500, 503, 524];

/// What the contract demands of one tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rubric {
    /// The effective tier's names: any of them may be shown for it.
    pub tiers: &'static [&'static str],
    /// The model that is asked first.
    pub model: &'static str,
    /// Its time to the first byte, milliseconds.
    pub timeout_ms: u64,
    /// Most retries of the primary.
    pub retries_max: usize,
    /// Fewest retries of a primary that goes on failing: retry happens (AIG-011), and premium's number is exact (AIG-010).
    pub retries_min: usize,
    /// The model asked when the primary's tries are used up, once.
    pub fallback: Option<&'static str>,
}

const FREE: Rubric = Rubric {
    tiers: &["free"],
    model: FREE_MODEL,
    timeout_ms: FREE_TIMEOUT_MS,
    retries_max: 2,
    retries_min: 1,
    fallback: None,
};

const PREMIUM: Rubric = Rubric {
    tiers: &["premium"],
    model: PREMIUM_MODEL,
    timeout_ms: PREMIUM_TIMEOUT_MS,
    retries_max: 1,
    retries_min: 1,
    fallback: Some(FREE_MODEL),
};

const ENTERPRISE: Rubric = Rubric {
    // It routes as premium, and may be shown as either (AIG-006).
    tiers: &["enterprise", "premium"],
    ..PREMIUM
};

/// The rubric of a tier as it stands in the tenant's record; what is no tier routes as free (AIG-006).
#[must_use]
pub fn rubric(tier: &str) -> Rubric {
    match tier {
        "premium" => PREMIUM,
        "enterprise" => ENTERPRISE,
        _ => FREE,
    }
}

/// The time to the first byte that the contract gives a model, in milliseconds.
#[must_use]
pub fn timeout_ms(model: &str) -> Option<u64> {
    match model {
        FREE_MODEL => Some(FREE_TIMEOUT_MS),
        PREMIUM_MODEL => Some(PREMIUM_TIMEOUT_MS),
        _ => None,
    }
}

/// How one upstream call ended, as far as the rubric is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// 200.
    Answered,
    /// A status of [`RETRYABLE`], or a timeout.
    Retryable,
    /// Any other status.
    Final,
    /// The connection broke: the contract names neither retry nor its absence.
    Unstated,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answered => "answered",
            Self::Retryable => "failed in a way that may be tried again",
            Self::Final => "refused for good",
            Self::Unstated => "broke off",
        })
    }
}

impl Ended {
    /// What a status means for the rubric.
    #[must_use]
    pub fn with_status(status: u16) -> Self {
        if status == 200 {
            Self::Answered
        } else if RETRYABLE.contains(&status) {
            Self::Retryable
        } else {
            Self::Final
        }
    }
}

/// One upstream call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The model asked.
    pub model: String,
    /// How it ended.
    pub ended: Ended,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.model, self.ended)
    }
}

/// What the caller must be told of an allowed sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// An answer with this `cf-aig-step`.
    Step(u8),
    /// That all attempts failed.
    Failed,
}

/// Judges the calls that one request caused, in order.
///
/// # Errors
/// In words, what is wrong with the sequence.
pub fn judge(rubric: &Rubric, calls: &[Call]) -> Result<Told, String> {
    let primaries = calls
        .iter()
        .take_while(|call| call.model == rubric.model)
        .count();
    let (first, rest) = calls.split_at(primaries);
    if primaries == 0 {
        return Err(format!("the first call must ask {}", rubric.model));
    }
    if primaries > 1 + rubric.retries_max {
        return Err(format!(
            "at most {} retries of {} are allowed",
            rubric.retries_max, rubric.model
        ));
    }
    for (at, call) in calls.iter().enumerate() {
        let is_last = at + 1 == calls.len();
        if !is_last && matches!(call.ended, Ended::Answered | Ended::Final) {
            return Err(format!(
                "call {} ({call}) must be the last: nothing that ended so is tried again",
                at + 1
            ));
        }
    }
    match (rest, rubric.fallback) {
        ([], _) => end_without_fallback(rubric, first),
        ([call], Some(fallback)) if call.model == fallback => {
            if primaries < 1 + rubric.retries_min {
                return Err(format!(
                    "{} must be tried again before the fallback",
                    rubric.model
                ));
            }
            Ok(if call.ended == Ended::Answered {
                Told::Step(1)
            } else {
                Told::Failed
            })
        }
        ([_], Some(fallback)) => Err(format!("the fallback must be {fallback}")),
        ([_, ..], None) => Err("this tier has no fallback: no other model may be asked".to_owned()),
        ([_, _, ..], Some(_)) => Err("nothing follows the one call of the fallback".to_owned()),
    }
}

fn end_without_fallback(rubric: &Rubric, primaries: &[Call]) -> Result<Told, String> {
    match primaries.last().map(|call| call.ended) {
        Some(Ended::Answered) => Ok(Told::Step(0)),
        Some(Ended::Retryable) if rubric.fallback.is_some() => {
            Err("the fallback must be asked after the primary's retries".to_owned())
        }
        Some(Ended::Retryable) if primaries.len() <= rubric.retries_min => {
            Err(format!("{} must be tried again", rubric.model))
        }
        Some(Ended::Retryable | Ended::Final | Ended::Unstated) => Ok(Told::Failed),
        None => Err("there must be a call".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tier: &str, calls: &[(&str, u16)], expected: Result<Told, ()>) {
        let list: Vec<Call> = calls
            .iter()
            .map(|(model, status)| Call {
                model: (*model).to_owned(),
                ended: Ended::with_status(*status),
            })
            .collect();
        assert_eq!(
            judge(&rubric(tier), &list).map_err(|_why| ()),
            expected,
            "{tier}: {calls:?}"
        );
    }

    const F: &str = FREE_MODEL;
    const P: &str = PREMIUM_MODEL;

    #[test]
    fn free_is_retried_at_least_once_at_most_twice_and_never_falls_back() {
        check("free", &[(F, 200)], Ok(Told::Step(0)));
        check("free", &[(F, 500), (F, 200)], Ok(Told::Step(0)));
        check("free", &[(F, 500), (F, 429), (F, 200)], Ok(Told::Step(0)));
        check("free", &[(F, 500), (F, 524)], Ok(Told::Failed));
        check("free", &[(F, 503); 3], Ok(Told::Failed));
        check("free", &[(F, 500)], Err(()));
        check("free", &[(F, 500); 4], Err(()));
        check("free", &[(F, 500), (F, 500), (P, 200)], Err(()));
        check("free", &[(P, 200)], Err(()));
        check("free", &[], Err(()));
    }

    #[test]
    fn premium_is_retried_once_and_then_falls_back_once() {
        check("premium", &[(P, 200)], Ok(Told::Step(0)));
        check("premium", &[(P, 500), (P, 200)], Ok(Told::Step(0)));
        check(
            "premium",
            &[(P, 500), (P, 500), (F, 200)],
            Ok(Told::Step(1)),
        );
        check(
            "enterprise",
            &[(P, 500), (P, 500), (F, 500)],
            Ok(Told::Failed),
        );
        check("premium", &[(P, 500), (P, 500)], Err(()));
        check("premium", &[(P, 500), (F, 200)], Err(()));
        check("premium", &[(P, 500), (P, 500), (P, 200)], Err(()));
        check(
            "premium",
            &[(P, 500), (P, 500), (F, 500), (F, 200)],
            Err(()),
        );
        check("premium", &[(F, 200)], Err(()));
    }

    #[test]
    fn nothing_but_the_listed_statuses_is_tried_again() {
        for status in [400, 401, 403, 404, 422, 502] {
            check("free", &[(F, status)], Ok(Told::Failed));
            check("free", &[(F, status), (F, 200)], Err(()));
            check("premium", &[(P, status)], Ok(Told::Failed));
            check("premium", &[(P, 500), (P, status)], Ok(Told::Failed));
            check("premium", &[(P, 500), (P, status), (F, 200)], Err(()));
        }
        check("free", &[(F, 200), (F, 200)], Err(()));
    }

    #[test]
    fn what_is_no_tier_routes_as_free() {
        for tier in ["", "gold", "free"] {
            assert_eq!(rubric(tier).model, FREE_MODEL);
            assert_eq!(rubric(tier).fallback, None);
        }
        assert_eq!(rubric("enterprise").timeout_ms, 20_000);
        assert_eq!(timeout_ms(FREE_MODEL), Some(8_000));
        assert_eq!(timeout_ms("gpt"), None);
    }
}
