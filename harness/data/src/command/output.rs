//! Where reports go: standard output, or a file that is whole or not there. Never leaves half a file.

use super::Failed;
use std::io::Write as _;
use std::path::Path;

/// Columns of a text where the width of the terminal is not known.
const WIDTH: usize = 100;

/// Writes a report to a file, or to standard output.
pub(super) fn put(text: &str, file: Option<&Path>) -> Result<(), Failed> {
    let Some(file) = file else {
        let mut out = anstream::stdout();
        return match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // Whoever reads has read enough (`| head`).
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome.map_err(|error| Failed::fault(format!("cannot write: {error}"))),
        };
    };
    let unwritable =
        |error: std::io::Error| Failed::usage(format!("cannot write {}: {error}", file.display()));
    // A device or a pipe is written to as it is; a file comes into being whole.
    if file.exists() && !file.is_file() {
        return std::fs::write(file, text).map_err(unwritable);
    }
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = file.with_file_name(name);
    std::fs::write(&part, text).map_err(unwritable)?;
    std::fs::rename(&part, file).map_err(unwritable)
}

/// Columns of the terminal; `COLUMNS` goes before what it says itself.
pub(super) fn width() -> usize {
    let told = std::env::var_os("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
    told.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)))
        .map_or(WIDTH, |width: usize| width.clamp(60, 120))
}
