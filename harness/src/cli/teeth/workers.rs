//! `moltproof teeth`: the contract run, measured on Workers. Never measures what is said of databases.

use super::{Listed, TeethArgs, list, measured};
use crate::catalogue::{Catalogue, Other, also_broken, habits, survivors};
use crate::cli::itself::program;
use crate::cli::{Failure, open_files};
use crate::contract::Contract;
use crate::reference::deviants::Deviant;
use crate::teeth::measure::{self, Wanted};
use crate::teeth::trial::Manner;
use crate::verdict::Exit;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Trials side by side for each core. Evidence: most of a trial waits for absences and deadlines; with three for each, two cores stood idle for a third of the time.
const JOBS_PER_CORE: usize = 5;
/// Open files of the program itself: its report, its log, the pipes of backends in processes of their own.
const OPEN_FILES_OF_OUR_OWN: usize = 256;
/// Scenarios side by side within a trial: as many as `run` has.
const CONCURRENCY: usize = 64;

pub(super) fn teeth(args: &TeethArgs, contract: &Contract) -> Result<Exit, Failure> {
    let broken = |why: String| Failure::fault(format!("the catalogue is malformed: {why}"));
    let mut catalogue = Catalogue::built_in(contract).map_err(|error| broken(error.to_string()))?;
    let survivors = survivors::built_in().map_err(broken)?;
    let names: BTreeSet<&String> = catalogue
        .deviants
        .iter()
        .map(|deviant| &deviant.id)
        .collect();
    if let Some(stranger) = survivors.keys().find(|id| !names.contains(id)) {
        return Err(broken(format!(
            "survivors.toml: there is no deviant `{stranger}`"
        )));
    }
    let also_broken = also_broken::built_in().map_err(broken)?;
    if let Some(stranger) = also_broken.keys().find(|id| !names.contains(id)) {
        return Err(broken(format!(
            "also_broken.toml: there is no deviant `{stranger}`"
        )));
    }
    let seed = args.seed();
    narrow(&mut catalogue, args, seed)?;
    let of_all = catalogue.deviants.iter().map(|deviant| &*deviant.id);
    let count = if args.whole_contract {
        usize::MAX
    } else {
        args.sample.map_or(0, usize::from)
    };
    let by_whole_contract = also_broken::sample(of_all, count);
    if args.list {
        return list(&listed(&catalogue), args.format);
    }
    let files = open_files::require(open_files::WITH_THE_REFERENCE)?;
    let program = program()?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = args.jobs.map_or(cores * JOBS_PER_CORE, usize::from).max(1);
    measured(args, catalogue.count(), |ending, shown| {
        let wanted = Wanted {
            manner: Manner {
                program,
                book: Arc::new(crate::steps::all()),
                seed,
                concurrency: CONCURRENCY,
                patience: None,
                ending,
            },
            jobs,
            files: files.saturating_sub(OPEN_FILES_OF_OUR_OWN),
            whole: args.is_whole(),
            by_whole_contract,
            also_broken,
            survivors,
        };
        measure::measure(contract, &catalogue, &wanted, shown)
    })
}

/// Leaves what is asked for.
fn narrow(catalogue: &mut Catalogue, args: &TeethArgs, seed: u64) -> Result<(), Failure> {
    args.known(|name| catalogue.alteration(name).is_some())?;
    let breaks = |deviant: &Deviant| args.asks_for(deviant.expected.iter());
    catalogue
        .deviants
        .retain(|deviant| args.names(&deviant.id) && breaks(deviant));
    let others = args.id.is_empty();
    catalogue
        .null_servers
        .retain(|other| others && args.names(&other.id));
    catalogue
        .correct_variants
        .retain(|other| others && args.names(&other.id));
    catalogue
        .habits
        .retain(|other| others && args.names(&other.id));
    if args.only.is_empty() && !args.list {
        habits::draw(&mut catalogue.habits, usize::from(args.habits), seed);
    }
    take_shard(catalogue, args);
    if catalogue.count() == 0 {
        return Err(args.nothing_left());
    }
    Ok(())
}

/// Leaves what belongs to the shard, if there is one.
fn take_shard(catalogue: &mut Catalogue, args: &TeethArgs) {
    let deviants = catalogue.deviants.iter();
    let shard = args.shard_of(deviants.map(|deviant| {
        let breaks = deviant.expected.first();
        (&*deviant.id, breaks.map_or("", String::as_str))
    }));
    catalogue.deviants.retain(|deviant| shard.has(&deviant.id));
    let others = [
        &mut catalogue.null_servers,
        &mut catalogue.correct_variants,
        &mut catalogue.habits,
    ];
    for others in others {
        let shard = args.shard_of(others.iter().map(|other| (&*other.id, "")));
        others.retain(|other| shard.has(&other.id));
    }
}

fn listed(catalogue: &Catalogue) -> Vec<Listed> {
    let deviants = catalogue.deviants.iter().map(|deviant| Listed {
        kind: "deviant",
        id: deviant.id.clone(),
        does: deviant.breaks.clone(),
        expected: deviant.expected.clone(),
    });
    let other = |kind: &'static str| {
        move |other: &Other| Listed {
            kind,
            id: other.id.clone(),
            does: other.does.clone(),
            expected: Vec::new(),
        }
    };
    let nulls = catalogue.null_servers.iter().map(other("null server"));
    let variants = catalogue.correct_variants.iter();
    let habits = catalogue.habits.iter();
    deviants
        .chain(nulls)
        .chain(variants.map(other("correct variant")))
        .chain(habits.map(other("legal habit")))
        .collect()
}
