//! The probes of the isolation matrix: tenants × roles × routes × carriers. Never sends one.

use super::carriers::{CARRIERS, Carrier};
use super::shrink::Told;

/// The tenants, with their tiers.
pub(super) const TENANTS: [(&str, &str); 3] =
    [("a", "free"), ("b", "premium"), ("c", "enterprise")];

/// Probes in one world, at most: a finding about what changed is sought among so many.
const WORLD_MAX: usize = 400;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Without a token.
    Caller,
    /// With the operator's token.
    Operator,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Health,
    Status,
    Chat,
    /// An address that is none.
    Unknown,
    /// An admin route, by its place among the target's: for the caller about the other tenant, for the operator about nobody.
    Admin(usize),
}

/// One request of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) caller: usize,
    pub(super) other: usize,
    pub(super) role: Role,
    pub(super) route: Route,
    pub(super) carrier: Carrier,
}

impl Probe {
    /// Against whose quota it counts: a caller's, or, behind them all, the client ip's.
    fn quota(self) -> Option<usize> {
        match self.route {
            Route::Admin(_) => None,
            Route::Health => Some(TENANTS.len()),
            Route::Status | Route::Chat | Route::Unknown => Some(self.caller),
        }
    }

    /// For people.
    pub(super) fn words(self) -> String {
        let (caller, other) = (TENANTS[self.caller].0, TENANTS[self.other].0);
        let role = match self.role {
            Role::Caller => "the caller",
            Role::Operator => "the operator",
        };
        let route = match self.route {
            Route::Health => "the health".to_owned(),
            Route::Status => "the status".to_owned(),
            Route::Chat => "a chat".to_owned(),
            Route::Unknown => "an unknown route".to_owned(),
            Route::Admin(number) => match self.role {
                Role::Caller => format!("admin route {number} of tenant {other}"),
                Role::Operator => format!("admin route {number} of nobody"),
            },
        };
        let carrier = self.carrier.words(other);
        format!("{role} asks host of tenant {caller} for {route}, {carrier}")
    }
}

impl Told for Vec<Probe> {
    fn lines(&self) -> Vec<String> {
        self.iter().map(|probe| probe.words()).collect()
    }
}

/// Whether a carrier says anything on a route.
fn fits(route: Route, carrier: Carrier) -> bool {
    match (route, carrier) {
        // Another path is another route: it is tried once, as itself.
        (Route::Unknown, Carrier::Path(_)) => true,
        (_, Carrier::Path(_))
        | (Route::Unknown, _)
        | (Route::Health | Route::Status, Carrier::Body(_)) => false,
        _ => true,
    }
}

/// The whole matrix for a target with so many admin routes.
pub(super) fn matrix(admin_routes: usize) -> Vec<Probe> {
    let mut all = Vec::new();
    let public = [Route::Health, Route::Status, Route::Chat, Route::Unknown];
    let routes = public
        .into_iter()
        .chain((0..admin_routes).map(Route::Admin));
    for route in routes {
        for &carrier in CARRIERS.iter().filter(|carrier| fits(route, **carrier)) {
            for role in [Role::Caller, Role::Operator] {
                for caller in 0..TENANTS.len() {
                    let others = (0..TENANTS.len()).filter(|other| *other != caller);
                    all.extend(others.map(|other| Probe {
                        caller,
                        other,
                        role,
                        route,
                        carrier,
                    }));
                }
            }
        }
    }
    all
}

/// Puts the probes into worlds in which no caller exceeds its quota.
pub(super) fn worlds(probes: Vec<Probe>, quota: usize) -> Vec<Vec<Probe>> {
    let mut worlds: Vec<(Vec<Probe>, [usize; TENANTS.len() + 1])> = Vec::new();
    for probe in probes {
        let has_room = |used: &[usize]| probe.quota().is_none_or(|whose| used[whose] < quota);
        let room = worlds
            .iter()
            .position(|(list, used)| list.len() < WORLD_MAX && has_room(used));
        let at = room.unwrap_or_else(|| {
            worlds.push((Vec::new(), [0; TENANTS.len() + 1]));
            worlds.len() - 1
        });
        if let Some(whose) = probe.quota() {
            worlds[at].1[whose] += 1;
        }
        worlds[at].0.push(probe);
    }
    worlds.into_iter().map(|(list, _used)| list).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_has_every_pair_role_route_and_carrier_and_more_than_a_thousand_probes() {
        let probes = matrix(9);
        assert!(probes.len() >= 1000, "{}", probes.len());
        let has = |wanted: &dyn Fn(&Probe) -> bool| probes.iter().any(wanted);
        for caller in 0..3 {
            for other in (0..3).filter(|other| *other != caller) {
                assert!(has(&|probe| probe.caller == caller && probe.other == other));
            }
        }
        for role in [Role::Caller, Role::Operator] {
            assert!(has(&|probe| probe.role == role));
        }
        for carrier in CARRIERS {
            assert!(has(&|probe| probe.carrier == *carrier), "{carrier:?}");
        }
        for route in (0..9)
            .map(Route::Admin)
            .chain([Route::Chat, Route::Status, Route::Health])
        {
            assert!(has(&|probe| probe.route == route), "{route:?}");
        }
    }

    #[test]
    fn no_world_asks_more_of_a_caller_than_its_quota() {
        let probes = matrix(9);
        let total = probes.len();
        let worlds = worlds(probes, 54);
        assert_eq!(worlds.iter().map(Vec::len).sum::<usize>(), total);
        for world in worlds {
            for caller in 0..3 {
                let asked = world.iter().filter(|probe| probe.quota() == Some(caller));
                assert!(asked.count() <= 54);
            }
            let of_the_ip = world.iter().filter(|probe| probe.route == Route::Health);
            assert!(of_the_ip.count() <= 54);
        }
    }
}
