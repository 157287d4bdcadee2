//! Hostile servers: endless, far too slow, far too much, or no HTTP at all. They are data (`fixtures/habits/hostile.toml`), each in the
//! place of a backend whose stores, log and doubles are there to be looked at; no MUST may pass. Never asks that backend.

use super::{Other, null_servers};
use crate::reference::altered::{Alteration, Instead};
use crate::tamper::abuse::Abuse;
use serde::Deserialize;
use std::sync::Arc;

const HOSTILE: &str = include_str!("../../../fixtures/habits/hostile.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    server: Vec<Server>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    /// Its name: lower-case words with hyphens.
    id: String,
    /// What it does, as a sentence about the backend.
    does: String,
    /// What it sends to whoever asks.
    sends: Abuse,
}

/// Every hostile server.
///
/// # Errors
/// What is wrong in the table.
pub fn all() -> Result<Vec<Other>, String> {
    let file: File = toml::from_str(HOSTILE).map_err(|error| format!("hostile.toml: {error}"))?;
    let servers = file.server.into_iter().map(|server| {
        let instead = Instead {
            abuse: server.sends,
            usual: null_servers::usual_status,
        };
        Other::new(
            &server.id,
            &server.does,
            Alteration {
                instead: Some(Arc::new(instead)),
                ..null_servers::idle()
            },
        )
    });
    Ok(servers.collect())
}
