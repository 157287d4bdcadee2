//! Looks for a credential wherever it may have been left: whole or in part, plain or in an encoding. Never keeps what it looked through.

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::fmt::Write as _;

/// Bytes of a piece that is looked for: nine bytes are twelve characters of base64, and no text holds nine random ones by accident.
const PIECE: usize = 9;

/// What of a key may be known to everybody: its first characters.
const PREFIX: usize = 12;

/// What a key's random part begins after (`mpk_`).
const HEAD: usize = 4;

/// Finds every piece of a credential in every encoding.
#[derive(Debug)]
pub(crate) struct Search {
    pieces: AhoCorasick,
    /// What each piece is written in.
    encodings: Vec<&'static str>,
}

impl Search {
    /// Looks for the part of a credential that only its owner may know.
    pub(crate) fn of(credential: &str) -> Self {
        let mut wanted: Vec<(&'static str, Vec<u8>)> = Vec::new();
        let bytes = credential.as_bytes();
        // A piece that begins in the prefix reaches beyond it by most of its length.
        for piece in bytes.windows(PIECE).skip(PREFIX - 2) {
            wanted.extend(written(piece));
        }
        if let Ok(random) = URL_SAFE_NO_PAD.decode(credential.get(HEAD..).unwrap_or_default()) {
            for piece in random.windows(PIECE).skip(PREFIX - HEAD) {
                wanted.push(("its bytes", piece.to_vec()));
                wanted.push(("its bytes in hexadecimal", hex(piece).into_bytes()));
            }
        }
        let pieces = AhoCorasick::builder()
            .build(wanted.iter().map(|(_, piece)| piece))
            .expect("a few hundred short pieces make a small automaton");
        Self {
            pieces,
            encodings: wanted.into_iter().map(|(encoding, _)| encoding).collect(),
        }
    }

    /// In which encoding a part of the credential stands there; `None` if none does.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<&'static str> {
        let found = self.pieces.find(bytes)?;
        self.encodings.get(found.pattern().as_usize()).copied()
    }
}

fn written(piece: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut reversed = piece.to_vec();
    reversed.reverse();
    let standard: Vec<u8> = piece
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    let escaped = piece.iter().fold(String::new(), |mut text, byte| {
        let _written = write!(text, "%{byte:02X}");
        text
    });
    vec![
        ("plain text", piece.to_vec()),
        ("base64's other letters", standard),
        ("hexadecimal", hex(piece).into_bytes()),
        ("hexadecimal", hex(piece).to_uppercase().into_bytes()),
        ("base64", STANDARD_NO_PAD.encode(piece).into_bytes()),
        ("base64url", URL_SAFE_NO_PAD.encode(piece).into_bytes()),
        ("reversed text", reversed),
        ("percent-encoding", escaped.into_bytes()),
    ]
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// Every form in which the SHA-256 of a credential may be stored.
pub(crate) fn hashes(credential: &str) -> Vec<Vec<u8>> {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, credential.as_bytes());
    let hash = hash.as_ref();
    vec![
        hex(hash).into_bytes(),
        hex(hash).to_uppercase().into_bytes(),
        STANDARD.encode(hash).into_bytes(),
        URL_SAFE_NO_PAD.encode(hash).into_bytes(),
        hash.to_vec(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "mpk_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_aBcDc";

    fn found(text: impl AsRef<[u8]>) -> Option<&'static str> {
        Search::of(KEY).find(text.as_ref())
    }

    #[test]
    fn a_key_is_found_however_it_was_written() {
        assert_eq!(found(format!("key={KEY}!")), Some("plain text"));
        assert_eq!(found(hex(KEY.as_bytes())), Some("hexadecimal"));
        for before in ["", "a", "ab"] {
            let text = STANDARD.encode(format!("{before}{KEY}"));
            assert!(found(text).is_some(), "{before} before it");
        }
        assert_eq!(
            found(KEY.chars().rev().collect::<String>()),
            Some("reversed text")
        );
        let escaped = format!("%{}", hex(KEY.as_bytes()).to_uppercase());
        let escaped: Vec<u8> = escaped.bytes().skip(1).collect();
        let escaped: Vec<u8> = escaped
            .chunks(2)
            .flat_map(|digits| [b"%", digits].concat())
            .collect();
        assert_eq!(found(escaped), Some("percent-encoding"));
        let random = URL_SAFE_NO_PAD.decode(&KEY[4..]).unwrap();
        assert_eq!(found(&random), Some("its bytes"));
        assert!(found(STANDARD.encode(&random)).is_some());
    }

    #[test]
    fn either_half_of_a_key_is_found_but_not_its_prefix() {
        assert_eq!(found(&KEY[..23]), Some("plain text"));
        assert_eq!(found(&KEY[24..]), Some("plain text"));
        assert_eq!(found(&KEY[..12]), None);
        assert_eq!(found("mpk_AbCdEfGh and more text"), None);
    }
}
