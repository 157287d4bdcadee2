//! Judges every deviant of the data layer by every criterion that looks at what it changed, and tells what was said of each. Never starts an API worker.

#![expect(
    clippy::unwrap_used,
    reason = "a program for this repository, which holds what it reads"
)]

#[path = "../tests/deviants/catalogue.rs"]
mod catalogue;
#[path = "../tests/deviants/judging.rs"]
mod judging;
#[path = "../tests/deviants/route.rs"]
mod route;
#[path = "../tests/deviants/runner.rs"]
mod runner;
#[path = "../tests/deviants/target.rs"]
mod target;

use catalogue::Catalogue;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let catalogue = Catalogue::read();
    let mut out = std::io::stdout().lock();
    let mut wrong = 0;
    let mut judged = judging::all(&catalogue.deviants, 1);
    judged.extend(judging::all(&catalogue.variants, 1));
    for (entry, said) in &judged {
        let blamed: BTreeSet<&str> = said.blamed.keys().copied().collect();
        let wanted: BTreeSet<&str> = entry.criteria.iter().map(String::as_str).collect();
        let is_right = blamed == wanted && said.faults.is_empty();
        wrong += usize::from(!is_right);
        let mark = if is_right { "ok   " } else { "WRONG" };
        writeln!(
            out,
            "{mark} {}, {} sentences hold",
            entry.id,
            said.held.len()
        )
        .unwrap();
        for (criterion, seen) in &said.blamed {
            writeln!(out, "      {criterion} {seen}").unwrap();
        }
        for seen in said.faults.iter().chain(&said.unmet) {
            writeln!(out, "      {seen}").unwrap();
        }
    }
    writeln!(out, "{} entries, {wrong} wrong", judged.len()).unwrap();
    if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
