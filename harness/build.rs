//! Embeds features, deviants of Workers, of API workers and of databases, advice and the reference's patterns (`features/**/*.feature`, `fixtures/deviants/*.toml`,
//! `fixtures/api-worker-deviants/*.toml`, `fixtures/data`, `fixtures/explain/*.toml`, `migrations/patterns`, `migrations/api-worker`) so that the binary needs no file, and says what it is built for.
//! Never looks into them, and never asks git.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The parts of `fixtures/data` that `moltproof teeth` measures by; a list of deviants that are not found yet may be gone.
const DATABASES: [&str; 3] = ["correct", "deviants", "not_found_yet"];

fn main() -> io::Result<()> {
    describe();
    embed("features", &[""], &["feature"], "pub static FEATURES")?;
    embed("fixtures/deviants", &[""], &["toml"], "static DEVIANTS")?;
    embed(
        "fixtures/api-worker-deviants",
        &[""],
        &["toml"],
        "static API_WORKER_LAYERS",
    )?;
    embed("fixtures/explain", &[""], &["toml"], "static ADVICE")?;
    embed("migrations/patterns", &[""], &["sql"], "static PATTERNS")?;
    embed(
        "migrations/patterns",
        &[""],
        &["toml"],
        "static PATTERN_CLAIMS",
    )?;
    embed(
        "migrations/api-worker",
        &[""],
        &["sql"],
        "static API_WORKER_FILES",
    )?;
    let endings = ["md", "sql", "toml", "tsv"];
    embed("fixtures/data", &DATABASES, &endings, "static DATABASES")
}

/// What `--version` tells beside the commit that the variable `MOLTPROOF_BUILD_COMMIT` names.
fn describe() {
    let target = env::var_os("TARGET").unwrap_or_else(|| "unknown".into());
    println!(
        "cargo::rustc-env=MOLTPROOF_BUILD_TARGET={}",
        target.display()
    );
    // A checkout that `cargo install --git` has made stays at its commit. In a work tree every commit would compile everything anew.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if root.join(".cargo-ok").is_file()
        && let Some(commit) = commit_of(&root.join(".git"))
    {
        println!("cargo::rustc-env=MOLTPROOF_BUILD_CHECKOUT={commit}");
    }
}

/// The commit that is checked out, as the files in `.git` name it.
fn commit_of(git: &Path) -> Option<String> {
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(name) = head.trim().strip_prefix("ref: ") else {
        return Some(head.trim().to_owned());
    };
    if let Ok(commit) = fs::read_to_string(git.join(name)) {
        return Some(commit.trim().to_owned());
    }
    let packed = fs::read_to_string(git.join("packed-refs")).ok()?;
    let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
    lines
        .find(|(_, of)| *of == name)
        .map(|(commit, _)| commit.to_owned())
}

/// Writes a table of path and text of every file with one of these endings in parts of a folder of the repository, as the item of this name.
fn embed(folder: &str, parts: &[&str], endings: &[&str], item: &str) -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    for part in parts.iter().map(|part| root.join(part)) {
        if part.is_dir() {
            walk(&part, endings, &mut files)?;
        }
    }
    files.sort();
    let mut code =
        format!("/// Path and text of every file in `{folder}`.\n{item}: &[(&str, &str)] = &[\n");
    for file in &files {
        let name = file
            .strip_prefix(&root)
            .unwrap_or(file)
            .to_string_lossy()
            .replace('\\', "/");
        let absolute = fs::canonicalize(file)?;
        let path = format!("{folder}/{name}");
        writeln!(
            code,
            "    ({path:?}, include_str!({:?})),",
            absolute.display().to_string()
        )
        .map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    let out = env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .ok_or(io::ErrorKind::NotFound)?;
    let name = item.rsplit(' ').next().unwrap_or(item).to_lowercase();
    fs::write(out.join(format!("{name}.rs")), code)
}

fn walk(folder: &Path, endings: &[&str], files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, endings, files)?;
        } else if endings
            .iter()
            .any(|ending| path.extension().is_some_and(|found| found == *ending))
        {
            files.push(path);
        }
    }
    Ok(())
}
