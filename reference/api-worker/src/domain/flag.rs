//! How a feature flag is decided for one user. Never reads a flag from anywhere.

use sha2::{Digest, Sha256};

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The user's own value.
    User,
    /// The environment's.
    Environment,
    /// The percentage.
    Rollout,
    /// `enabled`.
    Default,
}

/// What is known of a flag for one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// The flag's own value.
    pub enabled: bool,
    /// Of users for whom it is on; null: no rollout.
    pub rollout_percent: Option<u8>,
    /// The environment's value.
    pub environment: Option<bool>,
    /// The user's value.
    pub user: Option<bool>,
}

impl Flag {
    /// The user's value over the environment's over the rollout over `enabled`.
    #[must_use]
    pub fn decide(&self, bucket: u8) -> (bool, Source) {
        if let Some(own) = self.user {
            return (own, Source::User);
        }
        if let Some(environment) = self.environment {
            return (environment, Source::Environment);
        }
        if self.rollout_percent.is_some_and(|percent| bucket < percent) {
            return (true, Source::Rollout);
        }
        (self.enabled, Source::Default)
    }
}

/// The bucket of a user, 0 to 99: it depends on nothing but the flag's name and the user, so that raising the percentage turns nobody off.
#[must_use]
pub fn bucket(flag: &str, user: &str) -> u8 {
    let digest = Sha256::digest(format!("{flag}:{user}"));
    let mut first = [0_u8; 8];
    first.copy_from_slice(&digest[..8]);
    u8::try_from(u64::from_be_bytes(first) % 100).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bucket_is_the_one_of_the_contract() {
        // printf 'dark_mode:alice' | sha256sum begins with 9139258eb8c7952a.
        assert_eq!(
            u64::from(bucket("dark_mode", "alice")),
            0x9139_258e_b8c7_952a_u64 % 100
        );
    }

    proptest! {
        #[test]
        fn raising_the_percentage_turns_nobody_off(name in "[a-z]{1,8}", user in "[a-z0-9]{1,8}", low in 0_u8..=100, more in 0_u8..=100) {
            let flag = |percent| Flag { enabled: false, rollout_percent: Some(percent), environment: None, user: None };
            let bucket = bucket(&name, &user);
            let high = low.saturating_add(more).min(100);
            prop_assert!(!flag(low).decide(bucket).0 || flag(high).decide(bucket).0);
            prop_assert!(flag(100).decide(bucket).0 && !flag(0).decide(bucket).0);
        }
    }
}
