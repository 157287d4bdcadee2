//! `moltproof report verify`: whether a conformance statement holds, offline. Never takes the word of a statement whose signature was not asked after.

use super::{Failure, contract, put, say};
use crate::report::dsse::{Envelope, PublicKey};
use crate::report::intoto::InToto;
use crate::report::statement::{Statement, Untrue};
use crate::report::{Report, json, text};
use crate::verdict::Exit;
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "Examples:
  moltproof report verify moltproof.statement.toml
  moltproof report verify moltproof.statement.toml kept/moltproof.json
  moltproof report verify moltproof.intoto.json --key signer.pub
  moltproof report verify moltproof.intoto.json --key signer.pub moltproof.json dist/worker.js";

/// Options of `report verify`.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// The statement, as `run --report statement` or `--report in-toto` writes it.
    statement: PathBuf,
    /// The files that it tells of: the reports that were written with it, what was judged. Those beside it unless told otherwise.
    reports: Vec<PathBuf>,
    /// The public key in PEM that must have signed an in-toto statement.
    #[arg(long, env = "MOLTPROOF_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
}

/// A statement as it was read.
struct Read {
    statement: Statement,
    in_toto: Option<InToto>,
    /// Id of the key that signed it.
    signed_by: Option<String>,
}

pub(super) fn verify(args: &VerifyArgs) -> Result<Exit, Failure> {
    let shown = args.statement.display();
    let mut found = Vec::new();
    let Some(read) = args.read(&mut found)? else {
        return does_not_hold(&shown.to_string(), &found);
    };
    let statement = &read.statement;
    found.extend(match &read.in_toto {
        Some(in_toto) => in_toto.agrees_with_itself().err(),
        None => statement.agrees_with_itself().err(),
    });
    let beside = args.statement.parent().unwrap_or(Path::new(""));
    let files = if args.reports.is_empty() {
        statement.files_in(beside)
    } else {
        args.reports.clone()
    };
    let (mut judged_by, mut reports) = (0, 0);
    for path in &files {
        let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        let is_subject = read
            .in_toto
            .as_ref()
            .is_some_and(|own| own.is_about(&bytes));
        let named = statement.names(&name.to_string_lossy(), &bytes);
        reports += usize::from(!matches!(named, Err(Untrue::Unstated(_))));
        if !is_subject {
            found.extend(named.err());
        }
        if let Ok(report) = json::read::<Report>(path) {
            judged_by += 1;
            found.extend(statement.follows_from(&report).err());
        }
    }
    note_contract(statement)?;
    let missing = statement.reports.len().saturating_sub(reports);
    if missing > 0 {
        say(&format!(
            "note: {missing} of the stated files are not here and were not checked"
        ));
    }
    if !found.is_empty() {
        return does_not_hold(&shown.to_string(), &found);
    }
    if judged_by == 0 {
        return Err(Failure::usage(format!(
            "{shown} agrees with itself, and no JSON report is here to check its verdicts by: give the one that was written with it"
        )));
    }
    let signed = match (&read.signed_by, &read.in_toto) {
        (Some(key), _) => format!("signed by the key {key}; "),
        (None, Some(_)) => "not signed; ".to_owned(),
        (None, None) => String::new(),
    };
    put(&format!(
        "{shown} holds: {signed}{} as stated, {} from the report; target {}, verdict {}\n",
        match files.len() {
            1 => "1 file is".to_owned(),
            count => format!("{count} files are"),
        },
        match statement.criteria.len() {
            1 => "1 criterion follows".to_owned(),
            count => format!("{count} criteria follow"),
        },
        statement.target,
        text::word(statement.verdict)
    ))?;
    Ok(Exit::Conforms)
}

fn does_not_hold(shown: &str, found: &[Untrue]) -> Result<Exit, Failure> {
    for untrue in found {
        put(&format!("{untrue}\n"))?;
    }
    put(&format!("{shown} does not hold\n"))?;
    Ok(Exit::Violation)
}

/// The same criteria may have been proven by other scenarios.
fn note_contract(statement: &Statement) -> Result<(), Failure> {
    let ours = contract()?;
    if statement.contract.digest != ours.digest() {
        say(&format!(
            "note: stated by contract {} ({}), this program has {} ({})",
            statement.contract.version,
            statement.contract.digest,
            ours.version,
            ours.digest()
        ));
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot read {}: {error}", path.display()))
}

impl VerifyArgs {
    /// The statement; `None` where nothing in it may be believed, and then `found` says why.
    fn read(&self, found: &mut Vec<Untrue>) -> Result<Option<Read>, Failure> {
        let path = &self.statement;
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        if let Ok(envelope) = serde_json::from_str::<Envelope>(&text) {
            return self.opened(&envelope, found);
        }
        if self.key.is_some() {
            found.push(Untrue::Unsigned);
            return Ok(None);
        }
        if text.trim_start().starts_with('{') {
            return self.in_toto(text.as_bytes(), None).map(Some);
        }
        let statement = Statement::parse(&text).map_err(|reason| self.none(&reason))?;
        Ok(Some(Read {
            statement,
            in_toto: None,
            signed_by: None,
        }))
    }

    /// What is in a signed envelope.
    fn opened(
        &self,
        envelope: &Envelope,
        found: &mut Vec<Untrue>,
    ) -> Result<Option<Read>, Failure> {
        let Some(path) = &self.key else {
            return Err(Failure::usage(format!(
                "{} is signed: name the public key that must have signed it with --key",
                self.statement.display()
            )));
        };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        let key = PublicKey::parse(&text)
            .map_err(|error| Failure::usage(format!("--key {}: {error}", path.display())))?;
        match envelope.opened(&key) {
            Ok(bytes) => self.in_toto(&bytes, Some(key.id())).map(Some),
            Err(not_signed) => {
                found.push(not_signed.into());
                Ok(None)
            }
        }
    }

    fn in_toto(&self, bytes: &[u8], signed_by: Option<String>) -> Result<Read, Failure> {
        let in_toto: InToto =
            serde_json::from_slice(bytes).map_err(|error| self.none(&error.to_string()))?;
        Ok(Read {
            statement: in_toto.predicate.moltproof.clone(),
            in_toto: Some(in_toto),
            signed_by,
        })
    }

    fn none(&self, reason: &str) -> Failure {
        Failure::usage(format!(
            "{} is no conformance statement of moltproof ({reason}); write one with `moltproof run --report json,statement`",
            self.statement.display()
        ))
    }
}
