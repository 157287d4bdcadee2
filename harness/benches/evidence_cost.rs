//! What capturing evidence costs: the contract without `@slow` against the reference, with and without it, in turn, in one run.
//! Never judges: it prints the ratio beside its goal.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot set itself up has failed; printing is its purpose"
)]

use moltproof::client::Client;
use moltproof::clock;
use moltproof::contract::Contract;
use moltproof::contract::select::{Selection, select};
use moltproof::reference::ReferenceTarget;
use moltproof::run::scene::Run;
use moltproof::run::{self, Ended, Options, Progress};
use moltproof::steps;
use moltproof::subject::Target;
use moltproof::verdict::Outcome;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Pairs of runs, each the other way round than the one before, so that neither is always the first.
const PAIRS: usize = 5;
const SIDE_BY_SIDE: usize = 64;

struct Silent;

impl Progress for Silent {
    fn ended(&self, _ended: &Ended) {}
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let target: Arc<dyn Target> = Arc::new(ReferenceTarget::start(program()).unwrap());
        // What is started at the first use shall count for neither.
        timed(&target, "warmup", false).await;
        let mut ratios = Vec::new();
        for pair in 0..PAIRS {
            let mut took = [Duration::ZERO; 2];
            for turn in 0..2 {
                let captures = (pair + turn) % 2 == 0;
                let id = format!("bench{}", char::from(b"abcdefghij"[pair * 2 + turn]));
                took[usize::from(captures)] = timed(&target, &id, captures).await;
            }
            ratios.push(took[1].as_secs_f64() / took[0].as_secs_f64());
        }
        target.end().await;
        ratios.sort_by(f64::total_cmp);
        println!(
            "a run that captures evidence: {:.2} x one that does not (goal at most 1.15; {PAIRS} pairs, {:.2} to {:.2})",
            ratios[PAIRS / 2],
            ratios[0],
            ratios[PAIRS - 1],
        );
    });
}

/// The program that supervises servers, beside this bench.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().join("moltproof")
}

async fn timed(target: &Arc<dyn Target>, id: &str, captures: bool) -> Duration {
    let contract = Contract::embedded().unwrap();
    let selection = Selection {
        // What looks through the whole of its run waits for nothing and captures nothing of note.
        tags: Some("not @slow and not @whole-run".to_owned()),
        ..Selection::default()
    };
    let plan = select(&contract, &selection).unwrap();
    let shared = Run::new(Arc::clone(target), Client::new().unwrap(), id.to_owned());
    let shared = if captures {
        shared
    } else {
        shared.without_evidence()
    };
    let options = Options {
        concurrency: SIDE_BY_SIDE,
        seed: 1,
    };
    let began = clock::now();
    let book = Arc::new(steps::all());
    let ended = run::run(Arc::new(shared), plan, book, options, Arc::new(Silent)).await;
    let took = began.elapsed();
    // What is not passed is named: the figure is worth nothing if scenarios ended early.
    for one in ended.iter().filter(|one| one.outcome != Outcome::Passed) {
        println!("not passed: {} {:?}", one.planned.name, one.outcome);
    }
    took
}
