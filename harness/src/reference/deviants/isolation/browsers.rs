//! Backends that tell a browser whether the page it comes from is a tenant's. Never lets a page decide whose the request is.

use super::carriers::on_foreign;
use crate::reference::deviants::directory::Directory;
use crate::reference::deviants::{Draft, deviant};
use crate::tamper::Ask;

/// The host of a URL in a header.
fn host_in(name: &'static str) -> impl Fn(&Ask) -> Option<String> + Send + Sync + Clone {
    move |ask| {
        let url = url::Url::parse(ask.header(name)?).ok()?;
        url.host_str().map(str::to_owned)
    }
}

pub(super) fn all() -> Vec<Draft> {
    vec![
        deviant(
            "pages-of-tenants-may-call",
            "The page of another tenant's host may call a tenant's routes by CORS, that of an unknown one may not",
            &["ISO-002"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            parts.caller = on_foreign(directory, host_in("origin"), |other, told| {
                told.set("access-control-allow-origin", &other.host());
            });
        }),
        deviant(
            "preflights-of-tenants-are-answered",
            "A preflight from another tenant's page is answered, one from an unknown page is a method that is not allowed",
            &["ISO-002"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            let named = |ask: &Ask| {
                ask.header("access-control-request-method")?;
                host_in("origin")(ask)
            };
            parts.caller = on_foreign(directory, named, |_other, told| told.status = 204);
        }),
        deviant(
            "links-from-tenants-are-noted",
            "An answer tells whether the page that Referer names is another tenant's",
            &["ISO-002"],
        )
        .parts(|parts| {
            let directory = Directory::of(parts);
            parts.caller = on_foreign(directory, host_in("referer"), |_other, told| {
                told.set("x-internal-referer", "1");
            });
        }),
    ]
}
