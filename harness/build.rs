//! Embeds features, deviants, advice and the reference's patterns (`features/**/*.feature`, `fixtures/deviants/*.toml`, `fixtures/explain/*.toml`,
//! `migrations/patterns`) so that the binary needs no file. Never looks into them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    embed("features", "feature", "pub static FEATURES")?;
    embed("fixtures/deviants", "toml", "static DEVIANTS")?;
    embed("fixtures/explain", "toml", "static ADVICE")?;
    embed("migrations/patterns", "sql", "static PATTERNS")?;
    embed("migrations/patterns", "toml", "static PATTERN_CLAIMS")
}

/// Writes a table of path and text of every file below a folder of the repository, as the item of this name.
fn embed(folder: &str, ending: &str, item: &str) -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    walk(&root, ending, &mut files)?;
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

fn walk(folder: &Path, ending: &str, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, ending, files)?;
        } else if path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
    Ok(())
}
