//! Where servers listen and targets are found, as people write it. Never judges one.

use super::told;
use std::net::TcpListener;

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
