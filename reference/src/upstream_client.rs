//! The HTTP client for what is asked over the network: AI Gateway and the team domain's keys. Never sends anything itself.

use reqwest::ClientBuilder;

/// A client that follows no redirect, repeats nothing and uses no proxy, with `more` set on it.
/// It trusts the system's certificate authorities, or Mozilla's where the system has none (an image with nothing in it).
///
/// # Errors
/// What the HTTP client says of its settings.
pub fn client(
    more: impl Fn(ClientBuilder) -> ClientBuilder,
) -> Result<reqwest::Client, reqwest::Error> {
    let bare = || {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
    };
    more(bare()).build().or_else(|_no_certificates| {
        let authorities = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        let authorities = authorities
            .iter()
            .map(|certificate| reqwest::Certificate::from_der(certificate));
        let trusted = authorities.collect::<Result<Vec<_>, _>>()?;
        more(bare().tls_certs_only(trusted)).build()
    })
}
