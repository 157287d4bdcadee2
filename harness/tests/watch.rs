//! `run --watch` as a developer meets it: a file changes, what failed is run first, Ctrl-C ends it. Never starts a Worker: a server of a few lines reads the file.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const BAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
const GOOD: &str = "HTTP/1.1 200 OK\r\nX-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 59\r\nX-RateLimit-Reset: 60\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";

/// A server that answers every request with what stands in a file, until the test ends.
fn serve(file: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            if stream
                .read(&mut [0; 16 * 1024])
                .is_ok_and(|count| count > 0)
            {
                // The other side may have left; the next connection is answered all the same.
                drop(stream.write_all(&std::fs::read(&file).unwrap()));
            }
        }
    });
    format!("http://{address}")
}

/// Reads what is said until a line holds `wanted`, and returns all of it.
fn until(said: &mut impl Iterator<Item = std::io::Result<String>>, wanted: &str) -> String {
    let mut all = String::new();
    for line in said.by_ref() {
        let line = line.unwrap();
        all.push_str(&line);
        all.push('\n');
        if line.contains(wanted) {
            return all;
        }
    }
    panic!("`{wanted}` was never said:\n{all}");
}

/// Ends the process even when the test fails.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill());
    }
}

#[test]
fn a_change_runs_what_failed_first_and_then_everything_and_ctrl_c_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("node_modules/x")).unwrap();
    let file = folder.path().join("worker.js");
    std::fs::write(&file, BAD).unwrap();
    let base = serve(file.clone());
    let mut watching = Command::new(env!("CARGO_BIN_EXE_moltproof"));
    watching
        .args([
            "run", "--quiet", "--id", "RL-011", "--target", &base, "--watch",
        ])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut watching = Ended(watching.spawn().unwrap());
    let mut said = BufReader::new(watching.0.stderr.take().unwrap()).lines();
    until(&mut said, "the first run");
    until(&mut said, "watching ");
    // What a package manager writes starts nothing: the next run names the other file.
    std::fs::write(folder.path().join("node_modules/x/index.js"), "x").unwrap();
    std::fs::write(&file, GOOD).unwrap();
    let told = until(&mut said, "changed");
    assert!(
        told.contains("worker.js changed; first what failed: RL-011"),
        "{told}"
    );
    until(&mut said, "what failed is mended; now everything");
    until(&mut said, "watching ");
    let interrupt = Command::new("kill")
        .args(["-INT", &watching.0.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    assert_eq!(watching.0.wait().unwrap().code(), Some(130));
    let mut printed = String::new();
    let mut out = watching.0.stdout.take().unwrap();
    out.read_to_string(&mut printed).unwrap();
    let verdicts: Vec<bool> = printed
        .lines()
        .filter(|line| line.contains(" — MUST: "))
        .map(|line| line.contains(" conforms "))
        .collect();
    assert_eq!(verdicts, [false, true, true], "{printed}");
}
