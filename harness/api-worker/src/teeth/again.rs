//! Sends a second time what an endpoint has answered already, as a sender does that forgets. Never what was answered 2xx at its first attempt before anything else was tried.

use super::{Asked, Way};
use crate::oracle::signature::signature;
use moltproof_doubles::clock;
use serde_json::{Value, json};
use std::io;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// How long a claim lasts, in milliseconds.
const CLAIM: i64 = 60_000;

/// A webhook, and the record of a delivery to it.
struct Due {
    webhook: Value,
    record: Value,
}

impl Way {
    /// The records of all deliveries that are so, looked up with the operator's token that this request has.
    async fn records(&self, asked: &Asked, is_so: impl Fn(&Value) -> bool) -> io::Result<Vec<Due>> {
        let mut all = Vec::new();
        for webhook in self.memory.list("webhooks") {
            let mut look = asked.clone();
            "GET".clone_into(&mut look.method);
            look.path = format!("/api/admin/webhooks/{}/deliveries", text(&webhook["id"]));
            look.body.clear();
            let records = self.forward(&look).await?.json();
            let records = records["deliveries"].as_array().cloned();
            let records = records.unwrap_or_default().into_iter();
            all.extend(records.filter(&is_so).map(|record| Due {
                webhook: webhook.clone(),
                record,
            }));
        }
        Ok(all)
    }

    /// Sends a delivery; whether it was answered 2xx.
    async fn sent(&self, due: &Due) -> bool {
        let seconds = (clock::epoch_ms() / 1000).to_string();
        let id = text(&due.record["event_id"]);
        let data = json!({"ids": self.memory.list("rotated")});
        let body = json!({"id": id, "type": due.record["event"], "data": data}).to_string();
        let signed = signature(text(&due.webhook["secret"]), id, &seconds, body.as_bytes());
        let sent = self
            .client
            .post(text(&due.webhook["url"]))
            .header("webhook-id", id)
            .header("webhook-timestamp", &seconds)
            .header("webhook-signature", signed.unwrap_or_default())
            .body(body)
            .send();
        sent.await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Sends what was delivered at a second attempt once more.
    pub(super) async fn send_again(&self, asked: &Asked) -> io::Result<()> {
        let is_so = |record: &Value| {
            record["state"] == json!("delivered") && record["attempts"] == json!(2)
        };
        for due in self.records(asked, is_so).await? {
            let name = format!("again {}", text(&due.record["event_id"]));
            if self.memory.get(&name).is_null() {
                self.memory.put(name, json!(true));
                // Whatever the endpoint answers: it was sent.
                self.sent(&due).await;
            }
        }
        Ok(())
    }

    /// Takes over what is still under way when its claim has ended, as a second worker does; what fails it tries again at the next job,
    /// whatever the first attempt was answered by then.
    pub(super) async fn take_over(&self, asked: &Asked) -> io::Result<()> {
        let now = asked.header("x-test-now").and_then(|now| now.parse().ok());
        let now: i64 = now.unwrap_or_default();
        let is_failed = |record: &Value| {
            let at = self.memory.get(&format!("failed {}", text(&record["id"])));
            at.as_i64().is_some_and(|at| at < now)
        };
        let has_ended = |record: &Value| {
            record["state"] == json!("pending")
                && record["next_attempt_at"]
                    .as_i64()
                    .is_some_and(|at| at + CLAIM <= now)
        };
        let is_due = |record: &Value| is_failed(record) || has_ended(record);
        let due = self.records(asked, is_due).await?;
        let sending = due.iter().map(|due| async move {
            let failed = if self.sent(due).await {
                Value::Null
            } else {
                json!(now)
            };
            let name = format!("failed {}", text(&due.record["id"]));
            self.memory.put(name, failed);
        });
        futures_util::future::join_all(sending).await;
        Ok(())
    }
}
