//! A folder of migrations, in the order in which wrangler applies them. Never reads a sub-folder's files as migrations of its own.

use super::{Kind, Source, Unusable};
use crate::text::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The migrations of a folder.
///
/// # Errors
/// [`Unusable::Unreadable`], [`Unusable::NoMigrations`].
pub fn folder(path: &Path) -> Result<Source, Unusable> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| Unusable::Unreadable { path, source }
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable(path))? {
        let file = entry.map_err(unreadable(path))?.path();
        if file.extension().is_some_and(|ending| ending == "sql") && file.is_file() {
            let bytes = std::fs::read(&file).map_err(unreadable(&file))?;
            files.push(named(&file, &bytes));
        }
    }
    if files.is_empty() {
        return Err(Unusable::NoMigrations {
            path: path.to_owned(),
        });
    }
    files.sort_by(|a, b| order(&a.name).cmp(&order(&b.name)));
    Ok(Source {
        shown: path.display().to_string(),
        files,
        kind: Kind::Migrations,
        applied: None,
    })
}

fn named(path: &Path, bytes: &[u8]) -> File {
    let text = String::from_utf8_lossy(bytes);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    File {
        name: name.into_owned(),
        path: PathBuf::from(path),
        text: Arc::from(text.strip_prefix('\u{feff}').unwrap_or(&text)),
    }
}

/// The leading integer, so that 9 comes before 0010, then the name; names without a number come last.
fn order(name: &str) -> (u128, &str) {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    (name[..digits].parse().unwrap_or(u128::MAX), name)
}
