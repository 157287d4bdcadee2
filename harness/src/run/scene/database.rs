//! The database that the target declares: prepared once for all scenarios of a run, judged on a thread where blocking is allowed. Never touches the database itself.

use super::{Run, Scene, Stop};
use crate::subject::database::Unprepared;
use crate::verdict::{Check, Finding, Severity};
use moltproof_data::check::{Aspect, Broken, Outcome};
use moltproof_data::subject::Subject;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Decides the rows that are made. Always the same: what a database breaks it breaks in every run.
const SEED: u64 = 1;

/// Ways of being broken that a finding spells out. Evidence: a schema that breaks an aspect breaks it in most of its tables, alike.
const BROKEN_MAX: usize = 5;

/// What is shared of the copy in memory: one scenario looks at a time, for SQLite's connection is no more than one thread's.
type Copy = Arc<Mutex<Subject>>;

/// The copy, once it was asked for; or why there is none.
#[derive(Default)]
pub(super) struct Prepared(OnceCell<Result<Copy, Stop>>);

impl Run {
    async fn subject(&self) -> Result<Copy, Stop> {
        let prepared = self.prepared.0.get_or_init(|| self.prepare()).await;
        prepared.clone()
    }

    async fn prepare(&self) -> Result<Copy, Stop> {
        let fault =
            |why: String| Stop::Fault(format!("the declared database cannot be judged: {why}"));
        let Some(database) = self.target.database()? else {
            return Err(Stop::NotVerified(
                "the target declares no database (manifest: [data])".to_owned(),
            ));
        };
        let opened = tokio::task::spawn_blocking(move || database.open(SEED));
        let opened = opened
            .await
            .map_err(|panicked| fault(panicked.to_string()))?;
        let subject = opened.map_err(|unprepared| match unprepared {
            Unprepared::Origin(_) => Stop::NotVerified(unprepared.to_string()),
            Unprepared::Source(_) | Unprepared::Copy(_) => fault(unprepared.to_string()),
        })?;
        Ok(Arc::new(Mutex::new(subject)))
    }
}

impl Scene {
    /// Sees that there is a copy of the declared database.
    pub async fn has_database(&mut self) -> Check {
        self.run.subject().await.map(drop)
    }

    /// Judges one aspect of it.
    pub async fn judge(&mut self, aspect: &'static Aspect) -> Check {
        let subject = self.run.subject().await?;
        let judged = tokio::task::spawn_blocking(move || {
            (aspect.judge)(&subject.lock().unwrap_or_else(PoisonError::into_inner))
        });
        let judged = judged
            .await
            .map_err(|panicked| Stop::Fault(format!("the harness panicked: {panicked}")))?;
        match judged {
            Outcome::Held { saw } => {
                self.told = Some(saw);
                self.checks += 1;
                Ok(())
            }
            Outcome::Broken(all) => {
                self.sql = all.iter().flat_map(lines).collect();
                Err(Stop::Violation(finding(&all)))
            }
            Outcome::NotVerified { reason, key } => Err(Stop::NotVerified(match key {
                Some(key) => format!("{reason} (manifest: {key})"),
                None => reason,
            })),
        }
    }
}

/// The SQL that repeats one way of being broken, with what it is about above it.
fn lines(broken: &Broken) -> Vec<String> {
    if broken.repeat.is_empty() {
        return Vec::new();
    }
    let head = format!("-- {}", broken.object);
    std::iter::once(head)
        .chain(broken.repeat.iter().cloned())
        .collect()
}

/// All ways of being broken as one finding.
fn finding(all: &[Broken]) -> Finding {
    let shown = &all[..all.len().min(BROKEN_MAX)];
    let mut expected: Vec<&str> = Vec::new();
    for broken in shown {
        if !expected.contains(&broken.expected.as_str()) {
            expected.push(&broken.expected);
        }
    }
    let mut seen: Vec<String> = shown
        .iter()
        .map(|broken| format!("{}: {}", broken.object, broken.saw))
        .collect();
    if all.len() > shown.len() {
        seen.push(format!("and {} more", all.len() - shown.len()));
    }
    Finding {
        severity: Severity::Breach,
        expected: expected.join("; "),
        seen: seen.join("; "),
        only: std::collections::BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(object: &str) -> Broken {
        Broken {
            object: object.to_owned(),
            expected: "no row of another tenant".to_owned(),
            saw: "2 rows are gone".to_owned(),
            repeat: vec!["SELECT 1;".to_owned()],
        }
    }

    #[test]
    fn a_finding_names_every_object_once_and_counts_what_it_leaves_out() {
        let all: Vec<Broken> = (0..7).map(|at| broken(&format!("table t{at}"))).collect();
        let finding = finding(&all);
        assert_eq!(finding.expected, "no row of another tenant");
        assert!(
            finding
                .seen
                .starts_with("table t0: 2 rows are gone; table t1: ")
        );
        assert!(finding.seen.ends_with("; and 2 more"), "{}", finding.seen);
        assert_eq!(lines(&all[0]), ["-- table t0", "SELECT 1;"]);
    }
}
