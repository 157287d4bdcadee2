//! The published vectors of tenant ids and sandbox ids. Never works one out: they were made by another program.

use serde::Deserialize;

/// The file as published.
const PUBLISHED: &str = include_str!("../../../fixtures/sandbox_ids.json");

/// Everything in the file.
#[derive(Debug, Clone, Deserialize)]
pub struct Vectors {
    /// Canonical tenant ids and the sandbox id of each.
    pub vectors: Vec<Vector>,
    /// Other spellings of a tenant id.
    pub non_canonical: Vec<Spelling>,
    /// Texts that are no tenant id in any spelling.
    pub invalid: Vec<String>,
}

/// A tenant id and its sandbox id.
#[derive(Debug, Clone, Deserialize)]
pub struct Vector {
    /// Canonical UUID text.
    pub tenant_id: String,
    /// What it gives.
    pub sandbox_id: String,
}

/// Another spelling of a tenant id.
#[derive(Debug, Clone, Deserialize)]
pub struct Spelling {
    /// As somebody may write it.
    pub input: String,
    /// As it is stored and hashed.
    pub canonical: String,
    /// What it gives.
    pub sandbox_id: String,
}

/// The published vectors.
///
/// # Panics
/// If the file built in is damaged: found by any test that reads it.
#[must_use]
pub fn published() -> Vectors {
    #[expect(
        clippy::expect_used,
        reason = "the file is built in and read by a test"
    )]
    serde_json::from_str(PUBLISHED).expect("the published vectors are JSON of this form")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::sandbox_id::expected;

    #[test]
    fn the_oracle_equals_every_published_vector_and_spelling() {
        let published = published();
        assert!(published.vectors.len() > 50, "the vectors are gone");
        for vector in &published.vectors {
            assert_eq!(expected(&vector.tenant_id), vector.sandbox_id);
        }
        for spelling in &published.non_canonical {
            assert_eq!(expected(&spelling.canonical), spelling.sandbox_id);
        }
        assert!(!published.invalid.is_empty());
    }
}
