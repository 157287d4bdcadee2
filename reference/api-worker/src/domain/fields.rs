//! What callers may send, field by field: each is parsed once, by its type. Never says more of a refusal than that there is one.

use super::date::TIME_MAX;
use super::environment::Environment;
use super::money::PRICE_MAX;
use super::window::{SubjectKind, Window};
use serde::{Deserialize, Serialize};

/// A value that breaks its field's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value breaks the rule of its field")]
pub struct InvalidField;

macro_rules! text_field {
    ($(#[$meta:meta])* $name:ident, $rule:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidField;

            fn try_from(text: String) -> Result<Self, InvalidField> {
                let rule: fn(&str) -> bool = $rule;
                if rule(&text) { Ok(Self(text)) } else { Err(InvalidField) }
            }
        }
    };
}

text_field!(
    /// A user's id: `^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$`.
    UserId,
    |text| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte);
        text.len() <= 128
            && text.bytes().all(allowed)
            && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
    }
);

text_field!(
    /// The name of a flag or preference: `^[a-z][a-z0-9_.]{0,63}$`.
    Name,
    |text| {
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.')
        };
        text.len() <= 64
            && text.bytes().all(allowed)
            && text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
    }
);

text_field!(
    /// A name of a key, or the title of a conversation: 1 to 200 characters.
    Title,
    |text| (1..=200).contains(&text.chars().count()) && !text.contains('\0')
);

text_field!(
    /// A model: 1 to 200 characters.
    Model,
    |text| (1..=200).contains(&text.chars().count()) && !text.contains('\0')
);

/// A permission of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Chats.
    Chat,
    /// Every `GET`.
    Read,
    /// Everything else.
    Write,
}

/// What webhooks are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A key was made.
    #[serde(rename = "key.created")]
    KeyCreated,
    /// A key was replaced by another one.
    #[serde(rename = "key.rotated")]
    KeyRotated,
    /// A key was revoked.
    #[serde(rename = "key.revoked")]
    KeyRevoked,
    /// A chat was answered.
    #[serde(rename = "chat.completed")]
    ChatCompleted,
    /// A price was set.
    #[serde(rename = "price.created")]
    PriceCreated,
}

impl EventKind {
    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyCreated => "key.created",
            Self::KeyRotated => "key.rotated",
            Self::KeyRevoked => "key.revoked",
            Self::ChatCompleted => "chat.completed",
            Self::PriceCreated => "price.created",
        }
    }
}

/// A list with at least one element, each there once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    try_from = "Vec<T>",
    bound(deserialize = "T: Deserialize<'de> + PartialEq")
)]
pub struct Distinct<T>(Vec<T>);

impl<T> Distinct<T> {
    /// In the caller's order.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }
}

impl<T: PartialEq> TryFrom<Vec<T>> for Distinct<T> {
    type Error = InvalidField;

    fn try_from(list: Vec<T>) -> Result<Self, InvalidField> {
        let distinct = list
            .iter()
            .enumerate()
            .all(|(at, one)| !list[..at].contains(one));
        if list.is_empty() || !distinct {
            return Err(InvalidField);
        }
        Ok(Self(list))
    }
}

macro_rules! number_field {
    ($(#[$meta:meta])* $name:ident, $range:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "i64")]
        pub struct $name(i64);

        impl $name {
            /// The number.
            #[must_use]
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = InvalidField;

            fn try_from(number: i64) -> Result<Self, InvalidField> {
                if ($range).contains(&number) { Ok(Self(number)) } else { Err(InvalidField) }
            }
        }
    };
}

number_field!(
    /// A time, epoch milliseconds.
    Time,
    0..=TIME_MAX
);
number_field!(
    /// A quota: an integer from 0 that every language holds exactly.
    Count,
    0..=(1_i64 << 53)
);
number_field!(
    /// A price, micro-units per million tokens.
    Price,
    0..=PRICE_MAX
);
number_field!(
    /// A percentage of users.
    Percent,
    0..=100
);
number_field!(
    /// How many days rows are kept.
    Days,
    1..=3650
);
number_field!(
    /// How long a session lasts, seconds.
    SessionSeconds,
    60..=2_592_000
);
number_field!(
    /// Rows of a batch.
    BatchSize,
    1..=1000
);

/// Whose preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A user's.
    User(UserId),
    /// An environment's.
    Environment(Environment),
    /// Everybody's.
    Default,
}

impl Scope {
    /// Reads the two parts of a path.
    #[must_use]
    pub fn parse(scope: &str, subject: &str) -> Option<Self> {
        match scope {
            "user" => UserId::try_from(subject.to_owned()).ok().map(Self::User),
            "environment" => Environment::parse(subject).map(Self::Environment),
            "default" if subject == "-" => Some(Self::Default),
            _ => None,
        }
    }

    /// The scope's name and its subject, as they are kept.
    #[must_use]
    pub fn key(&self) -> (&'static str, &str) {
        match self {
            Self::User(user) => ("user", user.as_str()),
            Self::Environment(environment) => ("environment", environment.name()),
            Self::Default => ("default", "-"),
        }
    }
}

/// What the names of limits begin with.
pub const LIMIT_PREFIX: &str = "rate_limit.";

/// Whether a preference may have this value in this scope: limits are integers from 0, those of an ip are nobody's own, and there are six.
#[must_use]
pub fn is_preference(scope: &Scope, name: &Name, value: &str) -> bool {
    if !name.as_str().starts_with(LIMIT_PREFIX) {
        return true;
    }
    let subjects = [SubjectKind::User, SubjectKind::Ip];
    let known = subjects.into_iter().any(|subject| {
        let own = matches!(scope, Scope::User(_));
        let allowed = subject == SubjectKind::User || !own;
        let mut names = Window::ALL
            .into_iter()
            .map(|window| subject.limit_name(window));
        allowed && names.any(|limit| limit == name.as_str())
    });
    let count = value
        .parse::<i64>()
        .is_ok_and(|count| (0..=(1 << 53)).contains(&count));
    known && count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_six_counts_and_an_ip_has_none_of_its_own() {
        let may = |scope: &str, subject: &str, name: &str, value: &str| {
            let scope = Scope::parse(scope, subject).unwrap();
            is_preference(&scope, &Name::try_from(name.to_owned()).unwrap(), value)
        };
        assert!(may("user", "a", "rate_limit.user.day", "0"));
        assert!(may("default", "-", "rate_limit.ip.day", "5"));
        assert!(may("user", "a", "theme", "{\"a\":1}"));
        assert!(!may("user", "a", "rate_limit.ip.day", "5"));
        assert!(!may("default", "-", "rate_limit.user.week", "5"));
        for value in ["-1", "1.5", "\"5\"", "null", "1e3"] {
            assert!(
                !may("default", "-", "rate_limit.user.day", value),
                "{value}"
            );
        }
    }

    #[test]
    fn each_field_takes_what_its_rule_says() {
        let user = |text: &str| UserId::try_from(text.to_owned()).is_ok();
        assert!(
            user("a") && user("A.b:c@d-e_f".replace('_', "").as_str()) && user(&"x".repeat(128))
        );
        assert!(!user("") && !user(".a") && !user("a b") && !user("é") && !user(&"x".repeat(129)));
        let name = |text: &str| Name::try_from(text.to_owned()).is_ok();
        assert!(
            name("a") && name("a_1.b") && !name("1a") && !name("A") && !name("a-b") && !name("")
        );
        let list = |json: &str| serde_json::from_str::<Distinct<Permission>>(json).is_ok();
        assert!(
            list(r#"["read","chat"]"#)
                && !list("[]")
                && !list(r#"["read","read"]"#)
                && !list(r#"["admin"]"#)
        );
        assert!(
            serde_json::from_str::<Days>("0").is_err()
                && serde_json::from_str::<Days>("3650").is_ok()
        );
        assert!(serde_json::from_str::<Price>("1.0").is_err());
    }
}
