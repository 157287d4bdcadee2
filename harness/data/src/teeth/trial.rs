//! What is said of a deviant and not of its base, held against what it states. Never decides what the figures mean.

use super::{Catalogue, Database, Deviant};
use crate::check::{self, Outcome};
use crate::finding::{Finding, Level};
use crate::rule::{self, book};
use crate::source::Source;
use crate::subject::Subject;
use crate::text::line_of;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// What was said of a database: by which rule or criterion, of what, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// The rule (`MIG-02`) or the criterion (`PAT-001`).
    pub id: String,
    /// What it is about (`table users`).
    pub object: String,
    /// Of a rule its title, of a criterion the sentence of the aspect that does not hold.
    pub sentence: String,
    /// Of a rule file and line, if the finding has a place.
    pub at: Option<String>,
    /// What is demanded.
    pub expected: String,
    /// What was seen.
    pub saw: String,
}

/// What became of a deviant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// One sign for each rule and criterion that was to be named, and was.
    pub found: Vec<Sign>,
    /// For each that was to be named and was not, what was said instead.
    pub missed: BTreeMap<String, String>,
    /// One sign for each rule and criterion that was named and is not broken.
    pub blamed: Vec<Sign>,
}

/// What became of a healthy database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spared {
    /// What was said and is not fair: every error, every criterion, and every finding that is not listed.
    pub alarms: Vec<Sign>,
    /// Criteria that could not be judged, and why.
    pub not_verified: BTreeMap<String, String>,
    /// How many criteria hold.
    pub held: usize,
}

/// A database could not be judged at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the copy in memory cannot be used: {0}")]
pub struct Unjudged(String);

/// Where the databases of a catalogue are judged; a healthy one is judged once, however many deviants are made of it.
#[derive(Debug)]
pub struct Bench<'c> {
    catalogue: &'c Catalogue,
    seed: u64,
    bases: BTreeMap<&'c str, OnceLock<Result<Said, Unjudged>>>,
}

/// All that is said of a database.
#[derive(Debug, Default)]
struct Said {
    findings: Vec<(Level, Sign)>,
    broken: BTreeMap<&'static str, Sign>,
    held: BTreeMap<&'static str, usize>,
    open: BTreeMap<&'static str, Open>,
}

/// Why a criterion could not be judged.
#[derive(Debug)]
struct Open {
    reason: String,
    is_undeclared: bool,
}

impl<'c> Bench<'c> {
    /// For a catalogue; rows are made up by the seed, and any one must give the same verdicts.
    #[must_use]
    pub fn of(catalogue: &'c Catalogue, seed: u64) -> Self {
        let names = catalogue.correct.keys().map(String::as_str);
        Self {
            catalogue,
            seed,
            bases: names.map(|name| (name, OnceLock::new())).collect(),
        }
    }

    /// Judges a deviant.
    ///
    /// # Errors
    /// [`Unjudged`] where nothing can be said of it or of its base.
    pub fn deviant(&self, deviant: &Deviant) -> Result<Judged, Unjudged> {
        let nothing = Said::default();
        let before = match &deviant.base {
            Some(base) => self.base(base)?,
            None => &nothing,
        };
        let said = Said::of(&deviant.database, self.seed)?;
        let known: BTreeSet<(&str, &str)> = before.findings.iter().map(by_object).collect();
        let findings = said.findings.iter();
        let new = findings.filter(|finding| !known.contains(&by_object(finding)));
        let broken = said.broken.iter();
        let mut signs: BTreeMap<&str, &Sign> = broken
            .filter(|(id, _)| !before.broken.contains_key(*id))
            .map(|(id, sign)| (*id, sign))
            .collect();
        for (_, sign) in new {
            signs.entry(&sign.id).or_insert(sign);
        }
        let wanted: BTreeSet<&str> = deviant.expected().map(String::as_str).collect();
        let missed = wanted.iter().filter(|id| !signs.contains_key(*id));
        let missed = missed.map(|id| ((*id).to_owned(), said.instead(id, before)));
        let missed = missed.collect();
        let (found, blamed) = signs
            .into_values()
            .cloned()
            .partition(|sign| wanted.contains(sign.id.as_str()));
        Ok(Judged {
            found,
            missed,
            blamed,
        })
    }

    /// Judges a healthy database.
    ///
    /// # Errors
    /// [`Unjudged`] where nothing can be said of it.
    pub fn correct(&self, name: &str) -> Result<Spared, Unjudged> {
        let said = self.base(name)?;
        let fair = self.catalogue.correct.get(name);
        let is_fair = |level: Level, sign: &Sign| {
            let known = (sign.id.clone(), sign.object.clone());
            level < Level::Error && fair.is_some_and(|one| one.findings.contains(&known))
        };
        let findings = said.findings.iter();
        let unfair = findings.filter(|(level, sign)| !is_fair(*level, sign));
        let judged = |id: &&str| said.broken.contains_key(id) || said.held.contains_key(id);
        let open = said.open.iter().filter(|(id, _)| !judged(id));
        let held = said.held.keys().filter(|id| !said.broken.contains_key(*id));
        Ok(Spared {
            alarms: unfair
                .map(|(_, sign)| sign)
                .chain(said.broken.values())
                .cloned()
                .collect(),
            not_verified: open
                .filter(|(_, open)| !open.is_undeclared)
                .map(|(id, open)| ((*id).to_owned(), open.reason.clone()))
                .collect(),
            held: held.count(),
        })
    }

    fn base(&self, name: &str) -> Result<&Said, Unjudged> {
        let found = self.bases.get(name).zip(self.catalogue.correct.get(name));
        let (said, correct) =
            found.ok_or_else(|| Unjudged(format!("there is no healthy database `{name}`")))?;
        let said = said.get_or_init(|| Said::of(&correct.database, self.seed));
        said.as_ref().map_err(Clone::clone)
    }
}

/// What a finding is known again by.
fn by_object((_, sign): &(Level, Sign)) -> (&str, &str) {
    (&sign.id, &sign.object)
}

impl Said {
    fn of(database: &Database, seed: u64) -> Result<Self, Unjudged> {
        let subject = Subject::of(database.source(), database.claims(), seed)
            .map_err(|error| Unjudged(error.to_string()))?;
        let findings = rule::judge(&subject);
        let mut said = Self {
            findings: findings
                .into_iter()
                .map(|finding| (finding.level, sign_of(finding, &subject.source)))
                .collect(),
            ..Self::default()
        };
        for aspect in check::aspects() {
            match (aspect.judge)(&subject) {
                Outcome::Held { .. } => *said.held.entry(aspect.criterion).or_default() += 1,
                Outcome::Broken(ways) => {
                    if let Some(way) = ways.into_iter().next() {
                        said.broken.entry(aspect.criterion).or_insert(Sign {
                            id: aspect.criterion.to_owned(),
                            object: way.object,
                            sentence: aspect.sentence.to_owned(),
                            at: None,
                            expected: way.expected,
                            saw: way.saw,
                        });
                    }
                }
                Outcome::NotVerified { reason, key } => {
                    said.open.entry(aspect.criterion).or_insert(Open {
                        reason,
                        is_undeclared: key.is_some(),
                    });
                }
            }
        }
        Ok(said)
    }

    /// What was said in the place of a rule or criterion that was to be named.
    fn instead(&self, id: &str, before: &Self) -> String {
        if before.broken.contains_key(id) {
            return "its base breaks it as well".to_owned();
        }
        if self.findings.iter().any(|(_, sign)| sign.id == id) {
            return "it finds what it finds in its base".to_owned();
        }
        let held = self.held.get(id).map(|count| match count {
            1 => "1 aspect holds".to_owned(),
            count => format!("{count} aspects hold"),
        });
        let open = self.open.get(id);
        let open = open.map(|open| format!("not verified: {}", open.reason));
        let told: Vec<String> = held.into_iter().chain(open).collect();
        if told.is_empty() {
            "it finds nothing".to_owned()
        } else {
            told.join("; ")
        }
    }
}

fn sign_of(finding: Finding, source: &Source) -> Sign {
    let at = finding.at.as_ref().and_then(|label| {
        let file = source.file(label.span.file)?;
        let (line, _) = line_of(&file.text, label.span.start);
        Some(format!("{}:{line}", file.name))
    });
    Sign {
        id: finding.rule.to_owned(),
        object: finding.object,
        sentence: book::rule(finding.rule).map_or_else(String::new, |rule| rule.title.clone()),
        at,
        expected: "no finding".to_owned(),
        saw: finding.message,
    }
}
