//! When the connection of a request stood. Never opens one itself, and never delays one.

use crate::clock;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    static STOOD: Arc<OnceLock<Instant>>;
}

/// Does `work`, and tells when a connection that was opened for it stood, TLS included: `None` on one that was used before,
/// or where another request's connection came free sooner than the own one.
pub(super) async fn timed<F: Future>(work: F) -> (F::Output, Option<Instant>) {
    let stood = Arc::new(OnceLock::new());
    let done = STOOD.scope(Arc::clone(&stood), work).await;
    (done, stood.get().copied())
}

/// Around the connector of a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing;

impl<S> Layer<S> for Timing {
    type Service = Timed<S>;

    fn layer(&self, inner: S) -> Timed<S> {
        Timed(inner)
    }
}

/// A connector that tells when it is done.
#[derive(Debug, Clone)]
pub(super) struct Timed<S>(S);

impl<S, R> Service<R> for Timed<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.0.call(request);
        Box::pin(async move {
            let connected = connecting.await;
            // Outside of a request nobody asks: the client finishes a connection that it does not need any more in a task of its own.
            let _nobody = STOOD.try_with(|stood| stood.get_or_init(clock::now).to_owned());
            connected
        })
    }
}
