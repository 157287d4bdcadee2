//! Chats, plain and streamed, and whether the call of a model is seen. Never asks a model through a target that lives on.

use super::public::remedy_of;
use super::{Check, State, Trial, Tried, Unasked, is_page, short};
use crate::contract::need::Need;
use crate::counted::counted;
use crate::oracle::metadata;
use crate::run::scene::Scene;
use serde_json::json;

/// Chats on a tenant's host, and on nobody's.
pub(super) async fn all(trial: &mut Trial, tried: &mut Tried) {
    let Some(tenant) = trial.tenant.clone().filter(|_| trial.may_change) else {
        return;
    };
    let plain = match plain(trial, &tenant.host).await {
        Ok(check) => check,
        Err(why) => return tried.put(&["chat", "stream"], why.check("chat", "[dialect] chat")),
    };
    let works = plain.state == State::Ok;
    tried.put(&["chat", "stream"], plain);
    if !works {
        return;
    }
    let streamed = match streamed(trial, &tenant.host).await {
        Ok(check) => Some(check),
        Err(why) => why.check("stream", "[dialect] ask_model"),
    };
    tried.put(&["stream"], streamed);
    let seen = match seen(trial, tried).await {
        Ok(seen) => seen,
        Err(why) => why.check("model call", SEEN),
    };
    tried.put(&["journal", "model-calls"], seen);
}

async fn plain(trial: &mut Trial, host: &str) -> Result<Check, Unasked> {
    let request = trial.scene.chat_request(host);
    let asked = format!("POST {} on a tenant's host", request.path);
    let wrong = |saw: String| Check::wrong("chat", saw);
    let answer = trial.ask(request).await?;
    if answer.status != 200 {
        let remedy = remedy_of(&answer, "[dialect] chat, ask_model (credential, headers)");
        return Ok(wrong(format!("{asked} answers {}", short(&answer))).remedy(remedy));
    }
    let shows = !trial.target().dialect().chat_text.is_empty();
    let text = answer.text_at("/choices/0/message/content");
    if is_page(&answer) || shows && text.is_none_or(|text| text.is_empty()) {
        let saw = format!(
            "{asked} answers {}: no model's text where one should be",
            short(&answer)
        );
        return Ok(wrong(saw).remedy("where the answer has the model's text: [dialect] chat_text"));
    }
    let nobody = trial.nobody().await?;
    let request = trial.scene.chat_request(&nobody);
    let control = trial.ask(request).await?.status;
    if control == 200 {
        let saw = format!("{asked} answers 200, and so it does on a host that is nobody's");
        return Ok(wrong(saw).remedy(
            "name a route that needs a tenant: [dialect] chat; if it does, the Worker breaks RES-012",
        ));
    }
    let saw = format!("{asked} answers 200 with a model's text; nobody's, {control}");
    Ok(Check::ok("chat", saw))
}

async fn streamed(trial: &mut Trial, host: &str) -> Result<Check, Unasked> {
    let messages = json!([{ "role": "user", "content": Scene::prompt(&trial.scene.marker()) }]);
    let body = json!({ "messages": messages, "stream": true });
    let request = trial.scene.chat_request_with(host, &body);
    let answer = trial.ask(request).await?;
    if answer.status != 200 {
        let saw = format!("a streamed chat answers {}", short(&answer));
        return Ok(Check::wrong("stream", saw).remedy(remedy_of(&answer, "[dialect] ask_model")));
    }
    let kind = answer.header("content-type").unwrap_or_default();
    let text = answer.text();
    let frames = text
        .lines()
        .filter(|line| line.starts_with("data:"))
        .count();
    if !kind.starts_with("text/event-stream") || frames == 0 {
        let saw = format!(
            "a streamed chat answers `{kind}` with {}: `stream` is not passed on, or not asked for so",
            counted(frames, "event")
        );
        return Ok(
            Check::wrong("stream", saw).remedy("[dialect] ask_model: its body needs `stream`")
        );
    }
    let saw = format!(
        "a streamed chat answers 200 with {}",
        counted(frames, "event")
    );
    Ok(Check::ok("stream", saw))
}

/// How calls of models come to be seen.
const SEEN: &str = "let the Worker call the harness's gateway: [control] ai_gateway and [launch.variables] AI_GATEWAY_BASE_URL = \"{ai_gateway_base_url}\"; or name a log: [observe] ai_gateway";

/// Whether the chat's call of a model is seen; nothing where nobody can.
async fn seen(trial: &mut Trial, tried: &mut Tried) -> Result<Option<Check>, Unasked> {
    if trial.target().lacks(Need::AiGatewayLog).is_some() {
        return Ok(None);
    }
    let whose = trial.scene.whose();
    let source = trial.scene.model_calls().await?;
    let seen = source.of(&whose, 1).await?;
    let told = seen.calls.first();
    if let Some(Err(why)) = told.map(|call| metadata::entries(call.metadata.as_deref())) {
        tried.lacks("because.AIG-001", format!("because of AIG-001: {why}"));
    }
    let check = match told {
        Some(call) => Check::ok(
            "model call",
            format!("seen at the AI Gateway: {}", call.model),
        ),
        None => Check::wrong(
            "model call",
            "a chat was answered with a model's text, and no call of a model was seen",
        )
        .remedy(SEEN),
    };
    Ok(Some(check))
}
