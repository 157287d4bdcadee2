//! Texts in TOML and in its comments. Never fails: whatever somebody calls things can be written.

use std::path::Path;

/// A text in TOML.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A list of texts in TOML.
pub(super) fn words(list: &[String]) -> String {
    let list = list.iter().cloned().map(toml::Value::String).collect();
    toml::Value::Array(list).to_string()
}

/// A secret's place: the name of a variable.
pub(super) fn variable(name: &str) -> String {
    quoted(&format!("${{{name}}}"))
}

/// A key in TOML: as it is where that is allowed.
pub(super) fn key(name: &str) -> String {
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// What goes into a comment: somebody else's names must not end it.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string().replace('\\', "/")
}

/// A relative path without detours: `worker/../migrations` is `migrations`.
pub(super) fn lexical(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
    {
        let leaves = part == ".." && parts.last().is_some_and(|last| last != ".." && last != "/");
        if leaves {
            parts.pop();
        } else if part != "." {
            parts.push(part);
        }
    }
    parts.join("/").replacen("//", "/", 1)
}
