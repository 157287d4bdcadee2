//! `moltproof teeth --profile data`: what is said of databases, measured. Never starts a Worker.

use super::{Listed, TeethArgs, list, measured};
use crate::catalogue;
use crate::cli::Failure;
use crate::contract::Contract;
use crate::teeth::databases::{self, Wanted};
use crate::verdict::Exit;
use moltproof_data::teeth::Catalogue;

pub(super) fn teeth(args: &TeethArgs, contract: &Contract) -> Result<Exit, Failure> {
    let catalogue = catalogue::databases::built_in()
        .map_err(|error| Failure::fault(format!("the catalogue is malformed: {error}")))?;
    let (catalogue, variants) = narrowed(catalogue, args)?;
    if args.list {
        return list(&listed(&catalogue, &variants), args.format);
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let total = catalogue.deviants.len() + variants.len();
    measured(args, total, |ending, shown| {
        let wanted = Wanted {
            seed: args.seed(),
            jobs: args.jobs.map_or(cores, usize::from),
            whole: args.is_whole(),
            ending,
        };
        databases::measure(contract, &catalogue, &variants, &wanted, shown)
    })
}

/// What is asked for: the deviants, with every healthy database that one is made of, and the healthy databases that are to be judged themselves.
fn narrowed(
    mut catalogue: Catalogue,
    args: &TeethArgs,
) -> Result<(Catalogue, Vec<String>), Failure> {
    args.known(|name| {
        let mut deviants = catalogue.deviants.iter();
        deviants.any(|deviant| deviant.id == name) || catalogue.correct.contains_key(name)
    })?;
    catalogue
        .deviants
        .retain(|deviant| args.names(&deviant.id) && args.asks_for(deviant.expected()));
    let shard = args.shard_of(catalogue.deviants.iter().map(|deviant| {
        let breaks = deviant.expected().next();
        (&*deviant.id, breaks.map_or("", String::as_str))
    }));
    catalogue.deviants.retain(|deviant| shard.has(&deviant.id));
    let names = catalogue.correct.keys();
    let shard = args.shard_of(names.clone().map(|name| (&**name, "")));
    let variants: Vec<String> = names
        .filter(|name| args.id.is_empty() && args.names(name) && shard.has(name))
        .cloned()
        .collect();
    if catalogue.deviants.is_empty() && variants.is_empty() {
        return Err(args.nothing_left());
    }
    Ok((catalogue, variants))
}

fn listed(catalogue: &Catalogue, variants: &[String]) -> Vec<Listed> {
    let deviants = catalogue.deviants.iter().map(|deviant| Listed {
        kind: "deviant",
        id: deviant.id.clone(),
        does: deviant.breaks.clone(),
        expected: deviant.expected().cloned().collect(),
    });
    let variants = variants.iter().filter_map(|name| {
        let correct = catalogue.correct.get(name)?;
        Some(Listed {
            kind: "correct variant",
            id: name.clone(),
            does: correct.habit.clone(),
            expected: Vec::new(),
        })
    });
    deviants.chain(variants).collect()
}
