//! The doubles over real sockets, as a backend meets them. It never reaches into their insides.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, its helpers included, a panic that names the line is the failure wanted"
)]

#[path = "doubles/access.rs"]
mod access;
#[path = "doubles/alone.rs"]
mod alone;
#[path = "doubles/gateway_decisions.rs"]
mod gateway_decisions;
#[path = "doubles/gateway_replies.rs"]
mod gateway_replies;
#[path = "doubles/tls.rs"]
mod tls;
#[path = "doubles/wire_faults.rs"]
mod wire_faults;

use std::time::Duration;

use moltproof::doubles::{AiGatewayDouble, Attempt, Script};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

/// Long enough for a busy two-core machine; nothing waits for it unless it fails.
const DEADLINE: Duration = Duration::from_secs(10);
const MODEL: &str = "@cf/meta/llama-3.1-8b-instruct-fp8-fast";

fn client() -> Client {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

fn body(marker: &str) -> Value {
    json!({"model": MODEL, "messages": [{"role": "user", "content": format!("Hi [[mp-{marker}]]")}]})
}

/// An `OpenAI` request to the Workers AI path.
fn request(gateway: &AiGatewayDouble, body: &Value) -> RequestBuilder {
    let url = format!("{}/workers-ai/v1/chat/completions", gateway.base_url());
    client().post(url).json(body)
}

/// Asks once under a script of its own.
async fn ask(gateway: &AiGatewayDouble, marker: &str, script: Script) -> Response {
    gateway.script(marker, script);
    request(gateway, &body(marker)).send().await.unwrap()
}

/// The marker's attempts once there are `count` and all have ended.
async fn finished(gateway: &AiGatewayDouble, marker: &str, count: usize) -> Vec<Attempt> {
    gateway
        .wait_until(marker, DEADLINE, |attempts| {
            attempts.len() == count && attempts.iter().all(|a| a.finished_at.is_some())
        })
        .await
}
