//! What `moltproof db` costs on folders and databases of several sizes, beside what SQLite alone takes for the same work, in one run.
//! Never judges: it prints each ratio beside its goal.
//!
//! `cargo bench -p moltproof-data` measures; with words behind `--` only the rows whose names have one of them.
//! `cargo bench -p moltproof-data -- squawk PROGRAM` measures `lint` and squawk, a linter for another database, on the same folder in turn.
//! `cargo bench -p moltproof-data -- make FOLDER` writes what is measured into a folder, for another program to be measured on.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot set itself up has failed; printing is its purpose"
)]

mod floor;
mod measured;
mod scale;

use clap::Parser as _;
use measured::Row;
use moltproof_data::claims::Data;
use moltproof_data::command::{DbArgs, run};
use moltproof_data::source;
use moltproof_data::subject::Subject;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The program that is measured is this one, called by this word.
const PROGRAM: &str = "program";

/// In the place of a verb of `moltproof db`: files are applied, to empty tables and to tables with rows, and nothing is judged.
const REPLAY: &str = "replay";

/// `moltproof db` alone.
#[derive(Debug, clap::Parser)]
struct Alone {
    #[command(flatten)]
    db: DbArgs,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    match words.first().map(String::as_str) {
        Some(PROGRAM) if words.get(1).is_some_and(|verb| verb == REPLAY) => {
            let source = source::folder(Path::new(&words[2])).unwrap();
            let files = source.files.len();
            let subject = Subject::of(source, Data::default(), 1).unwrap();
            assert_eq!(subject.replay.with_rows.len(), files);
            measured::tell();
            ExitCode::SUCCESS
        }
        Some(PROGRAM) => {
            let code = run(&Alone::parse_from(&words).db);
            measured::tell();
            code
        }
        Some("make") => {
            made(Path::new(&words[1]));
            ExitCode::SUCCESS
        }
        Some("squawk") => {
            beside_squawk(Path::new(&words[1]));
            ExitCode::SUCCESS
        }
        _ => {
            measure(&words);
            ExitCode::SUCCESS
        }
    }
}

/// What is measured: the name, how it is called, and the goals.
fn rows(made: &Path) -> Vec<Row> {
    let at = |name: &str| made.join(name);
    let row = |name: &'static str, verb: &[&str], path: PathBuf, goal: f64| Row {
        name,
        words: verb.iter().map(|word| (*word).to_owned()).collect(),
        path,
        goal,
    };
    vec![
        row("lint, 500 migrations", &["lint"], at("migrations500"), 1.0),
        row(
            "replay, 500 migrations",
            &[REPLAY],
            at("migrations500"),
            2.0,
        ),
        row(
            "lint, 2,000 migrations",
            &["lint"],
            at("migrations2000"),
            10.0,
        ),
        row("lint, 3,000 tables", &["lint"], at("t3000.sqlite"), 1.0),
        row("lint, 10,000 tables", &["lint"], at("t10000.sqlite"), 10.0),
        row("check, 100 tables", &["check"], at("tables100"), 20.0),
    ]
}

fn measure(words: &[String]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("db-scale");
    made(&folder);
    println!(
        "{:<24} {:>8} {:>8} {:>9} {:>9} {:>7} {:>6}",
        "", "wall s", "cpu s", "SQLite s", "x SQLite", "MiB", "goal s"
    );
    for row in rows(&folder) {
        if words.is_empty() || words.iter().any(|word| row.name.contains(word.as_str())) {
            println!("{}", measured::line(&row));
        }
    }
}

/// Both on 500 migrations that build on each other, and on the first twenty of them.
fn beside_squawk(squawk: &Path) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("db-scale");
    for files in [20, 500] {
        let migrations = folder.join(format!("migrations{files}"));
        write(&migrations, &scale::migrations(files));
        println!("{}", measured::beside(squawk, &migrations, files));
    }
}

/// Writes what is not there yet.
fn made(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for files in [500, 2000] {
        write(
            &folder.join(format!("migrations{files}")),
            &scale::migrations(files),
        );
    }
    for tables in [3000, 10_000] {
        database(
            &folder.join(format!("t{tables}.sqlite")),
            &scale::schema(tables),
        );
    }
    let script = scale::schema(100).join(";\n\n") + ";\n";
    write(
        &folder.join("tables100"),
        &[
            ("0001_all.sql".to_owned(), script),
            ("data.toml".to_owned(), scale::claims(100)),
        ],
    );
}

fn write(folder: &Path, files: &[(String, String)]) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

/// A database with a schema. Making a large one takes SQLite a minute, so that one with the same statements is kept.
fn database(path: &Path, statements: &[String]) {
    let text = statements.join(";\n");
    let told = path.with_extension("sql");
    let is_there = path.exists() && std::fs::read_to_string(&told).is_ok_and(|kept| kept == text);
    if is_there {
        return;
    }
    if path.exists() {
        std::fs::remove_file(path).unwrap();
    }
    let database = rusqlite::Connection::open(path).unwrap();
    database
        .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN")
        .unwrap();
    database.execute_batch(&text).unwrap();
    database.execute_batch("COMMIT").unwrap();
    std::fs::write(told, text).unwrap();
}
