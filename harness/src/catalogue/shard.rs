//! Shards of a catalogue: all of them together try the whole of it. Never leaves a criterion out that a deviant of the catalogue breaks.

use crate::digest::sha256;
use std::collections::{BTreeMap, BTreeSet};

/// One of so many shards, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 1 to `of`.
    pub number: usize,
    /// How many there are, at least 1.
    pub of: usize,
}

impl Shard {
    /// The names that belong to it. Each comes with what it is there for: of each such thing every N-th belongs to it, and one at least.
    /// In the order of their digests, so that neighbours in the catalogue, which are much alike, come to different shards.
    #[must_use]
    pub fn names<'a>(self, all: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeSet<String> {
        let mut by_purpose: BTreeMap<&str, BTreeMap<String, &str>> = BTreeMap::new();
        for (name, purpose) in all {
            let of_it = by_purpose.entry(purpose).or_default();
            of_it.insert(sha256(name.as_bytes()), name);
        }
        let of_each = by_purpose.values().flat_map(|names| {
            let step = self.of.min(names.len());
            names.values().skip((self.number - 1) % step).step_by(step)
        });
        of_each.map(|name| (*name).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_all_together_and_each_has_something_for_every_purpose() {
        let names: Vec<(String, String)> = (0..100)
            .map(|at| (format!("deviant-{at}"), format!("AIG-{:03}", at % 30)))
            .collect();
        let of = 7;
        let shards: Vec<BTreeSet<String>> = (1..=of)
            .map(|number| {
                let shard = Shard { number, of };
                shard.names(names.iter().map(|(name, id)| (&**name, &**id)))
            })
            .collect();
        let together: BTreeSet<&String> = shards.iter().flatten().collect();
        assert_eq!(together.len(), names.len());
        for shard in &shards {
            let chosen = names.iter().filter(|(name, _id)| shard.contains(name));
            let purposes: BTreeSet<&String> = chosen.map(|(_name, id)| id).collect();
            assert_eq!((purposes.len(), shard.len()), (30, 30));
        }
    }

    #[test]
    fn a_shard_of_many_for_one_purpose_is_their_nth_part() {
        let names: Vec<String> = (0..100).map(|at| format!("server-{at}")).collect();
        let shard = Shard { number: 4, of: 4 };
        let chosen = shard.names(names.iter().map(|name| (&**name, "null server")));
        assert_eq!(chosen.len(), 25);
    }
}
