//! One API worker of the catalogue as a server, for somebody who wants to see by hand what it breaks. Never judges it.

use super::{Backend, Made};
use crate::reference::api_worker::serve_behind;
use crate::tamper::Tamper;
use crate::tamper::proxy::Proxy;
use moltproof_api_worker::teeth::{Deviant, Interceptor};
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

/// Why a backend is not served.
#[derive(Debug, thiserror::Error)]
pub enum Unserved {
    /// Nothing of it answers requests.
    #[error(
        "`{0}` is a data layer, which answers no requests: `moltproof teeth --profile api-worker --only {0}` judges it"
    )]
    DataLayer(String),
    /// What it does wrong shows only where the harness plays the crash, the resolver, the endpoint or the database.
    #[error(
        "`{0}` differs only where the harness kills it, answers for its resolver, or sees its deliveries or its database: `moltproof teeth --profile api-worker --only {0}` judges it"
    )]
    OnlyJudged(String),
    /// It could not serve.
    #[error("{0}")]
    Failed(String),
}

impl Backend {
    /// Serves the reference, as the environment configures it, with what makes this backend before it, until a signal comes.
    ///
    /// # Errors
    /// [`Unserved`]
    pub async fn serve(&self, listen: SocketAddr) -> Result<(), Unserved> {
        let served = match &self.made {
            Made::Intercepted(deviant) => intercepted(*deviant, listen).await,
            Made::Behind(front) | Made::Null(front) => behind((front.make)(), listen).await,
            Made::Crashing(_) | Made::Misled(_) | Made::Told(_) | Made::Altering(_) => {
                return Err(Unserved::OnlyJudged(self.id.clone()));
            }
            Made::Layer(_) => return Err(Unserved::DataLayer(self.id.clone())),
        };
        served.map_err(Unserved::Failed)
    }
}

async fn intercepted(deviant: Deviant, listen: SocketAddr) -> Result<(), String> {
    // Nobody may be reading; the server is there all the same.
    let line = |line: &str| drop(writeln!(std::io::stderr(), "{line}"));
    serve_behind(async |base: String| {
        let interceptor = Interceptor::start_at(listen, &base, deviant, Some(line))?;
        Ok((interceptor.base().to_owned(), interceptor))
    })
    .await
}

async fn behind(tamper: Arc<dyn Tamper>, listen: SocketAddr) -> Result<(), String> {
    serve_behind(async |base: String| {
        let proxy = Proxy::start_at(listen, &base, tamper).await?;
        Ok((proxy.base.clone(), proxy))
    })
    .await
}
