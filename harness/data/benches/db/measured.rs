//! Runs of this program as a process of its own, in turn with the floor; medians. Never keeps a figure of another run.

use super::{PROGRAM, floor};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Rounds of which the middle one counts: a machine that does something else makes single ones long.
const ROUNDS: usize = 5;

/// One thing that is measured.
pub(crate) struct Row {
    /// What it is called.
    pub(crate) name: &'static str,
    /// The words of the command line before the path.
    pub(crate) words: Vec<String>,
    /// What is judged.
    pub(crate) path: PathBuf,
    /// Seconds that it may take.
    pub(crate) goal: f64,
}

/// One run.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    wall: f64,
    cpu: f64,
    mib: f64,
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}

/// Runs a row and the floor in turn, and says what it took.
pub(crate) fn line(row: &Row) -> String {
    let mut runs = Vec::new();
    let mut floors = Vec::new();
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let run = run(row);
        let began = now();
        floor::floor(&row.path);
        let floor = began.elapsed().as_secs_f64();
        ratios.push(run.wall / floor);
        floors.push(floor);
        runs.push(run);
    }
    let of = |pick: fn(&Run) -> f64| median(runs.iter().map(pick).collect());
    let mut line = String::new();
    let _infallible = write!(
        line,
        "{:<24} {:>8.2} {:>8.2} {:>9.3} {:>9.1} {:>7.0} {:>6.0}",
        row.name,
        of(|run| run.wall),
        of(|run| run.cpu),
        median(floors),
        median(ratios),
        of(|run| run.mib),
        row.goal
    );
    line
}

/// Runs `lint` and another linter in turn on the files of a folder, and says what each took.
pub(crate) fn beside(other: &Path, folder: &Path, files: usize) -> String {
    let row = Row {
        name: "beside",
        words: vec!["lint".to_owned()],
        path: folder.to_owned(),
        goal: 0.0,
    };
    let mut texts: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    texts.sort();
    let (mut own, mut others, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let run = run(&row);
        let began = now();
        let output = Command::new(other).args(&texts).output().unwrap();
        let took = began.elapsed().as_secs_f64();
        assert!(
            !output.stdout.is_empty(),
            "{} says nothing",
            other.display()
        );
        ratios.push(run.wall / took);
        own.push(run.wall);
        others.push(took);
    }
    let per_file =
        |seconds: Vec<f64>| median(seconds) * 1000.0 / f64::from(u32::try_from(files).unwrap());
    format!(
        "{files} files: {:.2} ms a file, {} {:.2} ms, ratio {:.1}",
        per_file(own),
        other.display(),
        per_file(others),
        median(ratios)
    )
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn run(row: &Row) -> Run {
    let began = now();
    let child = Command::new(std::env::current_exe().unwrap())
        .arg(PROGRAM)
        .args(&row.words)
        .arg(&row.path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let wall = began.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(
        matches!(child.status.code(), Some(0 | 1)),
        "{}: {said}",
        row.name
    );
    let told = |key: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|figure| figure.trim().parse().ok())
            .unwrap_or_default()
    };
    Run {
        wall,
        cpu: told("cpu:"),
        mib: told("mib:"),
    }
}

/// Tells what this process took, where the system says so: processor time, and the most memory.
pub(crate) fn tell() {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
    let memory = read("status").and_then(|status| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib / 1024.0)
    });
    // The 14th and 15th field, in hundredths of a second; the second one, a name in parentheses, may have blanks in it.
    let cpu = read("stat").and_then(|stat| {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
        Some((ticks(11)? + ticks(12)?) / 100.0)
    });
    let figure = |figure: Option<f64>| figure.unwrap_or(f64::NAN);
    let mut told = anstream::stderr();
    let text = format!("\ncpu: {}\nmib: {}\n", figure(cpu), figure(memory));
    std::io::Write::write_all(&mut told, text.as_bytes()).unwrap();
}
