//! The variants of a Worker that `wrangler dev` starts, as a manifest has them. Never decides which there are.

use super::super::{AtOnce, Hindered, Started};
use super::text::{one_line, words};
use crate::contract::need::Variant;
use std::fmt::Write as _;

/// The variants: those of environments, those by variables, and what the others would need.
pub(super) fn variants(out: &mut String, started: &Started) -> std::fmt::Result {
    production(out, started)?;
    for found in &started.variants {
        writeln!(out, "[variants.{}]", found.variant.name())?;
        let arguments = ["--env".to_owned(), found.environment.clone()];
        writeln!(out, "arguments = {}", words(&arguments))?;
        if !found.without.is_empty() {
            writeln!(out, "without = {}", words(&found.without))?;
        }
    }
    if !started.at_once.is_empty() {
        writeln!(
            out,
            "# These need no environment: the Worker is production, and is told other variables."
        )?;
    }
    for one in &started.at_once {
        by_variables(out, started, one, "")?;
    }
    hindered(out, started)?;
    absent(out, started)?;
    if !started.unused.is_empty() {
        writeln!(
            out,
            "# Environments that are no variant by their names or bindings: {}",
            one_line(&started.unused.join(", "))
        )?;
    }
    writeln!(out)
}

fn production(out: &mut String, started: &Started) -> std::fmt::Result {
    writeln!(out, "[variants.production]")?;
    if started.is_dev_without_harness {
        writeln!(
            out,
            "# DEV_MODE has a value in the configuration or in a file of variables; production is judged without it."
        )?;
    }
    let arguments = of_production(started, &[]);
    if !arguments.is_empty() {
        writeln!(out, "arguments = {}", words(&arguments))?;
    }
    Ok(())
}

/// A variant by variables; `mark` is what stands before each line.
fn by_variables(out: &mut String, started: &Started, one: &AtOnce, mark: &str) -> std::fmt::Result {
    writeln!(out, "{mark}[variants.{}]", one.variant.name())?;
    let arguments = of_production(started, &one.set);
    if !arguments.is_empty() {
        writeln!(out, "{mark}arguments = {}", words(&arguments))?;
    }
    if !one.without.is_empty() {
        writeln!(out, "{mark}without = {}", words(&one.without))?;
    }
    Ok(())
}

/// The arguments of production's environment, with variables of other values.
fn of_production(started: &Started, set: &[(String, String)]) -> Vec<String> {
    let environment = started.environment.iter();
    let environment = environment.flat_map(|name| ["--env".to_owned(), name.clone()]);
    let is_told = set.iter().any(|(name, _)| name == "DEV_MODE");
    let off = (started.is_dev_without_harness && !is_told)
        .then(|| ("DEV_MODE".to_owned(), "false".to_owned()));
    let set = set.iter().cloned().chain(off);
    let told = set.flat_map(|(name, value)| ["--var".to_owned(), format!("{name}:{value}")]);
    environment.chain(told).collect()
}

/// What could be written, each with the reason why it is not.
fn hindered(out: &mut String, started: &Started) -> std::fmt::Result {
    let mut told = "";
    for Hindered { one, reason } in &started.hindered {
        if reason != told {
            writeln!(out, "# Not yet: {}.", one_line(reason))?;
            told = reason;
        }
        by_variables(out, started, one, "# ")?;
    }
    Ok(())
}

fn absent(out: &mut String, started: &Started) -> std::fmt::Result {
    let is_there = |variant: Variant| {
        variant == Variant::Production
            || started
                .variants
                .iter()
                .any(|found| found.variant == variant)
            || started.at_once.iter().any(|one| one.variant == variant)
            || started.hindered.iter().any(|of| of.one.variant == variant)
    };
    let absent: Vec<Variant> = Variant::ALL
        .into_iter()
        .filter(|variant| !is_there(*variant))
        .collect();
    if absent.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "# These need an environment that the configuration does not have; what they would show is not verified. Add one, and name it:"
    )?;
    for variant in absent {
        let name = variant.name();
        let meaning = meaning(variant);
        writeln!(
            out,
            "# [variants.{name}]  # {meaning}\n# arguments = [\"--env\", \"{name}\"]"
        )?;
    }
    Ok(())
}

/// What an environment must be to be this variant.
fn meaning(variant: Variant) -> &'static str {
    match variant {
        Variant::Production => "everything, as in production",
        Variant::DevMode => "DEV_MODE is \"true\"",
        Variant::WithoutD1 => "no D1 binding; say without = [its name]",
        Variant::WithoutKv => "no KV binding; say without = [its name]",
        Variant::WithoutR2 => "no R2 binding; say without = [its name]",
        Variant::WithoutD1AndR2 => "neither D1 nor R2; say without = [their names]",
        Variant::DevModeWithoutR2 => "DEV_MODE is \"true\", no R2 binding",
        Variant::DevModeWithoutD1 => "DEV_MODE is \"true\", no D1 binding",
        Variant::DevModeWithoutKv => "DEV_MODE is \"true\", no KV binding",
        Variant::DevModeFalse => "DEV_MODE is \"false\"",
        Variant::DevModeZero => "DEV_MODE is \"0\"",
        Variant::DevModeUpperCase => "DEV_MODE is \"TRUE\"",
        Variant::OwnSwitches => {
            "as production, with every switch of your own on that must not relax a gate, such as E2E_TEST_MODE"
        }
        Variant::WithoutAccessTeam => "as production; say without = [\"CF_ACCESS_TEAM_DOMAIN\"]",
        Variant::WithoutAccessAud => "as production; say without = [\"CF_ACCESS_AUD\"]",
        Variant::WithoutAccess => {
            "as production; say without = [\"CF_ACCESS_TEAM_DOMAIN\", \"CF_ACCESS_AUD\"]"
        }
        Variant::WithoutAiGateway => {
            "as production; say without = [\"AI_GATEWAY_BASE_URL\", \"CLOUDFLARE_AI_GATEWAY_API_KEY\"]"
        }
        Variant::WithoutAiGatewayUrl => "as production; say without = [\"AI_GATEWAY_BASE_URL\"]",
        Variant::WithoutAiGatewayKey => {
            "as production; say without = [\"CLOUDFLARE_AI_GATEWAY_API_KEY\"]"
        }
        Variant::WithoutAppDomain => "as production; say without = [\"APP_DOMAIN\"]",
        Variant::SmallLimits => "a quota such as 5 requests in 2 s; say it in [limits] small_quota",
        Variant::KeyRotation => {
            "the key set is cached for 2 s, asked for again after 1 s at the earliest"
        }
    }
}
