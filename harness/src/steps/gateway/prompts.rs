//! Tenants that prompt the model. Never looks at what comes back.

use super::calls::{mark_calls, seen_calls};
use crate::client::Request;
use crate::client::stream::Next;
use crate::lag::Patience;
use crate::run::book::{Args, Book};
use crate::run::scene::{COMPLETE_ANSWER, Scene, breach};
use crate::said::said;
use crate::verdict::{Check, Stop};
use serde_json::{Value, json};
use std::time::Duration;

/// Longest silence inside a streamed answer that is read to its end.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"an? (free|premium|enterprise) tenant "([^"]+)" on platform "([^"]+)""#,
        |s, a| Box::pin(tenant_on_platform(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" prompts the model(?: plainly| (in a stream))?(?: with workload "([^"]*)")?"#,
        |s, a| Box::pin(prompts(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" prompts the model(?: plainly| (in a stream))? naming "([^"]*)" in its (body|query)"#,
        |s, a| Box::pin(prompts_naming(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" prompts the model in a stream and wants no usage in it"#,
        |s, a| Box::pin(prompts_without_usage(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" prompts the model (plainly|in a stream), giving it (.+)"#,
        |s, a| Box::pin(prompts_giving(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" prompts the model with these fields:"#,
        |s, a| Box::pin(prompts_with_fields(s, a)),
    );
}

async fn tenant_on_platform(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.new_tenant(a.text(2), a.text(1)).await?;
    a.text(3).clone_into(&mut tenant.platform);
    s.make_tenant(a.text(2), tenant).await.map(drop)
}

/// The body of a prompt with a marker.
pub(in crate::steps) fn chat_body(marker: &str, streamed: bool) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": Scene::prompt(marker) }] });
    if streamed {
        body["stream"] = Value::Bool(true);
    }
    body
}

/// Sends a prompt and reads the whole answer. What is asked of the upstream from here on counts as its calls.
pub(in crate::steps) async fn prompt(s: &mut Scene, request: Request, streamed: bool) -> Check {
    mark_calls(s).await?;
    if !streamed {
        return s.send(request).await.map(drop);
    }
    s.open_stream("prompt", request).await?;
    loop {
        let stream = s
            .streams
            .get_mut("prompt")
            .ok_or_else(|| Stop::Fault("the stream is gone".to_owned()))?;
        let patience = Patience::of(SILENCE_MAX);
        match stream.next(&patience).await {
            Next::Bytes(_) => {}
            Next::End | Next::Cut(_) => break,
            Next::Nothing => {
                let seen = format!(
                    "{}, then {} s of silence",
                    said(&stream.text()),
                    SILENCE_MAX.as_secs()
                );
                patience.blame(|| seen.clone())?;
                return Err(breach(
                    format!("{COMPLETE_ANSWER}, a stream that ends"),
                    seen,
                ));
            }
        }
    }
    s.close_stream("prompt").map(drop)
}

async fn prompts(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let streamed = !a.text(2).is_empty();
    let mut request = s.chat_request_with(&host, &chat_body(&s.marker(), streamed));
    if !a.text(3).is_empty() {
        request = request.header("x-workload", a.text(3));
    }
    prompt(s, request, streamed).await
}

async fn prompts_naming(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let streamed = !a.text(2).is_empty();
    let mut body = chat_body(&s.marker(), streamed);
    if a.text(4) == "body" {
        body["model"] = a.text(3).into();
    }
    let mut request = s.chat_request_with(&host, &body);
    if a.text(4) == "query" {
        request.path = format!("{}?model={}", request.path, a.text(3).replace('@', "%40"));
    }
    prompt(s, request, streamed).await
}

async fn prompts_without_usage(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let mut body = chat_body(&s.marker(), true);
    body["stream_options"] = json!({ "include_usage": false });
    let request = s.chat_request_with(&host, &body);
    prompt(s, request, true).await
}

/// Letters of a long text: more than fits into one packet, and far less than any backend's largest body.
const LONG_TEXT: usize = 20_000;

/// Letters of a text that is longer than the context of most models, and well below the largest body of the contract, 1 MiB.
const VERY_LONG_TEXT: usize = 600_000;

/// A picture of one point.
const PICTURE: &str =
    "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";

/// What a prompt may hold beside its text in OpenAI's shape; `None` for what is not known.
fn given(what: &str, marker: &str) -> Option<Value> {
    let text = Scene::prompt(marker);
    Some(match what {
        "tools" => json!({
            "tools": [{ "type": "function", "function": {
                "name": "weather",
                "description": "The weather of a place",
                "parameters": { "type": "object", "properties": { "place": { "type": "string" } } },
            } }],
            "tool_choice": "auto",
        }),
        "metadata of its own" => json!({
            "metadata": {
                "platform": marker, "tier": "enterprise", "workload": "analysis", "tenant_id": marker,
            },
            "platform": marker, "tier": "enterprise", "workload": "analysis",
        }),
        "a form to answer in" => json!({ "response_format": { "type": "json_object" } }),
        "a name of its user" => json!({
            "user": marker, "safety_identifier": marker, "prompt_cache_key": marker,
        }),
        "settings" => json!({
            "temperature": 0.2, "top_p": 0.9, "max_tokens": 64, "seed": 7, "stop": ["\n\n"],
        }),
        "the wish that nothing is kept" => json!({ "store": false }),
        "a picture" => json!({ "messages": [
            { "role": "user", "content": [
                { "type": "text", "text": text },
                { "type": "image_url", "image_url": { "url": PICTURE } },
            ] },
        ] }),
        "a conversation" => json!({ "messages": [
            { "role": "system", "content": "You are brief." },
            { "role": "user", "content": "Good morning." },
            { "role": "assistant", "content": "Good morning to you." },
            { "role": "user", "content": text },
        ] }),
        "text in parts" => json!({ "messages": [
            { "role": "user", "content": [{ "type": "text", "text": text }] },
        ] }),
        "a long text" => json!({ "messages": [
            { "role": "user", "content": format!("{text} {}", "word ".repeat(LONG_TEXT / 5)) },
        ] }),
        "a very long text" => json!({ "messages": [
            { "role": "user", "content": format!("{text} {}", "word ".repeat(VERY_LONG_TEXT / 5)) },
        ] }),
        _ => return None,
    })
}

/// No promise says that a backend takes all that OpenAI's shape knows: one that refuses it shows nothing.
async fn prompts_giving(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let (streamed, what) = (a.text(2) != "plainly", a.text(3));
    let mut body = chat_body(&s.marker(), streamed);
    let fields = given(what, &s.marker())
        .ok_or_else(|| Stop::Fault(format!("`{what}` is nothing that is given to a model")))?;
    for (name, value) in fields.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let request = s.chat_request_with(&host, &body);
    prompt(s, request, streamed).await?;
    let answer = s.last()?;
    if matches!(answer.status, 400 | 413 | 422) {
        return Err(Stop::NotApplicable(format!(
            "a prompt with {what} is refused with {}",
            answer.status
        )));
    }
    Ok(())
}

async fn prompts_with_fields(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let trap = format!("{}/{}", s.gateway().await?.trap_url(), s.marker());
    let mut body = chat_body(&s.marker(), false);
    for row in a.rows() {
        let [name, value] = row.as_slice() else {
            return Err(Stop::Fault("a field has a name and a value".to_owned()));
        };
        body[name] = value.replace("{elsewhere}", &trap).into();
    }
    let request = s.chat_request_with(&host, &body);
    prompt(s, request, false).await?;
    let answer = s.last()?;
    if !matches!(answer.status, 400 | 422) {
        return Ok(());
    }
    // A backend that refuses fields which it does not know calls nobody for them: that shows nothing of the promise.
    let gateway = s.gateway().await?;
    let is_called = gateway.trap_hits_with(&s.marker()) > 0 || !seen_calls(s).await?.is_empty();
    if is_called {
        return Ok(());
    }
    Err(Stop::NotApplicable(format!(
        "a prompt with further fields is refused with {}",
        answer.status
    )))
}
