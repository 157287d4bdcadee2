//! Prints what each scenario makes use of on the reference, as `fixtures/uses.tsv` holds it: `moltproof doctor` counts by it. Never judges.
//!
//! ```text
//! cargo build -p moltproof
//! cargo run -p moltproof --example uses -- target/debug/moltproof > fixtures/uses.tsv
//! ```

use moltproof::contract::select::Selection;
use moltproof::suite::Suite;
use std::collections::BTreeMap;
use std::io::Write as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let program = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "moltproof".to_owned());
    let judged = Suite::builder()
        .reference()
        .program(program)
        .select(Selection::default())
        .seed(1)
        .block()?;
    let mut by_place: BTreeMap<(String, String), String> = BTreeMap::new();
    for ended in judged.ended {
        let words: Vec<String> = ended.captured.uses.into_iter().collect();
        let place = (ended.planned.feature.clone(), ended.planned.name.clone());
        by_place.insert(place, words.join(" "));
    }
    let mut out = std::io::stdout().lock();
    for ((feature, name), words) in by_place {
        writeln!(out, "{feature}\t{name}\t{words}")?;
    }
    Ok(())
}
