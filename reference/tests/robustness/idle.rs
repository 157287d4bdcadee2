//! Ten thousand connections that say nothing. Never in the way of those that do, and gone when their time is over.

use crate::stage::Stage;
use crate::wait::{PROMPT, cores, now, until_by, within};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::Duration;

/// Connections that are opened and left alone.
const IDLE: usize = 10_000;
/// Files and sockets of this test process and of the backend beside those connections: a few hundred.
const FILES_BESIDES: u64 = 2_000;
/// The server's deadline for a head is 15 s; connections were opened one after the other before.
const IDLE_MIN: Duration = Duration::from_secs(12);
const IDLE_MAX: Duration = Duration::from_secs(25);
/// A debug build that serves nobody has some 30 MiB, and each connection may cost 20 KiB: 172 MiB were seen.
const MEMORY_MIB_MAX: u64 = 256;

/// Lets this process and those that it starts have as many files as the system allows; before any thread is started.
pub(crate) fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// Everybody else is served while they are there, and none of them is there for ever.
pub(crate) fn ten_thousand_idle_connections_delay_nobody_and_are_ended() {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let needed = IDLE as u64 + FILES_BESIDES;
    assert!(
        files >= needed,
        "this test needs {needed} open files and the hard limit is {files}: raise it (ulimit -Hn, or LimitNOFILE)"
    );
    let stage = Stage::start(|call| call.success(3, 4));
    let before = stage.server.open_files();
    let busy = cores();
    let started = now();
    let idle: Vec<TcpStream> = (0..IDLE)
        .map(|_| TcpStream::connect(stage.server.address).unwrap())
        .collect();
    until_by(
        IDLE_MIN,
        "ten thousand connections are open at once",
        || (stage.server.open_files() > IDLE).then_some(()),
    );
    for _ in 0..10 {
        stage.expect_others_served();
    }
    within(PROMPT, "an operator's request", || {
        stage.create("late").expect(201)
    });
    drop(busy);
    let opened_by = started.elapsed();
    until_by(IDLE_MAX, "the idle connections are ended", || {
        (stage.server.open_files() < before + 100).then_some(())
    });
    let lasted = started.elapsed();
    assert!(
        lasted >= IDLE_MIN,
        "ended after {lasted:?}, opened within {opened_by:?}"
    );
    for mut connection in idle {
        let end = connection.read(&mut [0; 64]);
        let ended = match &end {
            Ok(count) => *count == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        };
        assert!(ended, "{end:?}");
    }
    let memory = stage.server.memory_peak_mib();
    assert!(memory < MEMORY_MIB_MAX, "{memory} MiB at the most");
    stage.expect_others_served();
}
