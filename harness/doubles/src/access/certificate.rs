//! Self-signed X.509 certificates for the `public_certs` of a key set. It never issues one for TLS.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_RSA_SHA256};
use time::{Duration, OffsetDateTime};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::keys::{KeyError, KeyMaterial};
use crate::pem::pem;

/// A certificate of the key for the team's domain, valid from a day before `now` for about eight weeks, in DER.
pub(super) fn self_signed(
    key: &KeyMaterial,
    team_domain: &str,
    now: OffsetDateTime,
) -> Result<Vec<u8>, KeyError> {
    let private = PrivatePkcs8KeyDer::from(key.private_der.as_slice());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&private, &PKCS_RSA_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, team_domain);
    params.not_before = now - Duration::DAY;
    params.not_after = now + Duration::weeks(8);
    Ok(params.self_signed(&pair)?.der().to_vec())
}

/// As [`self_signed`], in PEM.
pub(super) fn self_signed_pem(
    key: &KeyMaterial,
    team_domain: &str,
    now: OffsetDateTime,
) -> Result<String, KeyError> {
    Ok(pem("CERTIFICATE", &self_signed(key, team_domain, now)?))
}
