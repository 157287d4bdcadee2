//! Workers that do not see, or do not heed, where the names of webhooks lead. Never one that is only slower to look.

use crate::resolver::{View, Wanted};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How such a worker goes wrong.
#[derive(Debug, Clone, Copy)]
pub enum Misled {
    /// It sees something else than what names lead to.
    Sees(View),
    /// It does not look when a webhook is made.
    NotWhenMade,
    /// It does not heed at an attempt where the name leads to by then.
    NotAtAttempts,
    /// It looks once and for all.
    Once,
}

/// Its name as a sentence, and what it does.
pub type Deviant = (&'static str, Misled);

fn without(addresses: Vec<IpAddr>, is_unseen: fn(&IpAddr) -> bool) -> Vec<IpAddr> {
    let addresses = addresses.into_iter();
    addresses.filter(|address| !is_unseen(address)).collect()
}

fn v4(address: &IpAddr, is_of_it: fn(Ipv4Addr) -> bool) -> bool {
    matches!(address, IpAddr::V4(address) if is_of_it(*address))
}

fn v6(address: &IpAddr, is_of_it: fn(Ipv6Addr) -> bool) -> bool {
    matches!(address, IpAddr::V6(address) if is_of_it(*address))
}

/// Whether an address is one of those for documents, which are the public ones here.
fn is_public(address: &IpAddr) -> bool {
    v4(address, |address| address.is_documentation())
        || v6(address, |address| {
            address.segments()[..2] == [0x2001, 0xdb8]
        })
}

/// What is not seen of the addresses of a name.
macro_rules! unseen {
    ($name:literal, $is_unseen:expr) => {
        (
            $name,
            Misled::Sees(|_wanted, addresses| without(addresses, $is_unseen)),
        )
    };
}

/// All of them; they break API-010.
pub const DEVIANTS: [Deviant; 22] = [
    (
        "only the IPv4 addresses of a name are looked at",
        Misled::Sees(|wanted, addresses| match wanted {
            Wanted::V4 => addresses,
            Wanted::V6 => Vec::new(),
        }),
    ),
    (
        "only the IPv6 addresses of a name are looked at",
        Misled::Sees(|wanted, addresses| match wanted {
            Wanted::V4 => Vec::new(),
            Wanted::V6 => addresses,
        }),
    ),
    (
        "only the first answer about a name is looked at",
        Misled::Sees(|_wanted, addresses| addresses.into_iter().take(1).collect()),
    ),
    (
        "only the last answer about a name is looked at",
        Misled::Sees(|_wanted, addresses| addresses.into_iter().next_back().into_iter().collect()),
    ),
    (
        "a name with a public address may have private ones",
        Misled::Sees(|_wanted, addresses| {
            if addresses.iter().any(is_public) {
                without(addresses, |address| !is_public(address))
            } else {
                addresses
            }
        }),
    ),
    (
        "a name is not looked at when its webhook is made",
        Misled::NotWhenMade,
    ),
    (
        "a name is looked at only when its webhook is made",
        Misled::NotAtAttempts,
    ),
    ("a name is looked up once and for all", Misled::Once),
    unseen!("a name may lead to the loopback network", |address| {
        v4(address, |address| address.is_loopback())
    }),
    unseen!(
        "a name may lead to the largest private network",
        |address| v4(address, |address| address.octets()[0] == 10)
    ),
    unseen!("a name may lead to the second private network", |address| {
        v4(address, |address| address.octets()[0] == 172)
    }),
    unseen!("a name may lead to the third private network", |address| {
        v4(address, |address| address.octets()[0] == 192)
    }),
    unseen!("a name may lead to a link-local address", |address| {
        v4(address, |address| address.is_link_local())
    }),
    unseen!("a name may lead to a shared address", |address| {
        v4(address, |address| address.octets()[0] == 100)
    }),
    unseen!("a name may lead to the unspecified address", |address| {
        v4(address, |address| address.is_unspecified())
    }),
    unseen!("a name may lead to a multicast address", |address| {
        v4(address, |address| address.is_multicast())
    }),
    unseen!("a name may lead to the loopback of IPv6", |address| {
        v6(address, |address| address.is_loopback())
    }),
    unseen!(
        "a name may lead to the unspecified address of IPv6",
        |address| v6(address, |address| address.is_unspecified())
    ),
    unseen!(
        "a name may lead to a link-local address of IPv6",
        |address| v6(address, |address| address.is_unicast_link_local())
    ),
    unseen!("a name may lead to a unique local address", |address| {
        v6(address, |address| address.is_unique_local())
    }),
    unseen!(
        "a name may lead to a multicast address of IPv6",
        |address| v6(address, |address| address.is_multicast())
    ),
    unseen!("a name may lead to a mapped address", |address| {
        v6(address, |address| address.to_ipv4_mapped().is_some())
    }),
];
