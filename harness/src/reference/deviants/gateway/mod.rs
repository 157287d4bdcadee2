//! Backends that call models in another way. Never breaks more than one thing at a time.

mod answers;
mod attempts;
mod callers;
mod crossing;
mod key;
mod later_tries;
mod phases;
mod rubric;
mod streams;
mod tiers;
mod timeouts;

use super::{Draft, deviant};
use crate::tamper::Ask;
use serde_json::Value;

/// The header of the metadata of a model call.
const METADATA: &str = "cf-aig-metadata";

/// The metadata of a model call; null if there are none.
fn metadata(ask: &Ask) -> Value {
    serde_json::from_str(ask.header(METADATA).unwrap_or_default()).unwrap_or_default()
}

pub(super) fn all() -> Vec<Draft> {
    let parts = [
        answers::all(),
        attempts::all(),
        callers::all(),
        crossing::all(),
        key::all(),
        later_tries::all(),
        phases::all(),
        streams::all(),
        tiers::all(),
        timeouts::all(),
    ];
    parts.into_iter().flatten().collect()
}
