//! What `init` writes so that real wrangler starts what it should. Never starts it.

use super::{folder_with, init, put, read};
use assert_cmd::Command;
use std::path::Path;

/// The manifest's text that `init` writes of a configuration.
fn written(configuration: &str) -> String {
    let folder = folder_with("wrangler.jsonc", configuration);
    init(folder.path(), &["--yes"], 0);
    read(folder.path(), "moltproof.toml").1
}

#[test]
fn stores_are_looked_at_by_the_ids_that_wrangler_dev_keeps_them_by() {
    let text = written(
        r#"{ "name": "x",
        "d1_databases": [{ "binding": "DB", "database_id": "real-d1", "preview_database_id": "preview-d1" }],
        "kv_namespaces": [{ "binding": "KV", "id": "real-kv", "preview_id": "preview-kv" }],
        "r2_buckets": [{ "binding": "BUCKET", "bucket_name": "real-r2", "preview_bucket_name": "preview-r2" }] }"#,
    );
    for kept in [
        r#"database = "preview-d1""#,
        r#"namespace = "preview-kv""#,
        r#"bucket = "preview-r2""#,
    ] {
        assert!(text.contains(kept), "{kept} is not in {text}");
    }
    let text = written(
        r#"{ "name": "x", "d1_databases": [{ "binding": "DB" }], "kv_namespaces": [{ "binding": "KV" }], "r2_buckets": [{ "binding": "BUCKET" }] }"#,
    );
    for kept in [
        r#"database = "DB""#,
        r#"namespace = "KV""#,
        r#"bucket = "BUCKET""#,
    ] {
        assert!(text.contains(kept), "{kept} is not in {text}");
    }
}

#[test]
fn inherited_routes_are_left_out_of_what_wrangler_dev_reads() {
    for routes in [
        r#""routes": ["app.example/*"]"#,
        r#""route": "app.example/*""#,
        r#""routes": [{ "pattern": "app.example", "custom_domain": true }]"#,
        r#""dev": { "host": "app.example" }"#,
    ] {
        let folder = folder_with(
            "wrangler.jsonc",
            &format!(r#"{{ "name": "x", {routes}, "env": {{ "production": {{}} }} }}"#),
        );
        init(folder.path(), &["--yes"], 0);
        let (made, _) = read(folder.path(), "moltproof.toml");
        let launch = made.launch.unwrap();
        assert_eq!(
            launch.config_without_routes.as_deref(),
            Some(Path::new("wrangler.jsonc")),
            "{routes}"
        );
        assert!(
            launch
                .command
                .ends_with(&["--config".to_owned(), "{config}".to_owned()])
        );
    }
    // An environment that says that it has none has none.
    let text = written(
        r#"{ "name": "x", "routes": ["app.example/*"], "env": { "production": { "routes": [] } } }"#,
    );
    assert!(!text.contains("config_without_routes"), "{text}");
}

#[test]
fn containers_are_left_out_where_no_docker_answers() {
    let folder = folder_with(
        "wrangler.jsonc",
        r#"{ "name": "x", "containers": [{ "class_name": "Sandbox", "image": "./Dockerfile" }] }"#,
    );
    // A path without `docker` in it, and one whose `docker` answers.
    let there = tempfile::tempdir().unwrap();
    let docker = there.path().join("docker");
    std::fs::write(&docker, "#!/bin/sh\nexit 0\n").unwrap();
    let mut may_run = std::fs::metadata(&docker).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut may_run, 0o755);
    std::fs::set_permissions(&docker, may_run).unwrap();
    let nowhere = tempfile::tempdir().unwrap();
    for (path, left_out) in [(nowhere.path(), true), (there.path(), false)] {
        let mut command = Command::cargo_bin("moltproof").unwrap();
        let arguments = ["init", "--yes", "--force"];
        let command = command.args(arguments).current_dir(folder.path());
        command.env("PATH", path).assert().code(0);
        let (made, text) = read(folder.path(), "moltproof.toml");
        let flag = "--enable-containers=false".to_owned();
        assert_eq!(made.launch.unwrap().command.contains(&flag), left_out);
        assert!(
            text.lines()
                .any(|line| line.starts_with('#') && line.contains(&flag))
        );
    }
}

#[test]
fn a_pages_project_is_said_to_be_no_worker() {
    let folder = folder_with(
        "wrangler.toml",
        "name = \"site\"\npages_build_output_dir = \"./dist\"\n",
    );
    let said = init(folder.path(), &["--yes"], 2);
    assert!(
        said.contains("Pages project") && said.contains("wrangler pages dev"),
        "{said}"
    );
    assert!(!folder.path().join("moltproof.toml").exists());
    // Where it is started by hand, its configuration is nobody's business.
    init(
        folder.path(),
        &["--yes", "--address", "http://127.0.0.1:8788"],
        0,
    );
}

#[test]
fn the_environment_named_production_is_judged_unless_told_otherwise() {
    let folder = folder_with(
        "wrangler.jsonc",
        r#"{ "name": "x", "env": { "dev-mode": {}, "production": { "vars": { "APP_DOMAIN": "app.example" } } } }"#,
    );
    init(folder.path(), &["--yes"], 0);
    let (made, _) = read(folder.path(), "moltproof.toml");
    assert_eq!(
        made.variants["production"].arguments,
        ["--env", "production"]
    );
    assert_eq!(made.variants["dev-mode"].arguments, ["--env", "dev-mode"]);
    assert_eq!(made.app_domain, "app.example");
    init(folder.path(), &["--yes", "--force", "--env", ""], 0);
    let (made, _) = read(folder.path(), "moltproof.toml");
    assert!(made.variants["production"].arguments.is_empty());
}

#[test]
fn of_several_databases_the_one_with_the_tenants_is_looked_at() {
    let configuration = r#"{ "name": "x", "d1_databases": [
        { "binding": "LOGS", "database_id": "of-logs", "migrations_dir": "logs" },
        { "binding": "DB", "database_id": "of-tenants", "migrations_dir": "main" }] }"#;
    let folder = folder_with("wrangler.jsonc", configuration);
    put(
        folder.path(),
        "logs/0001_logs.sql",
        "-- not CREATE TABLE tenants\nCREATE TABLE logs (id TEXT);",
    );
    put(
        folder.path(),
        "main/0001_tenants.sql",
        "CREATE TABLE IF NOT EXISTS \"tenants\" (id TEXT);",
    );
    init(folder.path(), &["--yes"], 0);
    let (made, text) = read(folder.path(), "moltproof.toml");
    assert!(text.contains(r#"database = "of-tenants""#), "{text}");
    assert!(made.launch.unwrap().setup[0].contains(&"DB".to_owned()));
    let text = written(configuration);
    assert!(
        text.contains(r#"database = "of-logs""#) && text.contains("the first is looked at"),
        "{text}"
    );
}

#[test]
fn packages_are_installed_where_the_lock_file_of_the_workspace_lies() {
    for (lock, member, command) in [
        (
            "pnpm-lock.yaml",
            ("pnpm-workspace.yaml", "packages:\n  - 'apps/*'\n"),
            "pnpm",
        ),
        (
            "package-lock.json",
            ("package.json", r#"{ "workspaces": ["apps/*"] }"#),
            "npm",
        ),
        (
            "yarn.lock",
            (
                "package.json",
                r#"{ "workspaces": { "packages": ["apps/*"] } }"#,
            ),
            "yarn",
        ),
        (
            "bun.lock",
            ("package.json", r#"{ "workspaces": ["./apps/worker"] }"#),
            "bun",
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), lock, "{}");
        put(root.path(), member.0, member.1);
        put(root.path(), "apps/worker/package.json", "{}");
        put(
            root.path(),
            "apps/worker/wrangler.jsonc",
            r#"{ "name": "x" }"#,
        );
        let worker = root.path().join("apps/worker");
        init(&worker, &["--yes"], 0);
        let (made, _) = read(&worker, "moltproof.toml");
        let prepare = &made.launch.unwrap().prepare[0];
        assert_eq!(prepare.run[0], command);
        assert_eq!(prepare.folder, Path::new("../.."), "{lock}");
        assert!(
            prepare
                .unless
                .as_ref()
                .unwrap()
                .starts_with("../../node_modules")
        );
        // A package that is no member is none of the workspace's.
        put(root.path(), "other/package.json", "{}");
        put(root.path(), "other/wrangler.jsonc", r#"{ "name": "x" }"#);
        let other = root.path().join("other");
        init(&other, &["--yes"], 0);
        assert!(
            read(&other, "moltproof.toml")
                .0
                .launch
                .unwrap()
                .prepare
                .is_empty()
        );
    }
}

#[test]
fn a_wrangler_that_this_node_cannot_run_is_told_with_the_one_to_pin() {
    let folder = folder_with("wrangler.jsonc", r#"{ "name": "x" }"#);
    let tools = tempfile::tempdir().unwrap();
    let node = tools.path().join("node");
    std::fs::write(&node, "#!/bin/sh\necho v20.20.2\n").unwrap();
    let mut may_run = std::fs::metadata(&node).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut may_run, 0o755);
    std::fs::set_permissions(&node, may_run).unwrap();
    let run = || {
        let mut command = Command::cargo_bin("moltproof").unwrap();
        let arguments = ["init", "--yes", "--force"];
        let command = command.args(arguments).current_dir(folder.path());
        let done = command.env("PATH", tools.path()).assert().code(0);
        String::from_utf8_lossy(&done.get_output().stdout).into_owned()
    };
    // No package names a wrangler: npx would take the newest.
    assert!(run().contains("4.86.0 is the newest that runs on Node 20.20.2"));
    let (made, _) = read(folder.path(), "moltproof.toml");
    let command = made.launch.unwrap().command;
    assert_eq!(
        command[..4],
        ["npx", "--yes", "--prefer-offline", "wrangler@4.86.0"]
    );
    put(
        folder.path(),
        "node_modules/wrangler/package.json",
        r#"{ "version": "4.158.0", "engines": { "node": ">=22.0.0" } }"#,
    );
    let said = run();
    assert!(
        said.contains("wrangler 4.158.0 needs >=22.0.0")
            && said.contains("\"wrangler\": \"4.86.0\""),
        "{said}"
    );
}

#[test]
fn a_start_keeps_a_copy_without_routes_and_prepares_where_the_lock_file_lies() {
    let root = tempfile::tempdir().unwrap();
    put(
        root.path(),
        "worker/wrangler.jsonc",
        r#"{ "name": "x", /* of production */ "routes": ["app.example/*"] }"#,
    );
    put(
        root.path(),
        "worker/moltproof.toml",
        r#"name = "x"
        [launch]
        config_without_routes = "wrangler.jsonc"
        prepare = [{ run = ["touch", "prepared"], folder = "..", unless = "../prepared" }]
        command = ["sh", "-c", "cat $0; exit 1", "{config}"]
        [variants.production]
        "#,
    );
    let mut command = Command::cargo_bin("moltproof").unwrap();
    let folder = root.path().join("worker");
    let command = command.arg("doctor").current_dir(&folder);
    command.env("MOLTPROOF_STORE", "none").assert().code(3);
    assert!(root.path().join("prepared").is_file());
    let copy = std::fs::read_to_string(folder.join(".moltproof.wrangler.json")).unwrap();
    assert!(
        copy.contains("\"name\"") && !copy.contains("routes"),
        "{copy}"
    );
}
