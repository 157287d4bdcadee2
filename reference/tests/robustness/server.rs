//! The reference as its users start it: the program, environment variables, a port of its own. Never reaches into it.

use crate::wait::until;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A running backend. Dropping it kills it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts the program with these variables and no others; returns once it listens.
    pub(crate) fn start(variables: &[(&str, String)]) -> Self {
        // A file that may not grow any more is an error to a server, not its end: that is what `trap` says.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "trap '' XFSZ; exec \"$0\" --listen 127.0.0.1:0"])
            .arg(env!("CARGO_BIN_EXE_moltworker-reference"))
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, errors) = (Arc::clone(&log), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        let address = first
            .trim()
            .strip_prefix("listening on http://")
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("it says {first:?} and {:?}", log.lock().unwrap()));
        Self {
            address,
            child,
            log,
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Log lines of an event so far.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        log.iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["event"] == name)
            .collect()
    }

    /// Most memory that it ever held, in MiB.
    pub(crate) fn memory_peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.expect("VmHWM in /proc/<pid>/status") / 1024
    }

    /// Files and sockets that it has open.
    pub(crate) fn open_files(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        files.unwrap().count()
    }

    /// From now on no file of this process can grow beyond this many bytes: a full disk, as far as writes can tell.
    /// `None` is room again.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let former = rustix::process::getrlimit(Resource::Fsize);
        let limit = Rlimit {
            current: bytes.or(former.current),
            maximum: former.maximum,
        };
        prlimit(Some(self.pid()), Resource::Fsize, limit).unwrap();
    }

    /// Whether it runs still.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// SIGKILL; returns when it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; returns once nobody can connect any more.
    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
        until("the listener is closed", || {
            TcpStream::connect(self.address).err()
        });
    }

    /// Waits for an orderly end that has begun.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        let status = until("the process ends", || self.child.try_wait().unwrap());
        let log = self.log.lock().unwrap().clone();
        assert!(status.success(), "{status}: {log:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
