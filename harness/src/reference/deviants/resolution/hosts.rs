//! Backends that read the host wrongly, or something else for it. Never asks a store of its own.

use crate::contract::need::Variant;
use crate::reference::deviants::answers::is_error;
use crate::reference::deviants::directory::Directory;
use crate::reference::deviants::layer::{after, again, before, instead, refusal};
use crate::reference::deviants::{Draft, deviant, held};
use crate::tamper::{Ask, Tamper};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const APP_DOMAIN: &str = "moltworker.example";

pub(super) fn all() -> Vec<Draft> {
    let mut all = given_up();
    all.extend(read_wrongly());
    all.extend(deeper_and_bare());
    all
}

/// The subdomain of who has hostnames of its own.
fn given_up() -> Vec<Draft> {
    let has_hostnames = |directory: &Directory, ask: &Ask| {
        let known = directory.find(ask.host())?;
        let is_subdomain = known.host() == ask.host();
        known.domains.first().cloned().filter(|_| is_subdomain)
    };
    vec![
        deviant(
            "status-moves-to-the-hostname",
            "The status on the subdomain of a tenant with hostnames of its own is a redirection to the first of them",
            &["RES-001"],
        )
        .parts(move |parts| {
            let directory = Directory::of(parts);
            parts.caller = after(move |ask, told| {
                let own = has_hostnames(&directory, ask);
                let is_status = ask.route() == "/api/status" && told.status == 200;
                if let Some(own) = own.filter(|_| is_status) {
                    told.status = 308;
                    told.set("location", &format!("https://{own}/api/status"));
                }
            });
        }),
        deviant(
            "chats-on-hostnames-only",
            "A chat on the subdomain of a tenant with hostnames of its own is refused as an unknown tenant's",
            &["RES-001"],
        )
        .parts(move |parts| {
            let directory = Directory::of(parts);
            parts.caller = instead(move |ask| {
                let own = has_hostnames(&directory, ask);
                let is_chat = ask.route() == "/v1/chat/completions";
                own.filter(|_| is_chat)
                    .map(|_own| refusal(404, "TENANT_NOT_FOUND", &serde_json::json!({})))
            });
        }),
    ]
}

fn read_wrongly() -> Vec<Draft> {
    vec![
        deviant(
            "letter-case-of-the-app-domain-matters",
            "The slug is found in any letter case, the app domain only as it is configured",
            &["RES-006"],
        )
        .parts(|parts| parts.caller = before(app_domain_as_configured)),
        deviant(
            "letter-case-of-hostnames-matters",
            "Custom hostnames are compared letter by letter, capitals included",
            &["RES-006"],
        )
        .parts(|parts| {
            parts.caller = before(|ask| {
                let host = ask.host().to_owned();
                let custom = !host.to_ascii_lowercase().contains("moltworker.example");
                if custom && host.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    ask.set("host", "capitals.customer.example");
                }
            });
        }),
        deviant(
            "hostnames-within-the-app-domain",
            "A custom hostname may be the app domain or lie anywhere below it",
            &["RES-008"],
        )
        .parts(|parts| parts.caller = within_app_domain()),
        deviant(
            "trailing-dot-of-a-hostname-stays",
            "A trailing dot is cut off below the app domain only",
            &["RES-016"],
        )
        .parts(|parts| {
            parts.caller = before(|ask| {
                let host = ask.host().to_owned();
                let name = host.split(':').next().unwrap_or_default();
                if name.ends_with('.') && !name.contains("moltworker.example") {
                    ask.set("host", "dot.customer.example");
                }
            });
        }),
        deviant(
            "override-of-an-unknown-host-in-production",
            "X-Tenant-Override selects a tenant in production where the host is none",
            &["RES-002"],
        )
        .parts(|parts| parts.caller = helped_by(|ask| slug_host(ask, "x-tenant-override"))),
        deviant(
            "forwarded-host-of-an-unknown-host",
            "X-Forwarded-Host counts where the host is no tenant",
            &["RES-010"],
        )
        .parts(|parts| {
            parts.caller = helped_by(|ask| ask.header("x-forwarded-host").map(str::to_owned));
        }),
        deviant(
            "forwarded-behind-another-parameter",
            "Where the host is no tenant, the host in Forwarded counts if another parameter stands before it",
            &["RES-010"],
        )
        .parts(|parts| parts.caller = helped_by(later_parameter)),
        deviant(
            "forwarded-host-in-development",
            "X-Forwarded-Host takes the place of the host in development",
            &["RES-010"],
        )
        .parts(|parts| {
            if parts.variant == Variant::DevMode {
                parts.caller = before(|ask| {
                    if let Some(host) = ask.header("x-forwarded-host").map(str::to_owned) {
                        ask.set("host", &host);
                    }
                });
            }
        }),
    ]
}

/// Names below the app domain that are taken for a tenant's.
fn deeper_and_bare() -> Vec<Draft> {
    vec![
        deviant(
            "deeper-names-in-development",
            "In development the first of several labels below the app domain is the slug",
            &["RES-008"],
        )
        .parts(|parts| {
            if parts.variant == Variant::DevMode {
                parts.caller = before(first_label);
            }
        }),
        deviant(
            "bare-app-domain-is-the-oldest-tenant",
            "The bare app domain is served as the oldest tenant",
            &["RES-008"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            parts.caller = before(move |ask| {
                let host = ask.host().to_ascii_lowercase();
                let bare = host.split(':').next() == Some("moltworker.example");
                if let Some(oldest) = directory.all().first().filter(|_| bare) {
                    ask.set("host", &oldest.host());
                }
            });
        }),
    ]
}

/// A layer that tries another host where the request's own is no tenant.
fn helped_by(
    other: impl Fn(&Ask) -> Option<String> + Send + Sync + 'static,
) -> Option<std::sync::Arc<dyn crate::tamper::Tamper>> {
    again(move |ask, told| {
        let host = other(ask).filter(|_| is_error(told, "TENANT_NOT_FOUND"))?;
        let mut second = ask.clone();
        second.set("host", &host);
        Some(second)
    })
}

/// The host in `Forwarded` that is not its first parameter, without quotes and port.
fn later_parameter(ask: &Ask) -> Option<String> {
    let later = ask.header("forwarded")?.split(';').skip(1);
    let hosts = later.filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("host").then_some(value)
    });
    let value = hosts.into_iter().next()?.trim_start_matches('"');
    let end = value.find(['"', ',', ':']).unwrap_or(value.len());
    Some(value[..end].to_owned())
}

fn slug_host(ask: &Ask, header: &str) -> Option<String> {
    Some(format!("{}.moltworker.example", ask.header(header)?))
}

/// Takes hostnames that the backend would refuse, and leads them to the host below the app domain of the tenant that was made with them.
fn within_app_domain() -> Option<Arc<dyn Tamper>> {
    let hosts: Mutex<BTreeMap<String, String>> = Mutex::default();
    before(move |ask| {
        if let Some(host) = held(&hosts).get(ask.host()).cloned() {
            ask.set("host", &host);
        }
        let mut body = ask.json();
        let own = format!("{}.{APP_DOMAIN}", body["slug"].as_str().unwrap_or_default());
        let is_creation = ask.method == "POST" && ask.route() == "/api/admin/tenants";
        let Some(domains) = body["domains"].as_array_mut().filter(|_| is_creation) else {
            return;
        };
        domains.retain(|name| {
            let within = name.as_str().filter(|name| name.ends_with(APP_DOMAIN));
            if let Some(name) = within {
                held(&hosts).insert(name.to_owned(), own.clone());
            }
            within.is_none()
        });
        ask.body = body.to_string().into();
    })
}

fn app_domain_as_configured(ask: &mut Ask) {
    let host = ask.host().to_owned();
    let is_ours = host.to_ascii_lowercase().contains("moltworker.example");
    if is_ours && !host.contains("moltworker.example") {
        ask.set("host", "capitals.customer.example");
    }
}

fn first_label(ask: &mut Ask) {
    let host = ask.host().to_owned();
    if let Some((below, _)) = host.split_once(".moltworker.example")
        && let Some((slug, _)) = below.split_once('.')
    {
        ask.set("host", &format!("{slug}.moltworker.example"));
    }
}
