//! Sends a second time what an endpoint has answered already, as a sender does that forgets. Never what was delivered at its first attempt.

use super::{Asked, Way};
use crate::oracle::signature::signature;
use moltproof_doubles::clock;
use serde_json::{Value, json};
use std::io;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Way {
    /// Sends what was delivered at a second attempt once more, with the operator's token that this request has.
    pub(super) async fn send_again(&self, asked: &Asked) -> io::Result<()> {
        let seconds = (clock::epoch_ms() / 1000).to_string();
        for webhook in self.memory.list("webhooks") {
            let mut look = asked.clone();
            "GET".clone_into(&mut look.method);
            look.path = format!("/api/admin/webhooks/{}/deliveries", text(&webhook["id"]));
            look.body.clear();
            let records = self.forward(&look).await?.json();
            let all = records["deliveries"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let delivered = all.iter().filter(|record| {
                record["state"] == json!("delivered") && record["attempts"] == json!(2)
            });
            for record in delivered {
                let id = text(&record["event_id"]);
                if !self.memory.get(&format!("again {id}")).is_null() {
                    continue;
                }
                self.memory.put(format!("again {id}"), json!(true));
                let data = json!({"ids": self.memory.list("rotated")});
                let body = json!({"id": id, "type": record["event"], "data": data}).to_string();
                let signed = signature(text(&webhook["secret"]), id, &seconds, body.as_bytes());
                let sent = self
                    .client
                    .post(text(&webhook["url"]))
                    .header("webhook-id", id)
                    .header("webhook-timestamp", &seconds)
                    .header("webhook-signature", signed.unwrap_or_default())
                    .body(body);
                // Whatever the endpoint answers: it was sent.
                drop(sent.send().await);
            }
        }
        Ok(())
    }
}
