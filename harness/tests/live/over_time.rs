//! A target over time: what is known, what is new, what comes and goes. The backends here break one thing when a test says so.

use crate::server::{Deployment, Played, Told, criterion, moltproof, pass_on, play};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a backend says of caching its health, which the contract has as `public, max-age=10`.
const KEPT: usize = 0;
const BROKEN: usize = 1;
const BROKEN_OTHERWISE: usize = 2;

/// A correct backend whose health says what `how` makes of the number of the request for it, from 0.
fn backend(how: impl Fn(usize) -> usize + Clone + Send + Sync + 'static) -> (Deployment, Played) {
    let deployment = Deployment::start();
    let to = deployment.base.clone();
    let asked = Arc::new(AtomicUsize::new(0));
    let played = play(move |seen| {
        let state = if seen.path == "/sandbox-health" {
            how(asked.fetch_add(1, Ordering::SeqCst))
        } else {
            KEPT
        };
        let to = to.clone();
        async move {
            let mut answer = pass_on(to, seen, Vec::new()).await;
            let instead = match state {
                BROKEN => "no-store",
                BROKEN_OTHERWISE => "private",
                _ => return answer,
            };
            let headers = answer.headers_mut();
            headers.insert("cache-control", instead.parse().unwrap());
            answer
        }
    });
    (deployment, played)
}

/// Runs two criteria of the health, of which only RL-013 may be broken.
fn judge(base: &str, more: &[&str]) -> Told {
    let mut args = vec![
        "run", "--quiet", "--id", "RL-011", "--id", "RL-013", "--format", "json", "--target", base,
    ];
    args.extend(more);
    moltproof(&args, &[])
}

struct Folder {
    _kept: tempfile::TempDir,
    known: PathBuf,
    run: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (known, run) = (
            folder.path().join("known.toml"),
            folder.path().join("run.json"),
        );
        Self {
            _kept: folder,
            known,
            run,
        }
    }

    /// Brings the baseline up to the report that `told` has printed.
    fn update(&self, told: &Told) -> String {
        std::fs::write(&self.run, &told.out).unwrap();
        let args = ["baseline", "update", shown(&self.known), shown(&self.run)];
        let told = moltproof(&args, &[]);
        assert_eq!(told.code, 0, "{}", told.err);
        told.out
    }

    /// Changes the text of the baseline.
    fn edit(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(&self.known).unwrap();
        std::fs::write(&self.known, change(text)).unwrap();
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_known_finding_is_counted_apart_until_it_changes_is_repaired_or_expires() {
    let state = Arc::new(AtomicUsize::new(BROKEN));
    let now = Arc::clone(&state);
    let (_deployment, backend) = backend(move |_| now.load(Ordering::SeqCst));
    let folder = Folder::new();
    let with = ["--repeat", "1", "--baseline", shown(&folder.known)];

    let first = judge(&backend.base, &["--repeat", "1"]);
    assert_eq!(first.code, 1, "{}", first.err);
    assert!(folder.update(&first).contains("0 kept, 1 added, 0 removed"));

    let vague = judge(&backend.base, &with);
    assert_eq!(vague.code, 5, "{}", vague.err);
    assert!(vague.err.contains("vague: `reason`"), "{}", vague.err);

    folder.edit(|text| {
        text.replace(
            "reason = \"\"",
            "reason = \"the edge rewrites it\" # told by the edge team",
        )
        .replace("owner = \"\"", "owner = \"platform team\"")
        .replace("link = \"\"", "link = \"https://tracker.example/MW-118\"")
    });
    let known = judge(&backend.base, &with);
    assert_eq!(known.code, 0, "{}", known.err);
    let report = known.json();
    assert_eq!(report["summary"]["verdict"], "known");
    assert_eq!(report["summary"]["must"]["known"], 1);
    let (verdict, reason) = criterion(&report, "RL-013");
    assert_eq!(verdict, "known");
    assert!(reason.contains("platform team"), "{reason}");
    assert!(folder.update(&known).contains("1 kept, 0 added, 0 removed"));
    let text = std::fs::read_to_string(&folder.known).unwrap();
    assert!(text.contains("# told by the edge team"), "{text}");

    state.store(BROKEN_OTHERWISE, Ordering::SeqCst);
    let other = judge(&backend.base, &with);
    assert_eq!(other.code, 1, "{}", other.err);
    assert_eq!(criterion(&other.json(), "RL-013").0, "failed");
    assert!(other.err.contains("unused"), "{}", other.err);

    state.store(BROKEN, Ordering::SeqCst);
    let expiry = |day: &str| {
        let day = format!("expires = \"{day}\"");
        folder.edit(|text| {
            let lines = text.lines().map(|line| {
                if line.starts_with("expires") {
                    day.as_str()
                } else {
                    line
                }
            });
            lines.collect::<Vec<_>>().join("\n")
        });
    };
    expiry("2020-01-01");
    let expired = judge(&backend.base, &with);
    assert_eq!(expired.code, 5, "{}", expired.err);
    assert!(expired.err.contains("expired"), "{}", expired.err);

    state.store(KEPT, Ordering::SeqCst);
    let repaired = judge(&backend.base, &with);
    assert_eq!(repaired.code, 5, "{}", repaired.err);
    let unused = folder.update(&repaired);
    assert!(unused.contains("0 kept, 0 added, 1 removed"), "{unused}");
    assert_eq!(judge(&backend.base, &with).code, 0);
}

#[test]
fn what_is_known_is_called_so_in_every_report() {
    let (_deployment, backend) = backend(|_| BROKEN);
    let folder = Folder::new();
    folder.update(&judge(&backend.base, &["--repeat", "1"]));
    folder.edit(|text| text.replace("reason = \"\"", "reason = \"the edge rewrites it\""));
    let reports = tempfile::tempdir().unwrap();
    let args = [
        "run",
        "--id",
        "RL-011,RL-013",
        "--repeat",
        "1",
        "--report",
        "junit,markdown",
        "--report-dir",
        shown(reports.path()),
        "--baseline",
        shown(&folder.known),
        "--target",
        &backend.base,
    ];
    let told = moltproof(&args, &[]);
    assert_eq!(told.code, 5, "{}", told.err);
    for part in [
        "violates the contract, as its baseline knows",
        "1 known to fail",
        "known RL-013",
        "warning baseline: entry 1",
    ] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    let read = |name: &str| std::fs::read_to_string(reports.path().join(name)).unwrap();
    let markdown = read("moltproof.md");
    assert!(
        markdown.contains("Known by the baseline") && markdown.contains("the edge rewrites it"),
        "{markdown}"
    );
    let junit = read("moltproof.junit.xml");
    assert!(
        junit.contains("failures=\"0\"")
            && junit.contains("<skipped message=\"the edge rewrites it"),
        "{junit}"
    );
}

/// The scenario of RL-013 that a plain address can be asked about.
fn health(report: &serde_json::Value) -> serde_json::Value {
    let criteria = report["criteria"].as_array().unwrap();
    let own = criteria.iter().find(|one| one["id"] == "RL-013").unwrap();
    let scenarios = own["scenarios"].as_array().unwrap();
    let wanted = |one: &&serde_json::Value| one["name"] == "The health may be kept for ten seconds";
    scenarios.iter().find(wanted).unwrap().clone()
}

#[test]
fn what_breaks_at_times_is_flaky_with_its_rate_and_never_passed() {
    // The first attempt is among the first five requests, in whatever order the criteria run; then every second one breaks.
    let (_deployment, backend) = backend(|number| {
        if number < 5 || number % 2 == 0 {
            BROKEN
        } else {
            KEPT
        }
    });
    let told = judge(&backend.base, &["--id", "RL-013"]);
    let report = told.json();
    assert_eq!(told.code, 1, "{}", told.err);
    assert_eq!(report["summary"]["verdict"], "violates");
    assert_eq!(criterion(&report, "RL-013").0, "flaky", "{report:#}");
    let scenario = health(&report);
    assert_eq!(scenario["outcome"], "flaky");
    let rate = scenario["reason"].as_str().unwrap();
    assert!(
        rate.starts_with("flaky: failed ") && rate.ends_with(" of 5 times"),
        "{rate}"
    );
    // What is shown is the first attempt that failed.
    assert_eq!(report["evidence"].as_object().unwrap().len(), 2);
}

#[test]
fn what_always_breaks_is_failed_so_often_and_no_repeat_exceeds_the_budget() {
    let (_deployment, backend) = backend(|_| BROKEN);
    let once = judge(&backend.base, &["--repeat", "1"]).json();
    assert_eq!(health(&once)["reason"], serde_json::Value::Null);

    let told = judge(&backend.base, &[]);
    assert_eq!(told.code, 1, "{}", told.err);
    let scenario = health(&told.json());
    assert_eq!(scenario["outcome"], "failed");
    assert_eq!(scenario["reason"], "failed 5 of 5 times");

    let budget = once["spent"]["requests"].to_string();
    let told = judge(&backend.base, &["--budget-requests", &budget]);
    assert_eq!(told.code, 1, "{}", told.err);
    let report = told.json();
    assert_eq!(report["spent"]["requests"].to_string(), budget);
    let scenario = health(&report);
    assert_eq!(scenario["outcome"], "failed");
    let reason = scenario["reason"].as_str().unwrap();
    assert!(reason.contains("withheld: budget spent"), "{reason}");
}

#[test]
fn the_embedded_reference_is_never_repeated() {
    let told = moltproof(&["run", "--target", "reference", "--repeat", "3"], &[]);
    assert_eq!(told.code, 2, "{}", told.err);
    assert!(told.err.contains("--repeat"), "{}", told.err);
    assert_eq!(moltproof(&["run", "--repeat", "6"], &[]).code, 2);
}
