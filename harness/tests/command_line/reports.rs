//! What can be done with reports that are written: compared, merged, rendered, stated. Never judges a target.

use super::{moltproof, told};

/// A JSON report with these verdicts.
fn report(folder: &std::path::Path, name: &str, verdicts: &[(&str, &str)]) -> String {
    let criteria: Vec<_> = verdicts
        .iter()
        .map(|(id, verdict)| serde_json::json!({ "id": id, "verdict": verdict }))
        .collect();
    let value = serde_json::json!({ "schema_version": "2.0", "contract_digest": "d", "target": name, "criteria": criteria });
    let path = folder.join(name);
    std::fs::write(&path, value.to_string()).unwrap();
    path.display().to_string()
}

#[test]
fn report_diff_exits_1_on_a_regression_and_names_the_criterion() {
    let folder = tempfile::tempdir().unwrap();
    let good = report(
        folder.path(),
        "good.json",
        &[("RES-001", "passed"), ("ACC-001", "not_verified")],
    );
    let bad = report(
        folder.path(),
        "bad.json",
        &[("RES-001", "failed"), ("ACC-001", "passed")],
    );
    let said = told(&["report", "diff", &good, &bad], 1);
    assert!(
        said.contains("regressed  RES-001  passed -> failed"),
        "{said}"
    );
    assert!(said.contains("1 regressed, 1 improved"), "{said}");
    told(&["report", "diff", &good, &good, "--exact"], 0);
    let better = report(
        folder.path(),
        "better.json",
        &[("RES-001", "passed"), ("ACC-001", "passed")],
    );
    told(&["report", "diff", &good, &better], 0);
    told(&["report", "diff", &good, &better, "--exact"], 1);
}

#[test]
fn report_diff_of_what_is_no_report_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    let good = report(folder.path(), "good.json", &[("RES-001", "passed")]);
    let other = folder.path().join("other.json");
    std::fs::write(&other, "{}").unwrap();
    let other = other.display().to_string();
    assert!(told(&["report", "diff", &good, &other], 2).contains("no JSON report"));
    assert!(told(&["report", "diff", &good, "/nonexistent"], 2).contains("cannot read"));
}

#[test]
fn a_json_report_is_rendered_as_any_other_kind_later() {
    let folder = tempfile::tempdir().unwrap();
    let report = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fixtures/reports/every-outcome.json"
    );
    let place = folder.path().display().to_string();
    let kinds = "--report=html,markdown,junit,badge";
    let said = told(
        &["report", "render", report, kinds, "--report-dir", &place],
        0,
    );
    assert!(said.contains("moltproof.html"), "{said}");
    for (name, words) in [
        ("moltproof.html", "1 could not be verified"),
        ("moltproof.md", "**1 MUST not verified**"),
        (
            "moltproof.junit.xml",
            "moltproof run --target staging.toml --id ACC-002 --seed",
        ),
        ("moltproof.svg", "violates · 1/7 MUST · a part only"),
    ] {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(text.contains(words), "{name} does not say: {words}");
    }
    let said = told(&["report", "render", "Cargo.toml", "--report", "html"], 2);
    assert!(said.contains("is no JSON report of moltproof"), "{said}");
}

/// Ids, verdicts and counts of a JSON report.
fn judged(path: &std::path::Path) -> serde_json::Value {
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let criteria = report["criteria"].as_array().unwrap().iter();
    let verdicts: Vec<_> = criteria
        .map(|one| {
            (
                one["id"].clone(),
                one["verdict"].clone(),
                one["reason"].clone(),
            )
        })
        .collect();
    serde_json::json!([
        verdicts,
        report["summary"],
        report["evidence"].as_object().unwrap().len()
    ])
}

#[test]
fn shards_merge_to_what_the_whole_run_says_and_no_scenario_counts_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let run = |name: &str, more: &[&str]| {
        let report = format!("json={}", path(name).display());
        let mut args = vec![
            "run",
            "-q",
            "--id",
            "RES-001,RES-006,ERR-001",
            "--report",
            &report,
        ];
        args.extend(more);
        moltproof(&args).code(0);
    };
    run("whole", &[]);
    run("one", &["--shard", "1/2"]);
    run("two", &["--shard", "2/2"]);
    let name = |name: &str| path(name).display().to_string();
    let report = format!("json={}", name("merged"));
    let (one, two) = (name("one"), name("two"));
    moltproof(&["report", "merge", &one, &two, "-q", "--report", &report]).code(0);
    assert_eq!(judged(&path("merged")), judged(&path("whole")));

    let said = told(&["report", "merge", &one, &two, &one], 2);
    assert!(said.contains("both ran features/"), "{said}");
    let said = told(&["report", "merge", &one, &name("whole")], 2);
    assert!(said.contains("numbers of shards differ"), "{said}");
    let mut other: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path("two")).unwrap()).unwrap();
    other["target"] = "https://elsewhere.example".into();
    std::fs::write(path("elsewhere"), other.to_string()).unwrap();
    let said = told(&["report", "merge", &one, &name("elsewhere")], 2);
    assert!(said.contains("targets differ"), "{said}");

    run("first of three", &["--shard", "1/3"]);
    run("second of three", &["--shard", "2/3"]);
    let thirds = [name("first of three"), name("second of three")];
    let args = ["report", "merge", &thirds[0], &thirds[1], "-q", "--strict"];
    let done = moltproof(&args).code(4);
    let printed = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    assert!(
        printed.contains("not the whole run: shard 1, 2 of 3"),
        "{printed}"
    );
}

#[test]
fn a_conformance_statement_holds_until_a_byte_or_a_verdict_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().display().to_string();
    let kinds = ["--report", "statement,json,badge", "--report-dir", &dir];
    moltproof(&[&["run", "-q", "--id", "RES-001,ACC-009"], &kinds[..]].concat()).code(0);
    let path = |name: &str| folder.path().join(name);
    let statement = path("moltproof.statement.toml");
    let name = statement.display().to_string();
    let verify = |code| {
        let done = moltproof(&["report", "verify", &name]).code(code);
        String::from_utf8_lossy(&done.get_output().stdout).into_owned()
    };
    let said = verify(0);
    assert!(said.contains("2 files are as stated, 2 criteria"), "{said}");

    // Each change is undone by the next one.
    let good = std::fs::read_to_string(&statement).unwrap();
    for (from, to, complaint) in [
        (
            "verdict = \"passed\"",
            "verdict = \"failed\"",
            "counts are not those",
        ),
        (
            "verdict = \"conforms\"",
            "verdict = \"violates\"",
            "its verdict is `violates the contract`",
        ),
        (
            "target = \"reference\"",
            "target = \"production\"",
            "target, build, time",
        ),
        (
            "\"moltproof.svg\" = \"",
            "\"moltproof.svg\" = \"0",
            "moltproof.svg is not the file",
        ),
    ] {
        assert!(good.contains(from), "no {from} in\n{good}");
        std::fs::write(&statement, good.replacen(from, to, 1)).unwrap();
        let said = verify(1);
        assert!(
            said.contains(complaint) && said.contains("does not hold"),
            "{said}"
        );
    }
    std::fs::write(&statement, &good).unwrap();

    // A report whose verdict was changed, and a statement that was made for it.
    let report = std::fs::read_to_string(path("moltproof.json")).unwrap();
    let mut forged: serde_json::Value = serde_json::from_str(&report).unwrap();
    forged["criteria"][0]["scenarios"][0]["outcome"] = "failed".into();
    std::fs::write(path("moltproof.json"), forged.to_string()).unwrap();
    let said = verify(1);
    assert!(said.contains("moltproof.json is not the file"), "{said}");
    assert!(said.contains("from its scenarios follows failed"), "{said}");

    // Without the report nobody can say whether the verdicts are true.
    std::fs::remove_file(path("moltproof.json")).unwrap();
    let said = told(&["report", "verify", &name], 2);
    assert!(said.contains("no JSON report is here"), "{said}");
}
