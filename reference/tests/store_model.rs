//! Tenant store and registry against models, through random sequences of operations. Never looks into a file.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use moltworker_reference::clock::ManualClock;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::{TenantId, TenantNames, TenantRecord};
use moltworker_reference::kv::Kv;
use moltworker_reference::ports::{Registry, StoreError, TenantChange, TenantStore};
use moltworker_reference::store::{Database, migrations};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// Few enough that operations meet.
const IDS: u8 = 6;
const NAMES: u8 = 5;

fn tenant_id(number: u8) -> TenantId {
    TenantId::parse(&format!("{number:08x}-0000-4000-8000-000000000000")).unwrap()
}

fn sandbox_id(number: u8) -> SandboxId {
    SandboxId::derive(&tenant_id(number))
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// What a call answered, in terms that model and store share.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer<T> {
    Done(T),
    Conflict(String),
}

fn answer<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Answer<T> {
    match result {
        Ok(value) => Answer::Done(value),
        Err(StoreError::Conflict { column }) => Answer::Conflict(column),
        Err(other) => panic!("{other:?}"),
    }
}

// --- tenants ---

#[derive(Debug, Clone)]
enum TenantStep {
    /// With the sandbox id of another number, two tenants collide.
    Insert {
        id: u8,
        sandbox: u8,
    },
    Update {
        id: u8,
        tier: Option<String>,
        platform: Option<String>,
    },
    Delete {
        id: u8,
    },
}

#[derive(Debug, Clone, Default)]
struct TenantModel {
    records: BTreeMap<TenantId, TenantRecord>,
    last: Option<Answer<Option<TenantRecord>>>,
    steps: i64,
}

impl TenantModel {
    fn insert(&mut self, record: TenantRecord) -> Answer<Option<TenantRecord>> {
        if self.records.contains_key(&record.id) {
            return Answer::Conflict("tenants.id".to_owned());
        }
        if self
            .records
            .values()
            .any(|other| other.sandbox_id == record.sandbox_id)
        {
            return Answer::Conflict("tenants.sandbox_id".to_owned());
        }
        self.records.insert(record.id, record);
        Answer::Done(None)
    }
}

fn record(id: u8, sandbox: u8, time: i64) -> TenantRecord {
    TenantRecord {
        id: tenant_id(id),
        platform: "web".to_owned(),
        tier: "free".to_owned(),
        sandbox_id: sandbox_id(sandbox).to_string(),
        created_at: time,
        updated_at: time,
    }
}

impl ReferenceStateMachine for TenantModel {
    type State = Self;
    type Transition = TenantStep;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_state: &Self) -> BoxedStrategy<TenantStep> {
        let word = prop::option::of("[a-z]{0,3}");
        prop_oneof![
            3 => (0..IDS).prop_map(|id| TenantStep::Insert { id, sandbox: id }),
            1 => (0..IDS, 0..IDS).prop_map(|(id, sandbox)| TenantStep::Insert { id, sandbox }),
            2 => (0..IDS, word.clone(), word)
                .prop_map(|(id, tier, platform)| TenantStep::Update { id, tier, platform }),
            1 => (0..IDS).prop_map(|id| TenantStep::Delete { id }),
        ]
        .boxed()
    }

    fn apply(mut state: Self, step: &TenantStep) -> Self {
        state.steps += 1;
        let answer = match step {
            TenantStep::Insert { id, sandbox } => {
                let record = record(*id, *sandbox, state.steps);
                state.insert(record)
            }
            TenantStep::Update { id, tier, platform } => {
                let updated_at = state.steps;
                let changed = state.records.get_mut(&tenant_id(*id)).map(|record| {
                    record.tier = tier.clone().unwrap_or(record.tier.clone());
                    record.platform = platform.clone().unwrap_or(record.platform.clone());
                    record.updated_at = updated_at;
                    record.clone()
                });
                Answer::Done(changed)
            }
            TenantStep::Delete { id } => Answer::Done(state.records.remove(&tenant_id(*id))),
        };
        state.last = Some(answer);
        state
    }
}

struct TenantTest {
    runtime: Runtime,
    database: Database,
    _dir: tempfile::TempDir,
}

impl StateMachineTest for TenantTest {
    type SystemUnderTest = Self;
    type Reference = TenantModel;

    fn init_test(_model: &TenantModel) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database =
            Database::open(&dir.path().join("d1.sqlite"), &migrations::embedded()).unwrap();
        Self {
            runtime: runtime(),
            database,
            _dir: dir,
        }
    }

    fn apply(test: Self, model: &TenantModel, step: TenantStep) -> Self {
        let Self {
            runtime, database, ..
        } = &test;
        let found = runtime.block_on(async {
            match step {
                TenantStep::Insert { id, sandbox } => {
                    let inserted = database.insert(&record(id, sandbox, model.steps)).await;
                    answer(inserted.map(|()| None))
                }
                TenantStep::Update { id, tier, platform } => {
                    let change = TenantChange {
                        platform,
                        tier,
                        updated_at: model.steps,
                    };
                    answer(database.update(tenant_id(id), &change).await)
                }
                TenantStep::Delete { id } => {
                    let before = database.by_id(tenant_id(id)).await.unwrap();
                    let deleted = database.delete(tenant_id(id)).await.unwrap();
                    assert_eq!(deleted, before.is_some());
                    Answer::Done(before)
                }
            }
        });
        assert_eq!(Some(found), model.last);
        test
    }

    fn check_invariants(test: &Self, model: &TenantModel) {
        test.runtime.block_on(async {
            for number in 0..IDS {
                let by_id = test.database.by_id(tenant_id(number)).await.unwrap();
                assert_eq!(by_id.as_ref(), model.records.get(&tenant_id(number)));
                let sandbox = sandbox_id(number);
                let by_sandbox = test.database.by_sandbox_id(sandbox).await.unwrap();
                let holder = model
                    .records
                    .values()
                    .find(|record| record.sandbox_id == sandbox.as_str());
                assert_eq!(by_sandbox.as_ref(), holder);
            }
            for limit in [1, 2, 1_000] {
                let expected: Vec<_> = model.records.values().cloned().collect();
                assert_eq!(listed(&test.database, limit).await, expected, "by {limit}");
            }
        });
    }
}

/// All pages of this size, one after the other.
async fn listed(database: &Database, limit: u32) -> Vec<TenantRecord> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = TenantStore::list(database, cursor.as_deref(), limit)
            .await
            .unwrap();
        assert!(page.items.len() <= usize::try_from(limit).unwrap());
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return all;
        }
    }
}

// --- registry ---

#[derive(Debug, Clone)]
enum RegistryStep {
    Claim {
        tenant: u8,
        slug: u8,
        domains: Vec<u8>,
    },
    Release {
        tenant: u8,
    },
}

#[derive(Debug, Clone, Default)]
struct RegistryModel {
    names: BTreeMap<u8, (u8, Vec<u8>)>,
    last: Option<Answer<()>>,
}

fn names(slug: u8, domains: &[u8]) -> TenantNames {
    let domains = domains
        .iter()
        .map(|domain| format!("d{domain}.example"))
        .collect();
    TenantNames {
        slug: format!("s{slug}"),
        domains,
    }
}

impl RegistryModel {
    fn holder(&self, holds: impl Fn(u8, &[u8]) -> bool) -> Option<TenantId> {
        let mut held = self
            .names
            .iter()
            .filter(|(_, (slug, domains))| holds(*slug, domains));
        held.next().map(|(tenant, _)| tenant_id(*tenant))
    }

    fn claim(&mut self, tenant: u8, slug: u8, domains: &[u8]) -> Answer<()> {
        let mut others = self.names.iter().filter(|(other, _)| **other != tenant);
        if others.clone().any(|(_, (taken, _))| *taken == slug) {
            return Answer::Conflict("slug".to_owned());
        }
        if others.any(|(_, (_, taken))| taken.iter().any(|domain| domains.contains(domain))) {
            return Answer::Conflict("domain".to_owned());
        }
        self.names.insert(tenant, (slug, domains.to_vec()));
        Answer::Done(())
    }
}

impl ReferenceStateMachine for RegistryModel {
    type State = Self;
    type Transition = RegistryStep;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_state: &Self) -> BoxedStrategy<RegistryStep> {
        let domains = prop::collection::vec(0..NAMES, 0..3);
        prop_oneof![
            3 => (0..IDS, 0..NAMES, domains)
                .prop_map(|(tenant, slug, domains)| RegistryStep::Claim { tenant, slug, domains }),
            1 => (0..IDS).prop_map(|tenant| RegistryStep::Release { tenant }),
        ]
        .boxed()
    }

    fn apply(mut state: Self, step: &RegistryStep) -> Self {
        let answer = match step {
            RegistryStep::Claim {
                tenant,
                slug,
                domains,
            } => state.claim(*tenant, *slug, domains),
            RegistryStep::Release { tenant } => {
                state.names.remove(tenant);
                Answer::Done(())
            }
        };
        state.last = Some(answer);
        state
    }
}

struct RegistryTest {
    runtime: Runtime,
    kv: Kv,
    _dir: tempfile::TempDir,
}

impl StateMachineTest for RegistryTest {
    type SystemUnderTest = Self;
    type Reference = RegistryModel;

    fn init_test(_model: &RegistryModel) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(0));
        let kv = Kv::open(&dir.path().join("kv.sqlite"), clock).unwrap();
        Self {
            runtime: runtime(),
            kv,
            _dir: dir,
        }
    }

    fn apply(test: Self, model: &RegistryModel, step: RegistryStep) -> Self {
        let result = test.runtime.block_on(async {
            match step {
                RegistryStep::Claim {
                    tenant,
                    slug,
                    domains,
                } => {
                    test.kv
                        .claim(tenant_id(tenant), &names(slug, &domains))
                        .await
                }
                RegistryStep::Release { tenant } => test.kv.release(tenant_id(tenant)).await,
            }
        });
        assert_eq!(Some(answer(result)), model.last);
        test
    }

    fn check_invariants(test: &Self, model: &RegistryModel) {
        test.runtime.block_on(async {
            for name in 0..NAMES {
                let by_slug = test.kv.by_slug(&format!("s{name}")).await.unwrap();
                assert_eq!(by_slug, model.holder(|slug, _| slug == name));
                let by_host = test.kv.by_host(&format!("d{name}.example")).await.unwrap();
                assert_eq!(by_host, model.holder(|_, domains| domains.contains(&name)));
            }
            for tenant in 0..IDS {
                let expected = model
                    .names
                    .get(&tenant)
                    .map(|(slug, domains)| names(*slug, domains));
                assert_eq!(test.kv.names(tenant_id(tenant)).await.unwrap(), expected);
            }
        });
    }
}

prop_state_machine! {
    // Each step is a durable write, so a case costs some tens of milliseconds.
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_tenant_store_answers_as_its_model(sequential 1..30 => TenantTest);

    #[test]
    fn the_registry_answers_as_its_model(sequential 1..30 => RegistryTest);
}
