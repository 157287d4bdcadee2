//! `{name}` in manifest texts. Never leaves an unknown placeholder in place.

use std::collections::BTreeMap;

/// Fills in every `{name}`; `{{` and `}}` stand for braces.
///
/// # Errors
/// The unknown name and those that are known.
pub fn fill(text: &str, values: &BTreeMap<&str, String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        if let Some(after) = tail.strip_prefix("{{") {
            out.push('{');
            rest = after;
        } else if let Some(after) = tail.strip_prefix("}}") {
            out.push('}');
            rest = after;
        } else {
            let end = tail.find('}').filter(|_| tail.starts_with('{'));
            let end = end.ok_or_else(|| {
                format!("a brace without its partner in `{text}`; write {{{{ or }}}} for a brace")
            })?;
            let name = &tail[1..end];
            let known = || values.keys().copied().collect::<Vec<_>>().join(", ");
            out.push_str(values.get(name).ok_or_else(|| {
                format!("unknown placeholder {{{name}}}; there are: {}", known())
            })?);
            rest = &tail[end + 1..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Fills in every text of a list.
///
/// # Errors
/// As [`fill`].
pub fn fill_all(texts: &[String], values: &BTreeMap<&str, String>) -> Result<Vec<String>, String> {
    texts.iter().map(|text| fill(text, values)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> BTreeMap<&'static str, String> {
        BTreeMap::from([("port", "8787".to_owned())])
    }

    #[test]
    fn known_names_are_filled_in_and_doubled_braces_are_braces() {
        assert_eq!(
            fill("--port={port} {{x}}", &values()),
            Ok("--port=8787 {x}".to_owned())
        );
    }

    #[test]
    fn an_unknown_name_is_an_error_that_names_the_known_ones() {
        let error = fill("{prot}", &values()).unwrap_err();
        assert!(
            error.contains("{prot}") && error.contains("port"),
            "{error}"
        );
        assert!(fill("{port", &values()).is_err());
        assert!(fill("port}", &values()).is_err());
    }
}
