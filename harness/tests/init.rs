//! `moltproof init`: what it makes of wrangler configurations of several kinds. Never starts a Worker.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "init/says.rs"]
mod says;
#[path = "init/starts.rs"]
mod starts;

use assert_cmd::Command;
use moltproof::init::{Asks, Known, Way, draft, render, wrangler};
use moltproof::subject::manifest::Manifest;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}

/// Runs `init` in a folder and returns what it says.
fn init(folder: &Path, args: &[&str], code: i32) -> String {
    let mut command = Command::cargo_bin("moltproof").unwrap();
    let done = command
        .arg("init")
        .args(args)
        .current_dir(folder)
        .assert()
        .code(code);
    let output = done.get_output();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A further file, in a folder of its own if it names one.
fn put(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

/// A folder with one file in it.
fn folder_with(name: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    folder
}

fn read(folder: &Path, name: &str) -> (Manifest, String) {
    let file = folder.join(name);
    (
        Manifest::read(&file).unwrap(),
        std::fs::read_to_string(file).unwrap(),
    )
}

#[test]
fn of_the_worker_in_this_repository_it_writes_what_was_written_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let from = root().join("fixtures/worker/wrangler.jsonc");
    let said = init(folder.path(), &["--from", from.to_str().unwrap()], 0);
    assert!(
        said.contains("next: moltproof doctor --target moltproof.toml"),
        "{said}"
    );
    let (made, text) = read(folder.path(), "moltproof.toml");
    let by_hand = Manifest::read(&root().join("fixtures/worker/wrangler-dev.toml")).unwrap();
    let (launch, launch_by_hand) = (made.launch.unwrap(), by_hand.launch.unwrap());
    assert_eq!(launch.command, launch_by_hand.command);
    assert_eq!(launch.setup, launch_by_hand.setup);
    assert_eq!(launch.variables, launch_by_hand.variables);
    assert_eq!(
        std::fs::canonicalize(folder.path().join(launch.folder)).unwrap(),
        root().join("fixtures/worker")
    );
    assert_eq!(
        format!("{:?}", made.observe),
        format!("{:?}", by_hand.observe)
    );
    assert_eq!(made.limits.small_quota, by_hand.limits.small_quota);
    let mut variants = made.variants;
    // Its environment is called otherwise, and nothing but its variables says what it is.
    assert!(text.contains("# [variants.key-rotation]") && text.contains("short-key-cache"));
    variants.insert(
        "key-rotation".to_owned(),
        by_hand.variants["key-rotation"].clone(),
    );
    // What needs no environment is written beyond what that manifest has.
    for extra in [
        "dev-mode-false",
        "dev-mode-0",
        "dev-mode-upper-case",
        "without-access",
        "without-ai-gateway-url",
        "without-ai-gateway-key",
    ] {
        assert!(variants.remove(extra).is_some(), "{extra}");
    }
    assert_eq!(format!("{variants:?}"), format!("{:?}", by_hand.variants));
    let migrations = made.migrations.unwrap();
    assert_eq!(
        std::fs::canonicalize(folder.path().join(migrations.folder)).unwrap(),
        root().join("migrations")
    );
    assert_eq!(
        Some(migrations.command),
        by_hand.migrations.map(|entry| entry.command)
    );
}

#[test]
fn the_workers_of_other_styles_are_written_so_that_they_load() {
    for style in ["customers", "fixed", "kv-only-seed"] {
        let folder = tempfile::tempdir().unwrap();
        let from = root().join(format!("fixtures/targets/{style}/wrangler.jsonc"));
        init(
            folder.path(),
            &["--yes", "--from", from.to_str().unwrap()],
            0,
        );
        let (made, _) = read(folder.path(), "moltproof.toml");
        assert_eq!(made.name, format!("style-{style}"));
        assert_eq!(made.migrations.is_some(), style != "fixed");
    }
}

/// In TOML, with environments of somebody's own names, and none of the usual bindings' names.
const TOML: &str = r#"
name = "assistant"
main = "src/index.ts"
routes = ["assistant.example.com/*"]
[vars]
APP_DOMAIN = "assistant.example.com"
CF_ACCESS_TEAM_DOMAIN = "acme.cloudflareaccess.com"
PUBLIC_RATE_LIMIT_MAX = 30
SOME_TOKEN = "s3cret-of-somebody"
[[d1_databases]]
binding = "DB"
database_name = "db"
[[kv_namespaces]]
binding = "REGISTRY"
id = "abc"
[env.local]
vars = { DEV_MODE = "true", APP_DOMAIN = "local.example" }
[[env.local.d1_databases]]
binding = "DB"
database_name = "db"
[[env.local.kv_namespaces]]
binding = "REGISTRY"
id = "abc"
[env.nokv]
[[env.nokv.d1_databases]]
binding = "DB"
database_name = "db"
[env.staging]
vars = { APP_DOMAIN = "staging.example" }
[[env.staging.d1_databases]]
binding = "DB"
database_name = "db"
database_id = "1-2-3"
[[env.staging.kv_namespaces]]
binding = "REGISTRY"
id = "def"
[[env.staging.ratelimits]]
name = "LIMITER"
namespace_id = "1"
simple = { limit = 12, period = 10 }
"#;

#[test]
fn environments_are_known_by_what_they_have_and_lack() {
    let folder = folder_with("wrangler.toml", TOML);
    std::fs::write(
        folder.path().join(".dev.vars"),
        "CLOUDFLARE_AI_GATEWAY_API_KEY=s3cret\n",
    )
    .unwrap();
    init(folder.path(), &[], 0);
    let (made, text) = read(folder.path(), "moltproof.toml");
    let names: Vec<&str> = made.variants.keys().map(String::as_str).collect();
    let of_environments: Vec<&str> = made
        .variants
        .iter()
        .filter(|(_, entry)| entry.arguments.iter().any(|word| word == "--env"))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(of_environments, ["dev-mode", "without-kv"]);
    assert!(names.contains(&"production"));
    assert_eq!(made.variants["dev-mode"].arguments, ["--env", "local"]);
    assert_eq!(made.variants["without-kv"].without, ["REGISTRY"]);
    assert_eq!(made.app_domain, "assistant.example.com");
    assert_eq!(made.limits.quota, Some((30, 60)));
    assert!(
        text.contains("config_without_routes = \"wrangler.toml\""),
        "{text}"
    );
    assert!(
        text.contains("NODE_EXTRA_CA_CERTS"),
        "a bare team domain needs TLS: {text}"
    );
    assert!(
        text.contains("no variant by their names or bindings: staging"),
        "{text}"
    );
    assert!(!text.contains("s3cret"), "a secret was written: {text}");
}

#[test]
fn a_named_environment_is_judged_as_production() {
    let folder = folder_with("wrangler.toml", TOML);
    init(
        folder.path(),
        &["--env", "staging", "--output", "staging.toml"],
        0,
    );
    let (made, _) = read(folder.path(), "staging.toml");
    assert_eq!(made.variants["production"].arguments, ["--env", "staging"]);
    assert_eq!(made.app_domain, "staging.example");
    assert_eq!(made.limits.quota, Some((12, 10)));
    assert!(!made.limits.exact);
    assert!(format!("{:?}", made.observe.d1).contains("1-2-3"));
    let said = init(
        folder.path(),
        &["--env", "stagin", "--output", "other.toml"],
        2,
    );
    assert!(
        said.contains("did you mean `staging`?") && said.contains("local, nokv, staging"),
        "{said}"
    );
}

#[test]
fn what_is_not_found_stands_there_as_a_comment_and_the_manifest_loads() {
    let nothing = tempfile::tempdir().unwrap();
    init(nothing.path(), &[], 0);
    let (made, text) = read(nothing.path(), "moltproof.toml");
    assert_eq!(
        made.variants["production"].address.as_deref(),
        Some("http://127.0.0.1:8787")
    );
    assert!(text.contains("# Fill in the Worker's APP_DOMAIN"), "{text}");
    assert!(text.contains("fill in where the Worker runs"), "{text}");
    let bare = folder_with("wrangler.json", "{ \"name\": \"bare\" /* nothing else */ }");
    init(bare.path(), &[], 0);
    let (made, text) = read(bare.path(), "moltproof.toml");
    assert_eq!(made.name, "bare");
    for missing in [
        "# No D1 database",
        "# No KV namespace",
        "# No R2 bucket",
        "# No migrations",
    ] {
        assert!(text.contains(missing), "{missing} is not told: {text}");
    }
}

#[test]
fn nothing_is_overwritten_unasked_and_nothing_unreadable_is_taken() {
    let folder = folder_with("moltproof.toml", "name = \"mine\"");
    let said = init(folder.path(), &["--yes"], 2);
    assert!(said.contains("--force overwrites it"), "{said}");
    assert_eq!(
        std::fs::read_to_string(folder.path().join("moltproof.toml")).unwrap(),
        "name = \"mine\""
    );
    init(folder.path(), &["--yes", "--force"], 0);
    assert!(
        init(folder.path(), &["--from", "nothing.jsonc", "--force"], 2)
            .contains("cannot read nothing.jsonc")
    );
    std::fs::write(folder.path().join("wrangler.jsonc"), "{ name: ").unwrap();
    assert!(init(folder.path(), &["--force"], 2).contains("no wrangler configuration"));
    assert!(
        init(
            folder.path(),
            &["--env", "x", "--address", "http://127.0.0.1:1"],
            2
        )
        .contains("cannot be used with")
    );
}

/// Answers in their order, each beside the question that it must be the answer to.
struct Answers(VecDeque<(&'static str, &'static str)>);

impl Asks for Answers {
    fn text(&mut self, question: &str, _default: &str) -> io::Result<String> {
        let (part, answer) = self.0.pop_front().unwrap();
        assert!(
            question.contains(part),
            "asked `{question}`, expected `{part}`"
        );
        Ok(answer.to_owned())
    }

    fn choice(&mut self, question: &str, choices: &[String], _default: usize) -> io::Result<usize> {
        let (part, answer) = self.0.pop_front().unwrap();
        assert!(
            question.contains(part),
            "asked `{question}`, expected `{part}`"
        );
        Ok(choices
            .iter()
            .position(|choice| choice.contains(answer))
            .unwrap())
    }
}

#[test]
fn what_is_answered_is_written_and_a_secret_is_named_by_its_variable_only() {
    let file = folder_with("wrangler.toml", TOML);
    let path = file.path().join("wrangler.toml");
    let known = Known {
        wrangler: Some((path.clone(), wrangler::read(&path).unwrap())),
        folder: file.path().to_path_buf(),
        ..Known::default()
    };
    let mut answers = Answers(VecDeque::from([
        ("name", "my assistant \"2\""),
        ("How is it reached?", "at an address"),
        ("address", "https://staging.example"),
        ("operator", "service token"),
        ("client id", "MY_ID"),
        ("secret", "MY_SECRET"),
        ("app domain", "staging.example"),
    ]));
    let draft = draft(&known, &mut answers).unwrap();
    assert!(answers.0.is_empty(), "not asked: {:?}", answers.0);
    assert!(matches!(draft.way, Way::Address { .. }));
    let text = render::manifest(&draft, "moltproof.toml");
    let table: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(table["name"].as_str(), Some("my assistant \"2\""));
    assert_eq!(
        table["operator"]["service_token"]["secret"].as_str(),
        Some("${MY_SECRET}")
    );
    assert_eq!(
        table["variants"]["production"]["address"].as_str(),
        Some("https://staging.example")
    );
}

#[test]
fn a_pasted_secret_is_refused_and_never_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for secret in [
        "88bf3b6d86161464f6509f7219099e57.access",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIifQ.c2lnbmF0dXJl",
        "b8bf3b6d86161464f6509f7219099e57b8bf3b6d",
        ".",
    ] {
        let known = Known {
            folder: folder.path().to_path_buf(),
            ..Known::default()
        };
        let mut answers = Answers(VecDeque::from([
            ("name", "my assistant"),
            ("address", "https://staging.example"),
            ("operator", "service token"),
            ("client id", secret),
        ]));
        let error = draft(&known, &mut answers).unwrap_err().to_string();
        assert!(secret == "." || !error.contains(secret), "{error}");
        assert!(error.contains("neither written nor repeated"), "{error}");
    }
}
