//! RSA key pairs of this process, generated once and shared by all issuers. It never writes a key to a file.

use std::{
    sync::{Arc, Mutex, Once, PoisonError},
    thread,
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};

use crate::pem::pem;

/// Why a key pair could not be made or used.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    /// The cryptographic library refused, which it does not explain.
    #[error("the RSA key could not be generated or used")]
    Rsa(#[from] aws_lc_rs::error::Unspecified),
    /// The token library did not take the key.
    #[error("the RSA key was not accepted for signing tokens")]
    Encoding(#[from] jsonwebtoken::errors::Error),
    /// The certificate library did not take the key.
    #[error("no certificate could be made of the RSA key")]
    Certificate(#[from] rcgen::Error),
    /// A kept key is no PEM of PKCS#8.
    #[error("a kept private key is not readable")]
    Kept(#[from] tokio_rustls::rustls::pki_types::pem::Error),
    /// A kept key is no RSA key.
    #[error("a kept private key is no RSA key")]
    Rejected(#[from] aws_lc_rs::error::KeyRejected),
}

/// An RSA 2048 key pair in the forms that are needed.
pub(super) struct KeyMaterial {
    /// PKCS#8, DER.
    pub(super) private_der: Vec<u8>,
    /// Signs tokens.
    pub(super) signing: EncodingKey,
    /// Modulus, base64url.
    pub(super) n: String,
    /// Exponent, base64url.
    pub(super) e: String,
    /// `SubjectPublicKeyInfo`, DER.
    pub(super) public_der: Vec<u8>,
}

impl KeyMaterial {
    fn generate() -> Result<Self, KeyError> {
        Self::of(&KeyPair::generate(KeySize::Rsa2048)?)
    }

    /// The pair that [`Self::private_pem`] told of.
    pub(super) fn restore(private_pem: &str) -> Result<Self, KeyError> {
        let private = PrivatePkcs8KeyDer::from_pem_slice(private_pem.as_bytes())?;
        Self::of(&KeyPair::from_pkcs8(private.secret_pkcs8_der())?)
    }

    fn of(pair: &KeyPair) -> Result<Self, KeyError> {
        let private: Pkcs8V1Der<'_> = pair.as_der()?;
        // `from_rsa_der` wants PKCS#1; PEM says which of the two it is.
        let signing = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes())?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
        Ok(Self {
            signing,
            n: URL_SAFE_NO_PAD.encode(
                pair.public_key()
                    .modulus()
                    .big_endian_without_leading_zero(),
            ),
            e: URL_SAFE_NO_PAD.encode(
                pair.public_key()
                    .exponent()
                    .big_endian_without_leading_zero(),
            ),
            public_der: public.as_ref().to_vec(),
            private_der: private.as_ref().to_vec(),
        })
    }

    /// The public key as a PEM file holds it.
    pub(super) fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.public_der)
    }

    /// The private key as a PEM file holds it.
    pub(super) fn private_pem(&self) -> String {
        pem("PRIVATE KEY", &self.private_der)
    }
}

/// A key's place in the pool. Issuers share key pairs under `kid`s of their own: generation is slow, a `kid` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(pub(super) usize);

/// The pair of every issuer's other team; no issuer publishes it.
pub(super) const FOREIGN: Slot = Slot(0);
/// The pairs an issuer starts with: the previous one and the current one.
pub(super) const PREVIOUS: Slot = Slot(1);
pub(super) const CURRENT: Slot = Slot(2);
/// The first pair that rotation brings in.
pub(super) const FIRST_ROTATED: usize = 3;

/// The pair of a slot, generated when first asked for.
pub(super) fn material(slot: Slot) -> Result<Arc<KeyMaterial>, KeyError> {
    type Cell = Arc<Mutex<Option<Arc<KeyMaterial>>>>;
    static POOL: Mutex<Vec<Cell>> = Mutex::new(Vec::new());
    let cell = {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() <= slot.0 {
            pool.resize_with(slot.0 + 1, Cell::default);
        }
        Arc::clone(&pool[slot.0])
    };
    // Locked while generating: whoever else asks for this pair waits for it instead of making another.
    let mut held = cell.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(material) = held.as_ref() {
        return Ok(Arc::clone(material));
    }
    let generated = Arc::new(KeyMaterial::generate()?);
    *held = Some(Arc::clone(&generated));
    Ok(generated)
}

/// Generates, once per process and aside, the pairs that will be asked for after the current one.
pub(super) fn generate_ahead() {
    static AHEAD: Once = Once::new();
    AHEAD.call_once(|| {
        let thread = thread::Builder::new().name("rsa-keys".to_owned());
        let generate = || {
            for slot in [PREVIOUS, FOREIGN, Slot(FIRST_ROTATED)] {
                // A failure shows when somebody asks for the pair.
                drop(material(slot));
            }
        };
        // Without the thread the pairs are generated when asked for.
        drop(thread.spawn(generate));
    });
}
