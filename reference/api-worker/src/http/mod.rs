//! The HTTP face of the worker: routes, shapes, headers. Never decides a rule of the contract; it asks the application.

mod admin;
mod entry;
mod error;
mod input;
mod settings;
mod users;

pub use entry::Entrance;
pub use error::unparsable;

use crate::app::App;
use crate::app::error::Error;
use axum::Router;
use axum::routing::{delete, get, post, put};
use error::Failure;
use std::sync::Arc;

fn routes() -> Router<Arc<App>> {
    user_routes()
        .merge(admin_routes())
        .fallback(async || Failure::from(Error::NotFound))
        .method_not_allowed_fallback(async || Failure::from(Error::MethodNotAllowed))
}

fn user_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/chat/completions", post(users::chat))
        .route(
            "/v1/conversations",
            post(users::begin_conversation).get(users::conversations),
        )
        .route(
            "/v1/conversations/{id}",
            get(users::conversation).delete(users::delete_conversation),
        )
        .route("/v1/conversations/{id}/messages", get(users::messages))
        .route("/v1/usage", get(users::usage))
        .route("/v1/preferences", get(users::preferences))
        .route(
            "/v1/preferences/{name}",
            put(users::prefer).delete(users::forget),
        )
        .route("/v1/flags", get(users::flags))
        .route("/v1/flags/{name}", get(users::flag))
        .route("/v1/sessions", post(users::begin_session))
        .route("/v1/sessions/{id}", delete(users::end_session))
}

fn admin_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/admin/keys", post(admin::create_key).get(admin::keys))
        .route(
            "/api/admin/keys/{id}",
            get(admin::key).delete(admin::revoke_key),
        )
        .route("/api/admin/keys/{id}/rotate", post(admin::rotate_key))
        .route(
            "/api/admin/prices",
            post(admin::create_price).get(admin::prices),
        )
        .route(
            "/api/admin/preferences/{scope}/{subject}/{name}",
            put(settings::set_preference).delete(settings::delete_preference),
        )
        .route("/api/admin/flags", get(settings::flags))
        .route(
            "/api/admin/flags/{name}",
            put(settings::set_flag).delete(settings::delete_flag),
        )
        .route(
            "/api/admin/webhooks",
            post(admin::create_webhook).get(admin::webhooks),
        )
        .route(
            "/api/admin/webhooks/{id}",
            get(admin::webhook).delete(admin::delete_webhook),
        )
        .route(
            "/api/admin/webhooks/{id}/deliveries",
            get(admin::deliveries),
        )
        .route("/api/admin/audit", get(admin::audit))
        .route("/api/admin/usage", get(admin::usage))
        .route("/api/admin/statistics", get(admin::statistics))
        .route("/api/admin/retention", put(settings::set_retention))
        .route("/api/admin/jobs/statistics", post(settings::sum_days))
        .route("/api/admin/jobs/retention", post(settings::clean))
        .route("/api/admin/jobs/deliveries", post(settings::deliver))
        .route("/api/admin/schema", get(admin::schema))
        .route("/api/admin/metrics", get(admin::metrics))
}
