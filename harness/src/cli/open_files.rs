//! How many files and sockets this process may have open at once. Never touches a target.

use super::Failure;
use rustix::process::{Resource, getrlimit, setrlimit};

/// More than anything here needs. A larger soft limit slows programs down that close every descriptor they might have inherited.
const ENOUGH: u64 = 65_536;
/// Evidence: a run against the embedded reference had up to 1,910 open, both ends of every connection among them.
pub(super) const WITH_THE_REFERENCE: usize = 2_560;
/// Evidence: a run against a target of its own process has one end of its connections, and both ends of those to its doubles.
pub(super) const WITH_A_TARGET: usize = 768;

/// Asks the system for as many open files as it allows; returns how many that are.
pub(super) fn raised() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(ENOUGH, |most| most.min(ENOUGH));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        // If it refuses, what is left is asked for next.
        setrlimit(Resource::Nofile, limit).unwrap_or_default();
    }
    let current = getrlimit(Resource::Nofile).current;
    usize::try_from(current.unwrap_or(ENOUGH)).unwrap_or(usize::MAX)
}

/// Raises the limit, and refuses a run for which even the highest one is too low: its lost connections would look like the target's doing.
/// Returns how many there are.
///
/// # Errors
/// Exit 3 with the limit and what to do.
pub(super) fn require(needed: usize) -> Result<usize, Failure> {
    let allowed = raised();
    enough(allowed, needed).map(|()| allowed)
}

fn enough(allowed: usize, needed: usize) -> Result<(), Failure> {
    if allowed >= needed {
        return Ok(());
    }
    Err(Failure::fault(format!(
        "this process may have {allowed} files open at once, and a run needs up to {needed}: \
         raise the limit with `ulimit -n {needed}`, or where the hard limit forbids it, in the system's or the container's settings \
         (LimitNOFILE, --ulimit nofile={needed}); nothing was judged"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Exit;

    #[test]
    fn too_few_open_files_are_a_fault_that_names_the_limit() {
        let failure = enough(256, WITH_THE_REFERENCE).unwrap_err();
        assert_eq!(failure.exit, Exit::Fault);
        assert!(failure.message.contains("256 files"), "{}", failure.message);
        assert!(enough(WITH_A_TARGET, WITH_A_TARGET).is_ok());
    }
}
