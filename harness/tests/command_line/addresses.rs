//! Where servers listen and targets are found, as people write it. Never judges one.

use super::told;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

#[test]
fn a_used_port_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = told(&["serve", "--listen", &address], 3);
    assert!(said.contains("is in use"), "{said}");
    assert!(
        said.contains("--listen 127.0.0.1:0 takes a free one"),
        "{said}"
    );
}

#[test]
fn an_address_of_this_machine_needs_no_scheme() {
    let base =
        super::null_server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let port = base.rsplit(':').next().unwrap();
    let args = [
        "run", "-q", "--repeat", "1", "--id", "RL-011", "--store", "none",
    ];
    let target = format!("localhost:{port}");
    let said = told(&[&args[..], &["--target", &target]].concat(), 1);
    assert!(
        said.contains(&format!("--target http://localhost:{port}")),
        "{said}"
    );
}

/// What a server answers when it is asked for usage with a key that nobody has, and what it has written meanwhile.
fn asked_for_usage(arguments: &[&str], key: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("moltproof"))
        .args(arguments)
        .args(["--profile", "api-worker", "--listen", "127.0.0.1:0"])
        .env("API_DB", folder.path().join("api.sqlite"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let (_, address) = line.split_once("http://").unwrap();
    let mut stream = TcpStream::connect(address.trim()).unwrap();
    let request = format!(
        "GET /v1/usage HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    drop(child.kill());
    let written = child.wait_with_output().unwrap().stderr;
    (answer, String::from_utf8(written).unwrap())
}

#[test]
fn serve_has_the_reference_of_the_profile_that_is_named() {
    let (answer, written) = asked_for_usage(&["serve"], "mpk_nobodys");
    // The backend of Phase 1 knows no such route.
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(!written.contains("mpk_nobodys"), "{written}");
    let said = told(&["serve", "--profile", "data"], 2);
    assert!(said.contains("serves core or api-worker"), "{said}");
}

#[test]
fn serve_altered_shows_by_hand_what_an_api_worker_of_the_catalogue_breaks() {
    let name = "a-log-line-tells-the-key-of-a-request-that-failed";
    let (answer, written) = asked_for_usage(&["serve-altered", name], "mpk_nobodys");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(written.contains("Bearer mpk_nobodys"), "{written}");
    // A server that does nothing stands before the reference as well.
    let (answer, _) = asked_for_usage(&["serve-altered", "always-500"], "mpk_nobodys");
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
}

#[test]
fn serve_altered_says_what_it_cannot_serve() {
    let altered =
        |name: &str, profile: &str| told(&["serve-altered", name, "--profile", profile], 2);
    let said = altered("no-such-backend", "api-worker");
    assert!(said.contains("teeth --profile api-worker --list"), "{said}");
    // Of the other profile.
    let said = altered("days-are-not-limited", "core");
    assert!(said.contains("`moltproof teeth --list`"), "{said}");
    let said = altered("average-rounded", "api-worker");
    assert!(
        said.contains("is a data layer, which answers no requests"),
        "{said}"
    );
    let said = altered("days-are-not-limited", "data");
    assert!(
        said.contains("serves backends of core and api-worker"),
        "{said}"
    );
}
