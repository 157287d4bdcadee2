//! The report as JSON. Never leaves a half-written file.

use super::Report;
use std::io::{self, Write};
use std::path::Path;

/// The report as one pretty-printed JSON document with a final line break.
///
/// # Errors
/// When the report cannot be serialised.
pub fn render(report: &Report) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Writes a file whole or not at all, making its folder if need be. What is there and is no file, such as `/dev/stdout`, is written to:
/// a file in its place would be a surprise to everybody else who uses it.
///
/// # Errors
/// What the file system says.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return std::fs::OpenOptions::new()
            .write(true)
            .open(path)?
            .write_all(bytes);
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
