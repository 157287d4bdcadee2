//! The admin routes and their wire shapes. Never trusts a host or a header; Access was checked before.

use super::body;
use super::error::Failure;
use super::public::{json, state_name};
use crate::app::App;
use crate::app::error::Error;
use crate::app::tenants::{NamedTenant, NewTenant, TenantEdit};
use crate::domain::json::object_text;
use crate::domain::names::{CustomDomains, Platform, Slug};
use crate::domain::sandbox_id::SandboxId;
use crate::domain::tenant::{TenantId, Tier};
use crate::domain::usage::UsageRow;
use crate::ports::{GatewayStatus, UsageRange};
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;

/// Items of a page unless `limit` says otherwise.
const PAGE_LEN_DEFAULT: u32 = 100;
/// Longest cursor; ours are a UUID, or a timestamp and a UUID.
const CURSOR_LEN_MAX: usize = 128;

type Answer = Result<Response, Failure>;

/// The `{id}` of a path; what is no UUID is of no tenant.
pub(super) struct IdInPath(TenantId);

impl<S: Send + Sync> FromRequestParts<S> for IdInPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_rejection| Error::TenantNotFound)?;
        Ok(Self(
            TenantId::parse(&text).map_err(|_source| Error::TenantNotFound)?,
        ))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    slug: String,
    #[serde(default, deserialize_with = "given")]
    platform: Option<String>,
    #[serde(default, deserialize_with = "given")]
    tier: Option<String>,
    #[serde(default, deserialize_with = "given")]
    id: Option<String>,
    #[serde(default, deserialize_with = "given")]
    domains: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditBody {
    #[serde(default, deserialize_with = "given")]
    slug: Option<String>,
    #[serde(default, deserialize_with = "given")]
    platform: Option<String>,
    #[serde(default, deserialize_with = "given")]
    tier: Option<String>,
    #[serde(default, deserialize_with = "given")]
    domains: Option<Vec<String>>,
}

/// A field may be left out, but it may not be null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct UsageQuery {
    from: Option<i64>,
    to: Option<i64>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct TenantBody {
    id: String,
    slug: String,
    platform: String,
    tier: String,
    sandbox_id: String,
    domains: Vec<String>,
    created_at: i64,
    updated_at: i64,
}

impl From<NamedTenant> for TenantBody {
    fn from(tenant: NamedTenant) -> Self {
        let NamedTenant { record, names } = tenant;
        let (slug, domains) = names
            .map(|names| (names.slug, names.domains))
            .unwrap_or_default();
        Self {
            id: record.id.to_string(),
            slug,
            platform: record.platform,
            tier: record.tier,
            sandbox_id: record.sandbox_id,
            domains,
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

#[derive(Serialize)]
struct TenantsBody {
    tenants: Vec<TenantBody>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct RoutingBody {
    tenant_id: String,
    tier: &'static str,
    model: &'static str,
    fallback_model: Option<&'static str>,
    timeout_ms: u64,
    fallback_timeout_ms: Option<u64>,
    retries: u32,
}

#[derive(Serialize)]
struct UsageRowBody {
    id: String,
    tenant_id: String,
    model: String,
    tokens_in: i64,
    tokens_out: i64,
    latency_ms: i64,
    created_at: i64,
}

impl From<UsageRow> for UsageRowBody {
    fn from(row: UsageRow) -> Self {
        Self {
            id: row.id.to_string(),
            tenant_id: row.tenant_id.to_string(),
            model: row.model,
            tokens_in: row.tokens_in,
            tokens_out: row.tokens_out,
            latency_ms: row.latency_ms,
            created_at: row.created_at,
        }
    }
}

#[derive(Serialize)]
struct UsageBody {
    usage: Vec<UsageRowBody>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct GatewayBody {
    sandbox_id: String,
    state: &'static str,
    instance_id: Option<String>,
    started_at: Option<i64>,
}

/// `GET /api/admin/tenants`
pub(super) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let ListQuery { limit, cursor } = query(&uri)?;
    if cursor
        .as_deref()
        .is_some_and(|cursor| TenantId::parse(cursor).is_err())
    {
        return Err(invalid_field("cursor", "cursor must be one that a former page gave.").into());
    }
    let page = app.tenants(cursor.as_deref(), page_len(limit)?).await?;
    let tenants = page.items.into_iter().map(TenantBody::from).collect();
    json(&TenantsBody {
        tenants,
        next_cursor: page.next_cursor,
    })
}

/// `POST /api/admin/tenants`
pub(super) async fn create(State(app): State<Arc<App>>, request: Request) -> Answer {
    let body: CreateBody = read_object(&app, request).await?;
    let new = NewTenant {
        id: match body.id {
            Some(text) => TenantId::parse(&text)
                .map_err(|_source| invalid_field("id", "id must be a UUID."))?,
            None => TenantId::random(),
        },
        slug: Slug::parse(&body.slug).map_err(Error::from)?,
        platform: body
            .platform
            .as_deref()
            .map(Platform::parse)
            .transpose()
            .map_err(Error::from)?
            .unwrap_or_default(),
        tier: body
            .tier
            .as_deref()
            .map(tier)
            .transpose()?
            .unwrap_or(Tier::Free),
        domains: CustomDomains::parse(&body.domains.unwrap_or_default(), app.app_domain())
            .map_err(Error::from)?,
    };
    let mut response = json(&TenantBody::from(app.create_tenant(new).await?))?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `GET /api/admin/tenants/{id}`
pub(super) async fn read(State(app): State<Arc<App>>, IdInPath(id): IdInPath) -> Answer {
    json(&TenantBody::from(app.tenant(id).await?))
}

/// `PATCH /api/admin/tenants/{id}`
pub(super) async fn edit(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    request: Request,
) -> Answer {
    let body: EditBody = read_object(&app, request).await?;
    if body.slug.is_none()
        && body.platform.is_none()
        && body.tier.is_none()
        && body.domains.is_none()
    {
        return Err(Error::invalid(
            "At least one of slug, platform, tier and domains must be given.",
        )
        .into());
    }
    let domains = body
        .domains
        .map(|domains| CustomDomains::parse(&domains, app.app_domain()));
    let edit = TenantEdit {
        slug: body
            .slug
            .as_deref()
            .map(Slug::parse)
            .transpose()
            .map_err(Error::from)?,
        platform: body
            .platform
            .as_deref()
            .map(Platform::parse)
            .transpose()
            .map_err(Error::from)?,
        tier: body.tier.as_deref().map(tier).transpose()?,
        domains: domains.transpose().map_err(Error::from)?,
    };
    json(&TenantBody::from(app.edit_tenant(id, edit).await?))
}

/// `DELETE /api/admin/tenants/{id}`
pub(super) async fn delete(State(app): State<Arc<App>>, IdInPath(id): IdInPath) -> Answer {
    app.delete_tenant(id).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// `GET /api/admin/tenants/{id}/routing`
pub(super) async fn routing(State(app): State<Arc<App>>, IdInPath(id): IdInPath) -> Answer {
    let (tier, routing) = app.routing_of(id).await?;
    let milliseconds = |leg: &crate::domain::routing::Leg| {
        u64::try_from(leg.first_byte_timeout.as_millis()).unwrap_or(u64::MAX)
    };
    json(&RoutingBody {
        tenant_id: id.to_string(),
        tier: tier.name(),
        model: routing.primary.model,
        fallback_model: routing.fallback.as_ref().map(|leg| leg.model),
        timeout_ms: milliseconds(&routing.primary),
        fallback_timeout_ms: routing.fallback.as_ref().map(milliseconds),
        retries: routing.primary.retries,
    })
}

/// `GET /api/admin/tenants/{id}/usage`
pub(super) async fn usage(State(app): State<Arc<App>>, IdInPath(id): IdInPath, uri: Uri) -> Answer {
    let UsageQuery {
        from,
        to,
        limit,
        cursor,
    } = query(&uri)?;
    let (from_ms, to_ms) = (from.unwrap_or(0), to.unwrap_or(i64::MAX));
    if from_ms < 0 || to_ms < from_ms {
        return Err(invalid_field(
            "from",
            "from and to must be epoch milliseconds, from not after to.",
        )
        .into());
    }
    let cursor_fits = |cursor: &str| {
        cursor.len() <= CURSOR_LEN_MAX && cursor.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !cursor.as_deref().is_none_or(cursor_fits) {
        return Err(invalid_field("cursor", "cursor must be one that a former page gave.").into());
    }
    let range = UsageRange {
        from_ms,
        to_ms,
        cursor,
        limit: page_len(limit)?,
    };
    let page = app.usage(id, &range).await?;
    let usage = page.items.into_iter().map(UsageRowBody::from).collect();
    json(&UsageBody {
        usage,
        next_cursor: page.next_cursor,
    })
}

/// `GET /api/admin/tenants/{id}/gateway`
pub(super) async fn gateway(State(app): State<Arc<App>>, IdInPath(id): IdInPath) -> Answer {
    gateway_answer(app.gateway_of(id).await?)
}

/// `POST /api/admin/tenants/{id}/gateway/start`
pub(super) async fn start_gateway(State(app): State<Arc<App>>, IdInPath(id): IdInPath) -> Answer {
    gateway_answer(app.start_gateway_of(id).await?)
}

fn gateway_answer((sandbox, status): (SandboxId, GatewayStatus)) -> Answer {
    json(&GatewayBody {
        sandbox_id: sandbox.to_string(),
        state: state_name(status.state),
        instance_id: status.instance_id.map(|id| id.to_string()),
        started_at: status.started_at,
    })
}

async fn read_object<T: DeserializeOwned>(app: &App, request: Request) -> Result<T, Error> {
    let body = body::read(app.clock(), request.into_body()).await?;
    let malformed = "The body must be a JSON object of known fields with the right types.";
    let text = object_text(&body).map_err(|_source| Error::invalid(malformed))?;
    serde_json::from_str(text).map_err(|_source| Error::invalid(malformed))
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Error> {
    let query = Query::<T>::try_from_uri(uri)
        .map_err(|_rejection| Error::invalid("The query has a malformed parameter."))?;
    Ok(query.0)
}

fn page_len(limit: Option<u32>) -> Result<u32, Error> {
    let limit = limit.unwrap_or(PAGE_LEN_DEFAULT);
    if (1..=1000).contains(&limit) {
        Ok(limit)
    } else {
        Err(invalid_field("limit", "limit must be 1 to 1000."))
    }
}

fn tier(name: &str) -> Result<Tier, Error> {
    Tier::parse(name)
        .ok_or_else(|| invalid_field("tier", "tier must be free, premium or enterprise."))
}

fn invalid_field(field: &'static str, message: &'static str) -> Error {
    Error::Invalid {
        message,
        field: Some(field),
    }
}
