//! The same verdicts in any order and with any number of scenarios side by side: a small part of what `ci/same-verdicts` shows. Never judges them.

use crate::stage::judge;
use moltproof::contract::Contract;
use moltproof::contract::select::{Selection, select};
use moltproof::reference::ReferenceTarget;
use moltproof::run::Options;
use moltproof::steps;
use moltproof::subject::Target;
use std::path::PathBuf;
use std::sync::Arc;

/// From each area some, and those that count calls, rows or requests: they would be the first to mix.
const IDS: [&str; 8] = [
    "RES-001", "RES-012", "ACC-013", "AIG-012", "USG-001", "USG-012", "RL-004", "ERR-002",
];

#[test]
fn order_and_concurrency_decide_no_verdict() {
    let contract = Contract::embedded().unwrap();
    let selection = Selection {
        ids: IDS.map(str::to_owned).to_vec(),
        tags: Some("not @slow and not @waits".to_owned()),
        ..Selection::default()
    };
    let plan = select(&contract, &selection).unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_moltproof"));
    let target: Arc<dyn Target> = Arc::new(ReferenceTarget::start(program).unwrap());
    let mut first = None;
    for (seed, concurrency) in [(1, 1), (2, 64), (3, 17), (4, 5)] {
        let options = Options { concurrency, seed };
        let report = judge(&contract, plan.clone(), &target, steps::all(), options);
        let told: Vec<_> = report
            .criteria
            .iter()
            .flat_map(|criterion| {
                let own = criterion.scenarios.iter();
                own.map(|one| {
                    (
                        criterion.id.clone(),
                        criterion.verdict,
                        one.line,
                        one.outcome,
                    )
                })
            })
            .collect();
        let before = first.get_or_insert_with(|| told.clone());
        assert_eq!(&told, before, "seed {seed}, concurrency {concurrency}");
    }
}
