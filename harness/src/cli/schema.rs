//! `moltproof schema`: the JSON Schema of what people write for the harness. Never reads what they wrote.

use super::{Failure, put};
use crate::target::manifest::Manifest;
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
}

pub(super) fn schema(args: &SchemaArgs) -> Result<Exit, Failure> {
    match args.subject {
        Subject::Manifest => put(&manifest())?,
    }
    Ok(Exit::Conforms)
}

/// The JSON Schema of the target manifest, as `fixtures/schemas/manifest.schema.json` holds it.
pub(super) fn manifest() -> String {
    let mut schema = schemars::schema_for!(Manifest);
    schema.insert("title".to_owned(), "Moltproof target manifest".into());
    format!("{:#}\n", schema.to_value())
}
