//! What a target claims decides what it is judged by: what is not claimed touches no verdict, no headline and no exit code. Never judges a database itself.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use moltproof::contract::profile::Profile;
use moltproof::contract::select::Selection;
use moltproof::report::statement::Statement;
use moltproof::report::{Kind, Report, text};
use moltproof::run::book::Book;
use moltproof::run::scene::Scene;
use moltproof::subject::manifest::Manifest;
use moltproof::suite::{Builder, CannotRun, Suite};
use moltproof::verdict::{Exit, RunVerdict};
use moltproof_data::claims::From;
use std::path::{Path, PathBuf};

const PROGRAM: &str = env!("CARGO_BIN_EXE_moltproof");

/// A promise of every target.
const CORE: &str = "
@core
Feature: A Worker

  @OWN-001 @must
  Rule: OWN-001 Something holds
    Something holds.

    Scenario: It holds
      Then it holds
";

/// Promises of a database.
const DATA: &str = "
@data
Feature: A database

  @OWN-002 @must
  Rule: OWN-002 A database holds
    A database holds.

    Scenario: It holds too
      Then it holds

  @OWN-003 @must
  Rule: OWN-003 A database is told
    A database is told.

    Scenario: It cannot be told
      Then it cannot be told
";

fn add_steps(book: &mut Book) {
    book.step("it holds", |scene: &mut Scene, _args| {
        Box::pin(async move { scene.expect(true, "it holds", || "it does not".to_owned()) })
    });
    book.step("it cannot be told", |_scene, _args| {
        Box::pin(async { Err(moltproof::verdict::Stop::NotVerified("no key".to_owned())) })
    });
}

fn suite() -> Builder {
    Suite::builder()
        .program(PROGRAM)
        .feature("features/own/core.feature", CORE)
        .feature("features/own/data.feature", DATA)
        .without_the_contract()
        .steps(add_steps)
}

/// A manifest beside a folder of migrations.
fn manifest(folder: &Path, text: &str) -> PathBuf {
    let migrations = folder.join("migrations");
    std::fs::create_dir_all(&migrations).unwrap();
    std::fs::write(
        migrations.join("0001_a.sql"),
        "CREATE TABLE a (id INTEGER PRIMARY KEY);",
    )
    .unwrap();
    let file = folder.join("target.toml");
    std::fs::write(&file, text).unwrap();
    file
}

const DATABASE: &str =
    "name = 'shop'\nprofiles = ['data']\n[data]\nfrom = { migrations = 'migrations' }\n";
const BOTH: &str = "name = 'shop'\nprofiles = ['core', 'data']\n[variants.production]\naddress = 'http://127.0.0.1:9'\n[data]\nfrom = { migrations = 'migrations' }\n";
const UNCLAIMED: &str = "name = 'shop'\n[variants.production]\naddress = 'http://127.0.0.1:9'\n[data]\nfrom = { migrations = 'migrations' }\n";

fn judged(text: &str) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let suite = suite().manifest(manifest(folder.path(), text));
    suite.block().unwrap().report
}

/// All that people and machines are told, without what differs from run to run.
fn rendered(report: &Report) -> Vec<String> {
    let file = |kind: Kind| String::from_utf8(kind.render(report, &[]).unwrap()).unwrap();
    vec![
        file(Kind::Markdown),
        file(Kind::Html),
        file(Kind::Junit),
        Statement::of(report, &[]).render().unwrap(),
        file(Kind::Badge),
        anstream::adapter::strip_str(&text::render(report)).to_string(),
    ]
}

#[test]
fn what_is_not_claimed_is_neither_judged_nor_missed() {
    let report = judged(UNCLAIMED);
    assert_eq!(report.summary.verdict, RunVerdict::Conforms);
    assert_eq!(report.exit(true), Exit::Conforms);
    let ids: Vec<_> = report.criteria.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["OWN-001"]);
    assert_eq!(report.summary.scenarios_selected, 1);
    assert_eq!(report.summary.scenarios_not_selected, 0);
    assert!(report.is_whole() && report.profiles.is_empty());
    assert!(
        serde_json::to_value(&report)
            .unwrap()
            .get("profiles")
            .is_none()
    );
    for told in rendered(&report) {
        assert!(
            !told.contains("OWN-002") && !told.contains("rofile data"),
            "{told}"
        );
    }
}

#[test]
fn every_claimed_profile_has_a_verdict_of_its_own_and_the_worst_is_the_whole() {
    let report = judged(BOTH);
    let told: Vec<_> = report
        .profiles
        .iter()
        .map(|one| {
            (
                one.profile.as_str(),
                one.verdict,
                one.must.passed,
                one.must.total,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("core", RunVerdict::Conforms, 1, 1),
            ("data", RunVerdict::Inconclusive, 1, 2)
        ]
    );
    assert_eq!(report.summary.verdict, RunVerdict::Inconclusive);
    assert_eq!(report.exit(false), Exit::Conforms);
    assert_eq!(report.exit(true), Exit::NotVerified);
    let [markdown, page, junit, statement, badge, text] = &rendered(&report)[..] else {
        panic!("a rendering is missing");
    };
    let core = "core conforms — MUST: 1 of 1 passed";
    let data = "data inconclusive — MUST: 1 of 2 passed, 1 not verified";
    for told in [markdown, page, junit, text] {
        assert!(told.contains(core) && told.contains(data), "{told}");
    }
    assert!(badge.contains("core 1/1 MUST · data 1/2 MUST"), "{badge}");
    assert!(statement.contains("[profiles.data]"), "{statement}");
    let stated: Statement = toml::from_str(statement).unwrap();
    stated.agrees_with_itself().unwrap();
    stated.follows_from(&report).unwrap();
    let forged = statement.replacen("verdict = \"conforms\"", "verdict = \"violates\"", 1);
    let forged: Statement = toml::from_str(&forged).unwrap();
    assert!(forged.agrees_with_itself().is_err());
    assert!(
        markdown.contains("Profile core: The one MUST criterion"),
        "{markdown}"
    );
}

#[test]
fn a_profile_of_which_nothing_was_verified_is_told_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let suite = suite()
        .manifest(manifest(folder.path(), BOTH))
        .select(Selection {
            ids: vec!["OWN-001".to_owned(), "OWN-003".to_owned()],
            ..Selection::default()
        });
    let report = suite.block().unwrap().report;
    assert_eq!(report.summary.verdict, RunVerdict::Inconclusive);
    assert_eq!(report.exit(false), Exit::NotVerified);
}

#[test]
fn a_database_alone_is_judged_without_a_request_and_lacks_nothing_of_a_worker() {
    let report = judged(DATABASE);
    let told: Vec<_> = report
        .profiles
        .iter()
        .map(|one| one.profile.as_str())
        .collect();
    assert_eq!(told, ["data"]);
    assert_eq!((report.summary.exchanges, report.spent.requests), (0, 0));
    assert!(report.lacking.is_empty(), "{:?}", report.lacking);
    let told = anstream::adapter::strip_str(&text::render(&report)).to_string();
    assert!(
        told.contains("shop inconclusive\n  data inconclusive — "),
        "{told}"
    );
    assert!(!told.contains("requests"), "{told}");
}

#[test]
fn asking_for_what_is_not_claimed_says_how_to_claim_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = manifest(folder.path(), UNCLAIMED);
    let by = |selection: Selection| suite().manifest(&file).select(selection).block();
    let named = |words: &[&str]| {
        words
            .iter()
            .map(|&word| word.to_owned())
            .collect::<Vec<_>>()
    };
    for selection in [
        Selection {
            profiles: named(&["data"]),
            ..Selection::default()
        },
        Selection {
            ids: named(&["OWN-002"]),
            ..Selection::default()
        },
        Selection {
            tags: Some("@OWN-002".to_owned()),
            ..Selection::default()
        },
    ] {
        let refused = by(selection).unwrap_err();
        assert!(matches!(refused, CannotRun::Selection(_)), "{refused}");
        let said = refused.to_string();
        assert!(said.contains("profiles = [\"core\", \"data\"]"), "{said}");
        assert!(
            said.contains("[data]") && said.contains("moltproof db infer"),
            "{said}"
        );
    }
}

#[test]
fn a_claim_of_which_the_contract_holds_nothing_is_told() {
    let text = UNCLAIMED.replace("[variants", "profiles = ['data', 'api-worker']\n[variants");
    let report = judged(&text);
    let warned = report.warnings.join("\n");
    assert!(warned.contains("claims the profile api-worker"), "{warned}");
}

#[test]
fn claims_that_cannot_be_meant_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |text: &str| {
        let file = manifest(folder.path(), text);
        Manifest::read(&file).unwrap_err().to_string()
    };
    let production = "[variants.production]\naddress = 'http://127.0.0.1:9'\n";
    for (text, wanted) in [
        ("profiles = ['dta']\n", "did you mean `data`?"),
        (
            "profiles = []\n",
            "name at least one of core, data, api-worker",
        ),
        ("profiles = ['core', 'core']\n", "twice"),
        (
            "profiles = ['core', 'data']\n",
            "`moltproof db infer` writes one",
        ),
        (
            "profiles = ['core', 'api-worker']\n",
            "write a manifest for each",
        ),
    ] {
        let said = refused(&format!("name = 'x'\n{text}{production}"));
        assert!(said.contains(wanted), "{said}");
    }
    assert!(refused("name = 'x'\n").contains("[variants.production] is missing"));
    let nowhere = "name = 'x'\nprofiles = ['data']\n[data]\ntenants = 'a'\n";
    assert!(refused(nowhere).contains("from = { migrations"));
    let file = manifest(folder.path(), DATABASE);
    assert_eq!(Manifest::read(&file).unwrap().profiles, [Profile::Data]);
}

#[test]
fn claims_may_stand_in_a_file_of_their_own_from_which_its_paths_start() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    std::fs::create_dir(&below).unwrap();
    let claims = below.join("data.toml");
    let section = "[data]\ntenants = 'a'\nfrom = { migrations = '../migrations' }\n";
    std::fs::write(&claims, section).unwrap();
    let text = "name = 'shop'\nprofiles = ['data']\nclaims = 'below/data.toml'\n";
    let read = Manifest::read(&manifest(folder.path(), text));
    let data = read.unwrap().data.unwrap();
    assert_eq!(data.tenants.as_deref(), Some("a"));
    assert_eq!(
        data.from,
        Some(From::Migrations("below/../migrations".into()))
    );
    let refused = |text: &str| {
        let file = manifest(folder.path(), text);
        Manifest::read(&file).unwrap_err().to_string()
    };
    let twice = format!("{text}[data]\nfrom = {{ migrations = 'migrations' }}\n");
    assert!(refused(&twice).contains("keep one of the two"));
    std::fs::write(&claims, "tenants = 'a'\n").unwrap();
    let said = refused(text);
    assert!(
        said.contains("data.toml") && said.contains("tenants"),
        "{said}"
    );
    std::fs::remove_file(&claims).unwrap();
    assert!(refused(text).contains("cannot read"));
}

#[test]
fn the_worker_of_this_repository_claims_the_database_of_the_reference() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target = Manifest::read(&root.join("fixtures/worker/target.toml")).unwrap();
    assert_eq!(target.profiles, [Profile::Core, Profile::Data]);
    let database = target.database().unwrap();
    let Some(From::Migrations(place)) = database.claims.from else {
        panic!("its database comes from migrations");
    };
    let place = std::fs::canonicalize(database.folder.join(place)).unwrap();
    assert_eq!(place, root.join("migrations/patterns"));
}

fn moltproof(args: &[&str]) -> (Option<i32>, String) {
    let done = std::process::Command::new(PROGRAM)
        .args(args)
        .env("MOLTPROOF_STORE", "none")
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].concat();
    (
        done.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn the_command_line_judges_a_database_alone_by_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let file = manifest(folder.path(), DATABASE).display().to_string();
    let (code, said) = moltproof(&["run", "-q", "--target", &file, "--id", "PAT-009,PAT-018"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("data conforms — MUST: 2 of 2 passed"),
        "{said}"
    );
    let (code, said) = moltproof(&["doctor", "--target", &file]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("the migrations in migrations: 1 file, 1 table"),
        "{said}"
    );
    assert!(!said.contains("capabilities"), "{said}");
}

#[test]
fn the_command_line_says_how_to_claim_before_it_sends_anything() {
    for args in [
        ["--profile", "data"],
        ["--id", "PAT-009"],
        ["--tags", "@data"],
    ] {
        let address = ["run", "--target", "http://127.0.0.1:9"];
        let (code, said) = moltproof(&[&address[..], &args[..]].concat());
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("profiles = [\"core\", \"data\"]"), "{said}");
    }
}

#[test]
fn a_version_without_the_profile_says_that_it_judged_none_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = manifest(folder.path(), DATABASE).display().to_string();
    let (code, said) = moltproof(&["run", "--target", &file, "--contract", "1.0"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the profile `core`"), "{said}");
    let first = ["run", "--profile", "data", "--contract", "1.0"];
    let (code, said) = moltproof(&first);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the contract has: core"), "{said}");
}

#[test]
fn reports_are_compared_by_profile() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, report: &Report| {
        let path = folder.path().join(name);
        std::fs::write(&path, Kind::Json.render(report, &[]).unwrap()).unwrap();
        path.display().to_string()
    };
    let (both, core) = (
        write("both.json", &judged(BOTH)),
        write("core.json", &judged(UNCLAIMED)),
    );
    assert_eq!(
        moltproof(&["report", "diff", "--exact", &both, &core]).0,
        Some(1)
    );
    let by_profile = [
        "report",
        "diff",
        "--profile",
        "core",
        "--exact",
        &both,
        &core,
    ];
    assert_eq!(moltproof(&by_profile).0, Some(0));
}
