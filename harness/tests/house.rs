//! The repository's own rules, held against its files. Never judges behaviour.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "house/layers.rs"]
mod layers;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    walk(&root().join(folder), &mut files);
    assert!(!files.is_empty(), "no Rust file below {folder}");
    files
}

fn walk(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path
                .strip_prefix(root())
                .unwrap_or(&path)
                .display()
                .to_string();
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn the_harness_names_the_reference_crate_in_one_module_only() {
    let naming: Vec<_> = rust_files("harness/src")
        .into_iter()
        .filter(|(_, text)| {
            ["moltworker_reference", "moltworker_api_reference"]
                .iter()
                .any(|name| text.contains(name))
        })
        .map(|(name, _)| name)
        .collect();
    assert!(!naming.is_empty(), "nobody starts the reference");
    let strays: Vec<_> = naming
        .iter()
        .filter(|name| !name.contains("src/reference/"))
        .collect();
    assert!(strays.is_empty(), "{strays:?}");
}

/// The references: that of Phase 1 and that of the API worker.
fn reference_files() -> Vec<(String, String)> {
    ["reference/src", "reference/api-worker/src"]
        .map(rust_files)
        .concat()
}

#[test]
fn the_reference_knows_nothing_of_the_harness() {
    for (name, text) in reference_files() {
        assert!(!text.contains("moltproof::"), "{name} uses the harness");
        assert!(
            !text.to_lowercase().contains("deviant"),
            "{name} has a switch that breaks a rule"
        );
    }
}

#[test]
fn what_d1_allows_is_told_by_neither_the_reference_nor_the_judge() {
    for (name, text) in ["fixtures/d1/src", "fixtures/d1/examples"]
        .map(rust_files)
        .concat()
    {
        for crates in [
            "moltworker_reference",
            "moltworker_api_reference",
            "moltproof",
        ] {
            assert!(!text.contains(crates), "{name} knows {crates}");
        }
    }
    // What one table says is not copied by hand again.
    let judge = rust_files("harness/src");
    for (name, text) in judge.into_iter().chain(reference_files()) {
        assert!(
            !text.contains("SQLITE_LIMIT_") && !text.contains("AuthAction::"),
            "{name} has limits or rules of D1 of its own: ask d1-platform"
        );
    }
}

#[test]
fn every_file_opens_with_its_duty() {
    for folder in [
        "fixtures/d1/src",
        "fixtures/d1/examples",
        "fixtures/d1/tests",
        "harness/data/src",
        "harness/api-worker/src",
        "harness/doubles/src",
        "harness/src",
        "harness/tests",
        "reference/src",
        "reference/tests",
        "reference/api-worker/src",
    ] {
        for (name, text) in rust_files(folder) {
            assert!(text.starts_with("//! "), "{name} does not open with //!");
        }
    }
}

#[test]
fn steps_do_no_input_or_output_of_their_own() {
    for (name, text) in rust_files("harness/src/steps") {
        for word in [
            "reqwest::",
            "TcpStream",
            "tokio::time::sleep",
            "std::fs::",
            "std::env::",
        ] {
            assert!(
                !text.contains(word),
                "{name} uses {word}: ask client, target, observe or wait"
            );
        }
    }
}

#[test]
fn only_the_store_modules_of_the_reference_write_sql() {
    for (name, text) in reference_files() {
        let allowed = name.contains("/store/") || name.ends_with("kv.rs");
        assert!(
            allowed || !text.contains("rusqlite"),
            "{name} uses rusqlite outside the store"
        );
    }
}

#[test]
fn only_the_error_policy_of_the_reference_picks_status_codes_of_errors() {
    for (name, text) in reference_files() {
        if name.contains("/http/") || name.ends_with("_tests.rs") {
            continue;
        }
        // What another server answered is read with the client's type; that picks nothing.
        let picks = text
            .lines()
            .any(|line| line.contains("StatusCode") && !line.contains("reqwest::StatusCode"));
        assert!(!picks, "{name} picks a status code outside http");
    }
}

#[test]
fn the_two_commands_stand_first_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let head: String = readme.lines().take(20).collect::<Vec<_>>().join("\n");
    assert!(
        head.contains("cargo run --release -p moltproof -- run"),
        "the run command is missing"
    );
    assert!(
        head.contains("cargo test --workspace"),
        "the test command is missing"
    );
}

#[test]
fn the_matrix_of_criteria_is_up_to_date() {
    let contract = moltproof::contract::Contract::embedded().unwrap();
    let wanted = moltproof::cli::matrix(&contract);
    let page = fs::read_to_string(root().join("features/README.md")).unwrap();
    assert!(
        page.contains(&wanted),
        "features/README.md is out of date; put the output of `moltproof list --format markdown` between its markers"
    );
}

#[test]
fn the_schema_of_the_manifest_is_up_to_date() {
    let page = fs::read_to_string(root().join("fixtures/schemas/manifest.schema.json")).unwrap();
    assert_eq!(
        page,
        moltproof::cli::manifest_schema(),
        "put the output of `moltproof schema` into fixtures/schemas/manifest.schema.json"
    );
}

#[test]
fn the_schema_of_the_report_is_up_to_date() {
    let page = fs::read_to_string(root().join("fixtures/schemas/report.schema.json")).unwrap();
    assert_eq!(
        page,
        moltproof::cli::report_schema(),
        "put the output of `moltproof schema report` into fixtures/schemas/report.schema.json, and raise SCHEMA_VERSION"
    );
}

/// Every manifest that is checked in.
fn manifests() -> Vec<(String, toml::Table)> {
    let mut folders = vec![
        root().join("fixtures/targets"),
        root().join("fixtures/worker"),
    ];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() && name != "node_modules" && name != ".wrangler" {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "toml") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.display().to_string(), toml::from_str(&text).unwrap()));
            }
        }
    }
    found
}

#[test]
fn every_manifest_that_is_checked_in_validates_against_the_schema() {
    let schema = serde_json::from_str(&moltproof::cli::manifest_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let manifests = manifests();
    assert!(manifests.len() >= 2, "the manifests are gone");
    for (name, manifest) in manifests {
        let errors: Vec<_> = validator
            .iter_errors(&serde_json::to_value(&manifest).unwrap())
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn what_workerd_makes_impossible_nobody_has_to_declare() {
    let path = root().join("fixtures/worker/target.toml");
    let manifest = moltproof::subject::manifest::Manifest::read(&path).unwrap();
    assert!(manifest.impossible.is_empty(), "{:?}", manifest.impossible);
    let reason = manifest.beyond_runtime("SCH-004", "A failing file stops the run with the line");
    assert!(reason.is_some());
}

#[test]
fn no_file_of_the_project_is_ignored_by_a_test_attribute() {
    for folder in ["harness", "reference"] {
        for (name, text) in rust_files(folder) {
            let ignored = concat!("#[", "ignore");
            assert!(!text.contains(ignored), "{name} ignores a test");
        }
    }
}

/// Places that look through a value or print a number for SQLite, and show it to nobody. May only shrink.
const DEBUG_TEXT: [&str; 4] = [
    "harness/src/generate/isolation.rs",
    "harness/src/generate/paths.rs",
    "harness/src/observe/sql_text.rs",
    "harness/src/steps/isolation/matrix.rs",
];

#[test]
fn no_reader_meets_the_debug_text_of_a_value() {
    let mut strays = Vec::new();
    for (name, text) in [
        "harness/api-worker/src",
        "harness/doubles/src",
        "harness/src",
    ]
    .map(rust_files)
    .concat()
    {
        let is_test = name.ends_with("tests.rs");
        let written = text.split("#[cfg(test)]\nmod tests {").next();
        let lines = written.into_iter().flat_map(str::lines).enumerate();
        for (number, line) in lines {
            let is_for_tests = is_test || line.contains("assert") || line.contains("panic!");
            if (line.contains(":?}") || line.contains(":#?}")) && !is_for_tests {
                strays.push((name.clone(), number + 1));
            }
        }
    }
    let known = |name: &str| DEBUG_TEXT.iter().any(|known| name.ends_with(known));
    let unknown: Vec<_> = strays.iter().filter(|(name, _)| !known(name)).collect();
    assert!(
        unknown.is_empty(),
        "{unknown:?}: say the value in words, with `crate::said::said`"
    );
    for known in DEBUG_TEXT {
        let is_there = strays.iter().any(|(name, _)| name.ends_with(known));
        assert!(is_there, "{known} has none any more: take it off the list");
    }
}

#[test]
fn every_path_that_a_document_names_is_there() {
    let mut documents = vec!["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
        .into_iter()
        .map(PathBuf::from)
        .collect::<Vec<_>>();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        documents.push(Path::new("docs").join(entry.unwrap().file_name()));
    }
    let of_ours = [
        "harness/",
        "reference/",
        "fixtures/",
        "features/",
        "migrations/",
        "ci/",
        "packaging/",
        "docs/",
    ];
    let is_plain = |word: &str| {
        word.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
    };
    let mut missing = Vec::new();
    let mut seen = 0;
    for document in &documents {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            if of_ours.iter().any(|top| word.starts_with(top)) && is_plain(word) {
                seen += 1;
                if !root().join(word).exists() {
                    missing.push(format!("{}: {word}", document.display()));
                }
            }
        }
    }
    assert!(seen > 100, "only {seen} paths are seen");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
