//! The tokens a team domain double can mint, by name. It never signs anything.

use std::fmt;

/// What a backend that keeps the contract does with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Lets it in.
    Accepted,
    /// Refuses it.
    Refused,
    /// Either: the contract leaves it open.
    Either,
}

macro_rules! token_kinds {
    ($($(#[doc = $doc:literal])* $kind:ident = $name:literal $due:ident,)*) => {
        /// What is right or wrong with a token.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum TokenKind {
            $($(#[doc = $doc])* $kind,)*
        }

        impl TokenKind {
            /// Every kind.
            #[must_use]
            pub const fn all() -> &'static [Self] {
                &[$(Self::$kind,)*]
            }

            /// Name in step texts and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// What it is, or what is wrong with it, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$kind => concat!($($doc),*).trim(),)* }
            }

            /// What a backend that keeps the contract does with it.
            #[must_use]
            pub const fn due(self) -> Due {
                match self { $(Self::$kind => Due::$due,)* }
            }
        }
    };
}

token_kinds! {
    /// A user's token, as the documentation shows it; `aud` is an array of one.
    Good = "good" Accepted,
    /// A service token: `common_name`, no `email`, no `nbf`, `aud` a plain string, as captured live.
    GoodServiceToken = "good-service-token" Accepted,
    /// A user's token with `aud` as a plain string.
    AudienceAsString = "audience-as-string" Accepted,
    /// `aud` names another application too, before ours.
    AudienceArrayOfTwo = "audience-array-of-two" Accepted,
    /// A session of a month, three weeks old: `iat` and `nbf` lie behind, `exp` is ahead.
    OfALongSession = "of-a-long-session" Accepted,
    /// `iat` and `nbf` are the present second.
    OfThisSecond = "of-this-second" Accepted,
    /// `custom` holds what the team's identity provider tells of its people: groups, names, numbers.
    WithCustomClaims = "with-custom-claims" Accepted,
    /// `exp` an hour ago.
    Expired = "expired" Refused,
    /// `exp` four minutes ago: beyond the leeway that a contract may grant to clocks.
    ExpiredFourMinutesAgo = "expired-four-minutes-ago" Refused,
    /// `nbf` an hour ahead.
    NotYetValid = "not-yet-valid" Refused,
    /// `nbf` four minutes ahead: beyond the leeway that a contract may grant to clocks.
    ValidInFourMinutes = "valid-in-four-minutes" Refused,
    /// `iat` and `nbf` an hour ahead, `exp` later still.
    OfTheNextHour = "of-the-next-hour" Refused,
    /// `aud` of another application.
    WrongAudience = "wrong-audience" Refused,
    /// `aud` is a plain string that contains ours among other letters.
    AudienceContainingOurs = "audience-containing-ours" Refused,
    /// `aud` is the first half of ours.
    AudiencePartOfOurs = "audience-part-of-ours" Refused,
    /// `aud` is an empty array.
    EmptyAudience = "empty-audience" Refused,
    /// No `aud`.
    NoAudience = "no-audience" Refused,
    /// `iss` of another team.
    WrongIssuer = "wrong-issuer" Refused,
    /// `iss` begins with ours and goes on as another host.
    IssuerBeginningWithOurs = "issuer-beginning-with-ours" Refused,
    /// `iss` is ours with a path behind it.
    IssuerWithAPath = "issuer-with-a-path" Refused,
    /// `iss` is ours with the other scheme: http for https, https for http.
    IssuerOfAnotherScheme = "issuer-of-another-scheme" Refused,
    /// `iss` of another team, named as Access names teams.
    IssuerOfAnotherAccessTeam = "issuer-of-another-access-team" Refused,
    /// `iss` is a host whose name ends with ours.
    IssuerEndingWithOurs = "issuer-ending-with-ours" Refused,
    /// `iss` is our host at another port.
    IssuerOfAnotherPort = "issuer-of-another-port" Refused,
    /// No `iss`.
    NoIssuer = "no-issuer" Refused,
    /// One bit of the signature is wrong.
    BadSignature = "bad-signature" Refused,
    /// The signature is empty, the header still says RS256.
    NoSignature = "no-signature" Refused,
    /// `alg: none`, no signature.
    AlgNone = "alg-none" Refused,
    /// `alg: nOnE`, no signature.
    AlgNoneMixedCase = "alg-none-mixed-case" Refused,
    /// HS256, the public key (PEM) as secret.
    Hs256WithPublicKey = "hs256-with-public-key" Refused,
    /// RS512 by the right key: the key set says RS256.
    AlgRs512 = "alg-rs512" Refused,
    /// Signed by the current key under a `kid` the key set does not list.
    UnknownKid = "unknown-kid" Refused,
    /// Signed by the current key, no `kid`.
    NoKid = "no-kid" Refused,
    /// Signed by the current key, under an empty `kid`.
    EmptyKid = "empty-kid" Refused,
    /// Signed by the current key, under its `kid` in the other case.
    KidInOtherCase = "kid-in-other-case" Refused,
    /// Signed by the current key, under its `kid` with a blank on either side.
    KidWithBlanks = "kid-with-blanks" Refused,
    /// Signed by the current key, under a `kid` that begins with its own.
    KidBeginningWithOurs = "kid-beginning-with-ours" Refused,
    /// Signed by the current key, under the first half of its `kid`.
    KidPartOfOurs = "kid-part-of-ours" Refused,
    /// Another payload under a good token's signature.
    TamperedPayload = "tampered-payload" Refused,
    /// No `exp`.
    NoExpiry = "no-expiry" Refused,
    /// `type: org`: the team's global session token.
    OrgType = "org-type" Refused,
    /// Signed by another team's key, under its own `kid`.
    ForeignTeamKey = "foreign-team-key" Refused,
    /// Signed by another team's key, under our `kid`.
    ForeignTeamKeyOurKid = "foreign-team-key-our-kid" Refused,
    /// Signed by another team's key, which the header carries as `jwk`, under our `kid`.
    EmbeddedJwk = "embedded-jwk" Refused,
    /// Signed by another team's key, which the header carries as `jwk`, under that key's own `kid`.
    EmbeddedJwkOwnKid = "embedded-jwk-own-kid" Refused,
    /// Signed by another team's key, whose certificate the header carries as `x5c`, under that key's own `kid`.
    EmbeddedCertificate = "embedded-certificate" Refused,
    /// A word.
    NotAJwt = "not-a-jwt" Refused,
    /// An empty string.
    Empty = "empty" Refused,
    /// 64 KiB, rightly signed.
    Oversized = "oversized" Refused,
    /// 64 KiB from its first to its last letter, rightly signed.
    OversizedToTheLetter = "oversized-to-the-letter" Refused,
    /// `nbf` 30 seconds ahead: within the leeway that many libraries grant to clocks.
    ValidInHalfAMinute = "valid-in-half-a-minute" Either,
    /// `exp` 30 seconds ago: within the leeway that many libraries grant to clocks.
    ExpiredHalfAMinuteAgo = "expired-half-a-minute-ago" Either,
}

/// Shorter names, as people type them.
pub const SHORT_NAMES: [(&str, TokenKind); 12] = [
    ("service", TokenKind::GoodServiceToken),
    ("string-aud", TokenKind::AudienceAsString),
    ("array-aud", TokenKind::AudienceArrayOfTwo),
    ("wrong-aud", TokenKind::WrongAudience),
    ("no-aud", TokenKind::NoAudience),
    ("wrong-iss", TokenKind::WrongIssuer),
    ("no-iss", TokenKind::NoIssuer),
    ("no-exp", TokenKind::NoExpiry),
    ("org", TokenKind::OrgType),
    ("hs256", TokenKind::Hs256WithPublicKey),
    ("tampered", TokenKind::TamperedPayload),
    ("foreign-key", TokenKind::ForeignTeamKey),
];

impl TokenKind {
    /// The kind of this name or short name, spaces taken as hyphens.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase().replace(' ', "-");
        let full = Self::all().iter().copied().find(|kind| kind.name() == name);
        full.or_else(|| {
            let short = SHORT_NAMES.iter().find(|(short, _)| *short == name);
            short.map(|(_, kind)| *kind)
        })
    }

    /// Whether a backend that keeps the contract lets it in.
    #[must_use]
    pub fn is_acceptable(self) -> bool {
        self.due() == Due::Accepted
    }

    /// Whether a backend that keeps the contract refuses it.
    #[must_use]
    pub fn is_refused(self) -> bool {
        self.due() == Due::Refused
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{SHORT_NAMES, TokenKind};

    #[test]
    fn every_kind_is_found_by_its_name_with_hyphens_or_spaces() {
        for kind in TokenKind::all() {
            assert_eq!(TokenKind::parse(kind.name()), Some(*kind));
            assert_eq!(
                TokenKind::parse(&kind.name().replace('-', " ")),
                Some(*kind)
            );
        }
    }

    #[test]
    fn a_short_name_is_never_the_full_name_of_another_kind() {
        for (short, kind) in SHORT_NAMES {
            assert_eq!(TokenKind::parse(short), Some(kind), "{short}");
            assert!(TokenKind::all().iter().all(|kind| kind.name() != short));
        }
    }

    #[test]
    fn a_name_that_is_no_kind_is_not_found() {
        assert_eq!(TokenKind::parse("bad"), None);
        assert_eq!(TokenKind::parse(""), None);
    }
}
