//! Reports for tests and figures: as large, as full of findings and as hostile as asked for. Never holds what a run has seen.
//!
//! Made as JSON and read back, so that the bench takes it by its path too.

use serde_json::{Value, json};

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Criteria; every third is no MUST.
    pub(crate) criteria: usize,
    /// Scenarios of each.
    pub(crate) scenarios: usize,
    /// Exchanges of each scenario.
    pub(crate) exchanges: usize,
    /// Every so-manieth scenario has a finding; 0 for none.
    pub(crate) finding_every: usize,
    /// Whether all findings saw the same.
    pub(crate) alike: bool,
    /// What bodies, names and findings hold.
    pub(crate) text: &'static str,
    /// How often a body repeats it.
    pub(crate) times: usize,
}

impl Sample {
    /// The JSON report.
    pub(crate) fn json(self) -> Value {
        let all: Vec<Vec<bool>> = (0..self.criteria)
            .map(|at| {
                let number = |nth| at * self.scenarios + nth + 1;
                let is_finding =
                    |nth| self.finding_every > 0 && number(nth) % self.finding_every == 0;
                (0..self.scenarios).map(is_finding).collect()
            })
            .collect();
        let failed = |at: usize| all[at].iter().any(|found| *found);
        let is_must = |at: &usize| at % 3 != 2;
        let tally = |wanted: &dyn Fn(&usize) -> bool| {
            let own: Vec<usize> = (0..self.criteria).filter(|at| wanted(at)).collect();
            let broken = own.iter().filter(|&&at| failed(at)).count();
            json!({ "total": own.len(), "passed": own.len() - broken, "failed": broken, "flaky": 0, "known": 0, "accepted": 0,
                "not_verified": 0, "not_applicable": 0, "error": 0 })
        };
        let must = tally(&is_must);
        let verdict = if must["failed"] == 0 {
            "conforms"
        } else {
            "violates"
        };
        json!({
            "schema_version": "2.0", "harness": "moltproof 0.1.0", "contract_version": "1.0", "contract_digest": "0123456789abcdef".repeat(4),
            "target": format!("staging {}", self.text), "named": "staging.toml", "run_id": "abcdef", "seed": 7, "concurrency": 64,
            "started_at_ms": 1_790_000_000_000_i64, "duration_ms": 23_456.7, "build": "9f2c1e7",
            "spent": { "requests": 10_000, "model_calls": 100, "largest_burst": 50 },
            "summary": { "verdict": verdict, "must": must, "should": tally(&|at| !is_must(at)), "may": tally(&|_| false),
                "scenarios_run": self.criteria * self.scenarios, "scenarios_selected": self.criteria * self.scenarios, "scenarios_not_selected": 0, "checks": 10_000,
                "exchanges": self.criteria * self.scenarios * self.exchanges },
            "warnings": [], "lacking": {},
            "criteria": (0..self.criteria).map(|at| self.criterion(at, &all[at])).collect::<Vec<_>>(),
            "evidence": all.iter().enumerate().flat_map(|(at, own)| {
                own.iter().enumerate().map(move |(nth, found)| (place(at, nth), self.evidence(*found)))
            }).collect::<serde_json::Map<_, _>>(),
        })
    }

    fn criterion(self, at: usize, found: &[bool]) -> Value {
        let area = ["RES", "ACC", "AIG", "USG"][at % 4];
        let failed = found.iter().any(|found| *found);
        json!({
            "id": format!("{area}-{:03}", at), "level": if at % 3 == 2 { "should" } else { "must" }, "profile": "core",
            "sentence": "The host alone decides the tenant.", "source": format!("features/area_{}/some.feature:{at}", at % 4),
            "verdict": if failed { "failed" } else { "passed" },
            "reason": if failed { format!("expected 403, saw {}", self.text) } else { String::new() },
            "scenarios": found.iter().enumerate().map(|(nth, found)| self.scenario(at, nth, *found)).collect::<Vec<_>>(),
        })
    }

    fn scenario(self, at: usize, nth: usize, found: bool) -> Value {
        let said = |text: &str| found.then(|| format!("{text} {}", self.text));
        let seen = if self.alike {
            "status 200".to_owned()
        } else {
            format!("status 200 at row {}", at * self.scenarios + nth)
        };
        json!({
            "name": format!("Somebody asks for {nth} {}", self.text), "feature": format!("features/area_{}/some.feature", at % 4),
            "line": at * 1000 + nth + 1, "outcome": if found { "failed" } else { "passed" }, "reason": null,
            "severity": found.then_some("breach"), "expected": said("status 403"), "seen": said(&seen),
            "step_line": found.then_some(4), "step": said("Then the answer has status 403"), "duration_ms": 12.5, "checks": 3,
            "evidence": place(at, nth),
        })
    }

    fn evidence(self, found: bool) -> Value {
        let body = self.text.repeat(self.times);
        json!({
            "began_ms": 1.0, "decisive": found.then_some(self.exchanges), "left_out": [],
            "steps": (0..6).map(|nth| json!({ "line": nth + 1, "text": format!("Given a tenant of number {nth} that was made for this {}", self.text),
                "at_ms": 1.0, "duration_ms": 2.0, "held": !found || nth < 5 })).collect::<Vec<_>>(),
            "exchanges": (1..=self.exchanges).map(|number| json!({ "number": number, "at_ms": number, "method": "POST",
                "host": "acme-abcdef.example", "path": format!("/api/chat?of={}", self.text), "request_headers": [["content-type", "application/json"]],
                "request_body": body, "status": 200, "headers": [["x-request-id", self.text]], "body": body, "body_len": body.len(),
                "request_id": "r", "connect_ms": 0.3, "head_ms": 2.0, "duration_ms": 2.5, "curl": format!("curl -sS -i 'http://a.example/{number}'") })).collect::<Vec<_>>(),
            "model_calls": [{ "at_ms": 1.5, "duration_ms": 0.4, "path": "/v1/acct/gw/openai", "model": self.text, "headers": [["cf-aig-metadata", self.text]],
                "metadata": self.text, "outcome": "answered 200" }],
            "observations": [{ "at_ms": 0.5, "store": "D1", "asked": "SELECT * FROM usage", "saw": self.text, "times": 3 }],
            "log_lines": [{ "number": 1, "text": self.text }],
        })
    }
}

fn place(at: usize, nth: usize) -> String {
    format!(
        "features/area_{}/some.feature:{}",
        at % 4,
        at * 1000 + nth + 1
    )
}
