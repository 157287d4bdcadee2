//! Looks for a credential wherever it may have been left: whole or in part, plain or in an encoding. Never keeps what it looked through.

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

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
        // A piece that begins in the prefix reaches beyond it by most of its length.
        let wanted = wanted(credential, PREFIX - 2);
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

/// Every piece of a credential in every encoding, but for those that begin in what is left out of its beginning.
fn wanted(credential: &str, left_out: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut wanted: Vec<(&'static str, Vec<u8>)> = Vec::new();
    for piece in credential.as_bytes().windows(PIECE).skip(left_out) {
        wanted.extend(written(piece));
    }
    if let Ok(random) = URL_SAFE_NO_PAD.decode(credential.get(HEAD..).unwrap_or_default()) {
        for piece in random.windows(PIECE).skip(PREFIX - HEAD) {
            wanted.push(("its bytes", piece.to_vec()));
            wanted.push(("its bytes in hexadecimal", hex(piece).into_bytes()));
        }
    }
    wanted
}

/// Takes credentials out of texts, whole or in part, plain or in an encoding.
#[derive(Debug, Default)]
pub struct Credentials(Option<AhoCorasick>);

impl Credentials {
    /// Those that are to be taken out. Of a key or token the first characters stay: they are its name for everybody.
    ///
    /// # Panics
    /// If their pieces make no automaton: not before there are some hundred thousand credentials.
    #[must_use]
    pub fn of<'c>(credentials: impl IntoIterator<Item = &'c str>) -> Self {
        let pieces = credentials.into_iter().flat_map(|credential| {
            let has_name = credential.starts_with("mpk_") || credential.starts_with("mps_");
            wanted(credential, if has_name { PREFIX - 2 } else { 0 })
        });
        let pieces: Vec<Vec<u8>> = pieces.map(|(_, piece)| piece).collect();
        if pieces.is_empty() {
            return Self(None);
        }
        let built = AhoCorasick::builder().build(&pieces);
        Self(Some(built.expect(
            "pieces of the credentials of one scenario make an automaton",
        )))
    }

    /// The text without them; `instead` stands for each run of letters that belongs to one.
    #[must_use]
    pub fn clean<'t>(&self, text: &'t str, instead: &str) -> Cow<'t, str> {
        let runs = self.runs(text);
        if runs.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut cleaned = String::with_capacity(text.len());
        let mut at = 0;
        for run in runs {
            cleaned.push_str(&text[at..run.start]);
            cleaned.push_str(instead);
            at = run.end;
        }
        cleaned.push_str(&text[at..]);
        Cow::Owned(cleaned)
    }

    /// Where pieces stand in a text, those that touch as one, in order.
    fn runs(&self, text: &str) -> Vec<Range<usize>> {
        let Some(pieces) = &self.0 else {
            return Vec::new();
        };
        let mut found: Vec<Range<usize>> = pieces
            .find_overlapping_iter(text)
            .map(|found| whole_letters(text, found.range()))
            .collect();
        found.sort_by_key(|run| run.start);
        let mut runs: Vec<Range<usize>> = Vec::new();
        for run in found {
            match runs.last_mut() {
                Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
                Some(_) | None => runs.push(run),
            }
        }
        runs
    }
}

/// The range with the letters whole that it cuts.
fn whole_letters(text: &str, range: Range<usize>) -> Range<usize> {
    let begins = |at: &usize| text.is_char_boundary(*at);
    let start = (0..=range.start).rev().find(begins).unwrap_or(0);
    let end = (range.end..=text.len()).find(begins).unwrap_or(text.len());
    start..end
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
    fn a_key_is_taken_out_of_a_text_however_it_was_written() {
        let keys = Credentials::of([KEY, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
        let clean = |text: &str| keys.clean(text, "*").into_owned();
        assert_eq!(clean(&format!("é {KEY} é")), "é mpk_AbCdEf* é");
        assert_eq!(clean("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "*");
        assert_eq!(clean(&format!("{} and more", &KEY[20..40])), "* and more");
        assert_eq!(
            clean("mpk_AbCdEfGh and more text"),
            "mpk_AbCdEfGh and more text"
        );
        for (written, text) in [
            ("hexadecimal", hex(KEY.as_bytes())),
            ("base64", STANDARD.encode(format!("ab{KEY}"))),
            ("reversed", KEY.chars().rev().collect()),
            (
                "its bytes",
                hex(&URL_SAFE_NO_PAD.decode(&KEY[4..]).unwrap()),
            ),
        ] {
            assert_eq!(found(clean(&text)), None, "{written}: {}", clean(&text));
        }
    }

    #[test]
    fn either_half_of_a_key_is_found_but_not_its_prefix() {
        assert_eq!(found(&KEY[..23]), Some("plain text"));
        assert_eq!(found(&KEY[24..]), Some("plain text"));
        assert_eq!(found(&KEY[..12]), None);
        assert_eq!(found("mpk_AbCdEfGh and more text"), None);
    }
}
