//! Tries each operation of a manifest once, each with its control, by the scenarios' own machinery. Never judges the contract.

mod admin;
mod chat;
mod public;
mod stores;

use super::{Check, State};
use crate::client::{Client, Request};
use crate::contract::Planned;
use crate::evidence::{Exchange, cut};
use crate::observe::CannotObserve;
use crate::run::scene::{Run, Scene};
use crate::subject::Target;
use crate::subject::tenant::Tenant;
use crate::verdict::Stop;
use moltproof_api_worker::Need;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name of what is tried, in evidence.
const NAME: &str = "doctor";

/// Letters that name it: part of each tenant that it makes.
const ID_LETTERS: usize = 6;

/// What was tried, and what did not work.
#[derive(Debug, Default)]
pub(super) struct Tried {
    pub(super) checks: Vec<Check>,
    /// What scenarios cannot use, by the word of [`crate::run::uses`], with the reason.
    pub(super) broken: BTreeMap<&'static str, String>,
    /// What an API worker is judged by and cannot be used, with the reason.
    pub(super) lacking: BTreeMap<Need, String>,
    /// Why nothing at all can be used, if so.
    pub(super) out_of_reach: Option<String>,
}

impl Tried {
    /// Nothing answers as the Worker: no criterion can be verified, because of the worst that was found.
    pub(super) fn out_of_reach(&mut self) {
        let worst = self.checks.iter().max_by_key(|check| check.state);
        let why = worst.map(|check| format!("{}: {}", check.id, check.saw));
        self.out_of_reach = Some(why.unwrap_or_default());
    }

    /// Notes what scenarios cannot rely on, though nothing is wrong with the manifest.
    fn lacks(&mut self, word: &'static str, why: String) {
        self.broken.entry(word).or_insert(why);
    }

    /// Notes a check; what of `words` it is about works, or does not.
    pub(super) fn put(&mut self, words: &[&'static str], check: impl Into<Option<Check>>) {
        let Some(check) = check.into() else { return };
        if check.state >= State::Wrong {
            for word in words {
                self.broken
                    .entry(word)
                    .or_insert_with(|| format!("{}: {}", check.id, check.saw));
            }
        }
        self.checks.push(check);
    }
}

/// What one operation is tried with.
struct Trial {
    scene: Scene,
    /// Whether anything may be changed at the target.
    may_change: bool,
    tenant: Option<Tenant>,
}

/// Tries everything that the target is said to have; what needs a tenant only where hosts arrive.
pub(super) async fn all(
    client: &Client,
    target: &Arc<dyn Target>,
    hosts_arrive: bool,
    tried: &mut Tried,
) {
    let id = std::iter::repeat_with(|| fastrand::char('a'..='z'))
        .take(ID_LETTERS)
        .collect();
    let run = Arc::new(Run::new(Arc::clone(target), client.clone(), id));
    let planned = Arc::new(Planned::generated(NAME, &[], &[]));
    let mut trial = Trial {
        scene: Scene::new(run, planned),
        may_change: target.standing().is_empty(),
        tenant: None,
    };
    public::health(&mut trial, tried).await;
    admin::lock(&mut trial, tried).await;
    if hosts_arrive {
        admin::tenant(&mut trial, tried).await;
        public::status(&mut trial, tried).await;
        chat::all(&mut trial, tried).await;
        admin::operations(&mut trial, tried).await;
    }
    stores::all(&mut trial, tried).await;
    untried(&trial, tried);
}

/// What was left alone on a target that lives on, in one line.
fn untried(trial: &Trial, tried: &mut Tried) {
    if trial.may_change {
        return;
    }
    tried.checks.push(
        Check::unknown(
            "untried",
            "chats, and what makes, changes or removes a tenant: the target lives on, and a look changes nothing there",
        )
        .remedy("what hangs on them is counted as if they worked; a run shows it"),
    );
}

impl Trial {
    fn target(&self) -> &dyn Target {
        self.scene.run.target.as_ref()
    }

    /// Sends one request; says why there is no answer, if there is none.
    async fn ask(&mut self, request: Request) -> Result<Arc<Exchange>, Unasked> {
        Ok(self.scene.send(request).await?)
    }

    /// The host of nobody.
    async fn nobody(&mut self) -> Result<String, Unasked> {
        let instance = self.scene.instance().await?;
        Ok(instance.tenant_host(&self.scene.slug("nobody")))
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Unasked {
    /// The manifest says that there is no such thing: its causes are told with what hangs on them.
    NotThere,
    /// It was asked, and failed.
    Failed(String),
}

impl From<Stop> for Unasked {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::NotVerified(_) | Stop::NotApplicable(_) => Self::NotThere,
            Stop::Violation(finding) => Self::Failed(finding.seen),
            Stop::Unmet(unmet) => Self::Failed(unmet.seen),
            Stop::Fault(why) => Self::Failed(why),
        }
    }
}

impl From<CannotObserve> for Unasked {
    fn from(error: CannotObserve) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Unasked {
    /// As a check, if there is anything to tell.
    fn check(self, id: &'static str, remedy: &str) -> Option<Check> {
        match self {
            Self::NotThere => None,
            Self::Failed(why) => Some(Check::wrong(id, why).remedy(remedy)),
        }
    }
}

/// An answer in short.
fn short(answer: &Exchange) -> String {
    let text = answer.text();
    let text = cut(text.trim(), 120).replace('\n', " ");
    if is_page(answer) {
        return format!("status {} and an HTML page", answer.status);
    }
    if text.is_empty() {
        return format!("status {}", answer.status);
    }
    format!("status {} {text}", answer.status)
}

fn is_ok(answer: &Exchange) -> bool {
    (200..300).contains(&answer.status)
}

/// Whether an answer is a page for a browser.
fn is_page(answer: &Exchange) -> bool {
    let kind = answer.header("content-type").unwrap_or_default();
    let begin = cut(answer.text().trim_start(), 15).to_ascii_lowercase();
    kind.starts_with("text/html")
        || begin.starts_with("<!doctype html")
        || begin.starts_with("<html")
}

/// What a 503 says is missing: the pointer of the manifest, else any list of names that it holds.
fn missing(answer: &Exchange) -> Option<String> {
    if answer.status != 503 && answer.status != 500 {
        return None;
    }
    let mut names = Vec::new();
    collect(&answer.sent_json()?, &mut names);
    (!names.is_empty()).then(|| names.join(", "))
}

/// Names as of bindings and variables, wherever a body lists them.
fn collect(value: &serde_json::Value, names: &mut Vec<String>) {
    use serde_json::Value;
    let is_name = |text: &str| {
        text.len() > 2
            && text.contains('_')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    match value {
        Value::Array(list) => {
            for one in list {
                if let Some(text) = one.as_str().filter(|text| is_name(text)) {
                    names.push(text.to_owned());
                }
                collect(one, names);
            }
        }
        Value::Object(fields) => fields.values().for_each(|one| collect(one, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
