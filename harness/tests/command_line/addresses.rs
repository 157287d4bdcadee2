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

#[test]
fn serve_has_the_reference_of_the_profile_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("moltproof"))
        .args([
            "serve",
            "--profile",
            "api-worker",
            "--listen",
            "127.0.0.1:0",
        ])
        .env("API_DB", folder.path().join("api.sqlite"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let (_, address) = line.split_once("http://").unwrap();
    let mut stream = TcpStream::connect(address.trim()).unwrap();
    stream
        .write_all(b"GET /v1/usage HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    drop(child.kill());
    drop(child.wait());
    // The backend of Phase 1 knows no such route.
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let said = told(&["serve", "--profile", "data"], 2);
    assert!(said.contains("serves core or api-worker"), "{said}");
}
