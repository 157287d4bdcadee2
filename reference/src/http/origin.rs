//! What a request's head says about where it comes from and where it goes. Never trusts a forwarding header (RES-010, RL-007).

use crate::app::requirements::RouteClass;
use crate::app::resolve::Target;
use crate::domain::hostname::{HostName, InvalidHost};
use crate::domain::path::is_admin;
use axum::extract::Request;
use axum::http::header::{COOKIE, HOST};
use axum::http::{HeaderMap, HeaderName};
use std::net::{IpAddr, Ipv4Addr};

/// The peer of the socket; the server puts it among a request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

const CONNECTING_IP: HeaderName = HeaderName::from_static("cf-connecting-ip");
const TENANT_OVERRIDE: HeaderName = HeaderName::from_static("x-tenant-override");
const ACCESS_ASSERTION: HeaderName = HeaderName::from_static("cf-access-jwt-assertion");
const ACCESS_COOKIE: &str = "CF_Authorization";

/// `CF-Connecting-IP` as the edge sets it, else the peer of the socket.
#[must_use]
pub fn client_ip(request: &Request) -> IpAddr {
    let stated = only(request.headers(), &CONNECTING_IP).and_then(|value| {
        std::str::from_utf8(value)
            .ok()?
            .trim()
            .parse::<IpAddr>()
            .ok()
    });
    let peer = || {
        request
            .extensions()
            .get::<Peer>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0)
    };
    stated.unwrap_or_else(peer).to_canonical()
}

/// Which configuration and which gates a path stands under.
pub(super) fn class(path: &str) -> RouteClass {
    match path {
        "/sandbox-health" => RouteClass::Health,
        "/v1/chat/completions" => RouteClass::Chat,
        _ if is_admin(path) => RouteClass::Admin,
        _ => RouteClass::Public,
    }
}

/// What names the tenant: one `Host`, or the authority of an absolute target if both agree; in development the override.
pub(super) fn target(request: &Request) -> Target<'_> {
    let header = only(request.headers(), &HOST);
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    let several = request.headers().get_all(HOST).iter().nth(1).is_some();
    let host_sent = header.or(authority).unwrap_or_default();
    let host = HostName::parse(host_sent).and_then(|host| match authority {
        _ if several => Err(InvalidHost),
        Some(authority) if HostName::parse(authority).as_ref() != Ok(&host) => Err(InvalidHost),
        Some(_) | None => Ok(host),
    });
    let mut overrides = request.headers().get_all(TENANT_OVERRIDE).iter();
    let tenant_override = match (overrides.next(), overrides.next()) {
        (Some(one), None) => Some(one.as_bytes()),
        // Two overrides are as malformed as an empty one.
        (Some(_), Some(_)) => Some(&[][..]),
        (None, _) => None,
    };
    Target {
        host,
        host_sent,
        tenant_override,
    }
}

/// The Access token: the header, else the cookie; if both are sent the header decides (ACC-021).
#[must_use]
pub fn access_token(headers: &HeaderMap) -> Option<&str> {
    if headers.contains_key(&ACCESS_ASSERTION) {
        // A header that is no text, or given twice, is a token that cannot be valid.
        return Some(
            only(headers, &ACCESS_ASSERTION)
                .and_then(|value| std::str::from_utf8(value).ok())
                .unwrap_or_default(),
        );
    }
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(name, _)| *name == ACCESS_COOKIE)
        .map(|(_, value)| value)
}

/// The value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let builder = headers
            .iter()
            .fold(Request::builder().uri(uri), |builder, (name, value)| {
                builder.header(*name, *value)
            });
        builder.body(Body::empty()).unwrap()
    }

    #[test]
    fn only_one_host_counts_and_an_absolute_target_must_agree() {
        let host = |request: &Request| target(request).host.map(|host| host.to_string());
        assert_eq!(
            host(&request("/", &[("host", "A.test:1")])),
            Ok("a.test".to_owned())
        );
        assert_eq!(
            host(&request("http://a.test/", &[("host", "a.test")])),
            Ok("a.test".to_owned())
        );
        assert_eq!(
            host(&request("http://a.test/", &[])),
            Ok("a.test".to_owned())
        );
        assert_eq!(
            host(&request("http://b.test/", &[("host", "a.test")])),
            Err(InvalidHost)
        );
        assert_eq!(
            host(&request("/", &[("host", "a.test"), ("host", "b.test")])),
            Err(InvalidHost)
        );
        assert_eq!(
            host(&request("/", &[("x-forwarded-host", "a.test")])),
            Err(InvalidHost)
        );
    }

    #[test]
    fn the_client_ip_is_the_edge_s_or_the_peer_s() {
        let ip = |headers: &[(&str, &str)]| {
            let mut request = request("/", headers);
            request
                .extensions_mut()
                .insert(Peer("10.0.0.9".parse().unwrap()));
            client_ip(&request).to_string()
        };
        assert_eq!(ip(&[]), "10.0.0.9");
        assert_eq!(ip(&[("cf-connecting-ip", "1.2.3.4")]), "1.2.3.4");
        assert_eq!(ip(&[("cf-connecting-ip", "::ffff:1.2.3.4")]), "1.2.3.4");
        assert_eq!(ip(&[("cf-connecting-ip", "garbage")]), "10.0.0.9");
        assert_eq!(
            ip(&[
                ("cf-connecting-ip", "1.2.3.4"),
                ("cf-connecting-ip", "1.2.3.5")
            ]),
            "10.0.0.9"
        );
        assert_eq!(ip(&[("x-forwarded-for", "1.2.3.4")]), "10.0.0.9");
    }

    #[test]
    fn the_header_decides_over_the_cookie() {
        let token = |headers: &[(&str, &str)]| {
            access_token(request("/", headers).headers()).map(str::to_owned)
        };
        assert_eq!(token(&[]), None);
        assert_eq!(
            token(&[("cookie", "a=b; CF_Authorization=c")]),
            Some("c".to_owned())
        );
        assert_eq!(
            token(&[
                ("cookie", "CF_Authorization=c"),
                ("cf-access-jwt-assertion", "h")
            ]),
            Some("h".to_owned())
        );
        assert_eq!(
            token(&[
                ("cf-access-jwt-assertion", "h"),
                ("cf-access-jwt-assertion", "i")
            ]),
            Some(String::new())
        );
    }
}
