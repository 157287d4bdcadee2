//! Entries of KV as a manifest writes them: templates of value and metadata. Never fills one in.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What stands under a key: a value alone, or one with metadata.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Template {
    /// The value.
    Value(String),
    /// The value and the metadata beside it.
    WithMetadata {
        /// The value.
        value: String,
        /// JSON, as text: `'{"tenant":"{id}","hosts":{domains}}'`.
        metadata: String,
    },
}

impl Template {
    /// The texts that may hold placeholders.
    pub(in crate::subject) fn texts(&self) -> impl Iterator<Item = &String> {
        let (value, metadata) = match self {
            Self::Value(value) => (value, None),
            Self::WithMetadata { value, metadata } => (value, Some(metadata)),
        };
        std::iter::once(value).chain(metadata)
    }
}

/// Every text of templates by their keys that may hold placeholders.
pub(in crate::subject) fn texts(
    templates: &BTreeMap<String, Template>,
) -> impl Iterator<Item = &String> {
    let values = templates.values().flat_map(Template::texts);
    templates.keys().chain(values)
}
