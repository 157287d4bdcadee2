//! Which exchange is shown with a finding, and in which words: the one that decided, or only the last one. Never calls the one the other.

use super::{Evidence, ExchangeReport, Report, ScenarioReport, StepReport};

/// An exchange that is shown with a finding.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The exchange.
    pub exchange: &'a ExchangeReport,
    /// Whether the finding turned on it; else it is the last one of the scenario.
    pub has_decided: bool,
}

impl Shown<'_> {
    /// What it is.
    #[must_use]
    pub fn title(&self) -> &'static str {
        if self.has_decided {
            "the exchange that decided"
        } else {
            "the last exchange"
        }
    }

    /// What it is, and the exchange in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let one = self.exchange;
        format!(
            "{}, number {}: {} {}{} was answered with {}",
            self.title(),
            one.number,
            one.method,
            one.host,
            crate::evidence::cut(&one.path, 200),
            one.status
        )
    }
}

impl Evidence {
    /// The exchange that decided, or else the last one.
    #[must_use]
    pub fn shown(&self) -> Option<Shown<'_>> {
        let named = self
            .decisive
            .and_then(|number| self.exchanges.iter().find(|one| one.number == number));
        let exchange = named.or(self.exchanges.last())?;
        Some(Shown {
            exchange,
            has_decided: named.is_some(),
        })
    }
}

impl StepReport {
    /// Keyword and text as a reader wants them: with what the words in braces stood for.
    #[must_use]
    pub fn said(&self) -> &str {
        self.filled.as_deref().unwrap_or(&self.text)
    }
}

impl Report {
    /// The exchange that decided a scenario's finding, or else its last one.
    #[must_use]
    pub fn shown(&self, scenario: &ScenarioReport) -> Option<Shown<'_>> {
        self.evidence_of(scenario)?.shown()
    }

    /// A scenario's name as a reader wants it: with what the words in braces stood for.
    #[must_use]
    pub fn name_of<'a>(&'a self, scenario: &'a ScenarioReport) -> &'a str {
        let evidence = self.evidence_of(scenario);
        let filled = evidence.and_then(|evidence| evidence.name.as_deref());
        filled.unwrap_or(&scenario.name)
    }

    /// The step that ended a scenario early, if its evidence has it.
    #[must_use]
    pub fn step_of(&self, scenario: &ScenarioReport) -> Option<&StepReport> {
        let steps = &self.evidence_of(scenario)?.steps;
        let ended = steps.last().filter(|step| !step.held);
        ended.filter(|step| Some(step.line) == scenario.step_line)
    }

    /// That step in words.
    #[must_use]
    pub fn step_said<'a>(&'a self, scenario: &'a ScenarioReport) -> Option<&'a str> {
        let step = self.step_of(scenario).map(StepReport::said);
        step.or(scenario.step.as_deref())
    }
}
