//! `moltproof doctor`. Never judges, and changes nothing on a target that lives on.

use super::target::{Manner, TargetArgs, Terms, asked_to_go, runtime, seconds};
use super::{Failure, contract, put};
use crate::client::meter::Budget;
use crate::doctor::diagnose;
use crate::doctor::sarif::{self, Manifest};
use crate::doctor::text::{self, Length};
use crate::scrub;
use crate::verdict::Exit;
use clap::ValueEnum;
use std::path::Path;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof doctor --target moltproof.toml
  moltproof doctor --target https://staging.example --wait 30s
  moltproof doctor --verbose
  moltproof doctor --format json
  moltproof doctor --target moltproof.toml --format sarif > doctor.sarif";

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Wait this long for the target to answer, and to show the expected build, such as 30s.
    #[arg(long, env = "MOLTPROOF_WAIT", value_name = "TIME", value_parser = seconds, default_value = "0s")]
    wait: Duration,
    /// Form of the output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Tell everything: each capability, and each criterion that cannot be verified. Without it a diagnosis fits on a screen.
    #[arg(long, short, env = "MOLTPROOF_DOCTOR_VERBOSE")]
    verbose: bool,
}

/// Form of a diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For code scanning: each thing at the line of the manifest that it is about.
    Sarif,
}

/// The manifest that is named, if one is.
fn manifest(args: &DoctorArgs) -> Option<Manifest> {
    Manifest::at(Path::new(args.target.target.as_deref()?))
}

fn json<T: serde::Serialize>(told: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(told)
        .map(|text| text + "\n")
        .map_err(|error| Failure::fault(format!("cannot write the diagnosis: {error}")))
}

/// A manifest that cannot be read is told in the log, too.
fn told_unreadable(args: &DoctorArgs, failure: &Failure) -> Result<(), Failure> {
    if args.format != Format::Sarif || failure.exit != Exit::Usage {
        return Ok(());
    }
    let log = sarif::log_of_unreadable(&failure.message, manifest(args).as_ref());
    put(&scrub::clean_report(&json(&log)?))
}

impl DoctorArgs {
    fn length(&self) -> Length {
        if self.verbose {
            Length::Whole
        } else {
            Length::Screen
        }
    }

    /// What is meant, as `--target` has it.
    pub(super) fn target_named(&self) -> String {
        self.target.named()
    }
}

pub(super) fn doctor(args: &DoctorArgs) -> Result<Exit, Failure> {
    let contract = contract()?;
    runtime()?.block_on(async {
        let terms = Terms {
            manner: Manner::Look,
            budget: Budget::default(),
            wait: args.wait,
            must_answer: false,
            quiet: true,
            api_worker: false,
        };
        let opened = match args.target.open(terms).await {
            Ok(opened) => opened,
            Err(failure) => {
                told_unreadable(args, &failure)?;
                return Err(failure);
            }
        };
        let found = tokio::select! {
            found = diagnose(&opened.client, &opened.target, &contract, args.wait) => Ok(found),
            asked = asked_to_go() => Err(asked),
        };
        opened.target.end().await;
        let found = found.map_err(|asked| Failure {
            exit: Exit::of(asked),
            message: format!("ended by {}", asked.words()),
        })?;
        let told = match args.format {
            Format::Text => text::render(&found, args.length()),
            Format::Json => json(&found)?,
            Format::Sarif => json(&sarif::log(&found, manifest(args).as_ref()))?,
        };
        put(&scrub::clean_report(&told))?;
        Ok(found.exit())
    })
}
