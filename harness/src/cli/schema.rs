//! `moltproof schema`: the JSON Schemas of what people write for the harness and of what it writes for programs. Never reads either.

use super::{Failure, put};
use crate::report::{Report, SCHEMA_VERSION};
use crate::subject::manifest::Manifest;
use crate::verdict::Exit;
use clap::ValueEnum;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof schema > manifest.schema.json";

/// Options of `schema`.
#[derive(Debug, clap::Args)]
pub(super) struct SchemaArgs {
    /// Whose schema.
    #[arg(value_enum, default_value_t = Subject::Manifest)]
    subject: Subject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// The target manifest.
    Manifest,
    /// The JSON report.
    Report,
}

/// By this title a schema of manifests is known.
pub(super) const MANIFEST_TITLE: &str = "Moltproof target manifest";

pub(super) fn schema(args: &SchemaArgs) -> Result<Exit, Failure> {
    match args.subject {
        Subject::Manifest => put(&manifest())?,
        Subject::Report => put(&report())?,
    }
    Ok(Exit::Conforms)
}

/// The JSON Schema of the target manifest, as `fixtures/schemas/manifest.schema.json` holds it.
pub(super) fn manifest() -> String {
    let mut schema = schemars::schema_for!(Manifest);
    schema.insert("title".to_owned(), MANIFEST_TITLE.into());
    format!("{:#}\n", schema.to_value())
}

/// The JSON Schema of the JSON report, as `fixtures/schemas/report.schema.json` holds it.
pub(super) fn report() -> String {
    let mut schema = schemars::schema_for!(Report);
    schema.insert("title".to_owned(), "Moltproof JSON report".into());
    schema.insert(
        "$id".to_owned(),
        format!("urn:moltproof:report:{SCHEMA_VERSION}").into(),
    );
    format!("{:#}\n", schema.to_value())
}
