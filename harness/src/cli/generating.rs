//! Which generated checks a command line asks for, and a line as each kind ends. Never runs one.

use super::progress::word;
use super::{Failure, say};
use crate::generate::{Generated, Kind, Progress};

/// The kinds that are asked for: those named, else all, of which a shard has its part.
pub(super) fn kinds(
    ids: &[String],
    cases: usize,
    shard: Option<(usize, usize)>,
) -> Result<Vec<Kind>, Failure> {
    let named: Vec<Kind> = ids.iter().filter_map(|id| Kind::parse(id)).collect();
    match (cases, named.first()) {
        (0, Some(kind)) => {
            return Err(Failure::usage(format!(
                "{} is a kind of generated checks: say how many cases with --generate N",
                kind.id()
            )));
        }
        (0, None) => return Ok(Vec::new()),
        _ => {}
    }
    let (part, parts) = shard.unwrap_or((1, 1));
    let all = Kind::ALL
        .into_iter()
        .filter(|kind| ids.is_empty() || named.contains(kind));
    Ok(all
        .enumerate()
        .filter(|(at, _)| at % parts == part - 1)
        .map(|(_, kind)| kind)
        .collect())
}

/// Tells of each kind on standard error.
pub(super) struct Told {
    /// Tell nothing but what was found.
    pub(super) quiet: bool,
}

impl Progress for Told {
    fn ended(&self, generated: &Generated) {
        let word = word(generated.outcome.kind());
        if !self.quiet {
            say(&format!(
                "[generated] {word} {} {} cases in {:.1} s",
                generated.kind.id(),
                generated.cases,
                generated.duration.as_secs_f64()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: &[&str]) -> Vec<String> {
        list.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn without_a_number_nothing_is_generated_and_a_kind_needs_one() {
        assert_eq!(kinds(&[], 0, None).unwrap(), []);
        assert!(kinds(&ids(&["GEN-ISO"]), 0, None).is_err());
    }

    #[test]
    fn named_kinds_are_run_alone_and_other_ids_name_none() {
        assert_eq!(
            kinds(&ids(&["GEN-ISO"]), 3, None).unwrap(),
            [Kind::Isolation]
        );
        assert_eq!(kinds(&ids(&["RES-001"]), 3, None).unwrap(), []);
        assert_eq!(kinds(&[], 3, None).unwrap(), Kind::ALL);
    }

    #[test]
    fn the_shards_share_the_kinds_among_them() {
        let mut all: Vec<Kind> = (1..=3)
            .flat_map(|part| kinds(&[], 3, Some((part, 3))).unwrap())
            .collect();
        all.sort_by_key(|kind| kind.id());
        assert_eq!(all.len(), Kind::ALL.len());
    }
}
