//! The classic traps, each played to the doctor, which must name it; and to a run, which must not take it for a finding.

use crate::server::{
    Deployment, Told, answer, at_address, criterion, manifest, moltproof, pass_on, play,
};
use moltproof::doubles::tls::{Identity, NAMES};
use moltproof::doubles::{AccessIssuer, Place};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn doctor(path: &str, more: &[&str]) -> (Told, Value) {
    let mut args = vec!["doctor", "--format", "json", "--target", path];
    args.extend(more);
    let told = moltproof(&args, &[]);
    let value = told.json();
    (told, value)
}

/// State and words of a check.
fn check(found: &Value, id: &str) -> (String, String) {
    let checks = found["checks"].as_array().unwrap();
    let one = checks.iter().find(|check| check["id"] == id);
    let one = one.unwrap_or_else(|| panic!("no check `{id}`: {found:#}"));
    let text = |key: &str| one[key].as_str().unwrap().to_owned();
    (
        text("state"),
        format!("{} → {}", text("saw"), text("remedy")),
    )
}

/// Status, headers and body of a page.
type Page = (u16, Vec<(&'static str, &'static str)>, &'static str);

const EDGE: (&str, &str) = ("server", "cloudflare");
const HTML: (&str, &str) = ("content-type", "text/html; charset=UTF-8");

#[test]
fn an_answer_in_the_workers_place_is_named_and_is_no_finding() {
    let pages: [(Page, &str, &str); 6] = [
        (
            (
                403,
                vec![HTML, EDGE, ("cf-mitigated", "challenge")],
                "<title>Just a moment...</title>",
            ),
            "challenge",
            "skip rule",
        ),
        (
            (
                403,
                vec![HTML, EDGE],
                "<title>Attention Required! | Cloudflare</title><div id=\"cf-error-details\">",
            ),
            "WAF",
            "skip rule",
        ),
        (
            (
                302,
                vec![(
                    "location",
                    "https://team.cloudflareaccess.com/cdn-cgi/access/login/a?kid=1",
                )],
                "",
            ),
            "Cloudflare Access",
            "service_token",
        ),
        (
            (
                530,
                vec![EDGE, ("content-type", "text/plain")],
                "error code: 1016",
            ),
            "Error 1xxx",
            "1xxx",
        ),
        (
            (522, vec![HTML, EDGE], "<div id=\"cf-wrapper\">"),
            "reached no origin",
            "custom domain",
        ),
        (
            (
                503,
                vec![("content-type", "text/plain")],
                "Your worker restarted mid-request. Please try sending the request again. Only GET or HEAD requests are retried automatically.",
            ),
            "wrangler's own proxy",
            "--concurrency",
        ),
    ];
    for ((status, headers, body), who, remedy) in pages {
        let server = play(move |_seen| {
            let page = answer(status, &headers, body);
            async move { page }
        });
        let (told, found) = doctor(&server.base, &[]);
        let (state, words) = check(&found, "worker");
        assert_eq!(state, "wrong", "{words}");
        assert!(words.contains(who) && words.contains(remedy), "{words}");
        assert_eq!(told.code, 4);
        let told = moltproof(
            &[
                "run",
                "--quiet",
                "--format",
                "json",
                "--id",
                "RL-013",
                "--target",
                &server.base,
            ],
            &[],
        );
        let report = told.json();
        let summary = &report["summary"]["must"];
        assert_eq!(summary["failed"], 0, "{who}: {report:#}");
        assert_eq!(summary["passed"], 0, "{who}: {report:#}");
        assert_eq!(told.code, 3, "{who}: {report:#}");
        assert!(report.to_string().contains(who), "{who}: {report:#}");
    }
}

#[test]
fn an_uncaught_exception_is_told_as_the_workers_own_crash() {
    let server = play(|_seen| async {
        answer(
            500,
            &[("content-type", "text/plain;charset=UTF-8")],
            "TypeError: Cannot read properties of undefined (reading 'prepare')\n    at Object.fetch (file:///w/src/index.ts:3:20)",
        )
    });
    let (told, found) = doctor(&server.base, &[]);
    let (state, words) = check(&found, "crash");
    assert_eq!((state.as_str(), told.code), ("wrong", 4), "{words}");
    assert!(words.contains("reading 'prepare'"), "{words}");
}

#[test]
fn what_answers_and_is_no_health_route_is_called_what_it_is() {
    const JSON: (&str, &str) = ("content-type", "application/json");
    let lacking = "{\"error\":{\"code\":\"CONFIGURATION_ERROR\",\"details\":{\"missing\":[\"TENANT_KV\",\"APP_DOMAIN\"]}}}";
    let everywhere = |status, headers: Vec<(&'static str, &'static str)>, body: &'static str| {
        play(move |_seen| {
            let page = answer(status, &headers, body);
            async move { page }
        })
    };
    for (server, words, remedy) in [
        (
            everywhere(200, vec![HTML], "<!doctype html><title>Shop</title>"),
            "an HTML page with status 200",
            "[dialect] health",
        ),
        (
            everywhere(200, vec![JSON], "{\"status\":\"ok\"}"),
            "a 200 here proves nothing",
            "[dialect] health",
        ),
        (
            everywhere(404, vec![JSON], "{}"),
            "GET /sandbox-health answers status 404",
            "[dialect] health",
        ),
        (
            everywhere(503, vec![JSON], lacking),
            "it lacks TENANT_KV, APP_DOMAIN",
            "[launch.variables]",
        ),
    ] {
        let (told, found) = doctor(&server.base, &[]);
        let (state, said) = check(&found, "health");
        assert_eq!((state.as_str(), told.code), ("wrong", 4), "{said}");
        assert!(said.contains(words) && said.contains(remedy), "{said}");
    }
}

#[test]
fn a_closed_port_is_unreachable_and_says_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (told, found) = doctor(&format!("http://{free}"), &[]);
    let (state, words) = check(&found, "address");
    assert_eq!((state.as_str(), told.code), ("unreachable", 3), "{words}");
    assert!(
        words.contains("nothing listens") && words.contains("--wait 30s"),
        "{words}"
    );
}

#[test]
fn a_certificate_that_is_not_trusted_is_told_and_can_be_trusted() {
    let identity = Identity::generate(&NAMES.map(str::to_owned)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, identity.ca_pem()).unwrap();
    // The team domain double is the TLS server at hand; who it is does not matter here.
    let server = AccessIssuer::start_at(&Place::with(Some(identity))).unwrap();
    let (told, found) = doctor(&server.origin(), &[]);
    let (state, words) = check(&found, "certificate");
    assert_eq!((state.as_str(), told.code), ("unreachable", 3), "{words}");
    assert!(
        words.contains("--ca-file") && words.contains("NODE_EXTRA_CA_CERTS"),
        "{words}"
    );
    let (told, found) = doctor(
        &server.origin(),
        &["--ca-file", &file.display().to_string()],
    );
    assert_eq!(check(&found, "address").0, "ok", "{found:#}");
    // It is no Worker: what it has no route for is told, and the certificate is not what is wrong.
    assert_eq!(
        (told.code, check(&found, "health").0),
        (4, "wrong".to_owned())
    );
}

#[test]
fn a_server_that_speaks_no_tls_is_told() {
    let server = play(|_seen| async { answer(200, &[], "{}") });
    let (told, found) = doctor(&server.base.replace("http://", "https://"), &[]);
    let (state, words) = check(&found, "certificate");
    assert_eq!((state.as_str(), told.code), ("unreachable", 3), "{words}");
    assert!(words.contains("write http://"), "{words}");
}

#[test]
fn a_server_that_speaks_no_http_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            if stream.read(&mut request).is_ok_and(|count| count > 0) {
                // The other side may have left.
                drop(stream.write_all(b"220 mail.example ESMTP\r\n"));
            }
        }
    });
    let (told, found) = doctor(&format!("http://{address}"), &[]);
    let (state, words) = check(&found, "address");
    assert_eq!((state.as_str(), told.code), ("unreachable", 3), "{words}");
}

#[test]
fn a_host_that_is_rewritten_by_routes_is_seen_by_the_echo() {
    let echo = |fixed: Option<&'static str>| {
        play(move |seen| async move {
            if !["/echo", "/sandbox-health"].contains(&seen.path.as_str()) {
                return answer(404, &[], "{}");
            }
            let host = fixed.map_or(seen.host, str::to_owned);
            answer(
                200,
                &[("content-type", "application/json")],
                &format!("{{\"seen\":{{\"host\":\"{host}\"}}}}"),
            )
        })
    };
    let probe = "[probe]\necho = { path = \"/echo\", pointer = \"/seen/host\" }\n";
    let rewriting = echo(Some("www.acme.com"));
    let (_folder, path) = at_address(&rewriting.base, probe);
    let (told, found) = doctor(&path, &[]);
    let (state, words) = check(&found, "host");
    assert_eq!((state.as_str(), told.code), ("wrong", 4), "{words}");
    assert!(
        words.contains("saw www.acme.com") && words.contains("`routes`"),
        "{words}"
    );

    let honest = echo(None);
    let (_folder, path) = at_address(&honest.base, probe);
    let (told, found) = doctor(&path, &[]);
    assert_eq!(check(&found, "host").0, "ok", "{found:#}");
    assert_eq!(told.code, 0, "{found:#}");
}

#[test]
fn without_an_echo_the_doctor_says_that_it_cannot_tell() {
    let deployment = Deployment::start();
    let (_folder, path) = at_address(&deployment.base, "");
    let (told, found) = doctor(&path, &[]);
    let (state, words) = check(&found, "host");
    assert_eq!((state.as_str(), told.code), ("unknown", 0), "{words}");
    assert!(
        words.contains("cannot tell") && words.contains("[probe] echo"),
        "{words}"
    );
    assert!(
        deployment.slugs().is_empty(),
        "the doctor makes no tenant on a target that lives on"
    );
}

#[test]
fn a_clock_that_is_wrong_is_a_warning() {
    let server = play(|seen| async move {
        let status = if seen.path == "/sandbox-health" {
            200
        } else {
            404
        };
        answer(status, &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], "{}")
    });
    let (told, found) = doctor(&server.base, &[]);
    let (state, words) = check(&found, "clock");
    assert_eq!((state.as_str(), told.code), ("warning", 0), "{words}");
    assert!(words.contains("behind ours"), "{words}");
}

/// A server that tells its build by a header: the first `old` answers an old one, then the new one.
fn rollout(old: usize) -> (crate::server::Played, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let server = play(move |seen| {
        let number = if seen.path == "/version" {
            counted.fetch_add(1, Ordering::SeqCst)
        } else {
            usize::MAX
        };
        // A rollout mixes versions: now and then the new one answers early.
        let build = if number >= old || number % 3 == 2 {
            "new-build"
        } else {
            "old-build"
        };
        let known = ["/version", "/sandbox-health"].contains(&seen.path.as_str());
        let status = if known { 200 } else { 404 };
        async move { answer(status, &[("x-build", build)], "{\"status\":\"ok\"}") }
    });
    (server, asked)
}

const BUILD: &str =
    "[probe]\nbuild = { path = \"/version\", header = \"X-Build\", expected = \"new-build\" }\n";

#[test]
fn a_stale_deployment_is_told_with_the_build_that_answers() {
    let (server, _asked) = rollout(usize::MAX);
    let (_folder, path) = at_address(&server.base, BUILD);
    let (told, found) = doctor(&path, &[]);
    let (state, words) = check(&found, "build");
    assert_eq!((state.as_str(), told.code), ("wrong", 4), "{words}");
    assert!(
        words.contains("old-build") && words.contains("new-build") && words.contains("--wait"),
        "{words}"
    );
    let told = moltproof(
        &["run", "--quiet", "--id", "RL-013", "--target", &path],
        &[],
    );
    assert_eq!(told.code, 3, "{}", told.err);
    assert!(told.err.contains("old-build"), "{}", told.err);
}

#[test]
fn waiting_goes_on_until_the_expected_build_answers_many_probes_in_a_row() {
    let (server, asked) = rollout(7);
    let (_folder, path) = at_address(&server.base, BUILD);
    let (told, found) = doctor(&path, &["--wait", "30s"]);
    let (state, words) = check(&found, "build");
    assert_eq!((state.as_str(), told.code), ("ok", 0), "{words}");
    // Probe 3 showed the new build early; five in a row came only after the old one had gone.
    assert!(
        asked.load(Ordering::SeqCst) >= 7 + 5,
        "{}",
        asked.load(Ordering::SeqCst)
    );
}

#[test]
fn a_build_that_changes_during_a_run_leaves_no_verdict() {
    let deployment = Deployment::start();
    let base = deployment.base.clone();
    let asked = Arc::new(AtomicUsize::new(0));
    let server = play(move |seen| {
        let base = base.clone();
        let number = asked.fetch_add(usize::from(seen.path == "/version"), Ordering::SeqCst);
        async move {
            if seen.path == "/version" {
                let build = if number < 5 {
                    "new-build"
                } else {
                    "next-build"
                };
                return answer(200, &[("x-build", build)], "{}");
            }
            pass_on(base, seen, Vec::new()).await
        }
    });
    let (_folder, path) = at_address(&server.base, BUILD);
    let told = moltproof(
        &["run", "--quiet", "--id", "RL-013", "--target", &path],
        &[],
    );
    assert_eq!(told.code, 3, "{}{}", told.out, told.err);
    assert!(
        told.err.contains("from new-build to next-build"),
        "{}",
        told.err
    );
}

#[test]
fn an_operators_token_that_has_expired_is_told() {
    let deployment = Deployment::start();
    let token = deployment
        .issuer
        .token(moltproof::doubles::TokenKind::Expired);
    let (_folder, path) = at_address(
        &deployment.base,
        "[operator]\ntoken = \"${OPERATOR_TOKEN}\"\n",
    );
    let told = moltproof(
        &["doctor", "--format", "json", "--target", &path],
        &[("OPERATOR_TOKEN", &token)],
    );
    let found = told.json();
    let (state, words) = check(&found, "operator");
    assert_eq!((state.as_str(), told.code), ("wrong", 4), "{words}");
    let good = deployment.token();
    let told = moltproof(
        &["doctor", "--format", "json", "--target", &path],
        &[("OPERATOR_TOKEN", &good)],
    );
    let found = told.json();
    for id in ["operator", "token", "keys"] {
        assert_eq!(check(&found, id).0, "ok", "{found:#}");
    }
    assert_eq!(told.code, 0);
}

#[test]
fn limits_that_cannot_be_are_told() {
    let deployment = Deployment::start();
    let (_folder, path) = at_address(&deployment.base, "[limits]\nquota = [60, 30]\n");
    let (told, found) = doctor(&path, &[]);
    let (state, words) = check(&found, "limits");
    assert_eq!((state.as_str(), told.code), ("warning", 0), "{words}");
    assert!(
        words.contains("10 or 60") && words.contains("exact = true"),
        "{words}"
    );
    let (_folder, path) = at_address(&deployment.base, "[limits]\nquota = [0, 60]\n");
    let told = moltproof(&["doctor", "--target", &path], &[]);
    assert_eq!(told.code, 2, "{}", told.err);
    assert!(told.err.contains("[limits] quota"), "{}", told.err);
}

#[test]
fn a_manifest_that_is_none_is_a_usage_error() {
    let (_folder, path) = manifest("name = 1\n");
    let told = moltproof(&["doctor", "--target", &path], &[]);
    assert_eq!(told.code, 2, "{}", told.err);
    let (_folder, path) = at_address(
        "http://127.0.0.1:1",
        "[probe]\nbuild = { path = \"/version\" }\n",
    );
    let told = moltproof(&["doctor", "--target", &path], &[]);
    assert_eq!(told.code, 2, "{}", told.err);
    assert!(told.err.contains("[probe] build"), "{}", told.err);
}

#[test]
fn a_run_at_an_address_that_answers_for_the_worker_is_not_held_against_it() {
    let deployment = Deployment::start();
    let (base, token) = (deployment.base.clone(), deployment.token());
    // Every third request of a client in a hurry meets the challenge.
    let count = Arc::new(AtomicUsize::new(0));
    let server = play(move |seen| {
        let (base, number) = (base.clone(), count.fetch_add(1, Ordering::SeqCst));
        async move {
            if number % 3 == 2 && !seen.path.starts_with("/api/admin") {
                return answer(
                    403,
                    &[HTML, EDGE, ("cf-mitigated", "challenge")],
                    "<title>Just a moment...</title>",
                );
            }
            pass_on(base, seen, Vec::new()).await
        }
    });
    let (_folder, path) = at_address(&server.base, "[operator]\ntoken = \"${OPERATOR_TOKEN}\"\n");
    let told = moltproof(
        &[
            "run", "--quiet", "--format", "json", "--id", "RES-002", "--target", &path,
        ],
        &[("OPERATOR_TOKEN", &token)],
    );
    let report = told.json();
    let (verdict, reason) = criterion(&report, "RES-002");
    assert_eq!((verdict, told.code), ("error", 3), "{reason}");
}
