//! The operators' door and what they do to tenants. Never alters a tenant that it has not made.

use super::public::remedy_of;
use super::{Check, Trial, Tried, Unasked, is_ok, is_page, short};
use crate::client::Request;
use crate::contract::need::Need;
use crate::evidence::Exchange;
use crate::steps::operating;
use crate::subject::manifest::{Seeding, TierChange};
use crate::subject::tenant::Tenant;
use serde_json::json;
use std::sync::Arc;

/// How operators are known.
const OPERATOR: &str = "CF_ACCESS_TEAM_DOMAIN and CF_ACCESS_AUD of the target, and [operator]: a token that expired, a service token without a Service Auth policy";

/// Everything that an operator does, by the words of [`crate::run::uses`].
const ALL: [&str; 9] = [
    "create",
    "list",
    "read",
    "change",
    "delete",
    "routing",
    "usage",
    "start-gateway",
    "gateway",
];

/// Knocks without a credential, and with one.
pub(super) async fn lock(trial: &mut Trial, tried: &mut Tried) {
    match knocked(trial).await {
        Ok(check) => tried.put(&ALL, check),
        Err(why) => tried.put(&ALL, why.check("operator", OPERATOR)),
    }
}

async fn knocked(trial: &mut Trial) -> Result<Option<Check>, Unasked> {
    let path = trial.target().dialect().tenants.clone();
    if path.is_empty() || trial.target().lacks(Need::Admin).is_some() {
        return Ok(None);
    }
    let path = format!("{path}?limit=1");
    let request = trial.scene.operator_request("GET", &path).await?;
    let opened = trial.ask(request).await?;
    if matches!(opened.status, 404 | 405) {
        let saw = format!("no such route: GET {path} is answered {}", short(&opened));
        return Ok(Some(Check::wrong("operator", saw).remedy(
            "[dialect] tenants names the path by which operators list and create tenants",
        )));
    }
    if !is_ok(&opened) || is_page(&opened) {
        let saw = format!("the operator's credential is refused: {}", short(&opened));
        return Ok(Some(
            Check::wrong("operator", saw).remedy(remedy_of(&opened, OPERATOR)),
        ));
    }
    // Refused at the edge: the warning of that lock is told elsewhere.
    let closed = match trial.ask(Request::new("GET", path.clone())).await {
        Err(Unasked::NotThere) => {
            return Ok(Some(Check::ok(
                "operator",
                "the operator's credential opens the admin routes",
            )));
        }
        other => other?,
    };
    if is_ok(&closed) {
        let saw = format!(
            "GET {path} is answered {} without any credential: nothing is locked there",
            closed.status
        );
        return Ok(Some(Check::warning("operator", saw).remedy(
            "if it is no admin route: [dialect] tenants; if it is, the Worker breaks ACC-001",
        )));
    }
    let saw = format!(
        "the operator's credential opens the admin routes; without one, {}",
        closed.status
    );
    Ok(Some(Check::ok("operator", saw)))
}

/// Gets a tenant as every scenario gets one.
pub(super) async fn tenant(trial: &mut Trial, tried: &mut Tried) {
    let fixed = matches!(trial.target().seeding(), Some(Seeding::Fixed { .. }));
    if trial.target().lacks(Need::Tenants).is_some() || !trial.may_change && !fixed {
        return;
    }
    match made(trial, "a").await {
        Ok(tenant) => {
            let how = if fixed {
                "is named in the manifest"
            } else {
                "was made"
            };
            tried.put(&[], Check::ok("tenant", format!("`{}` {how}", tenant.slug)));
            trial.tenant = Some(tenant);
        }
        Err(why) => {
            let check = why.check(
                "tenant",
                "how tenants are made: [seeding], [dialect] create_tenant and [launch.variables]",
            );
            tried.put(&["tenants", "status", "chat", "stream"], check);
        }
    }
}

async fn made(trial: &mut Trial, name: &str) -> Result<Tenant, Unasked> {
    let tenant = trial.scene.new_tenant(name, "free").await?;
    Ok(trial.scene.make_tenant(name, tenant).await?)
}

/// Creates, reads, changes and deletes a tenant of its own; a fixed one is only read.
pub(super) async fn operations(trial: &mut Trial, tried: &mut Tried) {
    let locked = tried.broken.contains_key("read");
    if locked || trial.target().lacks(Need::Admin).is_some() {
        return;
    }
    let fixed = matches!(trial.target().seeding(), Some(Seeding::Fixed { .. }));
    let own = if fixed {
        trial.tenant.clone()
    } else if trial.may_change {
        match created(trial).await {
            Ok((tenant, check)) => {
                tried.put(&["create"], check);
                tenant
            }
            Err(why) => {
                tried.put(&["create"], why.check("create", "[dialect] create_tenant"));
                None
            }
        }
    } else {
        None
    };
    let Some(tenant) = own else { return };
    look_at(trial, tried, &tenant).await;
    if fixed {
        return;
    }
    let checks = [
        (
            "change",
            changed(trial, &tenant).await,
            "[dialect] change_tenant",
        ),
        (
            "delete",
            deleted(trial, &tenant).await,
            "[dialect] delete_tenant",
        ),
    ];
    for (word, check, remedy) in checks {
        let check = check.map_or_else(|why| why.check(word, remedy), Some);
        tried.put(&[word], check);
    }
}

/// Creates a tenant by the operators' route, also where scenarios get theirs by other means.
async fn created(trial: &mut Trial) -> Result<(Option<Tenant>, Check), Unasked> {
    let by_stores = matches!(trial.target().seeding(), Some(Seeding::Stores { .. }));
    if !by_stores {
        let tenant = made(trial, "b").await?;
        return Ok((Some(tenant), Check::ok("create", "makes a tenant")));
    }
    let tenant = trial.scene.new_tenant("b", "free").await?;
    let answer = operating::create(&mut trial.scene, &tenant.creation()).await?;
    if answer.status == 201 {
        return Ok((Some(tenant), Check::ok("create", "makes a tenant")));
    }
    let check = Check::wrong("create", format!("answers {}", short(&answer)));
    Ok((
        None,
        check.remedy(remedy_of(&answer, "[dialect] create_tenant")),
    ))
}

/// Reads a tenant in every way that there is.
async fn look_at(trial: &mut Trial, tried: &mut Tried, tenant: &Tenant) {
    let check = match read(trial, tenant).await {
        Ok(check) => Some(check),
        Err(why) => why.check("read", "[dialect] tenant, read_tenant"),
    };
    tried.put(&["read"], check);
    let dialect = trial.scene.dialect();
    let looks = [
        (
            "list",
            format!("{}?limit=1", dialect.tenants),
            "[dialect] tenants",
        ),
        ("routing", dialect.routing, "[dialect] routing"),
        ("usage", dialect.usage, "[dialect] usage"),
        ("gateway", dialect.gateway, "[dialect] gateway"),
    ];
    for (word, template, remedy) in looks {
        if template.is_empty() {
            continue;
        }
        let path = template.replace("{id}", &tenant.id);
        let answer = operating::operate(&mut trial.scene, "GET", path, None).await;
        let check = match answer.map_err(Unasked::from) {
            Ok(answer) if is_ok(&answer) && !is_page(&answer) => None,
            Ok(answer) => Some(
                Check::wrong(word, format!("GET {template} answers {}", short(&answer)))
                    .remedy(remedy_of(&answer, remedy)),
            ),
            Err(why) => why.check(word, remedy),
        };
        tried.put(&[word], check);
    }
}

async fn read(trial: &mut Trial, tenant: &Tenant) -> Result<Check, Unasked> {
    let answer = operating::read(&mut trial.scene, &tenant.id).await?;
    let wrong = |saw: String| Check::wrong("read", saw);
    if !is_ok(&answer) || is_page(&answer) {
        let remedy = remedy_of(&answer, "[dialect] tenant, read_tenant, and tenant_id");
        return Ok(
            wrong(format!("a tenant that was made answers {}", short(&answer))).remedy(remedy),
        );
    }
    let shows = !trial.target().dialect().tenant_slug.is_empty();
    let slug = answer.text_at("/slug");
    if shows && slug.as_deref() != Some(tenant.slug.as_str()) {
        let saw = format!(
            "the tenant `{}` is shown as {}",
            tenant.slug,
            short(&answer)
        );
        return Ok(wrong(saw).remedy("where the answer has the slug: [dialect] tenant_slug"));
    }
    let control = nobodys(trial).await?;
    if is_ok(&control) {
        let saw = format!(
            "an id that is nobody's is answered {} as well",
            control.status
        );
        return Ok(wrong(saw).remedy("[dialect] tenant, read_tenant"));
    }
    let saw = format!(
        "shows the tenant; an id that is nobody's, {}",
        control.status
    );
    Ok(Check::ok("read", saw))
}

async fn nobodys(trial: &mut Trial) -> Result<Arc<Exchange>, Unasked> {
    let nobody = trial.scene.new_tenant("nobody", "free").await?;
    Ok(operating::read(&mut trial.scene, &nobody.id).await?)
}

async fn changed(trial: &mut Trial, tenant: &Tenant) -> Result<Check, Unasked> {
    let to = json!({ "tier": "premium" });
    let answer = operating::change(&mut trial.scene, &tenant.id, &to).await?;
    if !is_ok(&answer) {
        let saw = format!("another tier is answered {}", short(&answer));
        return Ok(Check::wrong("change", saw)
            .remedy(remedy_of(&answer, "[dialect] change_tenant, tiers")));
    }
    let now = operating::read(&mut trial.scene, &tenant.id).await?;
    let at_once = trial.target().limits().tier_change != TierChange::Restart;
    let shows = at_once && !trial.target().dialect().tenant_tier.is_empty();
    let tier = now.text_at("/tier");
    if shows && tier.as_deref() != Some("premium") {
        let tier = tier.unwrap_or_else(|| short(&now));
        let saw = format!(
            "another tier is answered {}, and the tenant is still on `{tier}`",
            answer.status
        );
        return Ok(
            Check::wrong("change", saw).remedy("[dialect] change_tenant, tenant_tier, tiers")
        );
    }
    Ok(Check::ok(
        "change",
        "gives a tenant another tier, which it then shows",
    ))
}

async fn deleted(trial: &mut Trial, tenant: &Tenant) -> Result<Check, Unasked> {
    let answer = operating::delete(&mut trial.scene, &tenant.id).await?;
    if !is_ok(&answer) {
        let saw = format!("removing a tenant is answered {}", short(&answer));
        return Ok(
            Check::wrong("delete", saw).remedy(remedy_of(&answer, "[dialect] delete_tenant"))
        );
    }
    let now = operating::read(&mut trial.scene, &tenant.id).await?;
    if is_ok(&now) {
        let saw = format!(
            "removing a tenant is answered {}, and it is still shown",
            answer.status
        );
        return Ok(Check::wrong("delete", saw).remedy("[dialect] delete_tenant"));
    }
    Ok(Check::ok(
        "delete",
        format!("removes a tenant, which then answers {}", now.status),
    ))
}
