//! The variants of the contract that a Worker can show: by its environments, or at once by variables. Never judges what they show.

use super::names::Names;
use super::wrangler::{Bindings, Wrangler};
use super::{AtOnce, FoundVariant, Hindered, Told};
use crate::contract::need::Variant;

/// The variables that a variant does without.
const UNSET: [(Variant, &[&str]); 7] = [
    (Variant::WithoutAccessTeam, &["CF_ACCESS_TEAM_DOMAIN"]),
    (Variant::WithoutAccessAud, &["CF_ACCESS_AUD"]),
    (
        Variant::WithoutAccess,
        &["CF_ACCESS_TEAM_DOMAIN", "CF_ACCESS_AUD"],
    ),
    (
        Variant::WithoutAiGateway,
        &["AI_GATEWAY_BASE_URL", "CLOUDFLARE_AI_GATEWAY_API_KEY"],
    ),
    (Variant::WithoutAiGatewayUrl, &["AI_GATEWAY_BASE_URL"]),
    (
        Variant::WithoutAiGatewayKey,
        &["CLOUDFLARE_AI_GATEWAY_API_KEY"],
    ),
    (Variant::WithoutAppDomain, &["APP_DOMAIN"]),
];

/// The switch of the contract that relaxes gates in development.
pub(super) const DEV_MODE: &str = "DEV_MODE";

/// Variants that are production with variables of other values.
const SET: [(Variant, &[(&str, &str)]); 5] = [
    (Variant::DevMode, &[(DEV_MODE, "true")]),
    (Variant::DevModeFalse, &[(DEV_MODE, "false")]),
    (Variant::DevModeZero, &[(DEV_MODE, "0")]),
    (Variant::DevModeUpperCase, &[(DEV_MODE, "TRUE")]),
    (
        Variant::SmallLimits,
        &[
            ("PUBLIC_RATE_LIMIT_MAX", "5"),
            ("PUBLIC_RATE_LIMIT_WINDOW_SECONDS", "2"),
        ],
    ),
];

/// The quota of the free tier, if the variables tell it.
#[must_use]
pub fn quota(bindings: &Bindings) -> Option<(u32, u64)> {
    let number = |name: &str| bindings.values.get(name)?.parse::<u64>().ok();
    let of_variables = || {
        let limit = u32::try_from(number("PUBLIC_RATE_LIMIT_MAX")?).ok()?;
        Some((
            limit,
            number("PUBLIC_RATE_LIMIT_WINDOW_SECONDS").unwrap_or(60),
        ))
    };
    of_variables().or(bindings.rate_limit)
}

/// Which environments are variants of the contract: by name, else by what they have and lack.
pub(super) fn by_environments(
    wrangler: &Wrangler,
    whole: &Bindings,
    judged: Option<&str>,
) -> (Vec<FoundVariant>, Vec<String>) {
    let (mut found, mut unused): (Vec<FoundVariant>, Vec<String>) = (Vec::new(), Vec::new());
    // Those that say by their name what they are come first.
    let mut names: Vec<&String> = wrangler.environments.keys().collect();
    names.sort_by_key(|name| Variant::parse(name).is_none());
    for name in names {
        if Some(name.as_str()) == judged {
            continue;
        }
        let bindings = &wrangler.environments[name];
        let variant = Variant::parse(name)
            .or_else(|| by_bindings(whole, bindings))
            .filter(|variant| *variant != Variant::Production)
            .filter(|variant| found.iter().all(|other| other.variant != *variant));
        match variant {
            Some(variant) => found.push(FoundVariant {
                variant,
                environment: name.clone(),
                without: without(variant, whole, bindings),
            }),
            None => unused.push(name.clone()),
        }
    }
    found.sort_by_key(|one| one.variant);
    unused.sort();
    (found, unused)
}

fn by_bindings(whole: &Bindings, bindings: &Bindings) -> Option<Variant> {
    let is_dev = bindings
        .values
        .get(DEV_MODE)
        .is_some_and(|value| value == "true");
    let gone = |has: bool, had: bool| had && !has;
    // The first database is the one that is judged; others are the Worker's own affair.
    let judged = whole.d1.first().map(|database| &database.binding);
    let has_d1 = bindings.d1.iter().any(|one| Some(&one.binding) == judged);
    let d1 = gone(has_d1, judged.is_some());
    let kv = gone(!bindings.kv.is_empty(), !whole.kv.is_empty());
    let r2 = gone(!bindings.r2.is_empty(), !whole.r2.is_empty());
    match (is_dev, d1, kv, r2) {
        (true, false, false, false) => Some(Variant::DevMode),
        (true, true, false, false) => Some(Variant::DevModeWithoutD1),
        (true, false, true, false) => Some(Variant::DevModeWithoutKv),
        (true, false, false, true) => Some(Variant::DevModeWithoutR2),
        (false, true, false, false) => Some(Variant::WithoutD1),
        (false, false, true, false) => Some(Variant::WithoutKv),
        (false, false, false, true) => Some(Variant::WithoutR2),
        (false, true, false, true) => Some(Variant::WithoutD1AndR2),
        _ => None,
    }
}

/// The names that a variant does without: bindings that are gone, and the variables that the contract's name for it says.
fn without(variant: Variant, whole: &Bindings, bindings: &Bindings) -> Vec<String> {
    let d1 = |of: &Bindings| -> Vec<String> {
        of.d1
            .iter()
            .map(|database| database.binding.clone())
            .collect()
    };
    let others = |of: &Bindings| -> Vec<String> {
        let kept = of.kv.iter().chain(&of.r2);
        kept.map(|kept| kept.binding.clone()).collect()
    };
    let there: Vec<String> = d1(bindings).into_iter().chain(others(bindings)).collect();
    // The first database is the one that is judged.
    let had = d1(whole).into_iter().take(1).chain(others(whole));
    let gone = had.filter(|name| !there.contains(name));
    gone.chain(unset(variant).iter().map(|&name| name.to_owned()))
        .collect()
}

fn unset(variant: Variant) -> &'static [&'static str] {
    let entry = UNSET.iter().find(|(of, _)| *of == variant);
    entry.map_or(&[], |(_, names)| *names)
}

/// The quota that the variant with small limits is told.
pub(super) fn small_quota(at_once: &[AtOnce]) -> Option<(u32, u64)> {
    let small = at_once
        .iter()
        .find(|one| one.variant == Variant::SmallLimits)?;
    let mut values = small.set.iter().map(|(_, value)| value);
    let requests = values.next()?.parse().ok()?;
    Some((requests, values.next()?.parse().ok()?))
}

/// The variants that are production's environment with other variables, and why others are not among them.
pub(super) fn at_once(
    found: &[FoundVariant],
    names: &Names,
    told: &[Told],
) -> (Vec<AtOnce>, Vec<Hindered>) {
    let (mut list, mut hindered) = (Vec::new(), Vec::new());
    let open = Variant::ALL
        .into_iter()
        .filter(|variant| found.iter().all(|other| other.variant != *variant));
    for one in open.filter_map(|variant| by_variables(variant, names, told)) {
        match hindrance(&one, names) {
            Some(reason) => hindered.push(Hindered { one, reason }),
            None => list.push(one),
        }
    }
    (list, hindered)
}

/// A variant as production with other variables; nothing if it needs an environment.
fn by_variables(variant: Variant, names: &Names, told: &[Told]) -> Option<AtOnce> {
    let own = |name: &&str| {
        let entry = told.iter().find(|entry| entry.contract == *name);
        entry.map_or_else(|| (*name).to_owned(), |entry| entry.name.clone())
    };
    let without: Vec<String> = unset(variant).iter().map(own).collect();
    let texts = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let set: Vec<(String, String)> = if variant == Variant::OwnSwitches {
        let switches = names.switches().into_iter();
        switches.map(|name| (name, "true".to_owned())).collect()
    } else {
        let entry = SET.iter().find(|(of, _)| *of == variant);
        entry.map_or_else(Vec::new, |(_, set)| set.iter().map(texts).collect())
    };
    let is_one = !set.is_empty() || !without.is_empty();
    is_one.then_some(AtOnce {
        variant,
        set,
        without,
    })
}

/// The other way in which the contract lets a Worker name its AI Gateway.
const OTHER_GATEWAY: [&str; 2] = ["CF_AI_GATEWAY_ACCOUNT_ID", "CF_AI_GATEWAY_GATEWAY_ID"];

/// Why a variant would not be what it says.
fn hindrance(one: &AtOnce, names: &Names) -> Option<String> {
    let is_without_gateway = [Variant::WithoutAiGateway, Variant::WithoutAiGatewayUrl];
    let other = OTHER_GATEWAY.iter().find(|name| names.set.contains(**name));
    if let Some(name) = other.filter(|_| is_without_gateway.contains(&one.variant)) {
        return Some(format!(
            "`{name}` has a value without the harness, so that the Worker has an AI Gateway all the same, and calls it: take it out there"
        ));
    }
    if let Some(name) = one.without.iter().find(|name| names.set.contains(*name)) {
        return Some(format!(
            "`{name}` has a value without the harness, in the configuration or in a file of variables: take it out there, the harness tells it"
        ));
    }
    let all = one
        .without
        .iter()
        .chain(one.set.iter().map(|(name, _)| name));
    let unknown = all.into_iter().find(|name| !names.may_have(name));
    unknown
        .map(|name| format!("`{name}` is nowhere in the source: put in what this Worker calls it"))
}
