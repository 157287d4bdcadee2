//! `moltproof db fix`: a new migration for what has a mechanical repair. Never edits a file that is there.

use super::input::Input;
use super::lint::known_rules;
use super::{Exit, Failed, output};
use crate::fix::{Fix, fix as repair, next_name};
use crate::lint::{Narrowing, lint};
use crate::progress::Nobody;
use crate::source::{Kind, Source};
use crate::text::counted;
use std::io::Write as _;
use std::path::Path;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof db fix migrations
  moltproof db fix migrations --write --name add_missing_indexes

Where SQLite cannot change a table in place, the migration rebuilds it; its rows, indexes, triggers and children are kept.
Only repairs that can be a new migration are offered: what a released file says stays as it is.";

/// Options of `db fix`.
#[derive(Debug, clap::Args)]
pub(super) struct FixArgs {
    #[command(flatten)]
    input: Input,
    /// Only what this rule finds; may be repeated. A finding that only informs is worth rebuilding a table if its rule is named here.
    #[arg(
        long,
        value_name = "RULE",
        env = "MOLTPROOF_DB_FIX_RULE",
        value_delimiter = ','
    )]
    rule: Vec<String>,
    /// Write the migration into the folder, under the next number.
    #[arg(long, env = "MOLTPROOF_DB_FIX_WRITE")]
    write: bool,
    /// The migration's name, behind its number.
    #[arg(long, env = "MOLTPROOF_DB_FIX_NAME", default_value = "moltproof_fix", value_parser = name)]
    name: String,
}

/// A name that can be part of a file's.
fn name(text: &str) -> Result<String, Failed> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !text.is_empty() && text.bytes().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err(Failed::usage("a name of letters, digits, _ and - only"))
    }
}

pub(super) fn fix(args: &FixArgs) -> Result<Exit, Failed> {
    let subject = args.input.subject(&Nobody)?;
    let narrowing = Narrowing {
        rules: known_rules(&args.rule)?,
        ..Narrowing::default()
    };
    let found = lint(&subject, &narrowing, &Nobody).findings;
    let fix = repair(&subject, &found, !args.rule.is_empty());
    let Fix {
        migration,
        mended,
        left,
    } = fix;
    if migration.is_empty() {
        tell(&if left == 0 {
            "nothing to mend".to_owned()
        } else {
            format!("nothing that a new migration can mend; {left} left, see `moltproof db lint`")
        });
        return Ok(Exit::Clean);
    }
    let file = next_name(&subject.source, &args.name);
    if !args.write {
        output::put(&migration, None)?;
        tell(&format!(
            "{} mended by this migration ({file}), {left} left; --write writes it",
            counted(mended, "finding")
        ));
        return Ok(Exit::Clean);
    }
    let Some(folder) = folder(&subject.source) else {
        return Err(Failed::usage(
            "a migration can be written into a folder of migrations only; without --write it is printed",
        ));
    };
    let path = folder.join(file);
    if let Some(own) = path.parent() {
        std::fs::create_dir_all(own)
            .map_err(|error| Failed::usage(format!("cannot make {}: {error}", own.display())))?;
    }
    output::put(&migration, Some(&path))?;
    tell(&format!(
        "{} mended by {}, {left} left; read it before you apply it",
        counted(mended, "finding"),
        path.display()
    ));
    Ok(Exit::Clean)
}

/// The folder of the migrations, which may have one of their own each.
fn folder(source: &Source) -> Option<&Path> {
    let first = source.files.first()?;
    let depth = first.name.split('/').count();
    let folder = first.path.ancestors().nth(depth);
    folder.filter(|_folder| source.kind == Kind::Migrations)
}

fn tell(line: &str) {
    let _closed = writeln!(anstream::stderr(), "{line}");
}
