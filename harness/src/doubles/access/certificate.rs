//! Self-signed X.509 certificates for the `public_certs` of a key set. It never issues one for TLS.

use base64::{Engine, engine::general_purpose::STANDARD};
use time::{OffsetDateTime, macros::format_description};

use super::keys::{KeyError, KeyMaterial, pem};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const VERSION: u8 = 0xa0;

/// `AlgorithmIdentifier` of sha256WithRSAEncryption (1.2.840.113549.1.1.11), parameters NULL.
const SHA256_WITH_RSA: &str = "MA0GCSqGSIb3DQEBCwUA";
/// Object identifier 2.5.4.3, common name.
const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];

/// A certificate of the key for the team's domain, valid from a day before `now` for about eight weeks, in PEM.
pub(super) fn self_signed(
    key: &KeyMaterial,
    team_domain: &str,
    now: OffsetDateTime,
) -> Result<String, KeyError> {
    let algorithm = STANDARD.decode(SHA256_WITH_RSA).unwrap_or_default();
    let name = name(team_domain);
    let validity = der(
        SEQUENCE,
        &[
            utc_time(now - time::Duration::days(1)),
            utc_time(now + time::Duration::weeks(8)),
        ],
    );
    let to_be_signed = der(
        SEQUENCE,
        &[
            der(VERSION, &[der(INTEGER, &[vec![2]])]),
            der(INTEGER, &[vec![1]]),
            algorithm.clone(),
            name.clone(),
            validity,
            name,
            key.public_der.clone(),
        ],
    );
    let signature = key.sign(&to_be_signed)?;
    let certificate = der(
        SEQUENCE,
        &[
            to_be_signed,
            algorithm,
            der(BIT_STRING, &[vec![0], signature]),
        ],
    );
    Ok(pem("CERTIFICATE", &certificate))
}

fn name(common_name: &str) -> Vec<u8> {
    let text = der(UTF8_STRING, &[common_name.as_bytes().to_vec()]);
    let attribute = der(SEQUENCE, &[COMMON_NAME.to_vec(), text]);
    der(SEQUENCE, &[der(SET, &[attribute])])
}

fn utc_time(at: OffsetDateTime) -> Vec<u8> {
    let format = format_description!("[year repr:last_two][month][day][hour][minute][second]Z");
    der(
        UTC_TIME,
        &[at.format(&format).unwrap_or_default().into_bytes()],
    )
}

/// Tag, length and the parts as content.
fn der(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut bytes = vec![tag];
    match (u8::try_from(content.len()), u8::try_from(significant.len())) {
        (Ok(short), _) if short < 0x80 => bytes.push(short),
        (_, Ok(octets)) => {
            bytes.push(0x80 | octets);
            bytes.extend(significant);
        }
        // A length of more than 255 octets exceeds any address space.
        (_, Err(_)) => {}
    }
    bytes.extend(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{SEQUENCE, der};

    #[test]
    fn lengths_take_one_octet_below_128_and_say_how_many_above() {
        assert_eq!(der(SEQUENCE, &[vec![7; 3]])[..2], [0x30, 3]);
        assert_eq!(der(SEQUENCE, &[vec![7; 128]])[..3], [0x30, 0x81, 128]);
        assert_eq!(der(SEQUENCE, &[vec![7; 300]])[..4], [0x30, 0x82, 1, 44]);
    }
}
