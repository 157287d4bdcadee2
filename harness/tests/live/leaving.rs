//! What a run leaves on a target that lives on, and what sweeping removes. Nothing without a run's mark may ever go.

use crate::server::{Deployment, at_address, criterion, moltproof};
use async_trait::async_trait;
use moltproof::client::Client;
use moltproof::contract::need::{Need, Variant};
use moltproof::reference::ReferenceTarget;
use moltproof::subject::dialect::Dialect;
use moltproof::subject::seeding;
use moltproof::subject::tenant::Tenant;
use moltproof::subject::{Disposable, Fault, Instance, Limits, Migrated, Target, run_marks};
use moltproof::sweep::{Scope, Swept};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

const OPERATOR: &str = "[operator]\ntoken = \"${OPERATOR_TOKEN}\"\n";

fn sweep(path: &str, token: &str, more: &[&str]) -> serde_json::Value {
    let mut args = vec!["sweep", "--format", "json", "--target", path];
    args.extend(more);
    let told = moltproof(&args, &[("OPERATOR_TOKEN", token)]);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    told.json()
}

/// Somebody's own tenants, whose names come near to ours.
fn make_strangers(deployment: &Deployment) -> Vec<String> {
    let slugs = ["acme", "mp-acme", "mp-abcdef", "mp-abcdef-0001-a"];
    for slug in slugs {
        let (status, text) = deployment.operate(
            "POST",
            "/api/admin/tenants",
            &format!("{{\"slug\":\"{slug}\"}}"),
        );
        assert_eq!(status, 201, "{text}");
    }
    slugs.map(str::to_owned).to_vec()
}

fn sorted(mut slugs: Vec<String>) -> Vec<String> {
    slugs.sort();
    slugs
}

#[test]
fn a_run_removes_its_tenants_and_leaves_everybody_elses() {
    let deployment = Deployment::start();
    let strangers = make_strangers(&deployment);
    let token = deployment.token();
    let (_folder, path) = at_address(&deployment.base, OPERATOR);
    let told = moltproof(
        &[
            "run", "--format", "json", "--id", "RES-001", "--id", "RES-002", "--target", &path,
        ],
        &[("OPERATOR_TOKEN", &token)],
    );
    let report = told.json();
    assert_eq!(told.code, 0, "{report:#}");
    assert_eq!(criterion(&report, "RES-001").0, "passed");
    assert!(
        report["spent"]["requests"].as_u64().unwrap() > 0,
        "{report:#}"
    );
    assert!(told.err.contains("swept: "), "{}", told.err);
    assert!(!told.err.contains("swept: 0 tenants"), "{}", told.err);
    assert_eq!(sorted(deployment.slugs()), sorted(strangers));
}

#[test]
fn after_a_killed_run_sweeping_removes_its_tenants_and_nobody_elses() {
    let deployment = Deployment::start();
    let strangers = make_strangers(&deployment);
    let token = deployment.token();
    let (_folder, path) = at_address(&deployment.base, OPERATOR);
    let mut run = Command::new(env!("CARGO_BIN_EXE_moltproof"))
        .args(["run", "--quiet", "--target", &path])
        .env("OPERATOR_TOKEN", &token)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while deployment.slugs().len() < strangers.len() + 3 {
        assert!(run.try_wait().unwrap().is_none(), "the run ended too early");
    }
    run.kill().unwrap();
    run.wait().unwrap();
    // Requests that had reached the target before the kill still have their effect.
    let (mut left, mut unchanged) = (0, 0);
    while unchanged < 20 {
        let now = deployment.slugs().len() - strangers.len();
        unchanged = if now == left { unchanged + 1 } else { 0 };
        left = now;
    }
    assert!(left >= 3);

    let told = sweep(&path, &token, &["--dry-run"]);
    assert_eq!(told["removed"]["tenants"].as_array().unwrap().len(), left);
    assert_eq!(
        deployment.slugs().len(),
        strangers.len() + left,
        "a dry run removes nothing"
    );
    let young = sweep(&path, &token, &["--older-than", "1h"]);
    assert!(
        young["removed"]["tenants"].as_array().unwrap().is_empty(),
        "{young:#}"
    );
    let other = sweep(&path, &token, &["--run", "zzzzzz"]);
    assert!(
        other["removed"]["tenants"].as_array().unwrap().is_empty(),
        "{other:#}"
    );

    let swept = sweep(&path, &token, &[]);
    assert_eq!(
        swept["removed"]["tenants"].as_array().unwrap().len(),
        left,
        "{swept:#}"
    );
    assert_eq!(sorted(deployment.slugs()), sorted(strangers));
    let again = sweep(&path, &token, &[]);
    assert!(
        again["removed"]["tenants"].as_array().unwrap().is_empty(),
        "{again:#}"
    );
}

#[test]
fn an_address_alone_cannot_be_swept_and_says_why() {
    let deployment = Deployment::start();
    let told = moltproof(&["sweep", "--target", &deployment.base], &[]);
    assert_eq!(told.code, 2, "{}", told.err);
    assert!(told.err.contains("[operator]"), "{}", told.err);
}

/// The reference as one that lives on, whose stores are all that there is: no operator.
struct Standing(ReferenceTarget);

#[async_trait]
impl Target for Standing {
    fn name(&self) -> String {
        "standing".to_owned()
    }
    fn lacks(&self, need: Need) -> Option<String> {
        self.0.lacks(need)
    }
    fn dialect(&self) -> &Dialect {
        self.0.dialect()
    }
    fn limits(&self) -> &Limits {
        self.0.limits()
    }
    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        let instance = self.0.instance(variant).await?;
        Ok(Arc::new(Instance {
            access: None,
            ..(*instance).clone()
        }))
    }
    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        self.0.disposable().await
    }
    async fn migrate(&self, folder: &Path, database: &Path) -> Result<Migrated, Fault> {
        self.0.migrate(folder, database).await
    }
    fn standing(&self) -> Vec<Variant> {
        vec![Variant::Production]
    }
    fn migrations(&self) -> Option<PathBuf> {
        self.0.migrations()
    }
}

/// Every row and entry that the stores hold.
async fn all(instance: &Instance) -> (Vec<String>, usize, Vec<String>) {
    let d1 = instance.d1.as_ref().unwrap();
    let rows = d1
        .query("SELECT id FROM tenants ORDER BY id", &[])
        .await
        .unwrap();
    let usage = d1.query("SELECT id FROM usage", &[]).await.unwrap().len();
    let ids = rows
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    (
        ids,
        usage,
        instance.kv.as_ref().unwrap().keys("").await.unwrap(),
    )
}

#[tokio::test]
async fn without_an_operator_the_stores_are_swept_of_what_carries_a_mark_and_of_nothing_else() {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_moltproof"));
    let target = Standing(ReferenceTarget::start(program).unwrap());
    let instance = target.instance(Variant::Production).await.unwrap();
    let (d1, kv) = (instance.d1.clone().unwrap(), instance.kv.clone().unwrap());
    let client = Client::new().unwrap();
    let make = |slug: &'static str, domain: Option<&'static str>| {
        let mut tenant = Tenant::new(&instance, slug, "free");
        tenant.domains.extend(domain.map(str::to_owned));
        tenant
    };
    // Somebody's own tenants, one of them under a slug that comes near.
    let strangers = [
        make("acme", Some("shop.acme.example")),
        make("mp-acme", None),
    ];
    for tenant in &strangers {
        seeding::make(&client, &target, &instance, tenant)
            .await
            .unwrap();
    }
    kv.put("slug:other", "x").await.unwrap();
    let before = all(&instance).await;
    // A whole tenant of a run, with usage and an entry of its sandbox.
    let whole = make("mp-abcdef0001-a", Some("a-abcdef0001.customer.example"));
    seeding::make(&client, &target, &instance, &whole)
        .await
        .unwrap();
    kv.put(&format!("{}/memory", whole.sandbox_id), "1")
        .await
        .unwrap();
    let sql = "INSERT INTO usage (id, tenant_id, model, tokens_in, tokens_out, latency_ms, created_at) VALUES ('u1', ?1, 'm', 1, 1, 1, 1)";
    d1.execute(sql, &[json!(whole.id)]).await.unwrap();
    // What kills leave half way: an entry without its row, a row without its entries.
    kv.put(
        "slug:mp-abcdef0002-a",
        &run_marks::tenant_id("mp-abcdef0002-a"),
    )
    .await
    .unwrap();
    let only_row = make("mp-ghijkl0001-a", None);
    seeding::plant(
        &target,
        &Instance {
            kv: None,
            ..(*instance).clone()
        },
        &only_row,
    )
    .await
    .unwrap();
    // A slug of a run that points at somebody's tenant: the slug goes, the tenant stays.
    kv.put("slug:mp-abcdef0003-a", &strangers[0].id)
        .await
        .unwrap();

    let scope = |run: Option<&str>, dry_run| Scope {
        run: run.map(str::to_owned),
        dry_run,
        ..Scope::default()
    };
    let sweep = async |scope: Scope| -> Swept {
        moltproof::sweep::sweep(&client, &target, &scope)
            .await
            .unwrap()
    };
    let full = all(&instance).await;
    let told = sweep(scope(None, true)).await;
    assert_eq!(all(&instance).await, full, "a dry run removes nothing");
    assert_eq!((told.tenants.len(), told.usage_rows), (2, 1), "{told:?}");
    let told = sweep(scope(Some("abcdef"), false)).await;
    assert_eq!(
        (told.tenants.as_slice(), told.usage_rows),
        (["mp-abcdef0001-a".to_owned()].as_slice(), 1),
        "{told:?}"
    );
    assert!(
        all(&instance).await.0.contains(&only_row.id),
        "another run's row stays"
    );
    sweep(scope(None, false)).await;
    assert_eq!(all(&instance).await, before);
    assert!(
        sweep(scope(None, false)).await.is_empty(),
        "there is nothing left"
    );
}
