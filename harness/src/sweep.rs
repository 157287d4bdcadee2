//! Removes what runs have left on a target that lives on. Never touches anything that does not carry a run's mark.

use crate::client::{Client, Request};
use crate::observe::Kv;
use crate::oracle::sandbox_id;
use crate::subject::dialect::Dialect;
use crate::subject::run_marks::{self, ID_PREFIX, SLUG_PREFIXES};
use crate::subject::{Fault, Instance, Target};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Tenants of one page of the listing: the most that the default shape allows.
const PAGE: usize = 1000;
/// Most pages: a listing whose cursor runs in circles must end.
const PAGES_MAX: usize = 10_000;

/// What is swept.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Only things of this run.
    pub run: Option<String>,
    /// Only tenants made before this moment, epoch milliseconds. What has no known age is left.
    pub before_ms: Option<i64>,
    /// Only tells.
    pub dry_run: bool,
}

impl Scope {
    fn has_run(&self, run: Option<&str>) -> bool {
        match (run, &self.run) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(run), Some(wanted)) => run == wanted,
        }
    }

    /// Whether a thing of this age is old enough; `None` where that cannot be told.
    fn has_age(&self, created_at: Option<i64>) -> Option<bool> {
        match (self.before_ms, created_at) {
            (None, _) => Some(true),
            (Some(_), None) => None,
            (Some(before), Some(created_at)) => Some(created_at < before),
        }
    }
}

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Tenants, by slug or, where that is unknown, by id.
    pub tenants: Vec<String>,
    /// Usage rows that went with tenants' rows in D1; those that an admin route removed are not counted.
    pub usage_rows: usize,
    /// Keys of KV.
    pub entries: Vec<String>,
    /// What stays, and why.
    pub left: Vec<String>,
    /// Tenants that were seen to: in a dry run they stay to be found again.
    #[serde(skip)]
    seen: BTreeSet<String>,
}

impl Swept {
    /// Whether there was nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty() && self.entries.is_empty() && self.left.is_empty()
    }

    fn add(&mut self, other: Self) {
        self.tenants.extend(other.tenants);
        self.usage_rows += other.usage_rows;
        self.entries.extend(other.entries);
        self.left.extend(other.left);
    }
}

/// Why a target cannot be swept.
#[derive(Debug, thiserror::Error)]
pub enum CannotSweep {
    /// Nothing is given by which tenants could be found.
    #[error(
        "there is no way to look for tenants: give --target a manifest with an operator's credential ([operator] or [control] access) or the target's stores ([observe] d1 and kv); without them no run can have made a tenant"
    )]
    NoWay,
    /// A look or a removal failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Sweeps every variant that lives on.
///
/// # Errors
/// [`CannotSweep`].
pub async fn sweep(
    client: &Client,
    target: &dyn Target,
    scope: &Scope,
) -> Result<Swept, CannotSweep> {
    let mut swept = Swept::default();
    let mut bases = Vec::new();
    for variant in target.standing() {
        let instance = target.instance(variant).await?;
        // One address may stand for several variants.
        if bases.contains(&instance.base) {
            continue;
        }
        bases.push(instance.base.clone());
        let broom = Broom {
            client,
            dialect: target.dialect(),
            instance,
            scope,
        };
        swept.add(broom.sweep().await?);
    }
    Ok(swept)
}

/// Sweeps one instance.
struct Broom<'a> {
    client: &'a Client,
    dialect: &'a Dialect,
    instance: Arc<Instance>,
    scope: &'a Scope,
}

impl Broom<'_> {
    async fn sweep(&self) -> Result<Swept, CannotSweep> {
        let mut swept = Swept::default();
        let stores = self.instance.d1.is_some() || self.instance.kv.is_some();
        if self.instance.operator().is_none() && !stores {
            return Err(CannotSweep::NoWay);
        }
        if self.instance.operator().is_some() {
            self.by_route(&mut swept).await?;
        }
        // Then what is left behind an operator's back: planted entries, rows that no listing shows.
        if let Some(kv) = self.instance.kv.clone() {
            self.entries(kv.as_ref(), &mut swept).await?;
        }
        self.marked_rows(&mut swept).await?;
        Ok(swept)
    }

    /// Tenants that the listing shows, by the deleting route.
    async fn by_route(&self, swept: &mut Swept) -> Result<(), Fault> {
        for tenant in self.listed().await? {
            let text = |key: &str| tenant[key].as_str().unwrap_or_default().to_owned();
            let (id, slug) = (text("id"), text("slug"));
            if !self.scope.has_run(run_marks::run_of_slug(&slug)) || id.is_empty() {
                continue;
            }
            if !self.old_enough(&slug, tenant["created_at"].as_i64(), swept) {
                continue;
            }
            if self.scope.dry_run {
                swept.seen.insert(id);
            } else {
                let path = self.dialect.tenant.replace("{id}", &id);
                let (status, said) = self.operate("DELETE", &path).await?;
                // Another sweep may have been faster.
                if !(200..300).contains(&status) && status != 404 {
                    swept.left.push(format!("{slug}: status {status} {said}"));
                    continue;
                }
            }
            swept.tenants.push(slug);
        }
        Ok(())
    }

    async fn listed(&self) -> Result<Vec<Value>, Fault> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        for _page in 0..PAGES_MAX {
            let more = cursor.as_ref().map_or_else(String::new, |cursor| {
                let escaped: String =
                    url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect();
                format!("&cursor={escaped}")
            });
            let path = format!("{}?limit={PAGE}{more}", self.dialect.tenants);
            let answer = self.ask("GET", &path).await?;
            let list = answer.at("/tenants");
            let list = list.as_ref().and_then(Value::as_array);
            let Some(list) = list.filter(|_| answer.status == 200) else {
                return Err(Fault(format!(
                    "cannot list tenants: status {} {}",
                    answer.status,
                    crate::evidence::cut(answer.text().trim(), 200)
                )));
            };
            all.extend(list.iter().cloned());
            let next = answer.text_at(&self.dialect.next_cursor);
            if next.is_none() || next == cursor {
                return Ok(all);
            }
            cursor = next;
        }
        Err(Fault(format!(
            "the listing of tenants did not end after {PAGES_MAX} pages"
        )))
    }

    async fn operate(&self, method: &str, path: &str) -> Result<(u16, String), Fault> {
        let answer = self.ask(method, path).await?;
        let said = crate::evidence::cut(answer.text().trim(), 200);
        Ok((answer.status, said))
    }

    async fn ask(&self, method: &str, path: &str) -> Result<crate::evidence::Exchange, Fault> {
        let request = Request::new(method, path);
        let request = match self.instance.operator() {
            Some(operator) => operator.on(request),
            None => request,
        };
        self.client
            .send(
                &self.instance.base,
                &self.dialect.spoken(request, &self.instance),
                0,
            )
            .await
            .map_err(|error| Fault(error.to_string()))
    }

    /// Entries of the registry that carry a run's mark, with the tenants that they name.
    async fn entries(&self, kv: &dyn Kv, swept: &mut Swept) -> Result<(), Fault> {
        let (before, after) = around(&self.dialect.kv_slug, "{slug}");
        let mut keys = Vec::new();
        for prefix in SLUG_PREFIXES {
            keys.extend(kv.keys(&format!("{before}{prefix}")).await?);
        }
        for key in keys {
            let slug = between(&key, before, after).unwrap_or_default();
            if !self.scope.has_run(run_marks::run_of_slug(slug)) {
                continue;
            }
            let id = kv.get(&key).await?.unwrap_or_default();
            let created_at = self.created_at(&id).await?;
            if !self.old_enough(slug, created_at, swept) {
                continue;
            }
            if self.is_of_a_run(kv, &id).await? {
                self.tenant(slug, &id, swept).await?;
            }
            self.remove(kv, key, swept).await?;
        }
        let (before, after) = around(&self.dialect.kv_names, "{id}");
        // Without the id in them the entries go with their tenants.
        let by_id = self.dialect.kv_names.contains("{id}");
        let prefix = by_id.then(|| format!("{before}{ID_PREFIX}"));
        let listed = match prefix {
            Some(prefix) => kv.keys(&prefix).await?,
            None => Vec::new(),
        };
        for key in listed {
            let id = between(&key, before, after).unwrap_or_default();
            let ours = self.scope.has_run(run_marks::run_of_id(id).as_deref());
            if ours && self.old_enough(id, self.created_at(id).await?, swept) {
                self.tenant(id, id, swept).await?;
                self.remove(kv, key, swept).await?;
            }
        }
        let (before, after) = around(&self.dialect.kv_host, "{host}");
        for key in kv.keys(before).await? {
            let host = between(&key, before, after).unwrap_or_default();
            if !self.scope.has_run(run_marks::run_of_host(host)) {
                continue;
            }
            let id = kv.get(&key).await?.unwrap_or_default();
            if self.old_enough(host, self.created_at(&id).await?, swept) {
                self.remove(kv, key, swept).await?;
            }
        }
        Ok(())
    }

    /// Where the names of a tenant are kept, if anywhere.
    fn names_key(&self, id: &str) -> Option<String> {
        let key = self.dialect.names_key(id, &sandbox_id::expected(id));
        (!key.is_empty()).then_some(key)
    }

    /// Whether a tenant is a run's: by its id, or by the slug under which it is registered. A run's slug may have been pointed at another tenant.
    async fn is_of_a_run(&self, kv: &dyn Kv, id: &str) -> Result<bool, Fault> {
        if self.scope.has_run(run_marks::run_of_id(id).as_deref()) {
            return Ok(true);
        }
        let names = match self.names_key(id) {
            Some(key) => kv.get(&key).await?,
            None => None,
        };
        let names: Value = serde_json::from_str(&names.unwrap_or_default()).unwrap_or_default();
        let slug = names["slug"].as_str().unwrap_or_default();
        Ok(self.scope.has_run(run_marks::run_of_slug(slug)))
    }

    /// Rows whose id names a run, which nothing else names any more.
    async fn marked_rows(&self, swept: &mut Swept) -> Result<(), Fault> {
        let Some(d1) = self.instance.d1.clone() else {
            return Ok(());
        };
        let sql = "SELECT id, created_at FROM tenants WHERE id LIKE ?1";
        let rows = d1.query(sql, &[json!(format!("{ID_PREFIX}%"))]).await?;
        for row in rows {
            let id = row["id"].as_str().unwrap_or_default().to_owned();
            let ours = self.scope.has_run(run_marks::run_of_id(&id).as_deref());
            if ours && self.old_enough(&id, row["created_at"].as_i64(), swept) {
                self.tenant(&id, &id, swept).await?;
            }
        }
        Ok(())
    }

    /// Everything that the stores hold of one tenant of a run.
    async fn tenant(&self, name: &str, id: &str, swept: &mut Swept) -> Result<(), Fault> {
        if !swept.seen.insert(id.to_owned()) {
            return Ok(());
        }
        let sandbox = format!("{}/", sandbox_id::expected(id));
        if let Some(d1) = &self.instance.d1 {
            let count = "SELECT (SELECT count(*) FROM usage WHERE tenant_id = ?1) AS used, (SELECT count(*) FROM tenants WHERE id = ?1) AS made";
            let rows = d1.query(count, &[json!(id)]).await?;
            let number = |key: &str| {
                let value = rows.first().and_then(|row| row[key].as_u64());
                usize::try_from(value.unwrap_or(0)).unwrap_or(usize::MAX)
            };
            swept.usage_rows += number("used");
            if number("made") > 0 {
                swept.tenants.push(name.to_owned());
            }
            if !self.scope.dry_run {
                for sql in [
                    "DELETE FROM usage WHERE tenant_id = ?1",
                    "DELETE FROM tenants WHERE id = ?1",
                ] {
                    d1.execute(sql, &[json!(id)]).await?;
                }
            }
        }
        if let Some(kv) = self.instance.kv.clone() {
            let mut keys = kv.keys(&sandbox).await?;
            if let Some(names) = self.names_key(id)
                && kv.get(&names).await?.is_some()
            {
                keys.push(names);
            }
            for key in keys {
                self.remove(kv.as_ref(), key, swept).await?;
            }
        }
        if let Some(r2) = &self.instance.r2 {
            let objects = r2.keys(&sandbox).await?;
            if !objects.is_empty() {
                swept.left.push(format!(
                    "{} objects of R2 below {sandbox}: only the deleting admin route removes them",
                    objects.len()
                ));
            }
        }
        Ok(())
    }

    async fn remove(&self, kv: &dyn Kv, key: String, swept: &mut Swept) -> Result<(), Fault> {
        if swept.entries.contains(&key) {
            return Ok(());
        }
        if !self.scope.dry_run {
            kv.delete(&key).await?;
        }
        swept.entries.push(key);
        Ok(())
    }

    async fn created_at(&self, id: &str) -> Result<Option<i64>, Fault> {
        let Some(d1) = self
            .instance
            .d1
            .as_ref()
            .filter(|_| self.scope.before_ms.is_some())
        else {
            return Ok(None);
        };
        let sql = "SELECT created_at FROM tenants WHERE id = ?1";
        let rows: Vec<BTreeMap<String, Value>> = d1.query(sql, &[json!(id)]).await?;
        Ok(rows.first().and_then(|row| row["created_at"].as_i64()))
    }

    fn old_enough(&self, name: &str, created_at: Option<i64>, swept: &mut Swept) -> bool {
        self.scope.has_age(created_at).unwrap_or_else(|| {
            swept.left.push(format!(
                "{name}: its age is unknown; sweep without --older-than"
            ));
            false
        })
    }
}

/// What stands before and after a placeholder.
fn around<'a>(template: &'a str, placeholder: &str) -> (&'a str, &'a str) {
    template.split_once(placeholder).unwrap_or((template, ""))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.strip_prefix(before)?.strip_suffix(after)
}
