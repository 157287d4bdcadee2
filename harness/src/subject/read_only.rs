//! A target that is only looked at. Never lets anything write: not to the target, not to its stores.

use super::database::Database;
use super::dialect::Dialect;
use super::layout::Layout;
use super::manifest::acts::Acts;
use super::manifest::{Accept, Probe, Seeding};
use super::{Disposable, Fault, Instance, LaunchFacts, Limits, Migrated, Target};
use crate::contract::need::{Need, Variant};
use crate::contract::profile::Profile;
use crate::observe::{CannotObserve, D1, Kv, Row, WritesHeld};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Why a look was refused: it was no look.
pub const REFUSED: &str =
    "a read-only run writes nothing to a store; leave --read-only out to verify this";

/// A target whose stores cannot be written; its client withholds the requests that may change something.
pub struct ReadOnly {
    target: Arc<dyn Target>,
    instances: Mutex<HashMap<Variant, Arc<Instance>>>,
}

impl ReadOnly {
    /// The same target, to be looked at.
    #[must_use]
    pub fn new(target: Arc<dyn Target>) -> Self {
        Self {
            target,
            instances: Mutex::default(),
        }
    }
}

#[async_trait]
impl Target for ReadOnly {
    fn name(&self) -> String {
        self.target.name()
    }

    fn lacks(&self, need: Need) -> Option<String> {
        let why = || format!("a read-only run changes nothing; leave --read-only out ({need})");
        match need {
            Need::Tenants if self.target.has_fixed_tenants() => self.target.lacks(need),
            Need::Tenants
            | Need::D1Write
            | Need::KvWrite
            | Need::StoreFaults
            | Need::Restart
            | Need::Fresh
            | Need::Migrations => Some(self.target.lacks(need).unwrap_or_else(why)),
            Need::Hosts
            | Need::Admin
            | Need::Access
            | Need::AiGateway
            | Need::AiGatewayLog
            | Need::D1
            | Need::Kv
            | Need::R2
            | Need::Logs
            | Need::ClientIp
            | Need::ExactLimits
            | Need::Variant(_) => self.target.lacks(need),
        }
    }

    fn dialect(&self) -> &Dialect {
        self.target.dialect()
    }

    fn profiles(&self) -> &[Profile] {
        self.target.profiles()
    }

    fn database(&self) -> Result<Option<Database>, Fault> {
        self.target.database()
    }

    fn limits(&self) -> &Limits {
        self.target.limits()
    }

    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        let instance = self.target.instance(variant).await?;
        let mut instances = self
            .instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let looked_at = instances.entry(variant).or_insert_with(|| {
            Arc::new(Instance {
                d1: instance.d1.clone().map(|d1| Arc::new(Look(d1)) as _),
                kv: instance.kv.clone().map(|kv| Arc::new(Look(kv)) as _),
                faults: None,
                ..(*instance).clone()
            })
        });
        Ok(Arc::clone(looked_at))
    }

    fn impossible(&self, criterion: &str, scenario: &str) -> Option<String> {
        self.target.impossible(criterion, scenario)
    }

    fn beyond_runtime(&self, criterion: &str, scenario: &str) -> Option<String> {
        self.target.beyond_runtime(criterion, scenario)
    }

    fn seeding(&self) -> Option<&Seeding> {
        self.target.seeding()
    }

    fn accepts(&self) -> &[Accept] {
        self.target.accepts()
    }

    fn acts(&self) -> &Acts {
        self.target.acts()
    }

    fn layout(&self) -> Layout {
        self.target.layout()
    }

    fn keeps_connections(&self) -> bool {
        self.target.keeps_connections()
    }

    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        Err(Fault(REFUSED.to_owned()))
    }

    async fn migrate(&self, _folder: &Path, _database: &Path) -> Result<Migrated, Fault> {
        Err(Fault(REFUSED.to_owned()))
    }

    async fn end(&self) {
        self.target.end().await;
    }

    fn tell_works(&self, whom: Arc<dyn super::Works>) {
        self.target.tell_works(whom);
    }

    fn standing(&self) -> Vec<Variant> {
        self.target.standing()
    }

    fn launch_facts(&self) -> Option<LaunchFacts> {
        self.target.launch_facts()
    }

    fn probe(&self) -> Probe {
        self.target.probe()
    }

    fn migrations(&self) -> Option<PathBuf> {
        self.target.migrations()
    }
}

/// A store that is only looked at.
struct Look<T: ?Sized>(Arc<T>);

fn refused<T>(what: &'static str) -> Result<T, CannotObserve> {
    Err(CannotObserve {
        what,
        why: REFUSED.to_owned(),
    })
}

/// Pragmas that tell and change nothing.
const TELLING: [&str; 8] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "foreign_keys",
];

/// Whether a text is one statement that only reads. `WITH` may lead to a DELETE.
fn reads(sql: &str) -> bool {
    let sql = sql.trim().trim_end_matches(';').to_ascii_lowercase();
    let (verb, rest) = sql.split_once(char::is_whitespace).unwrap_or_default();
    let telling = || {
        let name = rest.trim_start().split('(').next().unwrap_or_default();
        TELLING.contains(&name.trim_end())
    };
    !sql.contains(';') && (verb == "select" || verb == "pragma" && telling())
}

#[async_trait]
impl D1 for Look<dyn D1> {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, CannotObserve> {
        if reads(sql) {
            self.0.query(sql, params).await
        } else {
            refused("D1")
        }
    }

    async fn execute(&self, _sql: &str, _params: &[Value]) -> Result<usize, CannotObserve> {
        refused("D1")
    }

    fn own_words(&self, sql: &str) -> String {
        self.0.own_words(sql)
    }

    async fn hold_writes(&self) -> Result<Option<WritesHeld>, CannotObserve> {
        refused("D1")
    }
}

#[async_trait]
impl Kv for Look<dyn Kv> {
    async fn get(&self, key: &str) -> Result<Option<String>, CannotObserve> {
        self.0.get(key).await
    }

    async fn metadata(&self, key: &str) -> Result<Option<Value>, CannotObserve> {
        self.0.metadata(key).await
    }

    async fn put(&self, _key: &str, _value: &str) -> Result<(), CannotObserve> {
        refused("KV")
    }

    async fn put_with_metadata(
        &self,
        _key: &str,
        _value: &str,
        _metadata: &Value,
    ) -> Result<(), CannotObserve> {
        refused("KV")
    }

    async fn delete(&self, _key: &str) -> Result<(), CannotObserve> {
        refused("KV")
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, CannotObserve> {
        self.0.keys(prefix).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_that_read_are_looks() {
        for sql in [
            "SELECT 1",
            " select * from t where a = ?1",
            "PRAGMA table_info(t)",
            "SELECT 1;",
        ] {
            assert!(reads(sql), "{sql}");
        }
        for sql in [
            "DELETE FROM t",
            "WITH x AS (SELECT 1) DELETE FROM t",
            "SELECT 1; DELETE FROM t",
            "PRAGMA user_version = 3",
            "PRAGMA optimize",
            "",
            "INSERT INTO t VALUES (1)",
        ] {
            assert!(!reads(sql), "{sql}");
        }
    }
}
