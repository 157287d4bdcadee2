//! The library as somebody else's test uses it, by the example that the documentation names. Never looks inside.

#[path = "../examples/own_feature.rs"]
#[expect(dead_code, reason = "its `main` is for those who run the example")]
mod own_feature;

use moltproof::suite::{CannotRun, Suite};
use moltproof::verdict::{RunVerdict, Verdict};

const PROGRAM: &str = env!("CARGO_BIN_EXE_moltproof");

#[tokio::test]
async fn a_feature_of_ones_own_is_judged_beside_the_contract() {
    let judged = own_feature::judge(PROGRAM).await.unwrap();
    judged.assert_conforms();
    let verdicts: Vec<_> = judged
        .report
        .criteria
        .iter()
        .map(|one| (one.id.as_str(), one.verdict))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("OWN-001", Verdict::Passed),
            ("RES-002", Verdict::Passed),
            ("SCH-001", Verdict::Passed)
        ]
    );
}

/// A promise that the reference does not make.
const BROKEN: &str = "
@core
Feature: Own

  @OWN-002 @must
  Rule: OWN-002 Nobody is at home
    The health answers 404.

    Scenario: The health
      When somebody asks for the health
      Then the answer has status 404
";

#[test]
fn a_promise_that_is_broken_fails_the_test_with_the_report() {
    let judged = Suite::builder()
        .reference()
        .program(PROGRAM)
        .feature("own.feature", BROKEN)
        .without_the_contract()
        .block()
        .unwrap();
    assert_eq!(judged.report.summary.verdict, RunVerdict::Violates);
    assert_eq!(judged.report.criteria.len(), 1);
    let told = std::panic::catch_unwind(|| judged.assert_conforms()).unwrap_err();
    let told = told.downcast_ref::<String>().unwrap();
    assert!(
        told.contains("OWN-002") && told.contains("The health answers 404."),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_of_many_threads_is_refused_with_what_to_do() {
    let refused = Suite::builder().reference().run().await.unwrap_err();
    assert!(matches!(refused, CannotRun::Runtime));
    assert!(refused.to_string().contains("current_thread"));
}

#[test]
fn a_feature_that_is_malformed_is_named_with_its_line() {
    let refused = Suite::builder()
        .reference()
        .feature(
            "own.feature",
            "Feature: x\n  Rule: y\n    Scenario: z\n      * w",
        )
        .block();
    let refused = refused.unwrap_err().to_string();
    assert!(refused.starts_with("own.feature:2:"), "{refused}");
}
