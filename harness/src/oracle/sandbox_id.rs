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
}
