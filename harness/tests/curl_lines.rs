//! The `curl` line of an exchange, put through real shells: what curl is given there is what was sent. Never runs curl itself.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use moltproof::client::{Request, sent};
use moltproof::evidence::{Exchange, SENT_BODY_MAX};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const BASE: &str = "http://127.0.0.1:8787";

/// Prints its arguments, each with a NUL behind it, one more NUL, and then what it is given to read.
const STUB: &str = r#"#!/bin/sh
for word in "$@"; do printf '%s\0' "$word"; done
printf '\0'
case "$*" in *--data-binary\ @-*) cat ;; esac
"#;

/// The shells of this machine: `sh` is there wherever these lines are pasted.
const SHELLS: [&str; 3] = ["sh", "dash", "bash"];

fn stub() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curl");
    std::fs::write(&path, STUB).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn exchange(request: &Request) -> Exchange {
    Exchange {
        number: 1,
        request: sent(BASE, request),
        status: 200,
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        body_len: 0,
        sent_at: moltproof::clock::now(),
        sent_at_ms: 0,
        connected_after: None,
        head_after: Duration::ZERO,
        done_after: Duration::ZERO,
        reading: None,
        told_later: None,
    }
}

fn paste(shell: &str, line: &str, folder: &Path, variables: &[(&str, &str)]) -> Output {
    let path = format!("{}:/usr/bin:/bin", folder.display());
    Command::new(shell)
        .args(["-c", line])
        .env_clear()
        .env("PATH", path)
        .envs(variables.iter().copied())
        .current_dir(folder)
        .output()
        .unwrap()
}

fn there(shell: &str) -> bool {
    ["/bin", "/usr/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(shell).exists())
}

/// What curl would send, by its manual.
#[derive(Debug, Default, PartialEq)]
struct Sent {
    method: Option<String>,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn understood(output: &[u8]) -> Sent {
    let end = output.windows(2).position(|two| two == b"\0\0").unwrap();
    let (words, input) = (&output[..end], &output[end + 2..]);
    let mut words = words
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8(word.to_vec()).unwrap());
    let mut sent = Sent::default();
    let mut target = None;
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap();
        match word.as_str() {
            "-sS" | "-i" | "-g" | "--path-as-is" | "--http1.1" => {}
            "--max-time" => drop(value()),
            "-I" => sent.method = Some("HEAD".to_owned()),
            "-X" => sent.method = Some(value()),
            "--request-target" => target = Some(value()),
            "--data-raw" => sent.body = value().into_bytes(),
            "--data-binary" => {
                assert_eq!(value(), "@-");
                sent.body = input.to_vec();
            }
            "-H" => sent.headers.extend(header(&value())),
            address => {
                let path = address.strip_prefix(BASE).unwrap();
                path.clone_into(&mut sent.target);
            }
        }
    }
    if let Some(target) = target {
        assert_eq!(sent.target, "/");
        sent.target = target;
    }
    sent
}

/// `Name: value`, `Name;` for an empty one, `Name:` for one that is not sent.
fn header(text: &str) -> Option<(String, String)> {
    match text.split_once(':') {
        Some((name, value)) if !value.trim().is_empty() => {
            Some((name.to_owned(), value[1..].to_owned()))
        }
        Some(_) => None,
        None => Some((text.strip_suffix(';')?.to_owned(), String::new())),
    }
}

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("$HOME".to_owned()),
        Just("$(id)".to_owned()),
        Just("`id`".to_owned()),
        Just("%s%n%".to_owned()),
        Just("!!".to_owned()),
        Just("@/etc/passwd".to_owned()),
        Just("{a,b}[1-3]".to_owned()),
        Just("#?&;|<>*~".to_owned()),
        Just("é🦀".to_owned()),
        Just("\t".to_owned()),
        Just("-n".to_owned()),
        "[ -~]{0,6}",
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        nasty().prop_map(String::into_bytes),
        nasty().prop_map(|text| format!("{text}\n\r\n{text}\n").into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..40),
        Just(b"\0\0%\\0'".to_vec()),
        Just(b"@/etc/passwd".to_vec()),
    ]
}

fn method() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("GET"),
        Just("HEAD"),
        Just("POST"),
        Just("DELETE"),
        Just("PATCH"),
        Just("x'y"),
    ]
}

#[test]
fn what_a_shell_makes_of_the_line_is_what_was_sent() {
    let folder = stub();
    let cases = (method(), nasty(), nasty(), nasty(), body());
    let mut runner = TestRunner::new(Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    });
    let shells: Vec<&str> = SHELLS.into_iter().filter(|shell| there(shell)).collect();
    assert!(shells.contains(&"sh"));
    let check = |(method, path, host, value, body): (&str, String, String, String, Vec<u8>)| {
        let request = Request::new(method, format!("/{path}"))
            .host(format!("h{host}"))
            .header("x-nasty", format!("v{value}"))
            .header("x-empty", "")
            .bytes(body.clone());
        let line = exchange(&request).curl();
        assert!(!line.contains(['\n', '\t', '\0']), "{line}");
        for shell in &shells {
            let output = paste(shell, &line, folder.path(), &[]);
            assert!(output.status.success(), "{shell}: {line}\n{output:?}");
            let seen = understood(&output.stdout);
            let wanted = Sent {
                method: (method != "GET" || !body.is_empty()).then(|| method.to_owned()),
                target: request.path.clone(),
                headers: vec![
                    ("Host".to_owned(), format!("h{host}")),
                    ("x-nasty".to_owned(), format!("v{value}")),
                    ("x-empty".to_owned(), String::new()),
                ],
                body: body.clone(),
            };
            assert_eq!(seen, wanted, "{shell}: {line}");
        }
        Ok(())
    };
    runner
        .run(&cases, check)
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_secret_is_a_variable_and_the_line_fails_until_it_is_set() {
    let folder = stub();
    let request = Request::new("POST", "/admin/tenants")
        .header("Cf-Access-Jwt-Assertion", "very secret")
        .bytes("{}");
    let line = exchange(&request).curl();
    assert!(!line.contains("very secret"), "{line}");
    let unset = paste("sh", &line, folder.path(), &[]);
    assert!(
        !unset.status.success() && unset.stdout.is_empty(),
        "{unset:?}"
    );
    let said = String::from_utf8_lossy(&unset.stderr);
    assert!(said.contains("set CF_ACCESS_JWT_ASSERTION"), "{said}");
    let value = "a b'c\"$x`y";
    let set = [("CF_ACCESS_JWT_ASSERTION", value)];
    let seen = understood(&paste("sh", &line, folder.path(), &set).stdout);
    let wanted = ("Cf-Access-Jwt-Assertion".to_owned(), value.to_owned());
    assert!(seen.headers.contains(&wanted), "{seen:?}");
}

#[test]
fn a_secret_within_a_path_or_a_body_is_a_variable_of_its_own() {
    let folder = stub();
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2ln";
    let request = Request::new("POST", format!("/callback?code={token}&x=1"))
        .bytes(format!("{{\"token\":\"{token}\"}}"));
    let line = exchange(&request).curl();
    assert!(!line.contains("eyJ"), "{line}");
    let unset = paste("sh", &line, folder.path(), &[("SECRET", "one")]);
    assert!(!unset.status.success() && unset.stdout.is_empty(), "{line}");
    let set = [("SECRET", "body"), ("SECRET_2", "path")];
    let seen = understood(&paste("sh", &line, folder.path(), &set).stdout);
    assert_eq!(seen.target, "/callback?code=path&x=1");
    assert_eq!(seen.body, b"{\"token\":\"body\"}");
}

#[test]
fn a_body_that_was_cut_is_asked_for_and_never_sent_short() {
    let folder = stub();
    for length in [SENT_BODY_MAX, SENT_BODY_MAX + 1] {
        let request = Request::new("POST", "/").bytes("x".repeat(length));
        let line = exchange(&request).curl();
        let output = paste("sh", &line, folder.path(), &[]);
        if length == SENT_BODY_MAX {
            assert_eq!(understood(&output.stdout).body.len(), length);
        } else {
            assert!(!output.status.success() && output.stdout.is_empty());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                said.contains("BODY_FILE") && said.contains("4097 bytes"),
                "{said}"
            );
        }
    }
}
