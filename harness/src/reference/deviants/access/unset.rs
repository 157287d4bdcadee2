//! Checks that check less when their configuration is unset. Never changes a backend that is configured.

use super::super::{Draft, deviant};
use super::keys::AtHand;
use super::token::Flaw;
use super::{is_admin, lets_in, opens};
use crate::contract::need::Variant;
use crate::reference::altered::Parts;
use std::sync::Arc;

pub(super) fn all() -> Vec<Draft> {
    const OTHER_VALUES: [Variant; 3] = [
        Variant::DevModeFalse,
        Variant::DevModeZero,
        Variant::DevModeUpperCase,
    ];
    vec![
        deviant(
            "dev-mode-of-any-value",
            "DEV_MODE relaxes Access if it is set, whatever to: \"false\" and \"0\" are texts that are not empty",
            &["ACC-020"],
        )
        .parts(|parts| parts.config.dev_mode |= OTHER_VALUES.contains(&parts.variant)),
        deviant(
            "dev-mode-in-any-case",
            "DEV_MODE relaxes Access in whatever case \"true\" is written",
            &["ACC-020"],
        )
        .parts(|parts| parts.config.dev_mode |= parts.variant == Variant::DevModeUpperCase),
        deviant(
            "unset-team-domain-opens",
            "Without a team domain there is nothing to check tokens by, and nobody checks them",
            &["BND-008"],
        )
        .parts(|parts| {
            if configured_after_all(parts, Variant::WithoutAccessTeam) {
                opens(parts, |ask| is_admin(ask.route()));
            }
        }),
        deviant(
            "unset-audience-takes-any",
            "Without an audience a token of the team domain is good whatever it is for",
            &["BND-008"],
        )
        .parts(|parts| {
            if configured_after_all(parts, Variant::WithoutAccessAud) {
                lets_in(parts, |token| token.has_only(&[Flaw::Audience]));
            }
        }),
        deviant(
            "unset-access-is-not-in-use",
            "Half of Access's configuration is a mistake; none of it is taken for a deployment that something else protects",
            &["BND-008"],
        )
        .parts(|parts| {
            if configured_after_all(parts, Variant::WithoutAccess) {
                opens(parts, |ask| is_admin(ask.route()));
            }
        }),
    ]
}

/// Gives an instance of a variant what it is to do without, so that its check goes on; whether it is of that variant.
fn configured_after_all(parts: &mut Parts, variant: Variant) -> bool {
    let Some(access) = parts.access.clone().filter(|_| parts.variant == variant) else {
        return false;
    };
    parts.config.access.team_origin = access.origin().parse().ok();
    parts.config.access.audience = Some(access.audience().to_owned());
    parts.ports.keys = Some(Arc::new(AtHand(access)));
    true
}
