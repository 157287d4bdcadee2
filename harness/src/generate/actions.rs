//! What operators, callers and the world do in a generated sequence. Never does it.

use super::shrink::Told;
use proptest::prelude::*;
use proptest::sample::select;

/// Slugs of a case: few, so that most actions meet a tenant.
pub(super) const SLUGS: usize = 3;
/// Custom host names of a case.
pub(super) const DOMAINS: usize = 2;
/// The contract's tiers.
pub(super) const TIERS: [&str; 3] = ["free", "premium", "enterprise"];

/// Actions of one sequence, at most.
const ACTIONS_MAX: usize = 24;

/// A host that callers use: it may or may not be a tenant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// Below the app domain.
    Slug(usize),
    /// A custom one.
    Domain(usize),
}

/// How the upstream answers a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upstream {
    /// A success in the dialect of the endpoint asked.
    Answers,
    /// A native Workers AI body.
    AnswersNatively,
    /// `usage` at the root.
    AnswersWithRootUsage,
    /// Ended by the content filter, with tokens.
    Filters,
    /// The first call fails with this status, the next is answered.
    FailsOnce(u16),
    /// The premium model fails with this status, the free one answers.
    PremiumFails(u16),
    /// Every call fails with this status.
    Fails(u16),
    /// Every call takes longer than it may.
    TimesOut,
    /// 200 with an error inside.
    ErrsInside,
    /// A success without token counts.
    SaysNoUsage,
}

/// What goes wrong with a write of a usage row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteFault {
    /// D1 is busy for so many tries, fewer than are made.
    Busy(u32),
    /// D1 is busy for good.
    Lost,
    /// The write is done, its answer is lost.
    AnswerLost,
}

/// One action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Create {
        slug: usize,
        tier: &'static str,
        domain: Option<usize>,
    },
    Rename {
        slug: usize,
        to: usize,
    },
    Retier {
        slug: usize,
        tier: &'static str,
    },
    MoveDomain {
        slug: usize,
        domain: Option<usize>,
    },
    Delete {
        slug: usize,
    },
    /// An admin request about a tenant without a token.
    Intrude {
        slug: usize,
    },
    Status(Address),
    Chat {
        at: Address,
        upstream: Upstream,
        stream: bool,
    },
    /// A streamed chat whose caller leaves in the midst of it.
    Leave(Address),
    /// More requests at once than the quota has left.
    Exceed {
        slug: usize,
    },
    RotateKeys,
    /// D1 cannot read the tenant's record from here on.
    BreakReads {
        slug: usize,
    },
    /// It can again.
    MendReads {
        slug: usize,
    },
    /// The write of the next usage row meets this.
    BreakWrite {
        slug: usize,
        fault: WriteFault,
    },
}

impl Address {
    fn words(self) -> String {
        match self {
            Self::Slug(number) => format!("host of slug s{number}"),
            Self::Domain(number) => format!("custom host d{number}"),
        }
    }
}

impl Upstream {
    /// The nearest that a stream can be: the others are one body, whatever was asked for.
    fn streamable(self) -> Self {
        match self {
            Self::AnswersNatively
            | Self::AnswersWithRootUsage
            | Self::Filters
            | Self::ErrsInside
            | Self::SaysNoUsage => Self::Answers,
            Self::Answers
            | Self::FailsOnce(_)
            | Self::PremiumFails(_)
            | Self::Fails(_)
            | Self::TimesOut => self,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Answers => "answers".to_owned(),
            Self::AnswersNatively => "answers in the native form".to_owned(),
            Self::AnswersWithRootUsage => "answers with usage at the root".to_owned(),
            Self::Filters => "filters the content".to_owned(),
            Self::FailsOnce(status) => format!("fails once with {status}"),
            Self::PremiumFails(status) => format!("fails with {status} for the premium model"),
            Self::Fails(status) => format!("always fails with {status}"),
            Self::TimesOut => "takes too long".to_owned(),
            Self::ErrsInside => "answers 200 with an error".to_owned(),
            Self::SaysNoUsage => "answers without usage".to_owned(),
        }
    }
}

impl Action {
    /// For people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Create { slug, tier, domain } => {
                let with = domain.map_or(String::new(), |number| {
                    format!(" with custom host d{number}")
                });
                format!("the operator creates a {tier} tenant s{slug}{with}")
            }
            Self::Rename { slug, to } => format!("the operator renames s{slug} to s{to}"),
            Self::Retier { slug, tier } => format!("the operator makes s{slug} {tier}"),
            Self::MoveDomain {
                slug,
                domain: Some(number),
            } => {
                format!("the operator gives custom host d{number} to s{slug} alone")
            }
            Self::MoveDomain { slug, domain: None } => {
                format!("the operator takes all custom hosts from s{slug}")
            }
            Self::Delete { slug } => format!("the operator deletes s{slug}"),
            Self::Intrude { slug } => format!("somebody without a token reads s{slug}"),
            Self::Status(at) => format!("a caller asks {} for the status", at.words()),
            Self::Chat {
                at,
                upstream,
                stream,
            } => {
                let how = if *stream { "streams" } else { "chats" };
                format!(
                    "a caller {how} at {} while the upstream {}",
                    at.words(),
                    upstream.words()
                )
            }
            Self::Leave(at) => {
                format!("a caller streams at {} and leaves in the midst", at.words())
            }
            Self::Exceed { slug } => format!("callers exceed the quota of s{slug}"),
            Self::RotateKeys => "the team domain rotates its keys".to_owned(),
            Self::BreakReads { slug } => format!("D1 cannot read the record of s{slug} any more"),
            Self::MendReads { slug } => format!("D1 can read the record of s{slug} again"),
            Self::BreakWrite { slug, fault } => match fault {
                WriteFault::Busy(times) => {
                    format!("D1 is busy for the next {times} usage writes of s{slug}")
                }
                WriteFault::Lost => format!("D1 stays busy for the next usage row of s{slug}"),
                WriteFault::AnswerLost => {
                    format!("D1 loses its answer to the next usage write of s{slug}")
                }
            },
        }
    }
}

impl Told for Vec<Action> {
    fn lines(&self) -> Vec<String> {
        self.iter().map(Action::words).collect()
    }
}

fn addresses() -> impl Strategy<Value = Address> {
    prop_oneof![
        4 => (0..SLUGS).prop_map(Address::Slug),
        1 => (0..DOMAINS).prop_map(Address::Domain),
    ]
}

fn upstreams() -> impl Strategy<Value = Upstream> {
    let tried_again = || select(&[429_u16, 500, 503, 524][..]);
    prop_oneof![
        6 => Just(Upstream::Answers),
        1 => Just(Upstream::AnswersNatively),
        1 => Just(Upstream::AnswersWithRootUsage),
        1 => Just(Upstream::Filters),
        2 => tried_again().prop_map(Upstream::FailsOnce),
        2 => tried_again().prop_map(Upstream::PremiumFails),
        1 => tried_again().prop_map(Upstream::Fails),
        1 => select(&[400_u16, 401, 403, 404, 422][..]).prop_map(Upstream::Fails),
        1 => Just(Upstream::TimesOut),
        1 => Just(Upstream::ErrsInside),
        1 => Just(Upstream::SaysNoUsage),
    ]
}

fn one() -> impl Strategy<Value = Action> {
    let slug = || 0..SLUGS;
    let tier = || select(&TIERS[..]);
    let fault = prop_oneof![
        2 => (1_u32..4).prop_map(WriteFault::Busy),
        1 => Just(WriteFault::Lost),
        2 => Just(WriteFault::AnswerLost),
    ];
    let domain = || prop::option::weighted(0.7, 0..DOMAINS);
    prop_oneof![
        5 => creations(),
        3 => (slug(), slug()).prop_map(|(slug, to)| Action::Rename { slug, to }),
        4 => (slug(), tier()).prop_map(|(slug, tier)| Action::Retier { slug, tier }),
        3 => (slug(), domain()).prop_map(|(slug, domain)| Action::MoveDomain { slug, domain }),
        4 => slug().prop_map(|slug| Action::Delete { slug }),
        1 => slug().prop_map(|slug| Action::Intrude { slug }),
        6 => addresses().prop_map(Action::Status),
        12 => (addresses(), upstreams(), prop::bool::weighted(0.3)).prop_map(|(at, upstream, stream)| Action::Chat { at, upstream: if stream { upstream.streamable() } else { upstream }, stream }),
        1 => addresses().prop_map(Action::Leave),
        1 => slug().prop_map(|slug| Action::Exceed { slug }),
        2 => slug().prop_map(|slug| Action::BreakReads { slug }),
        2 => slug().prop_map(|slug| Action::MendReads { slug }),
        2 => (slug(), fault).prop_map(|(slug, fault)| Action::BreakWrite { slug, fault }),
    ]
}

fn creations() -> impl Strategy<Value = Action> {
    (
        0..SLUGS,
        select(&TIERS[..]),
        prop::option::weighted(0.4, 0..DOMAINS),
    )
        .prop_map(|(slug, tier, domain)| Action::Create { slug, tier, domain })
}

/// Sequences of actions that begin with creations. One in 25 may rotate keys, which takes seconds and holds up all others.
pub(super) fn sequences() -> impl Strategy<Value = Vec<Action>> {
    let rotating = prop_oneof![
        15 => one(),
        1 => Just(Action::RotateKeys),
    ];
    let actions = prop_oneof![
        24 => prop::collection::vec(one(), 1..ACTIONS_MAX),
        1 => prop::collection::vec(rotating, 1..ACTIONS_MAX),
    ];
    let begin = prop::collection::vec(creations(), 0..3);
    (begin, actions).prop_map(|(begin, actions)| begin.into_iter().chain(actions).collect())
}
