//! Spellings of a host, and which tenant each names by the contract. Never asks a resolver.

use super::carriers::{CARRIERS, Carrier};
use super::shrink::Told;
use crate::subject::tenant::Tenant;
use proptest::prelude::*;
use proptest::sample::select;
use std::fmt::Write as _;

/// Which name a spelling begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Subdomain(usize),
    Custom(usize),
    App,
    Stranger,
    SandboxId,
    TenantId,
}

/// One change of a spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Twist {
    /// Capitals where the bits say so.
    Capitals(u32),
    Port(u32),
    OddPort(&'static str),
    Dot,
    Before(&'static str),
    Behind(&'static str),
    /// One character put in.
    Into(usize, char),
    /// One character left out.
    Without(usize),
}

/// What stands before a name: labels, users, schemes.
const BEFORE: [&str; 9] = [
    "www.",
    "a.b.",
    ".",
    "-",
    "x",
    "zqcanary@",
    "http://",
    "zqcanary.example, ",
    "//",
];
/// What stands behind a name.
const BEHIND: [&str; 12] = [
    ".evil.example",
    "..",
    ".local",
    "x",
    "-",
    "/zqcanary",
    "?zqcanary",
    "#zqcanary",
    ", zqcanary.example",
    "@zqcanary.example",
    "\\zqcanary",
    "%00",
];
const ODD_PORTS: [&str; 6] = ["", "x", "-1", "80:80", "0x50", "99999999999"];
/// Text of ours that no answer may repeat.
pub(super) const CANARY: &str = "zqcanary";

/// One request to a host.
#[derive(Debug, Clone)]
pub(super) struct Spelling {
    pub(super) base: Base,
    pub(super) twists: Vec<Twist>,
    /// Carriers that name the other tenant.
    pub(super) names: Vec<Carrier>,
    pub(super) chat: bool,
}

/// Who a spelling must be answered as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The tenant of this number.
    Own(usize),
    /// It, unless the spelling is refused: HTTP leaves open whether this is one.
    OwnOrRefused(usize),
    Nobody,
}

impl Spelling {
    /// The host as it is sent.
    pub(super) fn host(&self, tenants: &[Tenant; 2], app: &str) -> String {
        let custom = |number: usize| {
            tenants[number]
                .domains
                .first()
                .unwrap_or(&tenants[number].host)
        };
        let base = match self.base {
            Base::Subdomain(number) => tenants[number].host.clone(),
            Base::Custom(number) => custom(number).clone(),
            Base::App => app.to_owned(),
            Base::Stranger => format!("nobody-{}", tenants[0].host),
            Base::SandboxId => format!("{}.{app}", tenants[0].sandbox_id),
            Base::TenantId => format!("{}.{app}", tenants[0].id),
        };
        self.twists.iter().fold(base, |text, twist| twist.on(&text))
    }
}

impl Twist {
    fn on(&self, text: &str) -> String {
        let at = |place: usize| place.checked_rem(text.chars().count()).unwrap_or(0);
        match self {
            Self::Capitals(bits) => text
                .chars()
                .enumerate()
                .map(|(at, letter)| {
                    if bits >> (at % 32) & 1 == 1 {
                        letter.to_ascii_uppercase()
                    } else {
                        letter
                    }
                })
                .collect(),
            Self::Port(port) => format!("{text}:{port}"),
            Self::OddPort(port) => format!("{text}:{port}"),
            Self::Dot => format!("{text}."),
            Self::Before(more) => format!("{more}{text}"),
            Self::Behind(more) => format!("{text}{more}"),
            Self::Into(place, letter) => {
                let mut letters: Vec<char> = text.chars().collect();
                letters.insert(at(*place), *letter);
                letters.into_iter().collect()
            }
            Self::Without(place) => {
                let place = at(*place);
                text.chars()
                    .enumerate()
                    .filter(|(at, _)| *at != place)
                    .map(|(_, letter)| letter)
                    .collect()
            }
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Capitals(bits) => format!("capitals {bits:#x}"),
            Self::Port(port) => format!("port {port}"),
            Self::OddPort(port) => format!("port `{port}`"),
            Self::Dot => "a dot behind".to_owned(),
            Self::Before(more) => format!("`{more}` before"),
            Self::Behind(more) => format!("`{more}` behind"),
            Self::Into(at, letter) => format!("`{letter}` put in at {at}"),
            Self::Without(at) => format!("character {at} left out"),
        }
    }
}

impl Told for Spelling {
    fn lines(&self) -> Vec<String> {
        let base = match self.base {
            Base::Subdomain(number) => format!("the subdomain of tenant {}", name(number)),
            Base::Custom(number) => format!("the custom host of tenant {}", name(number)),
            Base::App => "the app domain".to_owned(),
            Base::Stranger => "a subdomain of nobody".to_owned(),
            Base::SandboxId => "tenant a's sandbox id as subdomain".to_owned(),
            Base::TenantId => "tenant a's id as subdomain".to_owned(),
        };
        let mut line = format!("ask {base}");
        for twist in &self.twists {
            let _infallible = write!(line, ", {}", twist.words());
        }
        let what = if self.chat { "a chat" } else { "the status" };
        let _infallible = write!(line, ", for {what}");
        for carrier in &self.names {
            let _infallible = write!(line, ", {}", carrier.words("the other tenant"));
        }
        vec![line]
    }
}

pub(super) fn name(number: usize) -> &'static str {
    ["a", "b"][number]
}

/// Which tenant a host names, by the contract: letter case, port and one dot behind do not count (RES-001, RES-006, RES-016).
pub(super) fn who(host: &str, tenants: &[Tenant; 2]) -> Who {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
    if !host.bytes().all(plain) {
        return Who::Nobody;
    }
    let (named, port) = host
        .split_once(':')
        .map_or((host, None), |(named, port)| (named, Some(port)));
    let named = named
        .strip_suffix('.')
        .unwrap_or(named)
        .to_ascii_lowercase();
    let found = tenants
        .iter()
        .position(|tenant| tenant.host == named || tenant.domains.contains(&named));
    let Some(found) = found else {
        return Who::Nobody;
    };
    match port {
        None => Who::Own(found),
        Some(port) if port.parse::<u16>().is_ok_and(|number| number > 0) => Who::Own(found),
        Some(_) => Who::OwnOrRefused(found),
    }
}

pub(super) fn spellings() -> impl Strategy<Value = Spelling> {
    let base = prop_oneof![
        4 => (0_usize..2).prop_map(Base::Subdomain),
        3 => (0_usize..2).prop_map(Base::Custom),
        1 => Just(Base::App),
        1 => Just(Base::Stranger),
        1 => Just(Base::SandboxId),
        1 => Just(Base::TenantId),
    ];
    let twist = prop_oneof![
        3 => any::<u32>().prop_map(Twist::Capitals),
        2 => (1_u32..=65_535).prop_map(Twist::Port),
        1 => select(&ODD_PORTS[..]).prop_map(Twist::OddPort),
        2 => Just(Twist::Dot),
        2 => select(&BEFORE[..]).prop_map(Twist::Before),
        2 => select(&BEHIND[..]).prop_map(Twist::Behind),
        2 => (0_usize..64, prop::char::range('!', '~')).prop_map(|(at, letter)| Twist::Into(at, letter)),
        1 => (0_usize..64).prop_map(Twist::Without),
    ];
    let headers: Vec<Carrier> = CARRIERS
        .iter()
        .copied()
        .filter(|carrier| matches!(carrier, Carrier::Header(..) | Carrier::Claim(..)))
        .collect();
    (
        base,
        prop::collection::vec(twist, 0..3),
        prop::collection::vec(select(headers), 0..3),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(base, twists, names, chat)| Spelling {
            base,
            twists,
            names,
            chat,
        })
}

/// Which criteria speak of a spelling, the nearest first.
pub(super) fn criteria(case: &Spelling, who: Who) -> Vec<&'static str> {
    let has = |wanted: &dyn Fn(&Twist) -> bool| case.twists.iter().any(wanted);
    let mut list = Vec::new();
    if who == Who::Nobody {
        if has(&|twist| {
            matches!(
                twist,
                Twist::Behind(_) | Twist::Into(..) | Twist::Without(_)
            )
        }) {
            list.push("RES-009");
        }
        if case.base == Base::App || has(&|twist| matches!(twist, Twist::Before(_))) {
            list.push("RES-008");
        }
        list.push("SEC-002");
    } else {
        if has(&|twist| *twist == Twist::Dot) {
            list.push("RES-016");
        }
        if has(&|twist| {
            matches!(
                twist,
                Twist::Capitals(_) | Twist::Port(_) | Twist::OddPort(_)
            )
        }) {
            list.push("RES-006");
        }
        if list.is_empty() && case.names.is_empty() {
            list.push("RES-001");
        }
    }
    for carrier in &case.names {
        list.extend(carrier.criteria().into_iter().filter(|id| *id != "ISO-001"));
    }
    if list.is_empty() {
        list.push("RES-010");
    }
    list.sort_unstable();
    list.dedup();
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(slug: &str) -> Tenant {
        Tenant {
            id: format!("id-{slug}"),
            slug: slug.to_owned(),
            host: format!("{slug}.app.example"),
            tier: "free".to_owned(),
            platform: "web".to_owned(),
            domains: vec![format!("{slug}.customer.example")],
            sandbox_id: format!("sk-{slug}"),
        }
    }

    #[test]
    fn which_tenant_a_spelling_names_follows_from_the_contract() {
        let tenants = [tenant("one"), tenant("two")];
        for (host, expected) in [
            ("one.app.example", Who::Own(0)),
            ("ONE.App.Example:8443", Who::Own(0)),
            ("two.customer.example.", Who::Own(1)),
            ("two.customer.example.:80", Who::Own(1)),
            ("one.app.example:", Who::OwnOrRefused(0)),
            ("one.app.example:99999", Who::OwnOrRefused(0)),
            ("one.app.example..", Who::Nobody),
            ("app.example", Who::Nobody),
            ("www.one.app.example", Who::Nobody),
            ("one.app.example.evil.example", Who::Nobody),
            ("oneapp.example", Who::Nobody),
            ("x@one.app.example", Who::Nobody),
            ("one.app.example, two.app.example", Who::Nobody),
            ("", Who::Nobody),
        ] {
            assert_eq!(who(host, &tenants), expected, "{host}");
        }
    }

    #[test]
    fn a_twist_changes_a_host_as_it_says() {
        assert_eq!(Twist::Capitals(1).on("ab"), "Ab");
        assert_eq!(Twist::Into(1, '_').on("ab"), "a_b");
        assert_eq!(Twist::Without(3).on("ab"), "a");
        assert_eq!(Twist::Without(3).on(""), "");
        assert_eq!(Twist::Port(80).on("ab"), "ab:80");
    }
}
