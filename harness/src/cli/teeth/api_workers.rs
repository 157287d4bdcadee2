//! `moltproof teeth --profile api-worker`: what the profile `api-worker` catches. Never measures Workers of the core contract.

use super::{Listed, TeethArgs, list, measured};
use crate::cli::itself::program;
use crate::cli::{Failure, open_files};
use crate::contract::Contract;
use crate::teeth::api_workers::{self, Backend, Catalogue, Wanted};
use crate::verdict::Exit;

/// Trials side by side for each core.
const JOBS_PER_CORE: usize = 3;
/// Open files that a trial may need: it judges 155 sentences at once, each with both ends of its connections to interceptor and worker.
const OPEN_FILES_PER_JOB: usize = 1_024;

pub(super) fn teeth(args: &TeethArgs, contract: &Contract) -> Result<Exit, Failure> {
    let mut catalogue = Catalogue::built_in(contract)
        .map_err(|error| Failure::fault(format!("the catalogue is malformed: {error}")))?;
    narrow(&mut catalogue, args)?;
    if args.list {
        return list(&listed(&catalogue), args.format);
    }
    let files = open_files::raised();
    let program = program()?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = args.jobs.map_or(cores * JOBS_PER_CORE, usize::from);
    measured(args, catalogue.all().count(), |ending, shown| {
        let wanted = Wanted {
            program,
            seed: args.seed(),
            jobs: jobs.min(files / OPEN_FILES_PER_JOB).max(1),
            whole: args.is_whole(),
            ending,
        };
        api_workers::measure(contract, &catalogue, &wanted, shown)
    })
}

/// Leaves what is asked for.
fn narrow(catalogue: &mut Catalogue, args: &TeethArgs) -> Result<(), Failure> {
    args.known(|name| catalogue.all().any(|one| one.id == name))?;
    catalogue
        .deviants
        .retain(|one| args.names(&one.id) && args.asks_for(one.expected.iter()));
    let is_wanted = |one: &Backend| args.id.is_empty() && args.names(&one.id);
    catalogue.null_servers.retain(is_wanted);
    catalogue.correct_variants.retain(is_wanted);
    let lists = [
        &mut catalogue.deviants,
        &mut catalogue.null_servers,
        &mut catalogue.correct_variants,
    ];
    for list in lists {
        let shard = args.shard_of(list.iter().map(|one| {
            let breaks = one.expected.first();
            (&*one.id, breaks.map_or("", String::as_str))
        }));
        list.retain(|one| shard.has(&one.id));
    }
    if catalogue.all().next().is_none() {
        return Err(args.nothing_left());
    }
    Ok(())
}

fn listed(catalogue: &Catalogue) -> Vec<Listed> {
    let listed = |kind: &'static str| {
        move |one: &Backend| Listed {
            kind,
            id: one.id.clone(),
            does: one.does.clone(),
            expected: one.expected.clone(),
        }
    };
    let nulls = catalogue.null_servers.iter().map(listed("null server"));
    let variants = catalogue
        .correct_variants
        .iter()
        .map(listed("correct variant"));
    let deviants = catalogue.deviants.iter().map(listed("deviant"));
    deviants.chain(nulls).chain(variants).collect()
}
