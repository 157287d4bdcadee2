//! The keys of one team domain: which are published, which signs. It never forgets a key it had.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    KeyName, certificate,
    keys::{self, KeyError, KeyMaterial, Slot},
};
use crate::clock;

/// A key under its name.
#[derive(Clone)]
pub(super) struct NamedKey {
    pub(super) name: KeyName,
    pub(super) material: Arc<KeyMaterial>,
    jwk: Value,
    certificate: Value,
    is_published: bool,
}

impl NamedKey {
    /// The key of a slot under a fresh name.
    pub(super) fn new(slot: Slot, team_domain: &str) -> Result<Self, KeyError> {
        Self::of(KeyName(hex_64()), keys::material(slot)?, team_domain)
    }

    /// A kept key.
    pub(super) fn restore(kept: &KeptKey, team_domain: &str) -> Result<Self, KeyError> {
        let material = Arc::new(KeyMaterial::restore(&kept.private_key)?);
        let key = Self::of(KeyName(kept.kid.clone()), material, team_domain)?;
        Ok(Self {
            is_published: kept.published,
            ..key
        })
    }

    /// The same key pair under another key's name.
    pub(super) fn called(&self, name: &KeyName) -> Self {
        Self {
            name: name.clone(),
            ..self.clone()
        }
    }

    fn of(name: KeyName, material: Arc<KeyMaterial>, team_domain: &str) -> Result<Self, KeyError> {
        let now = OffsetDateTime::UNIX_EPOCH + clock::since_epoch();
        let pem = certificate::self_signed_pem(&material, team_domain, now)?;
        Ok(Self {
            jwk: json!({
                "kid": name.as_str(),
                "kty": "RSA",
                "alg": "RS256",
                "use": "sig",
                "e": material.e,
                "n": material.n,
            }),
            certificate: json!({"kid": name.as_str(), "cert": pem}),
            is_published: true,
            material,
            name,
        })
    }
}

/// A key as a file keeps it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeptKey {
    pub(super) kid: String,
    /// PKCS#8, PEM.
    pub(super) private_key: String,
    pub(super) published: bool,
}

/// The keys of a team domain as a file keeps them.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeptKeys {
    pub(super) current: String,
    pub(super) keys: Vec<KeptKey>,
}

/// All keys, the current one last.
pub(super) struct KeySet {
    team_domain: String,
    keys: Vec<NamedKey>,
    current: KeyName,
}

impl KeySet {
    pub(super) fn new(team_domain: &str) -> Result<Self, KeyError> {
        keys::generate_ahead();
        let current = NamedKey::new(keys::CURRENT, team_domain)?;
        let previous = NamedKey::new(keys::PREVIOUS, team_domain)?;
        Ok(Self {
            team_domain: team_domain.to_owned(),
            current: current.name.clone(),
            keys: vec![previous, current],
        })
    }

    /// Kept keys under the name of a domain.
    pub(super) fn restore(kept: &KeptKeys, team_domain: &str) -> Result<Self, KeyError> {
        let keys = kept.keys.iter();
        Ok(Self {
            team_domain: team_domain.to_owned(),
            current: KeyName(kept.current.clone()),
            keys: keys
                .map(|key| NamedKey::restore(key, team_domain))
                .collect::<Result<_, _>>()?,
        })
    }

    /// What a file is to keep.
    pub(super) fn kept(&self) -> KeptKeys {
        let kept = |key: &NamedKey| KeptKey {
            kid: key.name.as_str().to_owned(),
            private_key: key.material.private_pem(),
            published: key.is_published,
        };
        KeptKeys {
            current: self.current.as_str().to_owned(),
            keys: self.keys.iter().map(kept).collect(),
        }
    }

    /// Each key's name, and whether it is published.
    pub(super) fn list(&self) -> Vec<(KeyName, bool)> {
        self.keys
            .iter()
            .map(|key| (key.name.clone(), key.is_published))
            .collect()
    }

    pub(super) fn current(&self) -> KeyName {
        self.current.clone()
    }

    pub(super) fn find(&self, name: &KeyName) -> Option<NamedKey> {
        self.keys.iter().find(|key| key.name == *name).cloned()
    }

    pub(super) fn rotate_in(&mut self) -> Result<KeyName, KeyError> {
        let slot = Slot(keys::FIRST_ROTATED + self.keys.len().saturating_sub(2));
        let key = NamedKey::new(slot, &self.team_domain)?;
        self.current = key.name.clone();
        self.keys.push(key);
        Ok(self.current())
    }

    /// Unpublishes a key; the newest published one signs if it was the current. Says whether it was published.
    /// Publishes a key that is not. Says whether there was one.
    pub(super) fn publish(&mut self, name: &KeyName) -> bool {
        let mut keys = self.keys.iter_mut();
        let unpublished = keys.find(|key| key.name == *name && !key.is_published);
        unpublished.is_some_and(|key| {
            key.is_published = true;
            true
        })
    }

    pub(super) fn rotate_out(&mut self, name: &KeyName) -> bool {
        let published = self
            .keys
            .iter_mut()
            .find(|key| key.name == *name && key.is_published);
        let Some(key) = published else {
            return false;
        };
        key.is_published = false;
        if self.current == *name
            && let Some(newest) = self.keys.iter().rev().find(|key| key.is_published)
        {
            self.current = newest.name.clone();
        }
        true
    }

    /// The document at `/cdn-cgi/access/certs`. The current key is the last, as in the documentation's example.
    pub(super) fn document(&self) -> Value {
        let published: Vec<&NamedKey> = self.keys.iter().filter(|key| key.is_published).collect();
        let jwks: Vec<&Value> = published.iter().map(|key| &key.jwk).collect();
        let certificates: Vec<&Value> = published.iter().map(|key| &key.certificate).collect();
        json!({
            "keys": jwks,
            "public_cert": certificates.last(),
            "public_certs": certificates,
        })
    }
}

/// 64 random hex digits, as key names and audiences have them.
pub(super) fn hex_64() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}
