//! The advice on each criterion is there, and on none that is not. Never judges whether it is good.

use moltproof::contract::{Contract, advice};
use moltproof::verdict::Level;

#[test]
fn every_must_has_advice_and_every_advice_has_its_criterion() {
    let contract = Contract::embedded().unwrap();
    let advice = advice::built_in().unwrap();
    let strangers: Vec<_> = advice
        .keys()
        .filter(|id| !contract.criteria.contains_key(*id))
        .collect();
    assert!(strangers.is_empty(), "no such criterion: {strangers:?}");
    for criterion in contract
        .criteria
        .values()
        .filter(|one| one.level == Level::Must)
    {
        let own = advice
            .get(&criterion.id)
            .unwrap_or_else(|| panic!("no advice on {}", criterion.id));
        assert!(
            !own.why.is_empty() && !own.fix.is_empty(),
            "half an advice on {}",
            criterion.id
        );
    }
}
