//! The routes of users and their wire shapes. Never sees a request that a gate refused.

use super::entry::Visitor;
use super::input::{self, Answer, InPath, PageQuery, RangeQuery, ValueBody, no_content, ok};
use crate::app::App;
use crate::app::chat::ChatAnswer;
use crate::app::error::Error;
use crate::domain::credential::{Credential, Kind};
use crate::domain::cursor::Cursor;
use crate::domain::fields::{LIMIT_PREFIX, Name, Scope, SessionSeconds, Title, UserId};
use crate::domain::flag::{Source, bucket};
use crate::domain::records::Conversation;
use crate::store::preferences::Setting;
use crate::store::sessions::NewSession;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// How long a session lasts unless it is said.
const SESSION_SECONDS: i64 = 86_400;

/// `POST /v1/chat/completions`
pub(super) async fn chat(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    request: Request,
) -> Answer {
    let body = input::bytes(&app, request).await?;
    let answer = app.chat(&visitor.caller, &visitor.principal, &body).await?;
    let (body, content_type) = match answer {
        ChatAnswer::Json(bytes) => (Body::from(bytes), "application/json"),
        ChatAnswer::Events(stream) => (Body::from_stream(stream), "text/event-stream"),
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConversationBody {
    title: Option<Title>,
}

/// `POST /v1/conversations`
pub(super) async fn begin_conversation(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    request: Request,
) -> Answer {
    let body: ConversationBody = input::object(&app, request).await?;
    let now = visitor.caller.now();
    let new = Conversation {
        id: Uuid::now_v7().to_string(),
        title: body.title.map(|title| title.as_str().to_owned()),
        created_at: now,
        updated_at: now,
        message_count: 0,
    };
    let made = app
        .store()?
        .begin_conversation(visitor.principal.user_id, new)
        .await?;
    input::json(StatusCode::CREATED, &made)
}

/// `GET /v1/conversations`
pub(super) async fn conversations(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    uri: Uri,
) -> Answer {
    let (cursor, limit) = input::query::<PageQuery>(&uri)?.read(Cursor::last())?;
    let page = app
        .store()?
        .conversations(visitor.principal.user_id, cursor, limit)
        .await?;
    input::page("conversations", &page)
}

/// `GET /v1/conversations/{id}`
pub(super) async fn conversation(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    InPath(id): InPath,
) -> Answer {
    let found = app.store()?.conversation(&visitor.principal.user_id, &id)?;
    ok(&found.ok_or(Error::NotFound)?)
}

/// `DELETE /v1/conversations/{id}`
pub(super) async fn delete_conversation(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    InPath(id): InPath,
    request: Request,
) -> Answer {
    input::nothing(&app, request).await?;
    app.store()?
        .delete_conversation(visitor.principal.user_id, id)
        .await??;
    Ok(no_content())
}

/// `GET /v1/conversations/{id}/messages`
pub(super) async fn messages(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    InPath(id): InPath,
    uri: Uri,
) -> Answer {
    let (cursor, limit) = input::query::<PageQuery>(&uri)?.read(Cursor::first())?;
    let page = app
        .store()?
        .messages(visitor.principal.user_id, id, cursor, limit)
        .await?;
    input::page("messages", &page.ok_or(Error::NotFound)?)
}

/// `GET /v1/usage`
pub(super) async fn usage(State(app): State<Arc<App>>, visitor: Visitor, uri: Uri) -> Answer {
    let range = input::query::<RangeQuery>(&uri)?.without_user()?.range()?;
    let page = app
        .store()?
        .usage(Some(visitor.principal.user_id), range)
        .await?;
    input::page("usage", &page)
}

/// `GET /v1/preferences`
pub(super) async fn preferences(State(app): State<Arc<App>>, visitor: Visitor) -> Answer {
    let environment = app.config().environment;
    let resolved = app
        .store()?
        .preferences(visitor.principal.user_id, environment)
        .await?;
    ok(&BTreeMap::from([("preferences", resolved)]))
}

/// A name in a path, by its rule.
pub(super) fn name(text: String) -> Result<Name, Error> {
    Name::try_from(text).map_err(|_invalid| {
        Error::field(
            "name",
            "a name has 1 to 64 of a-z, 0-9, _ and ., and begins with a letter.",
        )
    })
}

/// The user as the owner of preferences. Ids of users are checked when their keys are made.
fn own_scope(visitor: &Visitor) -> Result<Scope, Error> {
    let user = UserId::try_from(visitor.principal.user_id.clone());
    user.map(Scope::User).map_err(|_invalid| Error::Internal)
}

fn own_name(text: String) -> Result<Name, Error> {
    let name = name(text)?;
    if name.as_str().starts_with(LIMIT_PREFIX) {
        return Err(Error::Forbidden { permission: None });
    }
    Ok(name)
}

#[derive(Serialize)]
struct PreferenceBody<'a> {
    name: &'a str,
    value: &'a serde_json::value::RawValue,
}

/// `PUT /v1/preferences/{name}`
pub(super) async fn prefer(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    InPath(text): InPath,
    request: Request,
) -> Answer {
    let name = own_name(text)?;
    let body: ValueBody = input::object(&app, request).await?;
    let answer = ok(&PreferenceBody {
        name: name.as_str(),
        value: &body.value,
    });
    let setting = Setting {
        scope: own_scope(&visitor)?,
        name,
        value: body.value,
    };
    app.store()?.prefer(setting, visitor.caller.now()).await?;
    answer
}

/// `DELETE /v1/preferences/{name}`
pub(super) async fn forget(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    InPath(text): InPath,
    request: Request,
) -> Answer {
    let name = own_name(text)?;
    input::nothing(&app, request).await?;
    app.store()?.forget(own_scope(&visitor)?, name).await??;
    Ok(no_content())
}

/// `GET /v1/flags`
pub(super) async fn flags(State(app): State<Arc<App>>, visitor: Visitor) -> Answer {
    let user = visitor.principal.user_id;
    let flags = app
        .store()?
        .flags_for(user.clone(), app.config().environment)
        .await?;
    let decided = flags.into_iter().map(|(name, flag)| {
        let (enabled, _) = flag.decide(bucket(&name, &user));
        (name, enabled)
    });
    ok(&json!({"flags": decided.collect::<BTreeMap<_, _>>()}))
}

#[derive(Serialize)]
struct FlagBody<'a> {
    name: &'a str,
    enabled: bool,
    source: Source,
}

/// `GET /v1/flags/{name}`
pub(super) async fn flag(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    InPath(text): InPath,
) -> Answer {
    let name = name(text)?;
    let user = &visitor.principal.user_id;
    let flag = app
        .store()?
        .flag_for(name.as_str(), user, app.config().environment)?;
    let (enabled, source) = flag
        .ok_or(Error::NotFound)?
        .decide(bucket(name.as_str(), user));
    ok(&FlagBody {
        name: name.as_str(),
        enabled,
        source,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionBody {
    ttl_seconds: Option<SessionSeconds>,
}

/// `POST /v1/sessions`
pub(super) async fn begin_session(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    request: Request,
) -> Answer {
    if visitor.principal.by_session {
        return Err(Error::Forbidden { permission: None }.into());
    }
    let body: SessionBody = input::object(&app, request).await?;
    let now = visitor.caller.now();
    let seconds = body
        .ttl_seconds
        .map_or(SESSION_SECONDS, SessionSeconds::get);
    let new = NewSession {
        id: Uuid::now_v7().to_string(),
        user_id: visitor.principal.user_id,
        key_id: visitor.principal.key_id,
        expires_at: now
            .saturating_add(seconds * 1000)
            .min(crate::domain::date::TIME_MAX),
        created_at: now,
    };
    let token = Credential::random(Kind::Session).map_err(|_none| Error::Internal)?;
    let shown = json!({"id": new.id, "token": token.expose(), "expires_at": new.expires_at, "created_at": new.created_at});
    app.store()?.begin_session(new, token).await?;
    input::json(StatusCode::CREATED, &shown)
}

/// `DELETE /v1/sessions/{id}`
pub(super) async fn end_session(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    InPath(id): InPath,
    request: Request,
) -> Answer {
    input::nothing(&app, request).await?;
    let now = visitor.caller.now();
    app.store()?
        .end_session(visitor.principal.user_id, id, now)
        .await??;
    Ok(no_content())
}
