//! Backends that do not fail fast without a binding. Never breaks more than one thing at a time.

use super::layer::{after, instead, refusal};
use super::{Draft, deviant, lines};
use crate::contract::need::Variant;
use crate::reference::altered::Variables;
use async_trait::async_trait;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::ports::{
    AiGateway, SandboxBucket, StoreError, UpstreamAnswer, UpstreamCall, UpstreamError,
};
use serde_json::json;
use std::sync::Arc;

pub(super) fn all() -> Vec<Draft> {
    let modules = [
        not_noticed(),
        too_late(),
        development(),
        unset(),
        no_ai_gateway(),
        half_an_ai_gateway(),
        at_one_route(),
    ];
    modules.into_iter().flatten().collect()
}

fn not_noticed() -> Vec<Draft> {
    vec![
        deviant(
            "bucket-checked-when-used",
            "A missing bucket is noticed by those requests that use it",
            &["BND-003", "BND-005"],
        )
        .parts(|parts| {
            if parts.variant == Variant::WithoutR2 {
                parts.ports.bucket = Some(Arc::new(NoBucket));
            }
        }),
        deviant(
            "database-made-when-missing",
            "Without a database the backend makes itself one that nobody keeps",
            &["BND-001"],
        )
        .variables(|variant, all| made_up(variant, all, Variant::WithoutD1, "TENANT_DB")),
        deviant(
            "registry-made-when-missing",
            "Without KV the backend makes itself a registry that nobody keeps",
            &["BND-002", "BND-005"],
        )
        .variables(|variant, all| made_up(variant, all, Variant::WithoutKv, "TENANT_KV")),
    ]
}

/// Gives a variant what it is to do without, as an address that only this instance knows.
fn made_up(variant: Variant, all: &mut Variables, of: Variant, name: &'static str) {
    let beside = all.get("MOLTBOT_BUCKET").cloned();
    if let (true, Some(beside)) = (variant == of, beside) {
        all.insert(name, format!("{beside}-{}.sqlite", name.to_lowercase()));
    }
}

/// A bucket that is not there: every call fails.
struct NoBucket;

fn undefined() -> StoreError {
    StoreError::Unavailable("env.MOLTBOT_BUCKET is undefined".into())
}

#[async_trait]
impl SandboxBucket for NoBucket {
    async fn get(&self, _sandbox: SandboxId, _key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Err(undefined())
    }

    async fn put(&self, _sandbox: SandboxId, _key: &str, _bytes: &[u8]) -> Result<(), StoreError> {
        Err(undefined())
    }

    async fn clear(&self, _sandbox: SandboxId) -> Result<(), StoreError> {
        Err(undefined())
    }
}

fn too_late() -> Vec<Draft> {
    vec![
        deviant(
            "bucket-missed-after-the-work",
            "A missing bucket is noticed when everything else has been done",
            &["BND-005"],
        )
        .parts(|parts| {
            if parts.variant == Variant::WithoutR2 {
                parts.ports.bucket = Some(Arc::new(NoBucket));
                parts.caller = after(|_ask, told| {
                    let details = json!({ "missing": ["MOLTBOT_BUCKET"] });
                    *told = refusal(503, "CONFIGURATION_ERROR", &details);
                });
            }
        }),
        deviant(
            "registry-missed-after-the-record",
            "A missing registry is noticed when the tenant's record has been written",
            &["BND-005"],
        )
        .variables(|variant, all| made_up(variant, all, Variant::WithoutKv, "TENANT_KV"))
        .parts(|parts| {
            if parts.variant == Variant::WithoutKv {
                parts.caller = after(|_ask, told| {
                    let details = json!({ "missing": ["TENANT_KV"] });
                    *told = refusal(503, "CONFIGURATION_ERROR", &details);
                });
            }
        }),
    ]
}

fn development() -> Vec<Draft> {
    const BANNER: &str = "configuration_warning";
    let draft = |id, breaks| deviant(id, breaks, &["BND-006"]);
    let mut all = vec![
        draft(
            "no-banner-in-development",
            "Development does without a binding and says nothing of it",
        )
        .parts(|parts| lines::without(parts, BANNER)),
        draft(
            "banner-without-names",
            "The banner says that something is missing, and not what",
        )
        .parts(|parts| lines::edit(parts, BANNER, |line| line["missing"] = json!([]))),
        draft(
            "banner-for-nothing",
            "The banner stands in every log of development, whether something is missing or not",
        )
        .parts(|parts| {
            lines::edit(parts, "request", |line| {
                line["event"] = json!(BANNER);
                line["level"] = json!("warn");
                line["missing"] = json!(["TENANT_DB"]);
            });
        }),
    ];
    all.push(
        deviant(
            "development-needs-the-registry",
            "Development does without D1 and without the bucket, but not without KV",
            &["BND-006"],
        )
        .parts(|parts| parts.config.dev_mode &= parts.variant != Variant::DevModeWithoutKv),
    );
    all.push(
        deviant(
            "development-fails-fast-too",
            "Development is as strict about bindings as production, and cannot be begun without all of them",
            &["BND-006"],
        )
        .parts(|parts| {
            let is_bare = [
                Variant::DevModeWithoutD1,
                Variant::DevModeWithoutKv,
                Variant::DevModeWithoutR2,
            ];
            parts.config.dev_mode &= !is_bare.contains(&parts.variant);
        }),
    );
    all
}

fn no_ai_gateway() -> Vec<Draft> {
    vec![
        deviant(
            "missing-ai-gateway-has-a-stand-in",
            "Without AI Gateway chats are answered by another provider",
            &["BND-009"],
        )
        .variables(|variant, all| {
            if variant == Variant::WithoutAiGateway {
                all.insert("AI_GATEWAY_BASE_URL", "http://provider.invalid".to_owned());
                all.insert("CLOUDFLARE_AI_GATEWAY_API_KEY", "none".to_owned());
            }
        })
        .parts(|parts| {
            if parts.variant == Variant::WithoutAiGateway {
                parts.ports.gateway = Some(Arc::new(StandIn));
            }
        }),
    ]
}

/// What a missing registry means to one route alone.
fn at_one_route() -> Vec<Draft> {
    vec![
        deviant(
            "head-of-the-health-without-the-registry",
            "The health that is called with HEAD answers 200 although KV is missing",
            &["BND-002"],
        )
        .parts(|parts| {
            if parts.variant == Variant::WithoutKv {
                parts.caller = after(|ask, told| {
                    let is_health = ask.route() == "/sandbox-health" && ask.method == "HEAD";
                    if is_health && told.status == 503 {
                        told.status = 200;
                    }
                });
            }
        }),
        deviant(
            "routing-needs-the-registry",
            "In development the routing of a tenant cannot be read without KV, though D1 alone holds it",
            &["BND-006"],
        )
        .parts(|parts| {
            if parts.variant == Variant::DevModeWithoutKv {
                parts.caller = after(|ask, told| {
                    if ask.route().ends_with("/routing") && told.status == 200 {
                        let details = json!({ "missing": ["TENANT_KV"] });
                        *told = refusal(503, "CONFIGURATION_ERROR", &details);
                    }
                });
            }
        }),
    ]
}

/// What is only a part of the configuration, or is told too late.
fn half_an_ai_gateway() -> Vec<Draft> {
    vec![
        deviant(
            "ai-gateway-called-without-its-key",
            "Without the key of AI Gateway chats are sent there all the same",
            &["BND-009"],
        )
        .variables(|variant, all| {
            if variant == Variant::WithoutAiGatewayKey {
                all.insert("CLOUDFLARE_AI_GATEWAY_API_KEY", "undefined".to_owned());
            }
        }),
        deviant(
            "ai-gateway-address-built-in",
            "Without the address of AI Gateway the vendor's own is called",
            &["BND-009"],
        )
        .variables(|variant, all| {
            if variant == Variant::WithoutAiGatewayUrl {
                all.insert("AI_GATEWAY_BASE_URL", "http://gateway.invalid/v1".to_owned());
            }
        }),
        deviant(
            "missing-ai-gateway-told-behind-the-tenant",
            "That AI Gateway is missing is told to tenants only: a stranger's chat is an unknown host's",
            &["BND-009"],
        )
        .variables(|variant, all| {
            if variant == Variant::WithoutAiGateway {
                all.insert("AI_GATEWAY_BASE_URL", "http://gateway.invalid/v1".to_owned());
                all.insert("CLOUDFLARE_AI_GATEWAY_API_KEY", "none".to_owned());
            }
        })
        .parts(|parts| {
            if parts.variant == Variant::WithoutAiGateway {
                parts.caller = after(|ask, told| {
                    if ask.route() == "/v1/chat/completions" && ![404, 429].contains(&told.status) {
                        let details = json!({ "missing": ["AI_GATEWAY_BASE_URL", "CLOUDFLARE_AI_GATEWAY_API_KEY"] });
                        *told = refusal(503, "CONFIGURATION_ERROR", &details);
                    }
                });
            }
        }),
    ]
}

fn unset() -> Vec<Draft> {
    vec![
        deviant(
            "app-domain-built-in",
            "Without app domain the one of the vendor holds",
            &["BND-010"],
        )
        .variables(|variant, all| {
            if variant == Variant::WithoutAppDomain {
                all.insert("APP_DOMAIN", "moltworker.example".to_owned());
            }
        }),
        deviant(
            "missing-app-domain-serves-custom-domains",
            "Without app domain custom domains go on being served",
            &["BND-010"],
        )
        .variables(|variant, all| {
            if variant == Variant::WithoutAppDomain {
                all.insert("APP_DOMAIN", "unset.invalid".to_owned());
            }
        })
        .parts(|parts| {
            if parts.variant == Variant::WithoutAppDomain {
                parts.caller = after(|_ask, told| {
                    if told.status == 404 {
                        let details = json!({ "missing": ["APP_DOMAIN"] });
                        *told = refusal(503, "CONFIGURATION_ERROR", &details);
                    }
                });
            }
        }),
        deviant(
            "unset-app-domain-is-localhost",
            "Without app domain the hosts below localhost are tenants' hosts, as on a developer's machine",
            &["BND-010"],
        )
        .variables(|variant, all| {
            if variant == Variant::WithoutAppDomain {
                all.insert("APP_DOMAIN", "localhost".to_owned());
            }
        })
        .parts(|parts| {
            if parts.variant == Variant::WithoutAppDomain {
                parts.caller = instead(|ask| {
                    let is_local = ask.host().ends_with(".localhost");
                    let details = json!({ "missing": ["APP_DOMAIN"] });
                    (!is_local).then(|| refusal(503, "CONFIGURATION_ERROR", &details))
                });
            }
        }),
    ]
}

/// A model of somebody else's.
struct StandIn;

#[async_trait]
impl AiGateway for StandIn {
    async fn call(&self, _call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamError> {
        let reply = json!({
            "id": "stand-in", "object": "chat.completion", "created": 0, "model": "stand-in",
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": "Hello." }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
        });
        let body = bytes::Bytes::from(reply.to_string());
        Ok(UpstreamAnswer {
            status: 200,
            content_type: "application/json".to_owned(),
            body: Box::pin(futures_util::stream::once(async { Ok(body) })),
        })
    }
}
