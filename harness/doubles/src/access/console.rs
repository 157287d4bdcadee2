//! The team domain's own addresses: keys, rotation, outage. It never shows a private key.

use serde_json::{Value, json};

use super::{KeyName, KeySetMode, lock, server::Shared};
use crate::{
    console::{Told, parameter},
    wire::Received,
};

const KNOWN: [&str; 5] = [
    "GET /__moltproof/keys",
    "POST /__moltproof/rotate",
    "POST /__moltproof/retire?kid=KID (without it: all keys but the current one)",
    "POST /__moltproof/outage?as=unavailable|closed|hanging",
    "DELETE /__moltproof/outage",
];

/// What one of the addresses answers, once it has done what it is for.
pub(super) fn answer(shared: &Shared, path: &str, received: &Received) -> Told {
    match (received.method.as_str(), path) {
        ("GET", "keys") => Told::ok(state(shared)),
        ("POST", "rotate") => {
            let rotated = lock(&shared.keys).rotate_in();
            match rotated {
                Ok(_new) => kept(shared),
                Err(error) => Told::failed(error.to_string()),
            }
        }
        ("POST", "retire") => retire(shared, parameter(received, "kid")),
        ("POST", "outage") => {
            let wanted = parameter(received, "as");
            match mode(wanted.as_deref().unwrap_or("unavailable")) {
                Some(mode) => {
                    shared.mode.send_replace(mode);
                    Told::ok(state(shared))
                }
                None => Told::invalid("`as` is none of: unavailable, closed, hanging"),
            }
        }
        ("DELETE", "outage") => {
            shared.mode.send_replace(KeySetMode::Reachable);
            Told::ok(state(shared))
        }
        _ => Told::unknown(&KNOWN),
    }
}

fn retire(shared: &Shared, kid: Option<String>) -> Told {
    {
        let mut keys = lock(&shared.keys);
        let current = keys.current();
        let going = match kid {
            Some(kid) => vec![KeyName::of(&kid)],
            None => keys
                .list()
                .into_iter()
                .map(|(kid, _)| kid)
                .filter(|kid| *kid != current)
                .collect(),
        };
        let named = going.len() == 1;
        let retired = going.iter().filter(|kid| keys.rotate_out(kid)).count();
        if named && retired == 0 {
            return Told::invalid(
                "no published key has that kid; GET /__moltproof/keys lists them",
            );
        }
    }
    kept(shared)
}

/// Keeps the keys as they are now: tokens minted elsewhere are signed with what is kept.
fn kept(shared: &Shared) -> Told {
    match shared.keep() {
        Ok(()) => Told::ok(state(shared)),
        Err(error) => Told::failed(format!("the keys changed, but cannot be kept: {error}")),
    }
}

fn state(shared: &Shared) -> Value {
    let keys = lock(&shared.keys);
    let list: Vec<Value> = keys
        .list()
        .into_iter()
        .map(|(kid, published)| json!({"kid": kid.as_str(), "published": published}))
        .collect();
    let mode = *shared.mode.borrow();
    json!({
        "current": keys.current().as_str(),
        "keys": list,
        "key_set": word(mode),
        "fetches": shared.fetches.load(std::sync::atomic::Ordering::SeqCst),
    })
}

fn word(mode: KeySetMode) -> &'static str {
    match mode {
        KeySetMode::Reachable => "reachable",
        KeySetMode::Closed => "closed",
        KeySetMode::Unavailable => "unavailable",
        KeySetMode::Hanging => "hanging",
    }
}

fn mode(word: &str) -> Option<KeySetMode> {
    match word {
        "closed" => Some(KeySetMode::Closed),
        "unavailable" => Some(KeySetMode::Unavailable),
        "hanging" => Some(KeySetMode::Hanging),
        _ => None,
    }
}
