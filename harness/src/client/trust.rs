//! Whom clients trust: the certificate authorities of the system, or Mozilla's where the system has none (an image with nothing in it).
//! Never trusts everybody.

use reqwest::{Certificate, Client, ClientBuilder, Error};

/// A client of what `bare` begins.
pub(crate) fn client(bare: impl Fn() -> ClientBuilder) -> Result<Client, Error> {
    bare()
        .build()
        .or_else(|_no_certificates| bare().tls_certs_only(mozilla()?).build())
}

/// The authorities that Mozilla trusts.
pub(super) fn mozilla() -> Result<Vec<Certificate>, Error> {
    let authorities = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    authorities
        .map(|certificate| Certificate::from_der(certificate))
        .collect()
}
