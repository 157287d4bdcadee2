//! Runs a command in a process group of its own and ends the whole group when the harness asks or goes away, however it dies.
//! Never leaves a process of the group behind.
//!
//! The harness starts `moltproof supervise -- COMMAND…` and keeps its standard input open. A line `stop` asks for an orderly
//! end (SIGTERM), `kill` for a sudden one (SIGKILL); the end of the input, as when the harness was killed, does the first and then the second.
//! `--grace-ms N` is how long an orderly end may take.

use crate::clock;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpgid};
use std::ffi::OsString;
use std::io::{self, BufRead as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long a group may take to end in order. Evidence: `wrangler dev` is gone 0.2 s after SIGTERM; under load it took 2 s.
pub(crate) const GRACE_MS: u64 = 8_000;
/// How often the child is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What the harness asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Stop,
    Kill,
}

/// Supervises until the group is gone, which has `grace` for an orderly end; returns the exit code to end with: the command's own, or 1 when it was ended by a signal.
///
/// # Errors
/// When the command cannot be started.
pub fn supervise(command: &[OsString], grace: Duration) -> io::Result<u8> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    adopt_orphans();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()?;
    let group = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(io::ErrorKind::InvalidData)?;
    let orders = orders();
    loop {
        match orders.recv_timeout(LOOK) {
            Ok(Order::Kill) => {
                signal(group, Signal::KILL);
                break;
            }
            Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => {
                signal(group, Signal::TERM);
                await_end(&mut child, group, grace);
                break;
            }
            Err(RecvTimeoutError::Timeout) => {
                if child.try_wait()?.is_some() {
                    break;
                }
            }
        }
    }
    // Whatever of the group is left now has outstayed its launcher.
    signal(group, Signal::KILL);
    let code = child.wait()?.code();
    reap(group, grace);
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Orders from standard input; closed when the input ends or a signal asks this process to go.
fn orders() -> Receiver<Order> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let order = match line.as_deref() {
                Ok("kill") => Order::Kill,
                Ok(_other) => Order::Stop,
                Err(_broken) => break,
            };
            if sender.send(order).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Gives the group its grace: until the launcher and whatever it left to us are gone.
fn await_end(child: &mut Child, group: Pid, grace: Duration) {
    let asked = clock::now();
    while asked.elapsed() < grace {
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) && all_reaped(group) {
            return;
        }
        pause();
    }
}

/// Takes leave of what was killed, so that no dead process stays in the table.
fn reap(group: Pid, grace: Duration) {
    let asked = clock::now();
    while !all_reaped(group) && asked.elapsed() < grace {
        pause();
    }
}

/// Reaps what has ended of the group; whether none is left that is ours to wait for.
fn all_reaped(group: Pid) -> bool {
    loop {
        match waitpgid(group, WaitOptions::NOHANG) {
            Ok(Some(_ended)) => {}
            Ok(None) => return false,
            Err(_no_child) => return true,
        }
    }
}

/// Makes this process the parent of what its child leaves behind (a launcher that dies before its server).
#[cfg(target_os = "linux")]
fn adopt_orphans() {
    // Without it orphans go to init, and the group is ended by its signal all the same.
    let _best_effort = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

#[cfg(not(target_os = "linux"))]
fn adopt_orphans() {}

#[expect(
    clippy::disallowed_methods,
    reason = "the supervisor is a process of its own with nothing else to do"
)]
fn pause() {
    std::thread::sleep(LOOK);
}

/// Signals the group; that it is gone already is what we want.
fn signal(group: Pid, signal: Signal) {
    let _gone_already = kill_process_group(group, signal);
}
