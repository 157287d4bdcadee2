//! What `Cache-Control` allows. Never asks a cache.

use crate::evidence::Exchange;
use std::collections::BTreeMap;

/// The directives of an answer's `Cache-Control` headers, names in lower case.
#[must_use]
pub fn directives(answer: &Exchange) -> BTreeMap<String, Option<String>> {
    let text = answer.header_all("cache-control").join(",");
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| match part.split_once('=') {
            Some((name, value)) => (
                name.trim().to_ascii_lowercase(),
                Some(value.trim().trim_matches('"').to_owned()),
            ),
            None => (part.to_ascii_lowercase(), None),
        })
        .collect()
}

/// Whether no cache may keep the answer.
#[must_use]
pub fn forbids_storing(answer: &Exchange) -> bool {
    let directives = directives(answer);
    directives.contains_key("no-store") && !directives.contains_key("public")
}
