//! A team domain whose key set cannot be had for the whole run. Never opens an admin route, never disturbs callers.

use crate::stage::Stage;
use crate::upstream::{Call, Upstream, stall};
use crate::wait::{PROMPT, now, within};
use std::io::{self, Write};
use std::net::TcpListener;
use std::time::Duration;

/// Operators at the same time; all of them wait for one fetch.
const OPERATORS: usize = 16;
/// A fetch that gets no answer is given up after 5 s.
const REFUSED_WITHIN: Duration = Duration::from_secs(9);

/// A debug build that serves nobody has some 30 MiB, and a key set is under 10 KiB.
const MEMORY_MIB_MAX: u64 = 128;

/// Nobody listens there.
pub(crate) fn a_refusing_team_domain_opens_no_admin_route() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    check(&format!("http://{port}"));
}

/// Connections are accepted and never answered.
pub(crate) fn a_stalling_team_domain_opens_no_admin_route() {
    check_script(stall);
}

/// An error that comes with the very keys.
pub(crate) fn a_failing_team_domain_opens_no_admin_route() {
    check_script(|call| {
        let set = Stage::key_set().to_string();
        write!(
            call.socket,
            "HTTP/1.1 500 Oh\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{set}",
            set.len()
        )
    });
}

/// More bytes than any key set has, without an end.
pub(crate) fn an_endless_key_set_opens_no_admin_route() {
    check_script(|mut call| {
        call.head("application/json")?;
        loop {
            call.chunk(&[b' '; 16 * 1024])?;
        }
    });
}

fn check_script(script: impl Fn(Call<'_>) -> io::Result<()> + Send + Sync + 'static) {
    let team = Upstream::start(script);
    check(&format!("http://{}", team.address));
    // One fetch; the cooldown of 30 s keeps everybody else from asking again.
    assert_eq!(team.calls(), 1, "fetches of the key set");
}

/// Every admin route stays closed to a token that is good, for as long as the process runs; every public route is open.
fn check(team_domain: &str) {
    let stage = Stage::start(|call| call.success(3, 4));
    let tenant = format!("/api/admin/tenants/{}", stage.acme());
    let good = stage.admin("GET", &tenant).ask().expect(200);
    assert_eq!(good.json()["slug"], "acme", "positive control");
    let stage = stage.restart(&[("CF_ACCESS_TEAM_DOMAIN", team_domain.to_owned())]);
    let started = now();
    std::thread::scope(|scope| {
        for _ in 0..OPERATORS {
            scope.spawn(|| {
                let request = stage.admin("GET", &tenant);
                request.ask().expect_error(403, "ACCESS_DENIED")
            });
        }
        stage.expect_others_served();
    });
    let waited = started.elapsed();
    assert!(waited < REFUSED_WITHIN, "operators waited {waited:?}");
    for (method, path) in [
        ("POST", "/api/admin/tenants"),
        ("GET", "/api/admin/tenants"),
        ("GET", tenant.as_str()),
        ("PATCH", tenant.as_str()),
        ("DELETE", tenant.as_str()),
    ] {
        let request = stage.admin(method, path).body("{\"tier\":\"premium\"}");
        within(PROMPT, "a further refusal", || {
            request.ask().expect_error(403, "ACCESS_DENIED")
        });
    }
    stage.chat("hello").ask().expect(200);
    stage.expect_rows(vec![(3, 4)]);
    stage.expect_others_served();
    let memory = stage.server.memory_peak_mib();
    assert!(memory < MEMORY_MIB_MAX, "{memory} MiB at the most");
    let denied = stage.server.events("access_denied");
    assert_eq!(denied.len(), OPERATORS + 5);
    for line in denied {
        assert_eq!(line["reason"], "key_set_unavailable");
    }
}
