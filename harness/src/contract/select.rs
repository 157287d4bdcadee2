//! Which scenarios a run is about. Never runs one.

use super::profile::{self, Profile};
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
    /// The profiles that the target claims: whatever else there is, is not selected.
    pub claimed: Vec<Profile>,
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
    /// A part of the contract that the target does not claim.
    #[error(
        "{what} is of the profile `{profile}`, which this target does not claim (it claims: {}); \
         to have it judged, write `profiles = [{}]` into its manifest{}; a bare address claims core only",
        profile::listed(claimed),
        with_claim(claimed, *profile),
        further(*profile)
    )]
    Unclaimed {
        /// What was asked for, as a sentence begins.
        what: String,
        /// Where it belongs.
        profile: Profile,
        /// What the target claims.
        claimed: Vec<Profile>,
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

/// The claims as they must be, so that a profile is among them.
fn with_claim(claimed: &[Profile], profile: Profile) -> String {
    let all = claimed.iter().chain([&profile]);
    let quoted: Vec<_> = all.map(|one| format!("\"{one}\"")).collect();
    quoted.join(", ")
}

/// What a claim needs beside itself.
fn further(profile: Profile) -> &'static str {
    match profile {
        Profile::Core => "",
        Profile::ApiWorker => {
            ", and a section [api_worker] that says what it offers to be judged by"
        }
        Profile::Data => {
            ", and a section [data] that says where the database is (`moltproof db infer` writes one)"
        }
    }
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
    let asked: Vec<&Arc<Planned>> = contract
        .scenarios
        .iter()
        .filter(|planned| {
            selection.ids.is_empty() || planned.criteria.iter().any(|id| selection.ids.contains(id))
        })
        .filter(|planned| {
            let named = |profile: &String| profile == planned.profile.name();
            selection.profiles.is_empty() || selection.profiles.iter().any(named)
        })
        .filter(|planned| {
            expression
                .as_ref()
                .is_none_or(|expression| holds(expression, &planned.tags))
        })
        .collect();
    let mut plan: Vec<Arc<Planned>> = asked
        .iter()
        .filter(|planned| selection.claims(planned.profile))
        .map(|planned| Arc::clone(planned))
        .collect();
    if let (true, Some(first)) = (plan.is_empty(), asked.first()) {
        return Err(selection.unclaimed("what is asked for".to_owned(), first.profile));
    }
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

/// Whether a target claims what is planned.
///
/// # Errors
/// [`Unselectable::Unclaimed`], with the first scenario that it does not.
pub fn claimed(claims: &[Profile], plan: &[Arc<Planned>]) -> Result<(), Unselectable> {
    let stranger = plan.iter().find(|one| !claims.contains(&one.profile));
    stranger.map_or(Ok(()), |one| {
        Err(Unselectable::Unclaimed {
            what: one.criteria[0].clone(),
            profile: one.profile,
            claimed: claims.to_vec(),
        })
    })
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
    let held = |profile: &Profile| contract.scenarios.iter().any(|one| one.profile == *profile);
    let known: Vec<&str> = Profile::ALL
        .iter()
        .filter(|profile| held(profile))
        .map(|profile| profile.name())
        .collect();
    if let Some(unknown) = selection
        .profiles
        .iter()
        .find(|profile| !known.contains(&profile.as_str()))
    {
        return Err(Unselectable::Profile {
            unknown: unknown.clone(),
            hint: nearest::hint(unknown, known.iter().copied()),
            known: known.join(", "),
        });
    }
    check_claims(contract, selection)
}

/// Whether everything that is named is of a profile that the target claims.
fn check_claims(contract: &Contract, selection: &Selection) -> Result<(), Unselectable> {
    let named = selection.profiles.iter().filter_map(|word| {
        let profile: Profile = word.parse().ok()?;
        Some((format!("`--profile {word}`"), profile))
    });
    let ids = selection.ids.iter();
    let ids = ids.filter_map(|id| Some((id.clone(), contract.criteria.get(id)?.profile)));
    match named
        .chain(ids)
        .find(|(_, profile)| !selection.claims(*profile))
    {
        Some((what, profile)) => Err(selection.unclaimed(what, profile)),
        None => Ok(()),
    }
}

impl Selection {
    /// Whether the target claims a profile; without any claim it claims all.
    fn claims(&self, profile: Profile) -> bool {
        self.claimed.is_empty() || self.claimed.contains(&profile)
    }

    fn unclaimed(&self, what: String, profile: Profile) -> Unselectable {
        Unselectable::Unclaimed {
            what,
            profile,
            claimed: self.claimed.clone(),
        }
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
