//! What a run may do and spend: read-only runs, budgets, ownership, secrets. What is promised here holds by construction, and these tests look from the other side.

use crate::server::{
    Deployment, answer, at_address, criterion, launched, moltproof, pass_on, play,
};

const OPERATOR: &str = "[operator]\ntoken = \"${OPERATOR_TOKEN}\"\n";

#[test]
fn a_read_only_run_sends_nothing_that_may_change_something() {
    let deployment = Deployment::start();
    let (base, token) = (deployment.base.clone(), deployment.token());
    let proxy = play(move |seen| pass_on(base.clone(), seen, Vec::new()));
    let (_folder, path) = at_address(&proxy.base, OPERATOR);
    let told = moltproof(
        &[
            "run",
            "--quiet",
            "--read-only",
            "--tags",
            "not @slow",
            "--format",
            "json",
            "--target",
            &path,
        ],
        &[("OPERATOR_TOKEN", &token)],
    );
    let report = told.json();
    let seen = proxy.seen.lock().unwrap().clone();
    assert!(seen.len() > 10, "it did look: {} requests", seen.len());
    let writes: Vec<_> = seen
        .iter()
        .filter(|seen| !["GET", "HEAD", "OPTIONS"].contains(&seen.method.as_str()))
        .collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert!(deployment.slugs().is_empty());
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(
        report["summary"]["must"]["passed"].as_u64().unwrap() > 0,
        "{report:#}"
    );
    assert_eq!(report["summary"]["must"]["error"], 0, "{report:#}");
    assert_eq!(report["summary"]["must"]["failed"], 0, "{report:#}");
    let (verdict, reason) = criterion(&report, "ISO-001");
    assert_eq!(verdict, "not_verified");
    assert!(reason.contains("read-only"), "{reason}");
}

#[test]
fn a_spent_budget_leaves_the_rest_not_verified_and_is_never_exceeded() {
    let (_folder, path) = launched("[budget]\nrequests = 9\n");
    let args = [
        "run", "--quiet", "--format", "json", "--id", "RES-001", "--id", "RES-002", "--target",
        &path,
    ];
    let told = moltproof(&args, &[]);
    let report = told.json();
    assert!(
        report["spent"]["requests"].as_u64().unwrap() <= 9,
        "{report:#}"
    );
    let reasons = report.to_string();
    assert!(
        reasons.contains("budget spent: 9 requests of 9; raise with --budget-requests"),
        "{report:#}"
    );
    assert_eq!(report["summary"]["must"]["failed"], 0, "{report:#}");
    assert_eq!(report["summary"]["verdict"], "inconclusive");
    let mut more = args.to_vec();
    more.extend(["--budget-requests", "5000"]);
    let told = moltproof(&more, &[]);
    assert_eq!(told.code, 0, "{}", told.out);
    assert_eq!(told.json()["summary"]["verdict"], "conforms");
}

#[test]
fn model_calls_and_bursts_have_budgets_of_their_own() {
    let (_folder, path) = launched("");
    let args = [
        "run", "--quiet", "--format", "json", "--target", &path, "--id",
    ];
    let with = |id: &str, more: [&str; 2]| {
        let mut args = args.to_vec();
        args.push(id);
        args.extend(more);
        moltproof(&args, &[]).json()
    };
    let report = with("AIG-001", ["--budget-model-calls", "0"]);
    let (verdict, reason) = criterion(&report, "AIG-001");
    assert_eq!(verdict, "not_verified", "{reason}");
    assert!(reason.contains("--budget-model-calls"), "{reason}");
    assert_eq!(report["spent"]["model_calls"], 0);
    let report = with("ACC-001", ["--budget-burst", "4"]);
    let (verdict, reason) = criterion(&report, "ACC-001");
    assert_eq!(verdict, "not_verified", "{reason}");
    assert!(reason.contains("--budget-burst"), "{reason}");
    assert!(
        report["spent"]["largest_burst"].as_u64().unwrap() <= 4,
        "{report:#}"
    );
}

#[test]
fn a_host_that_may_be_production_is_refused_before_anything_is_sent() {
    let told = moltproof(&["run", "--target", "https://203.0.113.7"], &[]);
    assert_eq!(told.code, 2, "{}", told.err);
    assert!(
        told.err.contains("--i-own-this-target") && told.err.contains("--read-only"),
        "{}",
        told.err
    );
    let (_folder, path) = at_address("https://acme.team.workers.dev", OPERATOR);
    for verb in ["run", "sweep"] {
        let told = moltproof(
            &[verb, "--target", &path],
            &[("OPERATOR_TOKEN", "token-0123456789")],
        );
        assert_eq!(told.code, 2, "{}", told.err);
        assert!(told.err.contains("acme.team.workers.dev"), "{}", told.err);
    }
}

/// A server that repeats all that it is sent.
fn echo() -> crate::server::Played {
    play(|seen| async move {
        let text = format!(
            "{} {} {:?} {}",
            seen.method,
            seen.path,
            seen.headers,
            String::from_utf8_lossy(&seen.body)
        );
        let body =
            serde_json::json!({ "error": { "code": text, "message": text }, "tenant": text });
        answer(
            500,
            &[("content-type", "application/json"), ("x-request-id", "r")],
            &body.to_string(),
        )
    })
}

#[test]
fn no_output_shows_a_secret_even_if_the_target_repeats_everything() {
    let echo = echo();
    let folder = tempfile::tempdir().unwrap();
    let reports = folder.path().display().to_string();
    let secret = "canary-\"0123\\456789<&>";
    let (_folder, path) = at_address(
        &echo.base,
        "[operator]\nservice_token = { client_id = \"ci.access\", secret = \"${CANARY}\" }\n",
    );
    let run = [
        "run",
        "--id",
        "RES-001",
        "--id",
        "ACC-001",
        "--report",
        "json,junit",
        "--report-dir",
        &reports,
        "--target",
        &path,
    ];
    let mut outputs = String::new();
    for more in [&["--format", "text"], &["--format", "json"]] {
        let mut args = run.to_vec();
        args.extend(more);
        let told = moltproof(&args, &[("CANARY", secret)]);
        outputs += &told.out;
        outputs += &told.err;
    }
    let told = moltproof(&["doctor", "--target", &path], &[("CANARY", secret)]);
    outputs += &told.out;
    outputs += &told.err;
    for file in ["moltproof.json", "moltproof.junit.xml"] {
        outputs += &std::fs::read_to_string(folder.path().join(file)).unwrap();
    }
    let sent = echo.seen.lock().unwrap();
    assert!(
        sent.iter()
            .any(|seen| seen.header("cf-access-client-secret") == Some(secret)),
        "the secret was never sent"
    );
    assert!(
        outputs.contains("[redacted]"),
        "nothing was repeated: {outputs}"
    );
    for part in ["canary-", "456789"] {
        let at = outputs.find(part);
        let near = at.map(|at| &outputs[at.saturating_sub(200)..(at + 100).min(outputs.len())]);
        assert!(near.is_none(), "{near:?}");
    }
}

#[test]
fn no_output_shows_a_token_that_the_harness_handed_out() {
    let echo = echo();
    let (_folder, path) = at_address(&echo.base, "[control]\naccess = true\n");
    let told = moltproof(
        &[
            "run", "--id", "ACC-001", "--id", "ACC-003", "--format", "json", "--target", &path,
        ],
        &[],
    );
    let sent = echo.seen.lock().unwrap();
    assert!(
        sent.iter()
            .any(|seen| seen.header("cf-access-jwt-assertion").is_some()),
        "no token was ever sent"
    );
    assert!(told.out.contains("[redacted]"), "{}", told.out);
    assert!(
        !told.out.contains("eyJ") && !told.err.contains("eyJ"),
        "{}",
        told.out
    );
}
