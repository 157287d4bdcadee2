//! Which scenarios a run is about. Never runs one.

use super::{Contract, Planned, is_id, shards};
use crate::digest::sha256;
use crate::nearest;
use gherkin::tagexpr::TagOperation;
use std::str::FromStr as _;
use std::sync::Arc;

/// The tag of what `run --smoke` selects: the smoke test, and of every other area one scenario that tells much in little time.
pub const SMOKE_TAG: &str = "smoke";

/// The tag expression of a smoke run, within what else was asked for.
#[must_use]
pub fn smoke_within(tags: Option<&str>) -> String {
    match tags {
        Some(tags) => format!("@{SMOKE_TAG} and ({tags})"),
        None => format!("@{SMOKE_TAG}"),
    }
}

/// What a user asked for; empty fields select everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Criterion ids.
    pub ids: Vec<String>,
    /// A tag expression, such as `@RES-001 or @slow`.
    pub tags: Option<String>,
    /// Profiles.
    pub profiles: Vec<String>,
    /// The k-th of n parts, from 1.
    pub shard: Option<(usize, usize)>,
}

/// The selection names something that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unselectable {
    /// No such criterion.
    #[error("there is no criterion `{id}`{}; `moltproof list` shows them all", nearest::told(suggestion.as_deref()))]
    Id {
        /// As given.
        id: String,
        /// The nearest that exists.
        suggestion: Option<String>,
    },
    /// No such profile.
    #[error("there is no profile `{unknown}`{hint}; the contract has: {known}")]
    Profile {
        /// As given.
        unknown: String,
        /// The nearest that exists, as a message has it.
        hint: String,
        /// All of them.
        known: String,
    },
    /// The expression does not parse.
    #[error("`{0}` is no tag expression; write for example `@RES-001 or (@must and not @slow)`")]
    Tags(String),
    /// A tag that no scenario carries: most likely a typing error.
    #[error(
        "no scenario carries the tag `@{tag}`{hint}; `moltproof list --format json` shows the tags"
    )]
    UnknownTag {
        /// As given.
        tag: String,
        /// The nearest that exists, as a message has it.
        hint: String,
    },
    /// Nothing is left.
    #[error("the selection leaves no scenario to run; an empty run proves nothing")]
    Nothing,
}

/// Names a whole selection, whichever part of it a shard is: SHA-256, lower-case hexadecimal.
///
/// # Errors
/// As [`select`].
pub fn digest(contract: &Contract, selection: &Selection) -> Result<String, Unselectable> {
    let whole = Selection {
        shard: None,
        ..selection.clone()
    };
    let places = select(contract, &whole)?
        .iter()
        .fold(String::new(), |text, planned| {
            text + &format!("{}:{}\n", planned.feature, planned.line)
        });
    Ok(sha256(places.as_bytes()))
}

/// The scenarios of a selection, in the order of the ledger.
///
/// # Errors
/// [`Unselectable`] when something named does not exist or nothing is left.
pub fn select(
    contract: &Contract,
    selection: &Selection,
) -> Result<Vec<Arc<Planned>>, Unselectable> {
    check_names(contract, selection)?;
    let expression = selection
        .tags
        .as_deref()
        .map(|text| parse_tags(contract, text))
        .transpose()?;
    let mut plan: Vec<Arc<Planned>> = contract
        .scenarios
        .iter()
        .filter(|planned| {
            selection.ids.is_empty() || planned.criteria.iter().any(|id| selection.ids.contains(id))
        })
        .filter(|planned| {
            selection.profiles.is_empty()
                || selection
                    .profiles
                    .iter()
                    .any(|profile| planned.tags.contains(profile))
        })
        .filter(|planned| {
            expression
                .as_ref()
                .is_none_or(|expression| holds(expression, &planned.tags))
        })
        .cloned()
        .collect();
    if let Some((part, parts)) = selection.shard {
        let shards = shards::deal(&plan, parts);
        plan = plan
            .into_iter()
            .zip(shards)
            .filter(|(_, shard)| *shard == part)
            .map(|(planned, _)| planned)
            .collect();
    }
    if plan.is_empty() {
        Err(Unselectable::Nothing)
    } else {
        Ok(plan)
    }
}

fn check_names(contract: &Contract, selection: &Selection) -> Result<(), Unselectable> {
    for id in &selection.ids {
        if !contract.criteria.contains_key(id) {
            return Err(Unselectable::Id {
                id: id.clone(),
                suggestion: nearest_id(contract, id),
            });
        }
    }
    let mut known: Vec<&str> = contract
        .criteria
        .values()
        .map(|criterion| criterion.profile.as_str())
        .collect();
    known.sort_unstable();
    known.dedup();
    match selection
        .profiles
        .iter()
        .find(|profile| !known.contains(&profile.as_str()))
    {
        Some(unknown) => Err(Unselectable::Profile {
            unknown: unknown.clone(),
            hint: nearest::hint(unknown, known.iter().copied()),
            known: known.join(", "),
        }),
        None => Ok(()),
    }
}

/// The existing id that is closest to a mistyped one: same letters in another case, or the same area, or else alike.
#[must_use]
pub fn nearest_id(contract: &Contract, id: &str) -> Option<String> {
    let upper = id.to_ascii_uppercase().replace('_', "-");
    let digits: String = upper.chars().filter(char::is_ascii_digit).collect();
    let area: String = upper.chars().take_while(char::is_ascii_uppercase).collect();
    let padded = format!("{area}-{digits:0>3}");
    let ids = || contract.criteria.keys().map(String::as_str);
    let same_area = || ids().filter(|known| known.starts_with(&format!("{area}-")));
    ids()
        .find(|known| **known == upper || **known == padded)
        .or_else(|| nearest::nearest(&upper, same_area()))
        .or_else(|| nearest::nearest(&upper, ids()))
        .map(str::to_owned)
}

fn parse_tags(contract: &Contract, text: &str) -> Result<TagOperation, Unselectable> {
    let expression =
        TagOperation::from_str(text).map_err(|_unparsable| Unselectable::Tags(text.to_owned()))?;
    let mut named = Vec::new();
    names(&expression, &mut named);
    for tag in named {
        let carried = contract
            .scenarios
            .iter()
            .any(|planned| planned.tags.contains(&tag));
        let known = is_id(&tag) && contract.criteria.contains_key(&tag);
        if !carried && !known {
            let known = contract.scenarios.iter().flat_map(|planned| &planned.tags);
            let ids = contract.criteria.keys();
            return Err(Unselectable::UnknownTag {
                hint: nearest::hint(&tag, known.chain(ids).map(String::as_str)),
                tag,
            });
        }
    }
    Ok(expression)
}

fn names(expression: &TagOperation, found: &mut Vec<String>) {
    match expression {
        TagOperation::And(one, other) | TagOperation::Or(one, other) => {
            names(one, found);
            names(other, found);
        }
        TagOperation::Not(inner) => names(inner, found),
        TagOperation::Tag(tag) => found.push(tag.clone()),
    }
}

fn holds(expression: &TagOperation, tags: &[String]) -> bool {
    match expression {
        TagOperation::And(one, other) => holds(one, tags) && holds(other, tags),
        TagOperation::Or(one, other) => holds(one, tags) || holds(other, tags),
        TagOperation::Not(inner) => !holds(inner, tags),
        TagOperation::Tag(tag) => tags.contains(tag),
    }
}
