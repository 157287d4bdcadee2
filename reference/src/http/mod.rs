//! The HTTP face of the backend: routes, gates, shapes. Never decides a rule of the contract; it asks the application.

mod admin;
pub mod body;
mod entry;
pub mod error;
pub mod origin;
mod public;

pub(crate) use entry::Entrance;
pub(crate) use error::unparsable;
pub use origin::Peer;

use crate::app::App;
use crate::app::error::Error;
use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{get, post};
use error::Failure;
use std::sync::Arc;

/// All routes behind all gates, as an axum router.
pub fn router(app: Arc<App>) -> Router {
    let entrance = Entrance::new(app);
    let answer = |State(entrance): State<Entrance>, request: Request| async move {
        entrance.answer(request).await
    };
    Router::new().fallback(answer).with_state(entrance)
}

fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/sandbox-health", get(public::health))
        .route("/api/status", get(public::status))
        .route("/v1/chat/completions", post(public::chat))
        .route("/api/admin/tenants", get(admin::list).post(admin::create))
        .route(
            "/api/admin/tenants/{id}",
            get(admin::read).patch(admin::edit).delete(admin::delete),
        )
        .route("/api/admin/tenants/{id}/routing", get(admin::routing))
        .route("/api/admin/tenants/{id}/usage", get(admin::usage))
        .route("/api/admin/tenants/{id}/gateway", get(admin::gateway))
        .route(
            "/api/admin/tenants/{id}/gateway/start",
            post(admin::start_gateway),
        )
        .fallback(async || Failure::from(Error::NotFound))
        .method_not_allowed_fallback(async || Failure::from(Error::MethodNotAllowed))
}
