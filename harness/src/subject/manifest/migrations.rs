//! How migrations of a described target are applied. Never applies one.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// How to apply migrations.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Migrations {
    /// The target's own migrations, relative to the manifest.
    pub folder: PathBuf,
    /// Applies the files of `{folder}` to the database kept below `{state}`, in the launch folder. `{config}` is a file with the text of `config`.
    pub command: Vec<String>,
    /// Text of a configuration file that the command reads; `{folder}` stands for the folder of files.
    pub config: Option<String>,
    /// Where below `{state}` the database file is: a folder whose one `*.sqlite` (`metadata.sqlite` apart) it is.
    pub database: PathBuf,
}
