//! Backends whose log, or whose answers, hold what callers send as secret. Never logs to anywhere but the log.

use crate::contract::need::Variant;
use crate::reference::altered::Parts;
use crate::reference::deviants::answers::{edit, is_error};
use crate::reference::deviants::layer::after;
use crate::reference::deviants::{Draft, deviant};
use crate::tamper::{Ask, Told};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use moltworker_reference::ports::{
    AiGateway, Level, LogSink, UpstreamAnswer, UpstreamCall, UpstreamError,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn all() -> Vec<Draft> {
    let mut all = everything();
    all.extend(badly_redacted());
    all.extend(elsewhere());
    all
}

/// Logs what `fields` makes of a request and its answer, if anything.
fn logs(parts: &mut Parts, fields: impl Fn(&Ask, &Told) -> Option<Value> + Send + Sync + 'static) {
    let log = Arc::clone(&parts.ports.log);
    parts.caller = after(move |ask, told| {
        if let Some(fields) = fields(ask, told) {
            write(&log, &fields);
        }
    });
}

fn write(log: &Arc<dyn LogSink>, fields: &Value) {
    let line = json!({
        "ts": "2026-01-01T00:00:00.000Z", "level": "info", "event": "trace", "message": "what passed",
        "seen": fields,
    });
    log.line(Level::Info, &line.to_string());
}

/// Deviants that log what `fields` makes of every exchange.
fn logging(
    id: &'static str,
    breaks: &'static str,
    fields: impl Fn(&Ask, &Told) -> Option<Value> + Send + Sync + Clone + 'static,
) -> Draft {
    deviant(id, breaks, &["SEC-003"]).parts(move |parts| logs(parts, fields.clone()))
}

fn headers(ask: &Ask, shown: impl Fn(&str, &str) -> Option<String>) -> Value {
    let lines = ask.headers.iter().filter_map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        Some((name.to_string(), json!(shown(name.as_str(), &value)?)))
    });
    Value::Object(lines.collect())
}

fn everything() -> Vec<Draft> {
    vec![
        logging(
            "requests-logged-with-their-headers",
            "Every request is logged with all its headers",
            |ask, _told| Some(headers(ask, |_name, value| Some(value.to_owned()))),
        ),
        logging(
            "requests-logged-with-their-query",
            "Every request is logged with its whole query",
            |ask, _told| Some(json!(ask.path)),
        ),
        logging(
            "refused-requests-logged-with-their-headers",
            "A request that is refused is logged with all its headers",
            |ask, told| {
                (told.status >= 400).then(|| headers(ask, |_name, value| Some(value.to_owned())))
            },
        ),
        logging(
            "refused-bodies-logged",
            "A body that is refused is logged as it was sent",
            |ask, told| {
                (told.status == 400).then(|| json!(String::from_utf8_lossy(&ask.body).into_owned()))
            },
        ),
        logging(
            "refused-tokens-logged",
            "An Access token that is refused is logged",
            |ask, told| {
                let token = ask.header("cf-access-jwt-assertion")?;
                is_error(told, "ACCESS_DENIED").then(|| json!(token))
            },
        ),
        logging(
            "accepted-tokens-logged",
            "An Access token that is accepted is logged",
            |ask, told| {
                let token = ask.header("cf-access-jwt-assertion")?;
                let admin = ask.route().starts_with("/api/admin");
                (admin && told.status < 300).then(|| json!(token))
            },
        ),
        deviant(
            "development-logs-the-headers",
            "In development every request is logged with all its headers",
            &["SEC-003"],
        )
        .parts(|parts| {
            if parts.variant == Variant::DevMode {
                logs(parts, |ask, _told| {
                    Some(headers(ask, |_name, value| Some(value.to_owned())))
                });
            }
        }),
        logging(
            "outages-logged-with-the-request",
            "A request that meets a failing store is logged with all its headers",
            |ask, told| {
                is_error(told, "STORE_UNAVAILABLE")
                    .then(|| headers(ask, |_name, value| Some(value.to_owned())))
            },
        ),
    ]
}

/// The path, each parameter's value as `shown` gives it.
fn query(ask: &Ask, shown: impl Fn(&str, &str) -> String) -> Option<Value> {
    let (route, query) = ask.path.split_once('?')?;
    let pairs = query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        format!("{name}={}", shown(name, value))
    });
    let pairs: Vec<String> = pairs.collect();
    Some(json!(format!("{route}?{}", pairs.join("&"))))
}

const SECRET_PARAMETERS: [&str; 8] = [
    "token",
    "access_token",
    "api_key",
    "apikey",
    "key",
    "secret",
    "password",
    "jwt",
];

fn badly_redacted() -> Vec<Draft> {
    vec![
        logging(
            "parameters-redacted-in-lower-case-only",
            "The query is logged; secret parameters are redacted if their names are in lower case",
            |ask, _told| {
                query(ask, |name, value| {
                    let name = crate::reference::deviants::answers::decoded(name);
                    let secret = SECRET_PARAMETERS.contains(&name.as_str());
                    if secret { "***" } else { value }.to_owned()
                })
            },
        ),
        logging(
            "parameters-redacted-unless-encoded",
            "The query is logged; secret parameters are redacted unless their names are percent-encoded",
            |ask, _told| {
                query(ask, |name, value| {
                    let name = name.to_ascii_lowercase();
                    let secret = SECRET_PARAMETERS.contains(&name.as_str());
                    if secret { "***" } else { value }.to_owned()
                })
            },
        ),
        logging(
            "secrets-known-by-their-length",
            "Headers are logged; runs of thirty or more letters and digits are redacted, shorter ones are not",
            |ask, _told| {
                Some(headers(ask, |_name, value| {
                    let is_word = |letter: char| letter.is_ascii_alphanumeric();
                    let mut shown = String::new();
                    for word in value.split_inclusive(|letter| !is_word(letter)) {
                        let long = word.chars().filter(|letter| is_word(*letter)).count() >= 30;
                        shown.push_str(if long { "***" } else { word });
                    }
                    Some(shown)
                }))
            },
        ),
        logging(
            "only-bearer-is-redacted",
            "Authorization is logged; what follows Bearer is redacted, any other credential is not",
            |ask, _told| {
                let value = ask.header("authorization")?;
                let bearer = value.to_ascii_lowercase().starts_with("bearer ");
                Some(json!(if bearer { "Bearer ***" } else { value }))
            },
        ),
        logging(
            "known-headers-redacted",
            "Headers are logged; Authorization, Cookie and the Access token are redacted, other keys are not",
            |ask, _told| {
                let secret = ["authorization", "cookie", "cf-access-jwt-assertion"];
                Some(headers(ask, |name, value| {
                    let hidden = secret.contains(&name);
                    Some(if hidden { "***" } else { value }.to_owned())
                }))
            },
        ),
        logging(
            "secrets-cut-not-redacted",
            "Headers are logged with the first twenty characters of each",
            |ask, _told| {
                Some(headers(ask, |_name, value| {
                    Some(value.chars().take(20).collect())
                }))
            },
        ),
    ]
}

fn elsewhere() -> Vec<Draft> {
    vec![
        deviant(
            "upstream-errors-logged",
            "What AI Gateway answers to a call that fails is logged",
            &["SEC-003"],
        )
        .parts(|parts| {
            if let Some(inner) = parts.ports.gateway.take() {
                let log = Arc::clone(&parts.ports.log);
                parts.ports.gateway = Some(Arc::new(Failures { inner, log }));
            }
        }),
        deviant(
            "refusals-repeat-the-query",
            "A refusal repeats path and query of the request",
            &["ERR-004"],
        )
        .parts(|parts| {
            parts.caller = after(|ask, told| {
                let message = format!("Cannot {} {}.", ask.method, ask.path);
                if told.status >= 400 {
                    edit(told, |body| body["error"]["message"] = json!(message));
                }
            });
        }),
    ]
}

struct Failures {
    inner: Arc<dyn AiGateway>,
    log: Arc<dyn LogSink>,
}

#[async_trait]
impl AiGateway for Failures {
    async fn call(&self, call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamError> {
        let mut answer = self.inner.call(call).await?;
        if answer.status >= 400 {
            let mut body = BytesMut::new();
            while let Some(Ok(chunk)) = answer.body.next().await {
                body.extend_from_slice(&chunk);
            }
            let body: Bytes = body.freeze();
            write(
                &self.log,
                &json!(String::from_utf8_lossy(&body).into_owned()),
            );
            answer.body = futures_util::stream::iter([Ok(body)]).boxed();
        }
        Ok(answer)
    }
}
