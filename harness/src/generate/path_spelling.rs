//! Spellings of a path, one change upon another. Never says what a target must make of one.

use super::carriers::{CARRIERS, Carrier};
use super::shrink::Told;
use proptest::prelude::*;
use proptest::sample::select;
use std::fmt::Write as _;

/// What is put behind a path.
const SUFFIXES: [&str; 16] = [
    "/", "//", ".json", "%20", "%00", "%0a", "%23", "%3f", "?x=1", "/*", ";x", ";x=/../", "~",
    "/.", "/%2e", ".",
];

/// One change of a spelling; numbers say where, counted round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twist {
    /// A slash doubled.
    Slash(usize),
    /// A letter in the other case.
    Case(usize),
    /// All letters as capitals.
    Capitals,
    /// A character percent-encoded.
    Encoded(usize),
    /// A percent sign percent-encoded, or else a slash.
    Again(usize),
    /// `/.` before a slash.
    Dot(usize),
    /// `/x/..` before a slash.
    DotDot(usize),
    /// `/x/%2e%2e` before a slash.
    EncodedDotDot(usize),
    /// `;x` before a slash.
    Parameter(usize),
    /// A backslash in place of a slash.
    Backslash(usize),
    /// Behind the path.
    Suffix(&'static str),
    /// A public path before, and up again.
    Through(usize),
    /// Scheme and host before.
    Absolute,
}

/// Which path a spelling begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// An admin route of tenant a, by its place among the target's.
    Admin(usize),
    /// A path below the operators' console.
    Console,
    /// A public route.
    Public(usize),
}

/// One request at tenant a's host.
#[derive(Debug, Clone)]
pub(super) struct Spelling {
    pub(super) base: Base,
    pub(super) twists: Vec<Twist>,
    pub(super) method: Option<&'static str>,
    /// What names tenant b.
    pub(super) names: Option<Carrier>,
}

impl Twist {
    pub(super) fn on(self, path: &str, public: &[String], host: &str) -> String {
        let before_slash = |at: usize, more: &str| {
            let slashes: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
            match at.checked_rem(slashes.len()) {
                Some(one) => {
                    let (front, back) = path.split_at(slashes[one]);
                    format!("{front}{more}{back}")
                }
                None => path.to_owned(),
            }
        };
        let change = |at: usize, wanted: &dyn Fn(u8) -> bool, to: &dyn Fn(u8) -> String| {
            let places: Vec<usize> = path
                .bytes()
                .enumerate()
                .skip(1)
                .filter(|(_, byte)| wanted(*byte))
                .map(|(at, _)| at)
                .collect();
            match at.checked_rem(places.len()) {
                Some(one) => {
                    let at = places[one];
                    format!(
                        "{}{}{}",
                        &path[..at],
                        to(path.as_bytes()[at]),
                        &path[at + 1..]
                    )
                }
                None => path.to_owned(),
            }
        };
        match self {
            Self::Slash(at) => before_slash(at, "/"),
            Self::Dot(at) => before_slash(at, "/."),
            Self::DotDot(at) => before_slash(at, "/x/.."),
            Self::EncodedDotDot(at) => before_slash(at, "/x/%2e%2e"),
            Self::Parameter(at) => before_slash(at, ";x"),
            Self::Case(at) => change(at, &|byte| byte.is_ascii_lowercase(), &|byte| {
                char::from(byte).to_ascii_uppercase().to_string()
            }),
            Self::Capitals => path.to_ascii_uppercase(),
            Self::Encoded(at) => change(
                at,
                &|byte| byte.is_ascii_alphanumeric() || byte == b'/',
                &|byte| format!("%{byte:02x}"),
            ),
            Self::Again(at) if path.contains('%') => {
                change(at, &|byte| byte == b'%', &|_| "%25".to_owned())
            }
            Self::Again(at) => change(at, &|byte| byte == b'/', &|_| "%252f".to_owned()),
            Self::Backslash(at) => change(at, &|byte| byte == b'/', &|_| "\\".to_owned()),
            Self::Suffix(suffix) => format!("{path}{suffix}"),
            Self::Through(at) => match at.checked_rem(public.len()) {
                Some(one) => {
                    let depth = public[one].matches('/').count();
                    format!("{}{}{path}", public[one], "/..".repeat(depth))
                }
                None => path.to_owned(),
            },
            Self::Absolute if path.starts_with('/') => format!("http://{host}{path}"),
            Self::Absolute => path.to_owned(),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Slash(_) => "a slash doubled".to_owned(),
            Self::Case(_) => "a letter as capital".to_owned(),
            Self::Capitals => "all in capitals".to_owned(),
            Self::Encoded(_) => "a character percent-encoded".to_owned(),
            Self::Again(_) => "encoded twice".to_owned(),
            Self::Dot(_) => "a dot segment".to_owned(),
            Self::DotDot(_) => "a segment and up again".to_owned(),
            Self::EncodedDotDot(_) => "a segment and up again, encoded".to_owned(),
            Self::Parameter(_) => "a path parameter".to_owned(),
            Self::Backslash(_) => "a backslash for a slash".to_owned(),
            Self::Suffix(suffix) => format!("`{suffix}` behind"),
            Self::Through(_) => "through a public route".to_owned(),
            Self::Absolute => "in absolute form".to_owned(),
        }
    }
}

impl Told for Spelling {
    fn lines(&self) -> Vec<String> {
        let base = match self.base {
            Base::Admin(number) => format!("admin route {number} of tenant a"),
            Base::Console => "the operators' console".to_owned(),
            Base::Public(number) => format!("public route {number}"),
        };
        let mut line = format!("without a token, ask host of tenant a for {base}");
        for twist in &self.twists {
            let _infallible = write!(line, ", {}", twist.words());
        }
        if let Some(method) = self.method {
            let _infallible = write!(line, ", by {method}");
        }
        if let Some(carrier) = self.names {
            let _infallible = write!(line, ", {}", carrier.words("b"));
        }
        vec![line]
    }
}

pub(super) fn spellings() -> impl Strategy<Value = Spelling> {
    let base = prop_oneof![
        8 => (0_usize..16).prop_map(Base::Admin),
        1 => Just(Base::Console),
        2 => (0_usize..3).prop_map(Base::Public),
    ];
    let place = 0_usize..40;
    let twist = prop_oneof![
        3 => place.clone().prop_map(Twist::Slash),
        2 => place.clone().prop_map(Twist::Case),
        1 => Just(Twist::Capitals),
        3 => place.clone().prop_map(Twist::Encoded),
        1 => place.clone().prop_map(Twist::Again),
        1 => place.clone().prop_map(Twist::Dot),
        2 => place.clone().prop_map(Twist::DotDot),
        1 => place.clone().prop_map(Twist::EncodedDotDot),
        1 => place.clone().prop_map(Twist::Parameter),
        1 => place.clone().prop_map(Twist::Backslash),
        4 => select(&SUFFIXES[..]).prop_map(Twist::Suffix),
        1 => place.prop_map(Twist::Through),
        1 => Just(Twist::Absolute),
    ];
    let method = select(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"][..]);
    let headers: Vec<Carrier> = CARRIERS
        .iter()
        .copied()
        .filter(|carrier| matches!(carrier, Carrier::Header(..)))
        .collect();
    (
        base,
        prop::collection::vec(twist, 0..5),
        prop::option::weighted(0.3, method),
        prop::option::weighted(0.3, select(headers)),
    )
        .prop_map(|(base, twists, method, names)| Spelling {
            base,
            twists,
            method,
            names,
        })
}

/// Whether a request target is one by RFC 9112: a path whose characters and percent signs are as they must be.
pub(super) fn is_well_formed(path: &str) -> bool {
    let escapes = path
        .split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~:?@!$&'()*+,;=%".contains(&byte);
    path.starts_with('/') && escapes && path.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twist_changes_a_path_as_it_says() {
        let public = ["/api/status".to_owned()];
        let on = |twist: Twist| twist.on("/api/admin", &public, "a.example");
        for (twist, expected) in [
            (Twist::Slash(1), "/api//admin"),
            (Twist::Case(3), "/api/Admin"),
            (Twist::Encoded(4), "/api/%61dmin"),
            (Twist::Encoded(3), "/api%2fadmin"),
            (Twist::Again(0), "/api%252fadmin"),
            (Twist::DotDot(1), "/api/x/../admin"),
            (Twist::Parameter(1), "/api;x/admin"),
            (Twist::Backslash(0), "/api\\admin"),
            (Twist::Suffix("/"), "/api/admin/"),
            (Twist::Through(0), "/api/status/../../api/admin"),
            (Twist::Absolute, "http://a.example/api/admin"),
        ] {
            assert_eq!(on(twist), expected);
        }
    }

    #[test]
    fn only_what_http_itself_refuses_is_not_well_formed() {
        assert!(is_well_formed("/api/%61dmin;x/..?x=1"));
        for path in ["http://a/", "/a\\b", "/a%2", "/a%zz", "/a b", "*"] {
            assert!(!is_well_formed(path), "{path}");
        }
    }
}
