//! Gives the program's own readers files that are damaged in every way, drawn from a seed: none may panic or hang, and what cannot be read is
//! told in a sentence. Never judges a target, and starts nothing but `moltproof` where `--program` names it.
//!
//! ```text
//! cargo run -p moltproof --example mutated -- 2000 --seed 7 [--only manifest] [--program target/debug/moltproof]
//! ```
//!
//! With `--program` every two-hundredth file that cannot be read is given to the program as well, which has to end with exit 2 and that sentence.

mod mutation;
mod readers;

use readers::{READERS, Reader};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Nothing that was damaged here takes longer to read, however busy the machine is. Evidence: 300 files of a kind took less than 25 s
/// together in a debug build; with 25 others for each core one was seen to take a minute.
const READ_MAX: Duration = Duration::from_secs(600);
/// One of so many unreadable files is given to the program.
const TO_PROGRAM_EACH: u64 = 200;
/// A sentence is not longer than this.
const SENTENCE_LEN_MAX: usize = 16 * 1024;

type Failed = Box<dyn std::error::Error>;

/// What is asked for on the command line.
struct Asked {
    count: u64,
    seed: u64,
    only: Option<String>,
    program: Option<PathBuf>,
}

impl Asked {
    fn read() -> Result<Self, Failed> {
        let mut asked = Self {
            count: 500,
            seed: fastrand::u64(..),
            only: None,
            program: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--seed" => asked.seed = value()?.parse()?,
                "--only" => asked.only = Some(value()?),
                "--program" => asked.program = Some(std::fs::canonicalize(value()?)?),
                number => asked.count = number.parse()?,
            }
        }
        Ok(asked)
    }
}

fn main() -> Result<(), Failed> {
    let asked = Asked::read()?;
    let folder = tempfile::tempdir()?;
    let watched = watch();
    // What a panic says is told with the file that brought it about.
    std::panic::set_hook(Box::new(|_| {}));
    say(&format!("seed {}", asked.seed))?;
    for reader in READERS {
        if asked.only.as_ref().is_none_or(|only| only == reader.name) {
            damaged(reader, &asked, folder.path(), &watched)?;
        }
    }
    Ok(())
}

/// Damages the files of one reader, and gives it each of them.
fn damaged(
    reader: &Reader,
    asked: &Asked,
    folder: &Path,
    watched: &Sender<String>,
) -> Result<(), Failed> {
    let samples = (reader.samples)(folder)?;
    if samples.is_empty() {
        return Err(format!("{} has no sample", reader.name).into());
    }
    for sample in &samples {
        let file = placed(reader, folder, sample)?;
        (reader.read)(&file).map_err(|why| format!("{}: the control: {why}", reader.name))?;
    }
    let (mut unreadable, mut to_program) = (0, 0);
    for number in 0..asked.count {
        let case = format!("{} {number} of seed {}", reader.name, asked.seed);
        let mut drawn = fastrand::Rng::with_seed(asked.seed ^ number.rotate_left(32));
        let bytes = mutation::damaged(&samples, &mut drawn);
        let file = placed(reader, folder, &bytes)?;
        watched.send(case.clone())?;
        let ended = catch_unwind(AssertUnwindSafe(|| (reader.read)(&file)));
        let told = match ended {
            Err(panic) => return Err(kept(&case, &bytes, &format!("panic: {}", words(&*panic)))),
            Ok(Ok(())) => continue,
            Ok(Err(told)) => told,
        };
        if let Some(flaw) = flaw(&told) {
            return Err(kept(&case, &bytes, &format!("{flaw}: {told}")));
        }
        unreadable += 1;
        if let (Some(program), 0) = (&asked.program, unreadable % TO_PROGRAM_EACH) {
            to_program += 1;
            if let Some(flaw) = given(program, reader, &file)? {
                return Err(kept(&case, &bytes, &flaw));
            }
        }
    }
    say(&format!(
        "{}: {} damaged files, {unreadable} of them unreadable, each told in a sentence; {to_program} given to the program",
        reader.name, asked.count
    ))
}

fn placed(reader: &Reader, folder: &Path, bytes: &[u8]) -> Result<PathBuf, Failed> {
    let file = folder.join(reader.file);
    if let Some(parent) = file.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(&file, bytes)?;
    Ok(file)
}

/// What is wrong with the message, as a sentence for a reader.
fn flaw(told: &str) -> Option<&'static str> {
    let looks_internal = [
        "Os {", "Error {", "Err(", "Some(", "panicked", "unwrap", "\\\\u{",
    ];
    let is_control = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t' | '\r');
    if told.trim().is_empty() {
        Some("it says nothing")
    } else if told.len() > SENTENCE_LEN_MAX {
        Some("it says too much")
    } else if told.chars().any(is_control) {
        Some("it says control characters")
    } else if looks_internal.iter().any(|part| told.contains(part)) {
        Some("it says what only a programmer reads")
    } else {
        None
    }
}

/// Gives the file to the program; what is wrong with how that ends.
fn given(program: &Path, reader: &Reader, file: &Path) -> Result<Option<String>, Failed> {
    let (Some(words), Some(folder)) = (reader.words, file.parent()) else {
        return Ok(None);
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let ended = Command::new(program)
        .args(words.iter().map(|word| word.replace("{file}", &name)))
        .current_dir(folder)
        .env("MOLTPROOF_STORE", "none")
        .output()?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    let as_documented = ended.status.code() == Some(2) && !said.trim().is_empty();
    Ok((!as_documented).then(|| format!("the program ended with {}: {said}", ended.status)))
}

/// Keeps the file that brought it about.
fn kept(case: &str, bytes: &[u8], what: &str) -> Failed {
    let place = std::env::temp_dir().join("mutated.kept");
    let kept = std::fs::write(&place, bytes).map_or_else(
        |error| format!("the file is lost: {error}"),
        |()| format!("the file is kept as {}", place.display()),
    );
    let shown: String = what.chars().take(2_000).collect();
    format!("{case}: {shown}; {kept}").into()
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_default()
}

/// Ends everything when one file takes too long: that thread cannot be ended alone.
fn watch() -> Sender<String> {
    let (sender, cases) = channel::<String>();
    let last = Mutex::new(String::new());
    std::thread::spawn(move || {
        loop {
            match cases.recv_timeout(READ_MAX) {
                Ok(case) => last
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .clone_from(&case),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let case = last
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    say(&format!("{case} hangs")).unwrap_or_default();
                    std::process::exit(1);
                }
            }
        }
    });
    sender
}

fn say(line: &str) -> Result<(), Failed> {
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(())
}
