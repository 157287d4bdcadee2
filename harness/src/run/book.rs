//! Finds the one definition of a step. Never runs a step that two definitions match.

use crate::run::scene::Scene;
use crate::verdict::{Check, Stop};
use futures_util::future::LocalBoxFuture;
use regex::{Regex, RegexSet, RegexSetBuilder};
use std::sync::OnceLock;

/// Room for the automaton that finds a step's definition. Evidence: with the default of 2 MB it starts anew again and again, and the
/// slow engine that then takes over costs 4 % of a run.
const DFA_BYTES_MAX: usize = 64 << 20;

/// What a step does.
type Act = Box<dyn for<'a> Fn(&'a mut Scene, Args) -> LocalBoxFuture<'a, Check> + Send + Sync>;

/// What a step text gives to its definition.
#[derive(Debug, Clone, Default)]
pub struct Args {
    groups: Vec<String>,
    /// The text block below the step.
    pub docstring: Option<String>,
    /// The table below the step, its header row first.
    pub table: Vec<Vec<String>>,
}

impl Args {
    /// The text of a capture group, from 1; empty if it took no part.
    #[must_use]
    pub fn text(&self, group: usize) -> &str {
        self.groups.get(group).map_or("", String::as_str)
    }

    /// A capture group as number.
    ///
    /// # Errors
    /// A fault of the feature, if it is none.
    pub fn number<T: std::str::FromStr>(&self, group: usize) -> Result<T, Stop> {
        self.text(group).parse().map_err(|_unparsable| {
            Stop::Fault(format!(
                "`{}` is no number that fits here",
                self.text(group)
            ))
        })
    }

    /// The rows of the table below its header.
    #[must_use]
    pub fn rows(&self) -> &[Vec<String>] {
        self.table.get(1..).unwrap_or_default()
    }

    /// The first cell of each row, header included: a plain list.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        self.table
            .iter()
            .filter_map(|row| row.first().cloned())
            .collect()
    }
}

/// All step definitions. The keyword (Given, When, Then) does not take part in the match; it says what a step is for.
#[derive(Default)]
pub struct Book {
    patterns: Vec<Regex>,
    acts: Vec<Act>,
    about: Vec<&'static [&'static str]>,
    set: OnceLock<RegexSet>,
}

/// Why a step cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMatch {
    /// No definition.
    #[error("no definition matches the step `{0}`")]
    None(String),
    /// Several definitions.
    #[error("several definitions match the step `{step}`: {}", patterns.join(" | "))]
    Several {
        /// The step text.
        step: String,
        /// The patterns.
        patterns: Vec<String>,
    },
}

impl Book {
    /// Adds a definition. `pattern` is anchored at both ends. Below `Then` it judges every criterion of its scenario.
    ///
    /// # Panics
    /// If the pattern is no regular expression: a mistake in the code, found by any test that builds the book.
    pub fn step<F>(&mut self, pattern: &str, act: F)
    where
        F: for<'a> Fn(&'a mut Scene, Args) -> LocalBoxFuture<'a, Check> + Send + Sync + 'static,
    {
        self.asserting(&[], pattern, act);
    }

    /// Adds a definition that judges these criteria only, below `When` as well as below `Then`: in the scenario of another one it is a
    /// precondition, and what it finds wrong there is told as their fault, the first one's by name.
    ///
    /// # Panics
    /// As [`Self::step`].
    pub fn asserting<F>(&mut self, criteria: &'static [&'static str], pattern: &str, act: F)
    where
        F: for<'a> Fn(&'a mut Scene, Args) -> LocalBoxFuture<'a, Check> + Send + Sync + 'static,
    {
        #[expect(clippy::expect_used, reason = "patterns are constants of this crate")]
        let regex = Regex::new(&format!("^(?:{pattern})$"))
            .expect("a step pattern is a regular expression");
        self.patterns.push(regex);
        self.acts.push(Box::new(act));
        self.about.push(criteria);
        self.set = OnceLock::new();
    }

    /// Runs the one definition that matches.
    ///
    /// # Errors
    /// What the step returns; a fault when none or several match.
    pub async fn perform(&self, scene: &mut Scene, step: &gherkin::Step) -> Check {
        let found = self
            .find(&step.value)
            .map_err(|no_match| Stop::Fault(no_match.to_string()))?;
        let groups = self.patterns[found]
            .captures(&step.value)
            .map(|captures| {
                captures
                    .iter()
                    .map(|group| group.map_or(String::new(), |text| text.as_str().to_owned()))
                    .collect()
            })
            .unwrap_or_default();
        let table = step
            .table
            .as_ref()
            .map(|table| table.rows.clone())
            .unwrap_or_default();
        let docstring = step.docstring.as_ref().map(|text| text.trim().to_owned());
        self.acts[found](
            scene,
            Args {
                groups,
                docstring,
                table,
            },
        )
        .await
    }

    /// The criteria that the definition of a step is about; none named, or no definition: those of its scenario.
    pub(crate) fn about(&self, step: &str) -> &'static [&'static str] {
        self.find(step).map_or(&[], |found| self.about[found])
    }

    /// Every criterion that a definition names.
    pub fn named(&self) -> impl Iterator<Item = &'static str> {
        self.about.iter().flat_map(|list| list.iter().copied())
    }

    /// Which definition matches a step text.
    ///
    /// # Errors
    /// [`NoMatch`] unless it is exactly one.
    pub fn find(&self, step: &str) -> Result<usize, NoMatch> {
        let hits: Vec<usize> = self.set().matches(step).into_iter().collect();
        match hits[..] {
            [one] => Ok(one),
            [] => Err(NoMatch::None(step.to_owned())),
            _ => Err(NoMatch::Several {
                step: step.to_owned(),
                patterns: hits
                    .iter()
                    .map(|&at| self.patterns[at].as_str().to_owned())
                    .collect(),
            }),
        }
    }

    /// The pattern texts, for those who write features.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(Regex::as_str)
    }

    #[expect(
        clippy::expect_used,
        reason = "every pattern compiled by itself before"
    )]
    fn set(&self) -> &RegexSet {
        self.set.get_or_init(|| {
            let patterns: Vec<&str> = self.patterns.iter().map(Regex::as_str).collect();
            RegexSetBuilder::new(patterns)
                .dfa_size_limit(DFA_BYTES_MAX)
                .build()
                .expect("patterns that compile one by one compile as a set")
        })
    }
}
