//! RSA key pairs of this process, generated once and shared by all issuers. It never writes a key anywhere.

use std::{
    sync::{Arc, Mutex, Once, PoisonError},
    thread,
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::EncodingKey;

/// Why a key pair could not be made or used.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    /// The cryptographic library refused, which it does not explain.
    #[error("the RSA key could not be generated or used")]
    Rsa(#[from] aws_lc_rs::error::Unspecified),
    /// The token library did not take the key.
    #[error("the RSA key was not accepted for signing tokens")]
    Encoding(#[from] jsonwebtoken::errors::Error),
}

/// An RSA 2048 key pair in the forms that are needed.
pub(super) struct KeyMaterial {
    pair: KeyPair,
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
        let pair = KeyPair::generate(KeySize::Rsa2048)?;
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
            pair,
        })
    }

    /// The public key as a PEM file holds it.
    pub(super) fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.public_der)
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message,
            &mut signature,
        )?;
        Ok(signature)
    }
}

/// DER in PEM armour.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|start| &text[start..(start + 64).min(text.len())])
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
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
