//! The doctor on targets that it starts itself. It never leaves a process behind.

use crate::server::{APP_DOMAIN, Deployment, Played, launched, manifest, moltproof, pass_on, play};
use async_trait::async_trait;
use moltproof::client::Client;
use moltproof::contract::Contract;
use moltproof::contract::need::{Need, Variant};
use moltproof::contract::profile::Profile;
use moltproof::doctor::{State, diagnose};
use moltproof::reference::ReferenceTarget;
use moltproof::subject::dialect::Dialect;
use moltproof::subject::{Disposable, Fault, Instance, Limits, Migrated, Target};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn nothing_is_wrong_with_a_target_that_a_manifest_starts() {
    let (_folder, path) = launched("");
    let told = moltproof(&["doctor", "--target", &path], &[("NO_COLOR", "1")]);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    for line in [
        "✓ address",
        "✓ worker",
        "✓ host",
        "✓ keys",
        "? build",
        "nothing wrong",
        "criteria can be verified",
    ] {
        assert!(told.out.contains(line), "{line}: {}", told.out);
    }
    assert!(
        !told.out.contains('\u{1b}'),
        "colour without a terminal: {}",
        told.out
    );
}

#[test]
fn the_json_form_has_a_stable_shape_and_counts_every_criterion() {
    let (_folder, path) = launched("");
    let told = moltproof(&["doctor", "--format", "json", "--target", &path], &[]);
    let found = told.json();
    assert_eq!(found["schema_version"], "1.0");
    for check in found["checks"].as_array().unwrap() {
        for key in ["id", "state", "saw", "remedy"] {
            assert!(check[key].is_string(), "{key}: {check}");
        }
    }
    let contract = Contract::embedded().unwrap();
    let coverage = &found["coverage"];
    let number = |level: &str, key: &str| coverage[level][key].as_u64().unwrap();
    let (mut total, mut verifiable) = (0, 0);
    for level in ["must", "should", "may"] {
        total += number(level, "total");
        verifiable += number(level, "verifiable");
    }
    let core = contract.of_profile(Profile::Core);
    assert_eq!(total, core.criteria.len() as u64);
    let open: usize = coverage["open"]
        .as_array()
        .unwrap()
        .iter()
        .map(|open| {
            assert!(!open["reason"].as_str().unwrap().is_empty(), "{open}");
            open["criteria"].as_array().unwrap().len()
        })
        .sum();
    assert_eq!(verifiable + open as u64, total);
    let capabilities = found["capabilities"].as_array().unwrap();
    assert_eq!(capabilities.len(), Need::all().len());
    let met =
        |need: &str| capabilities.iter().find(|one| one["need"] == need).unwrap()["met"].clone();
    assert_eq!((met("admin"), met("logs")), (true.into(), false.into()));
}

/// A folder with a `node` of this version, a wrangler that needs another, and a manifest.
fn node_project(node: &str, wanted: &str) -> (tempfile::TempDir, String) {
    let (folder, path) = manifest(
        "name = \"n\"\n[launch]\ncommand = [\"node\", \"server.js\"]\n[launch.environment]\nPATH = \"FOLDER/bin:/usr/bin:/bin\"\n[variants.production]\n[limits]\nexact = true\n",
    );
    let at = folder.path();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("FOLDER", &at.display().to_string())).unwrap();
    std::fs::create_dir_all(at.join("bin")).unwrap();
    std::fs::create_dir_all(at.join("node_modules/wrangler")).unwrap();
    std::fs::write(
        at.join("node_modules/wrangler/package.json"),
        format!("{{\"version\":\"4.158.0\",\"engines\":{{\"node\":\"{wanted}\"}}}}"),
    )
    .unwrap();
    let program = at.join("bin/node");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo {node} && exit 0\necho 'Wrangler requires at least Node.js v22.0.0. You are using {node}.'\nexit 1\n"
    );
    std::fs::write(&program, script).unwrap();
    let mut mode = std::fs::metadata(&program).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    (folder, path)
}

fn checks_of(path: &str) -> (i32, String) {
    let told = moltproof(&["doctor", "--target", path], &[]);
    (told.code, told.out)
}

#[test]
fn a_node_that_is_too_old_for_wrangler_is_named_with_both_versions() {
    let (_folder, path) = node_project("v20.11.1", ">=22.0.0");
    let (code, out) = checks_of(&path);
    assert!(
        out.contains("✗ node")
            && out.contains("Node is 20.11.1, and wrangler 4.158.0 needs >=22.0.0"),
        "{out}"
    );
    assert!(
        out.contains("\"wrangler\": \"4.86.0\""),
        "the version to pin: {out}"
    );
    assert_eq!(code, 3, "it does not start either: {out}");
    let (_folder, path) = node_project("v22.11.0", ">=22.0.0");
    let (_code, out) = checks_of(&path);
    assert!(out.contains("✓ node         Node 22.11.0"), "{out}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let (_folder, path) = manifest(
        "name = \"n\"\n[launch]\ncommand = [\"sh\", \"-c\", \"echo 'listen EADDRINUSE: address already in use 127.0.0.1:{port}' >&2; exit 1\"]\n[variants.production]\n",
    );
    let (code, out) = checks_of(&path);
    assert!(
        out.contains("✗ port") && out.contains("orphaned workerd"),
        "{out}"
    );
    assert_eq!(code, 3);
    let told = moltproof(
        &[
            "run", "--quiet", "--format", "json", "--id", "RL-013", "--target", &path,
        ],
        &[],
    );
    assert_eq!(told.code, 3, "{}", told.out);
    assert!(told.out.contains("orphaned workerd"), "{}", told.out);
}

/// A manifest whose server tells its port in a file and ends as soon as another file is there.
fn short_lived() -> (tempfile::TempDir, String) {
    let (folder, path) = manifest("");
    let at = folder.path().display().to_string();
    let script = "echo {port} > AT/port.tmp; mv AT/port.tmp AT/port; while [ ! -e AT/go ]; do sleep 0.01; done; exit 1".replace("AT", &at);
    let text = format!(
        "name = \"n\"\n[launch]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n[variants.production]\n"
    );
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn an_answer_is_not_the_servers_if_the_server_has_ended() {
    let (folder, path) = short_lived();
    let at = folder.path().to_owned();
    // The orphan: it holds the port that the server was to have, and answers.
    std::thread::spawn(move || {
        let port = loop {
            if let Ok(text) = std::fs::read_to_string(at.join("port")) {
                break text.trim().to_owned();
            }
            std::thread::yield_now();
        };
        let listener = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
        for stream in listener.incoming() {
            use std::io::{Read as _, Write as _};
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok_and(|count| count > 0) {
                std::fs::write(at.join("go"), "").unwrap();
                // The other side may have left.
                drop(stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
                ));
            }
        }
    });
    let (code, out) = checks_of(&path);
    assert!(
        out.contains("has ended") && out.contains("another process holds the port"),
        "{out}"
    );
    assert_ne!(code, 0);
}

/// The reference behind a proxy.
struct Behind {
    reference: Arc<ReferenceTarget>,
    proxy: Option<String>,
}

#[async_trait]
impl Target for Behind {
    fn name(&self) -> String {
        "behind a proxy".to_owned()
    }
    fn lacks(&self, need: Need) -> Option<String> {
        self.reference.lacks(need)
    }
    fn dialect(&self) -> &Dialect {
        self.reference.dialect()
    }
    fn limits(&self) -> &Limits {
        self.reference.limits()
    }
    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        let instance = self.reference.instance(variant).await?;
        let base = self.proxy.clone().unwrap_or_else(|| instance.base.clone());
        Ok(Arc::new(Instance {
            base,
            ..(*instance).clone()
        }))
    }
    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        self.reference.disposable().await
    }
    async fn migrate(&self, folder: &Path, database: &Path) -> Result<Migrated, Fault> {
        self.reference.migrate(folder, database).await
    }
    fn migrations(&self) -> Option<PathBuf> {
        self.reference.migrations()
    }
}

/// As `wrangler dev` does with `routes`: every request is for one host.
fn rewriting(base: String) -> Played {
    play(move |mut seen| {
        let base = base.clone();
        seen.headers.retain(|(name, _)| name != "host");
        let host = ("host".to_owned(), format!("www.{APP_DOMAIN}"));
        pass_on(base, seen, vec![host])
    })
}

#[test]
fn a_rewritten_host_is_inferred_from_two_tenants_that_answer_like_nobody() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_moltproof"));
    let reference = ReferenceTarget::start(program).unwrap();
    let contract = Contract::embedded().unwrap();
    let client = Client::new().unwrap();
    let host_of = |target: &Arc<dyn Target>| {
        let found = runtime.block_on(diagnose(&client, target, &contract, Duration::ZERO));
        found
            .checks
            .into_iter()
            .find(|check| check.id == "host")
            .unwrap()
    };
    let reference = Arc::new(reference);
    let plain: Arc<dyn Target> = Arc::new(Behind {
        reference: Arc::clone(&reference),
        proxy: None,
    });
    assert_eq!(host_of(&plain).state, State::Ok);
    let base = runtime
        .block_on(plain.instance(Variant::Production))
        .unwrap()
        .base
        .clone();
    let proxy = rewriting(base);
    let behind: Arc<dyn Target> = Arc::new(Behind {
        reference,
        proxy: Some(proxy.base.clone()),
    });
    let host = host_of(&behind);
    assert_eq!(host.state, State::Wrong, "{host:?}");
    assert!(host.remedy.contains("`routes`"), "{host:?}");
}

/// How many criteria the doctor says can be verified, and how many a run then verifies.
fn counts(target: &str) -> (i64, i64) {
    let found = moltproof(&["doctor", "--format", "json", "--target", target], &[]).json();
    let said = ["must", "should", "may"].map(|level| {
        let count = &found["coverage"][level]["verifiable"];
        count.as_i64().unwrap()
    });
    let run = ["run", "--quiet", "--format", "json", "--target", target];
    let report = moltproof(&run, &[]).json();
    let verified = |one: &&serde_json::Value| {
        ["passed", "failed", "accepted", "flaky"].contains(&one["verdict"].as_str().unwrap())
    };
    let criteria = report["criteria"].as_array().unwrap();
    let seen = criteria.iter().filter(verified).count();
    (said.iter().sum(), i64::try_from(seen).unwrap())
}

#[test]
fn at_a_bare_address_the_count_is_what_a_run_then_verifies() {
    let deployment = Deployment::start();
    let (said, verified) = counts(&deployment.base);
    assert!((said - verified).abs() <= 2, "{said} {verified}");
}

#[test]
fn a_chat_that_wants_a_credential_is_told_with_all_that_hangs_on_it() {
    let (_folder, whole) = launched("");
    let before = moltproof(&["doctor", "--format", "json", "--target", &whole], &[]).json();
    let (_folder, path) = launched("[dialect]\nask_model = { path = \"/api/admin/tenants\" }\n");
    let told = moltproof(&["doctor", "--format", "json", "--target", &path], &[]);
    let found = told.json();
    let checks = found["checks"].as_array().unwrap();
    let chat = checks.iter().find(|one| one["id"] == "chat").unwrap();
    assert_eq!((&chat["state"], told.code), (&"wrong".into(), 4), "{chat}");
    assert!(
        chat["remedy"].as_str().unwrap().contains("credential"),
        "{chat}"
    );
    let must =
        |found: &serde_json::Value| found["coverage"]["must"]["verifiable"].as_i64().unwrap();
    assert!(
        must(&before) - must(&found) > 10,
        "{} {}",
        must(&before),
        must(&found)
    );
    let open = found["coverage"]["open"].as_array().unwrap();
    let of_chat = |one: &&serde_json::Value| one["reason"].as_str().unwrap().starts_with("chat: ");
    assert_eq!(open.iter().filter(of_chat).count(), 1, "{open:?}");
}

#[test]
fn a_diagnosis_fits_on_a_screen_unless_more_is_asked_for() {
    let deployment = Deployment::start();
    let short = moltproof(&["doctor", "--target", &deployment.base], &[]).out;
    let whole = moltproof(&["doctor", "--verbose", "--target", &deployment.base], &[]).out;
    assert!(short.lines().count() <= 40, "{short}");
    assert!(whole.contains("capabilities") && !short.contains("capabilities"));
}
