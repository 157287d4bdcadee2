//! `moltproof vectors`. Never uses code of the reference: the ids come from the harness's own oracle.

use super::{Failure, Format, put};
use crate::oracle::sandbox_id;
use crate::verdict::Exit;
use std::fmt::Write as _;

/// The published vectors, made independently of this project's code.
const PUBLISHED: &str = include_str!("../../../fixtures/sandbox_ids.json");

pub(super) const EXAMPLES: &str = "Examples:
  moltproof vectors
  moltproof vectors 123e4567-e89b-12d3-a456-426614174000
  moltproof vectors --format json";

/// Options of `vectors`.
#[derive(Debug, clap::Args)]
pub(super) struct VectorsArgs {
    /// Tenant ids (UUIDs in any usual form); without any, the published vectors.
    ids: Vec<String>,
    /// Form of the output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn vectors(args: &VectorsArgs) -> Result<Exit, Failure> {
    if args.ids.is_empty() && args.format == Format::Json {
        put(PUBLISHED)?;
        return Ok(Exit::Conforms);
    }
    let pairs = if args.ids.is_empty() {
        published()?
    } else {
        given(&args.ids)?
    };
    let text = match args.format {
        Format::Json => {
            let list: Vec<_> = pairs
                .iter()
                .map(|(id, sandbox)| serde_json::json!({ "tenant_id": id, "sandbox_id": sandbox }))
                .collect();
            format!("{:#}\n", serde_json::json!({ "vectors": list }))
        }
        Format::Text => pairs.iter().fold(String::new(), |mut text, (id, sandbox)| {
            let _infallible = writeln!(text, "{id}  {sandbox}");
            text
        }),
    };
    put(&text)?;
    Ok(Exit::Conforms)
}

fn published() -> Result<Vec<(String, String)>, Failure> {
    let broken = || Failure::fault("the published vectors are not readable");
    let value: serde_json::Value = serde_json::from_str(PUBLISHED).map_err(|_invalid| broken())?;
    let list = value["vectors"].as_array().ok_or_else(broken)?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned).ok_or_else(broken);
    list.iter()
        .map(|vector| Ok((text(&vector["tenant_id"])?, text(&vector["sandbox_id"])?)))
        .collect()
}

fn given(ids: &[String]) -> Result<Vec<(String, String)>, Failure> {
    ids.iter()
        .map(|id| {
            let uuid = uuid::Uuid::try_parse(id).map_err(|_invalid| {
                Failure::usage(format!(
                    "`{id}` is no UUID; write it as 123e4567-e89b-12d3-a456-426614174000"
                ))
            })?;
            let canonical = uuid.hyphenated().to_string();
            let sandbox = sandbox_id::expected(&canonical);
            Ok((canonical, sandbox))
        })
        .collect()
}
