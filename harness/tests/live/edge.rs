//! Deployments behind Access: the edge's lock and the Worker's lock are judged apart. Neither ever stands for the other.

use crate::server::{Deployment, Played, answer, at_address, criterion, moltproof, pass_on, play};
use std::sync::Arc;

const CLIENT_ID: &str = "ci.access";
const SECRET: &str = "edge-secret-0123456789";
const ENVIRONMENT: [(&str, &str); 1] = [("EDGE_SECRET", SECRET)];

/// Access before the admin routes: a service token is exchanged for a token, everybody else is sent to the login page.
fn edge_before(deployment: &Arc<Deployment>) -> Played {
    // The edge's thread lives as long as the tests do; the Worker ends with its own.
    let deployment = Arc::downgrade(deployment);
    play(move |seen| {
        let deployment = deployment.upgrade().unwrap();
        async move {
            if !seen.path.starts_with("/api/admin") {
                return pass_on(deployment.base.clone(), seen, Vec::new()).await;
            }
            let known = seen.header("cf-access-client-id") == Some(CLIENT_ID)
                && seen.header("cf-access-client-secret") == Some(SECRET);
            if known {
                let token = ("cf-access-jwt-assertion".to_owned(), deployment.token());
                return pass_on(deployment.base.clone(), seen, vec![token]).await;
            }
            let login =
                "https://team.cloudflareaccess.com/cdn-cgi/access/login/app.example?kid=1&meta=2";
            answer(302, &[("location", login)], "")
        }
    })
}

/// A Worker whose own lock is missing: whoever comes is operator.
fn unlocked(deployment: &Arc<Deployment>) -> Played {
    // The edge's thread lives as long as the tests do; the Worker ends with its own.
    let deployment = Arc::downgrade(deployment);
    play(move |mut seen| {
        let deployment = deployment.upgrade().unwrap();
        async move {
            seen.headers
                .retain(|(name, _)| name != "cf-access-jwt-assertion");
            let token = ("cf-access-jwt-assertion".to_owned(), deployment.token());
            pass_on(deployment.base.clone(), seen, vec![token]).await
        }
    })
}

fn service_token(direct: Option<&str>) -> String {
    let direct = direct.map_or_else(String::new, |base| format!("direct_address = \"{base}\"\n"));
    format!(
        "[operator]\nedge = true\n{direct}service_token = {{ client_id = \"{CLIENT_ID}\", secret = \"${{EDGE_SECRET}}\" }}\n"
    )
}

fn judged(base: &str, direct: Option<&str>, ids: &[&str]) -> (i32, serde_json::Value) {
    let (_folder, path) = at_address(base, &service_token(direct));
    let mut args = vec!["run", "--quiet", "--format", "json", "--target", &path];
    for id in ids {
        args.extend(["--id", id]);
    }
    let told = moltproof(&args, &ENVIRONMENT);
    (told.code, told.json())
}

#[test]
fn a_refusal_at_the_edge_says_nothing_about_the_workers_lock() {
    let deployment = Arc::new(Deployment::start());
    let edge = edge_before(&deployment);
    let (code, report) = judged(&edge.base, None, &["ACC-001", "RES-001"]);
    let (verdict, reason) = criterion(&report, "ACC-001");
    assert_eq!(verdict, "not_verified", "{reason}");
    assert!(
        reason.contains("the edge's lock") && reason.contains("direct_address"),
        "{reason}"
    );
    // The service token works: what needs an operator is verified through the edge.
    assert_eq!(criterion(&report, "RES-001").0, "passed", "{report:#}");
    assert_eq!(code, 0);
    assert!(deployment.slugs().is_empty(), "{:?}", deployment.slugs());
}

#[test]
fn around_the_edge_the_workers_own_lock_is_judged() {
    let deployment = Arc::new(Deployment::start());
    let edge = edge_before(&deployment);
    let (code, report) = judged(&edge.base, Some(&deployment.base), &["ACC-001"]);
    assert_eq!(criterion(&report, "ACC-001").0, "passed", "{report:#}");
    assert_eq!(code, 0);
    let open = unlocked(&deployment);
    let (code, report) = judged(&edge.base, Some(&open.base), &["ACC-001"]);
    assert_eq!(criterion(&report, "ACC-001").0, "failed", "{report:#}");
    assert_eq!(code, 1);
}

#[test]
fn a_service_token_that_the_edge_refuses_is_no_finding() {
    let deployment = Arc::new(Deployment::start());
    let edge = edge_before(&deployment);
    let (_folder, path) = at_address(&edge.base, &service_token(None));
    let args = [
        "run", "--quiet", "--format", "json", "--id", "RES-001", "--target", &path,
    ];
    let told = moltproof(&args, &[("EDGE_SECRET", "edge-secret-of-yesterday")]);
    let report = told.json();
    let (verdict, reason) = criterion(&report, "RES-001");
    assert_eq!(verdict, "error", "{reason}");
    assert!(reason.contains("Cloudflare Access"), "{reason}");
    assert_eq!(told.code, 3);
}

#[test]
fn the_doctor_tells_the_two_locks_apart() {
    let deployment = Arc::new(Deployment::start());
    let edge = edge_before(&deployment);
    let (_folder, path) = at_address(&edge.base, &service_token(None));
    let told = moltproof(&["doctor", "--target", &path], &ENVIRONMENT);
    assert_eq!(told.code, 0, "{}", told.out);
    for text in ["! edge", "direct_address", "✓ operator"] {
        assert!(told.out.contains(text), "{text}: {}", told.out);
    }
    assert!(!told.out.contains(SECRET), "{}", told.out);
}
