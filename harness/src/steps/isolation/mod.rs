//! Steps of isolation: identifiers in every carrier, foreign against unknown, load, reuse of names, stored state.
//! Never takes a tenant's answer as proof for another: it looks at both.

mod carriers;
mod matrix;
mod over_time;
mod own_words;
mod same_words;
mod storage;
mod streams;
mod succession;
mod unknown;

use super::operating::{holdings, settled_gateway};
use crate::client::stream::Next;
use crate::doubles::{Reply, Script};
use crate::evidence::Exchange;
use crate::lag::Patience;
use crate::run::book::Book;
use crate::run::scene::Scene;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    carriers::register(book);
    matrix::register(book);
    over_time::register(book);
    same_words::register(book);
    storage::register(book);
    streams::register(book);
    succession::register(book);
    unknown::register(book);
}

/// How long the next piece of a stream may take.
const PIECE: Duration = Duration::from_secs(5);

/// The status of an open stream, and its first piece.
async fn first_piece(s: &mut Scene, name: &str) -> Result<(u16, Next), Stop> {
    let stream = s.streams.get_mut(name);
    let stream = stream.ok_or_else(|| Stop::Fault("the stream is gone".to_owned()))?;
    Ok((stream.status(), stream.next(&Patience::of(PIECE)).await))
}

/// Lets the model of a tenant's stream go on, and reads the stream to its end.
async fn rest(s: &mut Scene, tenant: &str, name: &str) -> Result<Arc<Exchange>, Stop> {
    let marker = marker_of(s, tenant);
    s.gateway().await?.release(&marker);
    if let Some(stream) = s.streams.get_mut(name) {
        while let Next::Bytes(_) = stream.next(&Patience::of(PIECE)).await {}
    }
    s.close_stream(name)
}

/// The marker of one tenant's chats.
fn marker_of(s: &Scene, name: &str) -> String {
    format!("{}x{name}", s.token)
}

/// A chat body with the marker of one tenant and more fields.
fn chat_of(s: &Scene, name: &str, more: &Value) -> Value {
    let prompt = Scene::prompt(&marker_of(s, name));
    let mut body = json!({ "messages": [{ "role": "user", "content": prompt }] });
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more.clone());
    }
    body
}

/// What the model says to a tenant and nobody else.
fn greeting(tenant: &Tenant) -> String {
    format!("This is for {} alone.", tenant.slug)
}

/// The model greets the tenant by its name, at this many tokens in and out.
async fn greet(s: &mut Scene, name: &str, tenant: &Tenant, tokens: (u64, u64)) -> Check {
    let reply = Reply::answer(&greeting(tenant), tokens.0, tokens.1);
    let marker = marker_of(s, name);
    s.gateway().await?.script(&marker, Script::always(reply));
    Ok(())
}

/// All that is held of a tenant, and how its gateway stands once it has come up, if it does.
async fn whole(s: &mut Scene, tenant: &Tenant) -> Result<Value, Stop> {
    let answer = settled_gateway(s, &tenant.id).await?;
    let mut all = holdings(s, tenant).await?;
    if let Value::Object(all) = &mut all {
        let stands = json!({ "status": answer.status, "body": answer.json() });
        all.insert("gateway".to_owned(), stands);
    }
    Ok(all)
}

/// A template with a tenant's identifiers filled in; `{jwt}` is a token, signed by nobody, whose claims are these;
/// `{domain}` is its first hostname of its own, or its host where it has none.
fn fill(template: &str, tenant: &Tenant) -> String {
    template
        .replace("{jwt}", &unsigned_token(tenant))
        .replace("{slug}", &tenant.slug)
        .replace("{id}", &tenant.id)
        .replace("{sandbox}", &tenant.sandbox_id)
        .replace("{host}", &tenant.host)
        .replace("{domain}", tenant.domains.first().unwrap_or(&tenant.host))
}

fn unsigned_token(tenant: &Tenant) -> String {
    let header = json!({ "alg": "none", "typ": "JWT" });
    let claims = json!({
        "sub": tenant.id, "tenant": tenant.slug, "tenant_id": tenant.id, "sandbox_id": tenant.sandbox_id,
    });
    let encoded = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.", encoded(header), encoded(claims))
}

/// Everything that names a tenant.
fn identifiers(tenant: &Tenant) -> Vec<String> {
    let mut list = vec![
        tenant.slug.clone(),
        tenant.id.clone(),
        tenant.sandbox_id.clone(),
    ];
    list.extend(tenant.domains.iter().cloned());
    list
}
