//! The further forms of a report, held against what they were last seen to be; `ci/report-forms/run` holds them against the schemas of their authors.
//! Never runs a contract.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moltproof::contract::Contract;
use moltproof::report::intoto::{InToto, Outcome};
use moltproof::report::statement::Statement;
use moltproof::report::{Interruption, Kind, Report};
use moltproof::verdict::{Level, RunVerdict, Verdict};
use serde_json::Value;
use std::path::Path;

/// A report with a scenario for every outcome that there is.
fn every_outcome() -> Report {
    serde_json::from_str(include_str!("../../fixtures/reports/every-outcome.json")).unwrap()
}

fn rendered(kind: Kind, report: &Report) -> String {
    String::from_utf8(kind.render(report, &[]).unwrap()).unwrap()
}

fn messages(report: &Report) -> Vec<Value> {
    let text = rendered(Kind::Messages, report);
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

#[test]
fn ctrf_tells_every_outcome() {
    insta::assert_snapshot!(rendered(Kind::Ctrf, &every_outcome()));
}

#[test]
fn messages_tell_every_outcome() {
    let text = rendered(Kind::Messages, &every_outcome());
    // The first line names the machine.
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(first.starts_with("{\"meta\""), "{first}");
    insta::assert_snapshot!(rest);
}

#[test]
fn har_holds_every_exchange() {
    insta::assert_snapshot!(rendered(Kind::Har, &every_outcome()));
}

#[test]
fn har_has_an_address_for_what_no_address_can_hold() {
    let addresses = |host: &str, path: &str| {
        let mut report = every_outcome();
        let seen = report.evidence.values_mut();
        for exchange in seen.flat_map(|seen| &mut seen.exchanges) {
            host.clone_into(&mut exchange.host);
            path.clone_into(&mut exchange.path);
        }
        let har: Value = serde_json::from_str(&rendered(Kind::Har, &report)).unwrap();
        har["log"]["entries"][0]["request"]["url"].clone()
    };
    assert_eq!(
        addresses("a.example:8787", "//x/%zz/%2F/../a b|c?q=1"),
        "http://a.example:8787//x/%25zz/%2F/../a%20b%7Cc?q=1"
    );
    for host in ["", "a b", "\"a\"", "{{a}}", "a.example:80:80", "a/b", "u@a"] {
        assert_eq!(addresses(host, "/"), "http://host.invalid/", "{host}");
    }
    assert_eq!(addresses("a.example", "*"), "http://a.example/*");
}

#[test]
fn an_in_toto_statement_tells_every_verdict() {
    let files = [("moltproof.json".to_owned(), b"{}".to_vec())];
    let bytes = Kind::InToto.render(&every_outcome(), &files).unwrap();
    let stated: InToto = serde_json::from_slice(&bytes).unwrap();
    let told = &stated.predicate;
    assert_eq!(told.result, Outcome::Failed);
    // In part, known, accepted: none of them is a plain pass.
    assert_eq!(told.passed_tests, [""; 0]);
    assert_eq!(told.warned_tests, ["ACC-001", "ACC-004", "ACC-005"]);
    assert_eq!(told.failed_tests, ["ACC-002", "ACC-003", "ACC-008"]);
    assert_eq!(stated.agrees_with_itself(), Ok(()));
    insta::assert_snapshot!(String::from_utf8(bytes).unwrap());
}

#[test]
fn an_in_toto_statement_passes_only_where_all_was_verified() {
    let result = |report: &Report| {
        let files = [("moltproof.json".to_owned(), b"{}".to_vec())];
        let stated = InToto::of(Statement::of(report, &files));
        assert_eq!(stated.agrees_with_itself(), Ok(()));
        stated.predicate.result
    };
    let mut report = every_outcome();
    report.criteria.truncate(1);
    report.criteria[0].reason.clear();
    report.generated.clear();
    report.summary.scenarios_not_selected = 0;
    let [must, should, may] = moltproof::verdict::tallies([(Level::Must, Verdict::Passed)]);
    (
        report.summary.must,
        report.summary.should,
        report.summary.may,
    ) = (must, should, may);
    report.summary.verdict = RunVerdict::Conforms;
    assert_eq!(result(&report), Outcome::Passed);
    report.summary.scenarios_not_selected = 1;
    assert_eq!(result(&report), Outcome::Warned);
    report.summary.scenarios_not_selected = 0;
    let mut open = report.criteria[0].clone();
    (open.id, open.level, open.verdict) =
        ("ACC-099".to_owned(), Level::Should, Verdict::NotVerified);
    report.criteria.push(open);
    report.summary.should.count(Verdict::NotVerified);
    assert_eq!(result(&report), Outcome::Warned);
}

#[test]
fn an_in_toto_statement_that_says_more_than_follows_does_not_hold() {
    let files = [("moltproof.json".to_owned(), b"{}".to_vec())];
    let stated = InToto::of(Statement::of(&every_outcome(), &files));
    let mut rosier = stated.clone();
    rosier.predicate.result = Outcome::Passed;
    assert!(rosier.agrees_with_itself().is_err());
    let mut rosier = stated.clone();
    rosier.predicate.passed_tests.push("ACC-006".to_owned());
    assert!(rosier.agrees_with_itself().is_err());
    let mut other = stated;
    other.subject[0]
        .digest
        .insert("sha256".to_owned(), "0".repeat(64));
    assert!(other.agrees_with_itself().is_err());
}

#[test]
fn a_report_is_rendered_alike_each_time() {
    let report = every_outcome();
    for kind in Kind::ALL {
        assert_eq!(
            rendered(kind, &report),
            rendered(kind, &report),
            "{}",
            kind.word()
        );
    }
}

#[test]
fn a_scenario_that_did_not_pass_for_one_of_its_criteria_is_no_pass() {
    let mut report = every_outcome();
    let mut second = report.criteria[0].clone();
    second.id = "ACC-099".to_owned();
    second.scenarios[0].outcome = moltproof::verdict::OutcomeKind::NotVerified;
    report.criteria.push(second);
    let ctrf: Value = serde_json::from_str(&rendered(Kind::Ctrf, &report)).unwrap();
    let tests = ctrf["results"]["tests"].as_array().unwrap();
    let name = "ACC-001 ACC-099 A refusal that is passed";
    let told: Vec<_> = tests.iter().filter(|test| test["name"] == name).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["status"], "skipped");
    let before = messages(&every_outcome());
    let after = messages(&report);
    let skipped = |all: &[Value]| {
        let status = "/testStepFinished/testStepResult/status";
        let own = all.iter().filter_map(|one| one.pointer(status));
        own.filter(|status| *status == "SKIPPED").count()
    };
    assert_eq!(skipped(&after), skipped(&before) + 1);
}

#[test]
fn a_run_that_came_to_no_verdict_is_green_in_no_form() {
    let mut report = every_outcome();
    report.generated.clear();
    report
        .criteria
        .retain(|one| one.verdict == Verdict::NotVerified);
    report.no_verdict = Some("nothing listens there".to_owned());
    let ctrf: Value = serde_json::from_str(&rendered(Kind::Ctrf, &report)).unwrap();
    assert_eq!(ctrf["results"]["summary"]["failed"], 1);
    let told = &ctrf["results"]["tests"][1];
    assert_eq!(
        told["message"],
        "The run came to no verdict: nothing listens there"
    );
    let all = messages(&report);
    let end = &all.last().unwrap()["testRunFinished"];
    assert_eq!(end["success"], false);
    assert_eq!(end["message"], told["message"]);
}

#[test]
fn a_run_that_was_ended_before_it_was_through_is_green_in_no_form() {
    let mut report = every_outcome();
    report.generated.clear();
    report.criteria.truncate(1);
    report.summary.verdict = RunVerdict::Conforms;
    let report = report.cut_short(Some(Interruption::Terminate));
    let ctrf: Value = serde_json::from_str(&rendered(Kind::Ctrf, &report)).unwrap();
    assert_eq!(ctrf["results"]["summary"]["failed"], 1);
    let tests = ctrf["results"]["tests"].as_array().unwrap();
    let told = tests.last().unwrap()["message"].as_str().unwrap();
    assert!(
        told.starts_with("incomplete: the run was ended by SIGTERM"),
        "{told}"
    );
    let all = messages(&report);
    assert_eq!(all.last().unwrap()["testRunFinished"]["message"], told);
    let files = [("moltproof.json".to_owned(), b"{}".to_vec())];
    let stated = InToto::of(Statement::of(&report, &files));
    assert_eq!(stated.predicate.result, Outcome::Failed);
}

#[test]
fn messages_hold_the_feature_only_where_the_report_is_of_its_scenarios() {
    let has_source = |all: &[Value]| all.iter().any(|one| one.get("source").is_some());
    let cases = |all: &[Value]| {
        all.iter()
            .filter(|one| one.get("testCase").is_some())
            .count()
    };
    let mut report = every_outcome();
    let other = messages(&report);
    assert!(!has_source(&other));
    let contract = Contract::embedded().unwrap();
    report.contract_version = contract.version.to_string();
    report.contract_digest = contract.digest();
    // By its digest it is this contract's, but no scenario of it stands at these lines: none may be lost.
    assert_eq!(cases(&messages(&report)), cases(&other));
    let first = contract.scenarios.first().unwrap();
    report.criteria.truncate(1);
    report.criteria[0].scenarios.truncate(1);
    report.criteria[0].scenarios[0]
        .feature
        .clone_from(&first.feature);
    report.criteria[0].scenarios[0].line = first.line;
    assert!(has_source(&messages(&report)));
}

#[test]
fn a_secret_stands_in_no_form() {
    let canary = "cAnAry-4711-of-the-forms";
    let mut report = every_outcome();
    moltproof::scrub::remember(canary);
    let evidence = report.evidence.values_mut();
    for exchange in evidence.flat_map(|seen| &mut seen.exchanges) {
        exchange.body = format!("{{\"key\":\"{canary}\"}}");
        exchange.path = format!("/v1?key={canary}");
        exchange
            .headers
            .push(("x-key".to_owned(), canary.to_owned()));
        exchange.curl = format!("curl -H 'x-key: {canary}'");
    }
    for criterion in &mut report.criteria {
        for scenario in &mut criterion.scenarios {
            scenario.seen = scenario.seen.as_ref().map(|_| format!("saw {canary}"));
        }
    }
    for kind in Kind::ALL {
        let text = rendered(kind, &report);
        assert!(!text.contains("4711"), "{}", kind.word());
    }
}

/// A new key, private and public, in PEM.
fn key_pair(is_p256: bool) -> (String, String) {
    let pem = |label: &str, der: &[u8]| pem::encode(&pem::Pem::new(label, der));
    let public = |der: PublicKeyX509Der<'static>| pem("PUBLIC KEY", der.as_ref());
    if is_p256 {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let private = pair.to_pkcs8v1().unwrap();
        let der = pair.public_key().as_der().unwrap();
        return (pem("PRIVATE KEY", private.as_ref()), public(der));
    }
    let pair = Ed25519KeyPair::generate().unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    let der = pair.public_key().as_der().unwrap();
    (pem("PRIVATE KEY", private.as_ref()), public(der))
}

/// Exit code and both streams of moltproof in a folder.
fn moltproof(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let signer = std::fs::read_to_string(folder.join("p256.key")).unwrap_or_default();
    let run = assert_cmd::Command::cargo_bin("moltproof")
        .unwrap()
        .args(arguments)
        .current_dir(folder)
        .env("SIGNER", signer)
        .output()
        .unwrap();
    let text = [run.stdout, run.stderr].concat();
    (
        run.status.code().unwrap(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn a_signed_statement_holds_for_its_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(
        at("run.json"),
        include_str!("../../fixtures/reports/every-outcome.json"),
    )
    .unwrap();
    std::fs::write(at("worker.js"), "export default {}").unwrap();
    for (name, is_p256) in [("ed25519", false), ("p256", true), ("other", true)] {
        let (private, public) = key_pair(is_p256);
        std::fs::write(at(&format!("{name}.key")), private).unwrap();
        std::fs::write(at(&format!("{name}.pub")), public).unwrap();
    }
    for (key, name) in [("ed25519.key", "ed25519"), ("env://SIGNER", "p256")] {
        let signed = format!("{name}.json");
        let report = format!("json,in-toto={signed}");
        let render = ["report", "render", "run.json", "--report", &report];
        let sign = ["--sign-key", key, "--subject", "worker.js"];
        let (code, told) = moltproof(folder.path(), &[&render[..], &sign].concat());
        assert_eq!(code, 0, "{told}");
        let verify = |more: &[&str]| {
            let all = [&["report", "verify", &signed], more].concat();
            moltproof(folder.path(), &all)
        };
        let public = format!("{name}.pub");
        let (code, told) = verify(&["--key", &public]);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("signed by the key"), "{told}");
        let (code, told) = verify(&["--key", &public, "moltproof.json", "worker.js"]);
        assert_eq!(code, 0, "{told}");
        let (code, told) = verify(&["--key", "other.pub"]);
        assert_eq!(code, 1, "{told}");
        assert!(told.contains("does not hold"), "{told}");
        // Whoever asks after no signature is not told that it holds.
        let (code, told) = verify(&[]);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains("--key"), "{told}");
        // A rosier statement under the same signature.
        let mut envelope: Value =
            serde_json::from_slice(&std::fs::read(at(&signed)).unwrap()).unwrap();
        let payload = STANDARD
            .decode(envelope["payload"].as_str().unwrap())
            .unwrap();
        let payload = String::from_utf8(payload).unwrap();
        let rosier = payload.replace("\"FAILED\"", "\"PASSED\"");
        assert_ne!(payload, rosier);
        envelope["payload"] = STANDARD.encode(rosier).into();
        std::fs::write(at(&signed), envelope.to_string()).unwrap();
        let (code, told) = verify(&["--key", &public]);
        assert_eq!(code, 1, "{told}");
    }
}

#[test]
fn what_is_not_signed_holds_for_no_key_and_what_cannot_be_signed_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(
        at("run.json"),
        include_str!("../../fixtures/reports/every-outcome.json"),
    )
    .unwrap();
    let (private, public) = key_pair(false);
    std::fs::write(at("signer.key"), private).unwrap();
    std::fs::write(at("signer.pub"), public).unwrap();
    let render = |more: &[&str]| {
        let all = [&["report", "render", "run.json"], more].concat();
        moltproof(folder.path(), &all)
    };
    let (code, told) = render(&["--report", "json,in-toto=bare.json"]);
    assert_eq!(code, 0, "{told}");
    let (code, told) = moltproof(folder.path(), &["report", "verify", "bare.json"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("not signed"), "{told}");
    let key = ["report", "verify", "bare.json", "--key", "signer.pub"];
    let (code, told) = moltproof(folder.path(), &key);
    assert_eq!(code, 1, "{told}");
    for wrong in [
        &["--report", "in-toto"][..],
        &["--report", "json", "--sign-key", "signer.key"],
        &["--report", "json,in-toto", "--sign-key", "signer.pub"],
        &["--report", "json,in-toto", "--sign-key", "env://NOT_THERE"],
        &["--report", "json,in-toto", "--subject", "not-there.js"],
    ] {
        let (code, told) = render(wrong);
        assert_eq!(code, 2, "{wrong:?}: {told}");
        assert!(!at("moltproof.intoto.json").exists(), "{wrong:?}");
    }
}
