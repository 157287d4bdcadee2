//! What each rule is, read from `harness/data/rules/*.toml`: the failure, the repair, an example that breaks it and the same one mended. Never judges.

use crate::finding::Level;
use serde::Deserialize;
use std::sync::LazyLock;

/// What is to be known of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its id (`FK-03`).
    pub id: String,
    /// How bad its findings are; single ones may be less so where they cannot be proved.
    pub level: Level,
    /// What is wrong, as a short clause.
    pub title: String,
    /// What happens, when, and to whom: two or three sentences.
    pub failure: String,
    /// What to do.
    pub repair: String,
    /// The criteria that it serves (`PAT-015`).
    #[serde(default)]
    pub criteria: Vec<String>,
    /// Whether its findings come with a repair that can be applied.
    #[serde(default)]
    pub fix: bool,
    /// SQL that breaks it; several files are parted by lines `-- file: NAME`.
    pub broken: String,
    /// The same SQL, mended.
    pub mended: String,
    /// The `[data]` section of both examples, as TOML.
    #[serde(default)]
    pub claims: String,
    /// Another `[data]` section for `mended`, where the mistake is in a declared statement.
    pub mended_claims: Option<String>,
    /// Whether the examples are one file of SQL that is run by hand, not migrations.
    #[serde(default)]
    pub script: bool,
    /// Other rules that `broken` breaks too.
    #[serde(default)]
    pub also: Vec<String>,
}

/// The families, each in a file of its own, in the order of the book.
const FILES: &[&str] = &[
    include_str!("../../rules/fk.toml"),
    include_str!("../../rules/mig.toml"),
];

static BOOK: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Family {
        rule: Vec<Rule>,
    }
    let families = FILES.iter().map(|text| {
        toml::from_str::<Family>(text)
            .expect("the book is part of the program, and a test reads it")
    });
    families.flat_map(|family| family.rule).collect()
});

/// Every rule, by family.
#[must_use]
pub fn rules() -> &'static [Rule] {
    &BOOK
}

/// A rule by its id, whatever its case.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().iter().find(|rule| rule.id.eq_ignore_ascii_case(id))
}

/// The files of an example: name and text. The first one is `0001_first.sql` unless the text names it.
#[must_use]
pub fn files(example: &str) -> Vec<(String, String)> {
    let mut files = vec![("0001_first.sql".to_owned(), String::new())];
    for line in example.lines() {
        if let Some(name) = line.strip_prefix("-- file: ") {
            if files.len() == 1 && files[0].1.trim().is_empty() {
                files.clear();
            }
            files.push((name.trim().to_owned(), String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    files
}
