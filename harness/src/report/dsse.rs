//! Signed envelopes (DSSE) around in-toto statements, with keys in PEM. Never makes cryptography of its own.

use crate::digest::sha256;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

/// What is in the envelope.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// An envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// What the payload is.
    pub payload_type: String,
    /// The payload in base64.
    pub payload: String,
    /// At least one.
    pub signatures: Vec<Signature>,
}

/// A signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// SHA-256 of the public key in DER: a hint which key it is, which proves nothing.
    #[serde(default)]
    pub keyid: String,
    /// In base64.
    pub sig: String,
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// Not PEM.
    #[error("it is no PEM: {0}")]
    NotPem(#[source] pem::PemError),
    /// With a password.
    #[error("it is encrypted ({0}); give it decrypted, such as by `openssl pkey -in KEY`")]
    Encrypted(String),
    /// Another kind.
    #[error("its label is `{0}`, wanted is {1}")]
    Label(String, &'static str),
    /// Another algorithm.
    #[error("it is neither an Ed25519 key nor one of the curve P-256")]
    Algorithm,
}

/// An envelope that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// Not base64.
    #[error("its payload or a signature is no base64")]
    Garbled,
    /// Something else is in it.
    #[error("its payload is `{0}` and no in-toto statement")]
    OtherPayload(String),
    /// None of the signatures.
    #[error("none of its signatures was made by this key over this statement")]
    OtherKey,
}

/// A private key.
#[derive(Debug)]
pub struct SigningKey {
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

/// Signing failed: the machine gives no random numbers, or the key has no public half.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign")]
pub struct CannotSign;

impl SigningKey {
    /// An Ed25519 key or one of the curve P-256: PKCS#8, or SEC 1 as `openssl ecparam` makes it.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn parse(text: &str) -> Result<Self, NoKey> {
        // openssl writes the parameters of the curve before the key.
        let all = pem::parse_many(text).map_err(NoKey::NotPem)?;
        let mut all = all.into_iter().filter(|one| one.tag() != "EC PARAMETERS");
        let Some(one) = all.next_back() else {
            return Err(NoKey::Label("(none)".to_owned(), "`PRIVATE KEY`"));
        };
        let der = one.contents();
        let p256 = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = match one.tag() {
            "PRIVATE KEY" => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
                .map(Pair::Ed25519)
                .or_else(|_other| EcdsaKeyPair::from_pkcs8(p256, der).map(Pair::P256))
                .ok(),
            "EC PRIVATE KEY" => EcdsaKeyPair::from_private_key_der(p256, der)
                .map(Pair::P256)
                .ok(),
            label if label.contains("ENCRYPTED") => {
                return Err(NoKey::Encrypted(label.to_owned()));
            }
            label => {
                return Err(NoKey::Label(
                    label.to_owned(),
                    "`PRIVATE KEY` or `EC PRIVATE KEY`",
                ));
            }
        };
        pair.map(|pair| Self { pair }).ok_or(NoKey::Algorithm)
    }

    /// An envelope around a statement.
    ///
    /// # Errors
    /// [`CannotSign`].
    pub fn sign(&self, statement: &[u8]) -> Result<Envelope, CannotSign> {
        let message = encoded(PAYLOAD_TYPE, statement);
        let sig = match &self.pair {
            Pair::Ed25519(pair) => pair.sign(&message).as_ref().to_vec(),
            Pair::P256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), &message);
                signed.map_err(|_unspecified| CannotSign)?.as_ref().to_vec()
            }
        };
        let der: Result<PublicKeyX509Der<'_>, _> = match &self.pair {
            Pair::Ed25519(pair) => pair.public_key().as_der(),
            Pair::P256(pair) => pair.public_key().as_der(),
        };
        let der = der.map_err(|_unspecified| CannotSign)?;
        Ok(Envelope {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: STANDARD.encode(statement),
            signatures: vec![Signature {
                keyid: sha256(der.as_ref()),
                sig: STANDARD.encode(sig),
            }],
        })
    }
}

/// A public key.
#[derive(Debug)]
pub struct PublicKey {
    der: Vec<u8>,
}

impl PublicKey {
    /// A public key in PEM, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn parse(text: &str) -> Result<Self, NoKey> {
        let one = pem::parse(text).map_err(NoKey::NotPem)?;
        if one.tag() != "PUBLIC KEY" {
            return Err(NoKey::Label(one.tag().to_owned(), "`PUBLIC KEY`"));
        }
        let key = Self {
            der: one.into_contents(),
        };
        let is_known = aws_lc_rs::signature::ParsedPublicKey::new(&ED25519, &key.der).is_ok()
            || aws_lc_rs::signature::ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.der)
                .is_ok();
        is_known.then_some(key).ok_or(NoKey::Algorithm)
    }

    /// SHA-256 of the key in DER.
    #[must_use]
    pub fn id(&self) -> String {
        sha256(&self.der)
    }

    fn has_signed(&self, message: &[u8], sig: &[u8]) -> bool {
        let known: [&'static dyn VerificationAlgorithm; 2] = [&ED25519, &ECDSA_P256_SHA256_ASN1];
        known.into_iter().any(|algorithm| {
            let key = UnparsedPublicKey::new(algorithm, &self.der);
            key.verify(message, sig).is_ok()
        })
    }
}

impl Envelope {
    /// The statement in it, if this key has signed it.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub fn opened(&self, key: &PublicKey) -> Result<Vec<u8>, NotSigned> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(NotSigned::OtherPayload(self.payload_type.clone()));
        }
        let payload = decoded(&self.payload)?;
        let message = encoded(&self.payload_type, &payload);
        for signature in &self.signatures {
            if key.has_signed(&message, &decoded(&signature.sig)?) {
                return Ok(payload);
            }
        }
        Err(NotSigned::OtherKey)
    }
}

/// Either alphabet of base64, as the specification demands of readers.
fn decoded(text: &str) -> Result<Vec<u8>, NotSigned> {
    let read = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
    read.map_err(|_either| NotSigned::Garbled)
}

/// What is signed: type and payload, each with its length, so that neither can pass for a part of the other (PAE of DSSE).
fn encoded(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_as_the_specification_has_it() {
        let seen = encoded("http://example.com/HelloWorld", b"hello world");
        assert_eq!(
            seen,
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
