//! `${NAME}` and `${file:PATH}` in a manifest: what comes from the environment or from a file. Never prints a value.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use toml::{Table, Value};

/// Keys whose values are secrets, wherever they stand: written out in a manifest they would end up in version control.
pub(super) const SECRET_KEYS: [&str; 4] = ["token", "api_token", "secret", "password"];

/// Words in the name of a key or a variable that say: this is a secret.
const SECRET_WORDS: [&str; 7] = [
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "private",
    "key",
];

/// What a manifest may name of its surroundings: a manifest that nobody has read could name any secret of the machine it is read on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Allowed {
    /// Every variable, and every file.
    #[default]
    Everything,
    /// These variables, and these files as `file:PATH`; nothing where it is empty.
    Only(BTreeSet<String>),
}

impl Allowed {
    fn holds(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// Whether a key or a variable is named as secrets are.
fn is_named_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Whether a key is the name of something in the user's schema, as in `[data.global] token = "the reason"`: it says nothing of a secret.
fn is_claim(place: &str) -> bool {
    place.starts_with("data.") && !place.starts_with("data.from.")
}

/// The password in an address, if it holds one.
fn password(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    url.password().map(str::to_owned)
}

/// The credentials in an address with what stands around them, so that they go however short they are.
fn credentials(text: &str) -> Option<String> {
    let password = password(text)?;
    let user = url::Url::parse(text).ok()?.username().to_owned();
    Some(format!("://{user}:{password}@"))
}

/// Fills in every `${NAME}` (environment) and `${file:PATH}` (a file's text, relative to the manifest); `$${` stands for `${`.
/// Returns what is secret of it, the values of secret keys, of files, and of variables and keys that are named as secrets are.
///
/// # Errors
/// Which key names a variable that is not set or not allowed, a file that cannot be read or is not allowed, or holds a secret in plain text.
pub(super) fn resolve(
    document: &mut Table,
    folder: &Path,
    allowed: &Allowed,
) -> Result<Resolved, String> {
    let mut secrets = Vec::new();
    let source = Source {
        folder,
        variable: &variable,
        allowed,
        notes: RefCell::default(),
    };
    for (key, value) in document.iter_mut() {
        source.fill(key, key, value, &mut secrets)?;
    }
    Ok(Resolved {
        secrets,
        notes: source.notes.into_inner().into_iter().collect(),
    })
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// What is secret of it.
    pub(super) secrets: Vec<String>,
    /// What the user should know of it, in sentences without any value.
    pub(super) notes: Vec<String>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the manifest names variables of the user's own choice"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

struct Source<'a> {
    folder: &'a Path,
    variable: &'a dyn Fn(&str) -> Option<String>,
    allowed: &'a Allowed,
    notes: RefCell<BTreeSet<String>>,
}

impl Source<'_> {
    fn fill(
        &self,
        place: &str,
        key: &str,
        value: &mut Value,
        secrets: &mut Vec<String>,
    ) -> Result<(), String> {
        match value {
            Value::String(text) => {
                let secret = SECRET_KEYS.contains(&key) && !is_claim(place);
                if secret && !(text.starts_with("${") && text.ends_with('}')) {
                    return Err(format!(
                        "{place} is a secret and stands there in plain text; write \"${{NAME}}\" and set NAME in the environment, or \"${{file:PATH}}\""
                    ));
                }
                *text = self.expanded(place, key, text, secrets)?;
                secrets.extend(password(text));
                secrets.extend(credentials(text));
                if secret {
                    secrets.push(text.clone());
                }
                Ok(())
            }
            Value::Array(list) => list
                .iter_mut()
                .try_for_each(|item| self.fill(place, key, item, secrets)),
            Value::Table(table) => table.iter_mut().try_for_each(|(key, item)| {
                self.fill(&format!("{place}.{key}"), key, item, secrets)
            }),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => Ok(()),
        }
    }

    fn expanded(
        &self,
        place: &str,
        key: &str,
        text: &str,
        secrets: &mut Vec<String>,
    ) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, tail) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = &tail[2..];
                continue;
            }
            out.push_str(before);
            let end = tail.find('}').ok_or_else(|| {
                format!("{place}: `${{` without its `}}`; write $${{ for the text itself")
            })?;
            let name = &tail[2..end];
            let value = self.value(place, name)?;
            out.push_str(&value);
            if name.starts_with("file:") || is_named_secret(name) || is_named_secret(key) {
                secrets.push(value);
            }
            rest = &tail[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// A variable that was set from a file or a command often ends with a line break, which is no part of any value here.
    fn trimmed(&self, name: &str, value: String) -> String {
        let trimmed = value.trim_end_matches(['\n', '\r']);
        if trimmed.len() == value.len() {
            return value;
        }
        self.notes.borrow_mut().insert(format!(
            "the environment variable {name} ends with a line break, which is left out"
        ));
        trimmed.to_owned()
    }

    fn value(&self, place: &str, name: &str) -> Result<String, String> {
        if !self.allowed.holds(name) {
            let what = match name.strip_prefix("file:") {
                Some(path) => format!("the file {path}"),
                None => format!("the environment variable {name}"),
            };
            return Err(format!(
                "{place} names {what}, which this manifest may not name here; `--allow-env {name}` allows it"
            ));
        }
        match name.strip_prefix("file:") {
            Some(path) => std::fs::read_to_string(self.folder.join(path))
                .map(|text| text.trim_end().to_owned())
                .map_err(|error| format!("{place}: cannot read {path}: {error}")),
            None => (self.variable)(name)
                .map(|value| self.trimmed(name, value))
                .filter(|value| !value.is_empty())
                .ok_or_else(|| {
                    format!(
                        "{place} needs the environment variable {name}, which is not set or empty"
                    )
                }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<(Table, Vec<String>), String> {
        let mut document: Table = toml::from_str(text).unwrap();
        let source = Source {
            folder: Path::new("."),
            variable: &|name| (name == "STAGING").then(|| "s3cret".to_owned()),
            allowed: &Allowed::Everything,
            notes: RefCell::default(),
        };
        let mut secrets = Vec::new();
        for (key, value) in &mut document {
            source.fill(key, key, value, &mut secrets)?;
        }
        Ok((document, secrets))
    }

    #[test]
    fn variables_are_filled_in_anywhere_and_secrets_are_remembered() {
        let (document, secrets) =
            resolved("a = ['x-${STAGING}', '$${STAGING}']\n[o]\ntoken = '${STAGING}'").unwrap();
        assert_eq!(document["a"][0].as_str(), Some("x-s3cret"));
        assert_eq!(document["a"][1].as_str(), Some("${STAGING}"));
        assert_eq!(secrets, ["s3cret", "s3cret"]);
    }

    #[test]
    fn what_is_not_allowed_is_refused_before_it_is_read() {
        let refused = |text: &str| {
            let source = Source {
                folder: Path::new("."),
                variable: &|_| unreachable!("a variable that is not allowed was read"),
                allowed: &Allowed::Only(BTreeSet::from(["OTHER".to_owned()])),
                notes: RefCell::default(),
            };
            source.value("o.address", text).unwrap_err()
        };
        assert!(refused("STAGING").contains("--allow-env STAGING"));
        assert!(refused("file:/proc/self/environ").contains("--allow-env file:/proc"));
    }

    #[test]
    fn a_line_break_behind_a_variable_is_left_out_and_told() {
        let source = Source {
            folder: Path::new("."),
            variable: &|name| (name == "PIPED").then(|| "s3cret\r\n".to_owned()),
            allowed: &Allowed::Everything,
            notes: RefCell::default(),
        };
        assert_eq!(source.value("o.token", "PIPED"), Ok("s3cret".to_owned()));
        let notes: Vec<String> = source.notes.into_inner().into_iter().collect();
        assert!(notes[0].contains("PIPED") && !notes[0].contains("s3cret"));
    }

    #[test]
    fn a_variable_that_is_not_set_is_named_with_its_key() {
        let error = resolved("[o]\naddress = '${PRODUCTION}'").unwrap_err();
        assert!(
            error.contains("o.address") && error.contains("PRODUCTION"),
            "{error}"
        );
    }

    #[test]
    fn a_table_that_is_named_as_secrets_are_is_no_secret() {
        let (_, secrets) = resolved(
            "[data.global]\ntoken = 'one for all'\n[data.from.rest]\ntoken = '${STAGING}'",
        )
        .unwrap();
        assert_eq!(secrets, ["s3cret", "s3cret"]);
        assert!(resolved("[data.from.rest]\ntoken = 'abc123'").is_err());
    }

    #[test]
    fn a_secret_in_plain_text_is_refused_and_not_repeated() {
        let error = resolved("[o]\ntoken = 'abc123'").unwrap_err();
        assert!(
            error.contains("o.token") && !error.contains("abc123"),
            "{error}"
        );
    }
}
