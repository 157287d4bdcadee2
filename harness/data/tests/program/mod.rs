//! The program as a user starts it: built once, run with arguments, its output caught. Never judges what it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// `db` alone, newly built.
pub(crate) fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // For the whole workspace: for one package the libraries have other features, and would all be built a second time.
        let built = Command::new(env!("CARGO"))
            .args(["build", "-q", "--workspace", "--example", "db"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "the example is not built: {said}");
        let own = std::env::current_exe().unwrap();
        own.ancestors().nth(2).unwrap().join("examples/db")
    })
}

/// Runs it in a folder, 80 columns wide.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(program())
        .args(arguments)
        .current_dir(folder)
        .env("COLUMNS", "80")
        .output()
        .unwrap();
    Ran::of(&output)
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}
