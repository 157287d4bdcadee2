//! Deals scenarios out to shards so that all of them take about as long. Never lets a scenario fall between two shards.

use super::Planned;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// How long each scenario took against the reference: `FEATURE`, `NAME`, milliseconds. Written by `ci/durations`.
const MEASURED: &str = include_str!("../../../fixtures/durations.tsv");

static DURATIONS: LazyLock<HashMap<(&str, &str), u64>> = LazyLock::new(|| {
    let rows = MEASURED.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let place = (fields.next()?, fields.next()?);
        Some((place, fields.next()?.parse().ok()?))
    });
    rows.collect()
});

/// The shard of each scenario, from 1, in their order: the longest first, each to the shard that has the least so far.
///
/// The same plan is dealt in the same way everywhere. What nobody has measured counts as the median.
pub(super) fn deal(plan: &[Arc<Planned>], parts: usize) -> Vec<usize> {
    let measured = |planned: &Planned| {
        DURATIONS
            .get(&(planned.feature.as_str(), planned.name.as_str()))
            .copied()
    };
    let mut known: Vec<u64> = plan
        .iter()
        .filter_map(|planned| measured(planned))
        .collect();
    known.sort_unstable();
    let median = known.get(known.len() / 2).copied().unwrap_or(1);
    let mut by_length: Vec<(u64, usize)> = plan
        .iter()
        .enumerate()
        .map(|(at, planned)| (measured(planned).unwrap_or(median), at))
        .collect();
    by_length.sort_by_key(|&(length, at)| (std::cmp::Reverse(length), at));
    let mut loads = vec![0_u64; parts];
    let mut shards = vec![1; plan.len()];
    for (length, at) in by_length {
        let least = (0..parts).min_by_key(|&part| (loads[part], part));
        let part = least.unwrap_or_default();
        // Even what takes no time at all is to be spread.
        loads[part] += length.max(1);
        shards[at] = part + 1;
    }
    shards
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;
    use crate::contract::select::{Selection, select};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::embedded().unwrap());

    #[test]
    fn the_whole_contract_is_measured_and_four_shards_take_about_as_long() {
        let contract = &*CONTRACT;
        let mut loads: BTreeMap<usize, u64> = BTreeMap::new();
        let mut unknown = Vec::new();
        for (planned, shard) in contract.scenarios.iter().zip(deal(&contract.scenarios, 4)) {
            let place = (planned.feature.as_str(), planned.name.as_str());
            match DURATIONS.get(&place) {
                Some(length) => *loads.entry(shard).or_default() += length,
                None => unknown.push(place),
            }
        }
        assert!(
            unknown.len() * 20 < contract.scenarios.len(),
            "run ci/durations: nobody has measured {unknown:?}"
        );
        let (least, most) = (loads.values().min().unwrap(), loads.values().max().unwrap());
        assert!(most * 10 < least * 11, "{loads:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn every_scenario_is_in_exactly_one_shard(parts in 1_usize..9, slow in any::<bool>()) {
            let contract = &*CONTRACT;
            let tags = (!slow).then(|| "not @slow".to_owned());
            let all = Selection { tags, ..Selection::default() };
            let whole: Vec<usize> = select(contract, &all).unwrap().iter().map(|one| one.number).collect();
            let mut dealt = Vec::new();
            for part in 1..=parts {
                let own = Selection { shard: Some((part, parts)), ..all.clone() };
                dealt.extend(select(contract, &own).unwrap().iter().map(|one| one.number));
            }
            dealt.sort_unstable();
            prop_assert_eq!(dealt, whole);
        }
    }
}
