//! Runs that something cuts off: the target dies, the network goes, the disk is full. Such a run is no verdict on the target, and never a green one.

use crate::server::{APP_DOMAIN, Deployment, at_address, manifest};
use axum::body::{Body, Bytes};
use axum::response::Response;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const OPERATOR: &str = "[operator]\ntoken = \"${OPERATOR_TOKEN}\"\n";

/// So many tenants are there when a run is cut off: scenarios have ended by then, and many more are under way.
const TENANTS_THEN: usize = 12;

/// A backend that keeps the contract: every finding on it is a false one. Nobody listens where its AI Gateway should be, and nothing
/// that the run can verify there asks for one.
fn configured() -> Deployment {
    Deployment::start_with(&[
        ("AI_GATEWAY_BASE_URL", "http://127.0.0.1:9/v1/acct/gw"),
        ("CLOUDFLARE_AI_GATEWAY_API_KEY", "key"),
    ])
}

struct CutOff {
    code: Option<i32>,
    report: serde_json::Value,
    said: String,
}

/// Runs everything that does not wait for long against the target, and does something as soon as the run is under way.
fn run_until(
    path: &str,
    token: &str,
    mut under_way: impl FnMut() -> bool,
    cut: impl FnOnce(),
) -> CutOff {
    let mut run = Command::new(env!("CARGO_BIN_EXE_moltproof"))
        .args(["run", "--quiet", "--format", "json"])
        .args(["--tags", "not @slow", "--target", path])
        .env("OPERATOR_TOKEN", token)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !under_way() {
        assert!(run.try_wait().unwrap().is_none(), "the run ended too early");
    }
    cut();
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    CutOff {
        code: output.status.code(),
        report: serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("no report ({error}): {said}")),
        said,
    }
}

/// The run blames nobody: exit 3, criteria in error, none failed, none passed by what could not be seen any more.
fn must_be_no_verdict(run: &CutOff) {
    let report = &run.report;
    let counted = |verdict: &str| -> Vec<String> {
        let criteria = report["criteria"].as_array().unwrap().iter();
        criteria
            .filter(|criterion| criterion["verdict"] == verdict)
            .map(|criterion| format!("{}: {}", criterion["id"], criterion["reason"]))
            .collect()
    };
    let failed = counted("failed");
    assert!(failed.is_empty(), "blamed for its death: {failed:#?}");
    assert!(counted("error").len() >= 20, "{:#?}", report["summary"]);
    assert_eq!(report["summary"]["verdict"], "inconclusive");
    assert_eq!(run.code, Some(3), "{}", run.said);
}

#[test]
fn a_target_that_is_killed_during_a_run_is_in_error_and_not_a_violation() {
    let mut deployment = configured();
    let token = deployment.token();
    let (_folder, path) = at_address(&deployment.base, OPERATOR);
    let deployment = &Mutex::new(&mut deployment);
    let run = run_until(
        &path,
        &token,
        || deployment.lock().unwrap().slugs().len() >= TENANTS_THEN,
        || deployment.lock().unwrap().die(),
    );
    must_be_no_verdict(&run);
    // What the run has left there cannot be swept now: it says how to do it later.
    assert!(
        run.said.contains("moltproof sweep --target"),
        "{}",
        run.said
    );
}

/// Passes bytes between callers and a server, until it goes away.
struct Wire {
    base: String,
    open: Arc<Mutex<Vec<TcpStream>>>,
    serves: Arc<AtomicBool>,
}

impl Wire {
    fn to(server: &str) -> Self {
        let server = server.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (open, serves) = (
            Arc::<Mutex<Vec<TcpStream>>>::default(),
            Arc::new(AtomicBool::new(true)),
        );
        let (opened, serving) = (Arc::clone(&open), Arc::clone(&serves));
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                if !serving.load(Ordering::SeqCst) {
                    return;
                }
                // Nobody behind it: the caller's connection is closed, as a balancer without a backend does.
                let Ok(far) = TcpStream::connect(&server) else {
                    continue;
                };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let mut bytes = [0; 16 * 1024];
                        while let Ok(count @ 1..) = from.read(&mut bytes) {
                            if to.write_all(&bytes[..count]).is_err() {
                                break;
                            }
                        }
                        drop(to.shutdown(Shutdown::Write));
                    });
                }
                opened.lock().unwrap().extend([near, far]);
            }
        });
        Self { base, open, serves }
    }

    /// Nobody listens any more, and every connection is cut.
    fn vanish(&self) {
        self.serves.store(false, Ordering::SeqCst);
        drop(TcpStream::connect(
            self.base.strip_prefix("http://").unwrap(),
        ));
        for stream in self.open.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

#[test]
fn a_network_that_goes_away_during_a_run_is_in_error_and_not_a_violation() {
    let deployment = configured();
    let wire = Wire::to(&deployment.base);
    let (_folder, path) = at_address(&wire.base, OPERATOR);
    let run = run_until(
        &path,
        &deployment.token(),
        || deployment.slugs().len() >= TENANTS_THEN,
        || wire.vanish(),
    );
    must_be_no_verdict(&run);
}

#[test]
fn a_target_that_dies_behind_a_proxy_is_in_error_and_not_a_violation() {
    let mut deployment = configured();
    let (wire, token) = (Wire::to(&deployment.base), deployment.token());
    let (_folder, path) = at_address(&wire.base, OPERATOR);
    let deployment = &Mutex::new(&mut deployment);
    let run = run_until(
        &path,
        &token,
        || deployment.lock().unwrap().slugs().len() >= TENANTS_THEN,
        || deployment.lock().unwrap().die(),
    );
    must_be_no_verdict(&run);
}

#[test]
fn a_target_that_the_harness_started_and_that_dies_is_in_error_and_not_a_violation() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (_manifest, path) = manifest(&format!(
        r#"name = "dying"
app_domain = "{APP_DOMAIN}"
[launch]
command = ['sh', '-c', 'echo $$ > {pid}; exec {program} serve --listen 127.0.0.1:{{port}}']
[launch.variables]
TENANT_DB = "{d1}"
TENANT_KV = "{kv}"
MOLTBOT_BUCKET = "{r2}"
APP_DOMAIN = "{{app_domain}}"
CF_ACCESS_TEAM_DOMAIN = "{{team_domain}}"
CF_ACCESS_AUD = "{{audience}}"
AI_GATEWAY_BASE_URL = "{{ai_gateway_base_url}}"
CLOUDFLARE_AI_GATEWAY_API_KEY = "{{ai_gateway_key}}"
[variants.production]
[control]
access = true
ai_gateway = true
client_ip = true
[limits]
exact = true
"#,
        pid = file("pid").display(),
        program = env!("CARGO_BIN_EXE_moltproof"),
        d1 = file("d1.sqlite").display(),
        kv = file("kv.sqlite").display(),
        r2 = file("r2").display(),
    ));
    let tenants = || -> i64 {
        let opened = rusqlite::Connection::open_with_flags(
            file("d1.sqlite"),
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
        );
        // No file, no table or a busy one: not under way yet.
        let count = |db: rusqlite::Connection| {
            db.query_row("SELECT count(*) FROM tenants", [], |row| row.get(0))
        };
        opened.and_then(count).unwrap_or_default()
    };
    let run = run_until(
        &path,
        "",
        || tenants() >= i64::try_from(TENANTS_THEN).unwrap(),
        || {
            let pid = std::fs::read_to_string(file("pid")).unwrap();
            let killed = Command::new("kill").args(["-KILL", pid.trim()]).status();
            assert!(killed.unwrap().success());
        },
    );
    must_be_no_verdict(&run);
}

/// Runs `moltproof` under a shell that sets something beforehand; `$0` is the program.
fn under(script: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_moltproof")])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn a_report_that_finds_the_disk_full_is_a_fault_and_leaves_the_earlier_one_whole() {
    let deployment = configured();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    std::fs::write(&file, "an earlier report").unwrap();
    let report = format!("json={}", file.display());
    let run = |script: &str| {
        let base = deployment.base.as_str();
        under(
            script,
            &["--target", base, "--id", "RL-013", "--report", &report],
        )
    };
    // No file may grow beyond some blocks, and the write fails as on a full disk.
    let (code, said) = run(r#"trap "" XFSZ; ulimit -f 1; exec "$0" run --quiet "$@""#);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("cannot write"), "{said}");
    assert!(said.contains(file.to_str().unwrap()), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "an earlier report");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_device_in_a_reports_place_is_not_replaced_by_a_file() {
    let (code, said) = under(
        r#"exec "$0" run --quiet --target reference --id RES-001 --report json=/dev/full"#,
        &[],
    );
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("/dev/full"), "{said}");
}

#[test]
fn a_standard_output_that_is_full_is_a_fault() {
    let (code, said) = under(
        r#"exec "$0" run --quiet --target reference --id RES-001 > /dev/full"#,
        &[],
    );
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("cannot write to standard output"), "{said}");
}

#[test]
fn a_folder_for_temporary_files_that_is_not_there_is_a_fault() {
    let (code, said) = under(
        r#"TMPDIR=/nonexistent exec "$0" run --quiet --target reference --id RES-001"#,
        &[],
    );
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("cannot start the target"), "{said}");
}

/// So many requests are answered before the target stalls.
const ANSWERED: usize = 300;

/// Hands the first requests on to a server, and gives whatever comes then an answer that never ends.
fn stalling(to: &str) -> crate::server::Played {
    let (to, asked) = (to.to_owned(), Arc::new(AtomicUsize::new(0)));
    crate::server::play(move |seen| {
        let (to, number) = (to.clone(), asked.fetch_add(1, Ordering::SeqCst));
        async move {
            if number < ANSWERED {
                return crate::server::pass_on(to, seen, Vec::new()).await;
            }
            let piece = Bytes::from(vec![b' '; 1024 * 1024]);
            let endless = std::iter::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
            Response::new(Body::from_stream(futures_util::stream::iter(endless)))
        }
    })
}

#[test]
fn a_target_that_stalls_amidst_a_run_is_asked_no_more_and_judged_by_what_was_seen() {
    let deployment = configured();
    let stalling = stalling(&deployment.base);
    let (_folder, path) = at_address(&stalling.base, OPERATOR);
    let run = crate::server::moltproof(
        &[
            "run",
            "--quiet",
            "--format",
            "json",
            "--tags",
            "not @slow",
            "--seed",
            "7",
            "--concurrency",
            "4",
            "--target",
            &path,
        ],
        &[("OPERATOR_TOKEN", &deployment.token())],
    );
    let report = run.json();
    // An answer that never ends is a finding; what was not asked is no finding, and no pass.
    assert_eq!(run.code, 1, "{}", run.err);
    assert_eq!(report["summary"]["verdict"], "violates");
    let criteria = report["criteria"].as_array().unwrap().iter();
    let scenarios: Vec<_> = criteria
        .flat_map(|criterion| criterion["scenarios"].as_array().unwrap())
        .collect();
    let of = |outcome: &str| {
        let own = scenarios.iter().filter(|one| one["outcome"] == outcome);
        own.map(|one| one["reason"].as_str().unwrap_or_default())
            .collect::<Vec<_>>()
    };
    assert!(!of("passed").is_empty() && !of("failed").is_empty());
    // What an answer was needed for and nothing was judged by is told as that.
    for why in of("error") {
        assert!(why.contains("64 MiB of a body, and no end"), "{why}");
    }
    let why = "the target has not completed 20 answers in a row: the run asks it no more";
    let untold = of("not_verified");
    let untold = untold.iter().filter(|reason| reason.contains(why)).count();
    assert!(untold >= 20, "{untold}: {:#}", report["summary"]);
    // Those that were under way by then, of four scenarios that may each ask by the dozen at once, and no further ones: the whole run asks thousands.
    let asked = stalling.seen.lock().unwrap().len();
    assert!((ANSWERED + 20..ANSWERED + 200).contains(&asked), "{asked}");
}
