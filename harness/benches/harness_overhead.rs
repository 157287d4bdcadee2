//! What the harness costs per exchange: the same exchanges through scenarios and through a bare reqwest loop, in turn, in one run.
//! Never judges: it prints the ratio beside its goal.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot set itself up has failed; printing is its purpose"
)]

use futures_util::StreamExt as _;
use moltproof::client::Client;
use moltproof::clock;
use moltproof::contract::Contract;
use moltproof::contract::need::Variant;
use moltproof::reference::ReferenceTarget;
use moltproof::run::scene::Run;
use moltproof::run::{self, Ended, Options, Progress};
use moltproof::steps;
use moltproof::subject::Target;
use moltproof::verdict::Outcome;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Scenarios in one round, two exchanges each; below 100 rows an outline, since expansion is quadratic in them.
const SCENARIOS: usize = 200;
const ROUNDS: usize = 15;
const SIDE_BY_SIDE: usize = 64;

struct Silent;

impl Progress for Silent {
    fn ended(&self, _ended: &Ended) {}
}

/// Scenarios that do nothing but two requests and four assertions.
fn contract() -> Contract {
    let mut text = String::from(
        "@core\nFeature: Load\n\n  @RES-001 @must\n  Rule: RES-001 Load\n    Two exchanges.\n\n",
    );
    for number in 0..SCENARIOS {
        writeln!(
            text,
            "    Scenario: {number}\n      When somebody asks for the health\n      Then the answer has status 200\n      When somebody asks for the health\n      Then the answer has status 200\n"
        )
        .unwrap();
    }
    Contract::parse(&[("features/load.feature", &text)]).unwrap()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let target: Arc<dyn Target> =
        Arc::new(ReferenceTarget::start(PathBuf::from("moltproof")).unwrap());
    let (contract, book) = (contract(), Arc::new(steps::all()));
    let mut ratios = runtime.block_on(async {
        let base = target
            .instance(Variant::Production)
            .await
            .unwrap()
            .base
            .clone();
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            let bare = bare(&base, round).await;
            let scenarios = scenarios(&target, &contract, &book).await;
            ratios.push(scenarios.as_secs_f64() / bare.as_secs_f64());
        }
        ratios
    });
    ratios.sort_by(f64::total_cmp);
    println!(
        "harness time per exchange: {:.2} x a bare reqwest loop (goal at most 2; {ROUNDS} rounds of {} exchanges, {:.2} to {:.2})",
        ratios[ROUNDS / 2],
        SCENARIOS * 2,
        ratios[0],
        ratios[ROUNDS - 1],
    );
}

async fn bare(base: &str, round: usize) -> Duration {
    let client = reqwest::Client::builder()
        .no_proxy()
        .http1_only()
        .build()
        .unwrap();
    let began = clock::now();
    let requests = (0..SCENARIOS * 2).map(|number| {
        let request = client.get(format!("{base}/sandbox-health")).header(
            "cf-connecting-ip",
            format!("203.0.{}.{}", 113 + round, number % 200 + 1),
        );
        async move {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.bytes().await.unwrap();
        }
    });
    futures_util::stream::iter(requests)
        .buffer_unordered(SIDE_BY_SIDE)
        .collect::<Vec<()>>()
        .await;
    began.elapsed()
}

async fn scenarios(
    target: &Arc<dyn Target>,
    contract: &Contract,
    book: &Arc<run::book::Book>,
) -> Duration {
    let shared = Arc::new(Run::new(
        Arc::clone(target),
        Client::new().unwrap(),
        "bench0".to_owned(),
    ));
    let options = Options {
        concurrency: SIDE_BY_SIDE,
        seed: 1,
    };
    let began = clock::now();
    let ended = run::run(
        shared,
        contract.scenarios.clone(),
        Arc::clone(book),
        options,
        Arc::new(Silent),
    )
    .await;
    let elapsed = began.elapsed();
    let bad = ended.iter().find(|one| one.outcome != Outcome::Passed);
    assert!(bad.is_none(), "{:?}", bad.map(|one| &one.outcome));
    elapsed
}
