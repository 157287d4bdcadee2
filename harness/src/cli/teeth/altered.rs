//! `moltproof serve-altered`: one backend of the catalogue as a server: what `teeth` stops and kills, and what somebody wants to see break.
//! Never judges it.

use crate::catalogue::Catalogue;
use crate::cli::target::runtime;
use crate::cli::{Failure, contract, say};
use crate::contract::profile::Profile;
use crate::reference::{ServeArgs, altered};
use crate::teeth::api_workers::{self, Unserved};
use std::process::ExitCode;

/// Options of the hidden verb `serve-altered`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct AlteredArgs {
    /// Which backend of the catalogue: `moltproof teeth --list` tells them, with `--profile api-worker` those of API workers.
    name: String,
    /// Of which reference: core, the backend of Phase 1; api-worker, the API worker.
    #[arg(long, env = "MOLTPROOF_SERVE_PROFILE", value_name = "PROFILE", default_value_t = Profile::Core)]
    profile: Profile,
    #[command(flatten)]
    serve: ServeArgs,
}

/// Serves the reference with something else put in.
pub(in crate::cli) fn serve_altered(args: &AlteredArgs) -> ExitCode {
    let served = match args.profile {
        Profile::Core => backend(args),
        Profile::ApiWorker => api_worker(args),
        Profile::Data => Err(Failure::usage(
            "a database is no server: `moltproof serve-altered` serves backends of core and api-worker",
        )),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("moltproof: {}", failure.message));
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn backend(args: &AlteredArgs) -> Result<(), Failure> {
    let contract = contract()?;
    let catalogue = Catalogue::built_in(&contract);
    let catalogue = catalogue.map_err(|error| Failure::fault(error.to_string()))?;
    let alteration = catalogue.alteration(&args.name);
    let alteration = alteration.ok_or_else(|| unknown(args))?;
    runtime()?
        .block_on(altered::serve(&alteration, &args.serve))
        .map_err(Failure::fault)
}

fn api_worker(args: &AlteredArgs) -> Result<(), Failure> {
    let contract = contract()?;
    let catalogue = api_workers::Catalogue::built_in(&contract);
    let catalogue = catalogue.map_err(|error| Failure::fault(error.to_string()))?;
    let backend = catalogue.all().find(|one| one.id == args.name);
    let backend = backend.ok_or_else(|| unknown(args))?;
    let served = runtime()?.block_on(backend.serve(args.serve.listen));
    served.map_err(|unserved| match unserved {
        Unserved::DataLayer(_) | Unserved::OnlyJudged(_) => Failure::usage(unserved.to_string()),
        Unserved::Failed(why) => Failure::fault(why),
    })
}

fn unknown(args: &AlteredArgs) -> Failure {
    let profile = match args.profile {
        Profile::Core | Profile::Data => "",
        Profile::ApiWorker => " --profile api-worker",
    };
    Failure::usage(format!(
        "there is no backend `{}`: `moltproof teeth{profile} --list` tells those that there are",
        args.name
    ))
}
