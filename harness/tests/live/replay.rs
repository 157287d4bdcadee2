//! Runs that are kept, shown in the history, and repeated. Never writes outside of a folder of its own.

use crate::server::{Played, Told, answer, moltproof, play};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// A server whose health may be kept for a time that can be changed; everything else is not found.
fn health() -> (Played, Arc<AtomicU16>) {
    let max_age = Arc::new(AtomicU16::new(60));
    let now = Arc::clone(&max_age);
    let served = play(move |seen| {
        let max_age = now.load(Ordering::Relaxed);
        async move {
            let (status, cached) = if seen.path == "/sandbox-health" {
                (200, format!("public, max-age={max_age}"))
            } else {
                (404, "no-store".to_owned())
            };
            let headers = [
                ("content-type", "application/json"),
                ("cache-control", cached.as_str()),
            ];
            answer(status, &headers, "{\"status\":\"ok\"}")
        }
    });
    (served, max_age)
}

struct Kept {
    store: tempfile::TempDir,
    server: Played,
    max_age: Arc<AtomicU16>,
}

impl Kept {
    fn new() -> Self {
        let (server, max_age) = health();
        Self {
            store: tempfile::tempdir().unwrap(),
            server,
            max_age,
        }
    }

    fn store(&self) -> String {
        self.store.path().join("kept").display().to_string()
    }

    fn command(&self, args: &[&str]) -> Told {
        let store = self.store();
        moltproof(
            args,
            &[
                ("MOLTPROOF_STORE", store.as_str()),
                ("MOLTPROOF_QUIET", "true"),
            ],
        )
    }

    fn run(&self, more: &[&str]) -> Told {
        let all = [
            &["run", "--id", "RL-013", "--target", &self.server.base],
            more,
        ]
        .concat();
        self.command(&all)
    }

    fn ids(&self) -> Vec<String> {
        let store = moltproof::store::Store::at(self.store());
        store
            .kept()
            .unwrap()
            .into_iter()
            .map(|(id, _)| id)
            .collect()
    }
}

#[test]
fn a_finding_is_replayed_and_told_as_the_same_another_or_not_seen_again() {
    let kept = Kept::new();
    let run = kept.run(&[]);
    assert_eq!(run.code, 1, "{}", run.err);
    let id = kept.ids().remove(0);
    let tip = format!("moltproof replay {id} ID --store {}", kept.store());
    assert!(run.out.contains(&tip), "{tip}\n{}", run.out);
    let path = moltproof::store::Store::at(kept.store()).path_of(&id);
    let report: moltproof::report::Report = moltproof::report::json::read(&path).unwrap();
    let evidence = report.evidence.values().next().unwrap();
    let steps: Vec<_> = evidence.steps.iter().map(|step| step.held).collect();
    assert_eq!(
        (steps, evidence.decisive),
        (vec![true, true, false], Some(1))
    );
    assert!(evidence.exchanges[0].connect_ms.unwrap() <= evidence.exchanges[0].head_ms);
    let again = kept.command(&["replay", "last", "RL-013"]);
    assert_eq!(again.code, 1, "{}", again.err);
    assert!(
        again
            .out
            .contains("the same finding again: features/rate_limits/caching.feature:"),
        "{}",
        again.out
    );
    kept.max_age.store(90, Ordering::Relaxed);
    let another = kept.command(&["replay", &id[..3], "rl-013"]);
    assert_eq!(another.code, 1, "{}", another.err);
    assert!(another.out.contains("another finding"), "{}", another.out);
    kept.max_age.store(10, Ordering::Relaxed);
    let gone = kept.command(&["replay", &id, "features/rate_limits/caching.feature:10"]);
    assert_eq!(gone.code, 0, "{}", gone.err);
    assert!(
        gone.out.contains("not seen again (1 of 1 passed)"),
        "{}",
        gone.out
    );
    let path = moltproof::store::Store::at(kept.store()).path_of(&id);
    let path = path.display().to_string();
    let json = kept
        .command(&["replay", &path, "RL-013", "--format", "json"])
        .json();
    assert_eq!(json["compared"][0]["again"], "not_seen");
    assert_eq!(json["report"]["criteria"][0]["verdict"], "passed");
    assert_eq!(kept.ids().len(), 1, "a replay is no run of its own");
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let kept = Kept::new();
    let empty = kept.command(&["replay", "last", "RL-013"]);
    assert_eq!(empty.code, 2);
    assert!(empty.err.contains("no run is kept in"), "{}", empty.err);
    kept.run(&[]);
    let id = kept.ids().remove(0);
    let told = |args: &[&str]| {
        let told = kept.command(args);
        assert_eq!(told.code, 2, "{args:?}: {}", told.err);
        told.err
    };
    assert!(told(&["replay", "0000", "RL-013"]).contains(&id));
    let wrong = told(&["replay", "last", "RL-O13"]);
    assert!(
        wrong.contains("did you mean RL-013?") && wrong.contains("red in run"),
        "{wrong}"
    );
    assert!(told(&["replay", "last", "RES-002"]).contains(&format!(
        "moltproof run --target {} --id RES-002",
        kept.server.base
    )));
    assert!(told(&["replay", "last", "GEN-ISO"]).contains("--generate N --id GEN-ISO"));
    assert!(told(&["replay", "last", "features/nowhere.feature:1"]).contains("no scenario at"));
    assert!(told(&["history", "--target", "elsewhere"]).contains(&kept.server.base));
}

#[test]
fn the_history_tells_when_a_criterion_first_failed_and_last_passed() {
    let kept = Kept::new();
    kept.max_age.store(10, Ordering::Relaxed);
    kept.run(&[]);
    kept.max_age.store(60, Ordering::Relaxed);
    kept.run(&[]);
    kept.run(&[]);
    let told = kept.command(&["history", "--format", "json"]);
    assert_eq!(told.code, 0, "{}", told.err);
    let trend = &told.json()["targets"][0];
    let runs = trend["runs"].as_array().unwrap();
    let verdicts: Vec<_> = runs
        .iter()
        .map(|run| run["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["conforms", "violates", "violates"]);
    let change = &trend["changes"][0];
    assert_eq!(
        (&change["id"], &change["now"]),
        (&Value::from("RL-013"), &Value::from("failed"))
    );
    assert_eq!(change["first_in"]["run_id"], runs[1]["run_id"]);
    assert_eq!(change["last_in"]["run_id"], runs[0]["run_id"]);
    let text = kept.command(&["history"]).out;
    let first = runs[1]["run_id"].as_str().unwrap();
    assert!(
        text.contains(&format!("RL-013: failed first in {first}")),
        "{text}"
    );
}

#[test]
fn the_store_holds_the_last_twenty_reports_and_one_that_cannot_be_written_is_a_warning() {
    let kept = Kept::new();
    let run = kept.run(&[]);
    let (store, id) = (
        moltproof::store::Store::at(kept.store()),
        kept.ids().remove(0),
    );
    let mut report: moltproof::report::Report =
        moltproof::report::json::read(&store.path_of(&id)).unwrap();
    for number in 0..moltproof::store::RUNS_MAX {
        report.run_id = format!("other{number}");
        store.keep(&report).unwrap();
    }
    let left = kept.ids();
    assert_eq!(left.len(), moltproof::store::RUNS_MAX);
    assert!(!left.contains(&id), "the oldest goes");
    assert_eq!(
        store.lines().unwrap().0.len(),
        moltproof::store::RUNS_MAX + 1,
        "the history keeps all"
    );
    assert_eq!(
        std::fs::read_to_string(store.folder().join(".gitignore")).unwrap(),
        "*\n"
    );
    let file = kept.store.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let warned = kept.run(&["--store", &file.display().to_string()]);
    assert_eq!(warned.code, run.code);
    assert!(
        warned.err.contains("warning: the run cannot be kept in"),
        "{}",
        warned.err
    );
    assert!(!warned.out.contains("moltproof replay"), "{}", warned.out);
    let none = kept.run(&["--store", "none"]);
    assert!(
        !none.out.contains("moltproof replay") && kept.ids().len() == moltproof::store::RUNS_MAX
    );
}
