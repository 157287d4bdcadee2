//! The tokens a team domain double can mint, by name. It never signs anything.

use std::fmt;

macro_rules! token_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal $verdict:ident,)*) => {
        /// What is right or wrong with a token.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum TokenKind {
            $($(#[$doc])* $kind,)*
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

            /// Whether a backend that keeps the contract lets it in.
            #[must_use]
            pub const fn is_acceptable(self) -> bool {
                match self { $(Self::$kind => verdict!($verdict),)* }
            }
        }
    };
}

macro_rules! verdict {
    (accepted) => {
        true
    };
    (refused) => {
        false
    };
}

token_kinds! {
    /// A user's token, as the documentation shows it; `aud` is an array of one.
    Good = "good" accepted,
    /// A service token: `common_name`, no `email`, no `nbf`, `aud` a plain string, as captured live.
    GoodServiceToken = "good-service-token" accepted,
    /// A user's token with `aud` as a plain string.
    AudienceAsString = "audience-as-string" accepted,
    /// `aud` names another application too, before ours.
    AudienceArrayOfTwo = "audience-array-of-two" accepted,
    /// `exp` an hour ago.
    Expired = "expired" refused,
    /// `nbf` an hour ahead.
    NotYetValid = "not-yet-valid" refused,
    /// `aud` of another application.
    WrongAudience = "wrong-audience" refused,
    /// `aud` is an empty array.
    EmptyAudience = "empty-audience" refused,
    /// No `aud`.
    NoAudience = "no-audience" refused,
    /// `iss` of another team.
    WrongIssuer = "wrong-issuer" refused,
    /// No `iss`.
    NoIssuer = "no-issuer" refused,
    /// One bit of the signature is wrong.
    BadSignature = "bad-signature" refused,
    /// The signature is empty, the header still says RS256.
    NoSignature = "no-signature" refused,
    /// `alg: none`, no signature.
    AlgNone = "alg-none" refused,
    /// `alg: nOnE`, no signature.
    AlgNoneMixedCase = "alg-none-mixed-case" refused,
    /// HS256, the public key (PEM) as secret.
    Hs256WithPublicKey = "hs256-with-public-key" refused,
    /// RS512 by the right key: the key set says RS256.
    AlgRs512 = "alg-rs512" refused,
    /// Signed by the current key under a `kid` the key set does not list.
    UnknownKid = "unknown-kid" refused,
    /// Signed by the current key, no `kid`.
    NoKid = "no-kid" refused,
    /// Another payload under a good token's signature.
    TamperedPayload = "tampered-payload" refused,
    /// No `exp`.
    NoExpiry = "no-expiry" refused,
    /// `type: org`: the team's global session token.
    OrgType = "org-type" refused,
    /// Signed by another team's key, under its own `kid`.
    ForeignTeamKey = "foreign-team-key" refused,
    /// Signed by another team's key, under our `kid`.
    ForeignTeamKeyOurKid = "foreign-team-key-our-kid" refused,
    /// Signed by another team's key, which the header carries as `jwk`, under our `kid`.
    EmbeddedJwk = "embedded-jwk" refused,
    /// A word.
    NotAJwt = "not-a-jwt" refused,
    /// An empty string.
    Empty = "empty" refused,
    /// 64 KiB, rightly signed.
    Oversized = "oversized" refused,
}

impl TokenKind {
    /// The kind of this name, spaces taken as hyphens.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase().replace(' ', "-");
        Self::all().iter().copied().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::TokenKind;

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
    fn a_name_that_is_no_kind_is_not_found() {
        assert_eq!(TokenKind::parse("bad"), None);
        assert_eq!(TokenKind::parse(""), None);
    }
}
