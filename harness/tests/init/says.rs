//! What `init` takes from names, and what it refuses. Never starts a Worker.

use super::{folder_with, init, put, read};

#[test]
fn names_are_found_wherever_a_worker_keeps_them() {
    let folder = folder_with(
        "wrangler.jsonc",
        r#"{ "name": "x", "secrets": { "required": ["CF_ACCESS_AUD"] } }"#,
    );
    put(
        folder.path(),
        ".dev.vars.example",
        "APP_DOMAIN=app.example\n",
    );
    put(
        folder.path(),
        ".dev.vars",
        "# export CF_ACCESS_TEAM_DOMAIN=https://x\n#AI_GATEWAY_BASE_URL=s3cret\n",
    );
    init(folder.path(), &["--yes"], 0);
    let (_, text) = read(folder.path(), "moltproof.toml");
    let doubtful: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("this is the contract's name for it"))
        .collect();
    assert_eq!(doubtful.len(), 1, "{text}");
    assert!(doubtful[0].starts_with("CLOUDFLARE_AI_GATEWAY_API_KEY"));
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn variants_that_need_no_environment_are_written_at_once() {
    let folder = folder_with("wrangler.jsonc", r#"{ "name": "x" }"#);
    put(
        folder.path(),
        ".dev.vars.example",
        "E2E_TEST_MODE=\nDEBUG_ROUTES=\nTEST_TOKEN=\n",
    );
    init(folder.path(), &["--yes"], 0);
    let (made, text) = read(folder.path(), "moltproof.toml");
    let arguments = |name: &str| made.variants[name].arguments.join(" ");
    assert_eq!(arguments("dev-mode"), "--var DEV_MODE:true");
    assert_eq!(arguments("dev-mode-false"), "--var DEV_MODE:false");
    assert_eq!(arguments("dev-mode-0"), "--var DEV_MODE:0");
    assert_eq!(arguments("dev-mode-upper-case"), "--var DEV_MODE:TRUE");
    assert_eq!(
        arguments("small-limits"),
        "--var PUBLIC_RATE_LIMIT_MAX:5 --var PUBLIC_RATE_LIMIT_WINDOW_SECONDS:2"
    );
    assert_eq!(made.limits.small_quota, Some((5, 2)));
    assert_eq!(
        arguments("own-switches"),
        "--var DEBUG_ROUTES:true --var E2E_TEST_MODE:true"
    );
    assert_eq!(
        made.variants["without-access-aud"].without,
        ["CF_ACCESS_AUD"]
    );
    assert_eq!(
        made.variants["without-ai-gateway"].without,
        ["AI_GATEWAY_BASE_URL", "CLOUDFLARE_AI_GATEWAY_API_KEY"]
    );
    for needs_environment in ["without-d1", "without-kv", "dev-mode-without-r2"] {
        assert!(!made.variants.contains_key(needs_environment));
        assert!(text.contains(&format!("# [variants.{needs_environment}]")));
    }
}

#[test]
fn a_variable_that_is_set_without_the_harness_is_not_said_to_be_missing() {
    let folder = folder_with(
        "wrangler.jsonc",
        r#"{ "name": "x", "main": "src/index.js" }"#,
    );
    put(
        folder.path(),
        ".dev.vars",
        "CF_ACCESS_AUD=abc\nDEV_MODE=true\n",
    );
    put(folder.path(), "src/index.js", "const { APP_DOMAIN } = env;");
    init(folder.path(), &["--yes"], 0);
    let (made, text) = read(folder.path(), "moltproof.toml");
    assert!(!made.variants.contains_key("without-access-aud"), "{text}");
    assert!(
        text.contains("# Not yet: `CF_ACCESS_AUD` has a value"),
        "{text}"
    );
    // What `.dev.vars` switches on is off in production, and in what is production but for a variable.
    let off = ["--var", "DEV_MODE:false"];
    assert_eq!(made.variants["production"].arguments, off);
    assert_eq!(made.variants["without-app-domain"].arguments, off);
    assert_eq!(
        made.variants["dev-mode"].arguments,
        ["--var", "DEV_MODE:true"]
    );
    // Its source knows no limits by variables.
    assert!(!made.variants.contains_key("small-limits"), "{text}");
}

#[test]
fn an_address_that_cannot_be_one_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for (address, says) in [
        ("localhost:8787", "no address of a Worker"),
        ("https://staging.example/health", "name the server alone"),
        (
            "https://me:s3cret@staging.example",
            "user name or a password",
        ),
    ] {
        let said = init(folder.path(), &["--yes", "--address", address], 2);
        assert!(said.contains(says), "{address}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn editors_find_the_schema_beside_the_manifest() {
    let folder = folder_with("wrangler.jsonc", r#"{ "name": "x" }"#);
    init(folder.path(), &["--yes"], 0);
    let (_, text) = read(folder.path(), "moltproof.toml");
    let schema = text
        .lines()
        .next()
        .unwrap()
        .strip_prefix("#:schema ")
        .unwrap();
    let schema = std::fs::read_to_string(folder.path().join(schema)).unwrap();
    assert_eq!(schema, moltproof::cli::manifest_schema());
    for path in ["docs/", "fixtures/"] {
        assert!(!text.contains(path), "a path of ours: {text}");
    }
    std::fs::write(folder.path().join("moltproof.schema.json"), "{}").unwrap();
    let said = init(folder.path(), &["--yes", "--force"], 2);
    assert!(said.contains("no schema of moltproof's"), "{said}");
}
