//! Backends that trust a hostile host, repeat it, or tell it of tenants. Never changes what an honest host gets.

use crate::reference::altered::Parts;
use crate::reference::deviants::answers::{edit, is_error, refuse};
use crate::reference::deviants::directory::Directory;
use crate::reference::deviants::layer::{after, before};
use crate::reference::deviants::{Draft, deviant, lines};
use crate::tamper::Ask;
use serde_json::{Value, json};

pub(super) fn all() -> Vec<Draft> {
    let mut all = taken_apart();
    all.extend(repeated());
    all.extend(revealing());
    all
}

/// A tenant is looked for in what `part` makes of the host.
fn reads(
    id: &'static str,
    breaks: &'static str,
    part: impl Fn(&str) -> Option<String> + Send + Sync + Clone + 'static,
) -> Draft {
    deviant(id, breaks, &["SEC-001"]).parts(move |parts| {
        let part = part.clone();
        parts.caller = before(move |ask| {
            if let Some(host) = part(&sent(ask)) {
                ask.set("host", &host);
            }
        });
    })
}

/// The host as text, whatever its bytes.
fn sent(ask: &Ask) -> String {
    let host = ask
        .headers
        .get("host")
        .map(hyper::header::HeaderValue::as_bytes);
    String::from_utf8_lossy(host.unwrap_or_default()).into_owned()
}

fn taken_apart() -> Vec<Draft> {
    let cut_at = |mark: char| {
        move |host: &str| {
            host.split_once(mark)
                .map(|(front, _rest)| front.trim().to_owned())
        }
    };
    vec![
        reads(
            "host-read-as-a-url",
            "The host is what a URL parser makes of the header",
            |host| {
                let url = url::Url::parse(&format!("http://{host}/")).ok()?;
                url.host_str()
                    .filter(|name| *name != host)
                    .map(str::to_owned)
            },
        ),
        reads(
            "host-before-a-comma",
            "Of a list of hosts the first counts",
            cut_at(','),
        ),
        reads(
            "host-behind-a-comma",
            "Of a list of hosts the last counts",
            |host| {
                let (_front, last) = host.rsplit_once(',')?;
                Some(last.trim().to_owned())
            },
        ),
        reads(
            "host-before-a-blank",
            "The host is what stands before a blank",
            cut_at(' '),
        ),
        reads(
            "host-before-a-second-colon",
            "The host is what stands before the first colon, whatever follows",
            cut_at(':'),
        ),
        reads(
            "host-behind-an-at-sign",
            "What stands before an at sign in the host is taken for credentials",
            |host| {
                let (_user, name) = host.rsplit_once('@')?;
                Some(name.to_owned())
            },
        ),
        deviant(
            "empty-host-is-the-oldest-tenant",
            "An empty host is served as the oldest tenant",
            &["SEC-001"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            parts.caller = before(move |ask| {
                let oldest = directory.all().into_iter().next();
                if let Some(oldest) = oldest.filter(|_| ask.host().is_empty()) {
                    ask.set("host", &oldest.host());
                }
            });
        }),
        deviant(
            "odd-host-is-a-fault",
            "A host with a character that no name has is answered as an internal error",
            &["SEC-001"],
        )
        .parts(|parts| {
            parts.caller = after(|ask, told| {
                let odd =
                    |letter: char| !(letter.is_ascii_alphanumeric() || ".-_:".contains(letter));
                if sent(ask).contains(odd) {
                    refuse(told, 500, "INTERNAL");
                }
            });
        }),
        deviant(
            "long-host-is-a-fault",
            "A host that is longer than a database key is answered as an internal error",
            &["SEC-001"],
        )
        .parts(|parts| {
            parts.caller = after(|ask, told| {
                // KV's longest key, less the registry's prefix.
                if ask.host().len() > 507 {
                    refuse(told, 500, "INTERNAL");
                }
            });
        }),
    ]
}

fn unknown(
    parts: &mut Parts,
    change: impl Fn(&Ask, &mut crate::tamper::Told) + Send + Sync + 'static,
) {
    parts.caller = after(move |ask, told| {
        // A body that is refused says nothing about the host.
        let malformed = ask.method == "GET" && is_error(told, "INVALID_REQUEST");
        let refused = is_error(told, "TENANT_NOT_FOUND") || malformed;
        if refused && !ask.route().starts_with("/api/admin") {
            change(ask, told);
        }
    });
}

fn repeated() -> Vec<Draft> {
    vec![
        deviant(
            "host-repeated-in-a-header",
            "The refusal repeats the host in a header",
            &["SEC-001", "RES-012"],
        )
        .parts(|parts| unknown(parts, |ask, told| told.set("x-served-host", ask.host()))),
        deviant(
            "unknown-host-is-redirected",
            "An unknown host is redirected to itself over TLS",
            &["SEC-001", "SEC-002"],
        )
        .parts(|parts| {
            unknown(parts, |ask, told| {
                told.set("location", &format!("https://{}{}", ask.host(), ask.path));
                told.status = 301;
            });
        }),
        deviant(
            "unknown-host-is-shown-as-a-page",
            "An unknown host is shown a page that says its name",
            &["SEC-001"],
        )
        .parts(|parts| {
            unknown(parts, |ask, told| {
                told.set("content-type", "text/html");
                told.put(format!("<p>There is no {} here.</p>", sent(ask)));
            });
        }),
        deviant(
            "host-forges-a-log-line",
            "The host is put into a log line as it was sent",
            &["SEC-001"],
        )
        .parts(|parts| {
            lines::change(parts, |mut line| {
                let host = line.as_object_mut().and_then(|line| line.remove("host"));
                let Some(host) = host.as_ref().and_then(Value::as_str) else {
                    return Some(line.to_string());
                };
                let rest = line.to_string();
                let open = rest.trim_end_matches('}');
                Some(format!("{open},\"host\":\"{host}\"}}"))
            });
        }),
    ]
}

fn revealing() -> Vec<Draft> {
    vec![
        deviant(
            "similar-slugs-are-suggested",
            "The refusal of an unknown slug suggests those that begin alike",
            &["SEC-002"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            unknown(parts, move |ask, told| {
                let asked = ask.host().split('.').next().unwrap_or_default();
                let near = |slug: &str| slug.starts_with(asked) || asked.starts_with(slug);
                let all = directory.all().into_iter().map(|known| known.slug);
                let near: Vec<String> = all.filter(|slug| near(slug)).collect();
                edit(told, |body| {
                    body["error"]["details"]["similar"] = json!(near);
                });
            });
        }),
        deviant(
            "hostnames-of-the-neighbours",
            "The refusal of an unknown hostname names the registered ones of its domain",
            &["SEC-002"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            unknown(parts, move |ask, told| {
                let host = ask.host().to_ascii_lowercase();
                let parent = host.split_once('.').map_or("", |(_label, parent)| parent);
                let all = directory.all().into_iter().flat_map(|known| known.domains);
                let near: Vec<String> = all
                    .filter(|domain| domain.ends_with(&host) || domain.ends_with(parent))
                    .collect();
                if !near.is_empty() {
                    edit(told, |body| {
                        body["error"]["details"]["did_you_mean"] = json!(near);
                    });
                }
            });
        }),
        deviant(
            "health-lists-the-tenants",
            "The health route lists the slugs of all tenants",
            &["SEC-002"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            parts.caller = after(move |ask, told| {
                if ask.route() == "/sandbox-health" {
                    let all = directory.all().into_iter().map(|known| known.slug);
                    let slugs: Vec<String> = all.collect();
                    edit(told, |body| body["tenants"] = json!(slugs));
                }
            });
        }),
        deviant(
            "sandbox-id-is-a-slug",
            "A tenant is found below the app domain by its sandbox id too",
            &["SEC-002"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            parts.caller = before(move |ask| {
                let label = ask.host().split('.').next().unwrap_or_default();
                let known = directory
                    .find(label)
                    .filter(|known| known.sandbox_id == label);
                if let Some(known) = known {
                    ask.set("host", &known.host());
                }
            });
        }),
    ]
}
