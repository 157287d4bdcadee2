//! Tenants for scenarios: how they are made and what the harness expects of them. Never takes an expectation from the target.

use super::manifest::{FixedTenant, Seeding};
use super::tenant::Tenant;
use super::{Fault, Instance, Target};
use crate::client::{Client, NoAnswer, Request};
use crate::oracle::sandbox_id;
use crate::subject::dialect::Dialect;
use crate::subject::dialect::reading::Reading;
use crate::subject::operator::Operator;
use serde_json::json;
use std::sync::Arc;

/// Why there is no such tenant.
#[derive(Debug)]
pub enum NotMade {
    /// The target has no way to make it: reason and remedy.
    NoWay(String),
    /// It should have been made.
    Fault(Fault),
}

impl From<Fault> for NotMade {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Makes the tenant as the target is seeded: by the admin route, or by writing D1 and KV.
/// What is returned has the id that the target gave it, where the target chooses ids.
///
/// # Errors
/// [`NotMade`] when there is no way or the target refuses: the scenario cannot be judged.
pub async fn make(
    client: &Client,
    target: &dyn Target,
    instance: &Instance,
    tenant: &Tenant,
) -> Result<Tenant, NotMade> {
    let by_stores = matches!(target.seeding(), Some(Seeding::Stores { .. }));
    if matches!(target.seeding(), Some(Seeding::Fixed { .. })) {
        return Err(NotMade::NoWay(
            "the target's tenants are fixed: no other can be made".to_owned(),
        ));
    }
    match instance.operator() {
        Some(operator) if !by_stores => {
            create(client, target.dialect(), instance, tenant, &operator).await
        }
        Some(_) | None => {
            if instance.d1.is_none() || instance.kv.is_none() {
                let variant = instance.variant.name();
                return Err(NotMade::NoWay(format!(
                    "no way to create a tenant on variant `{variant}`: {}",
                    crate::contract::need::Need::Tenants.remedy()
                )));
            }
            plant(target, instance, tenant).await?;
            Ok(tenant.clone())
        }
    }
}

async fn create(
    client: &Client,
    dialect: &Dialect,
    instance: &Instance,
    tenant: &Tenant,
    operator: &Operator,
) -> Result<Tenant, NotMade> {
    let request = operator
        .on(Request::new("POST", dialect.tenants.clone()))
        .json(&tenant.creation());
    let mut spoken = dialect.speak(request);
    let about = spoken.about_new(instance);
    let furnished = dialect.furnish(&mut spoken, instance, &about);
    furnished.map_err(NotMade::NoWay)?;
    if let Some(field) = spoken.unsaid.iter().find(|field| needs(tenant, field)) {
        return Err(NotMade::NoWay(format!(
            "the target's creating request takes no {field} (manifest: dialect.create_tenant body has no {{{field}}})"
        )));
    }
    let missed = Arc::default();
    let mut request = spoken.request;
    request.reading = Reading::of(dialect, spoken.operation, &missed);
    let answer = client
        .send(&instance.base, &request, 0)
        .await
        .map_err(|error| match error {
            NoAnswer::Withheld(why) | NoAnswer::GivenUp(why) => NotMade::NoWay(why),
            NoAnswer::Unreachable { .. }
            | NoAnswer::Broken(_)
            | NoAnswer::TooSlow(_)
            | NoAnswer::Unsendable(_)
            | NoAnswer::NotTheWorker(_)
            | NoAnswer::LockedAtTheEdge(_) => NotMade::Fault(Fault(error.to_string())),
        })?;
    // Whoever reports what is missing on every route reports it to operators too: no scenario has a tenant there.
    if answer.status == 503 && answer.has_code("CONFIGURATION_ERROR") {
        return Err(NotMade::NoWay(format!(
            "operators cannot make a tenant on variant `{}`, where every route reports what is missing: {}",
            instance.variant.name(),
            answer.text()
        )));
    }
    if answer.status != 201 {
        return Err(NotMade::Fault(Fault(format!(
            "cannot create tenant `{}`: {} {}",
            tenant.slug,
            answer.status,
            answer.text()
        ))));
    }
    if !spoken.unsaid.iter().any(|field| field == "id") {
        return Ok(tenant.clone());
    }
    let in_body = answer.text_at("/id");
    let id = in_body.or_else(|| dialect.id_in_location(&answer));
    let id = id.ok_or_else(|| {
        NotMade::NoWay(
            "the target chooses tenant ids and does not show them in the answer to the creating request (manifest: dialect.tenant_id)".to_owned(),
        )
    })?;
    Ok(Tenant {
        sandbox_id: sandbox_id::expected(&id),
        id,
        ..tenant.clone()
    })
}

/// Whether the tenant cannot do without a field.
fn needs(tenant: &Tenant, field: &str) -> bool {
    match field {
        "slug" => true,
        "tier" => tenant.tier != "free",
        "platform" => tenant.platform != "web",
        "domains" => !tenant.domains.is_empty(),
        _ => false,
    }
}

/// Writes the tenant behind the target's back into those of D1 and KV that the harness can write there.
///
/// # Errors
/// [`Fault`] when a store refuses.
pub async fn plant(target: &dyn Target, instance: &Instance, tenant: &Tenant) -> Result<(), Fault> {
    let fault = |error: crate::observe::CannotObserve| Fault(error.to_string());
    if let Some(Seeding::Stores { sql, .. }) = target.seeding() {
        return plant_by_templates(target, instance, tenant, sql)
            .await
            .map_err(fault);
    }
    let dialect = target.dialect();
    // The slug goes first and the row last: whatever a killed run leaves, its slug or its id tells whose it is.
    if let Some(kv) = &instance.kv {
        for (key, value) in registry_entries(target, tenant) {
            kv.put(&key, &value).await.map_err(fault)?;
        }
    }
    if let Some(d1) = &instance.d1 {
        let now = crate::clock::epoch_ms();
        let sql = "INSERT INTO tenants (id, platform, tier, sandbox_id, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
        let params = [
            json!(tenant.id),
            json!(tenant.platform),
            json!(dialect.tier(&tenant.tier)),
            json!(tenant.sandbox_id),
            json!(now),
        ];
        d1.execute(sql, &params).await.map_err(fault)?;
    }
    Ok(())
}

/// The registry's entries for a tenant in KV, key and value, as the target keeps them.
#[must_use]
pub fn registry_entries(target: &dyn Target, tenant: &Tenant) -> Vec<(String, String)> {
    let dialect = target.dialect();
    let told = Told {
        dialect,
        tenant,
        former: None,
    };
    if let Some(Seeding::Stores { kv, .. }) = target.seeding() {
        let rows = kv
            .iter()
            .flat_map(|(key, value)| written(&[key, value], &told, str::to_owned));
        return rows.map(|row| (row[0].clone(), row[1].clone())).collect();
    }
    let names = json!({ "slug": tenant.slug, "domains": tenant.domains }).to_string();
    let hosts = tenant
        .domains
        .iter()
        .map(|domain| (dialect.kv_host.replace("{host}", domain), tenant.id.clone()));
    let own = [
        (
            dialect.kv_slug.replace("{slug}", &tenant.slug),
            tenant.id.clone(),
        ),
        (dialect.names_key(&tenant.id, &tenant.sandbox_id), names),
    ];
    // A registry need not have all three kinds of entries.
    let all = own.into_iter().chain(hosts);
    all.filter(|(key, _)| !key.is_empty()).collect()
}

async fn plant_by_templates(
    target: &dyn Target,
    instance: &Instance,
    tenant: &Tenant,
    sql: &[String],
) -> Result<(), crate::observe::CannotObserve> {
    let quoted = |text: &str| text.replace('\'', "''");
    let told = Told {
        dialect: target.dialect(),
        tenant,
        former: None,
    };
    if let Some(store) = &instance.kv {
        for (key, value) in registry_entries(target, tenant) {
            store.put(&key, &value).await?;
        }
    }
    if let Some(d1) = &instance.d1 {
        for template in sql {
            for statement in written(&[template], &told, quoted) {
                d1.execute_own(&statement[0], &[]).await?;
            }
        }
    }
    Ok(())
}

/// What templates tell of a tenant.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) dialect: &'a Dialect,
    pub(super) tenant: &'a Tenant,
    /// The tenant as it was before a change.
    pub(super) former: Option<&'a Tenant>,
}

/// Templates filled in together: once, or once per custom host name if one of them names it.
pub(super) fn written(
    templates: &[&String],
    told: &Told<'_>,
    quoted: impl Fn(&str) -> String,
) -> Vec<Vec<String>> {
    let Told {
        dialect, tenant, ..
    } = *told;
    let former = told.former.unwrap_or(tenant);
    let now_ms = crate::clock::epoch_ms();
    let values = [
        ("{old_slug}", former.slug.clone()),
        ("{old_host}", former.host.clone()),
        ("{old_tier}", dialect.tier(&former.tier).to_owned()),
        ("{id}", tenant.id.clone()),
        ("{slug}", tenant.slug.clone()),
        ("{host}", tenant.host.clone()),
        ("{tier}", dialect.tier(&tenant.tier).to_owned()),
        ("{platform}", tenant.platform.clone()),
        ("{sandbox_id}", tenant.sandbox_id.clone()),
        ("{domains}", json!(tenant.domains).to_string()),
        ("{now_ms}", now_ms.to_string()),
        ("{now_text}", crate::clock::rfc3339(now_ms)),
    ];
    let fill = |text: &str, domain: Option<&String>| {
        let known = values.iter().fold(text.to_owned(), |text, (word, value)| {
            text.replace(word, &quoted(value))
        });
        domain.map_or(known.clone(), |domain| {
            known
                .replace("{domain}", &quoted(domain))
                .replace("{old_domain}", &quoted(domain))
        })
    };
    let names = |word: &str| templates.iter().any(|text| text.contains(word));
    let rows: Vec<Option<&String>> = if names("{domain}") {
        tenant.domains.iter().map(Some).collect()
    } else if names("{old_domain}") {
        former.domains.iter().map(Some).collect()
    } else {
        vec![None]
    };
    rows.into_iter()
        .map(|domain| templates.iter().map(|text| fill(text, domain)).collect())
        .collect()
}

/// A tenant that the manifest names, as a scenario's own.
#[must_use]
pub fn fixed(instance: &Instance, there: &FixedTenant) -> Tenant {
    let host = there.host.clone();
    Tenant {
        id: there.id.clone(),
        host: host.unwrap_or_else(|| instance.tenant_host(&there.slug)),
        slug: there.slug.clone(),
        tier: there.tier.clone(),
        platform: there.platform.clone(),
        domains: there.domains.clone(),
        sandbox_id: sandbox_id::expected(&there.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(domains: &[&str]) -> Tenant {
        Tenant {
            id: "u-1".to_owned(),
            slug: "o'neill".to_owned(),
            host: "o.example".to_owned(),
            tier: "free".to_owned(),
            platform: "web".to_owned(),
            domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            sandbox_id: "sk-1".to_owned(),
        }
    }

    #[test]
    fn templates_are_written_once_or_once_per_custom_host_name() {
        let dialect = Dialect::default();
        let tenant = tenant(&["a.example", "b.example"]);
        let (key, value) = ("host:{domain}".to_owned(), "{id}".to_owned());
        let told = Told {
            dialect: &dialect,
            tenant: &tenant,
            former: None,
        };
        let entries = written(&[&key, &value], &told, str::to_owned);
        assert_eq!(
            entries,
            [["host:a.example", "u-1"], ["host:b.example", "u-1"]]
        );
        let statement = "VALUES ('{slug}')".to_owned();
        let once = written(&[&statement], &told, |text| text.replace('\'', "''"));
        assert_eq!(once, [["VALUES ('o''neill')"]]);
    }
}
