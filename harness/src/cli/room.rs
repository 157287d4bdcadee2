//! Whether this process may have the threads and the memory that a run takes. Never touches a target.

use super::Failure;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::sync::Arc;
use std::sync::Barrier;
use std::thread;

/// So many threads can be started at once before a run begins. Evidence: a run on the embedded reference had 18 of them, and its databases
/// and doubles start others for a moment.
const THREADS: usize = 32;
/// Stacks of threads that only wait.
const STACK_BYTES: usize = 64 * 1024;
/// Less than this as a limit of the address space is too little. Evidence: a run on the embedded reference reserved 1,150 MiB at most, most
/// of it stacks of threads and nothing that it ever touched; with 400 MiB it was ended by the system in its midst.
const ADDRESS_SPACE_BYTES: u64 = 1536 * 1024 * 1024;

/// Refuses a run for which there is no room: what fails for want of it would look like the target's doing.
///
/// # Errors
/// Exit 3 with the limit and what to do.
pub(super) fn require() -> Result<(), Failure> {
    let mut limit = getrlimit(Resource::As);
    if limit
        .current
        .is_some_and(|current| current < ADDRESS_SPACE_BYTES)
    {
        limit.current = limit.maximum;
        // If it refuses, what is left is asked for next.
        setrlimit(Resource::As, limit).unwrap_or_default();
    }
    address_space(getrlimit(Resource::As).current)?;
    threads(THREADS)
}

fn address_space(allowed: Option<u64>) -> Result<(), Failure> {
    let mib = |bytes: u64| bytes / (1024 * 1024);
    match allowed {
        Some(bytes) if bytes < ADDRESS_SPACE_BYTES => Err(Failure::fault(format!(
            "this process may have {} MiB of address space, and a run needs up to {} MiB: raise the limit (`ulimit -v unlimited`); nothing was judged",
            mib(bytes),
            mib(ADDRESS_SPACE_BYTES)
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Starts so many threads at once, and lets them go.
fn threads(count: usize) -> Result<(), Failure> {
    let together = Arc::new(Barrier::new(count + 1));
    let mut started = Vec::with_capacity(count);
    let mut refused = None;
    for _ in 0..count {
        let own = Arc::clone(&together);
        let builder = thread::Builder::new().stack_size(STACK_BYTES);
        let waiting = move || {
            own.wait();
        };
        match builder.spawn(waiting) {
            Ok(thread) => started.push(thread),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let Some(error) = refused else {
        together.wait();
        for thread in started {
            drop(thread.join());
        }
        return Ok(());
    };
    // Those that wait for the rest end with this process.
    Err(Failure::fault(format!(
        "this process may start {} more threads, and a run needs up to {count} ({error}): raise the limit of processes (`ulimit -u`, pids of a container, TasksMax); nothing was judged",
        started.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Exit;

    #[test]
    fn too_little_address_space_is_a_fault_that_names_the_limit() {
        let failure = address_space(Some(400 * 1024 * 1024)).unwrap_err();
        assert_eq!(failure.exit, Exit::Fault);
        assert!(failure.message.contains("400 MiB"), "{}", failure.message);
        assert!(address_space(None).is_ok());
    }

    #[test]
    fn threads_are_let_go_where_there_are_enough() {
        assert!(threads(4).is_ok());
    }
}
