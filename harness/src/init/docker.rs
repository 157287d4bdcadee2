//! Whether containers can be built and started on this machine. Never starts one.

use std::process::{Command, Stdio};

/// Whether a Docker daemon answers, asked as wrangler asks.
#[must_use]
pub fn is_there() -> bool {
    let asked = Command::new("docker")
        .arg("info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}
