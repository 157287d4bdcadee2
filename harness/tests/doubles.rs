//! The doubles over real sockets, as a backend meets them. It never reaches into their insides.

#[path = "doubles/access.rs"]
mod access;
#[path = "doubles/ai_gateway.rs"]
mod ai_gateway;
#[path = "doubles/wire_faults.rs"]
mod wire_faults;

use std::time::Duration;

use moltproof::doubles::{AiGatewayDouble, Script};
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
