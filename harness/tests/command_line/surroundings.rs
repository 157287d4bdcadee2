//! What the machine lacks is told as what it is. Never judges the contract as a whole.

use super::moltproof;
use super::repeating::moltproof_in;
use assert_cmd::Command;
use regex::Regex;
use std::collections::BTreeSet;

const ONE_CRITERION: [&str; 5] = ["run", "--quiet", "--id", "RES-002", "--store"];

fn with_limit_of_open_files(limit: &str) -> Command {
    let store = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\"")])
        .arg(assert_cmd::cargo::cargo_bin("moltproof"))
        .args(ONE_CRITERION)
        .arg(store.path());
    shell
}

#[test]
fn too_few_open_files_are_a_fault_of_the_machine_and_no_verdict() {
    for limit in ["-n 256", "-n 512", "-n 1024"] {
        let done = with_limit_of_open_files(limit).assert().code(3);
        let output = done.get_output();
        let said = String::from_utf8_lossy(&output.stderr);
        let number = limit.trim_start_matches("-n ");
        assert!(said.contains(&format!("{number} files open")), "{said}");
        assert!(output.stdout.is_empty(), "a report without a verdict");
    }
}

#[test]
fn a_soft_limit_of_open_files_is_raised() {
    with_limit_of_open_files("-S -n 256").assert().code(0);
}

#[test]
fn too_little_address_space_is_a_fault_of_the_machine_and_no_verdict() {
    let done = with_limit_of_open_files("-v 600000").assert().code(3);
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(said.contains("585 MiB of address space"), "{said}");
}

/// An instance that is stopped and killed is a process of its own, of the program that is judged with.
#[test]
#[cfg(target_os = "linux")]
fn a_program_whose_file_is_replaced_meanwhile_goes_on_as_it_began() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (program, other) = (folder.path().join("moltproof"), folder.path().join("new"));
    std::fs::hard_link(assert_cmd::cargo::cargo_bin("moltproof"), &program).unwrap();
    std::fs::copy("/bin/false", &other).unwrap();
    let mut running = std::process::Command::new(&program)
        .args(["run", "--quiet", "--store", "none", "--id", "USG-015"])
        .args(["--tags", "not @slow"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::fs::rename(&other, &program).unwrap();
    let mut said = String::new();
    let mut output = running.stdout.take().unwrap();
    std::io::Read::read_to_string(&mut output, &mut said).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(0), "{said}");
}

/// Claims of a token that nobody has signed.
fn token(claims: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let [head, claims] =
        [r#"{"alg":"RS256","kid":"k"}"#, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{head}.{claims}.c2ln")
}

/// What a run says that operates this server with this token, and comes to no verdict.
fn refused(answer: &'static str, token: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("moltproof.toml");
    let base = super::null_server(answer);
    let text = format!(
        "name = 'staging'\napp_domain = 'app.example'\n[variants.production]\naddress = '{base}'\n[operator]\ntoken = '${{STAGING_TOKEN}}'\n"
    );
    std::fs::write(&manifest, text).unwrap();
    let done = Command::cargo_bin("moltproof")
        .unwrap()
        .env("STAGING_TOKEN", token)
        .args(["run", "--quiet", "--store", "none", "--id", "ACC-001"])
        .arg("--target")
        .arg(&manifest)
        .assert()
        .code(3);
    let output = done.get_output();
    assert!(output.stdout.is_empty(), "a report without a verdict");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_operators_token_that_has_expired_is_told_before_anything_is_judged() {
    let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let said = refused(answer, &token(r#"{"exp":1700000000}"#));
    assert!(said.contains("the operator's token"), "{said}");
    assert!(said.contains("expired"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_clock_that_is_wrong_is_told_before_anything_is_judged() {
    let answer = "HTTP/1.1 403 Forbidden\r\nDate: Mon, 01 Jan 2035 00:00:00 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let said = refused(answer, &token(r#"{"exp":9999999999}"#));
    assert!(said.contains("the target's clock is"), "{said}");
    assert!(said.contains("ahead of this machine's"), "{said}");
}

#[test]
fn credentials_in_an_address_are_told_nowhere_however_short() {
    let done = moltproof(&["run", "--target", "http://u:pw@127.0.0.1:9"]).code(2);
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(
        !said.contains("u:pw") && said.contains("[redacted]@"),
        "{said}"
    );
}

#[test]
fn a_machine_without_certificate_authorities_judges_the_reference() {
    let store = tempfile::tempdir().unwrap();
    let nowhere = store.path().join("none");
    Command::cargo_bin("moltproof")
        .unwrap()
        .env("SSL_CERT_FILE", &nowhere)
        .env("SSL_CERT_DIR", &nowhere)
        .args(ONE_CRITERION)
        .arg(store.path())
        .assert()
        .code(0);
}

#[test]
fn an_empty_variable_is_a_variable_that_is_not_set() {
    let help = moltproof(&["run", "--help"]).code(0);
    let help = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
    let variable = Regex::new(r"\[env: (MOLTPROOF_[A-Z_]+)=").unwrap();
    let names: BTreeSet<&str> = variable
        .captures_iter(&help)
        .filter_map(|found| found.get(1))
        .map(|name| name.as_str())
        .collect();
    assert!(names.len() > 15, "{names:?}");
    let store = tempfile::tempdir().unwrap();
    let empty = names.into_iter().map(|name| (name, ""));
    Command::cargo_bin("moltproof")
        .unwrap()
        .envs(empty)
        .args(ONE_CRITERION)
        .arg(store.path())
        .assert()
        .code(0);
}

#[test]
fn the_long_version_tells_what_was_built_and_the_short_one_its_number_alone() {
    let number = env!("CARGO_PKG_VERSION");
    let short = moltproof(&["-V"]).code(0);
    let short = String::from_utf8_lossy(&short.get_output().stdout).into_owned();
    assert_eq!(short, format!("moltproof {number}\n"));

    let long = moltproof(&["--version"]).code(0);
    let long = String::from_utf8_lossy(&long.get_output().stdout).into_owned();
    let lines = Regex::new(concat!(
        r"^commit:   (unknown|[0-9a-f]{40}(-dirty)?)\n",
        r"contract: [0-9]+\.[0-9]+, sha256:[0-9a-f]{64}\n",
        r"target:   [a-z0-9_]+(-[a-z0-9_]+)+\n$"
    ));
    let rest = long.strip_prefix(&short);
    assert!(
        rest.is_some_and(|rest| lines.unwrap().is_match(rest)),
        "{long}"
    );
}

/// Every scenario needs a server; none is to wait for what has failed already.
#[test]
fn what_fails_before_a_server_starts_is_tried_once_and_ends_the_run_without_a_verdict() {
    let tried = |folder: &std::path::Path| {
        std::fs::read_to_string(folder.join("tried")).map_or(0, |text| text.lines().count())
    };
    let note = r#"["sh", "-c", "echo once >> {folder}/tried; echo no such table >&2; exit 1"]"#;
    for (what, setup, command) in [("setup", note, r#"["sleep", "60"]"#), ("command", "", note)] {
        let folder = tempfile::tempdir().unwrap();
        let manifest = format!(
            "name = \"broken\"\napp_domain = \"app.example\"\n[launch]\nsetup = [{setup}]\ncommand = {command}\n\
             [variants.production]\n[control]\naccess = true\nai_gateway = true\n"
        );
        let manifest = manifest.replace("{folder}", &folder.path().display().to_string());
        std::fs::write(folder.path().join("moltproof.toml"), manifest).unwrap();
        let output = moltproof_in(folder.path())
            .args(["run", "--quiet", "--target", "moltproof.toml"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{what}");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains("no such table"), "{what}: {said}");
        assert_eq!(tried(folder.path()), 1, "{what}: {said}");
    }
}
