//! The pages are true: every command line of the README and of `docs/` has been run, and every link leads somewhere. Never judges what a command prints.
//!
//! `docs/data.md` has a test of its own beside the crate that it describes.

use super::null_server;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How a command line of a page is run.
enum Way {
    /// Here, by these command lines, one after the other, each with its exit code. `{served}` is the address of a served reference, `{broken}` that of a server that keeps nothing.
    Here(&'static [(&'static str, i32)]),
    /// By a script of the repository, which holds this text.
    By(&'static str, &'static str),
    /// Not at all, because it belongs to somebody else's program or machine.
    NotOurs(&'static str),
}

use Way::{By, Here, NotOurs};

/// Every command line of the pages, in any order.
const LINES: &[(&str, Way)] = &[
    (
        "cargo run --release -p moltproof -- run",
        By(".ci/run", "\"$moltproof\" run --strict"),
    ),
    (
        "cargo test --workspace",
        By(".ci/run", "cargo test --workspace"),
    ),
    (
        "moltproof run --target https://staging.example",
        Here(&[("run --target {served}", 0)]),
    ),
    (
        "moltproof run --target fixtures/worker/target.toml",
        By(".ci/run", "run --target fixtures/worker/target.toml"),
    ),
    ("moltproof db lint", Here(&[("db lint", 0)])),
    (
        "moltproof replay last RES-002",
        Here(&[
            ("run --target {broken} --id RL-011", 1),
            ("replay last RL-011", 1),
        ]),
    ),
    ("moltproof run", Here(&[("run --id RES-001,ISO-001", 0)])),
    (
        "MOLTPROOF_TARGET=https://staging.example ci/staging.sh --min-verified 6",
        By(
            "ci/files/test_docs.py",
            "test_the_line_for_any_other_ci_judges",
        ),
    ),
    ("moltproof history", Here(&[("history", 0)])),
    (
        "moltproof run --generate 100",
        Here(&[("run --generate 2 --id GEN-HOST", 0)]),
    ),
    (
        "moltproof run --generate 100 --seed 7 --id GEN-MODEL",
        Here(&[("run --generate 2 --seed 7 --id GEN-MODEL", 0)]),
    ),
    (
        "moltproof run --target https://staging.example --report json=run.json",
        Here(&[(
            "run --target {broken} --id RL-011 --report json=run.json",
            1,
        )]),
    ),
    (
        "moltproof run --report messages=run.ndjson",
        Here(&[("run --id RES-001 --report messages=run.ndjson", 0)]),
    ),
    (
        "moltproof replay last RES-002 --report har=finding.har",
        Here(&[
            ("run --target {broken} --id RL-011", 1),
            ("replay last RL-011 --report har=finding.har", 1),
        ]),
    ),
    (
        "openssl genpkey -algorithm ed25519 -out signer.key",
        By(
            "ci/report-forms/run",
            "openssl genpkey -algorithm ed25519 -out",
        ),
    ),
    (
        "openssl pkey -in signer.key -pubout -out signer.pub",
        By("ci/report-forms/run", "-pubout -out"),
    ),
    (
        "moltproof run --report json,in-toto --sign-key signer.key",
        By("ci/report-forms/run", "--sign-key"),
    ),
    (
        "moltproof report verify moltproof.intoto.json --key signer.pub",
        By("ci/report-forms/run", "report verify \"$signed\" --key"),
    ),
    // What is new has no reason and no owner yet, and does not hold.
    (
        "moltproof run --target https://staging.example --baseline known.toml",
        Here(&[("run --target {broken} --id RL-011 --baseline known.toml", 5)]),
    ),
    (
        "moltproof baseline update known.toml run.json",
        Here(&[("baseline update known.toml run.json", 0)]),
    ),
    (
        "moltproof doubles",
        NotOurs("it plays until Ctrl-C; `harness/tests/doubles_command.rs` runs it"),
    ),
    (
        "moltproof up --target moltproof.toml --variant dev-mode",
        NotOurs("it serves until Ctrl-C; `harness/tests/command_line/repeating.rs` runs it"),
    ),
    ("npx wrangler dev", NotOurs("the user's own Worker")),
    (
        "moltproof init --yes && moltproof doctor && moltproof run --id AIG-001",
        NotOurs(
            "it starts the user's own Worker; `harness/tests/init` and `ci/styles` run its parts",
        ),
    ),
    (
        "export API_DB=api.sqlite ENVIRONMENT=development",
        NotOurs("it sets variables for the lines below it"),
    ),
    (
        "export API_DB=api.sqlite",
        NotOurs("it sets a variable for the lines below it"),
    ),
    (
        "moltproof serve-altered --profile api-worker a-log-line-tells-the-key-of-a-request-that-failed --listen 127.0.0.1:8789",
        NotOurs("it serves until Ctrl-C; `harness/tests/command_line/addresses.rs` runs it"),
    ),
    (
        "curl -H 'Authorization: Bearer mpk_nobodys' http://127.0.0.1:8789/v1/usage",
        NotOurs(
            "it asks what the line above serves; `harness/tests/command_line/addresses.rs` does so",
        ),
    ),
    (
        "moltworker-api migrate",
        NotOurs("another program; `cargo test -p moltworker-api-reference` holds its commands"),
    ),
    (
        "moltworker-api seed-development",
        NotOurs("another program; `cargo test -p moltworker-api-reference` holds its commands"),
    ),
    (
        "moltworker-api serve --listen 127.0.0.1:8788",
        NotOurs("another program; `cargo test -p moltworker-api-reference` holds its commands"),
    ),
    (
        "curl -H \"cf-access-jwt-assertion: $(moltproof token mint)\" http://localhost:8787/api/admin/tenants",
        NotOurs("it asks the user's own Worker; `harness/tests/doubles_command.rs` mints tokens"),
    ),
    (
        "npx moltproof run",
        By("ci/install", "user npx moltproof run"),
    ),
    (
        "npm install --save-dev moltproof",
        By("ci/install", "user npm install --save-dev moltproof"),
    ),
    ("version=0.1.0", By("ci/install", FETCHED)),
    (
        "target=x86_64-unknown-linux-musl",
        By("ci/install", FETCHED),
    ),
    (
        "releases=\"${MOLTPROOF_RELEASES:-https://github.com/OWNER/moltproof/releases/download}\"",
        By("ci/install", FETCHED),
    ),
    (
        "curl -fsSLO \"$releases/v$version/moltproof-$target-v$version.tgz\" -O \"$releases/v$version/moltproof-$target-v$version.tgz.sha256\"",
        By("ci/install", FETCHED),
    ),
    (
        "sha256sum -c \"moltproof-$target-v$version.tgz.sha256\"",
        By("ci/install", FETCHED),
    ),
    (
        "tar -xzf \"moltproof-$target-v$version.tgz\" --strip-components=1 \"moltproof-$target-v$version/moltproof\"",
        By("ci/install", FETCHED),
    ),
    (
        "cargo binstall --git https://github.com/OWNER/moltproof moltproof",
        NotOurs("it takes what is published; `ci/install` unpacks the same archive"),
    ),
    (
        "cargo install --locked --git https://github.com/OWNER/moltproof moltproof",
        NotOurs("it takes what is published; `packaging/build` compiles the same"),
    ),
    (
        "docker run --rm ghcr.io/OWNER/moltproof:0.1.0 run --target https://staging.example",
        NotOurs(ENGINE),
    ),
    (
        "docker run --rm --read-only --tmpfs /tmp ghcr.io/OWNER/moltproof:0.1.0 run",
        NotOurs(ENGINE),
    ),
    (
        "docker run --rm --user \"$(id -u)\" --volume \"$PWD:/work\" ghcr.io/OWNER/moltproof:0.1.0 run --target https://staging.example --report junit=junit.xml",
        NotOurs(ENGINE),
    ),
    (
        "git clone https://github.com/OWNER/moltproof && cd moltproof",
        NotOurs("it fetches this repository"),
    ),
    ("packaging/build", By(".ci/run", "\npackaging/build > ")),
];

/// How `ci/install` runs the lines that fetch an archive: as they stand on the page.
const FETCHED: &str = "documented \"The program itself, with its checksum\"";
/// Why a container is not started here.
const ENGINE: &str =
    "it needs a container engine; `ci/install` runs the program in a root that holds nothing else";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The README and the manual, with their names.
fn pages() -> Vec<(String, String)> {
    let mut pages = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let of_the_data_crate = ["data.md", "rules.md"].contains(&name);
        if path.extension().is_some_and(|ending| ending == "md") && !of_the_data_crate {
            pages.push(format!("docs/{name}"));
        }
    }
    pages
        .into_iter()
        .map(|name| {
            let text = fs::read_to_string(root().join(&name)).unwrap();
            (name, text)
        })
        .collect()
}

/// The command lines in the shell blocks of a page, without their comments; what is continued is one line.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut within = false;
    let mut begun = String::new();
    for line in page.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            within = !within && ["sh", "bash", "console"].contains(&language);
            continue;
        }
        if !within {
            continue;
        }
        let line = line.trim();
        let line = line.split_once(" # ").map_or(line, |(line, _)| line).trim();
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        begun.push_str(line);
        if begun.ends_with('\\') {
            begun.pop();
        } else {
            commands.push(std::mem::take(&mut begun));
        }
    }
    commands
}

/// The reference as a server of its own, until this is dropped.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("moltproof"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("TENANT_DB", folder.join("d1.sqlite"))
            .env("TENANT_KV", folder.join("kv.sqlite"))
            .env("MOLTBOT_BUCKET", folder.join("r2"))
            .env("APP_DOMAIN", "app.example")
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| line.find("http://").map(|at| line[at..].trim().to_owned()))
            .unwrap();
        Self { child, address }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn every_command_line_of_the_pages_is_run_by_a_test() {
    let folder = tempfile::tempdir().unwrap();
    let migrations = folder.path().join("migrations");
    fs::create_dir(&migrations).unwrap();
    fs::write(
        migrations.join("0001_users.sql"),
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n",
    )
    .unwrap();
    let served = Served::start(folder.path());
    let broken = null_server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
    let mut met = BTreeSet::new();
    let mut wrong = Vec::new();
    for (page, text) in pages() {
        for command in commands(&text) {
            let Some((line, way)) = LINES.iter().find(|(line, _)| *line == command) else {
                wrong.push(format!("no test runs this line of {page}: {command}"));
                continue;
            };
            if !met.insert(line) {
                continue;
            }
            match way {
                Here(steps) => {
                    for (step, code) in *steps {
                        let step = step
                            .replace("{served}", &served.address)
                            .replace("{broken}", &broken);
                        let done = assert_cmd::Command::cargo_bin("moltproof")
                            .unwrap()
                            .args(step.split(' '))
                            .env("MOLTPROOF_STORE", ".moltproof")
                            .current_dir(folder.path())
                            .assert();
                        let output = done.get_output();
                        let said = String::from_utf8_lossy(&output.stderr);
                        if output.status.code() != Some(*code) {
                            let seen = output.status;
                            wrong.push(format!("{page}: {command}: {seen}, not {code}: {said}"));
                        }
                    }
                }
                By(script, held) => {
                    let script_text = fs::read_to_string(root().join(script)).unwrap();
                    assert!(script_text.contains(held), "{script} no longer runs {line}");
                }
                NotOurs(why) => assert!(!why.is_empty()),
            }
        }
    }
    let unused: Vec<_> = LINES
        .iter()
        .map(|(line, _)| line)
        .filter(|line| !met.contains(line))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(unused.is_empty(), "no page has these lines: {unused:?}");
}

/// The name under which a heading can be linked to.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// The places that a page links to, outside its code blocks.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(link, _)| link.to_owned()))
        .filter(|link| !link.contains("://") && !link.contains(' ') && !link.contains('['))
        .collect()
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let mut pages: Vec<PathBuf> = ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"]
        .map(|name| root().join(name))
        .to_vec();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        pages.push(entry.unwrap().path());
    }
    let mut seen = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            seen += 1;
            let (path, place) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(path)
            };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if place.is_empty() {
                continue;
            }
            let there = fs::read_to_string(&target).unwrap();
            let found = there
                .lines()
                .filter(|line| line.starts_with('#'))
                .any(|line| anchor(line.trim_start_matches('#')) == place);
            assert!(found, "{}: {link} names no heading", page.display());
        }
    }
    assert!(seen > 20, "only {seen} links");
}
