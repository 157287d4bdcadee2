//! Backends that show the key of the AI Gateway, or keep from the log what belongs there. Never breaks more than one thing at a time.

use super::super::layer::after;
use super::super::lines;
use super::answers::set;
use super::{Draft, deviant};
use crate::reference::altered::Parts;
use secrecy::ExposeSecret as _;

pub(super) fn all() -> Vec<Draft> {
    vec![
        deviant(
            "key-in-the-log",
            "Each call is logged with the headers that it was sent with",
            &["AIG-021"],
        )
        .parts(|parts| {
            let key = key(parts);
            lines::edit(parts, "ai_attempt", move |line| {
                let header = format!("cf-aig-authorization: Bearer {key}");
                line["request_headers"] = header.into();
            });
        }),
        deviant(
            "key-in-the-log-of-failures",
            "A failed call is logged with the key, for whoever debugs it",
            &["AIG-021"],
        )
        .parts(|parts| {
            let key = key(parts);
            lines::edit(parts, "ai_attempt", move |line| {
                if line["outcome"] != "ok" {
                    line["debug"] = format!("called with {key}").into();
                }
            });
        }),
        deviant(
            "key-built-into-the-code",
            "The key is built into the code, and the configured one is not read",
            &["AIG-021"],
        )
        .variables(|_variant, all| {
            if let Some(key) = all.get_mut("CLOUDFLARE_AI_GATEWAY_API_KEY") {
                "aig-0123456789abcdef".clone_into(key);
            }
        }),
        deviant(
            "key-in-an-answer",
            "Answers carry the header that the call was made with",
            &["AIG-021"],
        )
        .parts(|parts| {
            let key = key(parts);
            parts.caller = after(move |ask, told| {
                if ask.route() == "/v1/chat/completions" && told.status == 200 {
                    told.set("cf-aig-authorization", &format!("Bearer {key}"));
                }
            });
        }),
        deviant(
            "key-in-a-failure",
            "The details of a failure hold the call with its key",
            &["AIG-021", "AIG-013"],
        )
        .parts(|parts| {
            let key = key(parts);
            parts.caller = after(move |_ask, told| {
                if told.status == 502 {
                    let said = format!("Authorization: Bearer {key}");
                    set(told, "/error/details", "request", said.into());
                }
            });
        }),
        deviant(
            "step-not-logged",
            "The log does not tell which step answered",
            &["AIG-012"],
        )
        .parts(|parts| {
            lines::edit(parts, "ai_answered", |line| {
                if let Some(line) = line.as_object_mut() {
                    line.remove("step");
                }
            });
        }),
        deviant(
            "step-always-0-in-the-log",
            "The log has step 0, whoever answered",
            &["AIG-012"],
        )
        .parts(|parts| {
            lines::edit(parts, "ai_answered", |line| {
                line["step"] = 0.into();
            });
        }),
        deviant(
            "primary-logged-after-fallback",
            "The log names the primary model after a fallback",
            &["AIG-012"],
        )
        .parts(|parts| {
            lines::edit(parts, "ai_answered", |line| {
                if line["step"] == 1 {
                    let primary = super::super::calls::LARGE.0;
                    line["model"] = primary.into();
                }
            });
        }),
    ]
}

fn key(parts: &Parts) -> String {
    let key = parts.config.ai_gateway.api_key.as_ref();
    key.map(|key| key.expose_secret().to_owned())
        .unwrap_or_default()
}
