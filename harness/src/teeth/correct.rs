//! Backends that keep every promise, each in another way than the reference. Never changes what the contract fixes.

use super::Other;
use crate::tamper::{Ask, Tamper, Told, Unanswered, Untouched, Upstream};
use crate::target::reference::altered::Alteration;
use crate::wait;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// Every correct variant. The first one changes nothing: it shows that the proxies themselves do not.
#[must_use]
pub fn all() -> Vec<Other> {
    vec![
        layered("nothing-changed", "Is the reference behind a proxy", || {
            Arc::new(Untouched)
        }),
        layered(
            "headers-in-another-order",
            "Sends its headers in the opposite order",
            || {
                Arc::new(Answer(|told: &mut Told| {
                    let mut names: Vec<_> = told
                        .headers
                        .iter()
                        .map(|(name, value)| (name.clone(), value.clone()))
                        .collect();
                    names.reverse();
                    told.headers = names.into_iter().collect();
                }))
            },
        ),
        layered("indented-json", "Indents its JSON", || {
            Arc::new(Json(serde_json::to_string_pretty::<serde_json::Value>))
        }),
        layered(
            "further-fields",
            "Adds fields of its own to every JSON object it answers with",
            || {
                Arc::new(Json(|value: &serde_json::Value| {
                    let mut value = value.clone();
                    if let Some(object) = value.as_object_mut() {
                        object.insert("x_build".to_owned(), "2026.11".into());
                    }
                    serde_json::to_string(&value)
                }))
            },
        ),
        layered("slower", "Answers 60 ms later", || {
            Arc::new(Late {
                least_ms: 60,
                more_ms: 0,
            })
        }),
        layered("jitter", "Answers up to 200 ms later", || {
            Arc::new(Late {
                least_ms: 0,
                more_ms: 200,
            })
        }),
        layered(
            "closes-after-each-answer",
            "Closes the connection after each answer",
            || Arc::new(Answer(|told: &mut Told| told.set("connection", "close"))),
        ),
        layered("cookies", "Sets a cookie of its own", || {
            Arc::new(Answer(|told: &mut Told| {
                told.set(
                    "set-cookie",
                    "__cf_bm=opaque; Path=/; HttpOnly; Secure; SameSite=None",
                )
            }))
        }),
        layered(
            "headers-of-the-edge",
            "Sends the headers that Cloudflare's edge adds",
            || {
                Arc::new(Answer(|told: &mut Told| {
                    told.set("server", "cloudflare");
                    told.set("cf-ray", "8f1e2d3c4b5a6978-FRA");
                    told.set("cf-cache-status", "DYNAMIC");
                    told.set("alt-svc", "h3=\":443\"; ma=86400");
                    told.set("strict-transport-security", "max-age=63072000");
                }))
            },
        ),
        layered(
            "upper-case-charset",
            "States the charset of its JSON",
            || {
                Arc::new(Answer(|told: &mut Told| {
                    if told
                        .header("content-type")
                        .is_some_and(|kind| kind == "application/json")
                    {
                        told.set("content-type", "application/json; charset=UTF-8");
                    }
                }))
            },
        ),
    ]
}

fn layered(
    id: &str,
    does: &str,
    layer: impl Fn() -> Arc<dyn Tamper> + Send + Sync + 'static,
) -> Other {
    Other::new(
        id,
        does,
        Alteration {
            parts: Some(Arc::new(move |parts| parts.caller = Some(layer()))),
            ..Alteration::default()
        },
    )
}

/// Changes answers.
struct Answer<F>(F);

#[async_trait]
impl<F: Fn(&mut Told) + Send + Sync> Tamper for Answer<F> {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let mut told = upstream.send(&ask).await?;
        (self.0)(&mut told);
        Ok(told)
    }
}

/// Writes JSON in another way.
struct Json<F>(F);

#[async_trait]
impl<F> Tamper for Json<F>
where
    F: Fn(&serde_json::Value) -> serde_json::Result<String> + Send + Sync,
{
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let mut told = upstream.send(&ask).await?;
        let is_json = told
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"));
        if is_json && let Ok(text) = (self.0)(&told.json().await?) {
            told.put(text);
        }
        Ok(told)
    }
}

/// Answers late.
struct Late {
    least_ms: u64,
    more_ms: u64,
}

#[async_trait]
impl Tamper for Late {
    async fn pass(&self, ask: Ask, upstream: &Upstream) -> Result<Told, Unanswered> {
        let told = upstream.send(&ask).await?;
        let late = self.least_ms + fastrand::u64(0..=self.more_ms);
        wait::pass(Duration::from_millis(late)).await;
        Ok(told)
    }
}
