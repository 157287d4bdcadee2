//! The operators' routes about preferences, flags, retention and jobs, with their wire shapes. Access was checked before.

use super::entry::Operator;
use super::error::Failure;
use super::input::{self, Answer, InPath, ValueBody, no_content, ok};
use super::users::name;
use crate::app::App;
use crate::app::error::Error;
use crate::app::jobs::{BATCH_SIZE, Batches};
use crate::domain::environment::Environment;
use crate::domain::fields::{BatchSize, Days, Percent, Scope, UserId, is_preference};
use crate::domain::records::FlagRecord;
use crate::store::preferences::Setting;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The three segments of a preference's path.
pub(super) struct PreferencePath {
    scope: Scope,
    name: String,
}

impl<S: Send + Sync> FromRequestParts<S> for PreferencePath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        let Path((scope, subject, name)) = path.map_err(|_rejection| Error::NotFound)?;
        let scope = Scope::parse(&scope, &subject).ok_or_else(|| {
            Error::field("scope", "scope is user, environment or default, and the subject a user id, an environment or -.")
        })?;
        Ok(Self { scope, name })
    }
}

#[derive(Serialize)]
struct ScopedBody<'a> {
    scope: &'static str,
    subject: &'a str,
    name: &'a str,
    value: &'a RawValue,
}

/// `PUT /api/admin/preferences/{scope}/{subject}/{name}`
pub(super) async fn set_preference(
    State(app): State<Arc<App>>,
    operator: Operator,
    path: PreferencePath,
    request: Request,
) -> Answer {
    let (scope, name) = (path.scope, name(path.name)?);
    let body: ValueBody = input::object(&app, request).await?;
    if !is_preference(&scope, &name, body.value.get()) {
        return Err(Error::field(
            "value",
            "a limit is an integer from 0, and has one of the names of limits in this scope.",
        )
        .into());
    }
    let key = scope.key();
    let answer = ok(&ScopedBody {
        scope: key.0,
        subject: key.1,
        name: name.as_str(),
        value: &body.value,
    });
    let setting = Setting {
        scope,
        name,
        value: body.value,
    };
    app.store()?.set_preference(operator.act(), setting).await?;
    answer
}

/// `DELETE /api/admin/preferences/{scope}/{subject}/{name}`
pub(super) async fn delete_preference(
    State(app): State<Arc<App>>,
    operator: Operator,
    path: PreferencePath,
    request: Request,
) -> Answer {
    let name = name(path.name)?;
    input::nothing(&app, request).await?;
    app.store()?
        .delete_preference(operator.act(), path.scope, name)
        .await??;
    Ok(no_content())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlagBody {
    enabled: bool,
    rollout_percent: Option<Percent>,
    #[serde(default)]
    environments: BTreeMap<Environment, bool>,
    #[serde(default)]
    users: BTreeMap<UserId, bool>,
}

/// `PUT /api/admin/flags/{name}`
pub(super) async fn set_flag(
    State(app): State<Arc<App>>,
    operator: Operator,
    InPath(text): InPath,
    request: Request,
) -> Answer {
    let name = name(text)?;
    let body: FlagBody = input::object(&app, request).await?;
    let environments = body.environments.into_iter();
    let users = body.users.into_iter();
    let new = FlagRecord {
        name: name.as_str().to_owned(),
        enabled: body.enabled,
        rollout_percent: body.rollout_percent.map(Percent::get),
        environments: environments
            .map(|(environment, enabled)| (environment.name().to_owned(), enabled))
            .collect(),
        users: users
            .map(|(user, enabled)| (user.as_str().to_owned(), enabled))
            .collect(),
    };
    ok(&app.store()?.set_flag(operator.act(), new).await?)
}

/// `GET /api/admin/flags`
pub(super) async fn flags(State(app): State<Arc<App>>, _operator: Operator) -> Answer {
    ok(&json!({"flags": app.store()?.flags().await?}))
}

/// `DELETE /api/admin/flags/{name}`
pub(super) async fn delete_flag(
    State(app): State<Arc<App>>,
    operator: Operator,
    InPath(text): InPath,
    request: Request,
) -> Answer {
    let name = name(text)?;
    input::nothing(&app, request).await?;
    app.store()?
        .delete_flag(operator.act(), name.as_str().to_owned())
        .await??;
    Ok(no_content())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the contract names the fields")]
struct RetentionBody {
    usage_logs_days: Option<Days>,
    user_sessions_days: Option<Days>,
    rate_limits_days: Option<Days>,
}

/// `PUT /api/admin/retention`
pub(super) async fn set_retention(
    State(app): State<Arc<App>>,
    operator: Operator,
    request: Request,
) -> Answer {
    let body: RetentionBody = input::object(&app, request).await?;
    let days = [
        body.usage_logs_days,
        body.user_sessions_days,
        body.rate_limits_days,
    ];
    let days = days.map(|days| days.map(Days::get));
    ok(&app.store()?.set_retention(operator.act(), days).await?)
}

/// `POST /api/admin/jobs/statistics`
pub(super) async fn sum_days(
    State(app): State<Arc<App>>,
    operator: Operator,
    request: Request,
) -> Answer {
    input::nothing(&app, request).await?;
    let act = operator.act();
    let days = app.sum_days(act.now, Some(act)).await?;
    ok(&json!({"days": days}))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CleanBody {
    batch_size: Option<BatchSize>,
    max_batches: Option<i64>,
}

/// `POST /api/admin/jobs/retention`
pub(super) async fn clean(
    State(app): State<Arc<App>>,
    operator: Operator,
    request: Request,
) -> Answer {
    let body: CleanBody = input::object(&app, request).await?;
    if body.max_batches.is_some_and(|batches| batches < 1) {
        return Err(Error::field("max_batches", "max_batches must be at least 1.").into());
    }
    let act = operator.act();
    let batches = match (body.batch_size, body.max_batches) {
        (None, None) => Batches::Measured,
        (size, most) => Batches::Stated {
            size: size.map_or(BATCH_SIZE, BatchSize::get),
            most,
        },
    };
    ok(&app.clean(act.now, batches, Some(act)).await?)
}

/// `POST /api/admin/jobs/deliveries`
pub(super) async fn deliver(
    State(app): State<Arc<App>>,
    operator: Operator,
    request: Request,
) -> Answer {
    input::nothing(&app, request).await?;
    let act = operator.act();
    ok(&app.deliver_due(&operator.caller.present, Some(act)).await?)
}
