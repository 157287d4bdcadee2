//! Runs a command in a process group of its own and ends the whole group when the harness asks or goes away, however it dies.
//! Never leaves a process of the group behind.
//!
//! The harness starts `moltproof supervise -- COMMAND…` and keeps its standard input open. A line `stop` asks for an orderly
//! end (SIGTERM), `kill` for a sudden one (SIGKILL); the end of the input, as when the harness was killed, does the first and then the second.

use crate::clock;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::ffi::OsString;
use std::io::{self, BufRead as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long a group may take to end in order. Evidence: `wrangler dev` is gone 0.2 s after SIGTERM; under load it took 2 s.
const GRACE: Duration = Duration::from_secs(8);
/// How often the child is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What the harness asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Stop,
    Kill,
}

/// Supervises until the group is gone; returns the exit code to end with: the command's own, or 1 when it was ended by a signal.
///
/// # Errors
/// When the command cannot be started.
pub fn supervise(command: &[OsString]) -> io::Result<u8> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
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
                await_end(&mut child, group);
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
    Ok(child
        .wait()?
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
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

fn await_end(child: &mut Child, group: Pid) {
    let asked = clock::now();
    while asked.elapsed() < GRACE {
        let launcher_gone = matches!(child.try_wait(), Ok(Some(_)) | Err(_));
        if launcher_gone && test_kill_process_group(group).is_err() {
            return;
        }
        pause();
    }
}

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
