//! What `--version` tells: the program's version, what it was built from, and the contract it holds. Never asks git, or the network.

use crate::contract::Contract;
use std::ffi::OsString;
use std::fmt::Write as _;

/// What the program was built from; only the program itself knows it, not this library.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// The commit, 40 hexadecimal digits, with `-dirty` behind them where the source had been changed; `None` if the build was not told.
    pub commit: Option<&'static str>,
    /// Target triple, such as `x86_64-unknown-linux-musl`.
    pub target: &'static str,
}

/// The lines of `--version`, if these arguments ask for them: the digest takes the whole contract to be read.
pub(super) fn told(args: &[OsString], build: Build) -> Option<String> {
    let mut before_rest = args.iter().take_while(|word| *word != "--");
    before_rest
        .any(|word| word == "--version")
        .then(|| lines(build))
}

fn lines(build: Build) -> String {
    let mut text = env!("CARGO_PKG_VERSION").to_owned();
    let commit = build
        .commit
        .filter(|commit| !commit.is_empty())
        .unwrap_or("unknown");
    let _infallible = write!(text, "\ncommit:   {commit}\ncontract: ");
    match Contract::embedded() {
        Ok(contract) => {
            let _infallible = write!(text, "{}, sha256:{}", contract.version, contract.digest());
        }
        Err(error) => {
            let _infallible = write!(text, "malformed: {error}");
        }
    }
    let _infallible = write!(text, "\ntarget:   {}", build.target);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD: Build = Build {
        commit: None,
        target: "x86_64-unknown-linux-musl",
    };

    #[test]
    fn a_build_that_was_not_told_its_commit_says_unknown() {
        assert!(lines(BUILD).contains("\ncommit:   unknown\n"));
        let empty = Build {
            commit: Some(""),
            ..BUILD
        };
        assert!(lines(empty).contains("\ncommit:   unknown\n"));
    }

    #[test]
    fn a_build_that_was_told_its_commit_says_it() {
        let told = Build {
            commit: Some("0123abc-dirty"),
            ..BUILD
        };
        assert!(lines(told).contains("\ncommit:   0123abc-dirty\n"));
    }

    #[test]
    fn the_contract_is_told_as_reports_tell_it() {
        let contract = Contract::embedded().unwrap();
        let line = format!(
            "\ncontract: {}, sha256:{}\n",
            contract.version,
            contract.digest()
        );
        assert!(lines(BUILD).contains(&line));
    }

    #[test]
    fn only_the_long_option_before_two_dashes_asks_for_the_lines() {
        let asked = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            told(&words, BUILD).is_some()
        };
        assert!(asked(&["moltproof", "--version"]));
        assert!(asked(&["moltproof", "run", "--version"]));
        assert!(!asked(&["moltproof", "-V"]));
        assert!(!asked(&[
            "moltproof",
            "supervise",
            "--",
            "node",
            "--version"
        ]));
    }
}
