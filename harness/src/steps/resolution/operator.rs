//! What the operator does to tenants. Never writes a store itself.

use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::steps::operating::start_gateway;
use crate::steps::words::filled;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use serde_json::{Value, json};

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"the operator creates the tenant "([^"]+)" with the custom hostname "([^"]+)""#,
        |s, a| Box::pin(creates(s, a)),
    );
    book.step(
        r#"the operator renames tenant "([^"]+)" to "([^"]+)""#,
        |s, a| Box::pin(renames(s, a)),
    );
    book.step(
        r#"the operator renames tenant "([^"]+)" to "([^"]+)" and gives it these custom hostnames instead:"#,
        |s, a| Box::pin(renames_and_moves(s, a)),
    );
    book.step(
        r#"the operator gives tenant "([^"]+)" these custom hostnames instead:"#,
        |s, a| Box::pin(gives_hostnames(s, a)),
    );
    book.step(r#"the operator deletes tenant "([^"]+)""#, |s, a| {
        Box::pin(deletes(s, a))
    });
    book.step(r#"the operator looks at tenant "([^"]+)""#, |s, a| {
        Box::pin(looks_at(s, a))
    });
    book.step(
        r#"the operator changes nothing of tenant "([^"]+)" but its (slug|tier|platform)"#,
        |s, a| Box::pin(changes_one_field(s, a)),
    );
    book.step(
        r#"the operator starts the gateway of tenant "([^"]+)""#,
        |s, a| Box::pin(starts_gateway(s, a)),
    );
}

async fn creates(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.new_tenant(a.text(1), "free").await?;
    let domain = filled(s, a.text(2)).await?;
    tenant.domains.push(domain);
    let path = s.dialect().tenants;
    let request = s
        .operator_request("POST", &path)
        .await?
        .json(&tenant.creation());
    let answer = s.send(request).await?;
    s.expect_status(&answer, 201)?;
    s.know_tenant(a.text(1), tenant);
    Ok(())
}

async fn patch(s: &mut Scene, tenant: &Tenant, change: &Value) -> Check {
    let path = s.dialect().tenant.replace("{id}", &tenant.id);
    let request = s.operator_request("PATCH", &path).await?.json(change);
    let answer = s.send(request).await?;
    s.expect_status(&answer, 200)
}

async fn renames(s: &mut Scene, a: Args) -> Check {
    let slug = filled(s, a.text(2)).await?;
    let mut tenant = s.tenant(a.text(1))?;
    patch(s, &tenant, &json!({ "slug": slug })).await?;
    tenant.host = s.instance().await?.tenant_host(&slug);
    tenant.slug = slug;
    s.know_tenant(a.text(1), tenant);
    Ok(())
}

async fn renames_and_moves(s: &mut Scene, a: Args) -> Check {
    let slug = filled(s, a.text(2)).await?;
    let mut tenant = s.tenant(a.text(1))?;
    tenant.domains = hostnames(s, &a).await?;
    let change = json!({ "slug": slug, "domains": tenant.domains });
    patch(s, &tenant, &change).await?;
    tenant.host = s.instance().await?.tenant_host(&slug);
    tenant.slug = slug;
    s.know_tenant(a.text(1), tenant);
    Ok(())
}

/// The hostnames of a step's table.
async fn hostnames(s: &mut Scene, a: &Args) -> Result<Vec<String>, Stop> {
    let mut names = Vec::new();
    for name in a.list() {
        names.push(filled(s, &name).await?);
    }
    Ok(names)
}

async fn changes_one_field(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.tenant(a.text(1))?;
    let change = match a.text(2) {
        "slug" => {
            let slug = s.slug("renamed");
            tenant.host = s.instance().await?.tenant_host(&slug);
            tenant.slug.clone_from(&slug);
            json!({ "slug": slug })
        }
        "tier" => json!({ "tier": "premium" }),
        _ => json!({ "platform": "cli" }),
    };
    patch(s, &tenant, &change).await?;
    s.know_tenant(a.text(1), tenant);
    Ok(())
}

async fn gives_hostnames(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.tenant(a.text(1))?;
    tenant.domains = hostnames(s, &a).await?;
    patch(s, &tenant, &json!({ "domains": tenant.domains })).await?;
    s.know_tenant(a.text(1), tenant);
    Ok(())
}

async fn deletes(s: &mut Scene, a: Args) -> Check {
    let path = s.dialect().tenant.replace("{id}", &s.tenant(a.text(1))?.id);
    let request = s.operator_request("DELETE", &path).await?;
    let answer = s.send(request).await?;
    s.expect(
        (200..300).contains(&answer.status),
        "the deletion succeeds",
        || crate::run::scene::describe(&answer),
    )
}

async fn looks_at(s: &mut Scene, a: Args) -> Check {
    let path = s.dialect().tenant.replace("{id}", &s.tenant(a.text(1))?.id);
    let request = s.operator_request("GET", &path).await?;
    s.send(request).await.map(drop)
}

async fn starts_gateway(s: &mut Scene, a: Args) -> Result<(), Stop> {
    let id = s.tenant(a.text(1))?.id;
    start_gateway(s, &id).await.map(drop)
}
