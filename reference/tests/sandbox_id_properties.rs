//! The derivation of sandbox ids against published vectors and another SHA-256. Never takes an expected value from the derivation itself.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use aws_lc_rs::digest;
use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::TenantId;
use proptest::prelude::*;
use serde::Deserialize;
use std::fmt::Write;

#[derive(Deserialize)]
struct Published {
    vectors: Vec<Vector>,
    non_canonical: Vec<NonCanonical>,
    invalid: Vec<String>,
}

#[derive(Deserialize)]
struct Vector {
    tenant_id: String,
    sandbox_id: String,
}

#[derive(Deserialize)]
struct NonCanonical {
    input: String,
    canonical: String,
    sandbox_id: String,
}

fn published() -> Published {
    serde_json::from_str(include_str!("../../fixtures/sandbox_ids.json")).unwrap()
}

fn derive(text: &str) -> String {
    SandboxId::derive(&TenantId::parse(text).unwrap()).to_string()
}

/// The rule as the contract states it, on another implementation of the hash.
fn oracle(canonical: &str) -> String {
    let hash = digest::digest(&digest::SHA256, canonical.as_bytes());
    let mut id = "sk-".to_owned();
    for byte in &hash.as_ref()[..8] {
        write!(id, "{byte:02x}").unwrap();
    }
    id
}

/// The 36 characters of a UUID with these bits, written without the `uuid` crate.
fn canonical(bits: u128) -> String {
    let digits = format!("{bits:032x}");
    [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ]
    .join("-")
}

#[test]
fn the_published_vectors_hold() {
    let published = published();
    assert!(
        published.vectors.len() >= 50,
        "{} vectors",
        published.vectors.len()
    );
    for Vector {
        tenant_id,
        sandbox_id,
    } in published.vectors
    {
        assert_eq!(derive(&tenant_id), sandbox_id, "{tenant_id}");
        assert_eq!(oracle(&tenant_id), sandbox_id, "{tenant_id}");
    }
}

#[test]
fn published_other_spellings_are_read_as_the_canonical_one() {
    let published = published();
    assert!(!published.non_canonical.is_empty());
    for NonCanonical {
        input,
        canonical,
        sandbox_id,
    } in published.non_canonical
    {
        // White space is no part of a spelling: it may be refused, and is.
        if input.trim() != input {
            assert!(TenantId::parse(&input).is_err(), "{input}");
            continue;
        }
        assert_eq!(
            TenantId::parse(&input).unwrap().to_string(),
            canonical,
            "{input}"
        );
        assert_eq!(derive(&input), sandbox_id, "{input}");
    }
}

#[test]
fn published_invalid_ids_are_refused() {
    let published = published();
    assert!(!published.invalid.is_empty());
    for input in published.invalid {
        assert!(TenantId::parse(&input).is_err(), "{input:?}");
    }
}

#[test]
fn a_derivation_allocates_nothing() {
    let tenant = TenantId::random();
    let allocations = allocation_counter::measure(|| {
        std::hint::black_box(SandboxId::derive(std::hint::black_box(&tenant)));
    });
    assert_eq!(allocations.count_total, 0);
}

proptest! {
    #[test]
    fn every_id_has_the_stated_form_and_agrees_with_the_oracle(bits: u128) {
        let text = canonical(bits);
        let id = derive(&text);
        prop_assert_eq!(&id, &oracle(&text));
        prop_assert_eq!(&id, &derive(&text), "the same again");
        prop_assert_eq!(id.len(), 19);
        prop_assert!(id.starts_with("sk-"));
        prop_assert!(id[3..].bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));
    }

    #[test]
    fn every_spelling_of_a_uuid_gives_one_id(bits: u128, upper: bool) {
        let text = canonical(bits);
        let expected = derive(&text);
        for spelling in [
            text.clone(),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            text.replace('-', ""),
        ] {
            let spelling = if upper && !spelling.starts_with("urn") { spelling.to_uppercase() } else { spelling };
            prop_assert_eq!(derive(&spelling), &*expected, "{}", spelling);
        }
    }

    #[test]
    fn each_bit_of_the_uuid_matters(bits: u128) {
        let id = derive(&canonical(bits));
        for bit in 0..128 {
            prop_assert_ne!(derive(&canonical(bits ^ (1 << bit))), &*id, "bit {}", bit);
        }
    }

    #[test]
    fn no_text_panics_and_what_is_read_is_canonical(
        text in prop_oneof!["(?s).{0,50}", "[0-9a-fA-F{}:urnid-]{30,48}"],
    ) {
        if let Ok(tenant) = TenantId::parse(&text) {
            let canonical = tenant.to_string();
            prop_assert_eq!(canonical.len(), 36);
            prop_assert_eq!(TenantId::parse(&canonical), Ok(tenant));
            let digits = text.to_lowercase().replace(['-', '{', '}'], "");
            prop_assert!(digits.ends_with(&canonical.replace('-', "")));
        }
    }
}
