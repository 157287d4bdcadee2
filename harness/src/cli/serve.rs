//! `moltproof serve`: a reference as a server. Never judges anything.

use super::Failure;
use crate::contract::profile::Profile;
use crate::reference::{self, api_worker};
use std::process::ExitCode;

const EXAMPLES: &str = "Examples:
  moltproof serve
  moltproof serve --listen 127.0.0.1:0
  API_DB=api.sqlite moltproof serve --profile api-worker";

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub(super) struct ServeOptions {
    /// Which reference: core, the backend of Phase 1; api-worker, the API worker, whose database is brought up to date first.
    #[arg(long, env = "MOLTPROOF_SERVE_PROFILE", value_name = "PROFILE", default_value_t = Profile::Core)]
    profile: Profile,
    #[command(flatten)]
    served: reference::ServeArgs,
}

pub(super) fn serve(args: &ServeOptions) -> Result<ExitCode, Failure> {
    match args.profile {
        Profile::Core => Ok(reference::serve(&args.served)),
        Profile::ApiWorker => Ok(api_worker::serve(&args.served)),
        Profile::Data => Err(Failure::usage(
            "a database is no server: `moltproof serve` serves core or api-worker",
        )),
    }
}

/// What stands below the help, after what the reference itself tells there.
pub(super) fn after_help(told: &str) -> String {
    let own = api_worker::variables_help();
    format!(
        "{told}\n\nVariables of --profile api-worker, beside those of Access and AI Gateway:\n{own}\n{EXAMPLES}"
    )
}
