//! `moltproof run --watch`: runs again when the Worker's files change, first what failed. Never judges: each run is a process of its own.

use super::run::RunArgs;
use super::target::{asked_to_go, runtime};
use super::{Failure, put, say};
use crate::report::{Interruption, Report};
use crate::subject::manifest::Manifest;
use crate::verdict::Exit;
use clap::ArgMatches;
use clap::parser::ValueSource;
use notify::event::{EventKind, ModifyKind};
use notify::{RecursiveMode, Watcher as _};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Folders that no Worker's source lies in: what tools and runs write there must not start a run.
const IGNORED: [&str; 6] = [
    "node_modules",
    ".wrangler",
    "target",
    ".git",
    ".moltproof",
    ".cache",
];

/// Hidden files that a Worker is configured by; all others belong to editors and tools.
const HIDDEN_BUT_READ: [&str; 2] = [".dev.vars", ".env"];

/// So long without a further change, and a change is over. Evidence: editors write, rename and set the mode of a file within 20 ms, and
/// switching a branch leaves less than this between two files.
const QUIET_MS: u64 = 100;

/// Clears the screen, what has scrolled away included, and begins at its top.
const CLEAR: &str = "\x1b[2J\x1b[3J\x1b[H";

/// Done when somebody asks this program to end.
type Leaving = Pin<Box<dyn Future<Output = Interruption>>>;

/// The criteria that a reader must act on, one a line: what a watching process reads.
pub(super) fn red(report: &Report) -> String {
    use crate::verdict::Verdict;
    let is_red = |verdict| matches!(verdict, Verdict::Failed | Verdict::Flaky | Verdict::Error);
    let criteria = report.criteria.iter();
    criteria
        .filter(|criterion| is_red(criterion.verdict))
        .fold(String::new(), |list, criterion| list + &criterion.id + "\n")
}

/// Runs and watches until somebody ends it.
pub(super) fn watch(args: &RunArgs, given: &Given) -> Result<Exit, Failure> {
    let places = Places::of(args);
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::fault(format!("cannot make a temporary folder: {error}")))?;
    let told = folder.path().join("red");
    runtime()?.block_on(async {
        let (tell, mut changes) = unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event| {
            // Nobody listens any more only when the program ends.
            drop(tell.send(event));
        })
        .map_err(|error| cannot_watch(&places.root, &error))?;
        places.watch(&mut watcher)?;
        let mut leaving: Leaving = Box::pin(asked_to_go());
        let mut failed = BTreeSet::new();
        let mut cause = "the first run".to_owned();
        loop {
            begin(&cause, &failed)?;
            let only = failed.clone();
            let exit = match one_run(given, &only, &told, &mut leaving).await? {
                Ok(exit) => exit,
                Err(asked) => return Ok(Exit::of(asked)),
            };
            let now_red = read_red(&told);
            // A run that came to no verdict says nothing new of what failed before.
            if exit.success() || !now_red.is_empty() {
                failed = now_red;
            }
            if exit.success() && !only.is_empty() {
                "what failed is mended; now everything that was asked for".clone_into(&mut cause);
                continue;
            }
            say(&format!(
                "watching {}; a change runs again, Ctrl-C ends",
                places.root.display()
            ));
            let changed = tokio::select! {
                changed = places.change(&mut changes, &mut watcher) => changed,
                asked = &mut leaving => return Ok(Exit::of(asked)),
            };
            let Some(changed) = changed else {
                return Ok(Exit::Interrupted);
            };
            cause = format!("{} changed", changed.display());
        }
    })
}

fn cannot_watch(folder: &Path, error: &notify::Error) -> Failure {
    Failure::usage(format!("cannot watch {}: {error}", folder.display()))
}

/// Says what is run now, on a fresh screen if there is one.
fn begin(cause: &str, failed: &BTreeSet<String>) -> Result<(), Failure> {
    if std::io::stdout().is_terminal() {
        put(CLEAR)?;
    }
    let which = if failed.is_empty() {
        String::new()
    } else {
        let ids: Vec<&str> = failed.iter().map(String::as_str).collect();
        format!("; first what failed: {}", ids.join(" "))
    };
    say(&format!("{cause}{which}"));
    Ok(())
}

/// One run in a process of its own, of these criteria only, if there are any. An [`Interruption`] if somebody wants everything to end;
/// the run has ended then, and its target with it.
async fn one_run(
    given: &Given,
    only: &BTreeSet<String>,
    told: &Path,
    leaving: &mut Leaving,
) -> Result<Result<std::process::ExitStatus, Interruption>, Failure> {
    let program = super::itself::program()?;
    let fault = |error: std::io::Error| Failure::fault(format!("cannot run again: {error}"));
    // What the run before told is not what this one tells.
    drop(std::fs::remove_file(told));
    let mut command = tokio::process::Command::new(program);
    command
        .arg("run")
        .args(&given.options)
        .arg("--red-to")
        .arg(told)
        .env_remove("MOLTPROOF_WATCH");
    if only.is_empty() {
        command.args(&given.ids);
    }
    for id in only {
        command.arg(format!("--id={id}"));
    }
    // The run ends in order when this closes: so it does not outlive the one who watches, however that dies.
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(fault)?;
    let _lifeline = child.stdin.take();
    let asked = tokio::select! {
        ended = child.wait() => return ended.map(Ok).map_err(fault),
        asked = leaving => asked,
    };
    // Ctrl-C reaches both; a signal to this process alone has to be handed on. The run tidies up before it goes.
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = id.and_then(rustix::process::Pid::from_raw) {
        let signal = rustix::process::Signal::TERM;
        // Gone already: then there is nothing to hand on.
        let _is_there = rustix::process::kill_process(pid, signal).is_ok();
    }
    child.wait().await.map_err(fault)?;
    Ok(Err(asked))
}

fn read_red(told: &Path) -> BTreeSet<String> {
    // Not there: the run came to no verdict.
    let text = std::fs::read_to_string(told).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The options of a command line, to be given again.
pub(super) struct Given {
    /// All but those that only a watching run has.
    options: Vec<OsString>,
    /// The ids among them: another run may be about others.
    ids: Vec<OsString>,
}

impl Given {
    /// As they stand in `matches` of the verb `run`. What came from the environment comes from there again.
    pub(super) fn of(run: &clap::Command, matches: &ArgMatches) -> Self {
        let (mut options, mut ids) = (Vec::new(), Vec::new());
        for argument in run.get_arguments() {
            let id = argument.get_id().as_str();
            let is_given = matches.try_contains_id(id).is_ok()
                && matches.value_source(id) == Some(ValueSource::CommandLine);
            let Some(long) = argument.get_long().filter(|_| is_given && id != "watch") else {
                continue;
            };
            let list = if id == "id" { &mut ids } else { &mut options };
            if !argument.get_action().takes_values() {
                list.push(OsString::from(format!("--{long}")));
                continue;
            }
            for value in matches.get_raw(id).into_iter().flatten() {
                let mut option = OsString::from(format!("--{long}="));
                option.push(value);
                list.push(option);
            }
        }
        Self { options, ids }
    }
}

/// What is looked at.
struct Places {
    /// The folder with everything below it.
    root: PathBuf,
    /// The manifest, if it lies elsewhere.
    manifest: Option<PathBuf>,
    /// Files that a run itself writes.
    reports: BTreeSet<OsString>,
}

impl Places {
    fn of(args: &RunArgs) -> Self {
        let named = PathBuf::from(args.target_named());
        let manifest = named.is_file().then(|| absolute(&named));
        let wanted = args.watch.clone().flatten();
        let root = wanted.unwrap_or_else(|| started_in(manifest.as_deref()));
        let root = absolute(&root);
        Self {
            manifest: manifest.filter(|file| !file.starts_with(&root)),
            root,
            reports: args.files.names().collect(),
        }
    }

    fn watch(&self, watcher: &mut notify::RecommendedWatcher) -> Result<(), Failure> {
        if !self.root.is_dir() {
            let root = self.root.display();
            return Err(Failure::usage(format!("--watch {root} is no folder")));
        }
        watch_folders(watcher, &self.root).map_err(|error| cannot_watch(&self.root, &error))?;
        // The folder, for editors put another file in the place of the one they change.
        if let Some(folder) = self.manifest.as_deref().and_then(Path::parent) {
            let watched = watcher.watch(folder, RecursiveMode::NonRecursive);
            watched.map_err(|error| cannot_watch(folder, &error))?;
        }
        Ok(())
    }

    /// The next change that matters, once it is over.
    async fn change(
        &self,
        changes: &mut UnboundedReceiver<notify::Result<notify::Event>>,
        watcher: &mut notify::RecommendedWatcher,
    ) -> Option<PathBuf> {
        let mut first = None;
        loop {
            let quiet = Duration::from_millis(QUIET_MS);
            let next = match &first {
                None => changes.recv().await?,
                Some(_) => match tokio::time::timeout(quiet, changes.recv()).await {
                    Ok(next) => next?,
                    Err(_quiet) => return first,
                },
            };
            // An error says that events were lost: whatever they were, something has changed.
            let Ok(event) = next else {
                first.get_or_insert_with(|| self.root.clone());
                continue;
            };
            for path in event.paths.iter().filter(|_| is_change(event.kind)) {
                if !self.matters(path) {
                    continue;
                }
                if path.is_dir() {
                    // Gone again before it could be watched: its removal is a change of its own.
                    drop(watch_folders(watcher, path));
                }
                let shown = path.strip_prefix(&self.root).unwrap_or(path);
                first.get_or_insert_with(|| shown.to_path_buf());
            }
        }
    }

    /// Whether a file or folder can be part of the Worker.
    fn matters(&self, path: &Path) -> bool {
        if self.manifest.as_deref() == Some(path) {
            return true;
        }
        let Ok(below) = path.strip_prefix(&self.root) else {
            return false;
        };
        let name = path.file_name().unwrap_or_default();
        below.iter().all(|part| !is_ignored(part)) && !self.reports.contains(name)
    }
}

/// Where a described target is started; without one, here.
fn started_in(manifest: Option<&Path>) -> PathBuf {
    let Some(file) = manifest else {
        return PathBuf::from(".");
    };
    let beside = file.parent().unwrap_or(Path::new(".")).to_path_buf();
    // What is wrong with it is told by the run.
    let launch = Manifest::read(file)
        .ok()
        .and_then(|manifest| manifest.launch);
    launch.map_or(beside.clone(), |launch| beside.join(launch.folder))
}

fn absolute(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_absent| path.to_path_buf())
}

fn is_ignored(part: &OsStr) -> bool {
    let name = part.to_string_lossy();
    let hidden =
        name.starts_with('.') && !HIDDEN_BUT_READ.iter().any(|read| name.starts_with(read));
    // `4913` is what vim tries a folder with.
    hidden || IGNORED.contains(&name.as_ref()) || name.ends_with('~') || name == "4913"
}

fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// Watches a folder and those below it one by one: a watch on the whole tree would take in `node_modules`, with its thousands of folders.
fn watch_folders(watcher: &mut notify::RecommendedWatcher, root: &Path) -> notify::Result<()> {
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        for entry in std::fs::read_dir(&folder)?.filter_map(Result::ok) {
            // A link is not followed: it may lead to where we came from.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && !is_ignored(&entry.file_name()) {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            root: PathBuf::from("/w"),
            manifest: Some(PathBuf::from("/m/moltproof.toml")),
            reports: BTreeSet::from(["moltproof.json".into()]),
        }
    }

    #[test]
    fn source_and_configuration_matter_and_what_tools_write_does_not() {
        for path in [
            "/w/src/index.ts",
            "/w/wrangler.jsonc",
            "/w/.dev.vars",
            "/m/moltproof.toml",
        ] {
            assert!(places().matters(Path::new(path)), "{path}");
        }
        for path in [
            "/w/node_modules/x/index.js",
            "/w/.wrangler/state/db",
            "/w/src/.index.ts.swp",
            "/w/src/index.ts~",
            "/w/moltproof.json",
            "/m/other.toml",
            "/elsewhere/index.ts",
        ] {
            assert!(!places().matters(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn reading_a_file_is_no_change() {
        use notify::event::{AccessKind, CreateKind};
        assert!(!is_change(EventKind::Access(AccessKind::Any)));
        assert!(is_change(EventKind::Create(CreateKind::File)));
    }
}
