//! Deviants that are data: `fixtures/deviants/*.toml`. Never guesses: what a file does not spell correctly is an error.

use super::{Deviant, Kind};
use crate::reference::altered::{Alteration, Edit};
use crate::tamper::rule::Rule;
use serde::Deserialize;
use std::sync::Arc;

include!(concat!(env!("OUT_DIR"), "/deviants.rs"));

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    deviant: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    breaks: String,
    expected: Vec<String>,
    #[serde(default)]
    caller: Vec<Rule>,
    #[serde(default)]
    gateway: Vec<Rule>,
    #[serde(default)]
    schema: Vec<Edit>,
}

/// The deviants of the files that are built in.
pub(super) fn read() -> Result<Vec<Deviant>, String> {
    let mut all = Vec::new();
    // The list of what deviants truly break beside their criteria lies beside them, and is none of them.
    let deviants = DEVIANTS
        .iter()
        .filter(|(path, _)| !path.ends_with("/also_broken.toml"));
    for (path, text) in deviants {
        let file: File = toml::from_str(text).map_err(|error| format!("{path}: {error}"))?;
        for entry in file.deviant {
            all.push(entry.made().map_err(|why| format!("{path}: {why}"))?);
        }
    }
    Ok(all)
}

impl Entry {
    fn made(self) -> Result<Deviant, String> {
        let on_the_wire = !self.caller.is_empty() || !self.gateway.is_empty();
        let kind = match (on_the_wire, self.schema.is_empty()) {
            (true, true) => Kind::Wire,
            (false, false) => Kind::Schema,
            (false, true) => return Err(format!("`{}` changes nothing", self.id)),
            (true, false) => return Err(format!("`{}` changes wire and schema", self.id)),
        };
        let alteration = Alteration {
            name: self.id.clone(),
            caller: self.caller,
            gateway: self.gateway,
            schema: self.schema,
            ..Alteration::default()
        };
        alteration
            .migrations()
            .map_err(|why| format!("`{}`: {why}", self.id))?;
        Ok(Deviant {
            id: self.id,
            breaks: self.breaks,
            expected: self.expected,
            kind,
            alteration: Arc::new(alteration),
        })
    }
}
