//! Requests to which no answer may come: that too is an outcome. Never judges one.

use super::scene::Scene;
use crate::client::{NoAnswer, Request, raw};
use crate::evidence::Exchange;
use crate::verdict::Stop;
use crate::wait;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use std::sync::Arc;
use std::time::Duration;

/// Byte-exact requests under way at once: each opens a connection of its own, and a target shall not run out of them.
const RAW_SIDE_BY_SIDE: usize = 16;

/// An answer, or why none came: the target closed the connection, answered no HTTP, or took longer than the request's deadline.
pub type Attempt = Result<Arc<Exchange>, String>;

impl Scene {
    /// Sends requests side by side; the outcomes come in the order of the requests.
    ///
    /// # Errors
    /// A fault, when nobody listens or a request cannot be sent.
    pub async fn attempt_all(&mut self, requests: Vec<Request>) -> Result<Vec<Attempt>, Stop> {
        let instance = self.instance().await?;
        let asked = requests.clone();
        let requests: Vec<Request> = requests
            .into_iter()
            .map(|request| self.addressed(request))
            .collect::<Result<_, _>>()?;
        let first = self.exchanges.len() + 1;
        let client = self.run.client.clone();
        client.meter.allow_burst(requests.len())?;
        let sending = requests
            .iter()
            .enumerate()
            .map(|(at, request)| client.send(&instance.base, request, first + at));
        let mut outcomes = Vec::new();
        for (asked, outcome) in asked.iter().zip(join_all(sending).await) {
            outcomes.push(match outcome {
                Ok(answer) => Ok(self.told_later(asked, answer).await?),
                Err(none) => Err(none),
            });
        }
        self.attempted(outcomes)
    }

    /// Sends requests byte for byte, some side by side; the outcomes come in the order of the requests.
    ///
    /// # Errors
    /// As [`Self::attempt_all`]; not verified on a target over TLS.
    pub async fn attempt_all_raw(
        &mut self,
        host: &[u8],
        requests: Vec<Request>,
    ) -> Result<Vec<Attempt>, Stop> {
        let instance = self.instance().await?;
        if !instance.base.starts_with("http://") {
            return Err(Stop::NotVerified(
                "byte-exact requests need a target at an http:// address".to_owned(),
            ));
        }
        let requests: Vec<Request> = requests
            .into_iter()
            .map(|request| self.addressed(request))
            .collect::<Result<_, _>>()?;
        let first = self.exchanges.len() + 1;
        let client = self.run.client.clone();
        let sending = requests
            .iter()
            .enumerate()
            .map(|(at, request)| raw::send(&client, &instance.base, host, request, first + at));
        let outcomes = stream::iter(sending)
            .buffered(RAW_SIDE_BY_SIDE)
            .collect()
            .await;
        self.attempted(outcomes)
    }

    /// Sends `second` a little after `first`, whether or not that has been answered by then.
    ///
    /// # Errors
    /// As [`Self::attempt_all`].
    pub async fn attempt_while(
        &mut self,
        first: Request,
        pause: Duration,
        second: Request,
    ) -> Result<(Attempt, Attempt), Stop> {
        let instance = self.instance().await?;
        let (first, second) = (self.addressed(first)?, self.addressed(second)?);
        let number = self.exchanges.len() + 1;
        let client = self.run.client.clone();
        let (first, second) =
            futures_util::join!(client.send(&instance.base, &first, number), async {
                wait::pass(pause).await;
                client.send(&instance.base, &second, number + 1).await
            });
        Ok((self.attempted_one(first)?, self.attempted_one(second)?))
    }

    fn attempted(
        &mut self,
        outcomes: Vec<Result<Exchange, NoAnswer>>,
    ) -> Result<Vec<Attempt>, Stop> {
        outcomes
            .into_iter()
            .map(|outcome| self.attempted_one(outcome))
            .collect()
    }

    fn attempted_one(&mut self, outcome: Result<Exchange, NoAnswer>) -> Result<Attempt, Stop> {
        match outcome {
            Ok(exchange) => {
                let exchange = Arc::new(exchange);
                self.keep(&exchange);
                Ok(Ok(exchange))
            }
            Err(NoAnswer::Broken(why)) => Ok(Err(why)),
            Err(error) => Err(Stop::from(error)),
        }
    }
}
