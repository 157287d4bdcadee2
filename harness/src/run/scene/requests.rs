//! What a scenario sends, and the exchanges it keeps. Never judges an answer.

#![expect(
    clippy::missing_errors_doc,
    reason = "every error here is a `Stop`, which ends the scenario and says why"
)]

use super::{Scene, missing};
use crate::client::NoAnswer;
use crate::client::Request;
use crate::client::authority;
use crate::client::raw;
use crate::client::stream::StreamedAnswer;
use crate::contract::need::Need;
use crate::evidence::Exchange;
use crate::subject::dialect::log::Correlation;
use crate::subject::operator::Operator;
use crate::verdict::Check;
use crate::verdict::Stop;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;
use std::sync::PoisonError;

impl Scene {
    /// The text that marks this scenario's prompts, so that the AI Gateway double knows whose call it is.
    #[must_use]
    pub fn marker(&self) -> String {
        self.token.clone()
    }

    /// The prompt text for a marker.
    #[must_use]
    pub fn prompt(marker: &str) -> String {
        format!("Say hello. [[mp-{marker}]]")
    }

    /// `GET` of the status route.
    #[must_use]
    pub fn status_request(&self, host: &str) -> Request {
        Request::new("GET", self.run.target.dialect().status.clone()).host(host)
    }

    /// `GET` of the health route.
    #[must_use]
    pub fn health_request(&self) -> Request {
        Request::new("GET", self.run.target.dialect().health.clone())
    }

    /// `POST` of a chat with this scenario's marker.
    #[must_use]
    pub fn chat_request(&self, host: &str) -> Request {
        self.chat_request_with(
            host,
            &json!({ "messages": [{ "role": "user", "content": Self::prompt(&self.token) }] }),
        )
    }

    /// `POST` of a chat with any body.
    #[must_use]
    pub fn chat_request_with(&self, host: &str, body: &Value) -> Request {
        Request::new("POST", self.run.target.dialect().chat.clone())
            .host(host)
            .json(body)
    }

    /// An admin request of the operator, with a good token.
    pub async fn operator_request(&mut self, method: &str, path: &str) -> Result<Request, Stop> {
        let operator = self.instance().await?.operator();
        let operator = operator.ok_or_else(|| missing(Need::Admin))?;
        if operator != Operator::ByHand {
            self.run.remember_secret(operator.secret());
        }
        Ok(operator.on(Request::new(method, path)))
    }

    /// Sends one request to the scenario's instance.
    pub async fn send(&mut self, request: Request) -> Result<Arc<Exchange>, Stop> {
        if let Some(done) = self.by_hand(&request).await? {
            return Ok(done);
        }
        let instance = self.instance().await?;
        let asked = request.clone();
        let request = self.addressed(request)?;
        let number = self.exchanges.len() + 1;
        let client = &self.run.client;
        let answer = client.send(&instance.base, &request, number).await?;
        let exchange = Arc::new(self.told_later(&asked, answer).await?);
        self.keep(&exchange);
        Ok(exchange)
    }

    /// Sends requests side by side; the answers come in the order of the requests, and one that does not come is a finding.
    pub async fn send_all(&mut self, requests: Vec<Request>) -> Result<Vec<Arc<Exchange>>, Stop> {
        let attempts = self.attempt_all(requests).await?;
        attempts
            .into_iter()
            .map(|attempt| attempt.map_err(|why| Stop::from(NoAnswer::Broken(why))))
            .collect()
    }

    /// Sends a request byte for byte: `host` and path as they stand.
    pub async fn send_raw(&mut self, host: &[u8], request: Request) -> Result<Arc<Exchange>, Stop> {
        let instance = self.instance().await?;
        let names_none = request.host.is_none();
        let request = self.addressed(request)?;
        let host = match &request.host {
            // Whoever names the connection's own means any that will do.
            Some(own) if names_none && host == authority(&instance.base).as_bytes() => {
                own.as_bytes()
            }
            Some(_) | None => host,
        };
        let exchange = Arc::new(
            raw::send(
                &self.run.client,
                &instance.base,
                host,
                &request,
                self.exchanges.len() + 1,
            )
            .await?,
        );
        self.keep(&exchange);
        Ok(exchange)
    }

    /// Sends a request whose body comes in chunks, its length untold.
    pub async fn send_chunked(&mut self, request: Request) -> Result<Arc<Exchange>, Stop> {
        let instance = self.instance().await?;
        let request = self.addressed(request)?;
        let number = self.exchanges.len() + 1;
        let exchange =
            Arc::new(raw::send_chunked(&self.run.client, &instance.base, &request, number).await?);
        self.keep(&exchange);
        Ok(exchange)
    }

    /// Sends a request without any `Host`.
    pub async fn send_hostless(&mut self, request: Request) -> Result<Arc<Exchange>, Stop> {
        let instance = self.instance().await?;
        let request = self.addressed(request)?;
        let exchange = Arc::new(
            raw::send_hostless(
                &self.run.client,
                &instance.base,
                &request,
                self.exchanges.len() + 1,
            )
            .await?,
        );
        self.keep(&exchange);
        Ok(exchange)
    }

    /// Opens a streamed answer and keeps it under a name.
    pub async fn open_stream(&mut self, name: &str, request: Request) -> Check {
        let instance = self.instance().await?;
        let request = self.addressed(request)?;
        let number = self.exchanges.len() + 1;
        let answer =
            StreamedAnswer::open(&self.run.client, &instance.base, &request, number).await?;
        self.streams.insert(name.to_owned(), answer);
        Ok(())
    }

    /// Closes a streamed answer: if it has not ended, the caller goes away.
    pub fn close_stream(&mut self, name: &str) -> Result<Arc<Exchange>, Stop> {
        let answer = self
            .streams
            .remove(name)
            .ok_or_else(|| Stop::Fault(format!("no stream \"{name}\"")))?;
        let exchange = Arc::new(answer.close());
        self.keep(&exchange);
        Ok(exchange)
    }

    /// Keeps an exchange that was made by other means.
    pub fn keep(&mut self, exchange: &Arc<Exchange>) {
        self.doubt_quota(exchange);
        self.exchanges.push(Arc::clone(exchange));
        self.run
            .exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(exchange));
    }

    /// The scenario's last exchange.
    pub fn last(&self) -> Result<Arc<Exchange>, Stop> {
        self.exchanges
            .last()
            .cloned()
            .ok_or_else(|| Stop::Fault("the scenario has sent nothing yet".to_owned()))
    }

    /// The client ip of this scenario, no other's.
    #[must_use]
    pub fn client_ip(&self) -> &str {
        &self.client_ip
    }

    /// A client ip that no other scenario has: `{x}` and `{y}` stand for the last two parts of this one's own.
    #[must_use]
    pub fn client_ip_like(&self, pattern: &str) -> String {
        let mut ends = self.client_ip.rsplit('.');
        let (y, x) = (ends.next().unwrap_or("1"), ends.next().unwrap_or("1"));
        pattern.replace("{x}", x).replace("{y}", y)
    }

    /// From here on the scenario's requests come from another client ip.
    pub fn set_client_ip(&mut self, ip: &str) {
        ip.clone_into(&mut self.client_ip);
    }

    /// Puts the scenario's marker into the query of a public path, where the log ties lines to requests by their paths.
    fn mark_path(&self, path: &mut String) {
        let dialect = self.run.target.dialect();
        let by_path = dialect.log.correlation == Correlation::Path;
        // Nobody else looks at the log.
        let looks = self.planned.needs.contains(&Need::Logs);
        if by_path && looks && dialect.public_paths().contains(path) {
            path.push_str("?mp=");
            path.push_str(&self.token);
        }
    }

    /// Puts a request into the target's words and gives it the scenario's client ip, where that is possible and it has none of its own.
    pub(crate) fn addressed(&self, request: Request) -> Result<Request, Stop> {
        let mut request = self.spoken(request)?;
        self.mark_path(&mut request.path);
        let has = request
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("cf-connecting-ip"));
        if has || self.run.target.lacks(Need::ClientIp).is_some() {
            return Ok(request);
        }
        Ok(request.header("cf-connecting-ip", self.client_ip.clone()))
    }
}
