//! Reads what a request asks of the gateway: endpoint, model, limits, marker. It never decides the answer.

use serde_json::Value;

use super::attempt::Endpoint;
use crate::wire::Received;

const MARKER_OPEN: &[u8] = b"[[mp-";
const MARKER_CLOSE: &[u8] = b"]]";
/// The gateway's documented maximum.
const TRIES_MAX: u64 = 5;

/// One provider call the gateway is asked to make.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) model: String,
    pub(super) dialect: BodyDialect,
    pub(super) stream: bool,
    pub(super) headers: Vec<(String, String)>,
    /// A Universal element's.
    pub(super) own_headers: Vec<(String, String)>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) tries: u64,
    pub(super) body: Value,
    pub(super) step: usize,
    /// Set when the gateway refuses it without calling a provider.
    pub(super) refusal: Option<Refusal>,
}

/// Shape of the provider's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyDialect {
    Native,
    OpenAi,
}

/// Why the gateway refuses a request without calling a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Not a body the endpoint takes.
    #[error("Invalid request body")]
    InvalidBody,
    /// No provider the gateway knows.
    #[error("Invalid provider")]
    InvalidProvider,
    /// The gateway has authentication on, and the key is missing or wrong.
    #[error("Unauthorized")]
    Unauthorized,
}

impl Endpoint {
    /// The endpoint that method and target name.
    pub(super) fn of(method: &str, target: &str) -> Self {
        if method == "POST" {
            Self::of_path(target)
        } else {
            Self::Unknown
        }
    }

    /// Whether it is a chat completion of a provider that is neither Workers AI nor the gateway itself.
    pub(super) fn is_other_provider(method: &str, target: &str) -> bool {
        let path = target.split('?').next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').collect();
        let [
            first,
            version,
            account,
            gateway,
            provider,
            ..,
            chat,
            completions,
        ] = segments[..]
        else {
            return false;
        };
        let names = [account, gateway, provider];
        method == "POST"
            && (first, version, chat, completions) == ("", "v1", "chat", "completions")
            && names.into_iter().all(|name| !name.is_empty())
            && !matches!(provider, "workers-ai" | "compat")
    }

    /// The endpoint that a target names, whatever the method.
    pub(super) fn of_path(target: &str) -> Self {
        let path = target.split('?').next().unwrap_or_default();
        let mut segments = path.trim_end_matches('/').splitn(5, '/');
        let base = [segments.next(), segments.next()];
        let gateway = [segments.next(), segments.next()];
        if base != [Some(""), Some("v1")] || gateway.iter().any(|s| s.is_none_or(str::is_empty)) {
            return Self::Unknown;
        }
        match segments.next() {
            None => Self::Universal,
            Some("compat/chat/completions") => Self::Compat,
            Some("workers-ai/v1/chat/completions") => Self::WorkersAiOpenAi,
            Some(rest) if rest.starts_with("workers-ai/@cf/") => Self::WorkersAiNative,
            Some(_) => Self::Unknown,
        }
    }
}

/// Token of the first marker in a body; empty when there is none.
pub(super) fn marker(body: &[u8]) -> String {
    let mut rest = body;
    while let Some(start) = find(rest, MARKER_OPEN) {
        rest = &rest[start + MARKER_OPEN.len()..];
        let end = find(rest, MARKER_CLOSE).unwrap_or(0);
        let token = &rest[..end];
        let is_token = token
            .iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
        if (8..=32).contains(&token.len()) && is_token {
            return String::from_utf8_lossy(token).into_owned();
        }
    }
    String::new()
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

/// A body for the journal: JSON, or the text that is none.
pub(super) fn body_value(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

/// The calls a request asks for, in the order to be tried; at least one.
pub(super) fn calls(endpoint: Endpoint, received: &Received) -> Vec<Call> {
    let body = body_value(&received.body);
    let asked = body["model"].as_str().unwrap_or_default();
    let (model, dialect) = match endpoint {
        Endpoint::WorkersAiNative => (native_model(&received.target), BodyDialect::Native),
        Endpoint::WorkersAiOpenAi
        | Endpoint::Compat
        | Endpoint::Universal
        | Endpoint::OtherProvider
        | Endpoint::Unknown => (without_provider(asked).to_owned(), BodyDialect::OpenAi),
    };
    let refusal = if !body.is_object() || endpoint == Endpoint::Universal {
        Some(Refusal::InvalidBody)
    } else if endpoint == Endpoint::Compat && !is_compat_model(asked) {
        Some(Refusal::InvalidProvider)
    } else {
        None
    };
    if let (Endpoint::Universal, Some(elements)) = (endpoint, body.as_array())
        && !elements.is_empty()
    {
        return elements
            .iter()
            .enumerate()
            .map(|(step, element)| universal_element(received, element, step))
            .collect();
    }
    vec![Call {
        model,
        dialect,
        stream: body["stream"] == Value::Bool(true),
        headers: received.headers.clone(),
        own_headers: Vec::new(),
        timeout_ms: number_header(received, "cf-aig-request-timeout"),
        tries: number_header(received, "cf-aig-max-attempts")
            .unwrap_or(1)
            .clamp(1, TRIES_MAX),
        body,
        step: 0,
        refusal,
    }]
}

fn is_compat_model(model: &str) -> bool {
    model.starts_with("workers-ai/") || model.starts_with("dynamic/")
}

fn without_provider(model: &str) -> &str {
    model.strip_prefix("workers-ai/").unwrap_or(model)
}

fn native_model(target: &str) -> String {
    let path = target.split('?').next().unwrap_or_default();
    path.split_once("/workers-ai/")
        .map(|(_, model)| model.to_owned())
        .unwrap_or_default()
}

fn number_header(received: &Received, name: &str) -> Option<u64> {
    received.header(name)?.trim().parse().ok()
}

/// Provider-level settings stand before request headers.
fn universal_element(received: &Received, element: &Value, step: usize) -> Call {
    let provider = element["provider"].as_str().unwrap_or_default();
    let endpoint = element["endpoint"].as_str().unwrap_or_default();
    let query = &element["query"];
    let config = &element["config"];
    let (model, dialect) = match (provider, endpoint) {
        ("workers-ai", native) if native.starts_with("@cf/") => {
            (native.to_owned(), BodyDialect::Native)
        }
        ("workers-ai", _) => (
            without_provider(query["model"].as_str().unwrap_or_default()).to_owned(),
            BodyDialect::OpenAi,
        ),
        (other, endpoint) => (
            format!("{other}/{}", query["model"].as_str().unwrap_or(endpoint)),
            BodyDialect::OpenAi,
        ),
    };
    let own_headers = element["headers"].as_object().into_iter().flatten();
    let own_headers = own_headers.map(|(name, value)| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        (name.to_ascii_lowercase(), text)
    });
    Call {
        model,
        dialect,
        stream: query["stream"] == Value::Bool(true),
        headers: received.headers.clone(),
        own_headers: own_headers.collect(),
        timeout_ms: config["requestTimeout"]
            .as_u64()
            .or(config["requestTimeoutMs"].as_u64())
            .or(number_header(received, "cf-aig-request-timeout")),
        tries: config["maxAttempts"]
            .as_u64()
            .or(config["retries"]["maxAttempts"].as_u64())
            .or(number_header(received, "cf-aig-max-attempts"))
            .unwrap_or(1)
            .clamp(1, TRIES_MAX),
        body: query.clone(),
        step,
        refusal: (provider != "workers-ai").then_some(Refusal::InvalidProvider),
    }
}

impl Call {
    /// Lets any provider pass that is named, as a gateway does that somebody has given credentials for all.
    pub(super) fn with_any_provider(mut self) -> Self {
        let provider = self.model.split_once('/').map(|(provider, _)| provider);
        let is_named = provider.is_some_and(|name| !name.is_empty() && !name.starts_with('@'));
        if is_named && self.refusal == Some(Refusal::InvalidProvider) {
            self.refusal = None;
        }
        self
    }

    /// A header of this call, several values joined; an element's own stand in place of the request's.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let values = |headers: &[(String, String)]| {
            let values: Vec<&str> = headers
                .iter()
                .filter(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
                .collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        values(&self.own_headers).or_else(|| values(&self.headers))
    }

    /// All headers, an element's own last.
    pub(super) fn all_headers(&self) -> Vec<(String, String)> {
        [self.headers.as_slice(), self.own_headers.as_slice()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, marker};

    fn check(target: &str, endpoint: Endpoint) {
        assert_eq!(Endpoint::of("POST", target), endpoint, "{target}");
    }

    #[test]
    fn each_path_of_the_gateway_is_known() {
        check("/v1/acct/gw", Endpoint::Universal);
        check("/v1/acct/gw/", Endpoint::Universal);
        check(
            "/v1/acct/gw/workers-ai/@cf/meta/m",
            Endpoint::WorkersAiNative,
        );
        check(
            "/v1/acct/gw/workers-ai/v1/chat/completions?x=y",
            Endpoint::WorkersAiOpenAi,
        );
        check("/v1/acct/gw/compat/chat/completions", Endpoint::Compat);
    }

    #[test]
    fn other_paths_and_methods_are_unknown() {
        for target in [
            "/",
            "",
            "*",
            "/v1",
            "/v1//gw",
            "/v2/acct/gw",
            "/v1/acct/gw/openai/chat/completions",
            "/v1/acct/gw/workers-ai/run/@cf/meta/m",
        ] {
            check(target, Endpoint::Unknown);
        }
        assert_eq!(Endpoint::of("GET", "/v1/acct/gw"), Endpoint::Unknown);
    }

    #[test]
    fn another_provider_is_known_by_its_chat_completions() {
        let is = |target| Endpoint::is_other_provider("POST", target);
        assert!(is("/v1/acct/gw/openai/chat/completions"));
        assert!(is("/v1/acct/gw/groq/openai/v1/chat/completions?x=y"));
        for target in [
            "/v1/acct/gw/workers-ai/v1/chat/completions",
            "/v1/acct/gw/compat/chat/completions",
            "/v1/acct/gw/chat/completions",
            "/v1/acct//openai/chat/completions",
            "/v2/acct/gw/openai/chat/completions",
            "/v1/acct/gw/openai/embeddings",
            "/",
        ] {
            assert!(!is(target), "{target}");
        }
        let get = Endpoint::is_other_provider("GET", "/v1/a/g/openai/chat/completions");
        assert!(!get);
    }

    #[test]
    fn the_first_well_formed_marker_counts() {
        assert_eq!(
            marker(b"{\"content\":\"x [[mp-abcdefgh01]] y\"}"),
            "abcdefgh01"
        );
        assert_eq!(
            marker(b"[[mp-short]] [[mp-UPPERCASE]] [[mp-abcdefgh]]"),
            "abcdefgh"
        );
        assert_eq!(marker(b"[[mp-abcdefgh"), "");
        assert_eq!(marker(b""), "");
    }
}
