//! Holds the observers of a manifest's D1 and KV against a server that really runs: `observers_live MANIFEST MOLTPROOF`. Never judges a contract.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a check that cannot set itself up has failed, and says so to whoever started it"
)]

#[path = "../tests/observers/duties.rs"]
mod duties;

use duties::{SCHEMA, d1_does_its_duty, kv_does_its_duty, kv_keeps_metadata};
use moltproof::client::Client;
use moltproof::clock;
use moltproof::contract::need::Variant;
use moltproof::subject::Target as _;
use moltproof::subject::launched::LaunchedTarget;
use moltproof::subject::manifest::Manifest;
use std::path::PathBuf;

#[tokio::main]
async fn main() {
    let mut words = std::env::args().skip(1);
    let (manifest, program) = (words.next(), words.next());
    let Some((manifest, program)) = manifest.zip(program) else {
        println!("{SCHEMA}");
        return;
    };
    let manifest = Manifest::read(&PathBuf::from(manifest)).unwrap();
    let name = manifest.name.clone();
    let target =
        LaunchedTarget::start(manifest, PathBuf::from(program), Client::new().unwrap()).unwrap();
    let instance = target.instance(Variant::Production).await;
    let instance = instance.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let began = clock::now();
    // Observed on a task of its own, so that the server is ended whatever comes of it.
    let looking = tokio::spawn(async move {
        if let Some(d1) = &instance.d1 {
            d1_does_its_duty(d1.as_ref()).await;
        }
        if let Some(kv) = &instance.kv {
            kv_does_its_duty(kv.as_ref()).await;
            kv_keeps_metadata(kv.as_ref()).await;
        }
        (instance.d1.is_some(), instance.kv.is_some())
    });
    let seen = looking.await;
    target.end().await;
    let (d1, kv) = seen.unwrap();
    assert!(d1 || kv, "{name}: nothing to observe");
    println!("{name}: d1 {d1}, kv {kv}, {:.1?}", began.elapsed());
}
