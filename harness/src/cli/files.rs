//! Where a report goes: the files that are asked for, the job summary, standard output. Never judges.

use super::signing::Signing;
use super::{Failure, Format, probe, put, say};
use crate::nearest;
use crate::report::{Kind, Report, json, markdown, text};
use crate::scrub;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// The options that name report files.
#[derive(Debug, clap::Args)]
pub(super) struct Files {
    #[arg(
        long,
        env = "MOLTPROOF_REPORT",
        value_name = "KIND[=PATH]",
        value_parser = report_files,
        help = report_help(),
        long_help = report_long_help(),
    )]
    report: Vec<ReportFiles>,
    /// Folder for reports that are given without a path.
    #[arg(
        long,
        env = "MOLTPROOF_REPORT_DIR",
        value_name = "DIR",
        default_value = "."
    )]
    report_dir: PathBuf,
    #[command(flatten)]
    signing: Signing,
}

/// What one option or the variable names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ReportFiles(Vec<ReportFile>);

/// One report to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ReportFile {
    kind: Written,
    path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// A file of this kind.
    File(Kind),
    /// The summary and the annotations of a GitHub workflow.
    Github,
}

fn report_help() -> String {
    format!(
        "Also write a report: {} or github, with `=PATH` for where; may be repeated",
        Kind::words()
    )
}

/// With what each kind is for.
fn report_long_help() -> String {
    let github = (
        "github",
        "the job summary and the annotations of a GitHub workflow",
    );
    let kinds = Kind::ALL.map(|kind| (kind.word(), kind.purpose()));
    let mut text =
        "Also write a report, with `=PATH` for where. May be repeated. Kinds:".to_owned();
    for (word, purpose) in kinds.into_iter().chain([github]) {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "\n- {word}: {purpose}");
    }
    text
}

/// Reports that stand behind one another with commas between them. A comma may belong to a path: what follows it is another report only
/// where it begins as one, rightly or nearly so.
fn report_files(text: &str) -> Result<ReportFiles, String> {
    let words = || Kind::ALL.map(Kind::word).into_iter().chain(["github"]);
    let begins = |piece: &str| {
        let word = piece.split('=').next().unwrap_or_default();
        let is_word = !word.is_empty()
            && word
                .chars()
                .all(|letter| letter.is_ascii_alphabetic() || letter == '-');
        is_word && (words().any(|own| own == word) || nearest::nearest(word, words()).is_some())
    };
    let mut named: Vec<String> = Vec::new();
    for piece in text.split(',') {
        match named.last_mut() {
            Some(before) if before.contains('=') && !begins(piece) => {
                before.push(',');
                before.push_str(piece);
            }
            Some(_) | None => named.push(piece.to_owned()),
        }
    }
    let files = named.iter().map(|one| report_file(one));
    files.collect::<Result<_, _>>().map(ReportFiles)
}

fn report_file(text: &str) -> Result<ReportFile, String> {
    let (kind, path) = text
        .split_once('=')
        .map_or((text, None), |(kind, path)| (kind, Some(path)));
    let kind = match (kind, Kind::parse(kind)) {
        (_, Some(kind)) => Written::File(kind),
        ("github", None) => Written::Github,
        (other, None) => {
            return Err(format!(
                "there is no report kind `{other}`{}; use {} or github",
                nearest::hint(
                    other,
                    Kind::ALL.map(Kind::word).into_iter().chain(["github"])
                ),
                Kind::words()
            ));
        }
    };
    if path == Some("") {
        return Err("the path after `=` is empty".to_owned());
    }
    Ok(ReportFile {
        kind,
        path: path.map(PathBuf::from),
    })
}

impl Files {
    fn all(&self) -> impl Iterator<Item = &ReportFile> {
        self.report.iter().flat_map(|files| &files.0)
    }

    /// Whether no file is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.report.is_empty()
    }

    /// Whether everything that is asked for has a place and can be written there, before anything is run: what a run has found must not
    /// be lost for want of a folder.
    ///
    /// # Errors
    /// Exit 2, with the place and the reason.
    pub(super) fn can_be_written(&self) -> Result<(), Failure> {
        let has = |wanted: fn(Kind) -> bool| {
            let mut all = self.all();
            all.any(|file| matches!(file.kind, Written::File(kind) if wanted(kind)))
        };
        let others = has(|kind| !kind.comes_last());
        self.signing
            .can_be_done(has(|kind| kind == Kind::InToto), others)?;
        for file in self.all() {
            let path = match file.kind {
                Written::Github => step_summary(file)?,
                Written::File(kind) => self.path_of(file, kind.file_name()),
            };
            probe::can_be_written(&path).map_err(|why| {
                Failure::usage(format!(
                    "cannot write the report {}: {why}; nothing was judged; name another place with --report KIND=PATH or --report-dir DIR",
                    path.display()
                ))
            })?;
        }
        Ok(())
    }

    fn path_of(&self, file: &ReportFile, name: &str) -> PathBuf {
        let own = file.path.clone();
        own.unwrap_or_else(|| self.report_dir.join(name))
    }

    /// Writes every report that is asked for, and tells where. One that cannot be written keeps no other from being written.
    ///
    /// # Errors
    /// Exit 3, with each that could not be written.
    pub(super) fn write(&self, report: &Report, quiet: bool) -> Result<(), Failure> {
        let mut written = Vec::new();
        let mut failed: Vec<String> = Vec::new();
        // A statement names the others: it comes last.
        let (last, others): (Vec<_>, Vec<_>) = self
            .all()
            .partition(|file| matches!(file.kind, Written::File(kind) if kind.comes_last()));
        for file in others.into_iter().chain(last) {
            match self.write_one(file, report, &written) {
                Ok(None) => {}
                Ok(Some((path, bytes))) => {
                    if !quiet {
                        say(&format!("report written to {}", path.display()));
                    }
                    let name = path.file_name().unwrap_or(path.as_os_str());
                    written.push((name.to_string_lossy().into_owned(), bytes));
                }
                Err(failure) => failed.push(failure.message),
            }
        }
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Failure::fault(failed.join("; ")))
        }
    }

    /// Writes one report; returns where its file lies and what is in it, if it has one.
    fn write_one(
        &self,
        file: &ReportFile,
        report: &Report,
        written: &[(String, Vec<u8>)],
    ) -> Result<Option<(PathBuf, Vec<u8>)>, Failure> {
        let (bytes, name) = match file.kind {
            Written::File(kind) => (kind.render(report, written), kind.file_name()),
            Written::Github => return github(file, report).map(|()| None),
        };
        let path = self.path_of(file, name);
        let what = path.display().to_string();
        let mut bytes = bytes.map_err(|error| cannot(&what, &error))?;
        if file.kind == Written::File(Kind::InToto) {
            bytes = self.signing.finished(&bytes)?;
        }
        json::write_whole(&path, &bytes).map_err(|error| cannot(&what, &error))?;
        Ok(Some((path, bytes)))
    }

    /// The names of all files that may be written: by path, or where none is given.
    pub(super) fn names(&self) -> impl Iterator<Item = OsString> {
        let paths = self.all().filter_map(|file| file.path.as_ref());
        let given = paths.filter_map(|path| path.file_name().map(OsString::from));
        let own = Kind::ALL.map(Kind::file_name).into_iter();
        own.map(OsString::from).chain(given)
    }
}

/// Where the summary of the workflow's step is written.
fn step_summary(file: &ReportFile) -> Result<PathBuf, Failure> {
    // Given by GitHub to every step; not an option of ours, which has `=PATH`.
    let given = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
    let given = given.map(PathBuf::from);
    file.path.clone().or(given).ok_or_else(|| {
        Failure::usage(
            "--report github works in a GitHub workflow, which sets GITHUB_STEP_SUMMARY; elsewhere use --report markdown",
        )
    })
}

/// Appends to the summary of the workflow's step, and annotates the change.
fn github(file: &ReportFile, report: &Report) -> Result<(), Failure> {
    let path = step_summary(file)?;
    let opened = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path);
    opened
        .and_then(|mut out| {
            let before = out.metadata()?.len();
            let mut text = scrub::clean_report(&markdown::render(report));
            if before > 0 && !ends_with_a_line(&path) {
                text.insert(0, '\n');
            }
            out.write_all(text.as_bytes()).inspect_err(|_full| {
                // Half a summary tells half a verdict. Where not even that can be taken back, nothing is left to be done.
                drop(out.set_len(before));
            })
        })
        .map_err(|error| Failure::fault(format!("cannot write to {}: {error}", path.display())))?;
    // GitHub reads commands from both streams; standard output may hold the JSON report.
    for line in markdown::annotations(report).lines() {
        say(line);
    }
    Ok(())
}

/// Whether what is there ends with a line break; where that cannot be told, it does not.
fn ends_with_a_line(path: &Path) -> bool {
    let last = || -> std::io::Result<bool> {
        let mut file = std::fs::File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(byte == *b"\n")
    };
    last().unwrap_or(false)
}

pub(super) fn cannot(what: &str, error: &std::io::Error) -> Failure {
    Failure::fault(format!("cannot write {what}: {error}"))
}

/// Writes a report to standard output. For people it is told as it is read, on this machine.
pub(super) fn print(format: Format, report: &Report) -> Result<(), Failure> {
    match format {
        Format::Text => put(&scrub::clean_report(&text::render_within(
            report,
            super::colour::width(),
        ))),
        Format::Json => {
            let bytes = Kind::Json.render(report, &[]);
            let bytes = bytes.map_err(|error| cannot("the report", &error))?;
            put(&String::from_utf8_lossy(&bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<(Written, Option<String>)> {
        let files = report_files(text).unwrap().0.into_iter();
        files
            .map(|file| (file.kind, file.path.map(|path| path.display().to_string())))
            .collect()
    }

    #[test]
    fn a_comma_in_a_path_belongs_to_it() {
        let json = |path: &str| (Written::File(Kind::Json), Some(path.to_owned()));
        assert_eq!(named("json=a,b.json"), [json("a,b.json")]);
        assert_eq!(
            named("json=runs, 2026/a,b.json,github,junit=x"),
            [
                json("runs, 2026/a,b.json"),
                (Written::Github, None),
                (Written::File(Kind::Junit), Some("x".to_owned()))
            ]
        );
    }

    #[test]
    fn a_slip_behind_a_comma_is_no_part_of_a_path() {
        assert!(report_files("json=a,junti=b").is_err());
        assert!(report_files("json=a,markdwn").is_err());
        assert!(report_files("json,b").is_err());
    }
}
