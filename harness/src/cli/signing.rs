//! What an in-toto statement is about beside the report files, and the key that signs it. Never keeps a key longer than it takes, nor prints one.

use super::Failure;
use crate::report::dsse::SigningKey;
use crate::report::intoto::{Described, InToto};
use crate::scrub;
use std::path::{Path, PathBuf};

/// How a variable is named in place of a file, as cosign has it.
const VARIABLE: &str = "env://";

/// Options for `--report in-toto`.
#[derive(Debug, clap::Args)]
pub(super) struct Signing {
    /// Sign the in-toto statement: a file with a private key in PEM, Ed25519 or of the curve P-256, or `env://NAME` for a variable that holds one.
    #[arg(long, env = "MOLTPROOF_SIGN_KEY", value_name = "FILE|env://NAME")]
    sign_key: Option<String>,
    /// A file that was judged, such as the bundle that was deployed: the in-toto statement is about it, by its SHA-256. May be repeated.
    #[arg(
        long,
        env = "MOLTPROOF_SUBJECT",
        value_name = "FILE",
        value_delimiter = ','
    )]
    subject: Vec<PathBuf>,
}

impl Signing {
    /// Whether what is asked for can be done: `wanted` is whether there is a statement to sign, `others` whether there are files for it to be about.
    pub(super) fn can_be_done(&self, wanted: bool, others: bool) -> Result<(), Failure> {
        if !wanted {
            return match (&self.sign_key, self.subject.is_empty()) {
                (None, true) => Ok(()),
                (Some(_), _) => Err(unused("--sign-key")),
                (None, false) => Err(unused("--subject")),
            };
        }
        if !others && self.subject.is_empty() {
            return Err(Failure::usage(
                "an in-toto statement has to be about something: write the JSON report beside it with --report json, or name what was judged with --subject FILE",
            ));
        }
        self.subjects()?;
        self.key()?;
        Ok(())
    }

    fn key(&self) -> Result<Option<SigningKey>, Failure> {
        let Some(named) = &self.sign_key else {
            return Ok(None);
        };
        let text = match named.strip_prefix(VARIABLE) {
            Some(name) => std::env::var_os(name)
                .and_then(|value| value.into_string().ok())
                .ok_or_else(|| {
                    Failure::usage(format!("--sign-key: the variable {name} is not set"))
                })?,
            None => read(Path::new(named)).and_then(|bytes| {
                String::from_utf8(bytes)
                    .map_err(|_binary| Failure::usage(format!("--sign-key: {named} is no PEM")))
            })?,
        };
        scrub::remember(&text);
        let key = SigningKey::parse(&text);
        let key = key.map_err(|error| Failure::usage(format!("--sign-key {named}: {error}")))?;
        Ok(Some(key))
    }

    fn subjects(&self) -> Result<Vec<Described>, Failure> {
        let described = |path: &PathBuf| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            Ok(Described::of(&name.to_string_lossy(), &read(path)?))
        };
        self.subject.iter().map(described).collect()
    }

    /// The statement with what else it is about, in a signed envelope if there is a key.
    pub(super) fn finished(&self, statement: &[u8]) -> Result<Vec<u8>, Failure> {
        let fault = |error: &dyn std::fmt::Display| {
            Failure::fault(format!("cannot write the in-toto statement: {error}"))
        };
        let mut stated: InToto =
            serde_json::from_slice(statement).map_err(|error| fault(&error))?;
        stated.subject.extend(self.subjects()?);
        let mut bytes = serde_json::to_vec_pretty(&stated).map_err(|error| fault(&error))?;
        bytes.push(b'\n');
        if let Some(key) = self.key()? {
            let envelope = key.sign(&bytes).map_err(|error| fault(&error))?;
            // One line, as collections of attestations have them.
            bytes = serde_json::to_vec(&envelope).map_err(|error| fault(&error))?;
            bytes.push(b'\n');
        }
        Ok(bytes)
    }
}

fn unused(option: &str) -> Failure {
    Failure::usage(format!(
        "{option} is for the in-toto statement: add --report in-toto"
    ))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}
