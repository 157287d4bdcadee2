//! One known finding as the baseline file has it, and what makes an entry unfit to excuse one. Never compares it with a run.

use super::fingerprint::{Fingerprint, is_vague};
use crate::contract::{Contract, Planned};
use serde::{Deserialize, Deserializer};
use std::sync::Arc;
use time::Date;
use time::macros::format_description;

/// Longest time that an entry may hold, in days: a year, and the day of a leap year. What is known for longer belongs into the target's manifest.
const DAYS_MAX: i64 = 366;

/// Words that stand where somebody meant to write something later.
const PLACEHOLDERS: [&str; 15] = [
    "todo", "tbd", "tba", "fixme", "xxx", "wip", "na", "none", "nobody", "unknown", "later",
    "null", "reason", "owner", "link",
];

/// A finding that is known, for which somebody answers until a day.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The criterion that it breaks.
    pub criterion: String,
    /// The feature file.
    pub feature: String,
    /// The name of the scenario.
    pub scenario: String,
    /// Which of the scenarios of this name, from 1, where there are several.
    pub row: Option<usize>,
    /// The step that finds it.
    pub step: String,
    /// What the contract demands.
    pub expected: String,
    /// What is seen instead.
    pub seen: String,
    /// Why it stands.
    pub reason: String,
    /// Who sees to it.
    pub owner: String,
    /// Where that can be followed: an http or https address.
    pub link: String,
    /// Last day on which it is known, such as `2027-03-31`.
    #[serde(deserialize_with = "day")]
    pub expires: String,
}

/// A day as TOML's own date or as text.
fn day<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    match toml::Value::deserialize(from)? {
        toml::Value::String(text) => Ok(text),
        toml::Value::Datetime(moment) => Ok(moment.to_string()),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => Err(serde::de::Error::custom("write a day such as 2027-03-31")),
    }
}

/// The day that a text means.
pub(super) fn date(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

/// The contract's scenarios of this name, as they follow each other in the feature.
pub(super) fn rows<'a>(
    contract: &'a Contract,
    criterion: &str,
    feature: &str,
    name: &str,
) -> Vec<&'a Arc<Planned>> {
    let all = contract.scenarios.iter().filter(|planned| {
        planned.name == name
            && planned.feature == feature
            && planned.criteria.iter().any(|id| id == criterion)
    });
    let mut rows: Vec<_> = all.collect();
    rows.sort_by_key(|planned| planned.line);
    rows
}

impl Entry {
    /// For people.
    #[must_use]
    pub fn describe(&self) -> String {
        let row = self.row.map(|row| format!(", row {row}"));
        format!(
            "{} \"{}\"{} in {}",
            self.criterion,
            self.scenario,
            row.unwrap_or_default(),
            self.feature
        )
    }

    /// What stands in the reports in place of the finding.
    pub(super) fn told(&self) -> String {
        format!(
            "{} (baseline: {}, {}, until {})",
            self.reason.trim(),
            self.owner.trim(),
            self.link.trim(),
            self.expires
        )
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.step, &self.expected, &self.seen)
    }

    /// The scenario that it is about; `None` if there is none, or it does not say which of several.
    pub(super) fn scenario<'a>(&self, contract: &'a Contract) -> Option<&'a Arc<Planned>> {
        let rows = rows(contract, &self.criterion, &self.feature, &self.scenario);
        match (rows.as_slice(), self.row) {
            (&[only], None) => Some(only),
            (all, Some(row)) => all.get(row.checked_sub(1)?).copied(),
            (_, None) => None,
        }
    }

    /// Why it is no entry to rely on; `None` if it is one. `today` as `2027-03-31`.
    pub(super) fn flaw(&self, contract: &Contract, today: &str) -> Option<String> {
        self.misplaced(contract)
            .or_else(|| self.vague())
            .or_else(|| self.term(today))
    }

    fn misplaced(&self, contract: &Contract) -> Option<String> {
        if self.scenario(contract).is_some() {
            return None;
        }
        if self.criterion.starts_with("GEN-") {
            return Some("unknown: findings of generated checks cannot be known, for every seed has others; name the criterion and the scenario that show it".to_owned());
        }
        let count = rows(contract, &self.criterion, &self.feature, &self.scenario).len();
        Some(if count > 1 {
            format!(
                "vague: the feature has {count} scenarios of this name; say which with `row`, from 1 to {count}"
            )
        } else {
            "unknown: the contract has no such scenario; see `moltproof explain` for those of a criterion".to_owned()
        })
    }

    fn vague(&self) -> Option<String> {
        let said = [("reason", &self.reason), ("owner", &self.owner)];
        if let Some((field, _)) = said.into_iter().find(|(_, text)| is_placeholder(text)) {
            return Some(format!(
                "vague: `{field}` says nothing; a person has to answer for it"
            ));
        }
        let is_address = url::Url::parse(self.link.trim())
            .is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        if !is_address {
            return Some(
                "vague: `link` is no http or https address at which it can be followed".to_owned(),
            );
        }
        let texts = [
            ("step", &self.step),
            ("expected", &self.expected),
            ("seen", &self.seen),
        ];
        let (field, _) = texts.into_iter().find(|(_, text)| is_vague(text))?;
        Some(format!(
            "vague: `{field}` would know nearly everything; a `*` stands for one part that is new in every run"
        ))
    }

    fn term(&self, today: &str) -> Option<String> {
        let Some(expires) = date(&self.expires) else {
            return Some("vague: `expires` is no day such as 2027-03-31".to_owned());
        };
        let today = date(today)?;
        if expires < today {
            return Some(format!("expired: it was known until {}", self.expires));
        }
        ((expires - today).whole_days() > DAYS_MAX).then(|| {
            format!(
                "vague: it expires on {}, more than a year from now",
                self.expires
            )
        })
    }
}

/// Whether a text was left for later.
fn is_placeholder(text: &str) -> bool {
    let letters = |letter: char| letter.is_alphanumeric() || letter.is_whitespace();
    let kept: String = text
        .to_lowercase()
        .chars()
        .filter(|&letter| letters(letter))
        .collect();
    let mut words = kept.split_whitespace();
    match words.next() {
        None | Some("todo" | "tbd" | "tba" | "fixme" | "xxx") => true,
        Some(first) => PLACEHOLDERS.contains(&first) && words.next().is_none(),
    }
}
