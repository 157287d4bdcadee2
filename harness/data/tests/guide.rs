//! `docs/data.md` and `docs/rules.md` are true: every command line of the guide runs, and what it shows is what comes. Never judges single rules.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod program;

use moltproof_data::rule::book;
use program::{Ran, program, run};
use rusqlite::Connection;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The state file of a binding with `database_id = "x"`, as wrangler names it.
const STATE: &str = "626099bb8ad5d5fdd646fd899e10b99f624ee818ca97364b0088721d9278affe.sqlite";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn guide() -> String {
    fs::read_to_string(root().join("docs/data.md")).unwrap()
}

/// The blocks of a language in the guide.
fn blocks(language: &str) -> Vec<String> {
    let text = guide();
    let opening = format!("```{language}\n");
    let blocks = text.split(&opening).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// A command line of the guide, and how it says that it ends.
struct Line {
    command: String,
    code: i32,
}

/// The command lines of a language. Those that say nothing end with 0.
fn command_lines(language: &str) -> Vec<Line> {
    let all = blocks(language).join("\n");
    let lines = all
        .lines()
        .filter_map(|line| line.find("moltproof db ").map(|at| &line[at..]));
    lines
        .map(|line| {
            let (command, said) = line.split_once(" #").unwrap_or((line, ""));
            let code = said.split_once("exits with ").map_or(0, |(_, code)| {
                let code = code.split(':').next().unwrap();
                code.parse()
                    .unwrap_or_else(|_not| panic!("no exit code in `{line}`"))
            });
            Line {
                command: command.trim().trim_end_matches(']').to_owned(),
                code,
            }
        })
        .collect()
}

/// The folder of the guide, as a repository with local state and a branch `origin/main` that lacks the second migration.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let fixture = root().join("fixtures/data/guide");
    fs::create_dir(place.path().join("migrations")).unwrap();
    let copy = |name: &str| fs::copy(fixture.join(name), place.path().join(name)).unwrap();
    copy("wrangler.jsonc");
    copy("migrations/0001_first.sql");
    let objects = place
        .path()
        .join(".wrangler/state/v3/d1/miniflare-D1DatabaseObject");
    fs::create_dir_all(&objects).unwrap();
    let state = Connection::open(objects.join(STATE)).unwrap();
    state
        .execute_batch(&fs::read_to_string(fixture.join("migrations/0001_first.sql")).unwrap())
        .unwrap();
    for arguments in [
        &["init", "-q"][..],
        &["add", "."],
        &["commit", "-q", "-m", "first"],
        &["update-ref", "refs/remotes/origin/main", "HEAD"],
    ] {
        let done = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(arguments)
            .current_dir(place.path())
            .status()
            .unwrap();
        assert!(done.success(), "git {arguments:?}");
    }
    copy("migrations/0002_email.sql");
    place
}

/// Answers every question as D1 does for a database of one table.
fn cloudflare() -> String {
    const BODY: &str = r#"{"success":true,"errors":[],"result":[{"success":true,"results":{"columns":["type","name","sql"],"rows":[["table","users","CREATE TABLE users (id INTEGER PRIMARY KEY)"]]}}]}"#;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/client/v4", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            while !request.contains('}') {
                let mut piece = [0; 4096];
                let read = stream.read(&mut piece).unwrap();
                request.push_str(std::str::from_utf8(&piece[..read]).unwrap());
            }
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{BODY}",
                BODY.len()
            )
            .unwrap();
        }
    });
    base
}

fn run_line(folder: &Path, base: &str, line: &str) -> Ran {
    let arguments = line.strip_prefix("moltproof db ").unwrap().split(' ');
    let output = Command::new(program())
        .args(arguments)
        .current_dir(folder)
        .env("COLUMNS", "80")
        .env("CLOUDFLARE_API_BASE_URL", base)
        .env("CLOUDFLARE_API_TOKEN", "token")
        .output()
        .unwrap();
    Ran::of(&output)
}

#[test]
fn every_command_line_of_the_guide_runs_and_ends_as_it_says() {
    let (place, base) = (place(), cloudflare());
    let lines = command_lines("sh");
    assert!(lines.len() >= 15, "only {} lines", lines.len());
    for Line { command, code } in lines {
        let ran = run_line(place.path(), &base, &command);
        assert_eq!(ran.code, Some(code), "{command}: {ran:?}");
        assert!(!ran.err.contains("error:"), "{command}: {ran:?}");
    }
    let jobs = command_lines("yaml");
    assert!(jobs.len() >= 2, "only {} lines", jobs.len());
    for Line { command, .. } in jobs {
        // A job ends as its own migrations deserve; these have an error.
        let ran = run_line(place.path(), &base, &command);
        assert_eq!(ran.code, Some(1), "{command}: {ran:?}");
    }
    for name in [
        "data.toml",
        "known.toml",
        "lint.sarif",
        "lint.xml",
        "migrations/0003_add_missing_indexes.sql",
    ] {
        assert!(place.path().join(name).is_file(), "no {name}");
    }
}

#[test]
fn the_finding_of_the_guide_is_what_comes() {
    let place = place();
    let ran = run(place.path(), &["lint"]);
    let shown = blocks("text").remove(0);
    assert!(
        ran.out.starts_with(&shown),
        "the guide shows\n{shown}\nand what comes is\n{}",
        ran.out
    );
}

#[test]
fn the_rules_are_documented_as_the_program_tells_them() {
    let page = fs::read_to_string(root().join("docs/rules.md")).unwrap();
    assert!(
        page == book::markdown(),
        "put the output of `moltproof db explain --all --format markdown` into docs/rules.md"
    );
}
