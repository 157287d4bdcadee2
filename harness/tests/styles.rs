//! Backends of other styles, described without code: right ones pass or are accepted, wrong ones are found out. Never needs Node.

#![expect(clippy::unwrap_used, reason = "a test ends where its own setup fails")]

#[path = "styles/restyled.rs"]
mod restyled;

use moltproof::contract::Contract;
use moltproof::contract::select::Selection;
use moltproof::report::{CriterionReport, Report, text};
use moltproof::subject::manifest::{Accept, FixedTenant, Manifest, Seeding};
use moltproof::suite::Suite;
use moltproof::verdict::{Severity, Verdict};
use restyled::{Break, Restyled};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the layer speaks: what a manifest has under `[dialect]`.
const DIALECT: &str = r#"
health = "/up"
status = "/me"
chat = "/assist"
tenants = "/ops/customers"
tenant = "/ops/customers/{id}"
routing = "/ops/customers/{id}/routing"
usage = "/ops/customers/{id}/usage"
gateway_start = "/ops/customers/{id}/gateway/start"
gateway = "/ops/customers/{id}/gateway"
console = ""
create_tenant = { method = "PUT", path = "/ops/customers/{slug}", body = { customer = { plan = "{tier}", channel = "{platform}", hosts = "{domains}" } } }
change_tenant = { method = "POST", body = { customer = { plan = "{tier}", channel = "{platform}", hosts = "{domains}", key = "{slug}" } } }
tiers = { free = "basic" }
tenant_id = "/customer/uuid"
tenant_slug = "/customer/key"
tenant_tier = "/customer/plan"
tenant_platform = "/customer/channel"
tenant_domains = "/customer/hosts"
tenant_sandbox_id = ""
status_tenant = ""
status_gateway_state = "/runtime/state"
chat_text = "/data/answer"
routing_tier = "/tier"
error_code = "/code"
error_message = "/message"
error_details = "/info"
error_request_id = "/ref"
error_timestamp = "/at"
error_attempts = "/info/attempts"
configuration_missing = "/info/missing"
error_codes = { TENANT_NOT_FOUND = "unknown_customer", ACCESS_DENIED = "sign_in", INVALID_REQUEST = "bad_request", INVALID_WORKLOAD = "unknown_task", NOT_FOUND = "no_such_page", METHOD_NOT_ALLOWED = "wrong_method" }
"#;

/// The same, where operators may name the id of a tenant.
fn with_ids_of_ours() -> String {
    DIALECT.replace("{ customer = { plan", "{ customer = { id = \"{id}\", plan")
}

/// The same, where a gateway is started and looked at on one path, and answers have its state where no key but its own says.
fn with_one_gateway_path() -> Restyled {
    let own = with_ids_of_ours()
        .replace("/gateway/start\"", "/gateway\"")
        .replace(
            "status_gateway_state = \"/runtime/state\"",
            "status_gateway_state = \"\"",
        );
    let more = r#"
start_gateway = { method = "PUT" }
gateway_state = "/unit/phase"
gateway_instance = "/unit/run"
gateway_states = { running = "up", stopped = "cold" }
"#;
    let mut target = Restyled::described(&format!("{own}{more}"), Break::Nothing);
    target.accepts = vec![accept("ACC-*", &[401]), accept("ERR-001", &[])];
    target.is_seen = true;
    target
}

fn accept(criterion: &str, status: &[u16]) -> Accept {
    Accept {
        criterion: criterion.to_owned(),
        status: status.to_vec(),
        reason: "agreed with the console's team".to_owned(),
        ..Accept::default()
    }
}

/// The restyled reference with what its owner answers for.
fn restyled(broken: Break) -> Restyled {
    let mut target = Restyled::described(DIALECT, broken);
    target.accepts = vec![accept("ACC-*", &[401]), accept("ERR-001", &[])];
    target
}

/// The report on some criteria, without what really waits.
fn judge(target: Restyled, ids: &[&str]) -> Report {
    let selection = Selection {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        tags: Some("not @slow and not @waits".to_owned()),
        ..Selection::default()
    };
    let suite = Suite::builder()
        .target(Arc::new(target))
        .select(selection)
        .id("styled")
        .concurrency(16);
    suite.block().unwrap().report
}

fn verdicts(report: &Report) -> BTreeMap<&str, Verdict> {
    report
        .criteria
        .iter()
        .map(|criterion| (criterion.id.as_str(), criterion.verdict))
        .collect()
}

fn criterion<'a>(report: &'a Report, id: &str) -> &'a CriterionReport {
    report
        .criteria
        .iter()
        .find(|criterion| criterion.id == id)
        .unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/targets")
}

const STYLES: [&str; 3] = ["customers", "fixed", "kv-only-seed"];

#[test]
fn a_restyled_backend_that_keeps_the_contract_passes_or_is_accepted_and_no_more() {
    let report = judge(
        restyled(Break::Nothing),
        &[
            "RES-001", "RES-002", "RES-004", "RES-012", "ACC-001", "ACC-002", "ACC-003", "ACC-013",
            "ERR-001", "ERR-005", "ID-001", "ID-002", "ID-003", "AIG-001", "AIG-016", "SEC-004",
        ],
    );
    let told = text::render(&report);
    let seen = verdicts(&report);
    for id in [
        "RES-001", "RES-002", "RES-004", "RES-012", "ID-001", "ID-002", "ID-003", "AIG-001",
        "AIG-016", "SEC-004",
    ] {
        assert_eq!(seen[id], Verdict::Passed, "{id}\n{told}");
    }
    for id in ["ACC-001", "ACC-002", "ACC-003", "ACC-013", "ERR-001"] {
        assert_eq!(seen[id], Verdict::Accepted, "{id}\n{told}");
        assert!(
            criterion(&report, id).reason.contains("the console's team"),
            "{id}\n{told}"
        );
    }
    assert_eq!(report.summary.must.accepted, 5, "{told}");
    assert!(told.contains("5 accepted deviations"), "{told}");
    assert!(report.warnings.is_empty(), "{told}");
}

#[test]
fn a_gateway_that_is_started_and_looked_at_on_one_path_is_no_wrong_method_and_no_second_run() {
    let report = judge(with_one_gateway_path(), &["SMK-001", "SMK-004", "ERR-005"]);
    let told = text::render(&report);
    assert_eq!(verdicts(&report)["SMK-004"], Verdict::Passed, "{told}");
    // What else the layer does with unknown routes is not asked here.
    assert!(!told.contains("METHOD_NOT_ALLOWED"), "{told}");
    // Of the tenant's own status it says nothing; what the operator sees was read.
    assert_eq!(verdicts(&report)["SMK-001"], Verdict::NotVerified, "{told}");
    let reason = &criterion(&report, "SMK-001").reason;
    assert!(reason.contains("status_gateway_state"), "{told}");
}

#[test]
fn a_gateway_answer_without_a_state_where_it_is_looked_for_convicts_nobody() {
    let mut target = with_one_gateway_path();
    target.dialect.gateway_state = "/state".to_owned();
    let report = judge(target, &["SMK-001"]);
    let told = text::render(&report);
    assert_eq!(verdicts(&report)["SMK-001"], Verdict::NotVerified, "{told}");
    let reason = &criterion(&report, "SMK-001").reason;
    assert!(reason.contains("dialect.gateway_state"), "{told}");
}

#[test]
fn a_registry_of_json_is_read_and_written_in_its_own_form() {
    let mut target = Restyled::described(&with_ids_of_ours(), Break::Nothing);
    target.is_seen = true;
    target.keeps_json = true;
    let report = judge(target, &["RES-005", "SCH-008"]);
    let told = text::render(&report);
    for id in ["RES-005", "SCH-008"] {
        assert_eq!(verdicts(&report)[id], Verdict::Passed, "{id}\n{told}");
    }
}

#[test]
fn a_refusal_in_another_form_that_nobody_answers_for_is_a_finding_of_shape() {
    let mut target = restyled(Break::Nothing);
    target.accepts.clear();
    let report = judge(target, &["ACC-001", "ERR-001"]);
    let told = text::render(&report);
    for id in ["ACC-001", "ERR-001"] {
        assert_eq!(verdicts(&report)[id], Verdict::Failed, "{id}\n{told}");
        let severities: Vec<_> = criterion(&report, id)
            .scenarios
            .iter()
            .filter_map(|scenario| scenario.severity)
            .collect();
        assert!(
            severities.iter().all(|one| *one == Severity::Shape),
            "{id}\n{told}"
        );
    }
}

#[test]
fn an_opened_door_is_found_though_another_form_of_refusal_is_accepted() {
    let report = judge(restyled(Break::OpensReading), &["ACC-001"]);
    let told = text::render(&report);
    let found = criterion(&report, "ACC-001");
    assert_eq!(found.verdict, Verdict::Failed, "{told}");
    assert!(
        found
            .scenarios
            .iter()
            .any(|scenario| scenario.severity == Some(Severity::Breach)),
        "{told}"
    );
}

#[test]
fn an_honoured_override_is_found_by_the_journal_alone() {
    let report = judge(restyled(Break::HonoursOverride), &["RES-001", "RES-002"]);
    let told = text::render(&report);
    assert_eq!(verdicts(&report)["RES-002"], Verdict::Failed, "{told}");
    assert_eq!(verdicts(&report)["RES-001"], Verdict::Passed, "{told}");
    assert!(
        criterion(&report, "RES-002").reason.contains("answered by"),
        "{told}"
    );
}

#[test]
fn mixed_up_tenants_are_found_by_the_journal_alone() {
    let report = judge(restyled(Break::MixesUpTenants), &["RES-001"]);
    let told = text::render(&report);
    assert_eq!(verdicts(&report)["RES-001"], Verdict::Failed, "{told}");
}

#[test]
fn an_unknown_host_that_is_answered_is_found_in_any_words() {
    let report = judge(restyled(Break::WelcomesAnybody), &["RES-012"]);
    assert_eq!(
        verdicts(&report)["RES-012"],
        Verdict::Failed,
        "{}",
        text::render(&report)
    );
}

#[test]
fn without_echo_and_journal_nothing_is_said_of_who_answered() {
    let mut target = restyled(Break::Nothing);
    target.dialect.metadata_tenant = "nothing".to_owned();
    let report = judge(target, &["RES-001"]);
    let told = text::render(&report);
    assert_eq!(verdicts(&report)["RES-001"], Verdict::NotVerified, "{told}");
    assert!(
        criterion(&report, "RES-001").reason.contains("metadata"),
        "{told}"
    );
}

#[test]
fn a_declared_deviation_that_nothing_met_or_whose_day_is_over_is_told() {
    let mut target = restyled(Break::Nothing);
    target.accepts.push(accept("RES-012", &[410]));
    target.accepts.push(Accept {
        until: Some("2020-01-01".to_owned()),
        ..accept("RES-001", &[404])
    });
    let report = judge(target, &["RES-012", "ACC-001"]);
    let told = text::render(&report);
    assert_eq!(verdicts(&report)["RES-012"], Verdict::Passed, "{told}");
    assert!(
        report
            .warnings
            .iter()
            .any(|line| line.contains("not met in this run: RES-012")),
        "{told}"
    );
    assert!(
        report
            .warnings
            .iter()
            .any(|line| line.contains("no longer: RES-001")),
        "{told}"
    );
    assert!(told.contains("warning"), "{told}");
}

#[test]
fn fixed_tenants_serve_one_scenario_at_a_time_and_are_never_altered() {
    let mut target = Restyled::described("status_tenant = \"\"", Break::Nothing);
    target.seeding = Some(Seeding::Fixed {
        tenants: vec![
            fixed("6d0f5c9e-41d2-4f0b-9c3a-6a0d1f2b7e01", "north"),
            fixed("0c5a9b7d-8e1f-4a3b-b2c4-5d6e7f809102", "south"),
        ],
    });
    target.plain = true;
    let report = judge(
        target,
        &[
            "RES-001", "RES-002", "RES-015", "RL-004", "ID-002", "SMK-001",
        ],
    );
    let told = text::render(&report);
    let seen = verdicts(&report);
    for id in ["RES-001", "RES-002"] {
        assert_eq!(seen[id], Verdict::Passed, "{id}\n{told}");
    }
    for id in ["RL-004", "RES-015", "SMK-001"] {
        assert_eq!(seen[id], Verdict::NotVerified, "{id}\n{told}");
    }
}

fn fixed(id: &str, slug: &str) -> FixedTenant {
    FixedTenant {
        id: id.to_owned(),
        slug: slug.to_owned(),
        host: None,
        tier: "free".to_owned(),
        platform: "web".to_owned(),
        domains: Vec::new(),
    }
}

#[test]
fn every_style_is_described_by_a_usable_manifest() {
    for style in STYLES {
        let manifest = Manifest::read(&folder().join(style).join("target.toml")).unwrap();
        assert_eq!(manifest.name, style);
        let kind = match manifest.seeding {
            Some(Seeding::Admin) => "customers",
            Some(Seeding::Stores { .. }) => "kv-only-seed",
            Some(Seeding::Fixed { .. }) => "fixed",
            None => "none",
        };
        assert_eq!(kind, style);
    }
}

#[test]
fn every_style_states_the_verdict_that_is_expected_of_each_criterion_with_a_reason() {
    let contract = Contract::embedded().unwrap();
    let known: BTreeSet<&str> = contract.criteria.keys().map(String::as_str).collect();
    for style in STYLES {
        let page = std::fs::read_to_string(folder().join(style).join("expected.tsv")).unwrap();
        let mut named = BTreeSet::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<&str> = line.split('\t').collect();
            let [id, verdicts, reason] = cells.as_slice() else {
                panic!("{style}: `{line}` is not id, verdict, reason");
            };
            assert!(known.contains(id), "{style}: {id} is no criterion");
            assert!(named.insert(*id), "{style}: {id} is there twice");
            for verdict in verdicts.split('|') {
                let is_one = [
                    "passed",
                    "failed",
                    "accepted",
                    "not_verified",
                    "not_applicable",
                ]
                .contains(&verdict);
                assert!(is_one, "{style}: `{verdict}` is no verdict");
            }
            assert!(
                *verdicts == "passed" || !reason.is_empty(),
                "{style}: {id} without a reason"
            );
        }
        let core = contract
            .criteria
            .values()
            .filter(|criterion| criterion.profile.is_core())
            .filter(|criterion| !named.contains(criterion.id.as_str()));
        let missing: Vec<_> = core.map(|criterion| &criterion.id).collect();
        assert!(
            missing.is_empty(),
            "{style}: nothing is expected of {missing:?}"
        );
    }
}

#[test]
fn a_manifest_that_hides_something_or_means_nothing_is_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("moltproof.toml");
    let head = "name = 'x'\n[variants.production]\naddress = 'http://127.0.0.1:1'\n";
    for (text, named) in [
        (
            "[[accept]]\ncriterion = 'ACC-001'\nstatus = [401]\nreason = ''",
            "reason",
        ),
        (
            "[[accept]]\ncriterion = 'ACC-001'\nstatus = [200]\nreason = 'x'",
            "no refusal",
        ),
        (
            "[[accept]]\ncriterion = 'ACC-999'\nreason = 'x'",
            "no such criterion",
        ),
        (
            "[dialect]\nerror_codes = { TENANT_LOST = 'x' }",
            "TENANT_LOST",
        ),
        ("[dialect]\ntiers = { gold = 'x' }", "gold"),
        ("[dialect]\ntenant_id = 'id'", "tenant_id"),
        (
            "[dialect]\ncreate_tenant = { body = { key = '{slgu}' } }",
            "{slgu}",
        ),
        (
            "[dialect]\ncreate_tenant = { body = { plan = '{tier}' } }",
            "{slug}",
        ),
        ("[dialect]\nnonsense = 'id'", "nonsense"),
        ("[seeding]\nkind = 'admin'", "access"),
        ("[seeding]\nkind = 'stores'\nsql = ['x']", "stores"),
        ("[seeding]\nkind = 'fixed'\ntenants = []", "no tenant"),
        ("[limits]\nquota = [0, 60]", "quota"),
        ("[limits]\nkey = 'planet'", "planet"),
    ] {
        std::fs::write(&file, format!("{head}{text}\n")).unwrap();
        let error = Manifest::read(&file).unwrap_err().to_string();
        assert!(error.contains(named), "{text}: {error}");
    }
}
