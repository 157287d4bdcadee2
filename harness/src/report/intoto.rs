//! The conformance statement as an in-toto statement of the type test-result: what supply-chain tools carry, and policies ask. Never says more than the conformance statement in it.

use super::Report;
use super::kind::WrittenFile;
use super::statement::{Stated, Statement, Untrue};
use crate::digest::sha256;
use crate::verdict::{RunVerdict, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// An in-toto statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InToto {
    /// `https://in-toto.io/Statement/v1`.
    #[serde(rename = "_type")]
    pub type_: String,
    /// What it is about.
    pub subject: Vec<Described>,
    /// `https://in-toto.io/attestation/test-result/v0.1`.
    pub predicate_type: String,
    /// What is said of it.
    pub predicate: TestResult,
}

/// A thing by its name and its digests: algorithm → lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// File name, or what else it is called.
    pub name: String,
    /// At least one.
    pub digest: BTreeMap<String, String>,
}

/// The predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestResult {
    /// Of the whole.
    pub result: Outcome,
    /// The contract that it was judged by.
    pub configuration: Vec<Described>,
    /// Ids of the criteria that were verified whole and hold.
    pub passed_tests: Vec<String>,
    /// Ids of those that hold in part only, or otherwise than the contract has it, for which somebody answers.
    pub warned_tests: Vec<String>,
    /// Ids of those that are broken, at times broken, or could not be seen through.
    pub failed_tests: Vec<String>,
    /// The conformance statement that all of this follows from.
    pub moltproof: Statement,
}

/// What the predicate knows as a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// The whole contract was run, and every criterion was verified whole and holds, or does not concern the target.
    Passed,
    /// No MUST is known to be broken that nobody answers for, and something is weaker than that.
    Warned,
    /// A MUST is broken, or nothing was proven.
    Failed,
}

/// The statement beside the files that were written of the same report.
///
/// # Errors
/// When it cannot be serialised.
pub(super) fn render(report: &Report, files: &[WrittenFile]) -> io::Result<Vec<u8>> {
    let stated = InToto::of(Statement::of(report, files));
    let mut bytes = serde_json::to_vec_pretty(&stated)?;
    bytes.push(b'\n');
    Ok(bytes)
}

impl InToto {
    /// What follows from a conformance statement. It is about the files that were written with it, and about the build where that is a commit.
    #[must_use]
    pub fn of(statement: Statement) -> Self {
        let digest = |algorithm: &str, value: &str| {
            BTreeMap::from([(algorithm.to_owned(), value.to_owned())])
        };
        let commit = is_commit(&statement.build).then(|| Described {
            name: statement.target.clone(),
            digest: digest("gitCommit", &statement.build),
        });
        let files = statement.reports.iter().map(|(name, sha256)| Described {
            name: name.clone(),
            digest: digest("sha256", sha256),
        });
        let contract = Described {
            name: format!("moltproof contract {}", statement.contract.version),
            digest: digest("sha256", &statement.contract.digest),
        };
        let ids = |wanted: fn(&Stated) -> bool| {
            let own = statement.criteria.iter();
            own.filter(|(_, one)| wanted(one))
                .map(|(id, _)| id.clone())
                .collect::<Vec<_>>()
        };
        Self {
            type_: STATEMENT_TYPE.to_owned(),
            subject: commit.into_iter().chain(files).collect(),
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: TestResult {
                result: Outcome::of(&statement),
                configuration: vec![contract],
                passed_tests: ids(is_whole),
                warned_tests: ids(is_weaker),
                failed_tests: ids(is_broken),
                moltproof: statement,
            },
        }
    }

    /// Whether it is of these types, and says what follows from the conformance statement in it. Other things that it is about may be added.
    ///
    /// # Errors
    /// [`Untrue::Contradiction`].
    pub fn agrees_with_itself(&self) -> Result<(), Untrue> {
        let wrong = |what: &str| Err(Untrue::Contradiction(what.to_owned()));
        let follows = Self::of(self.predicate.moltproof.clone());
        if self.type_ != follows.type_ || self.predicate_type != follows.predicate_type {
            return wrong("it is no in-toto statement of the type test-result v0.1");
        }
        if self.predicate.result != follows.predicate.result {
            return wrong("its result is not the one that follows from its criteria");
        }
        if self.predicate != follows.predicate {
            return wrong("its lists of tests are not those that follow from its criteria");
        }
        let is_about = |one: &Described| self.subject.contains(one);
        if self.subject.is_empty() || !follows.subject.iter().all(is_about) {
            return wrong("it is not about the build and the files that it tells of");
        }
        self.predicate.moltproof.agrees_with_itself()
    }

    /// Whether it is about a file beside the reports, such as the bundle that was deployed.
    #[must_use]
    pub fn is_about(&self, bytes: &[u8]) -> bool {
        let digest = sha256(bytes);
        let mut all = self.subject.iter();
        all.any(|one| one.digest.get("sha256") == Some(&digest))
    }
}

impl Described {
    /// A file by its SHA-256.
    #[must_use]
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            digest: BTreeMap::from([("sha256".to_owned(), sha256(bytes))]),
        }
    }
}

impl Outcome {
    fn of(statement: &Statement) -> Self {
        let weaker =
            |one: &Stated| one.verdict == Verdict::NotVerified || is_weaker(one) || is_broken(one);
        match statement.verdict {
            RunVerdict::Violates | RunVerdict::Inconclusive => Self::Failed,
            RunVerdict::Known => Self::Warned,
            RunVerdict::Conforms => {
                if statement.whole_contract && !statement.criteria.values().any(weaker) {
                    Self::Passed
                } else {
                    Self::Warned
                }
            }
        }
    }
}

/// A commit of git, by its whole name.
fn is_commit(build: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    matches!(build.len(), 40 | 64) && build.bytes().all(is_hex)
}

fn is_whole(one: &Stated) -> bool {
    one.verdict == Verdict::Passed && one.reason.is_empty()
}

/// Passed in part, or somebody answers for it.
fn is_weaker(one: &Stated) -> bool {
    match one.verdict {
        Verdict::Passed => !one.reason.is_empty(),
        Verdict::Known | Verdict::Accepted => true,
        Verdict::Failed
        | Verdict::Flaky
        | Verdict::Error
        | Verdict::NotVerified
        | Verdict::NotApplicable => false,
    }
}

fn is_broken(one: &Stated) -> bool {
    match one.verdict {
        Verdict::Failed | Verdict::Flaky | Verdict::Error => true,
        Verdict::Passed
        | Verdict::Known
        | Verdict::Accepted
        | Verdict::NotVerified
        | Verdict::NotApplicable => false,
    }
}
