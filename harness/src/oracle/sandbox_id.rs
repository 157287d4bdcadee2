//! The sandbox id that the contract demands. Uses another SHA-256 implementation than the reference.

/// `sk-` and the first 16 hexadecimal digits of SHA-256 over the canonical UUID text. `tenant_id` must be canonical.
#[must_use]
pub fn expected(tenant_id: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, tenant_id.as_bytes());
    format!("sk-{}", data_encoding::HEXLOWER.encode(&hash.as_ref()[..8]))
}

/// Whether a text has the form of a sandbox id: `^sk-[a-f0-9]{16}$`.
#[must_use]
pub fn has_form(text: &str) -> bool {
    text.len() == 19
        && text.starts_with("sk-")
        && text[3..]
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Tenant ids whose hash is awkward to print: its first byte and another of the eight are below 16,
/// so that who drops leading zeros (of the number or of a byte) gets a shorter id.
#[must_use]
pub fn awkward_tenant_ids(count: usize) -> Vec<String> {
    let fresh = || uuid::Uuid::new_v4().hyphenated().to_string();
    std::iter::repeat_with(fresh)
        .filter(|id| {
            let digits = expected(id);
            let small = (0..8).filter(|byte| digits.as_bytes()[3 + 2 * byte] == b'0');
            digits.as_bytes()[3] == b'0' && small.count() >= 2
        })
        .take(count)
        .collect()
}

/// Words that the Sandbox SDK keeps for itself, whatever their letter case.
const RESERVED: [&str; 7] = [
    "www",
    "api",
    "admin",
    "root",
    "system",
    "cloudflare",
    "workers",
];

/// Longest id that still fits a preview host label `{port}-{id}-{token}` of 63 characters, with a port of five digits and a token of 16.
const PREVIEW_ID_LEN_MAX: usize = 63 - 5 - 16 - 2;

/// What a text cannot be used as: empty if it serves as R2 key prefix, KV key prefix, DNS label and Sandbox SDK id.
#[must_use]
pub fn unusable_as(text: &str) -> Vec<&'static str> {
    let label = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let hyphen_at_end = text.starts_with('-') || text.ends_with('-');
    let mut reasons = Vec::new();
    // R2 keys have up to 1,024 bytes and KV keys up to 512; both need room for what follows the prefix.
    if text.is_empty()
        || text.len() > 256
        || text.contains('/')
        || text.chars().any(char::is_control)
    {
        reasons.push("R2 key prefix");
    }
    if text.is_empty() || text.len() > 256 || text == "." || text == ".." || text.contains('/') {
        reasons.push("KV key prefix");
    }
    if text.is_empty() || text.len() > 63 || hyphen_at_end || !text.bytes().all(label) {
        reasons.push("DNS label");
    }
    if text.is_empty()
        || text.len() > PREVIEW_ID_LEN_MAX
        || hyphen_at_end
        || RESERVED.contains(&text.to_ascii_lowercase().as_str())
    {
        reasons.push("Sandbox SDK id");
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oracle_equals_the_published_vectors() {
        let text = include_str!("../../../fixtures/sandbox_ids.json");
        let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
        let list = vectors["vectors"].as_array().unwrap();
        assert!(list.len() > 10, "the vectors are gone");
        for vector in list {
            let id = vector["tenant_id"].as_str().unwrap();
            assert_eq!(
                expected(id),
                vector["sandbox_id"].as_str().unwrap(),
                "tenant {id}"
            );
            assert!(has_form(&expected(id)));
        }
    }

    #[test]
    fn awkward_ids_have_a_hash_with_leading_zeros() {
        for id in awkward_tenant_ids(3) {
            assert!(expected(&id).starts_with("sk-0"), "tenant {id}");
            assert!(has_form(&expected(&id)));
        }
    }

    #[test]
    fn a_sandbox_id_is_usable_everywhere_and_other_texts_are_not() {
        assert!(unusable_as("sk-986c0dc956dc822b").is_empty());
        assert_eq!(unusable_as("api"), ["Sandbox SDK id"]);
        assert_eq!(unusable_as("-a"), ["DNS label", "Sandbox SDK id"]);
        assert_eq!(unusable_as("Ab"), ["DNS label"]);
        assert_eq!(unusable_as("").len(), 4);
        assert_eq!(
            unusable_as("tenant-123e4567-e89b-12d3-a456-426614174000"),
            ["Sandbox SDK id"]
        );
    }
}
