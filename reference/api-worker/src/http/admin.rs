//! The operators' routes about keys, prices, webhooks and what they look at, with their wire shapes. Access was checked before.

use super::entry::Operator;
use super::input::{self, Answer, InPath, PageQuery, RangeQuery, no_content, ok};
use crate::app::App;
use crate::app::error::Error;
use crate::domain::address::Endpoint;
use crate::domain::credential::{Credential, Kind, webhook_secret};
use crate::domain::cursor::Cursor;
use crate::domain::date::{TIME_MAX, is_date};
use crate::domain::fields::{
    Count, Distinct, EventKind, Model, Permission, Price, Time, Title, UserId,
};
use crate::domain::records::{Key, ModelPrice, Webhook};
use crate::store::keys::Told;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBody {
    user_id: UserId,
    name: Option<Title>,
    permissions: Distinct<Permission>,
    expires_at: Option<Time>,
    quota_requests: Option<Count>,
}

/// A key with the whole credential, in the one answer that shows it.
#[derive(Serialize)]
struct ShownKey<'a> {
    #[serde(flatten)]
    key: &'a Key,
    #[serde(rename = "key")]
    credential: &'a str,
}

fn permission_name(permission: Permission) -> &'static str {
    match permission {
        Permission::Chat => "chat",
        Permission::Read => "read",
        Permission::Write => "write",
    }
}

fn fresh(kind: Kind) -> Result<Credential, Error> {
    Credential::random(kind).map_err(|_none| Error::Internal)
}

/// `POST /api/admin/keys`
pub(super) async fn create_key(
    State(app): State<Arc<App>>,
    operator: Operator,
    request: Request,
) -> Answer {
    let body: KeyBody = input::object(&app, request).await?;
    let (act, credential) = (operator.act(), fresh(Kind::Key)?);
    if body.expires_at.is_some_and(|end| end.get() <= act.now) {
        return Err(Error::field("expires_at", "expires_at must be after now.").into());
    }
    let permissions = body.permissions.as_slice().iter();
    let new = Key {
        id: Uuid::now_v7().to_string(),
        user_id: body.user_id.as_str().to_owned(),
        name: body.name.map(|name| name.as_str().to_owned()),
        prefix: credential.prefix().to_owned(),
        permissions: permissions
            .map(|permission| permission_name(*permission).to_owned())
            .collect(),
        expires_at: body.expires_at.map(Time::get),
        quota_requests: body.quota_requests.map(Count::get),
        requests_used: 0,
        replaces: None,
        revoked_at: None,
        created_at: act.now,
    };
    let shown = credential.expose().to_owned();
    let told = app.store()?.create_key(act, new, credential).await?;
    show_key(&app, &operator, told, &shown)
}

fn show_key(app: &Arc<App>, operator: &Operator, told: Told<Key>, credential: &str) -> Answer {
    app.deliver_soon(told.deliveries, operator.caller.present.clone());
    input::json(
        StatusCode::CREATED,
        &ShownKey {
            key: &told.value,
            credential,
        },
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysQuery {
    user_id: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /api/admin/keys`
pub(super) async fn keys(State(app): State<Arc<App>>, _operator: Operator, uri: Uri) -> Answer {
    let query: KeysQuery = input::query(&uri)?;
    let cursor = input::cursor(query.cursor.as_deref(), Cursor::first())?;
    let page = app
        .store()?
        .keys(query.user_id, cursor, input::limit(query.limit)?)
        .await?;
    input::page("keys", &page)
}

/// `GET /api/admin/keys/{id}`
pub(super) async fn key(
    State(app): State<Arc<App>>,
    _operator: Operator,
    InPath(id): InPath,
) -> Answer {
    ok(&app.store()?.key(&id)?.ok_or(Error::NotFound)?)
}

/// `POST /api/admin/keys/{id}/rotate`
pub(super) async fn rotate_key(
    State(app): State<Arc<App>>,
    operator: Operator,
    InPath(id): InPath,
    request: Request,
) -> Answer {
    input::nothing(&app, request).await?;
    let credential = fresh(Kind::Key)?;
    let shown = credential.expose().to_owned();
    let new_id = Uuid::now_v7().to_string();
    let told = app
        .store()?
        .rotate_key(operator.act(), id, new_id, credential)
        .await??;
    show_key(&app, &operator, told, &shown)
}

/// `DELETE /api/admin/keys/{id}`
pub(super) async fn revoke_key(
    State(app): State<Arc<App>>,
    operator: Operator,
    InPath(id): InPath,
    request: Request,
) -> Answer {
    input::nothing(&app, request).await?;
    let deliveries = app.store()?.revoke_key(operator.act(), id).await??;
    app.deliver_soon(deliveries, operator.caller.present.clone());
    Ok(no_content())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceBody {
    model: Model,
    input_micros_per_million: Price,
    output_micros_per_million: Price,
    valid_from: Option<Time>,
}

/// `POST /api/admin/prices`
pub(super) async fn create_price(
    State(app): State<Arc<App>>,
    operator: Operator,
    request: Request,
) -> Answer {
    let body: PriceBody = input::object(&app, request).await?;
    let act = operator.act();
    let valid_from = body.valid_from.map_or(act.now, Time::get);
    if valid_from < act.now {
        return Err(Error::field("valid_from", "valid_from must not be before now.").into());
    }
    let new = ModelPrice {
        id: Uuid::now_v7().to_string(),
        model: body.model.as_str().to_owned(),
        input_micros_per_million: body.input_micros_per_million.get(),
        output_micros_per_million: body.output_micros_per_million.get(),
        valid_from,
        valid_to: None,
        created_at: act.now,
    };
    let told = app.store()?.create_price(act, new).await??;
    app.deliver_soon(told.deliveries, operator.caller.present.clone());
    input::json(StatusCode::CREATED, &told.value)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PricesQuery {
    model: Option<String>,
}

/// `GET /api/admin/prices`
pub(super) async fn prices(State(app): State<Arc<App>>, _operator: Operator, uri: Uri) -> Answer {
    let query: PricesQuery = input::query(&uri)?;
    ok(&json!({"prices": app.store()?.prices(query.model).await?}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookBody {
    url: String,
    events: Distinct<EventKind>,
}

#[derive(Serialize)]
struct ShownWebhook<'a> {
    #[serde(flatten)]
    webhook: &'a Webhook,
    secret: &'a str,
}

/// `POST /api/admin/webhooks`
pub(super) async fn create_webhook(
    State(app): State<Arc<App>>,
    operator: Operator,
    request: Request,
) -> Answer {
    let body: WebhookBody = input::object(&app, request).await?;
    let refused = || Error::field("url", "url must be an https address that is public.");
    let endpoint = Endpoint::parse(&body.url, &app.config().webhook_allowed).ok_or_else(refused)?;
    if app.sender().is_private(&endpoint).await {
        return Err(refused().into());
    }
    let act = operator.act();
    let events = body
        .events
        .as_slice()
        .iter()
        .map(|event| event.name().to_owned());
    let new = Webhook {
        id: Uuid::now_v7().to_string(),
        url: body.url,
        events: events.collect(),
        state: "active".to_owned(),
        created_at: act.now,
    };
    let secret = webhook_secret().map_err(|_none| Error::Internal)?;
    let webhook = app
        .store()?
        .create_webhook(act, new, secret.clone())
        .await?;
    let shown = ShownWebhook {
        webhook: &webhook,
        secret: &secret,
    };
    input::json(StatusCode::CREATED, &shown)
}

/// `GET /api/admin/webhooks`
pub(super) async fn webhooks(State(app): State<Arc<App>>, _operator: Operator) -> Answer {
    ok(&json!({"webhooks": app.store()?.webhooks().await?}))
}

/// `GET /api/admin/webhooks/{id}`
pub(super) async fn webhook(
    State(app): State<Arc<App>>,
    _operator: Operator,
    InPath(id): InPath,
) -> Answer {
    ok(&app.store()?.webhook(&id)?.ok_or(Error::NotFound)?)
}

/// `DELETE /api/admin/webhooks/{id}`
pub(super) async fn delete_webhook(
    State(app): State<Arc<App>>,
    operator: Operator,
    InPath(id): InPath,
    request: Request,
) -> Answer {
    input::nothing(&app, request).await?;
    app.store()?.delete_webhook(operator.act(), id).await??;
    Ok(no_content())
}

/// `GET /api/admin/webhooks/{id}/deliveries`
pub(super) async fn deliveries(
    State(app): State<Arc<App>>,
    _operator: Operator,
    InPath(id): InPath,
    uri: Uri,
) -> Answer {
    let (cursor, limit) = input::query::<PageQuery>(&uri)?.read(Cursor::first())?;
    let page = app.store()?.deliveries(id, cursor, limit).await?;
    input::page("deliveries", &page.ok_or(Error::NotFound)?)
}

/// `GET /api/admin/audit`
pub(super) async fn audit(State(app): State<Arc<App>>, _operator: Operator, uri: Uri) -> Answer {
    let range = input::query::<RangeQuery>(&uri)?.without_user()?.range()?;
    input::page("entries", &app.store()?.audit(range).await?)
}

/// `GET /api/admin/usage`
pub(super) async fn usage(State(app): State<Arc<App>>, _operator: Operator, uri: Uri) -> Answer {
    let query: RangeQuery = input::query(&uri)?;
    let range = query.range()?;
    input::page("usage", &app.store()?.usage(query.user_id, range).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatisticsQuery {
    from: Option<String>,
    to: Option<String>,
    user_id: Option<String>,
}

/// `GET /api/admin/statistics`
pub(super) async fn statistics(
    State(app): State<Arc<App>>,
    _operator: Operator,
    uri: Uri,
) -> Answer {
    let query: StatisticsQuery = input::query(&uri)?;
    let from = query.from.unwrap_or_else(|| "0000-01-01".to_owned());
    let to = query.to.unwrap_or_else(|| "9999-12-31".to_owned());
    if !is_date(&from) || !is_date(&to) {
        return Err(Error::invalid("from and to must be dates, as 2026-01-31.").into());
    }
    ok(&json!({"days": app.store()?.statistics(from, to, query.user_id).await?}))
}

/// `GET /api/admin/schema`
pub(super) async fn schema(State(app): State<Arc<App>>, _operator: Operator) -> Answer {
    let history = app.store()?.applied_files().await?;
    let newest = history.last().ok_or(Error::Internal)?;
    ok(&json!({"version": newest.version, "environment": newest.environment, "history": history}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricsQuery {
    name: Option<String>,
    from: Option<i64>,
    to: Option<i64>,
}

/// `GET /api/admin/metrics`
pub(super) async fn metrics(State(app): State<Arc<App>>, _operator: Operator, uri: Uri) -> Answer {
    let query: MetricsQuery = input::query(&uri)?;
    let (from, to) = (query.from.unwrap_or(0), query.to.unwrap_or(TIME_MAX + 1));
    ok(&json!({"metrics": app.store()?.metrics(query.name, from, to).await?}))
}
