//! Which build of the target answers. Never judges anything else by the answer.

use super::manifest::BuildProbe;
use crate::client::{Client, Request};
use crate::wait::{self, Look};
use std::convert::Infallible;
use std::time::Duration;

/// Probes in a row, each on a connection of its own, that must show the expected build.
/// A rollout mixes versions for a while: one answer shows that the new one exists, not that the old one is gone.
pub const PROBES: usize = 5;

/// Shortest abbreviation of a build that counts: git's own.
const ABBREVIATION_MIN: usize = 7;

/// Longest time for one probe.
const PROBE_MS_MAX: u64 = 10_000;

/// What the target says of its build.
///
/// # Errors
/// Why it does not say it.
pub async fn ask(client: &Client, base: &str, probe: &BuildProbe) -> Result<String, String> {
    let request =
        Request::new("GET", probe.path.clone()).within(Duration::from_millis(PROBE_MS_MAX));
    let answer = client
        .send(base, &request, 0)
        .await
        .map_err(|error| error.to_string())?;
    let found = match (&probe.header, &probe.pointer) {
        (Some(header), _) => answer
            .header(&header.to_ascii_lowercase())
            .map(str::to_owned),
        (None, Some(pointer)) => answer.at(pointer).map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        }),
        (None, None) => None,
    };
    found.filter(|build| !build.is_empty()).ok_or_else(|| {
        let place = probe.header.as_deref().or(probe.pointer.as_deref());
        format!(
            "{} answers status {} and tells no build at `{}`",
            probe.path,
            answer.status,
            place.unwrap_or_default()
        )
    })
}

/// Whether two names are of one build: the same, or one the beginning of the other.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    one == other || short.len() >= ABBREVIATION_MIN && long.starts_with(short)
}

/// Waits until [`PROBES`] probes in a row show the expected build; without an expected one, asks once.
///
/// # Errors
/// What was seen last.
pub async fn confirm(
    client: &Client,
    base: &str,
    probe: &BuildProbe,
    patience: Duration,
) -> Result<String, String> {
    let Some(expected) = &probe.expected else {
        return ask(client, base, probe).await;
    };
    let fresh = client.unpooled();
    let confirmed = wait::until::<_, Infallible, _, _>(patience, || async {
        for number in 1..=PROBES {
            match ask(&fresh, base, probe).await {
                Ok(build) if is_same(&build, expected) => {}
                Ok(build) => {
                    return Ok(Look::NotYet(format!(
                        "build {build} (probe {number} of {PROBES})"
                    )));
                }
                Err(why) => return Ok(Look::NotYet(why)),
            }
        }
        Ok(Look::Done(expected.clone()))
    })
    .await;
    let confirmed = match confirmed {
        Ok(confirmed) => confirmed,
        Err(never) => match never {},
    };
    confirmed.map_err(|timed_out| {
        format!(
            "the build under test is {expected} and the target shows {}; deploy it, or let --wait 60s wait for it",
            timed_out.last
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_may_be_abbreviated_as_git_does() {
        assert!(is_same("3f2a9c1", "3f2a9c1d8e"));
        assert!(is_same("3f2a9c1d8e", "3f2a9c1"));
        assert!(is_same("v1", "v1"));
        assert!(!is_same("v1", "v12"));
        assert!(!is_same("3f2a9c1", "3f2a9c2d8e"));
    }
}
