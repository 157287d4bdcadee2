//! What is left of a program that was killed: no process, and no folder beyond the next start. Never kills what the test has not started.

use super::repeating::moltproof_in;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// So long a process may take to end after the one that started it is dead: a supervisor gives a group some seconds.
const END_MAX: Duration = Duration::from_secs(40);

/// The processes that this one has started, and theirs, as `id command line`.
fn below(id: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let tasks = read_dir(format!("/proc/{id}/task"));
    for task in tasks.into_iter().flatten().filter_map(Result::ok) {
        let children = read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let child = child.parse().unwrap();
            found.push((child, said(child).unwrap_or_default()));
            found.extend(below(child));
        }
    }
    found
}

/// The command line of a process that runs.
fn said(id: u32) -> Option<String> {
    let words = read_to_string(format!("/proc/{id}/cmdline")).ok()?;
    (!words.is_empty()).then(|| words.replace('\0', " "))
}

/// Waits until it holds, and fails with what is said when it never does.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = moltproof::clock::now();
    while !holds() {
        assert!(begun.elapsed() < END_MAX, "{what}");
        std::thread::yield_now();
    }
}

/// The temporary folders of runs in a place.
fn folders(place: &Path) -> Vec<PathBuf> {
    let entries = read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("moltproof-")
        })
        .collect()
}

/// Begins a run whose temporary files lie in `place`.
fn begun(place: &Path, args: &[&str]) -> Child {
    moltproof_in(place)
        .args(args)
        .env("TMPDIR", place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn killed(mut run: Child) {
    run.kill().unwrap();
    run.wait().unwrap();
}

/// Begins this, kills it when a process with that word has been started below it, and waits until nothing of all that is left.
fn leaves_no_process(args: &[&str], place: &Path, word: &str) {
    let mut run = begun(place, args);
    let mut started = Vec::new();
    until(&format!("nothing was started with `{word}`"), || {
        assert!(run.try_wait().unwrap().is_none(), "it ended too early");
        started = below(run.id());
        started.iter().any(|(_, line)| line.contains(word))
    });
    killed(run);
    until(&format!("{started:?} are left"), || {
        started
            .iter()
            .all(|(id, line)| said(*id).as_ref() != Some(line))
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_a_killed_run_had_started_ends_with_it() {
    let place = tempfile::tempdir().unwrap();
    // A backend in a process of its own is stopped and killed there.
    let args = ["run", "--quiet", "--id", "USG-015"];
    leaves_no_process(&args, place.path(), " serve ");
}

#[test]
#[cfg(target_os = "linux")]
fn the_run_of_a_killed_watch_ends_with_it() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().display().to_string();
    let args = [
        "run",
        "--quiet",
        "--watch",
        &folder,
        "--target",
        "reference",
    ];
    leaves_no_process(&args, place.path(), " run ");
}

#[test]
fn what_a_killed_run_has_left_is_removed_by_the_next_start_and_nothing_of_a_living_one() {
    let place = tempfile::tempdir().unwrap();
    let begin = || {
        let before = folders(place.path());
        let mut run = begun(place.path(), &["run", "--quiet", "--target", "reference"]);
        let mut own = None;
        until("it made no folder", || {
            assert!(run.try_wait().unwrap().is_none(), "the run ended too early");
            let new = folders(place.path());
            own = new.into_iter().find(|folder| {
                !before.contains(folder) && read_dir(folder).is_ok_and(|all| all.count() >= 2)
            });
            own.is_some()
        });
        (run, own.unwrap())
    };
    let (dead, left) = begin();
    killed(dead);
    assert!(left.exists(), "the control: it had no time to remove it");
    let (mut living, used) = begin();
    assert!(!left.exists(), "{left:?} is left");
    let next = moltproof_in(place.path())
        .args(["db", "lint", "."])
        .env("TMPDIR", place.path())
        .output();
    next.unwrap();
    assert!(
        living.try_wait().unwrap().is_none(),
        "the run ended too early"
    );
    assert!(used.exists(), "{used:?} is in use");
    let asked = Command::new("kill").arg(living.id().to_string()).status();
    assert!(asked.unwrap().success());
    living.wait().unwrap();
    assert_eq!(folders(place.path()), Vec::<PathBuf>::new());
}
